import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

/// Failures and strangers against a real server and real ranks over loopback.
@Suite(.serialized) struct HostileTests {
    /// A member process that speaks to the server by hand, and may die or fall silent.
    final class RawRank {
        let stream: MessageStream
        private(set) var messages: [ServerMessage] = []
        private(set) var status = MessageStream.Status.open

        init(_ world: JoinWorld, key: Secret? = nil) throws {
            let ip = try #require(IPAddress(numeric: world.url.host))
            let socket = try Socket.open(ip)
            _ = try Socket.connect(socket, to: SocketAddress(ip: ip, port: world.url.port))
            stream = try MessageStream(
                descriptor: socket, role: .client,
                credentials: PSKCredentials(
                    identity: ServerKeys.identity(job: world.url.job),
                    key: key ?? world.tokens.serverKey),
                maximumMessageByteCount: ServerMessage.maximumByteCount,
                maximumOutputByteCount: 1 << 20)
        }

        func send(_ bytes: [UInt8]) { _ = stream.send(bytes) }

        /// Goes on until the condition holds or five seconds have passed.
        func run(until condition: (RawRank) -> Bool) {
            for _ in 0..<5000 where status == .open && !condition(self) {
                status = stream.advance { bytes in
                    if let message = try? ServerMessage(decoding: bytes) {
                        messages.append(message)
                    }
                }
                usleep(1000)
            }
        }

        func join(_ rank: Int, _ url: JoinURL) {
            send(
                ClientMessage.join(
                    JoinRequest(
                        encryption: url.encryption, epoch: url.epoch, size: url.size, rank: rank,
                        joinTimeout: url.joinTimeout, requestID: .random(),
                        hostTag: HostIdentity.tag(), candidates: [])
                ).encoded)
            run { $0.messages.count > 0 }
        }
    }

    /// A plain TCP connection to an `address:port` of this host.
    static func stranger(_ port: UInt16) throws -> Int32 {
        let socket = try Socket.open(.loopback4)
        _ = try Socket.connect(socket, to: SocketAddress(ip: .loopback4, port: port))
        return socket
    }

    static func send(_ bytes: [UInt8], _ socket: Int32) {
        _ = bytes.withUnsafeBytes { Socket.write(socket, $0) }
    }

    static func noise(_ seed: UInt64, _ count: Int) -> [UInt8] {
        var random = JitterGenerator(state: seed)
        return (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
    }

    /// Waits until it holds; false after five seconds.
    static func eventually(_ condition: () -> Bool) -> Bool {
        for _ in 0..<5000 {
            if condition() { return true }
            usleep(1000)
        }
        return false
    }

    @Test func `a wrong server key is refused with a hint, and the job goes on`() throws {
        let world = try JoinWorld(size: 2)
        var wrong = world.configuration(0)
        wrong.serverKey = .random()
        let refused = world.run([wrong])
        #expect(refused[0].error?.code == .unauthorized)
        #expect(refused[0].error?.reason.contains("SERVERLESS_MPI_SERVER_KEY") == true)
        #expect(refused[0].error?.description.contains(wrong.serverKey.hex) == false)
        let outcomes = world.run()
        #expect(outcomes.allSatisfy { $0.error == nil })
        #expect(world.server.counters.failedHandshakes == 1)
        world.end(outcomes)
    }

    @Test func `of two processes that claim one rank the second is told and the job goes on`()
        throws
    {
        let world = try JoinWorld(size: 3)
        let outcomes = world.run([0, 1, 1, 2].map { world.configuration($0) })
        let errors = outcomes.compactMap(\.error)
        #expect(errors.map(\.code) == [.duplicateRank])
        #expect(errors.first?.peer == 1)
        world.end(outcomes)
    }

    @Test func `without one of four ranks, all are told which one never came`() throws {
        let world = try JoinWorld(size: 4, joinTimeout: .milliseconds(500))
        let outcomes = world.run([0, 1, 2].map { world.configuration($0) })
        for outcome in outcomes {
            #expect(outcome.error?.code == .timedOut)
            #expect(outcome.error?.peer == 3)
            #expect(outcome.error?.reason == "rank 3 of 4 never joined within 0.5 s")
        }
        world.end(outcomes)
    }

    @Test func `ranks that disagree are told about what`() throws {
        let world = try JoinWorld(size: 2)
        var other = world.configuration(1)
        other.url.encryption = .none
        let outcomes = world.run([world.configuration(0), other])
        for outcome in outcomes {
            #expect(outcome.error?.code == .invalidArgument)
            #expect(outcome.error?.reason.contains("encryption=") == true)
        }
        world.end(outcomes)
    }

    @Test func `a rank with another peer secret joins but cannot connect`() throws {
        let world = try JoinWorld(size: 2, joinTimeout: .seconds(10))
        var other = world.configuration(1)
        other.peerSecret = .random()
        let outcomes = world.run([world.configuration(0), other])
        for outcome in outcomes {
            #expect(outcome.error?.code == .connectFailed)
            #expect(outcome.error?.peer != nil)
        }
        let causes = outcomes.flatMap { $0.error?.candidates ?? [] }.map(\.cause)
        #expect(causes.contains { $0.contains("SERVERLESS_MPI_PEER_SECRET") })
        world.end(outcomes)
    }

    @Test func `nobody at the server's address is an error that says so`() throws {
        let world = try JoinWorld(size: 1)
        world.server.stop()
        let outcome = JoinWorld.joinAndConnect(world.configuration(0))
        #expect(outcome.error?.code == .connectFailed)
        #expect(outcome.error?.reason.contains("rendezvous serve") == true)
    }

    @Test func `a port in use is one line that says what to do`() throws {
        let world = try JoinWorld(size: 1)
        let error = #expect(throws: MPIError.self) {
            _ = try RendezvousServer.start(
                listen: world.server.address, secret: JoinWorld.operatorSecret)
        }
        #expect(error?.code == .connectFailed)
        #expect(error?.reason.contains("in use") == true)
        world.server.stop()
    }

