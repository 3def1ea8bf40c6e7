// Waiting and progress: one thread at a time polls the links, for itself and for all others; it
// looks at the awaited peer's socket first, spins, then sleeps in epoll. Others wait for it on a
// condition and one of them takes over when it is done.

import Glibc
import MessagePassing

/// What a blocked call is waiting for, to know where to look first and what to say on expiry.
enum Awaited {
    case request(UInt32)
    /// Any of several requests: the first one's peer is looked at first.
    case requests(UnsafeBufferPointer<RequestHandle>)
    /// A message from this world rank, or from any (-1).
    case message(from: Int, tag: Tag)
}

/// How long one call has been idle.
struct IdleState {
    var spins = 0
    var deadline: ContinuousClock.Instant?
    /// When the link to an awaited rank is asked for.
    var demandAt: ContinuousClock.Instant?
}

extension Engine {
    // MARK: Blocking and testing

    /// Blocks until a request is done, then frees it.
    func wait(_ handle: RequestHandle, _ operation: String = "wait") throws(MPIError) -> Status {
        lock()
        defer { unlock() }
        guard let index = requests.find(handle.rawValue) else { throw unknownRequest(operation) }
        var idle = IdleState()
        while requests[index].phase != .done {
            do throws(MPIError) {
                try step(&idle, .request(index))
            } catch {
                settleTransfer(index)
                requests.giveBack(index)
                throw error
            }
        }
        return try finish(index)
    }

    /// Looks whether a request is done, and if so frees it.
    func test(_ handle: RequestHandle) throws(MPIError) -> Status? {
        lock()
        defer { unlock() }
        guard let index = requests.find(handle.rawValue) else { throw unknownRequest("test") }
        if requests[index].phase != .done {
            do throws(MPIError) {
                try checkAlive()
            } catch {
                settleTransfer(index)
                requests.giveBack(index)
                throw error
            }
            if !state.pointee.isPolling {
                _ = progress(lookingAt: requests[index].peer, everywhere: true)
            }
            if state.pointee.hasCollectives { advanceCollectives() }
        }
        return requests[index].phase == .done ? try finish(index) : nil
    }

    /// Blocks until one of the requests is done, frees it, and sets `index` to its position.
    func waitAny(
        _ handles: UnsafeBufferPointer<RequestHandle>, index position: inout Int
    ) throws(MPIError) -> Status {
        position = -1
        lock()
        defer { unlock() }
        var idle = IdleState()
        while true {
            for (candidate, handle) in handles.enumerated() {
                guard let index = requests.find(handle.rawValue) else {
                    throw unknownRequest("waitany")
                }
                if requests[index].phase == .done {
                    position = candidate
                    return try finish(index)
                }
            }
            try step(&idle, .requests(handles))
        }
    }

    /// Blocks until all requests are done and frees them; then throws the first one's error.
    func waitAll(
        _ handles: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        lock()
        defer { unlock() }
        var first: MPIError?
        for (position, handle) in handles.enumerated() {
            if handle == .completed {
                if !statuses.isEmpty { statuses[position] = .empty }
                continue
            }
            do throws(MPIError) {
                guard let index = requests.find(handle.rawValue) else {
                    throw unknownRequest("waitall")
                }
                var idle = IdleState()
                while requests[index].phase != .done {
                    do throws(MPIError) {
                        try step(&idle, .request(index))
                    } catch {
                        settleTransfer(index)
                        requests.giveBack(index)
                        throw error
                    }
                }
                let status = try finish(index)
                if !statuses.isEmpty { statuses[position] = status }
            } catch {
                if first == nil { first = error }
            }
        }
        if let first { throw first }
    }

    /// Blocks until `attempt` finds something.
    func block<Found>(
        awaiting awaited: Awaited, _ attempt: () -> Found?
    ) throws(MPIError) -> Found {
        lock()
        defer { unlock() }
        try checkAlive()
        var idle = IdleState()
        while true {
            if let found = attempt() {
                handOverPolling()
                return found
            }
            try step(&idle, awaited)
        }
    }

    /// Makes progress once, then lets `attempt` look.
    func poll<Found>(_ attempt: () -> Found?) throws(MPIError) -> Found? {
        lock()
        defer { unlock() }
        try checkAlive()
        if let found = attempt() { return found }
        if !state.pointee.isPolling { _ = progress(lookingAt: -1, everywhere: true) }
        if state.pointee.hasCollectives { advanceCollectives() }
        try checkAlive()
        return attempt()
    }

