import MessagePassing
import Testing

@testable import ServerlessMPI

/// Who may meet at the server and who may not; observations. On fake time, without sockets.
@Suite struct RelayTableTests {
    typealias Bench = JobTableTests.Bench

    /// A running job, its ranks on the connections of their numbers.
    static func running(_ size: Int, limits: RendezvousLimits = RendezvousLimits()) throws -> Bench
    {
        var bench = Bench(limits: limits)
        for rank in 0..<size {
            try bench.say(
                .join(JobTableTests.request(rank, size: size)), on: UInt64(rank))
        }
        return bench
    }

    static func offer(_ bench: Bench, _ connection: UInt64) -> (peer: Int, token: RelayToken)? {
        for message in bench.messages(connection).reversed() {
            if case .relay(let peer, let token) = message { return (peer, token) }
        }
        return nil
    }

    static func refusal(_ bench: Bench, _ connection: UInt64) -> MPIError? {
        for message in bench.messages(connection).reversed() {
            if case .relayRefused(_, let cause) = message { return cause }
        }
        return nil
    }

    static func claim(_ bench: inout Bench, _ token: RelayToken, _ number: UInt64)
        -> RelayTable.Claim
    {
        bench.table.relays.claim(token, by: ConnectionID(number: number), now: bench.now)
    }

    @Test(arguments: [0, 1])
    func `both ranks get a token of their own, whoever asks, and each is good once`(
        asking: UInt64
    ) throws {
        var bench = try Self.running(3)
        try bench.say(.relay(peer: Int(1 - asking)), on: asking)
        let one = try #require(Self.offer(bench, 0))
        let other = try #require(Self.offer(bench, 1))
        #expect(one.peer == 1 && other.peer == 0)
        #expect(one.token == Bench.token(1) && other.token == Bench.token(2))
        #expect(Self.offer(bench, 2) == nil)
        #expect(Self.claim(&bench, one.token, 50) == .waiting)
        #expect(Self.claim(&bench, one.token, 51) == .refused, "a token is good once")
        guard case .paired(_, let first) = Self.claim(&bench, other.token, 52) else {
            Issue.record("the other end is not paired")
            return
        }
        #expect(first == ConnectionID(number: 50))
        #expect(Self.claim(&bench, other.token, 53) == .refused)
        #expect(Self.claim(&bench, .random(), 54) == .refused)
    }

    @Test func `only ranks of a running job may ask, and only for another of its ranks`() throws {
        var bench = Bench()
        try bench.say(.join(JobTableTests.request(0)), on: 0)
        try bench.say(.relay(peer: 1), on: 0)
        #expect(Self.refusal(bench, 0)?.peer == 1)
        try bench.say(.relay(peer: 1), on: 7)
        #expect(bench.isClosed(7), "who has not joined may not speak")
        var whole = try Self.running(2)
        for peer in [0, 2, 4095] {
            try whole.say(.relay(peer: peer), on: 0)
            #expect(Self.refusal(whole, 0)?.peer == peer)
        }
        try whole.say(.bye, on: 1)
        try whole.say(.relay(peer: 1), on: 0)
        #expect(Self.refusal(whole, 0)?.peer == 1)
        #expect(whole.table.relays.pairCount == 0)
    }

    @Test func `the limit of a job is named, and pairs that end make room`() throws {
        var limits = RendezvousLimits()
        limits.relayedPairsPerJob = 2
        var bench = try Self.running(4, limits: limits)
        for peer in 1...2 { try bench.say(.relay(peer: peer), on: 0) }
        try bench.say(.relay(peer: 2), on: 0)
        #expect(bench.table.relays.pairCount == 2, "an offer to the same pair takes its own place")
        try bench.say(.relay(peer: 3), on: 0)
        #expect(Self.refusal(bench, 0)?.reason.contains("at most 2 pairs") == true)
        let tokens = [1, 2].compactMap { Self.offer(bench, $0)?.token }
        #expect(tokens.count == 2)
        _ = Self.claim(&bench, Bench.token(1), 50)
        guard case .paired(let pair, _) = Self.claim(&bench, Bench.token(2), 51) else {
            Issue.record("not paired")
            return
        }
        bench.table.relays.end(pair)
        try bench.say(.relay(peer: 3), on: 0)
        #expect(Self.offer(bench, 3) != nil)
    }

    @Test func `a token that is not used in time is void, and who waits is sent away`() throws {
        var bench = try Self.running(2)
        try bench.say(.relay(peer: 1), on: 0)
        #expect(Self.claim(&bench, Bench.token(1), 50) == .waiting)
        try bench.pass(RendezvousLimits().relayTokenLifetime)
        #expect(bench.endedWaiting == [ConnectionID(number: 50)])
        #expect(Self.claim(&bench, Bench.token(2), 51) == .refused)
        #expect(bench.table.relays.pairCount == 0)
    }

