// One rank on the virtual network: its MeshMachine, its kernel's connections by four-tuple, and
// what PeerConnection says on them (hello, proof, nomination) without the cryptography.

@testable import ServerlessMPI

struct VirtualRank {
    /// One end of a connection.
    struct End {
        var number: Int
        let isDialled: Bool
        var isEstablished = false
        var peer: Int?
        var sentHello = false
        var gotHello = false
    }

    let rank: Int
    var machine: MeshMachine?
    var plans: [PeerPlan?] = []
    /// By remote address: the local one is always the same.
    var ends: [SocketAddress: End] = [:]
    /// What came on connections that wait in the listener's queue until the roster is there.
    var early: [VirtualPacket] = []
    /// Over the relay, by the machine's name.
    var relayedEnds: [Int: End] = [:]
    /// How each peer is reached in the end.
    var paths: [Int: CandidateKind] = [:]
    var relayRequests = 0

    init(rank: Int) { self.rank = rank }

    func remote(of connection: Int) -> SocketAddress? {
        ends.first { $0.value.number == connection }?.key
    }
}

/// Ranks, network and server together.
struct VirtualJob {
    var network: VirtualNetwork
    var ranks: [VirtualRank]
    private var relays: RelayTable
    private var relayWaiters: [ConnectionID: (host: Int, connection: Int)] = [:]
    /// The other end of a relayed connection.
    private var relayPeers: [[Int]: (host: Int, connection: Int)] = [:]
    private var nextRelayConnection = UInt64(1)
    private(set) var classes: [NATClass] = []

    init(_ network: VirtualNetwork, seed: UInt64, limits: RendezvousLimits = .init()) {
        self.network = network
        ranks = network.hosts.indices.map { VirtualRank(rank: $0) }
        var random = JitterGenerator(state: seed)
        var tokens = JitterGenerator(state: ~seed)
        relays = RelayTable(limits: limits) {
            var writer = ByteWriter()
            writer.write(tokens.next())
            writer.write(tokens.next())
            return RelayToken(writer.bytes) ?? .random()
        }
        var roster: [RosterEntry] = []
        for host in network.hosts.indices {
            let first = self.network.observed(host, at: VirtualNetwork.server)
            let second = self.network.observed(host, at: VirtualNetwork.observer)
            let own = Candidate(kind: .host, address: network.hosts[host].address)
            roster.append(
                RosterEntry(
                    hostTag: [UInt8](repeating: UInt8(host), count: 16), observed: first,
                    candidates: [own],
                    natClass: NATClass(observed: first, second: second, candidates: [own])))
        }
        classes = roster.map(\.natClass)
        for host in network.hosts.indices {
            ranks[host].plans = PeerPlan.plans(
                roster: roster, rank: host, port: network.hosts[host].address.port)
            // The roster does not reach everyone at the same time.
            let skew = network.roundTripTime * Double.random(in: 0...1, using: &random)
            self.network.schedule(.start(host: host), after: skew)
            seeds.append(random.next())
        }
    }

    private var seeds: [UInt64] = []

    /// Runs until every rank has every link, or one gives up, or time is up. Did they all?
    mutating func run(for limit: Duration = .seconds(20)) -> Bool {
        let end = network.now + limit
        // The bound on steps is what "it always ends" means.
        for _ in 0..<200_000 {
            if ranks.allSatisfy({ $0.machine?.isComplete == true }) { return true }
            if ranks.contains(where: { $0.machine?.hopelessPeer(now: network.now) != nil }) {
                return false
            }
            let due = ranks.compactMap { $0.machine?.nextDeadline }.min()
            let horizon = min(due.map { max($0, network.now) } ?? end, end)
            if let occurrence = network.next(by: horizon) {
                handle(occurrence)
            } else if network.now >= end {
                return false
            }
            for host in ranks.indices {
                ranks[host].machine?.advance(to: network.now)
                perform(host)
            }
        }
        return false
    }

    private mutating func perform(_ host: Int) {
        while let actions = ranks[host].machine?.takeActions(), !actions.isEmpty {
            for action in actions { perform(action, host) }
        }
    }

