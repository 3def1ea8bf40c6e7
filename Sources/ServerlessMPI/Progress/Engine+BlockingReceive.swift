// A blocking receive from one rank: its message is looked for on its own link before a receive is
// posted for everybody to find, and mostly is there whole, so that no slot for a request is needed.

import MessagePassing

extension Engine {
    /// Blocks until a message is received. Arguments have been checked; `source` is a rank of the group
    /// or any.
    func recv(
        into buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, call: UInt64
    ) throws(MPIError) -> Status {
        lock()
        defer { unlock() }
        try checkAlive()
        var idle = IdleState()
        let isTurnOfOthers = countPass()
        if !isTurnOfOthers, call == 0, source != .any, tag != .any,
            let link = links[space.group[source.rawValue]],
            let status = try lookForMessage(
                into: buffer, in: space, from: source, tag: tag, on: link, &idle)
        {
            return status
        }
        let index = takeReceive(buffer, in: space, from: source, tag: tag, call: call)
        post(index, in: space)
        if isTurnOfOthers { giveOthersTheirTurn() }
        return try complete(request: index, &idle)
    }

    /// Receives the message if it is what its link has next and nobody else waits for it. Nil if the
    /// general way is the right one: something else has come, or nothing for long.
    private func lookForMessage(
        into buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, on link: LinkPointer, _ idle: inout IdleState
    ) throws(MPIError) -> Status? {
        while idle.spins < Self.fruitlessReadsMax {
            try checkAlive()
            // An earlier receive comes first, and so does a message that has come already.
            guard !state.pointee.isPolling, space.queues.isIdleForUser, isBeforeFrame(link) else {
                return nil
            }
            if link.pointee.stagedEnd == link.pointee.stagedStart {
                link.pointee.stagedStart = 0
                link.pointee.stagedEnd = 0
                let count = link.pointee.readStaged(
                    limit: link.pointee.readsHeadersOnly
                        ? FrameHeader.byteCount : Link.copiedByteCountMax)
                if count == Transfer.wouldBlock {
                    lookAgain(&idle)
                    if idle.spins & 7 == 0, othersWait(besides: 0) { return nil }
                    continue
                }
                guard count > 0 else {
                    endOfStream(link, isOrderly: count == Transfer.endOfStream)
                    return nil
                }
            }
            return try take(buffer, in: space, from: source, tag: tag, on: link, &idle)
        }
        return nil
    }

    /// Takes the message from what is staged, and waits for the rest of it. What is not of it stays.
    @inline(__always)
    private func take(
        _ buffer: UnsafeMutableRawBufferPointer, in space: MessageSpace, from source: Source,
        tag: Tag, on link: LinkPointer, _ idle: inout IdleState
    ) throws(MPIError) -> Status? {
        let start = link.pointee.staging + link.pointee.stagedStart
        let longest = min(buffer.count, FrameLimit.eagerByteCountMax)
        guard link.pointee.stagedEnd - link.pointee.stagedStart >= FrameHeader.byteCount,
            FrameHeader.payloadByteCount(start) <= UInt64(longest),
            FrameHeader.isEager(
                start, source: Int32(source.rawValue), tag: tag.rawValue,
                contextID: space.contextID, call: 0,
                payloadByteCount: Int(FrameHeader.payloadByteCount(start)))
        else {
            mark(link, unfinished: true)
            return nil
        }
        let byteCount = Int(FrameHeader.payloadByteCount(start))
        guard admit(byteCount, after: start, on: link) else { return nil }
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
            return try complete(request: index, &idle)
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
        handOverPolling()
        if state.pointee.isTroubled { try checkAlive() }
        return Status(source: source.rawValue, tag: tag, byteCount: byteCount)
    }
}
