// How a rank joins: its job is found or made, it gets its seat, and with the last one everybody the
// roster.

import MessagePassing

extension JobTable {
    mutating func join(
        _ request: JoinRequest, _ connection: ConnectionID, _ name: String,
        _ observed: SocketAddress, _ now: ContinuousClock.Instant
    ) {
        if let job = jobs[name], request.epoch <= job.epoch {
            if request.epoch < job.epoch {
                return refuse(connection, stale("epoch \(job.epoch) has begun", request))
            }
            if case .failed(let cause) = job.phase { return refuse(connection, cause) }
            if job.phase == .finished {
                return refuse(connection, stale("that epoch is over", request))
            }
            if let cause = job.disagreement(with: request) {
                refuse(connection, cause)
                // Ranks that are all there have nothing to learn from who comes too late.
                if job.phase == .running { return }
                return fail(name, cause, reportedBy: nil, now)
            }
        }
        if jobs[name].map({ $0.epoch < request.epoch }) ?? true {
            guard admit(name, request, connection, now) else { return }
        }
        seat(request, connection, name, observed, now)
    }

    func stale(_ why: String, _ request: JoinRequest) -> MPIError {
        MPIError(
            .staleEpoch, operation: "join",
            reason: "this process belongs to epoch \(request.epoch) of the job, but \(why)")
    }

    /// Makes the job that this first request describes; an older epoch ends only if it may begin.
    mutating func admit(
        _ name: String, _ request: JoinRequest, _ connection: ConnectionID,
        _ now: ContinuousClock.Instant
    ) -> Bool {
        if let why = whyNotAdmitted(name, request) {
            tally.refused += 1
            refuse(connection, MPIError(.unsupported, operation: "join", reason: why))
            return false
        }
        retire(name, because: request.epoch)
        jobs[name] = Job(
            name: name, first: request, joinTimeout: min(request.joinTimeout, limits.joinTimeout),
            keys: keysForJob(name), now: now)
        activeJobs.insert(name)
        tally.started += 1
        note(name, "first of \(request.size) ranks has come")
        return true
    }

    private func whyNotAdmitted(_ name: String, _ request: JoinRequest) -> String? {
        if isDraining { return "this server is about to end and takes no new jobs; try another" }
        if request.size > limits.ranksPerJob {
            return "this server takes at most \(limits.ranksPerJob) ranks per job"
        }
        let replaced = jobs[name].map { !$0.isOver } == true ? 1 : 0
        if activeJobCount - replaced >= limits.jobs {
            return "this server has \(limits.jobs) jobs and takes no more; try later"
        }
        return nil
    }

    mutating func seat(
        _ request: JoinRequest, _ connection: ConnectionID, _ name: String,
        _ observed: SocketAddress, _ now: ContinuousClock.Instant
    ) {
        let returnsUntil = now + limits.silenceTimeout
        for stranger in jobs[name]?.restore(for: request, returnsUntil: returnsUntil) ?? [] {
            unseat(stranger)
            refuse(stranger, stale("its ranks are back, and this one is not among them", request))
        }
        guard
            let outcome = jobs[name]?.claim(
                request, connection: connection, observed: observed, now: now)
        else { return }
        switch outcome {
        case .failure(let cause): refuse(connection, cause)
        case .success(let (rank, replaced)):
            if let replaced {
                unseat(replaced)
                effects.append(.close(replaced))
            }
            seats[connection] = Seat(job: name, rank: rank)
            if request.observationID.contains(where: { $0 != 0 }),
                let second = observations.claim(request.observationID, for: connection)
            {
                jobs[name]?.observed(rank, at: second)
            }
            welcome(name, rank, request, connection, observed)
            if jobs[name]?.isComplete == true {
                jobs[name]?.start()
                sendRosters(name, to: nil)
                note(name, "all ranks are there")
            } else if jobs[name]?.phase == .running {
                if jobs[name]?.isRestored == false { sendRosters(name, to: connection) }
                offerAgain(name, rank, connection)
            }
        }
    }

    mutating func welcome(
        _ name: String, _ rank: Int, _ request: JoinRequest, _ connection: ConnectionID,
        _ observed: SocketAddress
    ) {
        guard let job = jobs[name] else { return }
        let message = ServerMessage.welcome(
            Welcome(
                rank: rank,
                ticket: job.keys.ticket(
                    epoch: job.epoch, rank: rank, requestID: request.requestID),
                observed: observed, heartbeatInterval: limits.heartbeatInterval))
        effects.append(.send(message.encoded, to: connection))
    }

    /// One message per rank, encoded once per host; or to one rank that has come again.
    mutating func sendRosters(_ name: String, to only: ConnectionID?) {
        guard let job = jobs[name] else { return }
        var encoder = RosterEncoder(job.members.compactMap { $0?.entry })
        for member in job.members {
            guard let member, let connection = member.connection,
                only == nil || only == connection
            else { continue }
            effects.append(.send(encoder.message(for: member.entry.hostTag), to: connection))
        }
    }

    mutating func refuse(_ connection: ConnectionID, _ cause: MPIError) {
        effects.append(.send(ServerMessage.refused(cause).encoded, to: connection))
        effects.append(.close(connection))
    }
}
