// Servers that are none: what ranks make of a rendezvous, or a TURN server, that lies to them.

import COpenSSL
import Glibc
import MessagePassing
import Synchronization

@testable import ServerlessMPI

/// A listener that answers each connection as it likes, on a thread of its own.
final class Impostor: Sendable {
    let port: UInt16
    private let listener: Int32
    private let mustEnd = Atomic(false)
    private let thread = Mutex<RankThread?>(nil)

    init(_ answer: @escaping @Sendable (Int32) -> Void) throws {
        listener = try Socket.open(.loopback4)
        try Socket.bind(listener, to: SocketAddress(ip: .loopback4, port: 0))
        try Socket.listen(listener, backlog: 16)
        port = Socket.localAddress(listener)?.port ?? 0
        let thread = RankThread { [self] in
            while !mustEnd.load(ordering: .acquiring) {
                guard PlainTLS.waitsFor(listener, Int16(POLLIN), milliseconds: 20),
                    let (socket, _) = try? Socket.accept(listener)
                else { continue }
                answer(socket)
                close(socket)
            }
        }
        self.thread.withLock { $0 = thread }
    }

    func end() {
        mustEnd.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
        close(listener)
    }
}

extension HostileCase {
    /// A rank that is sent to this rendezvous server must fail, in time.
    private static func impostor(
        _ name: String, _ answer: @escaping @Sendable (Int32, HostileWorld) -> Void
    ) -> HostileCase {
        HostileCase(name, .rank) { world in
            let impostor = try Impostor { answer($0, world) }
            defer { impostor.end() }
            var configuration = world.world.configuration(0)
            configuration.url.port = impostor.port
            configuration.url.observerPort = nil
            configuration.url.joinTimeout = .seconds(2)
            let outcome = JoinWorld.joinAndConnect(configuration)
            outcome.end()
            guard let error = outcome.error else {
                throw HostileWorld.Unrefused("the rank joined")
            }
            let secrets = [world.world.tokens.serverKey.hex, world.world.tokens.peerSecret.hex]
            guard !secrets.contains(where: { error.description.contains($0) }) else {
                throw HostileWorld.Unrefused("a secret in \(error)")
            }
            return "`\(error.code)`"
        }
    }

    /// The server's side of TLS with the right key: a thief of the operator's secret.
    private static func serve(
        _ socket: Int32, _ world: HostileWorld, _ messages: [[UInt8]], lengths: [UInt32?] = []
    ) {
        guard
            let tls = try? TLSSession(
                role: .server, fileDescriptor: socket,
                credentials: PSKCredentials(
                    identity: ServerKeys.identity(job: "victim"),
                    key: world.world.tokens.serverKey))
        else { return }
        for _ in 0..<2000 where tls.handshake() != nil { usleep(1000) }
        for (index, message) in messages.enumerated() {
            let claimed = index < lengths.count ? lengths[index] : nil
            let length = claimed ?? UInt32(message.count)
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * UInt32($0))) }
            _ = (bytes + message).withUnsafeBytes { tls.write($0) }
        }
        // Until the rank goes, or for as long as it may wait.
        _ = PlainTLS.waitsFor(socket, 0x2000 /* POLLRDHUP */, milliseconds: 2500)
    }

    private static let welcome = ServerMessage.welcome(
        Welcome(
            rank: 0, ticket: [UInt8](repeating: 1, count: 32),
            observed: SocketAddress(ip: .loopback4, port: 9), heartbeatInterval: .seconds(1))
    ).encoded

    /// Ranks with a TURN server that answers so: they join all the same.
    private static func turn(
        _ name: String, _ answer: @escaping @Sendable (Int32) -> Void
    ) -> HostileCase {
        HostileCase(name, .rank) { world in
            let impostor = try Impostor(answer)
            defer { impostor.end() }
            let tokens = world.server.mintTokens(job: "turned")
            var url = world.world.url
            url.job = "turned"
            url.size = 2
            // A third of it is for the TURN server, and must fit this server's own patience.
            url.joinTimeout = .milliseconds(1500)
            let configurations = (0..<2).map { rank in
                var configuration = JoinConfiguration(
                    url: url, rank: rank, serverKey: tokens.serverKey,
                    peerSecret: tokens.peerSecret)
                configuration.turn = TURNConfiguration(
                    host: "127.0.0.1", port: impostor.port, username: "user",
                    password: Secret(Array("password".utf8)))
                return configuration
            }
            for outcome in runRanks(of: configurations, { try $0.allreduce(1, .sum) }) {
                guard case .success(2) = outcome else {
                    throw HostileWorld.Unrefused("\(outcome)")
                }
            }
            return "goes on without a relayed address"
        }
    }

    static let impostorCases: [HostileCase] = [
        impostor("a server with a certificate") { socket, _ in
            guard let context = SSL_CTX_new(TLS_server_method()) else { return }
            defer { SSL_CTX_free(context) }
            guard (try? PlainTLS.useCertificate(context)) != nil, let ssl = SSL_new(context)
            else { return }
            defer { SSL_free(ssl) }
            SSL_set_fd(ssl, socket)
            for _ in 0..<500 {
                let status = SSL_accept(ssl)
                if status == 1 || SSL_get_error(ssl, status) != SSL_ERROR_WANT_READ { break }
                usleep(1000)
            }
            ERR_clear_error()
        },
        impostor("a server that does not know the key") { socket, _ in
            guard
                let tls = try? TLSSession(
                    role: .server, fileDescriptor: socket,
                    credentials: PSKCredentials(
                        identity: ServerKeys.identity(job: "victim"), key: .random()))
            else { return }
            for _ in 0..<500 {
                if case .wouldBlock? = tls.handshake() { usleep(1000) } else { break }
            }
        },
        impostor("a server of noise") { socket, _ in
            _ = HostileTests.noise(6, 4000).withUnsafeBytes { Socket.write(socket, $0) }
        },
        impostor("a silent server") { _, _ in usleep(2_500_000) },
        impostor("a server whose message has no bytes") { socket, world in
            serve(socket, world, [[]])
        },
        impostor("a server whose message has 4 GiB") { socket, world in
            serve(socket, world, [[UInt8](repeating: 0x82, count: 100)], lengths: [.max])
        },
        impostor("a roster of 2³² − 1 ranks") { socket, world in
            serve(socket, world, [welcome, [0x82, 0xff, 0xff, 0xff, 0xff]])
        },
        impostor("a roster of another size") { socket, world in
            serve(socket, world, [welcome, ServerMessage.roster([]).encoded])
        },
        impostor("a welcome as a rank beyond the size") { socket, world in
            var bytes = welcome
            bytes[1] = 200
            serve(socket, world, [bytes])
        },
        impostor("a relay offer before anything") { socket, world in
            serve(socket, world, [ServerMessage.relay(peer: 1, .random()).encoded])
        },
        turn("a TURN server of noise") { socket in
            _ = HostileTests.noise(7, 4000).withUnsafeBytes { Socket.write(socket, $0) }
        },
        turn("a TURN server whose answer is longer than it says") { socket in
            let bytes: [UInt8] =
                [1, 3, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42] + [UInt8](repeating: 0, count: 70_000)
            _ = bytes.withUnsafeBytes { Socket.write(socket, $0) }
        },
        turn("a TURN server that says nothing") { _ in usleep(1_500_000) },
    ]
}