    private mutating func perform(_ action: MeshMachine.Action, _ host: Int) {
        switch action {
        case .dial(let connection, let peer, let candidate),
            .dialAfresh(let connection, let peer, let candidate):
            let remote = candidate.address
            guard ranks[host].ends[remote] == nil else {
                ranks[host].machine?.broke(connection, .taken, now: network.now)
                return
            }
            ranks[host].ends[remote] = VirtualRank.End(
                number: connection, isDialled: true, peer: peer)
            network.send(.syn, from: host, to: remote)
            network.schedule(
                .retransmit(host: host, remote: remote, after: .seconds(1)), after: .seconds(1))
        case .dialRelayed(let connection, let peer, let token):
            ranks[host].relayedEnds[connection] = VirtualRank.End(
                number: connection, isDialled: true, peer: peer)
            network.schedule(
                .relayConnect(host: host, connection: connection, token),
                after: network.oneWay * 3)
        case .requestRelay(let peer):
            ranks[host].relayRequests += 1
            network.schedule(.relayRequest(from: host, to: peer), after: network.oneWay)
        case .nominate(let connection):
            say(.nomination, host, connection)
            ranks[host].machine?.nominationSent(connection)
        case .adopt(let connection, let peer):
            if ranks[host].relayedEnds[connection] != nil {
                ranks[host].paths[peer] = .relayed
            } else if let remote = ranks[host].remote(of: connection) {
                ranks[host].paths[peer] = ranks[host].plans[peer]?.kind(of: remote)
            }
        case .close(let connection):
            ranks[host].relayedEnds[connection] = nil
            guard let remote = ranks[host].remote(of: connection) else { return }
            ranks[host].ends[remote] = nil
            network.send(.reset, from: host, to: remote)
        }
    }

    private mutating func say(_ segment: VirtualSegment, _ host: Int, _ connection: Int) {
        if ranks[host].relayedEnds[connection] != nil {
            guard let other = relayPeers[[host, connection]] else { return }
            network.schedule(
                .relayed(segment, host: other.host, connection: other.connection),
                after: network.roundTripTime)
        } else if let remote = ranks[host].remote(of: connection) {
            network.send(segment, from: host, to: remote)
        }
    }
}

// MARK: What happens

extension VirtualJob {
    private mutating func handle(_ occurrence: VirtualNetwork.Occurrence) {
        switch occurrence {
        case .start(let host):
            ranks[host].machine = MeshMachine(
                rank: host, plans: ranks[host].plans, roundTripTime: network.roundTripTime,
                relayAddress: VirtualNetwork.server, seed: seeds[host], now: network.now)
            for packet in ranks[host].early { arrive(packet, host) }
            ranks[host].early = []
        case .transit(let packet, let realm, let delay):
            network.arrive(packet, in: realm, delay: delay)
        case .arrival(let packet, let host): arrive(packet, host)
        case .retransmit(let host, let remote, let delay):
            guard let end = ranks[host].ends[remote], end.isDialled, !end.isEstablished,
                delay < .seconds(16)
            else { return }
            network.send(.syn, from: host, to: remote)
            network.schedule(
                .retransmit(host: host, remote: remote, after: delay * 2), after: delay * 2)
        case .relayRequest(let one, let other):
            guard
                let offer = relays.offer(
                    job: "job", low: min(one, other), high: max(one, other), now: network.now)
            else { return }
            network.schedule(
                .relayOffer(host: min(one, other), peer: max(one, other), offer.low),
                after: network.oneWay)
            network.schedule(
                .relayOffer(host: max(one, other), peer: min(one, other), offer.high),
                after: network.oneWay)
        case .relayOffer(let host, let peer, let token):
            guard ranks[host].machine != nil else {
                // Offers come after the roster, on the same connection.
                return network.schedule(occurrence, after: network.oneWay)
            }
            ranks[host].machine?.relayOffered(to: peer, token, now: network.now)
        case .relayConnect(let host, let connection, let token):
            meet(host, connection, token)
        case .relayed(let segment, let host, let connection):
            guard let end = ranks[host].relayedEnds[connection] else { return }
            hear(segment, end, host)
        }
        for host in ranks.indices { perform(host) }
    }

