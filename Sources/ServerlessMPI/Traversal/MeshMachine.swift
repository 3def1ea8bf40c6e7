// Which address of which peer to dial when, and which of several connections to keep: connecting
// to all peers as one explicit state machine (after Happy Eyeballs, RFC 8305, and ICE's
// nomination, RFC 8445). Pure: it opens no socket and reads no clock, so a test can play the
// network and the NATs.
//
// Events go in by the methods below, actions come out of `takeActions`. The rules:
// - Peers on the same host and network namespace meet on loopback: the lower rank dials, and
//   nothing else is tried for `fallbackDelay`.
// - Everyone else dials every candidate of every peer at once, from both sides, so that two
//   NATs each see a packet go out first (simultaneous open, RFC 9293 §3.5).
// - The lower rank nominates the first connection that is authenticated; the rest are closed.
// - In a large job peers are idle until a link is needed: here (`need`), or there, of which the
//   rendezvous server tells (`signalled`). An idle peer's own connection is as good as any.

/// A small seedable generator for jitter (SplitMix64).
struct JitterGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

struct MeshMachine {
    typealias Instant = ContinuousClock.Instant
    /// The machine's name for one connection; never reused.
    typealias Connection = Int

    enum Action: Equatable {
        /// Open a socket on the shared port and connect.
        case dial(Connection, peer: Int, Candidate)
        /// Send the nomination, then report `nominationSent`.
        case nominate(Connection)
        /// This connection is the link to the peer: hand it over.
        case adopt(Connection, peer: Int)
        case close(Connection)
    }

    /// What became of a dial.
    enum DialFailure: Equatable {
        /// Answered by a reset, or cut off: the peer may not be ready yet.
        case refused(String)
        /// The same four-tuple exists: the peer's dial has met our listener, or will.
        case taken
        /// Trying again is pointless: no route, not permitted, not a member of this job.
        case hopeless(String)
    }

    static let fallbackDelay = Duration.milliseconds(500)
    private static let takenDelay = Duration.milliseconds(50)
    private static let shortestRetry = Duration.milliseconds(1)
    /// After this many quick retries a candidate is retried ten times as slowly.
    private static let quickRetries = 20
    /// A peer all of whose candidates are hopeless may still dial us, for this long.
    private static let hopelessGrace = Duration.seconds(3)

    private struct Attempt {
        let candidate: Candidate
        var dialAt: Instant?
        var connection: Connection?
        var dials = 0
        var cause: String?
        var isHopeless = false
    }

    /// Who needs the link to a peer.
    private enum Need: Comparable { case nobody, peer, thisRank }

    private struct Peer {
        let rank: Int
        var need: Need
        let isSameHost: Bool
        var attempts: [Attempt]
        /// Connections known to lead to this peer.
        var connections: Set<Connection> = []
        /// Authenticated, in order of arrival.
        var authenticated: [Connection] = []
        var nominated: Connection?
        var isLinked = false
        var hopelessSince: Instant?
    }

    let rank: Int
    private let roundTripTime: Duration
    private var peers: [Peer?]
    /// Peers being dialled: needed and not linked, in ascending order.
    private var wanted: [Int] = []
    private var owner: [Connection: Int] = [:]
    private var nextConnection: Connection = 1
    private var jitter: JitterGenerator
    private var actions: [Action] = []

    /// - Parameters:
    ///   - plans: what to dial for each peer, nil at this rank's own place.
    ///   - roundTripTime: to the server: the best guess for the peers.
    ///   - isOnDemand: peers are idle until they are needed; else all are needed at once.
    init(
        rank: Int, plans: [PeerPlan?], roundTripTime: Duration, isOnDemand: Bool = false,
        seed: UInt64, now: Instant
    ) {
        self.rank = rank
        self.roundTripTime = roundTripTime
        jitter = JitterGenerator(state: seed)
        peers = []
        for (other, plan) in plans.enumerated() {
            guard let plan, other != rank else {
                peers.append(nil)
                continue
            }
            peers.append(
                Peer(
                    rank: other, need: .nobody, isSameHost: plan.isSameHost,
                    attempts: plan.candidates.map { Attempt(candidate: $0) }))
        }
        if !isOnDemand {
            for other in plans.indices { want(other, .thisRank, now) }
        }
        advance(to: now)
    }

