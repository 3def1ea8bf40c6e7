// Receiving, seen from the socket: frames are read one after the other, headers by way of a small
// staging area, payloads straight to where they belong.

import Glibc
import MessagePassing

extension Engine {
    /// Bytes one link may deliver before the others get their turn.
    private static let turnByteCount = 4 << 20

    /// Reads what has come over a link. True if anything has.
    /// - Parameter awaited: a request after which to stop. What comes behind it is best read when its
    ///   receive is posted: then it needs no memory of ours.
    func read(_ link: LinkPointer, until awaited: UInt32 = noSlot) -> Bool {
        guard !link.pointee.isReadClosed else { return false }
        link.pointee.isDrained = false
        var progressed = false
        var budget = Self.turnByteCount
        // Bytes that TLS has taken from the socket are not to be seen from outside.
        let awaited = link.pointee.tls == nil ? awaited : noSlot
        let frameByteCount = awaitedFrameByteCount(awaited)
        var isInterrupted = false
        while budget > 0, !link.pointee.isReadClosed, !state.pointee.isTroubled {
            let count =
                link.pointee.phase == .payload
                ? readPayload(link, readsAhead: frameByteCount == .max)
                : readHeader(link, frameByteCount)
            if count > 0 {
                progressed = true
                budget -= count
                guard awaited != noSlot, requests[awaited].phase == .done else { continue }
                isInterrupted = link.pointee.stagedByteCount > 0
                break
            }
            if count == Transfer.wouldBlock { break }
            endOfStream(link, isOrderly: count == Transfer.endOfStream)
            progressed = true
            break
        }
        // A link closed by its last frame is finished, whatever the budget: nobody reads it again.
        mark(link, unfinished: (budget <= 0 || isInterrupted) && !link.pointee.isReadClosed)
        if link.pointee.isResumable { acknowledgeIfDue(on: link) }
        link.pointee.shrinkStaging()
        return progressed
    }

    /// Is there more to read than epoll knows of?
    @inline(__always)
    func mark(_ link: LinkPointer, unfinished isUnfinished: Bool) {
        guard isUnfinished != link.pointee.isUnfinished else { return }
        link.pointee.isUnfinished = isUnfinished
        state.pointee.unfinishedLinkCount += isUnfinished ? 1 : -1
    }

    /// How long the frame is that completes a receive of a collective, whose length is known; without
    /// a limit for any other request, whose peer may well stream messages.
    ///
    /// Of a collective's peer there is one message to expect. To read just that leaves the next call's
    /// in the socket, until its receive is posted, and the socket does not see its buffer emptied: on
    /// that it would send an acknowledgement that the next message carries anyway.
    private func awaitedFrameByteCount(_ awaited: UInt32) -> Int {
        guard awaited != noSlot else { return .max }
        let request = requests.pointer(awaited)
        guard request.pointee.call != 0, request.pointee.kind == .receive else { return .max }
        return FrameHeader.byteCount + request.pointee.capacity
    }

    /// Bytes moved, or why none could be.
    /// - Parameter frameByteCount: of the frame that is to be expected.
    private func readHeader(_ link: LinkPointer, _ frameByteCount: Int) -> Int {
        if link.pointee.stagedByteCount < FrameHeader.byteCount {
            if link.pointee.isDrained { return Transfer.wouldBlock }
            if link.pointee.stagedStart > 0 {
                let staged = link.pointee.stagedByteCount
                link.pointee.staging.copyMemory(
                    from: link.pointee.staging + link.pointee.stagedStart, byteCount: staged)
                link.pointee.stagedStart = 0
                link.pointee.stagedEnd = staged
            }
            let isLarge =
                frameByteCount == .max
                ? link.pointee.readsHeadersOnly : frameByteCount > Link.copiedByteCountMax
            let limit = isLarge ? FrameHeader.byteCount : frameByteCount
            let count = link.pointee.readStaged(limit: limit - link.pointee.stagedByteCount)
            if count <= 0 { return count }
            if link.pointee.stagedByteCount < FrameHeader.byteCount { return count }
        }
        let start = link.pointee.staging + link.pointee.stagedStart
        link.pointee.stagedStart += FrameHeader.byteCount
        do throws(FrameRefusal) {
            begin(try FrameHeader.parse(start), on: link)
        } catch {
            suspect(protocolError(Int(link.pointee.peer), "\(error)"))
        }
        return FrameHeader.byteCount
    }

    private func readPayload(_ link: LinkPointer, readsAhead: Bool) -> Int {
        let staged = link.pointee.stagedByteCount
        if link.pointee.targetByteCount > 0, let target = link.pointee.target {
            let wanted = link.pointee.targetByteCount
            var count = min(staged, wanted)
            if count > 0 {
                target.copyMemory(
                    from: link.pointee.staging + link.pointee.stagedStart, byteCount: count)
                link.pointee.stagedStart += count
            } else {
                if link.pointee.isDrained { return Transfer.wouldBlock }
                count = link.pointee.readPayload(target, wanted, readsAhead: readsAhead)
                if count <= 0 { return count }
            }
            link.pointee.target = target + count
            link.pointee.targetByteCount -= count
            finishPayload(link)
            return count
        }
        // What nobody has room for is read into the staging area and forgotten.
        if staged == 0 {
            if link.pointee.isDrained { return Transfer.wouldBlock }
            link.pointee.stagedStart = 0
            link.pointee.stagedEnd = 0
            let count = link.pointee.readStaged(limit: link.pointee.surplusByteCount)
            if count <= 0 { return count }
        }
        let count = min(link.pointee.stagedByteCount, link.pointee.surplusByteCount)
        link.pointee.stagedStart += count
        link.pointee.surplusByteCount -= count
        finishPayload(link)
        return count
    }

    /// Directs the payload that follows a header; `accepted` bytes go to `target`.
    func expect(
        _ byteCount: Int, accepted: Int, to target: UnsafeMutableRawPointer?, sink: Link.Sink,
        slot: UInt32, on link: LinkPointer
    ) {
        link.pointee.phase = .payload
        link.pointee.sink = sink
        link.pointee.sinkSlot = slot
        link.pointee.target = target
        link.pointee.targetByteCount = accepted
        link.pointee.surplusByteCount = byteCount - accepted
        link.pointee.readsHeadersOnly = byteCount > Link.copiedByteCountMax
        finishPayload(link)
    }

    private func finishPayload(_ link: LinkPointer) {
        guard link.pointee.targetByteCount == 0, link.pointee.surplusByteCount == 0 else { return }
        link.pointee.phase = .header
        link.pointee.receipts.complete()
        let slot = link.pointee.sinkSlot
        switch link.pointee.sink {
        case .request:
            complete(slot)
        case .message:
            messages[slot].isComplete = true
            let receiver = messages[slot].receiver
            if receiver != noSlot { deliver(message: slot, into: receiver) }
        case .abort:
            let bytes = UnsafeRawBufferPointer(start: abortPayload, count: Int(slot))
            suspect(
                AbortCause.decode(bytes)
                    ?? protocolError(Int(link.pointee.peer), "the cause of an abort is garbled"),
                isOwnEvidence: false)
        case .nobody:
            break
        }
        link.pointee.sink = .nobody
        guard link.pointee.readsRendezvousData else { return }
        link.pointee.readsRendezvousData = false
        link.pointee.owesReceipt = true
        payloadArrived(on: link)
    }
}
