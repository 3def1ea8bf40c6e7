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
// - Where that does not succeed, both meet at a relay (MeshMachine+Relay.swift); relayed addresses
//   are dialled later, too.
// - The lower rank nominates the first connection that is authenticated; the rest are closed.
// - In a large job peers are idle until a link is needed: here (`need`), or there, of which the
//   rendezvous server tells (`signalled`). An idle peer's own connection is as good as any.

struct MeshMachine {
    typealias Instant = ContinuousClock.Instant
    /// The machine's name for one connection; never reused.
    typealias Connection = Int

    enum Action: Equatable {
        /// Open a socket on the shared port and connect.
        case dial(Connection, peer: Int, Candidate)
        /// The same from a port of its own: on the shared one an earlier connection between the same
        /// two addresses may be in the way, here, there or in between.
        case dialAfresh(Connection, peer: Int, Candidate)
        /// Open a socket on any port, connect to the relay, and show it the token.
        case dialRelayed(Connection, peer: Int, RelayToken)
        /// Ask the rendezvous server for a relay to the peer.
        case requestRelay(peer: Int)
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
    /// A relay that hangs up does not yet know of the peer's permission: give it time.
    static let relayRetry = Duration.milliseconds(50)
    static let takenDelay = Duration.milliseconds(50)
    static let shortestRetry = Duration.milliseconds(1)
    /// After this many quick retries a candidate is retried ten times as slowly.
    static let quickRetries = 20
    /// A peer all of whose candidates are hopeless may still dial us, for this long.
    static let hopelessGrace = Duration.seconds(3)
    /// The lower rank asks for relays; the higher one waits this long for the offer.
    static let offerGrace = Duration.seconds(10)
    /// A relayed connection yields to a direct one that comes so soon after it.
    static let directPreference = Duration.milliseconds(50)

    struct Attempt {
        let candidate: Candidate
        /// From a port of its own.
        var isAfresh = false
        var dialAt: Instant?
        var connection: Connection?
        var dials = 0
        var cause: String?
        var isHopeless = false
    }

    /// Who needs the link to a peer.
    enum Need: Comparable { case nobody, peer, thisRank }

    struct Peer {
        let rank: Int
        var need: Need
        let isSameHost: Bool
        let isDirectHopeless: Bool
        var attempts: [Attempt]
        /// nil where there is no relay.
        var relay: RelayedAttempt?
        /// Connections known to lead to this peer.
        var connections: Set<Connection> = []
        /// Those that stand and have not proven anything yet; relayed ones are not among them.
        var handshaking: Set<Connection> = []
        /// A direct connection has come about, whatever became of it: there is a path.
        var isReached = false
        /// Authenticated, in order of arrival.
        var authenticated: [Connection] = []
        var nominated: Connection?
        var isLinked = false
        /// The link is relayed, and until then something better is looked for.
        var upgradeEnds: Instant?
        var hopelessSince: Instant?
    }

    let rank: Int
    let roundTripTime: Duration
    let relayAddress: SocketAddress?
    var peers: [Peer?]
    /// Peers being dialled: needed and not linked, or looked for a better path to; in ascending
    /// order.
    var wanted: [Int] = []
    var owner: [Connection: Int] = [:]
    var nextConnection: Connection = 1
    var jitter: JitterGenerator
    var actions: [Action] = []
    /// The latest time that was passed in.
    var clock: Instant

