// One rank's view of a communicator whose ranks are threads: sends and receives.

import MessagePassing
import Synchronization

/// A communicator among threads of one process.
///
/// A message is copied once, from the sender's memory to the receiver's, if its receive is posted
/// or if it is longer than 64 KiB; a shorter unexpected one is copied twice, so that its sender
/// can go on.
final class ThreadCommunicator: Communicator, @unchecked Sendable {
    let world: World
    let group: Group
    let rank: Int
    let size: Int
    let mailbox: MailboxPointer
    let endpoint: EndpointPointer
    var timeout: Duration? { world.patience.timeout }

    init(world: World, group: Group, rank: Int) {
        self.world = world
        self.group = group
        self.rank = rank
        size = group.size
        mailbox = group.mailboxes + rank
        endpoint = group.endpoints[rank]
    }

    func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try send(bytes, to: destination, tag, context, isSynchronous: false)
    }

    func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        try send(bytes, to: destination, tag, .pointToPoint, isSynchronous: true)
    }

    @inline(__always)
    private func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, _ tag: Tag,
        _ context: Context, isSynchronous: Bool
    ) throws(MPIError) -> RequestHandle {
        if destination == .none { return .done }
        try check(destination, tag)
        try group.failure.check()
        count(bytes.count, to: destination.rawValue, tag, context)
        let call = context.packedCall
        let mailbox = group.mailboxes + destination.rawValue
        mailbox.pointee.lock()
        if call != 0, let error = mailbox.pointee.ledger.mismatch(arrived: call, from: rank) {
            mailbox.pointee.unlock()
            throw group.failure.fail(error)
        }
        let message = mailbox.pointee.next(mailbox)
        let envelope = Envelope(
            contextID: group.contextID, source: rank, tag: tag, call: call, byteCount: bytes.count)
        guard let id = mailbox.pointee.queues.arrive(envelope, message: message.pointee.id) else {
            return queue(message, bytes, tag, in: mailbox, isSynchronous: isSynchronous)
        }
        let receive = mailbox.pointee[id]
        receive.pointee.source = rank
        receive.pointee.tag = tag
        let length = receive.fit(bytes.count)
        if length > Transfer.chunkByteCount {
            mailbox.pointee.take()
            fill(message, bytes, tag, waitingFor: mailbox.pointee.owner)
            message.pointee.isTaken = true
            mailbox.pointee.unlock()
            Self.share(message, into: receive, byteCount: length, partner: receive)
            return message.handle
        }
        mailbox.pointee.unlock()
        receive.copy(from: bytes.baseAddress, byteCount: length)
        receive.complete()
        return .done
    }

    /// Leaves a message for a receive to come. Called with the mailbox locked, unlocks it.
    private func queue(
        _ message: OperationPointer, _ bytes: UnsafeRawBufferPointer, _ tag: Tag,
        in mailbox: MailboxPointer, isSynchronous: Bool
    ) -> RequestHandle {
        mailbox.pointee.take()
        fill(message, bytes, tag, waitingFor: mailbox.pointee.owner)
        let isShort =
            !isSynchronous && bytes.count <= Mailbox.bufferedByteCountMax
            && mailbox.pointee.bufferedTotal + bytes.count <= Mailbox.bufferedTotalMax
        if isShort {
            message.pointee.buffer(bytes)
            mailbox.pointee.bufferedTotal += bytes.count
        }
        mailbox.pointee.arrivals.add(1, ordering: .sequentiallyConsistent)
        // Read with the lock held: to the thread sanitizer a mailbox is one variable.
        let owner = mailbox.pointee.owner
        mailbox.pointee.unlock()
        owner.pointee.wake()
        return isShort ? .done : message.handle
    }

    private func fill(
        _ message: OperationPointer, _ bytes: UnsafeRawBufferPointer, _ tag: Tag,
        waitingFor peer: EndpointPointer
    ) {
        message.pointee.kind = .message
        message.pointee.bytes = UnsafeMutableRawBufferPointer(mutating: bytes)
        message.pointee.source = rank
        message.pointee.tag = tag
        message.pointee.byteCount = bytes.count
        message.pointee.waiter = endpoint
        message.pointee.peer = peer
    }

    func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        if source == .none { return .done }
        try check(source, tag, "recv")
        try group.failure.check()
        mailbox.pointee.lock()
        let receive = take(receiveInto: buffer, from: source)
        let id = mailbox.pointee.queues.post(
            receive: receive.pointee.id, source: source, tag: tag, call: context.packedCall)
        guard let id else {
            mailbox.pointee.unlock()
            return receive.handle
        }
        let message = mailbox.pointee[id]
        message.pointee.isTaken = true
        mailbox.pointee.unlock()
        accept(message, into: receive)
        return receive.handle
    }

    /// A receive of this rank. Called with its mailbox locked.
    func take(
        receiveInto buffer: UnsafeMutableRawBufferPointer, from source: Source
    ) -> OperationPointer {
        let receive = mailbox.pointee.next(mailbox)
        mailbox.pointee.take()
        receive.pointee.kind = .receive
        receive.pointee.bytes = buffer
        receive.pointee.waiter = endpoint
        receive.pointee.peer = source == .any ? nil : group.endpoints[source.rawValue]
        return receive
    }

    /// Brings a queued message, which is ours now, into a receive.
    func accept(_ message: OperationPointer, into receive: OperationPointer) {
        receive.pointee.source = message.pointee.source
        receive.pointee.tag = message.pointee.tag
        let length = receive.fit(message.pointee.byteCount)
        if length > Transfer.chunkByteCount {
            Self.share(message, into: receive, byteCount: length, partner: message)
            return
        }
        receive.copy(from: message.pointee.bytes.baseAddress, byteCount: length)
        if message.pointee.isBuffered {
            mailbox.pointee.lock()
            mailbox.pointee.free(message)
            mailbox.pointee.unlock()
        } else {
            message.complete()
        }
        receive.complete()
    }

    /// Begins a transfer that both ends work on while they wait.
    ///
    /// This rank's own end begins first: nobody works on it before the partner's end, the last
    /// step, makes the transfer known; after that both ends may be complete at any time.
    private static func share(
        _ message: OperationPointer, into receive: OperationPointer, byteCount: Int,
        partner: OperationPointer
    ) {
        guard let source = message.pointee.bytes.baseAddress,
            let target = receive.pointee.bytes.baseAddress
        else { preconditionFailure("a transfer of no bytes") }
        let transfer = Transfer(
            source, to: target, byteCount: byteCount, send: message, receive: receive)
        message.pointee.transfer = Unmanaged.passRetained(transfer)
        receive.pointee.transfer = Unmanaged.passRetained(transfer)
        let waiter = partner.pointee.waiter
        (partner == message ? receive : message).begin()
        partner.begin()
        waiter.pointee.notify()
    }

    private func count(_ byteCount: Int, to destination: Int, _ tag: Tag, _ context: Context) {
        endpoint.pointee.sentMessages.add(1, ordering: .relaxed)
        endpoint.pointee.sentBytes.add(byteCount, ordering: .relaxed)
        guard let onSend = world.onSend else { return }
        onSend(
            ThreadMPI.SentMessage(
                source: endpoint.pointee.worldRank,
                destination: group.endpoints[destination].pointee.worldRank,
                tag: tag, context: context, byteCount: byteCount))
    }

    @inline(__always)
    private func check(_ destination: Destination, _ tag: Tag) throws(MPIError) {
        guard destination.rawValue >= 0 && destination.rawValue < size else {
            throw .invalidArgument(
                "send", "destination \(destination) is not a rank; ranks are 0 ..< \(size)")
        }
        guard tag.rawValue >= 0 else {
            throw .invalidArgument(
                "send", "tag \(tag) cannot be sent; use 0 ... \(Tag.upperBound)")
        }
    }

    /// Source and tag of a receive or probe.
    @inline(__always)
    func check(_ source: Source, _ tag: Tag, _ operation: String) throws(MPIError) {
        guard source == .any || source.rawValue >= 0 && source.rawValue < size else {
            throw .invalidArgument(
                operation, "source \(source) is not a rank; ranks are 0 ..< \(size), or .any")
        }
        guard tag.rawValue >= 0 || tag == .any else {
            throw .invalidArgument(
                operation, "no message has tag \(tag); use 0 ... \(Tag.upperBound), or .any")
        }
    }
}

extension UnsafeMutablePointer where Pointee == Operation {
    /// Notes the length of the message a receive gets; how many of its bytes there is room for.
    @inline(__always)
    func fit(_ byteCount: Int) -> Int {
        pointee.byteCount = byteCount
        pointee.isTruncated = byteCount > pointee.bytes.count
        return min(byteCount, pointee.bytes.count)
    }

    /// Copies a short message into a receive.
    @inline(__always)
    func copy(from source: UnsafeRawPointer?, byteCount: Int) {
        guard byteCount > 0, let source, let target = pointee.bytes.baseAddress else { return }
        target.copyMemory(from: source, byteCount: byteCount)
    }
}
