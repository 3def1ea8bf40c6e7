// One job as the server sees it: who has joined, who is alive, and the one first cause once it
// has failed. A value; time and messages are passed in.

import MessagePassing

/// The server's name for one connection; never reused.
struct ConnectionID: Hashable, Sendable {
    let number: UInt64
}

/// One rank that has joined.
struct Member: Sendable {
    /// nil once it has left, or its connection has ended.
    var connection: ConnectionID?
    let requestID: RequestID
    var entry: RosterEntry
    var lastHeard: ContinuousClock.Instant
    var hasLeft = false
    /// Its connection has ended without a bye: since when, and why it is lost if it does not return.
    var absence: (since: ContinuousClock.Instant, cause: MPIError)?
    /// How often it has asked for connections to other ranks, less what time has excused.
    var signalCount = 0
    var signalsCountedAt: ContinuousClock.Instant?
}

struct Job: Sendable {
    enum Phase: Sendable, Equatable {
        /// Waiting for ranks until the deadline.
        case gathering
        case running
        case failed(MPIError)
        /// Every rank has said *bye*.
        case finished
    }

    let name: String
    let epoch: UInt64
    let size: Int
    let encryption: EncryptionMode
    /// Do the ranks bring their numbers, or does the server give them?
    let bringsRanks: Bool
    let deadline: ContinuousClock.Instant
    let joinTimeout: Duration
    let keys: ServerKeys
    private(set) var phase = Phase.gathering
    /// The server has been started again while the job ran; its ranks come back with their tickets.
    private(set) var isRestored = false
    /// Ranks that said bye to some that are back. They may still be about to leave, and come back
    /// themselves until then.
    private var departed: Set<Int> = []
    private var returnsUntil: ContinuousClock.Instant?
    /// When the last rank that was connected left.
    private var desertedSince: ContinuousClock.Instant?
    private(set) var members: [Member?]
    private(set) var joinedCount = 0
    private var connectedCount = 0
    private var leftCount = 0
    /// Every rank below has been claimed: claims are never undone.
    private var lowestFree = 0
    /// When the job failed.
    private(set) var failedAt: ContinuousClock.Instant?

    init(
        name: String, first request: JoinRequest, joinTimeout: Duration, keys: ServerKeys,
        now: ContinuousClock.Instant
    ) {
        self.name = name
        epoch = request.epoch
        size = request.size
        encryption = request.encryption
        bringsRanks = request.rank != nil
        self.joinTimeout = joinTimeout
        deadline = now + joinTimeout
        self.keys = keys
        members = Array(repeating: nil, count: request.size)
    }

    var isOver: Bool {
        switch phase {
        case .gathering, .running: false
        case .failed, .finished: true
        }
    }

    var connections: [ConnectionID] { members.compactMap { $0?.connection } }
    var isDeserted: Bool { connectedCount == 0 }
}

extension Job {
    /// Why a request cannot belong to this job, although it is for this epoch of it.
    func disagreement(with request: JoinRequest) -> MPIError? {
        if request.size != size {
            return .invalidArgument(
                "join",
                "a rank says the job has \(request.size) ranks, the first said \(size):"
                    + " give every rank the same join URL")
        }
        if request.encryption != encryption {
            return .invalidArgument(
                "join",
                "a rank says encryption=\(request.encryption), the first said \(encryption):"
                    + " give every rank the same join URL")
        }
        if (request.rank != nil) != bringsRanks {
            return .invalidArgument(
                "join",
                "some ranks set SERVERLESS_MPI_RANK and others do not: set it for all or for none")
        }
        return nil
    }

    /// The rank this request gets, or why it gets none. `replaced` is the connection that a
    /// process which comes again, proven by its ticket, has given up.
    mutating func claim(
        _ request: JoinRequest, connection: ConnectionID, observed: SocketAddress,
        now: ContinuousClock.Instant
    ) -> Result<(rank: Int, replaced: ConnectionID?), MPIError> {
        let entry = RosterEntry(
            hostTag: request.hostTag, observed: observed, candidates: request.candidates,
            natClass: NATClass(observed: observed, second: nil, candidates: request.candidates))
        guard let rank = request.rank ?? nextFree() else {
            return .failure(
                MPIError(
                    .duplicateRank, operation: "join",
                    reason: "all \(size) ranks of the job have joined already"))
        }
        var replaced: ConnectionID?
        let hasTicket = keys.isTicket(
            request.ticket, epoch: epoch, rank: rank, requestID: request.requestID)
        if let refusal = unproven(rank, hasTicket) { return .failure(refusal) }
        if let holder = members[rank] {
            let isSame = holder.requestID == request.requestID && hasTicket
            guard isSame, !holder.hasLeft else {
                return .failure(
                    MPIError(
                        .duplicateRank, operation: "join",
                        reason: "another process has joined as this rank; start one process"
                            + " per rank, or a new epoch",
                        peer: rank))
            }
            replaced = holder.connection
        } else {
            joinedCount += 1
        }
        if replaced == nil { connectedCount += 1 }
        members[rank] = Member(
            connection: connection, requestID: request.requestID, entry: entry, lastHeard: now)
        return .success((rank, replaced))
    }

