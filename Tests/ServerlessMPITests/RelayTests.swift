import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

/// Relays through a real server over loopback, with ranks that may use nothing else; observations.
@Suite(.serialized) struct RelayTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let size: Int
        let encryption: EncryptionMode
        var listen = "127.0.0.1:0"
        var testDescription: String { "\(size) ranks, encryption \(encryption), \(listen)" }
    }

    static let shapes =
        [2, 4].flatMap { size in
            [EncryptionMode.on, .none].map { Shape(size: size, encryption: $0) }
        } + [Shape(size: 3, encryption: .on, listen: "[::1]:0")]

    static func world(_ shape: Shape, limits: RendezvousLimits = RendezvousLimits()) throws
        -> JoinWorld
    {
        var world = try JoinWorld(
            size: shape.size, encryption: shape.encryption, limits: limits, listen: shape.listen)
        world.url.candidates = .relayed
        return world
    }

    /// A program of one rank; what it throws, or what joining did.
    static func run(
        _ world: JoinWorld, _ rank: Int,
        _ body: @Sendable (ServerlessCommunicator, [EstablishedLink?]) throws -> Void
    ) -> (any Error)? {
        let outcome = JoinWorld.joinAndConnect(world.configuration(rank))
        defer { outcome.control?.leave(deadline: .now + .seconds(2)) }
        if let error = outcome.error { return error }
        do {
            let engine = try Engine(
                rank: rank, links: outcome.links, settings: EngineSettings(timeout: .seconds(60)))
            if let control = outcome.control { engine.setReporter { control.report($0) } }
            try body(
                ServerlessCommunicator(engine: engine, space: engine.world, setUp: .alone),
                outcome.links)
            try engine.leave()
            return nil
        } catch {
            return error
        }
    }

    static func runAll(
        _ world: JoinWorld,
        _ body: @escaping @Sendable (ServerlessCommunicator, [EstablishedLink?]) throws -> Void
    ) throws -> [String] {
        let errors = Mutex<[String]>([])
        let threads = try (0..<world.url.size).map { rank in
            try DedicatedThread {
                if let error = run(world, rank, body) {
                    errors.withLock { $0.append("rank \(rank): \(error)") }
                }
            }
        }
        for thread in threads { thread.join() }
        return errors.withLock { $0 }
    }

    @Test(arguments: shapes)
    func `collectives of some MiB work where every link is relayed, always encrypted`(
        _ shape: Shape
    ) throws {
        let world = try Self.world(shape)
        defer { world.server.stop() }
        let count = 200_000
        let errors = try Self.runAll(world) { communicator, links in
            for case let link? in links {
                #expect(link.path.candidate == .relayed && link.tls != nil)
                #expect(link.path.remoteAddress == world.server.address)
            }
            let rank = communicator.rank
            let size = communicator.size
            let mine = (0..<count).map { $0 &* (rank + 1) }
            let sum = try communicator.allreduce(mine.span, .sum)
            let factor = size * (size + 1) / 2
            expectSame(sum, (0..<count).map { $0 &* factor }, "allreduce, \(shape)")
            let quarter = count / 4
            let counts: [Int] = (0..<size).map { peer in quarter * (peer + 1) + rank }
            var parts: [Int] = []
            var expected: [Int] = []
            for peer in 0..<size {
                let incoming = quarter * (rank + 1) + peer
                parts += [Int](repeating: rank * 100 + peer, count: counts[peer])
                expected += [Int](repeating: peer * 100 + rank, count: incoming)
            }
            let got = try communicator.alltoallv(parts.span, counts: counts)
            expectSame(got.elements, expected, "alltoallv, \(shape)")
        }
        #expect(errors.isEmpty, "\(errors)")
        let counters = world.server.counters
        #expect(counters.relayedPairs == shape.size * (shape.size - 1) / 2)
        #expect(counters.relayedBytes > count * 8)
        #expect(
            HostileTests.eventually { world.server.counters.openConnections == 0 },
            "\(world.server.counters)")
    }

    @Test func `heartbeats keep their time beside relays under full load`() throws {
        var limits = RendezvousLimits()
        limits.heartbeatInterval = .milliseconds(100)
        limits.silenceTimeout = .seconds(2)
        let world = try Self.world(Shape(size: 3, encryption: .on), limits: limits)
        defer { world.server.stop() }
        let errors = try Self.runAll(world) { communicator, _ in
            // Rank 2 has nothing to say and must not be taken for dead.
            let other = 1 - communicator.rank
            if communicator.rank < 2 {
                let mine = [UInt8](repeating: 1, count: 8 << 20)
                var theirs = [UInt8](repeating: 0, count: 8 << 20)
                for _ in 0..<6 {
                    _ = try communicator.sendrecv(
                        mine.span, to: .rank(other), tag: 1, into: theirs.mutableSpan,
                        from: .rank(other), tag: 1)
                }
            }
            try communicator.barrier()
        }
        #expect(errors.isEmpty, "\(errors)")
    }

    @Test func `beyond a job's limit the refusal is among the candidates' causes`() throws {
        var limits = RendezvousLimits()
        limits.relayedPairsPerJob = 1
        let world = try Self.world(Shape(size: 3, encryption: .on), limits: limits)
        let outcomes = world.run()
        let causes = outcomes.flatMap { $0.error?.candidates ?? [] }
        #expect(outcomes.allSatisfy { $0.error?.code == .connectFailed })
        #expect(causes.contains { $0.name.hasPrefix("relayed") && $0.cause.contains("at most 1") })
        world.end(outcomes)
    }

    @Test func `preambles that are none, or with unknown tokens, cost nobody anything`() throws {
        var limits = RendezvousLimits()
        limits.handshakeTimeout = .milliseconds(300)
        let world = try JoinWorld(size: 3, limits: limits)
        var strangers: [Int32] = []
        for seed in UInt64(0)..<40 {
            let socket = try HostileTests.stranger(world.url.port)
            strangers.append(socket)
            switch seed % 4 {
            case 0:
                HostileTests.send(
                    Preamble(.relay, id: RelayToken.random().bytes).encoded, socket)
            case 1: HostileTests.send(Array("SMPR".utf8), socket)
            case 2: HostileTests.send(Array("SMTP".utf8) + HostileTests.noise(seed, 100), socket)
            default: HostileTests.send(Array("SMPR".utf8) + HostileTests.noise(seed, 60), socket)
            }
        }
        let outcomes = world.run()
        #expect(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
        #expect(HostileTests.eventually { world.server.counters.failedHandshakes == 40 })
        #expect(world.server.counters.refusedRelays >= 10)
        #expect(HostileTests.eventually { world.server.counters.openConnections == 3 })
        for socket in strangers { close(socket) }
        world.end(outcomes)
    }

    // MARK: Observations

    @Test(arguments: ["127.0.0.1:0", "[::1]:0"])
    func `each rank is seen twice from one port`(listen: String) throws {
        let world = try JoinWorld(size: 3, listen: listen)
        let outcomes = world.run()
        #expect(outcomes.allSatisfy { $0.error == nil })
        #expect(HostileTests.eventually { world.server.counters.observations == 3 })
        world.end(outcomes)
    }

    @Test func `without an observer, or with a dead one, ranks join as before`() throws {
        for port in [nil, UInt16(1)] {
            var world = try JoinWorld(size: 2)
            world.url.observerPort = port
            let outcomes = world.run()
            #expect(outcomes.allSatisfy { $0.error == nil }, "\(String(describing: port))")
            #expect(world.server.counters.observations == 0)
            world.end(outcomes)
        }
    }

    @Test func `strangers at the observer port are few, for a short time, and counted`() throws {
        var limits = RendezvousLimits()
        limits.observerConnections = 8
        limits.observerTimeout = .milliseconds(300)
        let world = try JoinWorld(size: 3, limits: limits)
        var strangers: [Int32] = []
        for seed in UInt64(0)..<40 {
            let socket = try HostileTests.stranger(world.server.observerPort)
            strangers.append(socket)
            if seed % 2 == 0 { HostileTests.send(HostileTests.noise(seed, 60), socket) }
        }
        #expect(HostileTests.eventually { world.server.counters.refusedObservations == 40 })
        let outcomes = world.run()
        #expect(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
        #expect(world.server.counters.observations == 3)
        for socket in strangers { close(socket) }
        world.end(outcomes)
    }
}