    @Test func `garbage and silence at the server's port disturb nobody`() throws {
        var limits = RendezvousLimits()
        limits.handshakeTimeout = .milliseconds(300)
        limits.connectionsNotJoined = 20
        let world = try JoinWorld(size: 4, limits: limits)
        var strangers: [Int32] = []
        for seed in UInt64(0)..<60 {
            let socket = try Self.stranger(world.url.port)
            strangers.append(socket)
            // A TLS record header with an absurd length, plain noise, or nothing at all.
            if seed % 3 == 0 { Self.send([22, 3, 1, 0xff, 0xff], socket) }
            if seed % 3 == 1 { Self.send(Self.noise(seed, 3000), socket) }
        }
        let outcomes = world.run()
        #expect(outcomes.allSatisfy { $0.error == nil }, "\(outcomes.compactMap(\.error))")
        #expect(Self.eventually { world.server.counters.failedHandshakes >= 60 })
        #expect(Self.eventually { world.server.counters.openConnections == 4 })
        for socket in strangers { close(socket) }
        world.end(outcomes)
    }

    @Test func `a member that sends nonsense is refused, counted, and loses its own job`() throws {
        let world = try JoinWorld(size: 2)
        for bytes in [[0x77], [1, 2, 3], ClientMessage.bye.encoded + [0]] {
            let raw = try RawRank(world)
            raw.send(bytes)
            raw.run { _ in false }
            #expect(raw.messages.count == 1, "the server says why")
            raw.stream.close()
        }
        #expect(world.server.counters.malformedMessages == 3)
        let outcomes = world.run()
        #expect(outcomes.allSatisfy { $0.error == nil })
        world.end(outcomes)
    }

