// Strangers at the server's ports: no key, another's key, other protocols, silence.

import COpenSSL
import Glibc
import MessagePassing

@testable import ServerlessMPI

extension HostileCase {
    static let serverCases: [HostileCase] =
        handshakeCases + garbageCases + silenceCases + preambleCases

    private static func failing(
        _ what: String, _ port: @escaping @Sendable (HostileWorld) -> UInt16 = { $0.serverPort },
        _ bytes: @escaping @Sendable (HostileWorld) -> [UInt8]
    ) -> @Sendable (HostileWorld) throws -> String {
        { world in
            try world.counted(what, \.failedHandshakes) {
                try world.refused(port(world), bytes(world))
            }
        }
    }

    /// A member in all but its key.
    private static func wrongKey(
        _ job: String, _ key: @escaping @Sendable (HostileWorld) -> Secret
    ) -> @Sendable (HostileWorld) throws -> String {
        { world in
            try world.counted("TLS alert", \.failedHandshakes) {
                let raw = try RawMember(world, job: job, key: key(world))
                guard case .failed = raw.run(until: { $0.messages.count > 0 }) else {
                    throw HostileWorld.Unrefused("the handshake came about")
                }
            }
        }
    }

    private static let handshakeCases: [HostileCase] = [
        HostileCase("wrong server key", .server, wrongKey("victim") { _ in .random() }),
        HostileCase(
            "another job's server key", .server,
            wrongKey("victim") { $0.server.mintTokens(job: "other").serverKey }),
        HostileCase(
            "the peer secret for a server key", .server,
            wrongKey("victim") { $0.world.tokens.peerSecret }),
        HostileCase(
            "a job name that is none", .server,
            wrongKey("../etc/passwd\u{0}") { $0.world.tokens.serverKey }),
        HostileCase(
            "a job name of 16 KB", .server,
            wrongKey(String(repeating: "j", count: 250)) { $0.world.tokens.serverKey }),
        HostileCase("TLS without PSK", .server) { world in
            try world.counted("TLS alert", \.failedHandshakes) {
                try PlainTLS.expectRefusal(by: world.serverPort, version: TLS1_3_VERSION)
            }
        },
        HostileCase("TLS 1.2", .server) { world in
            try world.counted("TLS alert", \.failedHandshakes) {
                try PlainTLS.expectRefusal(by: world.serverPort, version: TLS1_2_VERSION)
            }
        },
        HostileCase("a client with a certificate", .server) { world in
            try world.counted("TLS alert", \.failedHandshakes) {
                try PlainTLS.expectRefusal(
                    by: world.serverPort, version: TLS1_3_VERSION, hasCertificate: true)
            }
        },
        HostileCase("a recorded join, replayed", .server) { world in
            // What one client wrote, byte for byte, once more.
            let recording = try Recorder.recordJoin(world)
            return try world.counted("TLS alert", \.failedHandshakes) {
                try world.refused(world.serverPort, recording)
            }
        },
    ]

    private static let garbageCases: [HostileCase] = [
        HostileCase(
            "a TLS record of 65535 bytes", .server,
            failing("not TLS") { _ in [22, 3, 1, 0xff, 0xff] + HostileTests.noise(2, 70_000) }),
        HostileCase(
            "3000 random bytes", .server, failing("not TLS") { _ in HostileTests.noise(3, 3000) }),
        HostileCase(
            "1 MiB of random bytes", .server,
            failing("not TLS") { _ in
                Array(repeating: HostileTests.noise(4, 1024), count: 1024).flatMap { $0 }
            }),
        HostileCase(
            "an HTTP request", .server,
            failing("not TLS") { _ in Array("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".utf8) }),
        HostileCase(
            "STUN at the TLS port", .server,
            failing("not TLS") { _ in
                [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42] + [UInt8](repeating: 7, count: 12)
            }),
    ]

