// A round of a collective: the messages to expect are known exactly, so each is first looked for on
// its own link, header and payload in one read, before a receive is posted for everybody to find.

import MessagePassing

extension Engine {
    /// Fruitless reads before the receives of a round are posted. Whoever waits longer has time, and of
    /// many sockets epoll tells at less cost which has something.
    static let fruitlessReadsMax = 128

    /// What a look at a link for one message found.
    private enum Look { case nothing, something, anotherMessage }

    /// Completes a round's requests, linked by `next`, if there are any; the receives among them, each
    /// of a known length, may still be to be posted. The lock is held.
    func completeRound(_ first: UInt32, in space: MessageSpace) throws(MPIError) {
        if countPass() {
            post(round: first, in: space)
            giveOthersTheirTurn()
            try completePosted(first)
        } else if try !lookForMessages(first, in: space) {
            post(round: first, in: space)
            try completePosted(first)
        }
        handOverPolling()
        if state.pointee.isTroubled { try checkAlive() }
    }

    /// Counts a look at what is awaited. Is it time to look at everything instead? What nobody awaits
    /// makes progress, too (MPI 4.1 §3.5).
    func countPass() -> Bool {
        state.pointee.passes &+= 1
        return state.pointee.passes & 63 == 0 || state.pointee.blockedLinkCount > 0
            || (state.pointee.hasCollectives && state.pointee.collectivesAreDue)
    }

    func giveOthersTheirTurn() {
        if !state.pointee.isPolling { _ = progress(lookingAt: -1, everywhere: true) }
        if state.pointee.hasCollectives { advanceCollectives() }
    }

    /// Does anything wait for more than these requests of the caller's? Then it looks for no longer than
    /// the general way does.
    func othersWait(besides count: Int) -> Bool {
        state.pointee.waiterCount > 0 || requests.inUse > count
    }

    private func post(round first: UInt32, in space: MessageSpace) {
        var index = first
        while index != noSlot {
            if requests[index].phase == .unposted { post(index, in: space) }
            index = requests[index].next
        }
    }

    /// The general way: as with requests of a program.
    private func completePosted(_ first: UInt32) throws(MPIError) {
        // A look has put something aside: its sender may wait for the answer.
        var index = first
        while index != noSlot, state.pointee.unfinishedLinkCount > 0 {
            if let link = links[Int(requests[index].peer)], link.pointee.isUnfinished {
                _ = read(link, until: index)
            }
            index = requests[index].next
        }
        index = first
        while index != noSlot {
            var idle = IdleState()
            while requests[index].phase != .done { try step(&idle, .request(index)) }
            index = requests[index].next
        }
    }

    /// Looks for each message on its link, in turns. False if the round is better completed in the
    /// general way: something else has come, or it takes long.
    private func lookForMessages(
        _ first: UInt32, in space: MessageSpace
    ) throws(MPIError) -> Bool {
        var idle = IdleState()
        var fruitless = 0
        while fruitless < Self.fruitlessReadsMax {
            // Another thread may have read a message that nobody had posted a receive for.
            if space.queues.holdsCollective || state.pointee.isPolling { return false }
            var isComplete = true
            var progressed = false
            var index = first
            while index != noSlot {
                try checkAlive()
                switch requests[index].phase {
                case .done: break
                case .unposted:
                    guard let link = links[Int(requests[index].peer)] else { return false }
                    switch look(for: index, in: space, on: link) {
                    case .nothing: fruitless += 1
                    case .something: progressed = true
                    case .anotherMessage: return false
                    }
                    isComplete = isComplete && requests[index].phase == .done
                case .matched where requests[index].kind == .receive:
                    guard let link = links[Int(requests[index].peer)] else { return false }
                    if read(link, until: index) { progressed = true } else { fruitless += 1 }
                    isComplete = isComplete && requests[index].phase == .done
                case .matched, .pending, .announced, .granted: return false
                }
                index = requests[index].next
            }
            if isComplete { return true }
            if progressed {
                idle.spins = 0
                continue
            }
            lookAgain(&idle)
            if idle.spins & 7 == 0, othersWait(besides: count(round: first)) { return false }
        }
        return false
    }