    @Test func `a rank that comes back is offered again what it has not come for`() throws {
        var bench = Bench()
        for rank in 0..<3 {
            let request = JobTableTests.request(rank, size: 3, id: "rank \(rank)")
            try bench.say(.join(request), on: UInt64(rank))
        }
        let ticket = try #require(bench.welcome(1)?.ticket)
        try bench.say(.relay(peer: 1), on: 0)
        try bench.say(.relay(peer: 2), on: 1)
        let own = try #require(Self.offer(bench, 1))
        #expect(own.peer == 2)
        #expect(Self.claim(&bench, own.token, 50) == .waiting)
        // Rank 0 waits at the relay; the offer to rank 1 was lost with its connection.
        #expect(Self.claim(&bench, try #require(Self.offer(bench, 0)).token, 51) == .waiting)
        try bench.end(1)
        try bench.say(
            .join(JobTableTests.request(1, size: 3, id: "rank 1", ticket: ticket)), on: 11)
        let again = bench.messages(11).compactMap { message in
            if case .relay(let peer, let token) = message { (peer, token) } else { nil }
        }
        #expect(again.map(\.0) == [0], "its token for the relay to rank 2 is used")
        guard case .paired(_, let first) = Self.claim(&bench, try #require(again.first).1, 52)
        else {
            Issue.record("not paired")
            return
        }
        #expect(first == ConnectionID(number: 51))
    }

    @Test func `relays that are in use have no deadline`() throws {
        var bench = try Self.running(2)
        try bench.say(.relay(peer: 1), on: 0)
        _ = Self.claim(&bench, Bench.token(1), 50)
        _ = Self.claim(&bench, Bench.token(2), 51)
        for _ in 0..<40 {
            for rank in UInt64(0)...1 { try bench.say(.heartbeat, on: rank) }
            try bench.pass(.milliseconds(900))
        }
        #expect(bench.endedPairs.isEmpty && bench.table.relays.pairCount == 1)
    }

    @Test(arguments: ["fails", "finishes", "is retired"])
    func `when a job ends its relays do`(how: String) throws {
        var bench = try Self.running(3)
        try bench.say(.relay(peer: 1), on: 0)
        _ = Self.claim(&bench, Bench.token(1), 50)
        _ = Self.claim(&bench, Bench.token(2), 51)
        try bench.say(.relay(peer: 2), on: 0)
        _ = Self.claim(&bench, Bench.token(3), 52)
        switch how {
        case "fails":
            try bench.end(1)
            try bench.pass(bench.table.limits.returnTimeout + .milliseconds(100))
        case "finishes": for rank in UInt64(0)..<3 { try bench.say(.bye, on: rank) }
        default: try bench.say(.join(JobTableTests.request(0, epoch: 1)), on: 60)
        }
        #expect(bench.endedPairs.count == 2, "\(how)")
        #expect(bench.endedWaiting == [ConnectionID(number: 52)], "\(how)")
        #expect(bench.table.relays.pairCount == 0)
    }

    // MARK: Observations

    static let seen = SocketAddress(ip: .v4(0x0a00_0001), port: 4000)

    @Test(arguments: [true, false])
    func `two sightings tell the kind of NAT, in either order`(observerFirst: Bool) throws {
        var bench = Bench()
        let moved = SocketAddress(ip: seenIP, port: 4001)
        let seconds: [SocketAddress?] = [Self.seen, moved, nil, moved]
        for (rank, second) in seconds.enumerated() {
            var request = JobTableTests.request(
                rank, size: 4,
                candidates: rank == 3 ? [Candidate(kind: .host, address: Self.seen)] : [])
            request.observationID = [UInt8](repeating: UInt8(rank + 1), count: 16)
            if observerFirst, let second {
                bench.table.observed(request.observationID, at: second, now: bench.now)
            }
            if !observerFirst, rank == 3 { continue }
            try bench.say(.join(request), on: UInt64(rank))
            if !observerFirst, let second {
                bench.table.observed(request.observationID, at: second, now: bench.now)
            }
        }
        if !observerFirst {
            try bench.say(
                .join(
                    JobTableTests.request(
                        3, size: 4, candidates: [Candidate(kind: .host, address: Self.seen)])),
                on: 3)
        }
        #expect(
            bench.roster(0)?.map(\.natClass) == [.cone, .symmetric, .unknown, .open])
    }

    private var seenIP: IPAddress { Self.seen.ip }

    @Test func `unclaimed observations are bounded and forgotten`() {
        var table = ObservationTable(limit: 3)
        let now = ContinuousClock.now
        func id(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 16) }
        for number in UInt8(1)...5 {
            _ = table.saw(id(number), at: Self.seen, now: now)
        }
        let claims = (UInt8(1)...5).map { number in
            table.claim(id(number), for: ConnectionID(number: UInt64(number)))
        }
        #expect(claims == [nil, nil, Self.seen, Self.seen, Self.seen])
        #expect(table.saw(id(1), at: Self.seen, now: now) == ConnectionID(number: 1))
        table.forget(ConnectionID(number: 2))
        #expect(table.saw(id(2), at: Self.seen, now: now) == nil)
        _ = table.saw(id(9), at: Self.seen, now: now + .seconds(20))
        #expect(table.claim(id(2), for: ConnectionID(number: 3)) == nil, "too old")
    }

    @Test func `only what leaves no chance is called hopeless`() {
        for one in NATClass.allCases {
            for other in NATClass.allCases {
                let expected =
                    [one, other].contains(.symmetric)
                    && [one, other].allSatisfy { $0 == .symmetric || $0 == .cone }
                #expect(NATClass.isDirectHopeless(one, other) == expected, "\(one), \(other)")
            }
        }
    }
}
