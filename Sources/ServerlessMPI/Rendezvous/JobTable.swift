// The rendezvous server's whole mind, without its body: connections, messages and time go in,
// effects come out. No sockets and no clock, so tests and simulations drive it as they like.

import MessagePassing

struct JobTable {
    /// What the server shall do.
    enum Effect: Equatable {
        case send([UInt8], to: ConnectionID)
        /// Close once everything queued has been written.
        case close(ConnectionID)
        /// Close these two ends of relays, or those that wait for their other end.
        case endRelays([RelayTable.PairID], waiting: [ConnectionID])
        /// A line for the log: what happened to a job.
        case note(job: String, epoch: UInt64, String)
    }

    struct Seat {
        let job: String
        let rank: Int
    }

    /// How long the ranks of a failed job may take to leave.
    private static let failureGrace = Duration.seconds(10)

    let limits: RendezvousLimits
    private let keysForJob: (String) -> ServerKeys
    /// The newest epoch of each job, running or over.
    private(set) var jobs: [String: Job] = [:]
    /// Those that are not over.
    private var activeJobs: Set<String> = []
    /// Failed ones whose ranks may still be connected.
    private var failedJobs: Set<String> = []
    private var seats: [ConnectionID: Seat] = [:]
    private var observations: ObservationTable
    var relays: RelayTable
    /// Jobs that are over, oldest first.
    private var overOrder: [String] = []
    private var lastAdvance: ContinuousClock.Instant?
    var effects: [Effect] = []

    init(
        limits: RendezvousLimits, makeToken: @escaping () -> RelayToken = RelayToken.random,
        keysForJob: @escaping (String) -> ServerKeys
    ) {
        self.limits = limits
        self.keysForJob = keysForJob
        observations = ObservationTable(limit: limits.unclaimedObservations)
        relays = RelayTable(limits: limits, makeToken: makeToken)
    }

    /// Does anything depend on time?
    var needsAdvance: Bool { !seats.isEmpty }
    var activeJobCount: Int { activeJobs.count }

    mutating func takeEffects() -> [Effect] {
        defer { effects.removeAll() }
        return effects
    }
}

// MARK: What comes in

extension JobTable {
    /// A message from a connection that has proven to belong to `job`.
    mutating func receive(
        _ message: ClientMessage, from connection: ConnectionID, job: String,
        observed: SocketAddress, now: ContinuousClock.Instant
    ) {
        if let seat = seats[connection] {
            jobs[seat.job]?.heard(seat.rank, now: now)
            switch message {
            case .heartbeat: break
            case .join: drop(connection, "it joined twice on one connection", now)
            case .report(let cause): fail(seat.job, cause, reportedBy: seat.rank, now)
            case .bye: leave(connection, seat, now)
            case .relay(let peer): relay(connection, seat, to: peer, now)
            case .connect(let peer): signal(connection, seat, peer, now)
            }
            return
        }
        guard case .join(let request) = message else {
            effects.append(.close(connection))
            return
        }
        join(request, connection, job, observed, now)
    }

    /// The observer port has seen a rank.
    mutating func observed(
        _ id: [UInt8], at address: SocketAddress, now: ContinuousClock.Instant
    ) {
        guard let connection = observations.saw(id, at: address, now: now),
            let seat = seats[connection]
        else { return }
        jobs[seat.job]?.observed(seat.rank, at: address)
    }

    /// The connection is gone, or broke a rule.
    mutating func ended(
        _ connection: ConnectionID, reason: String, now: ContinuousClock.Instant
    ) {
        guard let seat = unseat(connection) else { return }
        jobs[seat.job]?.disconnected(seat.rank)
        fail(
            seat.job,
            MPIError(
                .peerLost, operation: "rendezvous",
                reason: "its connection to the rendezvous server ended without a bye: \(reason)",
                peer: seat.rank),
            reportedBy: nil, now)
    }

    /// Time has passed. Call a few times per second while `needsAdvance`.
    mutating func advance(to now: ContinuousClock.Instant) {
        let gap = lastAdvance.map { now - $0 } ?? .zero
        lastAdvance = now
        let wasStopped = gap > .seconds(1)
        evictFailed(now)
        expireRelays(now)
        for name in activeJobs {
            if wasStopped { jobs[name]?.excuseSilence(of: gap, now: now) }
            if let cause = jobs[name]?.overdue(now, silenceTimeout: limits.silenceTimeout) {
                fail(name, cause, reportedBy: nil, now)
            }
        }
    }
}

// MARK: Joining

