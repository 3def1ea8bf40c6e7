// Progress: one thread at a time polls the links, for itself and for all others; it looks at the
// awaited peer's socket first, spins, then sleeps in epoll. Others wait for it on a condition and one
// of them takes over when it is done.

import Glibc
import MessagePassing

extension Engine {
    /// Looks at the awaited peer's link first, at the others now and then or if it has nothing.
    /// - Parameter awaited: the request that the peer's next message completes.
    func progress(
        lookingAt peer: Int32, until awaited: UInt32 = noSlot, everywhere: Bool = false
    ) -> Bool {
        state.pointee.passes &+= 1
        var progressed = false
        // Of two ranks the other one is the only place to look.
        let peer = peer < 0 && size == 2 ? Int32(1 - rank) : peer
        if peer >= 0, let link = links[Int(peer)] {
            progressed = read(link, until: awaited)
            if link.pointee.isWriteBlocked {
                // Only the poller tells that a wanted link has come.
                guard link.pointee.isAttached else { return lookEverywhere() }
                progressed = flush(link) || progressed
            }
            // Of two ranks, too: a new connection in place of a broken one is news to the poller.
            let isTurnOfOthers =
                everywhere || state.pointee.passes & 63 == 0
                || (state.pointee.blockedLinkCount > 0 && !progressed && size > 2)
            guard isTurnOfOthers else { return progressed }
        }
        return lookEverywhere() || progressed
    }

    private func lookEverywhere() -> Bool {
        if state.pointee.unfinishedLinkCount > 0 { readUnfinished() }
        return serve(poller.wait(milliseconds: 0))
    }

    /// Goes on with links whose bytes are in our memory already: epoll says nothing about those.
    private func readUnfinished() {
        for case let link? in links where link.pointee.isUnfinished { _ = read(link) }
    }

    /// Serves every link that epoll names.
    private func serve(_ count: Int) -> Bool {
        var progressed = false
        for position in 0..<count {
            guard let (peer, mask) = poller.event(position) else {
                progressed = attachArrivals() || progressed
                continue
            }
            guard let link = links[peer] else { continue }
            if mask & ~Poller.writable != 0 { progressed = read(link) || progressed }
            if link.pointee.hasQueue { progressed = flush(link) || progressed }
        }
        return progressed
    }

    /// One round of a blocked call: throws if the job has failed or the deadline has passed.
    func step(_ idle: inout IdleState, _ awaited: Awaited) throws(MPIError) {
        try checkAlive()
        if state.pointee.hasCollectives, advanceCollectives() { return }
        if state.pointee.isPolling { return try waitForPoller(&idle, awaited) }
        // What is awaited has not come a few times: it may wait for something else.
        let request = if case .request(let index) = awaited { index } else { noSlot }
        if progress(
            lookingAt: peer(of: awaited), until: request, everywhere: idle.spins & 7 == 7)
        {
            idle.spins = 0
            if state.pointee.hasNews { announceNews() }
            return
        }
        let begin = state.pointee.measuresIdle ? monotonicNanoseconds() : 0
        try rest(&idle, awaited)
        if begin != 0 { state.pointee.idleNanoseconds += monotonicNanoseconds() - begin }
    }

    /// Nothing to do: looks again at once, lets others run, or sleeps.
    private func rest(_ idle: inout IdleState, _ awaited: Awaited) throws(MPIError) {
        if idle.spins + 1 < idlePolicy.spins {
            spin(&idle)
            if idle.spins & 63 == 0 { try checkDeadline(&idle, awaited) }
            return
        }
        idle.spins += 1
        try checkDeadline(&idle, awaited)
        try checkAbandoned(awaited)
        askForAwaited(&idle, awaited)
        sleepInPoller(atMost: nextWake(idle))
    }

    /// Lets other threads at the engine, and after a while other programs at the processor.
    private func spin(_ idle: inout IdleState) {
        idle.spins += 1
        state.pointee.isPolling = true
        unlock()
        if idle.spins > idlePolicy.eagerSpins { sched_yield() }
        lock()
        state.pointee.isPolling = false
    }

    /// `spin`, counted as idle time.
    func lookAgain(_ idle: inout IdleState) {
        let begin = state.pointee.measuresIdle ? monotonicNanoseconds() : 0
        spin(&idle)
        if begin != 0 { state.pointee.idleNanoseconds += monotonicNanoseconds() - begin }
    }

    func measureIdleTime() {
        lock()
        state.pointee.measuresIdle = true
        unlock()
    }

    var idleNanoseconds: Int {
        lock()
        defer { unlock() }
        return state.pointee.idleNanoseconds
    }

    /// Sleeps until a link or another thread has something, with the lock released.
    func sleepInPoller(atMost milliseconds: Int32) {
        state.pointee.isPolling = true
        state.pointee.isSleeping = true
        unlock()
        let count = poller.wait(
            milliseconds: state.pointee.unfinishedLinkCount > 0 ? 0 : milliseconds)
        lock()
        state.pointee.isSleeping = false
        state.pointee.isPolling = false
        if state.pointee.unfinishedLinkCount > 0 { readUnfinished() }
        _ = serve(count)
        // Another thread may have to take over, or may have got what it waits for.
        if state.pointee.waiterCount > 0 { state.pointee.hasNews = true }
    }

    private func waitForPoller(_ idle: inout IdleState, _ awaited: Awaited) throws(MPIError) {
        try checkDeadline(&idle, awaited)
        state.pointee.waiterCount += 1
        waitOnCondition(milliseconds: nextWake(idle))
        state.pointee.waiterCount -= 1
    }

    /// Sleeps on the condition, the lock released, for a bounded time.
    func waitOnCondition(milliseconds: Int32) {
        if state.pointee.hasNews { announceNews() }
        var until = timespec()
        clock_gettime(CLOCK_MONOTONIC, &until)
        let nanoseconds = until.tv_nsec + Int(milliseconds % 1000) * 1_000_000
        until.tv_sec += Int(milliseconds) / 1000 + nanoseconds / 1_000_000_000
        until.tv_nsec = nanoseconds % 1_000_000_000
        pthread_cond_timedwait(condition, mutex, &until)
    }

    /// Wakes threads that may have got what they wait for.
    func announceNews() {
        state.pointee.hasNews = false
        if state.pointee.waiterCount > 0 { pthread_cond_broadcast(condition) }
        if state.pointee.isSleeping { poller.wake() }
    }

    private func nextWake(_ idle: IdleState) -> Int32 {
        guard idle.deadline != 0 else { return 1000 }
        let left = (idle.deadline - bootNanoseconds() + 999_999) / 1_000_000
        return Int32(max(1, min(1000, left)))
    }

    func peer(of awaited: Awaited) -> Int32 {
        switch awaited {
        case .request(let index): return requests[index].peer
        case .requests(let handles):
            guard let first = handles.first, let index = requests.find(first.rawValue) else {
                return -1
            }
            return handles.count == 1 ? requests[index].peer : -1
        case .message(let peer, _): return Int32(peer)
        }
    }
}

private func monotonicNanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}
