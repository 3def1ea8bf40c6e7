// Messages whose payload goes through a store: the link announces them, in their place among the
// others, and says when the store has the payload; the receive that matches fetches it. So order,
// matching, probes and cancelling stay where they are, and nobody polls a store. A send is complete
// when the store has its payload, whether or not anybody receives: stores have room.

import MessagePassing

/// Holds payloads for single receivers. Every call blocks, at most until its deadline.
protocol PayloadStore: AnyObject, Sendable {
    /// Leaves a payload for a rank of the world; it is there for all when this returns.
    func leave(
        _ payload: UnsafeRawBufferPointer, number: UInt64, for receiver: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError)
    /// Brings the first bytes of a payload of `byteCount` bytes that is there, and removes it.
    func take(
        into buffer: UnsafeMutableRawBufferPointer, of byteCount: Int, number: UInt64,
        from sender: Int, deadline: ContinuousClock.Instant
    ) throws(MPIError)
}

/// A payload in a store, as its receiver knows it.
struct StoredPayload: Hashable {
    /// World rank of the sender, whose numbers they are.
    let sender: Int32
    let number: UInt64
}

extension Engine {
    /// What one transfer may take where calls may wait for ever.
    private static let transferTimeout = Duration.seconds(300)

    private var transferDeadline: ContinuousClock.Instant {
        .now + (settings.timeout ?? Self.transferTimeout)
    }

    /// Announces a message and begins to leave its payload in a store. `header` is an eager one's.
    func storePayload(
        _ index: UInt32, _ header: FrameHeader, in store: UInt8, on link: LinkPointer
    ) {
        storedPayloadCount += 1
        let number = storedPayloadCount
        var announcement = header
        announcement.type = .storedMessage
        announcement.request = UInt64(store)
        announcement.reply = number
        enqueue(announcement, on: link)
        let request = requests.pointer(index)
        request.pointee.isTransferring = true
        let receiver = Int(request.pointee.peer)
        let payload = Foreign(
            UnsafeRawBufferPointer(start: request.pointee.buffer, count: header.payloadByteCount))
        let target = payloadStores[Int(store) - 1]
        let deadline = transferDeadline
        storeTransfers.submit { [self] in
            transfer(index) { () throws(MPIError) in
                try target.leave(
                    payload.bytes, number: number, for: receiver, deadline: deadline)
            } done: {
                guard let link = links[receiver] else { return }
                enqueue(
                    FrameHeader(type: .storedPayload, reply: number), request: index, on: link)
                if !link.pointee.isWriteBlocked { flush(link) }
            }
        }
    }

    /// A receive has matched a stored message: fetches the payload once it is there.
    func awaitStored(_ message: MessageSlot, into receiver: UInt32) {
        let payload = StoredPayload(sender: message.peer, number: message.reply)
        if storedPayloads.remove(payload) != nil {
            fetch(payload, from: message.store, into: receiver)
        } else {
            storedReceives[payload] = (receiver, message.store)
        }
    }

    /// The sender says that a store has a payload.
    func storedPayloadArrived(number: UInt64, from peer: Int32) {
        let payload = StoredPayload(sender: peer, number: number)
        if let (receiver, store) = storedReceives.removeValue(forKey: payload) {
            fetch(payload, from: store, into: receiver)
        } else {
            storedPayloads.insert(payload)
        }
    }

    private func fetch(_ payload: StoredPayload, from store: UInt8, into receiver: UInt32) {
        let request = requests.pointer(receiver)
        request.pointee.isTransferring = true
        let buffer = ForeignTarget(
            UnsafeMutableRawBufferPointer(
                start: request.pointee.buffer, count: request.pointee.acceptedByteCount))
        let byteCount = request.pointee.byteCount
        let source = payloadStores[Int(store) - 1]
        let deadline = transferDeadline
        storeTransfers.submit { [self] in
            transfer(receiver) { () throws(MPIError) in
                try source.take(
                    into: buffer.bytes, of: byteCount, number: payload.number,
                    from: Int(payload.sender), deadline: deadline)
            } done: {
                complete(receiver)
            }
        }
    }

    /// On a thread of the pool. The program's memory is not touched after this.
    private func transfer(
        _ index: UInt32, _ move: () throws(MPIError) -> Void, done: () -> Void
    ) {
        var failed: MPIError?
        do throws(MPIError) { try move() } catch { failed = error }
        lock()
        requests[index].isTransferring = false
        if let failed {
            suspect(failed)
        } else if !state.pointee.isTroubled {
            done()
        }
        state.pointee.hasNews = true
        unlock()
    }

    /// A call gives up a request, whose memory may be in use by a transfer until that ends.
    func settleTransfer(_ index: UInt32) {
        while requests[index].isTransferring {
            state.pointee.waiterCount += 1
            waitOnCondition(milliseconds: 100)
            state.pointee.waiterCount -= 1
        }
    }
}
