// Completing requests: while a rank waits it copies its share of the long messages under way.

import Glibc
import MessagePassing
import Synchronization

extension ThreadCommunicator {
    func wait(_ request: RequestHandle) throws(MPIError) -> Status {
        guard let operation = OperationPointer(request) else { return .empty }
        if operation.state != Operation.State.complete {
            try withUnsafePointer(to: request) { (single) throws(MPIError) in
                var seen: UInt32?
                try settle(UnsafeBufferPointer(start: single, count: 1), 0, &seen)
            }
        }
        return try finish(operation)
    }

    func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        guard let operation = OperationPointer(request) else { return .empty }
        if operation.state == Operation.State.underWay {
            // For a collective under way nobody else may have the time.
            let isCollective = endpoint.pointee.isAdvancing.load(ordering: .relaxed)
            operation.help(chunkCount: isCollective ? .max : 1)
        }
        advanceCollectives()
        if operation.state == Operation.State.complete { return try finish(operation) }
        if operation.isOrphaned { group.failure.fail(lostPeer(operation)) }
        if group.failure.hasFailed, Mailbox.withdraw(operation) {
            try group.failure.throwCause()
        }
        letOthersRun()
        return nil
    }

    func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        var firstError: MPIError?
        var seen: UInt32?
        for index in requests.indices {
            var status = Status.empty
            do throws(MPIError) {
                // After an error the rest only needs an end.
                if firstError != nil, cancel(requests[index]) { continue }
                if let operation = OperationPointer(requests[index]) {
                    try settle(requests, index, &seen)
                    status = try finish(operation)
                }
            } catch {
                if firstError == nil { firstError = error }
            }
            if !statuses.isEmpty { statuses[index] = status }
        }
        if let firstError { throw firstError }
    }

    func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        index = -1
        while true {
            let seen = endpoint.pointee.notices.load(ordering: .sequentiallyConsistent)
            advanceCollectives()
            var orphans = 0
            for candidate in requests.indices {
                guard let operation = OperationPointer(requests[candidate]) else {
                    index = candidate
                    return .empty
                }
                operation.help()
                if operation.state == Operation.State.complete {
                    index = candidate
                    return try finish(operation)
                }
                if operation.isOrphaned { orphans += 1 }
            }
            try group.failure.check()
            if orphans == requests.count, let orphan = OperationPointer(requests[0]) {
                throw group.failure.fail(lostPeer(orphan))
            }
            let isReady = endpoint.pointee.block {
                requests.contains { (request) in
                    OperationPointer(request)?.state != Operation.State.waiting
                } || group.failure.hasFailed
                    || endpoint.pointee.notices.load(ordering: .sequentiallyConsistent) != seen
            }
            if !isReady { throw group.failure.fail(missedDeadline(requests, 0)) }
        }
    }

    func cancel(_ request: RequestHandle) -> Bool {
        guard let operation = OperationPointer(request), operation.pointee.kind == .receive else {
            return false
        }
        return Mailbox.withdraw(operation)
    }

    /// Blocks until request `index` is complete, and copies for it and those after it meanwhile.
    /// If it throws, that request is withdrawn and freed.
    /// - Parameter seen: the notices up to which the requests have been looked at.
    private func settle(
        _ requests: UnsafeBufferPointer<RequestHandle>, _ index: Int, _ seen: inout UInt32?
    ) throws(MPIError) {
        guard let operation = OperationPointer(requests[index]) else { return }
        while operation.state != Operation.State.complete {
            let notices = endpoint.pointee.notices.load(ordering: .sequentiallyConsistent)
            advanceCollectives()
            if seen != notices {
                seen = notices
                for request in requests[index...] { OperationPointer(request)?.help() }
            }
            if operation.state != Operation.State.waiting {
                operation.help()
                // Another thread copies the last chunk.
                if operation.state != Operation.State.complete { sched_yield() }
                continue
            }
            if operation.isOrphaned { group.failure.fail(lostPeer(operation)) }
            if group.failure.hasFailed {
                if Mailbox.withdraw(operation) {
                    try group.failure.throwCause()
                }
                // Its partner is about to complete it.
                sched_yield()
                continue
            }
            let isReady = endpoint.pointee.block {
                operation.state != Operation.State.waiting || group.failure.hasFailed
                    || endpoint.pointee.notices.load(ordering: .sequentiallyConsistent) != notices
            }
            if !isReady { group.failure.fail(missedDeadline(requests, index)) }
        }
    }

    /// Frees a complete operation; its outcome.
    private func finish(_ operation: OperationPointer) throws(MPIError) -> Status {
        var status = Status.empty
        var isTruncated = false
        let capacity = operation.pointee.bytes.count
        if operation.pointee.kind == .receive {
            status = Status(
                source: operation.pointee.source, tag: operation.pointee.tag,
                byteCount: operation.pointee.byteCount)
            isTruncated = operation.pointee.isTruncated
        }
        let error = operation.pointee.kind == .collective ? collectiveError(operation) : nil
        let mailbox = operation.pointee.mailbox
        mailbox.pointee.lock()
        mailbox.pointee.free(operation)
        mailbox.pointee.unlock()
        if let error { throw error }
        if isTruncated {
            throw .truncated(
                "recv", from: status.source ?? 0, tag: Int(status.tag.rawValue),
                capacity: capacity, actual: status.byteCount)
        }
        return status
    }

    /// A rank that polls must not keep the core from those it waits for.
    @inline(__always)
    func letOthersRun() {
        if endpoint.pointee.patience.isOversubscribed { sched_yield() }
    }

    private func lostPeer(_ operation: OperationPointer) -> MPIError {
        let peer = group.endpoints.firstIndex { $0 == operation.pointee.peer }
        return lostPeer(
            operation.pointee.kind == .receive ? "recv" : "send", peer ?? 0,
            operation.pointee.kind == .receive
                ? "without sending the message this rank waits for"
                : "without receiving the message this rank sends")
    }

    func lostPeer(_ operation: String, _ peer: Int, _ what: String) -> MPIError {
        MPIError(
            .peerLost, operation: operation, reason: "its program has returned \(what)", peer: peer)
    }

    /// The error of a wait that took too long, with all that has no partner.
    private func missedDeadline(
        _ requests: UnsafeBufferPointer<RequestHandle>, _ first: Int
    ) -> MPIError {
        var waiting: [String] = []
        for request in requests[first...] {
            guard let operation = OperationPointer(request),
                operation.pointee.kind == .message,
                operation.state == Operation.State.waiting
            else { continue }
            let peer = group.endpoints.firstIndex { $0 == operation.pointee.peer } ?? 0
            waiting.append(
                "a receive of \(operation.pointee.byteCount) bytes with tag "
                    + "\(operation.pointee.tag) on rank \(peer)")
        }
        mailbox.pointee.lock()
        let receives = mailbox.pointee.queues.unmatchedReceives
        mailbox.pointee.unlock()
        if !receives.isEmpty { waiting.insert(receives, at: 0) }
        return missedDeadline("wait", waiting.joined(separator: ", "))
    }

    func missedDeadline(_ operation: String, _ awaited: String) -> MPIError {
        let limit = timeout.map { "\($0)" } ?? "its limit"
        return MPIError(
            .timedOut, operation: operation,
            reason: "rank \(rank) of \(size) waited \(limit) for \(awaited); check that every "
                + "send has its receive, or allow more time")
    }
}

extension UnsafeMutablePointer where Pointee == Operation {
    /// Copies for the operation if there is something to copy.
    @inline(__always)
    func help(chunkCount: Int = .max) {
        guard state == Operation.State.underWay, let transfer = pointee.transfer else { return }
        transfer._withUnsafeGuaranteedRef { $0.help(chunkCount: chunkCount) }
    }
}