    @Test func `garbage at a rank's listener disturbs nobody`() throws {
        let world = try JoinWorld(size: 3)
        let outcomes = world.run()
        let address = try #require(outcomes[0].links[1]?.path.localAddress)
        let port = try #require(UInt16(address.split(separator: ":").last ?? ""))
        var strangers: [Int32] = []
        for seed in UInt64(0)..<150 {
            let socket = try Self.stranger(port)
            strangers.append(socket)
            if seed % 2 == 0 { Self.send(Self.noise(seed, 200), socket) }
        }
        // Those that spoke are shown the door.
        #expect(
            Self.eventually {
                var byte: UInt8 = 0
                return withUnsafeMutableBytes(of: &byte) { buffer in
                    switch Socket.read(strangers[0], buffer) {
                    case .endOfStream, .failed: true
                    default: false
                    }
                }
            })
        #expect(outcomes.allSatisfy { $0.error == nil })
        for socket in strangers { close(socket) }
        world.end(outcomes)
    }

    /// Three ranks, of which the last is driven by hand; the first two with the cause they heard.
    private static func threeRanks(
        limits: RendezvousLimits = RendezvousLimits(), _ body: (JoinWorld, RawRank) throws -> Void
    ) throws -> [MPIError] {
        let world = try JoinWorld(size: 3, joinTimeout: .seconds(20), limits: limits)
        let heard = Mutex<[MPIError]>([])
        let threads = try (0..<2).map { rank in
            try DedicatedThread {
                let outcome = JoinWorld.joinAndConnect(world.configuration(rank))
                if let error = outcome.error { heard.withLock { $0.append(error) } }
                outcome.end()
            }
        }
        let raw = try RawRank(world)
        raw.join(2, world.url)
        raw.run { raw in raw.messages.count > 1 }
        try body(world, raw)
        for thread in threads { thread.join() }
        world.server.stop()
        return heard.withLock { $0 }
    }

    @Test func `a rank that dies is named to all others`() throws {
        let heard = try Self.threeRanks { _, raw in
            // As SIGKILL leaves it: the connection ends, nothing is said.
            close(raw.stream.descriptor)
        }
        #expect(heard.count == 2)
        #expect(heard.allSatisfy { $0.code == .peerLost && $0.peer == 2 }, "\(heard)")
    }

    @Test func `a rank that falls silent is named to all others`() throws {
        var limits = RendezvousLimits()
        limits.heartbeatInterval = .milliseconds(100)
        limits.silenceTimeout = .milliseconds(700)
        let heard = try Self.threeRanks(limits: limits) { _, raw in
            usleep(1_500_000)
            raw.stream.close()
        }
        #expect(heard.count == 2)
        #expect(heard.allSatisfy { $0.code == .peerLost && $0.peer == 2 }, "\(heard)")
        #expect(heard.allSatisfy { $0.reason.contains("nothing heard") }, "\(heard)")
    }

    @Test func `ranks that compute for longer than the silence allowed are alive`() throws {
        var limits = RendezvousLimits()
        limits.heartbeatInterval = .milliseconds(100)
        limits.silenceTimeout = .milliseconds(600)
        let world = try JoinWorld(size: 2, limits: limits)
        let outcomes = world.run()
        let failed = Mutex(false)
        for outcome in outcomes {
            outcome.control?.setFailureHandler { _ in failed.withLock { $0 = true } }
        }
        usleep(2_000_000)
        #expect(!failed.withLock { $0 })
        world.end(outcomes)
    }

    @Test func `all ranks hear the same first cause, whoever reports what`() throws {
        let world = try JoinWorld(size: 4)
        let outcomes = world.run()
        let heard = Mutex([[MPIError]](repeating: [], count: 4))
        for (rank, outcome) in outcomes.enumerated() {
            outcome.control?.setFailureHandler { cause in
                heard.withLock { $0[rank].append(cause) }
            }
        }
        for (rank, outcome) in outcomes.enumerated() {
            outcome.control?.report(
                MPIError(.aborted, operation: "abort", reason: "by \(rank)", peer: rank))
        }
        #expect(Self.eventually { heard.withLock { $0.allSatisfy { !$0.isEmpty } } })
        let causes = heard.withLock { $0 }
        #expect(causes.allSatisfy { $0.count == 1 && $0 == causes[0] }, "\(causes)")
        // Who asks later is told at once.
        let late = Mutex<MPIError?>(nil)
        outcomes[0].control?.setFailureHandler { cause in late.withLock { $0 = cause } }
        #expect(late.withLock { $0 } == causes[0].first)
        world.end(outcomes)
    }

    @Test func `without a server the job goes on, and a report stands by itself`() throws {
        let world = try JoinWorld(size: 2)
        let outcomes = world.run()
        world.server.stop()
        let heard = Mutex<[MPIError]>([])
        outcomes[0].control?.setFailureHandler { cause in heard.withLock { $0.append(cause) } }
        usleep(200_000)
        #expect(heard.withLock { $0.isEmpty })
        let cause = MPIError(.peerLost, operation: "recv", reason: "link ended", peer: 1)
        outcomes[0].control?.report(cause)
        #expect(Self.eventually { heard.withLock { $0 == [cause] } })
        world.end(outcomes)
    }

    @Test func `when all have left the server has nothing left of the job`() throws {
        let world = try JoinWorld(size: 3)
        let outcomes = world.run()
        #expect(Self.eventually { world.server.counters.activeJobs == 1 })
        for outcome in outcomes { outcome.end() }
        #expect(Self.eventually { world.server.counters.openConnections == 0 })
        #expect(world.server.counters.activeJobs == 0)
        world.server.stop()
    }

    @Test func `numbers are given to ranks that bring none`() throws {
        let world = try JoinWorld(size: 5)
        let outcomes = world.run([Int?](repeating: nil, count: 5).map { world.configuration($0) })
        #expect(outcomes.compactMap { $0.control?.rank }.sorted() == [0, 1, 2, 3, 4])
        #expect(outcomes.allSatisfy { $0.links.compactMap { $0 }.count == 4 })
        world.end(outcomes)
    }
}
