// Messages whose payload takes another way: announced, matched and asked for over the link like any
// long message, but then left in a store, from where the receiver fetches it once the sender says
// under which number it lies. So order, matching, probes and cancelling stay where they are, the
// store holds nothing that nobody waits for, and nobody polls it.

import MessagePassing

/// Holds payloads for single receivers. Every call blocks, at most until its deadline.
protocol PayloadStore: AnyObject, Sendable {
    /// Leaves a payload for a rank of the world; it is there for all when this returns.
    func leave(
        _ payload: UnsafeRawBufferPointer, number: UInt64, for receiver: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError)
    /// Brings a payload that is there, and removes it.
    func take(
        into buffer: UnsafeMutableRawBufferPointer, number: UInt64, from sender: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError)
}

extension Engine {
    /// What one transfer may take where calls may wait for ever.
    private static let transferTimeout = Duration.seconds(300)

    private var transferDeadline: ContinuousClock.Instant {
        .now + (settings.timeout ?? Self.transferTimeout)
    }

    /// The receiver is ready: leaves the payload in the request's store, then says so.
    func storePayload(_ index: UInt32, _ byteCount: Int, to reply: UInt64, on link: LinkPointer) {
        let request = requests.pointer(index)
        request.pointee.isTransferring = true
        storedPayloadCount += 1
        let number = storedPayloadCount
        let store = request.pointee.store
        let receiver = Int(request.pointee.peer)
        let payload = Foreign(
            UnsafeRawBufferPointer(start: request.pointee.buffer, count: byteCount))
        let header = FrameHeader(
            type: .storedPayload, tag: Int32(store), payloadByteCount: byteCount, request: reply,
            reply: number)
        let target = payloadStores[Int(store) - 1]
        let deadline = transferDeadline
        storeTransfers.submit { [self] in
            transfer(index) { () throws(MPIError) in
                try target.leave(
                    payload.bytes, number: number, for: receiver, deadline: deadline)
            } done: {
                guard let link = links[receiver] else { return }
                enqueue(header, request: index, on: link)
                if !link.pointee.isWriteBlocked { flush(link) }
            }
        }
    }

    /// The sender has left the payload of a receive in a store.
    func fetchPayload(_ index: UInt32, from store: any PayloadStore, _ number: UInt64) {
        let request = requests.pointer(index)
        request.pointee.phase = .matched
        request.pointee.isTransferring = true
        let sender = Int(request.pointee.peer)
        let buffer = ForeignTarget(
            UnsafeMutableRawBufferPointer(
                start: request.pointee.buffer, count: request.pointee.acceptedByteCount))
        let deadline = transferDeadline
        storeTransfers.submit { [self] in
            transfer(index) { () throws(MPIError) in
                try store.take(
                    into: buffer.bytes, number: number, from: sender, deadline: deadline)
            } done: {
                complete(index)
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
