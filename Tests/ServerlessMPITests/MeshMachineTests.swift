import Testing

@testable import ServerlessMPI

/// The choice of addresses and connections, on fake time and without sockets.
@Suite struct MeshMachineTests {
    static func candidate(_ last: UInt32, _ kind: CandidateKind = .host) -> Candidate {
        Candidate(kind: kind, address: SocketAddress(ip: .v4(0x0a00_0000 + last), port: 4000))
    }

    static let loopback = Candidate(
        kind: .host, address: SocketAddress(ip: .loopback4, port: 4001))

    /// A machine of a job of two.
    struct Bench {
        var machine: MeshMachine
        var now: ContinuousClock.Instant

        init(
            rank: Int, _ candidates: [Candidate], isSameHost: Bool = false, seed: UInt64 = 1,
            relay: SocketAddress? = nil, isDirectHopeless: Bool = false
        ) {
            now = .now
            var plans: [PeerPlan?] = [nil, nil]
            plans[1 - rank] = PeerPlan(
                candidates: candidates, isSameHost: isSameHost, isDirectHopeless: isDirectHopeless)
            machine = MeshMachine(
                rank: rank, plans: plans, roundTripTime: .milliseconds(10),
                relayAddress: relay, seed: seed, now: now)
        }

        mutating func pass(_ duration: Duration) -> [MeshMachine.Action] {
            now += duration
            machine.advance(to: now)
            return machine.takeActions()
        }

        mutating func actions() -> [MeshMachine.Action] { machine.takeActions() }

        mutating func breaks(_ connection: Int, _ failure: MeshMachine.DialFailure) {
            machine.broke(connection, failure, now: now)
        }
    }

    @Test(arguments: [0, 1])
    func `every candidate is dialled at once, by both sides`(rank: Int) {
        let all = [Self.candidate(1), Self.candidate(2), Self.candidate(3, .serverReflexive)]
        var bench = Bench(rank: rank, all)
        let expected = all.enumerated().map {
            MeshMachine.Action.dial($0 + 1, peer: 1 - rank, $1)
        }
        #expect(bench.actions() == expected)
    }

    @Test func `neighbours meet on loopback, where the lower rank alone dials`() {
        let all = [Self.loopback, Self.candidate(2)]
        var low = Bench(rank: 0, all, isSameHost: true)
        #expect(low.actions() == [.dial(1, peer: 1, Self.loopback)])
        var high = Bench(rank: 1, all, isSameHost: true)
        #expect(high.actions().isEmpty)
        // What makes them look like neighbours may mislead: then everything is tried.
        #expect(low.pass(MeshMachine.fallbackDelay).count == 1)
        #expect(high.pass(MeshMachine.fallbackDelay).count == 2)
    }

    @Test(arguments: [0, 1])
    func `a relayed address is dialled when direct ones have had their time`(rank: Int) {
        let relayed = Self.candidate(9, .relayed)
        var bench = Bench(rank: rank, [Self.candidate(1), relayed])
        #expect(bench.actions() == [.dial(1, peer: 1 - rank, Self.candidate(1))])
        let delay = RelayedAttempt.delay(.milliseconds(10), peerCount: 2)
        #expect(bench.pass(delay - .milliseconds(1)).isEmpty)
        #expect(bench.pass(.milliseconds(1)) == [.dial(2, peer: 1 - rank, relayed)])
        // A relay that does not know us yet is asked again, but not hurried.
        bench.breaks(2, .refused("closed by the other end"))
        #expect((bench.machine.nextDeadline ?? bench.now) >= bench.now + .milliseconds(25))
        #expect(bench.pass(.milliseconds(75)) == [.dial(3, peer: 1 - rank, relayed)])
    }