    /// A ticket that this server does not remember to have given: it has been started again, and
    /// the job is running. Who has come without one is not of it. Their connections.
    mutating func restore(
        for request: JoinRequest, returnsUntil: ContinuousClock.Instant
    ) -> [ConnectionID] {
        guard phase == .gathering, let rank = request.rank, members.indices.contains(rank),
            members[rank]?.requestID != request.requestID,
            keys.isTicket(request.ticket, epoch: epoch, rank: rank, requestID: request.requestID)
        else { return [] }
        let strangers = connections
        isRestored = true
        self.returnsUntil = returnsUntil
        phase = .running
        members = Array(repeating: nil, count: size)
        (joinedCount, connectedCount, leftCount, lowestFree) = (0, 0, 0, 0)
        return strangers
    }

    private func unproven(_ rank: Int, _ hasTicket: Bool) -> MPIError? {
        guard isRestored, !hasTicket else { return nil }
        return MPIError(
            .duplicateRank, operation: "join",
            reason: "the job is running, and this process has no ticket for it", peer: rank)
    }

    /// The observer has seen this rank, too.
    mutating func observed(_ rank: Int, at second: SocketAddress) {
        guard members.indices.contains(rank), let entry = members[rank]?.entry else { return }
        members[rank]?.entry.natClass = NATClass(
            observed: entry.observed, second: second, candidates: entry.candidates)
    }

    private mutating func nextFree() -> Int? {
        while lowestFree < members.count, members[lowestFree] != nil { lowestFree += 1 }
        return lowestFree < members.count ? lowestFree : nil
    }

    var isComplete: Bool { phase == .gathering && joinedCount == size }

    mutating func start() { phase = .running }

    /// The first cause stands; false if there was one already.
    mutating func fail(_ cause: MPIError, now: ContinuousClock.Instant) -> Bool {
        guard !isOver else { return false }
        phase = .failed(cause)
        failedAt = now
        return true
    }

    mutating func heard(_ rank: Int, now: ContinuousClock.Instant) {
        guard members.indices.contains(rank) else { return }
        members[rank]?.lastHeard = now
    }

    mutating func left(_ rank: Int, now: ContinuousClock.Instant) {
        guard members.indices.contains(rank) else { return }
        if members[rank]?.hasLeft == false {
            members[rank]?.hasLeft = true
            leftCount += 1
        }
        if phase == .running, leftCount == size { phase = .finished }
        disconnected(rank)
        if connectedCount == 0 { desertedSince = now }
    }

    /// A restored job that nobody has come back to for so long has ended: the ranks that were not
    /// heard of have left before.
    mutating func finishIfForsaken(_ now: ContinuousClock.Instant, after limit: Duration) -> Bool {
        guard phase == .running, isRestored, connectedCount == 0, firstAbsence == nil,
            let desertedSince, now - desertedSince > limit
        else { return false }
        phase = .finished
        forgetIfOver()
        return true
    }

    mutating func disconnected(_ rank: Int) {
        guard members.indices.contains(rank) else { return }
        if members[rank]?.connection != nil {
            members[rank]?.connection = nil
            connectedCount -= 1
        }
        forgetIfOver()
    }

    /// The connection of a rank has ended without a bye. True if the rank may yet come back.
    mutating func mayReturn(
        _ rank: Int, _ cause: MPIError, now: ContinuousClock.Instant
    ) -> Bool {
        guard phase == .running, members.indices.contains(rank), members[rank]?.hasLeft == false
        else { return false }
        members[rank]?.absence = (now, cause)
        return true
    }

    /// Is the rank away, and may it come back to this server yet?
    func mayStillCome(_ rank: Int, now: ContinuousClock.Instant) -> Bool {
        guard phase == .running, members.indices.contains(rank) else { return false }
        if let member = members[rank] { return member.absence != nil }
        guard let returnsUntil else { return false }
        return now < returnsUntil || !departed.contains(rank)
    }