    private mutating func meet(_ host: Int, _ connection: Int, _ token: RelayToken) {
        guard ranks[host].relayedEnds[connection] != nil else { return }
        let id = ConnectionID(number: nextRelayConnection)
        nextRelayConnection += 1
        switch relays.claim(token, by: id, now: network.now) {
        case .refused:
            ranks[host].relayedEnds[connection] = nil
            ranks[host].machine?.broke(connection, .refused("refused"), now: network.now)
        case .waiting: relayWaiters[id] = (host, connection)
        case .paired(_, let other):
            guard let first = relayWaiters[other] else { return }
            relayPeers[[host, connection]] = first
            relayPeers[[first.host, first.connection]] = (host, connection)
            for end in [first, (host: host, connection: connection)] {
                ranks[end.host].machine?.connected(end.connection)
                greet(end.host, end.connection)
            }
        }
    }

    private mutating func update(
        _ host: Int, _ connection: Int, _ change: (inout VirtualRank.End) -> Void
    ) {
        if var end = ranks[host].relayedEnds[connection] {
            change(&end)
            ranks[host].relayedEnds[connection] = end
        } else if let remote = ranks[host].remote(of: connection),
            var end = ranks[host].ends[remote]
        {
            change(&end)
            ranks[host].ends[remote] = end
        }
    }

    private mutating func greet(_ host: Int, _ connection: Int) {
        var peer: Int?
        update(host, connection) { end in
            if !end.sentHello { peer = end.peer }
            end.sentHello = true
        }
        if let peer { say(.hello(from: host, to: peer), host, connection) }
    }

    /// TCP's part of a segment (RFC 9293 §3.5), then the ranks'.
    private mutating func arrive(_ packet: VirtualPacket, _ host: Int) {
        guard ranks[host].machine != nil else {
            ranks[host].early.append(packet)
            if packet.segment == .syn { network.send(.synAck, from: host, to: packet.source) }
            return
        }
        let remote = packet.source
        let end = ranks[host].ends[remote]
        switch packet.segment {
        case .syn:
            if end == nil, let number = ranks[host].machine?.accepted() {
                ranks[host].ends[remote] = VirtualRank.End(number: number, isDialled: false)
            }
            // In SYN-SENT this is a simultaneous open; the listener's queue answers all others.
            if ranks[host].ends[remote] != nil { network.send(.synAck, from: host, to: remote) }
        case .synAck:
            guard let end else { return network.send(.reset, from: host, to: remote) }
            network.send(.ack, from: host, to: remote)
            establish(host, end, remote)
        case .ack:
            if let end { establish(host, end, remote) }
        case .reset:
            guard let end else { return }
            ranks[host].ends[remote] = nil
            ranks[host].machine?.broke(end.number, .refused("reset"), now: network.now)
        case .hello, .proof, .nomination:
            guard let end else { return network.send(.reset, from: host, to: remote) }
            establish(host, end, remote)
            if let end = ranks[host].ends[remote] { hear(packet.segment, end, host) }
        }
    }

    private mutating func establish(
        _ host: Int, _ end: VirtualRank.End, _ remote: SocketAddress
    ) {
        guard !end.isEstablished else { return }
        ranks[host].ends[remote]?.isEstablished = true
        guard end.isDialled else { return }
        ranks[host].machine?.connected(end.number)
        greet(host, end.number)
    }

    /// What PeerConnection makes of it.
    private mutating func hear(_ segment: VirtualSegment, _ end: VirtualRank.End, _ host: Int) {
        let connection = end.number
        switch segment {
        case .hello(let sender, let receiver):
            guard receiver == host, end.peer == nil || end.peer == sender else {
                return drop(host, connection, .hopeless("another rank is at this address"))
            }
            update(host, connection) { end in
                end.peer = sender
                end.gotHello = true
            }
            if !end.isDialled {
                guard ranks[host].machine?.identified(connection, as: sender) == true else {
                    return drop(host, connection, .refused("there is a link already"))
                }
                greet(host, connection)
            }
            if host < sender { say(.proof, host, connection) }
        case .proof:
            guard let peer = end.peer, end.gotHello else { return }
            if host > peer { say(.proof, host, connection) }
            ranks[host].machine?.authenticated(connection)
        case .nomination: ranks[host].machine?.nominationReceived(connection)
        case .syn, .synAck, .ack, .reset: break
        }
    }

    private mutating func drop(
        _ host: Int, _ connection: Int, _ failure: MeshMachine.DialFailure
    ) {
        if let remote = ranks[host].remote(of: connection) {
            ranks[host].ends[remote] = nil
            network.send(.reset, from: host, to: remote)
        }
        ranks[host].relayedEnds[connection] = nil
        ranks[host].machine?.broke(connection, failure, now: network.now)
    }
}
