// Strangers at the port of a rank, with hellos recorded, changed, or made with a stolen hello key.

import Glibc
import MessagePassing

@testable import ServerlessMPI

extension HostileCase {
    static let peerCases: [HostileCase] = rankGarbageCases + helloCases + proofCases

    /// Bytes for rank 0, which must close the connection.
    private static func closing(
        ending: Bool = false, _ bytes: @escaping @Sendable (HostileWorld) -> [UInt8]
    ) -> @Sendable (HostileWorld) throws -> String {
        { world in
            try world.refused(world.ports[0], bytes(world), ending: ending)
            return "closed"
        }
    }

    private static let rankGarbageCases: [HostileCase] = [
        HostileCase(
            "84 random bytes at a rank", .rank, closing { _ in HostileTests.noise(1, 84) }),
        HostileCase(
            "64 KiB of random bytes at a rank", .rank,
            closing { _ in HostileTests.noise(2, 64 << 10) }),
        HostileCase(
            "TLS at a rank", .rank,
            closing { _ in [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3] + HostileTests.noise(3, 500) }),
        HostileCase(
            "half a hello, and the end", .rank,
            closing(ending: true) { Array(hello($0).prefix(40)) }),
        HostileCase("150 silent connections at a rank", .rank) { world in
            var sockets: [Int32] = []
            defer { for socket in sockets { close(socket) } }
            for _ in 0..<150 { sockets.append(try world.connect(world.ports[0])) }
            for socket in sockets.prefix(50) { try world.expectClosed(socket) }
            return "the oldest make room"
        },
        HostileCase("a hello, a byte every 5 ms", .rank) { world in
            let socket = try world.connect(world.ports[0])
            defer { close(socket) }
            var bytes = hello(world)
            bytes[60] ^= 1
            for byte in bytes {
                world.write([byte], socket)
                usleep(5000)
            }
            try world.expectClosed(socket)
            return "closed after the last byte"
        },
        HostileCase("500 hellos with wrong MACs", .rank) { world in
            for number in 0..<500 {
                var bytes = hello(world)
                bytes[52 + number % 32] ^= 1
                try world.refused(world.ports[0], bytes)
            }
            return "closed"
        },
    ]

    /// From rank 1 to rank 0, with the MAC of whoever knows the key, unless told otherwise.
    private static func hello(
        _ world: HostileWorld, encryption: EncryptionMode = .on, epoch: UInt64 = 0,
        from sender: Int = 1, to receiver: Int = 0, job: String = "victim",
        incarnation: Int = 0, key: Secret? = nil
    ) -> [UInt8] {
        let keys = PairKeys(
            peerSecret: key ?? world.world.tokens.peerSecret, job: job, epoch: epoch,
            low: min(sender, receiver), high: max(sender, receiver), encryption: encryption)
        return PeerHello(
            encryption: encryption, epoch: epoch, sender: sender, receiver: receiver,
            jobTag: PeerHello.jobTag(job), nonce: HostileTests.noise(7, 16),
            incarnation: incarnation
        ).encoded(key: keys.hello)
    }

    private static let helloCases: [HostileCase] = [
        HostileCase("a hello replayed", .rank, closing { hello($0) }),
        HostileCase(
            "a hello to another rank", .rank, closing { hello($0, from: 1, to: 2) }),
        HostileCase("swapped ranks", .rank, closing { hello($0, from: 0, to: 1) }),
        HostileCase("a hello from oneself", .rank, closing { hello($0, from: 0, to: 0) }),
        HostileCase(
            "a hello from a rank beyond the size", .rank, closing { hello($0, from: 4_000_000) }),
        HostileCase("another job", .rank, closing { hello($0, job: "other") }),
        HostileCase("another epoch", .rank, closing { hello($0, epoch: 1) }),
        HostileCase("another encryption mode", .rank, closing { hello($0, encryption: .none) }),
        HostileCase("another peer secret", .rank, closing { hello($0, key: .random()) }),
        HostileCase(
            "another version", .rank,
            closing {
                var bytes = hello($0)
                bytes[4] = 2
                return bytes
            }),
        HostileCase(
            "a reserved byte that is set", .rank,
            closing {
                var bytes = hello($0)
                bytes[7] = 1
                return bytes
            }),
    ]

    private static let proofCases: [HostileCase] = [
        HostileCase(
            "a replayed hello that would resume the link, then noise", .rank,
            closing { hello($0, incarnation: 1) + HostileTests.noise(8, 300) }),
        HostileCase(
            "the same with the greatest incarnation", .rank,
            closing { hello($0, incarnation: Int(UInt32.max)) + HostileTests.noise(8, 300) }),
        HostileCase("a good hello, then TLS with another key", .rank) { world in
            let socket = try world.connect(world.ports[0])
            defer { close(socket) }
            world.write(hello(world, incarnation: 1), socket)
            var theirs = [UInt8](repeating: 0, count: PeerHello.byteCount)
            _ = HostileTests.eventually {
                if case .bytes = theirs.withUnsafeMutableBytes({ Socket.read(socket, $0) }) {
                    true
                } else {
                    false
                }
            }
            let tls = try TLSSession(
                role: .server, fileDescriptor: socket,
                credentials: PSKCredentials(identity: PairKeys.tlsIdentity, key: .random()))
            for _ in 0..<3000 {
                guard let result = tls.handshake() else {
                    throw HostileWorld.Unrefused("the handshake came about")
                }
                if case .failed = result { return "refused in the handshake" }
                if case .endOfStream = result { return "closed" }
                usleep(1000)
            }
            throw HostileWorld.Unrefused("neither refused nor accepted")
        },
    ]
}
