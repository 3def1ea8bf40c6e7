// Waiting and testing: what a call waits for, and what it returns when that is there.

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

/// How long one call has been idle. Every wait makes one, so it is trivial: times are nanoseconds of
/// `bootNanoseconds`, 0 while they are not set.
struct IdleState: BitwiseCopyable {
    var spins = 0
    var deadline: Int64 = 0
    /// When the link to an awaited rank is asked for.
    var demandAt: Int64 = 0
}

/// Nanoseconds since the machine started, as `ContinuousClock` counts them.
func bootNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

extension Engine {
    // MARK: Blocking and testing

    /// Blocks until a request is done, then frees it.
    func wait(_ handle: RequestHandle, _ operation: String = "wait") throws(MPIError) -> Status {
        lock()
        defer { unlock() }
        guard let index = requests.find(handle.rawValue) else { throw unknownRequest(operation) }
        var idle = IdleState()
        return try complete(request: index, &idle)
    }

    /// Blocks until a request is done, then frees it, also when it throws. The lock is held.
    func complete(request index: UInt32, _ idle: inout IdleState) throws(MPIError) -> Status {
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
                let status = try complete(request: index, &idle)
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
    func handOverPolling() {
        if state.pointee.waiterCount > 0 && !state.pointee.isPolling {
            state.pointee.hasNews = true
        }
    }

    private func unknownRequest(_ operation: String) -> MPIError {
        .invalidArgument(operation, "this request is not pending; wait for each request once")
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
