// Failure: one first cause, thrown by every call on every rank. A rank that finds evidence tells
// the rendezvous server and its peers, then waits a moment for the server's verdict, because
// another rank may have found an earlier cause.

import Glibc
import MessagePassing

extension Engine {
    /// Throws the first cause if the job has failed.
    func checkAlive() throws(MPIError) {
        guard state.pointee.isTroubled else { return }
        throw failure ?? awaitVerdict()
    }

    /// Sets who is told of evidence. What was found before, while links were taken over, is told
    /// now and may still be replaced by the job's verdict.
    func setReporter(_ report: @escaping @Sendable (MPIError) -> Void) {
        lock()
        reporter = report
        if let cause = failure {
            failure = nil
            suspicion = cause
            unreported = cause
            verdictDeadline = ContinuousClock.now + settings.verdictTimeout
        }
        unlock()
    }

    /// Notes evidence that the job has failed. No link is read from here on.
    /// - Parameter isOwnEvidence: false for a cause that a peer has told.
    func suspect(_ cause: MPIError, isOwnEvidence: Bool = true) {
        guard suspicion == nil, failure == nil else { return }
        foundCause = isOwnEvidence
        notifyPeers(cause)
        state.pointee.hasNews = true
        guard reporter != nil else {
            failure = cause
            return
        }
        suspicion = cause
        unreported = cause
        verdictDeadline = ContinuousClock.now + settings.verdictTimeout
    }

    /// Blocks until the job's verdict is known, or settles for this rank's own evidence.
    func awaitVerdict() -> MPIError {
        while true {
            if let failure { return failure }
            guard let suspicion else {
                return MPIError(
                    .system, operation: "verdict", reason: "there is no failure to wait for")
            }
            let left = (verdictDeadline - ContinuousClock.now).milliseconds
            if left <= 0 {
                failure = suspicion
                state.pointee.hasNews = true
                return suspicion
            }
            // Waking the others and reporting happen with the lock released.
            unlock()
            lock()
            state.pointee.waiterCount += 1
            if failure == nil { waitOnCondition(milliseconds: Int32(min(left, 100))) }
            state.pointee.waiterCount -= 1
        }
    }

    /// The job's first cause, as the rendezvous server has fixed it. From any thread.
    func jobFailed(_ cause: MPIError) {
        lock()
        if failure == nil {
            if suspicion != cause { foundCause = false }
            notifyPeers(cause)
            failure = cause
        }
        state.pointee.hasNews = true
        unlock()
    }

    /// Fails the job from this rank, and waits for the common cause.
    func abort(_ reason: MPIError) -> MPIError {
        lock()
        defer { unlock() }
        if failure == nil { suspect(reason) }
        return awaitVerdict()
    }

    /// Tells peers that can be told without waiting, on links that survive also those that have said
    /// bye: they may wait for others. The rest see the connection end.
    private func notifyPeers(_ cause: MPIError) {
        guard abortNotice.isEmpty else { return }
        abortNotice = AbortCause.encode(cause)
        abortNotice.withUnsafeBytes { payload in
            for case let link? in links
            where link.pointee.isAttached && !link.pointee.isWriteClosed
                && (!link.pointee.hasLeft || link.pointee.isResumable) && !isMidFrame(link)
                && !link.pointee.queue.isHeld
            {
                let frame = FrameHeader(type: .abort, payloadByteCount: payload.count)
                enqueue(frame, payload: payload.baseAddress, on: link)
                flush(link)
                // What was not written is of no use any more.
                dropQueue(link)
            }
        }
    }

    private func isMidFrame(_ link: LinkPointer) -> Bool { link.pointee.hasQueue }

    // MARK: Causes

    func protocolError(_ peer: Int, _ reason: String) -> MPIError {
        MPIError(
            .peerLost, operation: "connection",
            reason: "it broke the protocol: \(reason); do all ranks run the same version?",
            peer: peer)
    }

    func leftError(_ peer: Int, _ operation: String, tag: Int32?) -> MPIError {
        guard peer >= 0 else {
            return MPIError(
                .peerLost, operation: operation,
                reason: "all other ranks have left the job, so no message can come",
                tag: tag.map { Int($0) })
        }
        return MPIError(
            .peerLost, operation: operation,
            reason: "it has left the job; every message needs a receive before its rank returns",
            peer: peer, tag: tag.map { Int($0) })
    }

    /// Names what this rank waits for in vain.
    func timeoutError(_ awaited: Awaited, _ timeout: Duration) -> MPIError {
        var pending: [String] = []
        var count = 0
        for index in 0..<UInt32(requests.capacity) {
            let request = requests[index]
            guard request.generation & 1 == 1, request.phase != .done else { continue }
            count += 1
            if pending.count < 4 { pending.append(description(of: request)) }
        }
        if case .message(let peer, let tag) = awaited {
            let source = peer < 0 ? "any rank" : "rank \(peer)"
            pending.insert("a message from \(source) with tag \(tag)", at: 0)
            count += 1
        }
        let rest = count > pending.count ? " and \(count - pending.count) more" : ""
        return MPIError(
            .timedOut, operation: "wait",
            reason: "rank \(rank) waited \(timeout) for "
                + pending.joined(separator: ", ") + rest
                + "; is the other side missing a call, or is the timeout too short?")
    }

    private func description(of request: RequestSlot) -> String {
        if request.kind == .collective, let call = CollectiveCall(packed: request.call) {
            return "all ranks' parts of \(call)"
        }
        let peer = request.peer < 0 ? "any rank" : "rank \(request.peer)"
        let label: String
        if let call = CollectiveCall(packed: request.call), request.call != 0 {
            label = "in \(call)"
        } else {
            label = request.tag < 0 ? "with any tag" : "with tag \(request.tag)"
        }
        let isConnected = request.peer < 0 || links[Int(request.peer)]?.pointee.isAttached ?? true
        return request.kind == .send
            ? "\(peer)\(isConnected ? "" : ", not connected yet,") to receive \(request.byteCount) bytes \(label)"
            : "up to \(request.capacity) bytes from \(peer) \(label)"
    }
}
