import Testing

@testable import ServerlessMPI

/// When MeshMachine asks for a relay and what it makes of one, on fake time.
@Suite struct RelayMachineTests {
    static let server = SocketAddress(ip: .v4(0x0101_0101), port: 7000)
    static let relayed = Candidate(kind: .relayed, address: server)
    static let host = MeshMachineTests.candidate(1)
    static let token = token(1)
    static func token(_ number: UInt8) -> RelayToken {
        RelayToken([UInt8](repeating: number, count: 16)) ?? .random()
    }

    static func bench(
        rank: Int, _ candidates: [Candidate] = [host], isDirectHopeless: Bool = false
    ) -> MeshMachineTests.Bench {
        MeshMachineTests.Bench(
            rank: rank, candidates, relay: server, isDirectHopeless: isDirectHopeless)
    }

    @Test func `the lower rank asks after the direct attempts have had their time`() {
        var low = Self.bench(rank: 0)
        var high = Self.bench(rank: 1)
        #expect(low.actions() == [.dial(1, peer: 1, Self.host)])
        _ = high.actions()
        #expect(low.pass(.milliseconds(140)).isEmpty)
        #expect(low.pass(.milliseconds(40)) == [.requestRelay(peer: 1)])
        #expect(high.pass(.seconds(2)).isEmpty)
    }

