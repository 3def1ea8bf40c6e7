// Receiving, seen from the program: receives are posted and matched with what has already come,
// messages are probed for, claimed, and received after a claim.

import MessagePassing

extension Engine {
    /// Starts a receive. Arguments have been checked; `source` is a rank of the group or any.
    func irecv(
        into buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, call: UInt64
    ) throws(MPIError) -> RequestHandle {
        lock()
        defer { unlock() }
        try checkAlive()
        let index = takeReceive(buffer, in: space, from: source, tag: tag, call: call)
        let name = RequestHandle(rawValue: requests.name(index))
        post(index, in: space)
        return name
    }

    /// The slot of a new receive, which no message can match yet.
    func takeReceive(
        _ buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, call: UInt64
    ) -> UInt32 {
        let index = takeReceive(buffer, in: space)
        let request = requests.pointer(index)
        request.pointee.peer = source == .any ? -1 : Int32(space.group[source.rawValue])
        request.pointee.source = Int32(source.rawValue)
        request.pointee.tag = tag.rawValue
        request.pointee.call = call
        return index
    }

    /// From now on messages match it; one that has come already does so here.
    func post(_ index: UInt32, in space: MessageSpace) {
        let request = requests.pointer(index)
        request.pointee.phase = .pending
        let message = space.queues.post(
            receive: index, source: Source(rank: Int(request.pointee.source)),
            tag: Tag(rawValue: request.pointee.tag), call: request.pointee.call)
        if let message { receive(message: message, into: index) }
    }

    /// Starts receiving a claimed message.
    func imrecv(
        _ handle: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        lock()
        defer { unlock() }
        try checkAlive()
        guard let message = messages.find(handle.rawValue), messages[message].receiver == noSlot,
            let space = spaces[Int(messages[message].communicator)]
        else {
            throw .invalidArgument("mrecv", "this message has already been received")
        }
        let index = takeReceive(buffer, in: space)
        let name = RequestHandle(rawValue: requests.name(index))
        receive(message: message, into: index)
        return name
    }

    private func takeReceive(
        _ buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace
    ) -> UInt32 {
        let index = requests.take()
        let request = requests.pointer(index)
        request.pointee.kind = .receive
        request.pointee.communicator = space.number
        request.pointee.buffer = buffer.baseAddress
        request.pointee.capacity = buffer.count
        return index
    }

    /// Withdraws a receive that nothing has matched and frees it. After a failure any receive is
    /// withdrawn, as its buffer is not in use any more.
    func cancel(_ handle: RequestHandle) -> Bool {
        lock()
        defer { unlock() }
        guard let index = requests.find(handle.rawValue), requests[index].kind == .receive,
            requests[index].phase != .done, !requests[index].isTransferring
        else { return false }
        if failure != nil {
            requests.giveBack(index)
            return true
        }
        guard requests[index].phase == .pending,
            let space = spaces[Int(requests[index].communicator)],
            space.queues.withdraw(receive: index)
        else { return false }
        requests.giveBack(index)
        return true
    }

    /// The oldest message that a receive would take now.
    func probe(
        in space: MessageSpace, from source: Source, tag: Tag
    ) -> (message: UInt32, status: Status)? {
        space.queues.probe(source: source, tag: tag)
    }

    /// Takes it out of matching.
    func claim(
        in space: MessageSpace, from source: Source, tag: Tag
    ) -> (message: MessageHandle, status: Status)? {
        guard let (index, status) = space.queues.claim(source: source, tag: tag) else { return nil }
        return (MessageHandle(rawValue: messages.name(index)), status)
    }

    // MARK: A receive meets a message that was there first

    private func receive(message index: UInt32, into receiver: UInt32) {
        let message = messages.pointer(index)
        accept(message.pointee, into: receiver)
        switch message.pointee.kind {
        case .buffered where message.pointee.isComplete:
            deliver(message: index, into: receiver)
        case .buffered:
            message.pointee.receiver = receiver
        case .announced:
            let reply = message.pointee.reply
            let peer = Int(message.pointee.peer)
            messages.giveBack(index)
            if let link = links[peer] { grant(receiver, reply: reply, on: link) }
        case .stored:
            let found = message.pointee
            messages.giveBack(index)
            awaitStored(found, into: receiver)
        case .ownSend:
            let sender = UInt32(truncatingIfNeeded: message.pointee.reply)
            messages.giveBack(index)
            copyOwnSend(sender, into: receiver)
        }
    }