    private func count(round first: UInt32) -> Int {
        var count = 0
        var index = first
        while index != noSlot {
            count += 1
            index = requests[index].next
        }
        return count
    }

    /// Reads the message of an unposted receive, if it is what its link has next.
    private func look(for index: UInt32, in space: MessageSpace, on link: LinkPointer) -> Look {
        guard isBeforeFrame(link), link.pointee.stagedStart == link.pointee.stagedEnd else {
            return .anotherMessage
        }
        let request = requests.pointer(index)
        let capacity = request.pointee.capacity
        let count = link.pointee.readFrame(into: request.pointee.buffer, capacity)
        guard count > 0 else {
            if count == Transfer.wouldBlock { return .nothing }
            endOfStream(link, isOrderly: count == Transfer.endOfStream)
            return .something
        }
        let start = UnsafeRawPointer(link.pointee.staging)
        guard count >= FrameHeader.byteCount,
            FrameHeader.isEager(
                start, source: request.pointee.source, tag: request.pointee.tag,
                contextID: space.contextID, call: request.pointee.call,
                payloadByteCount: capacity)
        else {
            link.pointee.stage(count, from: request.pointee.buffer)
            mark(link, unfinished: true)
            return .anotherMessage
        }
        accept(capacity, of: count, into: index, on: link)
        return .something
    }

    /// Is the link's next byte, staged or not, the first of a frame, which may be any? Field by field,
    /// as a property of a link would be asked of a copy.
    @inline(__always)
    func isBeforeFrame(_ link: LinkPointer) -> Bool {
        link.pointee.phase == .header && link.pointee.tls == nil && !link.pointee.isReadClosed
            && !link.pointee.hasLeft && !link.pointee.queue.isHeld
            && (link.pointee.stagedEnd > link.pointee.stagedStart || !link.pointee.isUnfinished)
    }

    /// The awaited message has come, or begun to: `count` bytes of its frame, its payload in place.
    private func accept(_ capacity: Int, of count: Int, into index: UInt32, on link: LinkPointer) {
        guard admit(capacity, after: link.pointee.staging, on: link) else { return }
        let request = requests.pointer(index)
        request.pointee.phase = .matched
        request.pointee.byteCount = capacity
        expect(
            capacity - (count - FrameHeader.byteCount),
            accepted: capacity - (count - FrameHeader.byteCount),
            to: request.pointee.buffer.map { $0 + (count - FrameHeader.byteCount) },
            sink: .request, slot: index, on: link)
        if link.pointee.isResumable { acknowledgeIfDue(on: link) }
        returnCredit(on: link)
    }

    /// What the header of an awaited eager message tells about its link. False if that cannot be: a
    /// broken protocol, which fails the job.
    @inline(__always)
    func admit(
        _ payloadByteCount: Int, after header: UnsafeRawPointer, on link: LinkPointer
    ) -> Bool {
        let fields = FrameHeader.linkFields(header)
        let fault: String
        if !link.pointee.receipts.begin(fields.sequence, byteCount: payloadByteCount) {
            fault = "a frame is missing"
        } else if link.pointee.isResumable, !acknowledge(fields.acknowledged, on: link) {
            fault = "it acknowledges what nobody sent"
        } else if !link.pointee.receiveCredit.receive(eagerCharge(payloadByteCount)) {
            fault = "it sends more than its credit"
        } else {
            link.pointee.sendCredit.raise(to: fields.creditLimit)
            link.pointee.receiveCredit.consume(eagerCharge(payloadByteCount))
            return true
        }
        suspect(protocolError(Int(link.pointee.peer), fault))
        return false
    }
}
