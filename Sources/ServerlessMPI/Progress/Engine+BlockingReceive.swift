// A blocking receive from one rank: its message is looked for on its own link before a receive is
// posted for everybody to find, and mostly is there whole, so that no slot for a request is needed.

import MessagePassing

extension Engine {
    /// What a look for one message found.
    private enum Found {
        case whole(Status)
        /// The rest is still to come, into this request.
        case beginning(UInt32)
        /// Something else, or nothing for long: the general way is the right one.
        case nothing
    }

    /// Blocks until a message is received. Arguments have been checked; `source` is a rank of the group
    /// or any.
    func recv(
        into buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, call: UInt64
    ) throws(MPIError) -> Status {
        lock()
        defer { unlock() }
        try checkAlive()
        let isTurnOfOthers = isTurnOfOthers()
        if !isTurnOfOthers, call == 0, source != .any, tag != .any,
            let link = links[space.group[source.rawValue]]
        {
            switch try lookForMessage(into: buffer, in: space, from: source, tag: tag, on: link) {
            case .whole(let status):
                handOverPolling()
                if state.pointee.isTroubled { try checkAlive() }
                return status
            case .beginning(let index): return try complete(request: index)
            case .nothing: break
            }
        }
        let index = takeReceive(buffer, in: space, from: source, tag: tag, call: call)
        post(index, in: space)
        if isTurnOfOthers { giveOthersTheirTurn() }
        return try complete(request: index)
    }

    /// Reads the message if it is what its link has next and nobody else waits for it.
    private func lookForMessage(
        into buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, on link: LinkPointer
    ) throws(MPIError) -> Found {
        var idle = IdleState()
        for _ in 0..<Self.fruitlessReadsMax {
            try checkAlive()
            // An earlier receive comes first, and so does a message that has come already.
            guard !state.pointee.isPolling, space.queues.isIdleForUser, isBeforeFrame(link) else {
                return .nothing
            }
            if link.pointee.stagedByteCount == 0 {
                link.pointee.stagedStart = 0
                link.pointee.stagedEnd = 0
                let count = link.pointee.readStaged(
                    limit: link.pointee.readsHeadersOnly
                        ? FrameHeader.byteCount : Link.copiedByteCountMax)
                if count == Transfer.wouldBlock {
                    lookAgain(&idle)
                    continue
                }
                guard count > 0 else {
                    endOfStream(link, isOrderly: count == Transfer.endOfStream)
                    return .nothing
                }
            }
            return take(buffer, in: space, from: source, tag: tag, on: link)
        }
        return .nothing
    }

    /// Is the next byte of the link, staged or not, the first of a frame, which may be any?
    @inline(__always)
    private func isBeforeFrame(_ link: LinkPointer) -> Bool {
        link.pointee.phase == .header && link.pointee.tls == nil && !link.pointee.isReadClosed
            && !link.pointee.hasLeft && !link.pointee.queue.isHeld
            && (link.pointee.stagedEnd > link.pointee.stagedStart || !link.pointee.isUnfinished)
    }

    /// Takes the message from what is staged. What is not of it stays there.
    @inline(__always)
    private func take(
        _ buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, on link: LinkPointer
    ) -> Found {
        let start = link.pointee.staging + link.pointee.stagedStart
        guard link.pointee.stagedEnd - link.pointee.stagedStart >= FrameHeader.byteCount,
            FrameHeader.payloadByteCount(start) <= UInt64(buffer.count)
        else {
            mark(link, unfinished: true)
            return .nothing
        }
        let byteCount = Int(FrameHeader.payloadByteCount(start))
        guard
            FrameHeader.isEager(
                start, source: Int32(source.rawValue), tag: tag.rawValue,
                contextID: space.contextID, call: 0, payloadByteCount: byteCount)
        else {
            mark(link, unfinished: true)
            return .nothing
        }
        guard admit(byteCount, after: start, on: link) else { return .nothing }
        link.pointee.stagedStart += FrameHeader.byteCount
        guard link.pointee.stagedEnd - link.pointee.stagedStart >= byteCount else {
            let index = takeReceive(buffer, in: space, from: source, tag: tag, call: 0)
            let request = requests.pointer(index)
            request.pointee.phase = .matched
            request.pointee.byteCount = byteCount
            expect(
                byteCount, accepted: byteCount, to: buffer.baseAddress, sink: .request, slot: index,
                on: link)
            returnCredit(on: link)
            return .beginning(index)
        }
        buffer.baseAddress?.copyMemory(
            from: start + FrameHeader.byteCount, byteCount: byteCount)
        link.pointee.stagedStart += byteCount
        link.pointee.readsHeadersOnly = byteCount > Link.copiedByteCountMax
        link.pointee.receipts.complete()
        mark(link, unfinished: link.pointee.stagedEnd > link.pointee.stagedStart)
        if link.pointee.isResumable { acknowledgeIfDue(on: link) }
        link.pointee.shrinkStaging()
        returnCredit(on: link)
        return .whole(Status(source: source.rawValue, tag: tag, byteCount: byteCount))
    }
}
