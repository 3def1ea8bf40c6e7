import MessagePassing
import Testing

@testable import ServerlessMPI

/// The server's decisions, on fake time and without sockets.
@Suite struct JobTableTests {
    /// A table whose effects are sorted by connection, and the clock it lives by.
    struct Bench {
        var table: JobTable
        var now = ContinuousClock.now
        var closed: Set<ConnectionID> = []
        var inbox: [ConnectionID: [ServerMessage]] = [:]

        var notes: [String] = []
        var endedPairs: [RelayTable.PairID] = []
        var endedWaiting: [ConnectionID] = []
        init(limits: RendezvousLimits = RendezvousLimits()) {
            var count = UInt64(0)
            table = JobTable(
                limits: limits,
                makeToken: {
                    count += 1
                    return Self.token(count)
                },
                keysForJob: {
                    ServerKeys(operatorSecret: Secret([UInt8](repeating: 1, count: 32)), job: $0)
                })
        }

        /// The table's tokens, in the order in which it makes them.
        static func token(_ number: UInt64) -> RelayToken {
            var writer = ByteWriter()
            writer.write(number)
            writer.write(UInt64(0))
            return RelayToken(writer.bytes) ?? .random()
        }

        mutating func collect() throws {
            for effect in table.takeEffects() {
                switch effect {
                case .send(let bytes, let connection):
                    inbox[connection, default: []].append(
                        try ServerMessage(decoding: bytes[...]))
                case .close(let connection): closed.insert(connection)
                case .note(_, _, let text): notes.append(text)
                case .endRelays(let pairs, let waiting):
                    endedPairs += pairs
                    endedWaiting += waiting
                }
            }
        }

        mutating func say(
            _ message: ClientMessage, on connection: UInt64, job: String = "job"
        ) throws {
            table.receive(
                message, from: ConnectionID(number: connection), job: job,
                observed: SocketAddress(ip: .v4(0x0a00_0001), port: 4000), now: now)
            try collect()
        }

        mutating func end(_ connection: UInt64) throws {
            table.ended(ConnectionID(number: connection), reason: "reset", now: now)
            try collect()
        }

        mutating func pass(_ duration: Duration) throws {
            now += duration
            table.advance(to: now)
            try collect()
        }

        /// Until nobody waits for ranks to return any more; everyone is heard meanwhile.
        mutating func passReturnTimeout(heard connections: [UInt64] = []) throws {
            for _ in 0..<3 {
                for connection in connections { try say(.heartbeat, on: connection) }
                try pass(table.limits.returnTimeout / 2.5)
            }
        }

        func messages(_ connection: UInt64) -> [ServerMessage] {
            inbox[ConnectionID(number: connection)] ?? []
        }

        func isClosed(_ connection: UInt64) -> Bool {
            closed.contains(ConnectionID(number: connection))
        }

        func failure(_ connection: UInt64) -> MPIError? {
            for message in messages(connection) {
                if case .failed(let cause) = message { return cause }
            }
            return nil
        }

        func refusal(_ connection: UInt64) -> MPIError? {
            for message in messages(connection) {
                if case .refused(let cause) = message { return cause }
            }
            return nil
        }

        func welcome(_ connection: UInt64) -> Welcome? {
            for message in messages(connection) {
                if case .welcome(let welcome) = message { return welcome }
            }
            return nil
        }

        func roster(_ connection: UInt64) -> [RosterEntry]? {
            for message in messages(connection) {
                if case .roster(let roster) = message { return roster }
            }
            return nil
        }
    }

    static func request(
        _ rank: Int?, size: Int = 2, epoch: UInt64 = 0, host: UInt8 = 1, id: String? = nil,
        candidates: [Candidate] = [], ticket: [UInt8] = []
    ) -> JoinRequest {
        JoinRequest(
            encryption: .on, epoch: epoch, size: size, rank: rank, joinTimeout: .seconds(10),
            requestID: id.map { RequestID(naming: $0) } ?? .random(),
            hostTag: [UInt8](repeating: host, count: 16), candidates: candidates, ticket: ticket)
    }