    /// - Parameters:
    ///   - plans: what to dial for each peer, nil at this rank's own place.
    ///   - roundTripTime: to the server: the best guess for the peers.
    ///   - relayAddress: where a relay can be had; nil: there is none.
    ///   - isOnDemand: peers are idle until they are needed; else all are needed at once.
    init(
        rank: Int, plans: [PeerPlan?], roundTripTime: Duration,
        relayAddress: SocketAddress? = nil, isOnDemand: Bool = false, seed: UInt64, now: Instant
    ) {
        self.rank = rank
        self.roundTripTime = roundTripTime
        self.relayAddress = relayAddress
        clock = now
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
                    isDirectHopeless: plan.isDirectHopeless,
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

    /// When `advance` must be called next. Who was given up by the latest time is no reason to wake:
    /// `hopelessPeer` says so since then.
    var nextDeadline: Instant? {
        var earliest: Instant?
        for index in wanted {
            guard let peer = peers[index] else { continue }
            let givingUp = givingUpTime(peer).flatMap { $0 > clock ? $0 : nil }
            let due =
                peer.attempts.map(\.dialAt)
                + [
                    peer.relay?.askAt, peer.relay?.nominateAt, givingUp, upgradeDeadline(peer),
                    earliest,
                ]
            earliest = due.compactMap(\.self).min()
        }
        return earliest
    }
}

// MARK: Time and need

extension MeshMachine {
    /// Time has passed: dials what is due.
    mutating func advance(to now: Instant) {
        clock = now
        for index in wanted {
            endUpgradeIfDue(index, now)
            advanceRelay(index, now)
            guard let peer = peers[index] else { continue }
            for (number, attempt) in peer.attempts.enumerated() {
                guard let at = attempt.dialAt, at <= now else { continue }
                let connection = newConnection()
                owner[connection] = index
                peers[index]?.attempts[number].dialAt = nil
                peers[index]?.attempts[number].dials += 1
                peers[index]?.attempts[number].connection = connection
                peers[index]?.connections.insert(connection)
                actions.append(
                    attempt.isAfresh
                        ? .dialAfresh(connection, peer: index, attempt.candidate)
                        : .dial(connection, peer: index, attempt.candidate))
            }
        }
    }

    /// This rank's program needs the link. Dials, unless that has begun.
    mutating func need(_ peer: Int, now: Instant) { wantNow(peer, .thisRank, now) }

    /// The peer needs the link and is dialling: so does this rank, as a NAT may ask for both.
    mutating func signalled(_ peer: Int, now: Instant) { wantNow(peer, .peer, now) }

    mutating func wantNow(_ peer: Int, _ need: Need, _ now: Instant) {
        want(peer, need, now)
        advance(to: now)
    }

    mutating func want(_ index: Int, _ need: Need, _ now: Instant) {
        guard peers.indices.contains(index), let peer = peers[index], !peer.isLinked,
            peer.need < need
        else { return }
        peers[index]?.need = need
        guard peer.need == .nobody else {
            // The time in which only the peer was in need is not this rank's own.
            if peer.hopelessSince != nil { peers[index]?.hopelessSince = now }
            return
        }
        beginDialling(index)
        for (number, attempt) in peer.attempts.enumerated() where attempt.connection == nil {
            let dialAt = now + delay(of: attempt.candidate, peer)
            peers[index]?.attempts[number].dialAt = dialAt
            peers[index]?.attempts[number].isHopeless = false
        }
        peers[index]?.hopelessSince = nil
        if relayAddress != nil {
            var relay = RelayedAttempt(
                asks: rank < index,
                isDirectHopeless: peer.isDirectHopeless || peer.attempts.isEmpty,
                roundTripTime: roundTripTime, peerCount: peers.count,
                start: peer.isSameHost ? now + Self.fallbackDelay : now)
            // One that an earlier need has led to may still become the link.
            relay.connection = peer.relay?.connection
            peers[index]?.relay = relay
        }
        reconsider(index, now)
    }

    mutating func beginDialling(_ index: Int) {
        guard !wanted.contains(index) else { return }
        wanted.insert(index, at: wanted.firstIndex { $0 > index } ?? wanted.endIndex)
    }

    /// How long a better candidate is given before this one is dialled.
    func delay(of candidate: Candidate, _ peer: Peer) -> Duration {
        var delay = Duration.zero
        if peer.isSameHost, !candidate.address.ip.isLoopback || peer.rank < rank {
            delay += Self.fallbackDelay
        }
        if candidate.kind == .relayed, !peer.isDirectHopeless {
            delay += RelayedAttempt.delay(roundTripTime, peerCount: peers.count)
        }
        return delay
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
}