    /// Frees a request that is done.
    private func finish(_ index: UInt32) throws(MPIError) -> Status {
        let request = requests[index]
        let name = requests.name(index)
        requests.giveBack(index)
        handOverPolling()
        if state.pointee.isTroubled { try checkAlive() }
        if request.kind == .send { return .empty }
        if request.kind == .collective {
            if let error = collectiveErrors.removeValue(forKey: name) { throw error }
            return .empty
        }
        if request.byteCount > request.capacity {
            throw .truncated(
                "recv", from: Int(request.source), tag: Int(request.tag),
                capacity: request.capacity, actual: request.byteCount)
        }
        return Status(
            source: Int(request.source), tag: Tag(rawValue: request.tag),
            byteCount: request.byteCount)
    }

    /// A call ends that may have been the polling one: a thread that waits for it takes over.
    private func handOverPolling() {
        if state.pointee.waiterCount > 0 && !state.pointee.isPolling {
            state.pointee.hasNews = true
        }
    }

    private func unknownRequest(_ operation: String) -> MPIError {
        .invalidArgument(operation, "this request is not pending; wait for each request once")
    }

    // MARK: Progress

    /// Looks at the awaited peer's link first, at the others now and then or if it has nothing.
    func progress(lookingAt peer: Int32, everywhere: Bool = false) -> Bool {
        state.pointee.passes &+= 1
        var progressed = false
        // Of two ranks the other one is the only place to look.
        let peer = peer < 0 && size == 2 ? Int32(1 - rank) : peer
        if peer >= 0, let link = links[Int(peer)] {
            progressed = read(link)
            if link.pointee.isWriteBlocked {
                // Only the poller tells that a wanted link has come.
                guard link.pointee.isAttached else { return lookEverywhere() }
                progressed = flush(link) || progressed
            }
            let isTurnOfOthers =
                everywhere || state.pointee.passes & 7 == 0
                || (state.pointee.blockedLinkCount > 0 && !progressed)
            if !isTurnOfOthers || size == 2 { return progressed }
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
        if progress(lookingAt: peer(of: awaited)) {
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
        idle.spins += 1
        if idle.spins < idlePolicy.spins {
            if idle.spins & 63 == 0 { try checkDeadline(&idle, awaited) }
            state.pointee.isPolling = true
            unlock()
            if idle.spins > idlePolicy.eagerSpins { sched_yield() }
            lock()
            state.pointee.isPolling = false
            return
        }
        try checkDeadline(&idle, awaited)
        try checkAbandoned(awaited)
        askForAwaited(&idle, awaited)
        sleepInPoller(atMost: nextWake(idle))
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
        guard let deadline = idle.deadline else { return 1000 }
        let left = (deadline - ContinuousClock.now).milliseconds
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

    // MARK: Deadlines and peers that left

    private func checkDeadline(_ idle: inout IdleState, _ awaited: Awaited) throws(MPIError) {
        guard let timeout = settings.timeout else { return }
        guard let deadline = idle.deadline else {
            idle.deadline = ContinuousClock.now + timeout
            return
        }
        if ContinuousClock.now < deadline { return }
        suspect(timeoutError(awaited, timeout))
        throw awaitVerdict()
    }

    /// Fails if what is waited for can only come from ranks that have left.
    private func checkAbandoned(_ awaited: Awaited) throws(MPIError) {
        let lost: MPIError?
        switch awaited {
        case .request(let index):
            lost = abandonment(of: requests[index])
        case .requests(let handles):
            var first: MPIError?
            for handle in handles {
                guard let index = requests.find(handle.rawValue),
                    let error = abandonment(of: requests[index])
                else { return }
                if first == nil { first = error }
            }
            lost = first
        case .message(let peer, let tag):
            lost = hasLeft(peer) ? leftError(peer, "probe", tag: tag.rawValue) : nil
        }
        guard let lost else { return }
        suspect(lost)
        throw awaitVerdict()
    }

    private func abandonment(of request: RequestSlot) -> MPIError? {
        // What lies in a store is there, whether or not its sender is.
        guard !request.isTransferring, hasLeft(Int(request.peer)) else { return nil }
        return leftError(
            Int(request.peer), request.kind == .send ? "send" : "recv",
            tag: request.tag >= 0 ? request.tag : nil)
    }

    /// Has this world rank said bye? For any (-1): have all other ranks?
    private func hasLeft(_ peer: Int) -> Bool {
        if peer >= 0 { return links[peer]?.pointee.hasLeft ?? false }
        return size > 1
            && links.indices.allSatisfy { $0 == rank || links[$0]?.pointee.hasLeft ?? false }
    }
}

extension Duration {
    /// Whole milliseconds, rounded up.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000
            + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}

private func monotonicNanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}
