// The rendezvous server's whole mind, without its body: connections, messages and time go in,
// effects come out. No sockets and no clock, so tests and simulations drive it as they like.

import MessagePassing

/// Jobs since the server's start.
struct JobTally: Equatable {
    var started = 0
    var finished = 0
    var failed = 0
    var refused = 0
}

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
    static let failureGrace = Duration.seconds(10)

    let limits: RendezvousLimits
    let keysForJob: (String) -> ServerKeys
    /// The newest epoch of each job, running or over.
    var jobs: [String: Job] = [:]
    /// Those that are not over.
    var activeJobs: Set<String> = []
    /// Failed ones whose ranks may still be connected.
    var failedJobs: Set<String> = []
    var seats: [ConnectionID: Seat] = [:]
    var observations: ObservationTable
    var relays: RelayTable
    /// Jobs that are over, oldest first.
    var overOrder: [String] = []
    var lastAdvance: ContinuousClock.Instant?
    var effects: [Effect] = []
    /// No new jobs: those that are here end in peace.
    var isDraining = false
    var tally = JobTally()

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
    var needsAdvance: Bool { !seats.isEmpty || !activeJobs.isEmpty }
    var activeJobCount: Int { activeJobs.count }
    var joinedRankCount: Int { seats.count }

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
            case .report(let cause): report(cause, seat, now)
            case .bye: leave(connection, seat, now)
            case .relay(let peer): relay(connection, seat, to: peer, now)
            case .connect(let peer, let incarnation):
                signal(
                    connection, seat, peer,
                    .connect(from: seat.rank, incarnation: incarnation), now)
            case .upgrade(let peer):
                signal(connection, seat, peer, .upgrade(from: seat.rank), now)
            case .departed(let ranks):
                if jobs[seat.job]?.note(departed: ranks) == false {
                    drop(connection, "it said that ranks have left that cannot be", now)
                }
            }
            return
        }
        guard case .join(let request) = message else {
            effects.append(.close(connection))
            return
        }
        join(request, connection, job, observed, now)
    }

    /// A link that broke is the consequence of a rank that went away before.
    private mutating func report(
        _ cause: MPIError, _ seat: Seat, _ now: ContinuousClock.Instant
    ) {
        if cause.code == .peerLost, let earlier = jobs[seat.job]?.firstAbsence {
            fail(seat.job, earlier, reportedBy: nil, now)
        } else {
            fail(seat.job, cause, reportedBy: seat.rank, now)
        }
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

    /// The connection is gone. A rank of a running job may come back with its ticket: connections
    /// break without anybody's fault.
    mutating func ended(
        _ connection: ConnectionID, reason: String, now: ContinuousClock.Instant
    ) {
        guard let (seat, cause) = vacate(connection, reason) else { return }
        if jobs[seat.job]?.mayReturn(seat.rank, cause, now: now) == true {
            note(seat.job, "rank \(seat.rank) is away: \(reason)")
        } else {
            fail(seat.job, cause, reportedBy: nil, now)
        }
    }

    /// The connection broke a rule.
    mutating func violated(
        _ connection: ConnectionID, reason: String, now: ContinuousClock.Instant
    ) {
        guard let (seat, cause) = vacate(connection, reason) else { return }
        fail(seat.job, cause, reportedBy: nil, now)
    }

    private mutating func vacate(
        _ connection: ConnectionID, _ reason: String
    ) -> (Seat, MPIError)? {
        guard let seat = unseat(connection) else { return nil }
        jobs[seat.job]?.disconnected(seat.rank)
        let cause = MPIError(
            .peerLost, operation: "rendezvous",
            reason: "its connection to the rendezvous server ended without a bye: \(reason)",
            peer: seat.rank)
        return (seat, cause)
    }

    /// Time has passed. Call a few times per second while `needsAdvance`.
    mutating func advance(to now: ContinuousClock.Instant) {
        let gap = lastAdvance.map { now - $0 } ?? .zero
        lastAdvance = now
        let wasStopped = gap > .seconds(1)
        evictFailed(now)
        expireRelays(now)
        let patience = limits.returnTimeout
        for name in activeJobs {
            if wasStopped { jobs[name]?.excuseSilence(of: gap, now: now) }
            if let cause = jobs[name]?.overdue(now, limits) {
                fail(name, cause, reportedBy: nil, now)
            } else if jobs[name]?.finishIfForsaken(now, after: patience) == true {
                finish(name)
            }
        }
    }
}

// MARK: Leaving and failing

extension JobTable {
    mutating func leave(
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
        jobs[seat.job]?.left(seat.rank, now: now)
        if jobs[seat.job]?.phase == .finished { finish(seat.job) }
    }

    private mutating func finish(_ name: String) {
        note(name, "finished")
        tally.finished += 1
        endRelays(of: name)
        activeJobs.remove(name)
        remember(name)
    }

    @discardableResult
    mutating func unseat(_ connection: ConnectionID) -> Seat? {
        observations.forget(connection)
        return seats.removeValue(forKey: connection)
    }

    /// Tells a rank that another one needs a link to it, or a better one.
    mutating func signal(
        _ connection: ConnectionID, _ seat: Seat, _ peer: Int, _ message: ServerMessage,
        _ now: ContinuousClock.Instant
    ) {
        switch jobs[seat.job]?.signal(from: seat.rank, to: peer, now: now) {
        case .forward(let other):
            effects.append(.send(message.encoded, to: other))
        case .departed:
            effects.append(.send(ServerMessage.departed(peer: peer).encoded, to: connection))
        case .violation(let what): drop(connection, what, now)
        case .nothing, nil: break
        }
    }

    mutating func drop(
        _ connection: ConnectionID, _ reason: String, _ now: ContinuousClock.Instant
    ) {
        effects.append(.close(connection))
        violated(connection, reason: reason, now: now)
    }

    /// Fixes the first cause and tells every rank that is still connected.
    mutating func fail(
        _ name: String, _ cause: MPIError, reportedBy rank: Int?, _ now: ContinuousClock.Instant
    ) {
        guard jobs[name]?.fail(cause, now: now) == true, let job = jobs[name] else { return }
        let message = ServerMessage.failed(cause).encoded
        for connection in job.connections { effects.append(.send(message, to: connection)) }
        note(name, "failed\(rank.map { ", reported by rank \($0)" } ?? ""): \(oneLine(cause))")
        endRelays(of: name)
        tally.failed += 1
        activeJobs.remove(name)
        failedJobs.insert(name)
        remember(name)
    }

    /// Ranks of a failed job that stay connected, although they have been told, are cut off.
    mutating func evictFailed(_ now: ContinuousClock.Instant) {
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
    mutating func retire(_ name: String, because epoch: UInt64) {
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
    mutating func remember(_ name: String) {
        var order = overOrder + [name]
        var surplus = order.count - limits.rememberedJobs
        order.removeAll { oldest in
            guard surplus > 0 else { return false }
            // Ranks of a failed job may still have to leave it: its turn comes later.
            if let job = jobs[oldest], job.isOver {
                guard job.connections.isEmpty else { return false }
                jobs[oldest] = nil
            }
            surplus -= 1
            return true
        }
        overOrder = order
    }

    /// Ranks word their causes; a log line stays one line.
    func oneLine(_ cause: MPIError) -> String {
        String(cause.description.prefix(300).map { $0.isNewline || $0 == "\u{1b}" ? " " : $0 })
    }

    mutating func note(_ name: String, _ text: String) {
        effects.append(.note(job: name, epoch: jobs[name]?.epoch ?? 0, text))
    }
}