    private static let silenceCases: [HostileCase] = [
        HostileCase("silence", .server) { world in
            try world.counted("closed after the handshake timeout", \.failedHandshakes) {
                try world.refused(world.serverPort, [])
            }
        },
        HostileCase("the end of the stream at once", .server) { world in
            try world.counted("closed", \.failedHandshakes) {
                try world.refused(world.serverPort, [], ending: true)
            }
        },
        HostileCase("slow loris: a ClientHello, a byte every 20 ms", .server) { world in
            let recording = try Recorder.recordJoin(world)
            return try world.counted("closed after the handshake timeout", \.failedHandshakes) {
                let socket = try world.connect(world.serverPort)
                defer { close(socket) }
                for byte in recording.prefix(80) {
                    if world.write([byte], socket) == 0 { break }
                    usleep(20_000)
                }
                try world.expectClosed(socket)
            }
        },
        HostileCase("10 000 idle connections", .server, growthMax: 256 << 20) { world in
            try world.counted("beyond its address's share", \.refusedByAddress, atLeast: 7000) {
                var sockets: [Int32] = []
                defer { for socket in sockets { close(socket) } }
                for _ in 0..<10_000 { sockets.append(try world.connect(world.serverPort)) }
                let most = world.counters.openConnections
                let share = RendezvousLimits().connectionsNotJoinedPerAddress
                let allowed = share + HostileWorld.size
                guard most <= allowed else {
                    throw HostileWorld.Unrefused("\(most) connections are open")
                }
            }
        },
        HostileCase("200 connections that open and close at once", .server) { world in
            try world.counted("closed", \.failedHandshakes, atLeast: 200) {
                for _ in 0..<200 { close(try world.connect(world.serverPort)) }
            }
        },
    ]

    private static let preambleCases: [HostileCase] = [
        HostileCase("a relay token that nobody gave", .server) { world in
            try world.counted("closed", \.refusedRelays) {
                try world.refused(
                    world.serverPort, Preamble(.relay, id: RelayToken.random().bytes).encoded)
            }
        },
        HostileCase(
            "a relay preamble of another version", .server,
            failing("malformed preamble") { _ in
                var bytes = Preamble(.relay, id: RelayToken.random().bytes).encoded
                bytes[4] = 9
                return bytes
            }),
        HostileCase("half a relay preamble", .server) { world in
            try world.counted("closed after the handshake timeout", \.failedHandshakes) {
                try world.refused(
                    world.serverPort,
                    Array(Preamble(.relay, id: RelayToken.random().bytes).encoded.prefix(20)))
            }
        },
        HostileCase("1000 guesses of a relay token", .server) { world in
            try world.counted("closed", \.refusedRelays, atLeast: 1000) {
                for _ in 0..<1000 {
                    try world.refused(
                        world.serverPort, Preamble(.relay, id: RelayToken.random().bytes).encoded)
                }
            }
        },
        HostileCase("random bytes at the observer", .observer) { world in
            try world.counted("closed", \.refusedObservations) {
                try world.refused(world.observerPort, HostileTests.noise(5, 500))
            }
        },
        HostileCase("a relay preamble at the observer", .observer) { world in
            try world.counted("closed", \.refusedObservations) {
                try world.refused(
                    world.observerPort, Preamble(.relay, id: RelayToken.random().bytes).encoded)
            }
        },
        HostileCase("1000 silent connections at the observer", .observer) { world in
            try world.counted("the oldest make room", \.refusedObservations, atLeast: 1000) {
                var sockets: [Int32] = []
                defer { for socket in sockets { close(socket) } }
                for _ in 0..<1000 { sockets.append(try world.connect(world.observerPort)) }
                usleep(700_000)
            }
        },
        HostileCase("1000 sightings that no join claims", .observer) { world in
            for _ in 0..<1000 {
                try world.refused(
                    world.observerPort,
                    Preamble(.observation, id: RelayToken.random().bytes).encoded)
            }
            return "answered, and the oldest forgotten"
        },
    ]
}