extension JobTable {
    private mutating func join(
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
                return fail(name, cause, reportedBy: nil, now)
            }
        }
        if jobs[name].map({ $0.epoch < request.epoch }) ?? true {
            guard admit(name, request, connection, now) else { return }
        }
        seat(request, connection, name, observed, now)
    }

    private func stale(_ why: String, _ request: JoinRequest) -> MPIError {
        MPIError(
            .staleEpoch, operation: "join",
            reason: "this process belongs to epoch \(request.epoch) of the job, but \(why)")
    }

    /// Makes the job that this first request describes; an older epoch ends only if it may begin.
    private mutating func admit(
        _ name: String, _ request: JoinRequest, _ connection: ConnectionID,
        _ now: ContinuousClock.Instant
    ) -> Bool {
        guard request.size <= limits.ranksPerJob else {
            refuse(
                connection,
                MPIError(
                    .unsupported, operation: "join",
                    reason: "this server takes at most \(limits.ranksPerJob) ranks per job"))
            return false
        }
        let replaced = jobs[name].map { !$0.isOver } == true ? 1 : 0
        guard activeJobCount - replaced < limits.jobs else {
            refuse(
                connection,
                MPIError(
                    .unsupported, operation: "join",
                    reason: "this server has \(limits.jobs) jobs and takes no more; try later"))
            return false
        }
        retire(name, because: request.epoch)
        jobs[name] = Job(
            name: name, first: request, joinTimeout: min(request.joinTimeout, limits.joinTimeout),
            keys: keysForJob(name), now: now)
        activeJobs.insert(name)
        note(name, "first of \(request.size) ranks has come")
        return true
    }

    private mutating func seat(
        _ request: JoinRequest, _ connection: ConnectionID, _ name: String,
        _ observed: SocketAddress, _ now: ContinuousClock.Instant
    ) {
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
                sendRosters(name, to: connection)
            }
        }
    }

    private mutating func welcome(
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
    private mutating func sendRosters(_ name: String, to only: ConnectionID?) {
        guard let job = jobs[name] else { return }
        var encoder = RosterEncoder(job.members.compactMap { $0?.entry })
        for member in job.members {
            guard let member, let connection = member.connection,
                only == nil || only == connection
            else { continue }
            effects.append(.send(encoder.message(for: member.entry.hostTag), to: connection))
        }
    }

    private mutating func refuse(_ connection: ConnectionID, _ cause: MPIError) {
        effects.append(.send(ServerMessage.refused(cause).encoded, to: connection))
        effects.append(.close(connection))
    }
}

// MARK: Leaving and failing

extension JobTable {
    private mutating func leave(
        _ connection: ConnectionID, _ seat: Seat, _ now: ContinuousClock.Instant
    ) {
        unseat(connection)
        effects.append(.send(ServerMessage.farewell.encoded, to: connection))
        effects.append(.close(connection))
        if jobs[seat.job]?.phase == .gathering {
            fail(
                seat.job,
                MPIError(
                    .peerLost, operation: "join",
                    reason: "it left before every rank had joined", peer: seat.rank),
                reportedBy: seat.rank, now)
        }
        jobs[seat.job]?.left(seat.rank)
        if jobs[seat.job]?.phase == .finished {
            note(seat.job, "finished")
            endRelays(of: seat.job)
            activeJobs.remove(seat.job)
            remember(seat.job)
        }
    }

    @discardableResult
    private mutating func unseat(_ connection: ConnectionID) -> Seat? {
        observations.forget(connection)
        return seats.removeValue(forKey: connection)
    }

    /// Tells a rank that another one needs a link to it.
    private mutating func signal(
        _ connection: ConnectionID, _ seat: Seat, _ peer: Int, _ now: ContinuousClock.Instant
    ) {
        switch jobs[seat.job]?.signal(from: seat.rank, to: peer) {
        case .forward(let other):
            effects.append(.send(ServerMessage.connect(from: seat.rank).encoded, to: other))
        case .departed:
            effects.append(.send(ServerMessage.departed(peer: peer).encoded, to: connection))
        case .violation(let what): drop(connection, what, now)
        case .nothing, nil: break
        }
    }

    private mutating func drop(
        _ connection: ConnectionID, _ reason: String, _ now: ContinuousClock.Instant
    ) {
        effects.append(.close(connection))
        ended(connection, reason: reason, now: now)
    }

    /// Fixes the first cause and tells every rank that is still connected.
    private mutating func fail(
        _ name: String, _ cause: MPIError, reportedBy rank: Int?, _ now: ContinuousClock.Instant
    ) {
        guard jobs[name]?.fail(cause, now: now) == true, let job = jobs[name] else { return }
        let message = ServerMessage.failed(cause).encoded
        for connection in job.connections { effects.append(.send(message, to: connection)) }
        note(name, "failed\(rank.map { ", reported by rank \($0)" } ?? ""): \(oneLine(cause))")
        endRelays(of: name)
        activeJobs.remove(name)
        failedJobs.insert(name)
        remember(name)
    }

    /// Ranks of a failed job that stay connected, although they have been told, are cut off.
    private mutating func evictFailed(_ now: ContinuousClock.Instant) {
        for name in failedJobs {
            guard let job = jobs[name], let since = job.failedAt, !job.isDeserted else {
                failedJobs.remove(name)
                continue
            }
            guard now - since > Self.failureGrace else { continue }
            for connection in job.connections { effects.append(.close(connection)) }
        }
    }

    /// A newer epoch begins: the ranks of the older one end.
    private mutating func retire(_ name: String, because epoch: UInt64) {
        guard let job = jobs[name] else { return }
        let cause = MPIError(
            .staleEpoch, operation: "join",
            reason: "epoch \(epoch) of the job has begun, which ends epoch \(job.epoch)")
        let message = ServerMessage.failed(cause).encoded
        for connection in job.connections {
            if !job.isOver { effects.append(.send(message, to: connection)) }
            effects.append(.close(connection))
            unseat(connection)
        }
        endRelays(of: name)
        note(name, "retired by epoch \(epoch)")
    }

    /// Keeps the outcome for latecomers, and forgets the oldest outcome instead.
    private mutating func remember(_ name: String) {
        overOrder.append(name)
        while overOrder.count > limits.rememberedJobs {
            let oldest = overOrder.removeFirst()
            guard let job = jobs[oldest], job.isOver, job.connections.isEmpty else { continue }
            jobs[oldest] = nil
        }
    }

    /// Ranks word their causes; a log line stays one line.
    private func oneLine(_ cause: MPIError) -> String {
        String(cause.description.prefix(300).map { $0.isNewline || $0 == "\u{1b}" ? " " : $0 })
    }

    private mutating func note(_ name: String, _ text: String) {
        effects.append(.note(job: name, epoch: jobs[name]?.epoch ?? 0, text))
    }
}
