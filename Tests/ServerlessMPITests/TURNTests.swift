// Ranks that can meet only at a TURN server, against the real coturn.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite(.serialized, .enabled(if: Coturn.program != nil, Coturn.missing)) struct TURNTests {
    /// What became of one rank.
    struct Outcome: Sendable {
        var paths: [LinkPath?] = []
        var isEncrypted: [Bool] = []
        var error: MPIError?
    }

    /// Each configuration is one rank, from joining to leaving.
    static func run(
        _ configurations: [JoinConfiguration],
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) -> [Outcome] {
        let outcomes = Mutex([Outcome](repeating: Outcome(), count: configurations.count))
        let threads = configurations.enumerated().map { index, configuration in
            RankThread {
                let outcome = runRank(configuration, body)
                outcomes.withLock { $0[index] = outcome }
            }
        }
        for thread in threads { thread.join() }
        return outcomes.withLock { $0 }
    }

    private static func runRank(
        _ configuration: JoinConfiguration, _ body: (ServerlessCommunicator) throws -> Void
    ) -> Outcome {
        var outcome = Outcome()
        var membership: Membership?
        do {
            let joined = try Membership(configuration)
            membership = joined
            outcome.paths = joined.world.setUp.paths
            outcome.isEncrypted = joined.world.engine.links.compactMap { $0 }
                .map { $0.pointee.tls != nil }
            try body(joined.world)
            try joined.end()
        } catch {
            outcome.error = error as? MPIError
            _ = membership?.fail(error)
        }
        return outcome
    }

    /// The ranks of a world that may use the server; by default they have no other way.
    static func ranks(
        _ world: JoinWorld, _ turn: TURNConfiguration?, isRelayedOnly: Bool = true
    ) -> [JoinConfiguration] {
        (0..<world.url.size).map { rank in
            var configuration = world.configuration(rank)
            configuration.turn = turn
            if isRelayedOnly { configuration.url.candidates = .turn }
            return configuration
        }
    }

    struct Shape: Sendable, CustomTestStringConvertible {
        let size: Int
        let encryption: EncryptionMode
        var testDescription: String { "size \(size), encryption \(encryption)" }
    }

    static let shapes = [2, 5].flatMap { size in
        [EncryptionMode.on, .none].map { Shape(size: size, encryption: $0) }
    }

    /// Everyone sends everyone a few MiB, and small messages after them; the last rank is late.
    @Sendable static func exchange(_ world: ServerlessCommunicator) throws {
        let byteCount = 3 << 20
        let outgoing = (0..<world.size).flatMap { peer in
            pattern(byteCount, from: world.rank, number: peer)
        }
        var mine = [[UInt8]](
            repeating: [UInt8](repeating: 0, count: byteCount), count: world.size)
        var group = world.requests()
        for peer in 0..<world.size where peer != world.rank {
            let start = peer * byteCount
            try group.isend(
                outgoing.span.extracting(start..<start + byteCount), to: .rank(peer))
        }
        for peer in 0..<world.size where peer != world.rank {
            try world.recv(into: mine[peer].mutableSpan, from: .rank(peer))
            expectSame(
                mine[peer], pattern(byteCount, from: peer, number: world.rank),
                "rank \(world.rank) from \(peer)")
        }
        try group.waitAll()
    }

    @Test(arguments: shapes)
    func `ranks without a direct path work through a TURN server, always encrypted`(
        _ shape: Shape
    ) throws {
        let coturn = try Coturn()
        let world = try JoinWorld(size: shape.size, encryption: shape.encryption)
        defer { world.server.stop() }
        let outcomes = Self.run(Self.ranks(world, coturn.configuration)) { world in
            try Self.exchange(world)
            #expect(try world.allreduce(world.rank, .sum) == (0..<world.size).reduce(0, +))
        }
        for (rank, outcome) in outcomes.enumerated() {
            #expect(outcome.error == nil, "\(shape), rank \(rank)")
            let paths = outcome.paths.compactMap { $0 }
            #expect(paths.count == shape.size - 1)
            #expect(paths.allSatisfy { $0.candidate == .relayed && !$0.isSameHost }, "\(paths)")
            #expect(outcome.isEncrypted.allSatisfy { $0 }, "\(shape), rank \(rank)")
        }
        // One end of each link has dialled, the other was bound to it by the server.
        let dialled = outcomes.flatMap(\.paths).compactMap { $0 }.count { $0.isDialled }
        #expect(dialled == shape.size * (shape.size - 1) / 2)
    }

    @Test(arguments: 0..<2)
    func `one rank with an account is enough for a pair`(owner: Int) throws {
        let coturn = try Coturn()
        let world = try JoinWorld(size: 2)
        defer { world.server.stop() }
        var ranks = Self.ranks(world, nil)
        ranks[owner].turn = coturn.configuration
        let outcomes = Self.run(ranks) { try Self.exchange($0) }
        try #require(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
        #expect(outcomes[owner].paths[1 - owner]?.isDialled == false)
        #expect(outcomes[1 - owner].paths[owner]?.isDialled == true)
    }

    /// What one rank has sent must arrive although it has nothing more to do and leaves.
    @Test(arguments: 0..<2)
    func `a rank that leaves early takes nothing along that is still in the relay`(
        early: Int
    ) throws {
        let coturn = try Coturn()
        let world = try JoinWorld(size: 2)
        defer { world.server.stop() }
        let outcomes = Self.run(Self.ranks(world, coturn.configuration)) { world in
            let byteCount = 200 << 10
            if world.rank == early {
                for number in 0..<10 {
                    try world.send(
                        pattern(byteCount, from: early, number: number).span,
                        to: .rank(1 - early))
                }
                return
            }
            usleep(3_000_000)
            var buffer = [UInt8](repeating: 0, count: byteCount)
            for number in 0..<10 {
                try world.recv(into: buffer.mutableSpan, from: .rank(early))
                expectSame(
                    buffer, pattern(byteCount, from: early, number: number), "message \(number)")
            }
        }
        #expect(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
    }

    /// The server's answers last four seconds, its nonces one.
    @Test func `an allocation in use is refreshed, whatever becomes of the nonce`() throws {
        let coturn = try Coturn(["max-allocate-lifetime=4", "stale-nonce=1"])
        let world = try JoinWorld(size: 2)
        defer { world.server.stop() }
        let outcomes = Self.run(Self.ranks(world, coturn.configuration)) { world in
            usleep(10_000_000)
            try Self.exchange(world)
        }
        #expect(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
    }

    @Test func `a wrong password is named among what was tried`() throws {
        let coturn = try Coturn()
        var turn = coturn.configuration
        turn.password = Secret(Array("not-this-one".utf8))
        let world = try JoinWorld(size: 2, joinTimeout: .seconds(2))
        defer { world.server.stop() }
        let outcomes = Self.run(Self.ranks(world, turn)) { _ in }
        for outcome in outcomes { #expect(outcome.error?.code == .connectFailed) }
        let causes = outcomes.flatMap { $0.error?.candidates ?? [] }
        #expect(
            causes.contains {
                $0.name == "relayed turn:127.0.0.1:\(coturn.port)"
                    && $0.cause.contains("SERVERLESS_MPI_TURN_PASSWORD")
                    && !$0.cause.contains("not-this-one")
            }, "\(causes)")
    }

    @Test(arguments: [false, true])
    func `a TURN server that is not there does no harm where none is needed`(
        isSilent: Bool
    ) throws {
        // A listener that nobody serves takes connections and never answers.
        let socket = try Socket.open(.loopback4)
        defer { close(socket) }
        try Socket.bind(socket, to: SocketAddress(ip: .loopback4, port: 0))
        if isSilent { try Socket.listen(socket, backlog: 8) }
        let turn = TURNConfiguration(
            host: "127.0.0.1", port: try #require(Socket.localAddress(socket)).port,
            username: "a", password: .random())
        let world = try JoinWorld(size: 2, joinTimeout: .seconds(6))
        defer { world.server.stop() }
        let outcomes = Self.run(Self.ranks(world, turn, isRelayedOnly: false)) {
            try Self.exchange($0)
        }
        #expect(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
        #expect(outcomes.flatMap(\.paths).allSatisfy { $0?.candidate != .relayed })
    }

    @Test func `direct paths go before the relay`() throws {
        let coturn = try Coturn()
        let world = try JoinWorld(size: 3)
        defer { world.server.stop() }
        let outcomes = Self.run(
            Self.ranks(world, coturn.configuration, isRelayedOnly: false)
        ) { try Self.exchange($0) }
        #expect(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
        #expect(outcomes.flatMap(\.paths).allSatisfy { $0?.candidate != .relayed })
    }

    @Test func `a TURN server that dies in mid-run is a lost peer on every rank`() throws {
        let coturn = try Coturn()
        let world = try JoinWorld(size: 3)
        defer { world.server.stop() }
        let rounds = Atomic(0)
        let process = coturn.pid
        let killer = try DedicatedThread {
            while rounds.load(ordering: .relaxed) < 20 { usleep(1000) }
            kill(process, SIGKILL)
        }
        let outcomes = Self.run(Self.ranks(world, coturn.configuration)) { world in
            for _ in 0..<1_000_000 {
                _ = try world.allreduce(1, .sum)
                rounds.add(1, ordering: .relaxed)
            }
        }
        killer.join()
        #expect(outcomes.allSatisfy { $0.error?.code == .peerLost }, "\(outcomes.map(\.error))")
    }
}