    @Test func `outcomes are forgotten in their turn, those of jobs with late leavers too`() throws
    {
        var limits = RendezvousLimits()
        limits.rememberedJobs = 1
        var bench = Bench(limits: limits)
        try bench.say(.join(Self.request(0)), on: 1, job: "slow")
        try bench.say(.join(Self.request(1)), on: 2, job: "slow")
        try bench.end(1)
        try bench.passReturnTimeout()
        for number in UInt64(3)...9 {
            try bench.say(.join(Self.request(0)), on: number, job: "job-\(number)")
            try bench.end(number)
            #expect(bench.table.jobs["slow"] != nil || number > 6, "a rank has to leave it")
            if number == 6 { try bench.end(2) }
        }
        #expect(Array(bench.table.jobs.keys) == ["job-9"])
        #expect(bench.table.overOrder == ["job-9"])
    }

    @Test func `all ranks get the roster once the last has come, in one message each`() throws {
        var bench = Bench()
        try bench.say(.join(Self.request(1)), on: 11)
        #expect(bench.roster(11) == nil)
        try bench.say(.join(Self.request(0)), on: 10)
        #expect(bench.roster(10)?.count == 2)
        #expect(bench.messages(10).count == 2)
        #expect(bench.messages(11).count == 2)
        #expect(bench.welcome(11)?.rank == 1)
    }

    @Test func `ranks without a number are given the lowest free one`() throws {
        var bench = Bench()
        for connection in UInt64(10)...12 {
            try bench.say(.join(Self.request(nil, size: 3)), on: connection)
        }
        #expect((10...12).map { bench.welcome($0)?.rank } == [0, 1, 2])
    }

