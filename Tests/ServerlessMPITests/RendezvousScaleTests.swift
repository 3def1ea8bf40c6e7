import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// One server, many ranks and jobs, driven by hand from one thread.
@Suite(.serialized) struct RendezvousScaleTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let jobs: Int
        let ranks: Int
        /// Ranks that share a host.
        var neighbours = 7
        var testDescription: String {
            "\(jobs) jobs of \(ranks) ranks, \(neighbours) on each host"
        }
    }

    @Test(arguments: [
        Shape(jobs: 1, ranks: 1000, neighbours: 1), Shape(jobs: 1, ranks: 1000, neighbours: 8),
        Shape(jobs: 100, ranks: 10),
    ])
    func `each rank hears two messages and a farewell however many there are`(
        _ shape: Shape
    ) throws {
        DescriptorLimit.raise()
        // A busy machine may take long: this is about how much is said, not how soon.
        var limits = RendezvousLimits()
        limits.handshakeTimeout = .seconds(60)
        limits.silenceTimeout = .seconds(60)
        let server = try RendezvousServer.start(secret: JoinWorld.operatorSecret, limits: limits)
        defer { server.stop() }
        let start = ContinuousClock.now
        let poll = try EventPoll()
        var clients: [LightClient] = []
        defer { for client in clients { client.close() } }
        for job in 0..<shape.jobs {
            let key = server.mintTokens(job: "job-\(job)").serverKey
            for rank in 0..<shape.ranks {
                let client = try LightClient(server, "job-\(job)", key: key)
                client.send(.join(Self.request(rank, shape)))
                poll.watch(client.descriptor, UInt64(clients.count), reads: true, writes: false)
                clients.append(client)
                client.advance()
                // Handshakes go on while others begin, as they would elsewhere.
                for event in poll.wait(until: .now) { clients[Int(event.token)].advance() }
            }
        }
        let begun = ContinuousClock.now
        Self.drive(clients, poll) { $0.hasRoster }
        let joined = ContinuousClock.now
        #expect(clients.allSatisfy { $0.hasRoster && $0.messageCount == 2 })
        #expect(Self.activeJobs(server, soon: shape.jobs) == shape.jobs)
        for client in clients { client.send(.bye) }
        Self.drive(clients, poll) { $0.hasFarewell }
        #expect(clients.allSatisfy { $0.hasFarewell && $0.messageCount == 3 })
        #expect(Self.activeJobs(server, soon: 0) == 0)
        print(
            "measured: \(shape.testDescription): connected \(begun - start),"
                + " rosters \(joined - begun), left \(ContinuousClock.now - joined),"
                + " 3 messages to each rank")
    }

    /// The server counts after it has answered.
    private static func activeJobs(_ server: RendezvousServer, soon expected: Int) -> Int {
        for _ in 0..<2000 where server.counters.activeJobs != expected { usleep(1000) }
        return server.counters.activeJobs
    }

    private static func request(_ rank: Int, _ shape: Shape) -> JoinRequest {
        let addresses = (0..<4).map { IPAddress.v4(0x0a00_0000 + UInt32(rank * 4 + $0)) }
        var request = JobTableTests.request(
            rank, size: shape.ranks,
            candidates: ([.loopback4] + addresses).map {
                Candidate(kind: .host, address: SocketAddress(ip: $0, port: 4000))
            })
        let host = UInt64(rank / shape.neighbours)
        request.hostTag = withUnsafeBytes(of: (host, UInt64(1))) { Array($0) }
        return request
    }

    /// Reads for all until all have what they wait for; in between says that they are alive.
    private static func drive(
        _ clients: [LightClient], _ poll: EventPoll, until isDone: (LightClient) -> Bool
    ) {
        let end = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < end, !clients.allSatisfy(isDone) {
            let nextHeartbeat = ContinuousClock.now + .seconds(1)
            var news = 0
            while ContinuousClock.now < nextHeartbeat, news < clients.count {
                for event in poll.wait(until: nextHeartbeat) {
                    let client = clients[Int(event.token)]
                    client.advance()
                    guard isDone(client) else { continue }
                    // The server closes after a farewell, which would be news for ever.
                    if client.hasFarewell { poll.forget(client.descriptor) }
                    news += 1
                }
            }
            for client in clients where !client.hasFarewell { client.send(.heartbeat) }
        }
    }
}

/// What most ranks of a job have in common is encoded once.
@Suite struct RosterEncoderTests {
    private static let loopback = Candidate(
        kind: .host, address: SocketAddress(ip: .loopback4, port: 4000))

    private static func entry(_ rank: Int, host: UInt8) -> RosterEntry {
        RosterEntry(
            hostTag: [UInt8](repeating: host, count: 16),
            observed: SocketAddress(ip: .v4(UInt32(rank)), port: 9),
            candidates: [loopback, MeshMachineTests.candidate(UInt32(rank))])
    }

    @Test(arguments: [[1], [1, 1], [1, 2, 3], [1, 2, 1, 3, 3, 2, 4], [5, 4, 4, 4, 5, 6]])
    func `every rank sees loopback addresses of its neighbours and of nobody else`(
        _ hosts: [UInt8]
    ) throws {
        let entries = hosts.enumerated().map { Self.entry($0.offset, host: $0.element) }
        var encoder = RosterEncoder(entries)
        for host in Set(hosts) {
            let bytes = encoder.message(for: [UInt8](repeating: host, count: 16))
            let hasNeighbours = hosts.count { $0 == host } > 1
            let expected = entries.map { entry in
                var entry = entry
                if entry.hostTag[0] != host || !hasNeighbours { entry.candidates.removeFirst() }
                return entry
            }
            #expect(try ServerMessage(decoding: bytes[...]) == .roster(expected), "host \(host)")
        }
    }

    @Test func `queued messages come out in order, whole, whatever is written at a time`() {
        for step in [1, 7, 1000, 100_000] {
            var queue = OutputQueue()
            var expected: [UInt8] = []
            var written: [UInt8] = []
            for (number, count) in [3, 0, 5000, 1, 2047, 2048, 70_000, 9].enumerated() {
                let message = [UInt8](repeating: UInt8(number + 1), count: count)
                queue.append(message)
                withUnsafeBytes(of: UInt32(count).littleEndian) { expected += $0 }
                expected += message
                #expect(queue.byteCount == expected.count - written.count)
                let front = queue.withFront { Array($0.prefix(step)) }
                written += front
                queue.consume(front.count)
            }
            for _ in 0..<100_000 where !queue.isEmpty {
                let front = queue.withFront { Array($0.prefix(step)) }
                written += front
                queue.consume(front.count)
            }
            #expect(written == expected, "\(step) bytes at a time")
        }
    }
}