    /// A rank that is back says who has left: of the job's end before it was restored nobody else
    /// knows. A rank that comes back itself is there, whatever was said. False for ranks that
    /// cannot be.
    mutating func note(departed ranks: [Int]) -> Bool {
        guard ranks.allSatisfy({ members.indices.contains($0) }) else { return isOver }
        if isRestored { departed.formUnion(ranks) }
        return true
    }

    /// Why the rank that went away first is lost, if it does not return.
    var firstAbsence: MPIError? {
        members.compactMap { $0?.absence }.min { $0.since < $1.since }?.cause
    }

    /// Of a job that is over and that everyone has left, only the outcome is kept.
    private mutating func forgetIfOver() {
        if isOver, isDeserted { members = [] }
    }

    /// The server itself did not run for a while: nobody could have been heard.
    mutating func excuseSilence(of gap: Duration, now: ContinuousClock.Instant) {
        for rank in members.indices {
            if let heard = members[rank]?.lastHeard {
                members[rank]?.lastHeard = min(now, heard + gap)
            }
            if let since = members[rank]?.absence?.since {
                members[rank]?.absence?.since = min(now, since + gap)
            }
        }
    }

    /// The cause, if time has run out: somebody never came, has not come back, or is not heard from
    /// any more.
    func overdue(_ now: ContinuousClock.Instant, _ limits: RendezvousLimits) -> MPIError? {
        guard !isOver else { return nil }
        for (rank, member) in members.enumerated() {
            guard let member, !member.hasLeft else { continue }
            if let absence = member.absence, now - absence.since > limits.returnTimeout {
                return absence.cause
            }
            if member.connection != nil, now - member.lastHeard > limits.silenceTimeout {
                let limit = JoinURL.seconds(limits.silenceTimeout)
                return MPIError(
                    .peerLost, operation: "heartbeat",
                    reason: "nothing heard from it for \(limit) s:"
                        + " it is stopped or cut off",
                    peer: rank)
            }
        }
        guard phase == .gathering, now >= deadline else { return nil }
        return neverJoined
    }

    /// Names the ranks that never came.
    private var neverJoined: MPIError {
        let absent = members.indices.filter { members[$0] == nil }
        let limit = "within \(JoinURL.seconds(joinTimeout)) s"
        guard bringsRanks else {
            return MPIError(
                .timedOut, operation: "join",
                reason: "\(absent.count) of \(size) ranks never joined \(limit)")
        }
        let named = absent.prefix(16).map(String.init).joined(separator: ", ")
        let more = absent.count > 16 ? " and \(absent.count - 16) more" : ""
        return MPIError(
            .timedOut, operation: "join",
            reason: "\(absent.count == 1 ? "rank" : "ranks") \(named)\(more) of \(size)"
                + " never joined \(limit)",
            peer: absent.first)
    }
}

// MARK: Signals

extension Job {
    enum SignalOutcome {
        /// Pass it on to this connection.
        case forward(ConnectionID)
        /// The other rank has left the job.
        case departed
        /// The job is over, and this rank has been told why.
        case nothing
        case violation(String)
    }

    /// One rank needs a link to another, which shall dial too. Each needs to ask once per peer, and
    /// again when a link breaks: a burst, and as many again as time passes.
    mutating func signal(
        from rank: Int, to peer: Int, now: ContinuousClock.Instant
    ) -> SignalOutcome {
        guard !isOver else { return .nothing }
        guard phase == .running, members.indices.contains(peer), peer != rank else {
            return .violation("it asked for a connection that cannot be")
        }
        excuseSignals(of: rank, now: now)
        members[rank]?.signalCount += 1
        guard let count = members[rank]?.signalCount, count <= 2 * size + Self.signalBurst else {
            return .violation("it asked for connections again and again")
        }
        // It is asked for again.
        if mayStillCome(peer, now: now) { return .nothing }
        guard let connection = members[peer]?.connection else { return .departed }
        return .forward(connection)
    }

    /// Signals at once beyond two per peer, and per second beyond one per peer.
    static let signalBurst = 64

    private mutating func excuseSignals(of rank: Int, now: ContinuousClock.Instant) {
        guard let member = members[rank] else { return }
        let passed = (now - (member.signalsCountedAt ?? now)).milliseconds
        let excused = passed * (size + Self.signalBurst) / 1000
        guard excused > 0 || member.signalsCountedAt == nil else { return }
        members[rank]?.signalsCountedAt = now
        members[rank]?.signalCount = max(0, member.signalCount - excused)
    }
}