    @Test func `loopback addresses are shown to neighbours only`() throws {
        var bench = Bench()
        let loopback = Candidate(
            kind: .host, address: SocketAddress(ip: .loopback4, port: 4000))
        let lan = Candidate(
            kind: .host, address: SocketAddress(ip: .v4(0x0a00_0007), port: 4000))
        for rank in 0..<3 {
            try bench.say(
                .join(
                    Self.request(
                        rank, size: 3, host: rank == 2 ? 2 : 1, candidates: [loopback, lan])),
                on: UInt64(rank))
        }
        #expect(bench.roster(0)?.map(\.candidates) == [[loopback, lan], [loopback, lan], [lan]])
        #expect(
            bench.roster(2)?.map(\.candidates) == [[lan], [lan], [lan]],
            "a rank without neighbours needs no loopback address, not even its own")
    }

    @Test func `the second claimant of a rank is refused and the job goes on`() throws {
        var bench = Bench()
        try bench.say(.join(Self.request(0)), on: 10)
        try bench.say(.join(Self.request(0)), on: 20)
        #expect(bench.refusal(20)?.code == .duplicateRank)
        #expect(bench.isClosed(20))
        try bench.end(20)
        try bench.say(.join(Self.request(1)), on: 11)
        #expect(bench.roster(10)?.count == 2)
        #expect(bench.failure(10) == nil)
    }

    @Test func `a process that comes again with its ticket takes its place back`() throws {
        var bench = Bench()
        try bench.say(.join(Self.request(0, id: "a")), on: 10)
        let ticket = try #require(bench.welcome(10)).ticket
        try bench.say(.join(Self.request(0, id: "a", ticket: ticket)), on: 20)
        #expect(bench.welcome(20)?.rank == 0)
        #expect(bench.isClosed(10))
        try bench.end(10)
        try bench.say(.join(Self.request(1)), on: 11)
        #expect(bench.roster(20)?.count == 2)
        #expect(bench.failure(11) == nil)
    }

    @Test(arguments: ["no ticket", "another's ticket", "another request"])
    func `a process that comes again without proof is a duplicate`(_ lack: String) throws {
        var bench = Bench()
        try bench.say(.join(Self.request(0, id: "a")), on: 10)
        let ticket = try #require(bench.welcome(10)).ticket
        let request =
            switch lack {
            case "no ticket": Self.request(0, id: "a")
            case "another request": Self.request(0, id: "b", ticket: ticket)
            default: Self.request(0, id: "a", ticket: ticket.map { $0 ^ 1 })
            }
        try bench.say(.join(request), on: 20)
        #expect(bench.refusal(20)?.code == .duplicateRank, "\(lack)")
    }

    @Test func `an older epoch is stale, a newer one retires the older`() throws {
        var bench = Bench()
        try bench.say(.join(Self.request(0, epoch: 4)), on: 10)
        try bench.say(.join(Self.request(1, epoch: 3)), on: 11)
        #expect(bench.refusal(11)?.code == .staleEpoch)
        try bench.say(.join(Self.request(0, epoch: 5)), on: 12)
        #expect(bench.failure(10)?.code == .staleEpoch)
        #expect(bench.isClosed(10))
        try bench.end(10)
        try bench.say(.join(Self.request(1, epoch: 5)), on: 13)
        #expect(bench.roster(12)?.count == 2)
    }

    @Test func `when time is up everyone is told exactly who never came`() throws {
        var bench = Bench()
        for rank in [0, 2, 3] {
            try bench.say(.join(Self.request(rank, size: 5)), on: UInt64(rank))
        }
        // Heartbeats show that those who came are alive.
        for _ in 0..<11 {
            for rank in [0, 2, 3] { try bench.say(.heartbeat, on: UInt64(rank)) }
            try bench.pass(.milliseconds(950))
        }
        for rank in [UInt64(0), 2, 3] {
            let cause = try #require(bench.failure(rank))
            #expect(cause.code == .timedOut)
            #expect(cause.reason == "ranks 1, 4 of 5 never joined within 10 s")
            #expect(cause.peer == 1)
        }
        try bench.say(.join(Self.request(1, size: 5)), on: 1)
        #expect(bench.refusal(1)?.code == .timedOut, "who comes too late learns the cause")
    }

    @Test func `ranks that disagree on the size fail the job with a clear cause`() throws {
        var bench = Bench()
        try bench.say(.join(Self.request(0, size: 2)), on: 10)
        try bench.say(.join(Self.request(1, size: 3)), on: 11)
        #expect(bench.refusal(11)?.reason.contains("3 ranks, the first said 2") == true)
        #expect(bench.failure(10)?.reason.contains("3 ranks, the first said 2") == true)
    }

    @Test func `byes in any order end the job, and a latecomer is stale`() throws {
        var bench = Bench()
        for rank in 0..<2 { try bench.say(.join(Self.request(rank)), on: UInt64(rank)) }
        #expect(bench.table.activeJobCount == 1)
        for rank in [UInt64(1), 0] {
            try bench.say(.bye, on: rank)
            try bench.end(rank)
            #expect(bench.messages(rank).last == .farewell)
        }
        #expect(bench.failure(0) == nil)
        #expect(bench.table.activeJobCount == 0)
        try bench.say(.join(Self.request(0)), on: 20)
        #expect(bench.refusal(20)?.code == .staleEpoch)
    }

    @Test func `an epoch that the limits refuse does not end the older one`() throws {
        var limits = RendezvousLimits()
        limits.jobs = 1
        limits.ranksPerJob = 3
        var bench = Bench(limits: limits)
        try bench.say(.join(Self.request(0)), on: 10)
        try bench.say(.join(Self.request(0, size: 4, epoch: 1)), on: 11)
        #expect(bench.refusal(11)?.code == .unsupported)
        #expect(bench.failure(10) == nil)
        // The one that takes its place needs no room of its own.
        try bench.say(.join(Self.request(0, epoch: 1)), on: 12)
        #expect(bench.refusal(12) == nil)
        #expect(bench.failure(10)?.code == .staleEpoch)
    }

    @Test func `limits on jobs and ranks hold`() throws {
        var limits = RendezvousLimits()
        limits.jobs = 1
        limits.ranksPerJob = 3
        var bench = Bench(limits: limits)
        try bench.say(.join(Self.request(0, size: 4)), on: 9)
        #expect(bench.refusal(9)?.code == .unsupported)
        try bench.say(.join(Self.request(0)), on: 10)
        try bench.say(.join(Self.request(0)), on: 11, job: "other")
        #expect(bench.refusal(11)?.code == .unsupported)
    }
}