    /// Is there a link to everyone this rank needs?
    var isComplete: Bool { !wanted.contains { peers[$0]?.need == .thisRank } }

    mutating func takeActions() -> [Action] {
        defer { actions.removeAll() }
        return actions
    }

    /// When `advance` must be called next.
    var nextDeadline: Instant? {
        var earliest: Instant?
        for index in wanted {
            guard let peer = peers[index] else { continue }
            for attempt in peer.attempts {
                guard let at = attempt.dialAt else { continue }
                earliest = earliest.map { min($0, at) } ?? at
            }
            if peer.need == .thisRank, let since = peer.hopelessSince {
                let at = since + Self.hopelessGrace
                earliest = earliest.map { min($0, at) } ?? at
            }
        }
        return earliest
    }
}

// MARK: Events

extension MeshMachine {
    /// Time has passed: dials what is due.
    mutating func advance(to now: Instant) {
        for index in wanted {
            guard let peer = peers[index] else { continue }
            for (number, attempt) in peer.attempts.enumerated() {
                guard let at = attempt.dialAt, at <= now else { continue }
                let connection = newConnection()
                owner[connection] = index
                peers[index]?.attempts[number].dialAt = nil
                peers[index]?.attempts[number].dials += 1
                peers[index]?.attempts[number].connection = connection
                peers[index]?.connections.insert(connection)
                actions.append(.dial(connection, peer: index, attempt.candidate))
            }
        }
    }

    /// This rank's program needs the link. Dials, unless that has begun.
    mutating func need(_ peer: Int, now: Instant) { wantNow(peer, .thisRank, now) }

    /// The peer needs the link and is dialling: so does this rank, as a NAT may ask for both.
    mutating func signalled(_ peer: Int, now: Instant) { wantNow(peer, .peer, now) }

    private mutating func wantNow(_ peer: Int, _ need: Need, _ now: Instant) {
        want(peer, need, now)
        advance(to: now)
    }

    private mutating func want(_ index: Int, _ need: Need, _ now: Instant) {
        guard peers.indices.contains(index), let peer = peers[index], !peer.isLinked,
            peer.need < need
        else { return }
        peers[index]?.need = need
        guard peer.need == .nobody else { return }
        wanted.insert(index, at: wanted.firstIndex { $0 > index } ?? wanted.endIndex)
        for (number, attempt) in peer.attempts.enumerated() {
            let waits =
                peer.isSameHost && (!attempt.candidate.address.ip.isLoopback || index < rank)
            peers[index]?.attempts[number].dialAt = waits ? now + Self.fallbackDelay : now
        }
    }

    /// The peer that said it was dialling has not come: it is idle again.
    mutating func giveUp(_ index: Int) {
        guard wanted.contains(index), peers[index]?.need == .peer else { return }
        peers[index]?.need = .nobody
        wanted.removeAll { $0 == index }
    }

    func isLinked(_ peer: Int) -> Bool {
        peers.indices.contains(peer) && peers[peer]?.isLinked == true
    }

    /// A stranger has connected; who it is will be seen.
    mutating func accepted() -> Connection { newConnection() }

    private mutating func newConnection() -> Connection {
        defer { nextConnection += 1 }
        return nextConnection
    }

    /// An accepted connection has shown a hello that only this peer could make. False if there is
    /// a link to it already: the connection is to be closed.
    mutating func identified(_ connection: Connection, as peer: Int) -> Bool {
        guard peers.indices.contains(peer), peers[peer]?.isLinked == false else { return false }
        owner[connection] = peer
        peers[peer]?.connections.insert(connection)
        return true
    }

    /// Both ends have proven themselves. On the lower rank, the first such connection wins.
    mutating func authenticated(_ connection: Connection) {
        guard let index = owner[connection], peers[index]?.isLinked == false else { return }
        peers[index]?.authenticated.append(connection)
        nominateNext(index)
    }

    private mutating func nominateNext(_ index: Int) {
        guard rank < index, peers[index]?.nominated == nil,
            let first = peers[index]?.authenticated.first
        else { return }
        peers[index]?.nominated = first
        actions.append(.nominate(first))
    }

    /// The lower rank's nomination is on its way.
    mutating func nominationSent(_ connection: Connection) { link(connection) }