    @Test func `where nothing direct can succeed it asks at once`() {
        var bench = Self.bench(rank: 0, isDirectHopeless: true)
        #expect(
            bench.actions() == [.requestRelay(peer: 1), .dial(1, peer: 1, Self.host)])
        var bare = Self.bench(rank: 0, [])
        #expect(bare.actions() == [.requestRelay(peer: 1)])
        var refused = Self.bench(rank: 0)
        _ = refused.actions()
        refused.breaks(1, .hopeless("no route"))
        #expect(refused.pass(.zero) == [.requestRelay(peer: 1)])
    }

    @Test func `no relay is asked for while a direct connection is through or about to be`() {
        var bench = Self.bench(rank: 0)
        _ = bench.actions()
        bench.machine.connected(1)
        #expect(bench.pass(.milliseconds(800)).isEmpty)
        bench.machine.authenticated(1)
        #expect(bench.pass(.seconds(2)) == [.nominate(1)])
        #expect(bench.pass(.seconds(2)).isEmpty)
        // Nor while the peer's own connection is on its way through the listener.
        var taken = Self.bench(rank: 0)
        _ = taken.actions()
        taken.breaks(1, .taken)
        #expect(taken.pass(.milliseconds(200)) == [.dial(2, peer: 1, Self.host)])
        // Whoever answers and then says nothing does not hold it back for long.
        var held = Self.bench(rank: 0)
        _ = held.actions()
        held.machine.connected(1)
        var asked: [MeshMachine.Action] = []
        for _ in 0..<20 { asked += held.pass(.milliseconds(100)) }
        #expect(asked == [.requestRelay(peer: 1)])
    }

    @Test func `an offer is dialled by both, and nominated by the lower rank`() {
        for rank in 0...1 {
            var bench = Self.bench(rank: rank, [], isDirectHopeless: true)
            _ = bench.actions()
            bench.machine.relayOffered(to: 1 - rank, Self.token, now: bench.now)
            #expect(bench.actions() == [.dialRelayed(1, peer: 1 - rank, Self.token)])
            bench.machine.authenticated(1)
            #expect(bench.actions() == (rank == 0 ? [.nominate(1)] : []))
        }
    }

    @Test func `a direct connection that is a moment late is preferred`() {
        var bench = Self.bench(rank: 0)
        _ = bench.actions()
        bench.machine.relayOffered(to: 1, Self.token, now: bench.now)
        bench.machine.connected(1)
        bench.machine.authenticated(2)
        #expect(bench.actions() == [.dialRelayed(2, peer: 1, Self.token)])
        bench.machine.authenticated(1)
        #expect(bench.actions() == [.nominate(1)])
        // One that never gets there is not waited for.
        var late = Self.bench(rank: 0)
        _ = late.actions()
        late.machine.relayOffered(to: 1, Self.token, now: late.now)
        late.machine.connected(1)
        late.machine.authenticated(2)
        _ = late.actions()
        #expect(late.pass(MeshMachine.directPreference) == [.nominate(2)])
    }

    @Test func `a relay that breaks is asked for again, with growing patience, and then given up`()
    {
        var bench = Self.bench(rank: 0, [])
        #expect(bench.actions() == [.requestRelay(peer: 1)])
        var requests = 1
        for _ in 0..<100 where bench.machine.hopelessPeer(now: bench.now) == nil {
            bench.machine.relayOffered(to: 1, Self.token, now: bench.now)
            #expect(bench.actions() == [.dialRelayed(requests, peer: 1, Self.token)])
            bench.breaks(requests, .refused("closed by the other end"))
            for _ in 0..<10 where bench.machine.hopelessPeer(now: bench.now) == nil {
                let actions = bench.pass(.milliseconds(500))
                requests += actions.count
                if !actions.isEmpty { break }
            }
        }
        #expect(requests == 8)
        let peer = bench.machine.hopelessPeer(now: bench.now)
        #expect(peer?.attempts.map(\.candidate) == [Self.relayed])
        #expect(peer?.attempts.map(\.cause) == ["closed by the other end"])
    }

    @Test func `a refusal is among the causes`() {
        var bench = Self.bench(rank: 0)
        _ = bench.actions()
        bench.breaks(1, .hopeless("no route"))
        _ = bench.pass(.zero)
        #expect(bench.machine.hopelessPeer(now: bench.now + .seconds(20)) == nil, "it has asked")
        bench.machine.relayRefused(to: 1, "as many as it may", now: bench.now)
        _ = bench.pass(.seconds(3))
        let peer = bench.machine.hopelessPeer(now: bench.now)
        #expect(peer?.attempts.map(\.cause) == ["no route", "as many as it may"])
    }

    @Test func `a server that is there again is asked again`() {
        var bench = Self.bench(rank: 0)
        _ = bench.actions()
        bench.breaks(1, .hopeless("no route"))
        _ = bench.pass(.zero)
        bench.machine.relayRefused(to: 1, "the server is gone", now: bench.now)
        #expect(!bench.pass(.seconds(1)).contains(.requestRelay(peer: 1)))
        bench.machine.relayIsBack(now: bench.now)
        #expect(bench.actions().contains(.requestRelay(peer: 1)))
        _ = bench.pass(.seconds(3))
        #expect(bench.machine.hopelessPeer(now: bench.now) == nil)
    }

    @Test func `who is given up is told once, and wakes nobody afterwards`() {
        var bench = Self.bench(rank: 1, [])
        let due = bench.now + MeshMachine.offerGrace
        #expect(bench.machine.nextDeadline == due)
        _ = bench.pass(MeshMachine.offerGrace)
        #expect(bench.machine.hopelessPeer(now: bench.now)?.peer == 0)
        #expect(bench.machine.nextDeadline == nil)
    }

    @Test func `a later offer leaves a connection alone that may have been nominated`() {
        var high = Self.bench(rank: 1, [])
        _ = high.actions()
        high.machine.relayOffered(to: 0, Self.token, now: high.now)
        high.machine.authenticated(1)
        high.machine.relayOffered(to: 0, Self.token(2), now: high.now)
        #expect(
            high.actions() == [
                .dialRelayed(1, peer: 0, Self.token), .dialRelayed(2, peer: 0, Self.token(2)),
            ])
        high.machine.nominationReceived(1)
        #expect(high.actions() == [.adopt(1, peer: 0), .close(2)])
    }

    @Test func `a peer that does not come to the relay is asked to another one, ever later`() {
        var low = Self.bench(rank: 0, [], isDirectHopeless: true)
        var high = Self.bench(rank: 1, [], isDirectHopeless: true)
        #expect(low.actions() == [.requestRelay(peer: 1)])
        for number in 1...3 {
            let token = Self.token(UInt8(number))
            low.machine.relayOffered(to: 1, token, now: low.now)
            high.machine.relayOffered(to: 0, token, now: high.now)
            #expect(low.actions().last == .dialRelayed(number, peer: 1, token))
            _ = high.actions()
            let wait = RelayedAttempt.answerTimeout * number
            #expect(low.pass(wait - .milliseconds(1)).isEmpty)
            #expect(low.pass(.milliseconds(1)) == [.requestRelay(peer: 1)])
            #expect(high.pass(wait).isEmpty, "one of them asks")
        }
        low.machine.relayOffered(to: 1, Self.token(4), now: low.now)
        _ = low.actions()
        low.machine.met(4)
        #expect(low.pass(.seconds(60)).isEmpty, "who has come may be slow")
        low.machine.authenticated(4)
        #expect(low.pass(.zero) == [.nominate(4)])
    }

    @Test func `an offer that comes again, or while the peer is there, ends nothing`() {
        var high = Self.bench(rank: 1, [], isDirectHopeless: true)
        _ = high.actions()
        for _ in 0..<2 { high.machine.relayOffered(to: 0, Self.token, now: high.now) }
        #expect(high.actions() == [.dialRelayed(1, peer: 0, Self.token)])
        high.machine.met(1)
        high.machine.relayOffered(to: 0, Self.token(2), now: high.now)
        #expect(high.actions() == [.dialRelayed(2, peer: 0, Self.token(2))])
        high.machine.authenticated(1)
        high.machine.nominationReceived(1)
        #expect(high.actions() == [.adopt(1, peer: 0), .close(2)])
    }

    @Test func `a later offer replaces the connection that an earlier one has led to`() {
        var bench = Self.bench(rank: 1, [])
        _ = bench.actions()
        bench.machine.relayOffered(to: 0, Self.token, now: bench.now)
        bench.machine.relayOffered(to: 0, .random(), now: bench.now)
        let actions = bench.actions()
        #expect(actions.count == 3 && actions[1] == .close(1), "\(actions)")
        bench.machine.authenticated(1)
        bench.machine.nominationReceived(2)
        #expect(bench.actions() == [.adopt(2, peer: 0)])
    }
}
