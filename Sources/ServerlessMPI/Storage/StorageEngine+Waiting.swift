// Waiting: one of the waiting threads looks into the store, the others sleep until it brings news.

import MessagePassing

extension StorageEngine {
    /// The longest one look into the store lasts, so that its caller sees the clock.
    private static let lookTime = Duration.seconds(1)

    /// - Parameter awaiting: says what is awaited, if more is known than which receive.
    func wait(
        _ request: RequestHandle, awaiting: (() -> String)? = nil
    ) throws(MPIError) -> Status {
        let id = UInt32(truncatingIfNeeded: request.rawValue)
        return try block(
            "wait",
            { () throws(MPIError) -> Status? in try self.take(id) },
            awaited: { awaiting?() ?? self.describe([id]) })
    }

    func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        let id = UInt32(truncatingIfNeeded: request.rawValue)
        return try poll { () throws(MPIError) -> Status? in try take(id) }
    }

    func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        var found = -1
        defer { index = found }
        return try block(
            "waitany",
            { () throws(MPIError) -> Status? in
                for candidate in requests.indices {
                    found = candidate
                    let id = UInt32(truncatingIfNeeded: requests[candidate].rawValue)
                    if let status = try self.take(id, evenIfFailed: false) { return status }
                }
                found = -1
                if let failure = self.failure { throw failure }
                return nil
            },
            awaited: {
                self.describe(requests.map { UInt32(truncatingIfNeeded: $0.rawValue) })
            })
    }

    func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        var firstError: MPIError?
        for index in requests.indices where requests[index] != .completed {
            // After an error the rest only needs an end.
            if firstError != nil, cancel(requests[index]) { continue }
            do throws(MPIError) {
                let status = try wait(requests[index])
                if !statuses.isEmpty { statuses[index] = status }
            } catch {
                if firstError == nil { firstError = error }
            }
        }
        if let firstError { throw firstError }
    }

    func cancel(_ request: RequestHandle) -> Bool {
        let id = UInt32(truncatingIfNeeded: request.rawValue)
        return monitor.withLock { withdraw(id) }
    }

    // MARK: Probes

    func probe(in space: StorageSpace, _ source: Source, _ tag: Tag) -> Status? {
        space.queues.probe(source: source, tag: tag)?.status
    }

    func claim(
        in space: StorageSpace, _ source: Source, _ tag: Tag
    ) -> (message: MessageHandle, status: Status)? {
        space.queues.claim(source: source, tag: tag).map {
            (MessageHandle(rawValue: UInt64($0.message)), $0.status)
        }
    }

    /// Looks once, without waiting. `ready` runs under the lock.
    func poll<Result>(
        probing: PollInterest = PollInterest(), _ ready: () throws(MPIError) -> Result?
    ) throws(MPIError) -> Result? {
        monitor.lock()
        defer { monitor.unlock() }
        advanceCollectives()
        if let result = try ready() { return result }
        if let failure { throw failure }
        if !isPolling { look(until: .now, probing) }
        if let result = try ready() { return result }
        if let failure { throw failure }
        return nil
    }

    /// Looks until `ready`, which runs under the lock, has a result.
    func block<Result>(
        _ operation: String, probing: PollInterest = PollInterest(),
        _ ready: () throws(MPIError) -> Result?, awaited: () -> String
    ) throws(MPIError) -> Result {
        try waiting { () throws(MPIError) in
            try blockUncounted(operation, probing: probing, ready, awaited: awaited)
        }
    }

    private func blockUncounted<Result>(
        _ operation: String, probing: PollInterest,
        _ ready: () throws(MPIError) -> Result?, awaited: () -> String
    ) throws(MPIError) -> Result {
        let deadline = ContinuousClock.now + timeout
        monitor.lock()
        defer { monitor.unlock() }
        while true {
            advanceCollectives()
            if let result = try ready() { return result }
            if let failure, transferCount == 0 { throw failure }
            let now = ContinuousClock.now
            if now >= deadline && failure == nil {
                let error = missedDeadline(operation, awaited())
                monitor.unlock()
                fail(error)
                monitor.lock()
                continue
            }
            if isPolling || failure != nil {
                monitor.wait(until: now + .milliseconds(200))
            } else {
                look(until: min(deadline, now + Self.lookTime), probing)
            }
        }
    }

    /// One look into the store. Called and left with the lock, which is released meanwhile.
    private func look(until deadline: ContinuousClock.Instant, _ probing: PollInterest) {
        let interest = PollInterest(ranks: probing.ranks.union(wantedSenders))
        if interest.ranks.isEmpty && transferCount > 0 {
            // What is awaited is a transfer of our own, whose end is told.
            if deadline > .now { monitor.wait(until: deadline) }
            return
        }
        // Without such a rank, a message of this rank's own is awaited, which another thread sends; the
        // store is looked into all the same, for the job may fail meanwhile.
        isPolling = true
        monitor.unlock()
        var arrivals: [Arrival] = []
        var failed: MPIError?
        do throws(MPIError) {
            arrivals = try store.poll(interest, deadline: deadline)
        } catch {
            failed = error
        }
        if let failed { fail(failed) }
        monitor.lock()
        isPolling = false
        for arrival in arrivals {
            if arrival.frame.place == .abort {
                let cause = arrival.bytes.withUnsafeBytes { AbortCause.decode($0) }
                if failure == nil {
                    failure =
                        cause
                        ?? MPIError(.aborted, operation: "poll", reason: "a rank has failed")
                }
            } else {
                arrive(arrival)
            }
        }
        let found = takeTransfers()
        monitor.broadcast()
        if found.isEmpty { return }
        monitor.unlock()
        run(found)
        monitor.lock()
    }

    /// World ranks whose messages some receive waits for. Under the lock.
    private var wantedSenders: Set<Int> {
        var ranks: Set<Int> = []
        for operation in operations.values where operation.phase == .waiting {
            guard let space = spaces[operation.contextID] else { continue }
            if operation.source < 0 {
                ranks.formUnion(space.group)
            } else {
                ranks.insert(space.group[operation.source])
            }
        }
        ranks.remove(store.rank)
        return ranks
    }

    /// Ends a finished operation: its status, or its error; nil if it is not finished. One that
    /// waits while the job has failed is withdrawn and throws the cause. Under the lock.
    private func take(_ id: UInt32, evenIfFailed: Bool = true) throws(MPIError) -> Status? {
        if id == 0 { return .empty }
        guard let operation = operations[id] else {
            throw .invalidArgument("wait", "the request is not pending")
        }
        if operation.phase == .done {
            operations[id] = nil
            if let error = operation.error { throw error }
            return operation.status
        }
        if evenIfFailed, let failure, operation.phase == .waiting, withdraw(id) { throw failure }
        return nil
    }

    /// Under the lock.
    private func withdraw(_ id: UInt32) -> Bool {
        guard let operation = operations[id], operation.phase == .waiting,
            spaces[operation.contextID]?.queues.withdraw(receive: id) ?? true
        else { return false }
        operations[id] = nil
        return true
    }

    /// What has not come, in words. Under the lock.
    private func describe(_ ids: [UInt32]) -> String {
        let contexts = Set(ids.compactMap { operations[$0]?.contextID })
        let receives = contexts.compactMap { spaces[$0]?.queues.unmatchedReceives }
            .filter { !$0.isEmpty }
        return receives.isEmpty ? "a transfer" : receives.joined(separator: ", ")
    }
}