    /// The higher rank has received a nomination.
    mutating func nominationReceived(_ connection: Connection) { link(connection) }

    private mutating func link(_ connection: Connection) {
        guard let index = owner[connection], let peer = peers[index] else { return }
        guard !peer.isLinked else {
            actions.append(.close(connection))
            return
        }
        peers[index]?.isLinked = true
        peers[index]?.hopelessSince = nil
        wanted.removeAll { $0 == index }
        actions.append(.adopt(connection, peer: index))
        for other in peer.connections.sorted() where other != connection {
            actions.append(.close(other))
            owner[other] = nil
        }
        owner[connection] = nil
        peers[index]?.connections = []
        peers[index]?.authenticated = []
        for number in peer.attempts.indices {
            peers[index]?.attempts[number].dialAt = nil
            peers[index]?.attempts[number].connection = nil
        }
    }

    /// A connection, at whatever stage, is gone.
    mutating func broke(_ connection: Connection, _ failure: DialFailure, now: Instant) {
        guard let index = owner.removeValue(forKey: connection), let peer = peers[index],
            !peer.isLinked
        else { return }
        peers[index]?.connections.remove(connection)
        peers[index]?.authenticated.removeAll { $0 == connection }
        if peer.nominated == connection {
            peers[index]?.nominated = nil
            nominateNext(index)
        }
        guard let number = peer.attempts.firstIndex(where: { $0.connection == connection }) else {
            return
        }
        peers[index]?.attempts[number].connection = nil
        switch failure {
        case .refused(let cause):
            let delay = retryDelay(dials: peer.attempts[number].dials)
            peers[index]?.attempts[number].cause = cause
            peers[index]?.attempts[number].dialAt = now + delay
        case .taken:
            peers[index]?.attempts[number].cause = "waiting for the peer's own connection"
            peers[index]?.attempts[number].dialAt = now + Self.takenDelay
        case .hopeless(let cause):
            peers[index]?.attempts[number].cause = cause
            peers[index]?.attempts[number].isHopeless = true
            if peers[index]?.attempts.allSatisfy(\.isHopeless) == true {
                peers[index]?.hopelessSince = now
            }
        }
    }

    /// Half a round trip, give or take half of it: two sides that keep meeting each other's
    /// resets fall out of step.
    private mutating func retryDelay(dials: Int) -> Duration {
        let base = max(roundTripTime / 2, Self.shortestRetry)
        let slowed = dials > Self.quickRetries ? base * 10 : base
        return slowed * Double.random(in: 0.5...1.5, using: &jitter)
    }
}

// MARK: Failure

extension MeshMachine {
    /// A peer that cannot be reached any more, with every candidate's own cause; nil while there
    /// is hope.
    func hopelessPeer(now: Instant) -> UnreachedPeer? {
        for index in wanted {
            guard let peer = peers[index], peer.need == .thisRank else { continue }
            if let since = peer.hopelessSince, now >= since + Self.hopelessGrace {
                return explanation(peer)
            }
        }
        return nil
    }

    /// The lowest peer that is needed and has no link, once time is up.
    func missingPeer() -> UnreachedPeer? {
        for index in wanted {
            if let peer = peers[index], peer.need == .thisRank { return explanation(peer) }
        }
        return nil
    }

    /// What was tried to reach this peer; nil if there is a link to it, or nobody here needs one.
    func missingNeededPeer(_ index: Int) -> UnreachedPeer? {
        guard wanted.contains(index), let peer = peers[index], peer.need == .thisRank else {
            return nil
        }
        return explanation(peer)
    }

    /// Whom the mesh lacks, and what was tried.
    struct UnreachedPeer: Equatable {
        let peer: Int
        let attempts: [(candidate: Candidate, cause: String)]

        static func == (a: Self, b: Self) -> Bool {
            a.peer == b.peer && a.attempts.map(\.candidate) == b.attempts.map(\.candidate)
        }
    }

    private func explanation(_ peer: Peer) -> UnreachedPeer {
        UnreachedPeer(
            peer: peer.rank,
            attempts: peer.attempts.map { attempt in
                let pending = attempt.dials == 0 ? "not tried yet" : "no answer"
                return (attempt.candidate, attempt.cause ?? pending)
            })
    }
}