    /// Fills in what the receive's status will tell.
    func accept(_ message: MessageSlot, into receiver: UInt32) {
        let request = requests.pointer(receiver)
        request.pointee.phase = .matched
        request.pointee.peer = message.peer
        request.pointee.source = message.source
        request.pointee.tag = message.tag
        request.pointee.byteCount = message.byteCount
    }

    /// The same from the header of a message that a receive was waiting for.
    @inline(__always)
    func accept(_ header: FrameHeader, from peer: Int32, into receiver: UInt32) {
        let request = requests.pointer(receiver)
        request.pointee.phase = .matched
        request.pointee.peer = peer
        request.pointee.source = header.source
        request.pointee.tag = header.tag
        request.pointee.byteCount = header.payloadByteCount
    }

    /// Copies a message that waited in memory to where it belongs.
    func deliver(message index: UInt32, into receiver: UInt32) {
        let request = requests.pointer(receiver)
        if let source = messages[index].buffer, let target = request.pointee.buffer {
            target.copyMemory(from: source, byteCount: request.pointee.acceptedByteCount)
        }
        release(message: index)
        complete(receiver)
    }

    /// Frees a buffered message and gives its credit back.
    func release(message index: UInt32) {
        let message = messages[index]
        if let buffer = message.buffer { pool.giveBack(buffer, message.byteCount) }
        messages.giveBack(index)
        guard let link = links[Int(message.peer)] else {
            ownBufferedByteCount -= message.byteCount
            return
        }
        link.pointee.receiveCredit.consume(eagerCharge(message.byteCount))
        returnCredit(on: link)
    }

    /// Tells the peer its new limit once that is worth a frame.
    func returnCredit(on link: LinkPointer) {
        guard link.pointee.receiveCredit.isDue, !link.pointee.hasLeft, !isLeaving else { return }
        enqueue(FrameHeader(type: .credit), on: link)
        if !link.pointee.isWriteBlocked { flush(link) }
    }

    /// Asks for the payload of an announced message.
    func grant(_ receiver: UInt32, reply: UInt64, on link: LinkPointer) {
        let request = requests.pointer(receiver)
        request.pointee.phase = .granted
        let payload = RelayedPayload(
            direction: .back, slot: receiver, byteCount: request.pointee.acceptedByteCount,
            reply: reply)
        if isItsTurn(payload, on: link) { writeGrant(receiver, reply: reply, on: link) }
    }

    func writeGrant(_ receiver: UInt32, reply: UInt64, on link: LinkPointer) {
        let request = requests.pointer(receiver)
        enqueue(
            FrameHeader(
                type: .clearToSend, payloadByteCount: request.pointee.acceptedByteCount,
                request: reply, reply: requests.name(receiver)), on: link)
        if !link.pointee.isWriteBlocked { flush(link) }
    }

    // MARK: Messages to oneself

    /// A message to this rank never touches a socket: it is copied to a posted receive, else kept
    /// if it is small, else it waits in the sender's memory.
    func sendToSelf(_ sender: UInt32, in space: MessageSpace, isSynchronous: Bool) {
        let send = requests[sender]
        let index = messages.take()
        let message = messages.pointer(index)
        message.pointee.peer = Int32(rank)
        message.pointee.communicator = space.number
        message.pointee.source = Int32(space.rank)
        message.pointee.tag = send.tag
        message.pointee.byteCount = send.byteCount
        let envelope = Envelope(
            contextID: space.contextID, source: space.rank, tag: Tag(rawValue: send.tag),
            call: send.call, byteCount: send.byteCount)
        if let receiver = space.queues.arrive(envelope, message: index) {
            accept(message.pointee, into: receiver)
            messages.giveBack(index)
            copyOwnSend(sender, into: receiver)
        } else if !isSynchronous, send.byteCount <= settings.eagerByteCountMax,
            ownBufferedByteCount + send.byteCount <= settings.unexpectedByteCountMax / size
        {
            message.pointee.isComplete = true
            if let source = send.buffer, send.byteCount > 0 {
                let buffer = pool.take(send.byteCount)
                buffer.copyMemory(from: source, byteCount: send.byteCount)
                message.pointee.buffer = buffer
            }
            ownBufferedByteCount += send.byteCount
            complete(sender)
        } else {
            message.pointee.kind = .ownSend
            message.pointee.reply = UInt64(sender)
        }
    }

    private func copyOwnSend(_ sender: UInt32, into receiver: UInt32) {
        let request = requests.pointer(receiver)
        if let source = requests[sender].buffer, let target = request.pointee.buffer {
            target.copyMemory(from: source, byteCount: request.pointee.acceptedByteCount)
        }
        complete(sender)
        complete(receiver)
    }
}