    @Test func `the lower rank nominates the first authenticated connection and closes the rest`() {
        var bench = Bench(rank: 0, [Self.candidate(1), Self.candidate(2)])
        _ = bench.machine.takeActions()
        let stranger = bench.machine.accepted()
        let isWanted = bench.machine.identified(stranger, as: 1)
        #expect(isWanted)
        bench.machine.authenticated(2)
        bench.machine.authenticated(stranger)
        #expect(bench.actions() == [.nominate(2)])
        bench.machine.nominationSent(2)
        #expect(
            bench.actions() == [.adopt(2, peer: 1), .close(1), .close(stranger)])
        #expect(bench.machine.isComplete)
        #expect(bench.machine.nextDeadline == nil)
    }

    @Test func `the higher rank waits for the nomination`() {
        var bench = Bench(rank: 1, [Self.candidate(1), Self.candidate(2)])
        _ = bench.machine.takeActions()
        bench.machine.authenticated(1)
        bench.machine.authenticated(2)
        #expect(bench.actions().isEmpty)
        bench.machine.nominationReceived(2)
        #expect(bench.actions() == [.adopt(2, peer: 0), .close(1)])
    }

    @Test func `if the nominated connection breaks the next one is nominated`() {
        var bench = Bench(rank: 0, [Self.candidate(1), Self.candidate(2)])
        _ = bench.machine.takeActions()
        bench.machine.authenticated(1)
        bench.machine.authenticated(2)
        bench.breaks(1, .refused("reset"))
        #expect(bench.actions() == [.nominate(1), .nominate(2)])
        #expect(!bench.machine.isComplete)
    }

    @Test func `a second link to a peer is not wanted`() {
        var bench = Bench(rank: 0, [Self.candidate(1)])
        bench.machine.authenticated(1)
        bench.machine.nominationSent(1)
        _ = bench.machine.takeActions()
        let isWanted = bench.machine.identified(bench.machine.accepted(), as: 1)
        #expect(!isWanted)
    }

    @Test(arguments: 1...20)
    func `a refused dial is repeated after half a round trip, give or take half`(seed: UInt64) {
        var bench = Bench(rank: 0, [Self.candidate(1)], seed: seed)
        _ = bench.machine.takeActions()
        var waits: [Duration] = []
        var connection = 1
        for _ in 0..<10 {
            bench.breaks(connection, .refused("reset"))
            let wait = (bench.machine.nextDeadline ?? bench.now) - bench.now
            waits.append(wait)
            #expect(
                wait >= .microseconds(2500) && wait <= .microseconds(7500), "seed \(seed)")
            connection += 1
            #expect(
                bench.pass(wait) == [.dial(connection, peer: 1, Self.candidate(1))])
        }
        #expect(Set(waits).count > 1, "equal waits on both sides would never meet")
    }

    @Test func `a four-tuple that is taken means that the peer's dial has come`() {
        var bench = Bench(rank: 0, [Self.candidate(1)])
        _ = bench.machine.takeActions()
        bench.breaks(1, .taken)
        #expect(bench.actions().isEmpty)
        let accepted = bench.machine.accepted()
        let isWanted = bench.machine.identified(accepted, as: 1)
        #expect(isWanted)
        bench.machine.authenticated(accepted)
        #expect(bench.actions() == [.nominate(accepted)])
    }

    @Test func `a peer without usable address is given up after a while, with every cause`() {
        var bench = Bench(rank: 0, [Self.candidate(1), Self.candidate(2)])
        _ = bench.machine.takeActions()
        bench.breaks(1, .hopeless("no route"))
        bench.breaks(2, .hopeless("another rank is at this address"))
        #expect(bench.machine.hopelessPeer(now: bench.now) == nil, "it may still dial us")
        _ = bench.pass(.seconds(4))
        let peer = bench.machine.hopelessPeer(now: bench.now)
        #expect(peer?.peer == 1)
        #expect(peer?.attempts.map(\.cause) == ["no route", "another rank is at this address"])
    }

    @Test func `a peer whose accepted connection is in its handshake is not given up`() {
        var bench = Bench(rank: 0, [Self.candidate(1)])
        _ = bench.machine.takeActions()
        bench.breaks(1, .hopeless("no route"))
        let accepted = bench.machine.accepted()
        let isWanted = bench.machine.identified(accepted, as: 1)
        #expect(isWanted)
        _ = bench.pass(.seconds(4))
        #expect(bench.machine.hopelessPeer(now: bench.now) == nil)
        bench.breaks(accepted, .refused("reset"))
        _ = bench.pass(.seconds(2))
        #expect(bench.machine.hopelessPeer(now: bench.now) == nil, "it may dial once more")
        _ = bench.pass(.seconds(2))
        #expect(bench.machine.hopelessPeer(now: bench.now)?.peer == 1)
    }

    @Test func `own addresses, doubles and other hosts' loopback are never dialled`() {
        let port = UInt16(4000)
        func entry(_ tag: UInt8, _ observed: UInt32, _ candidates: [Candidate]) -> RosterEntry {
            RosterEntry(
                hostTag: [UInt8](repeating: tag, count: 16),
                observed: SocketAddress(ip: .v4(observed), port: port), candidates: candidates)
        }
        // Both live behind different routers in networks that use the same addresses.
        let own = entry(1, 0x0808_0101, [Self.candidate(1)])
        let peer = entry(
            2, 0x0808_0202,
            [
                Self.loopback, Self.candidate(1), Self.candidate(2), Self.candidate(2),
                Candidate(
                    kind: .host, address: SocketAddress(ip: .v4(0x0808_0202), port: port)),
                Candidate(kind: .host, address: SocketAddress(ip: .any4, port: port)),
                Candidate(kind: .host, address: SocketAddress(ip: .v4(0x0a00_0009), port: 0)),
            ])
        let plan = PeerPlan.plans(roster: [own, peer], rank: 0, port: port)[1]
        #expect(plan?.isSameHost == false)
        let relayed = Self.candidate(7, .relayed)
        let both = entry(3, 0x0808_0303, [Self.candidate(2), relayed])
        let kinds = PeerPlan.plans(roster: [own, both], rank: 0, port: port)[1]?.candidates
        #expect(kinds?.map(\.kind) == [.host, .relayed, .serverReflexive])
        let only = PeerPlan.plans(roster: [own, both], rank: 0, port: port, policy: .turn)[1]
        #expect(only?.candidates == [relayed])
        // A TURN server beside the peer makes no direct connection a relayed one.
        let beside = Candidate(
            kind: .relayed, address: SocketAddress(ip: both.observed.ip, port: 50_000))
        let neighbour = PeerPlan.plans(
            roster: [own, entry(3, 0x0808_0303, [Self.candidate(2), beside])], rank: 0, port: port)
        #expect(
            neighbour[1]?.kind(of: SocketAddress(ip: both.observed.ip, port: 1234))
                == .serverReflexive)
        #expect(
            plan?.candidates.map(\.address.description) == ["10.0.0.2:4000", "8.8.2.2:4000"])
    }
}
