import MessagePassing
import Testing

@testable import ServerlessMPI

/// The bytes of hellos and rendezvous messages: golden ones, and what strangers might send.
@Suite struct ControlMessageTests {
    static let join = JoinRequest(
        encryption: .on, epoch: 0x0102_0304_0506_0708, size: 4, rank: 3,
        joinTimeout: .milliseconds(30_000), requestID: RequestID(naming: "request"),
        hostTag: Array(0..<16),
        candidates: [
            Candidate(kind: .host, address: SocketAddress(ip: .v4(0x0a00_0107), port: 0x1234)),
            Candidate(
                kind: .serverReflexive,
                address: SocketAddress(ip: .v6(high: 0x2001_0db8 << 32, low: 5), port: 80)),
        ], ticket: [UInt8](repeating: 0xee, count: 32),
        observationID: [UInt8](repeating: 0xdd, count: 16))

    static let token = RelayToken([UInt8](repeating: 0xcc, count: 16)) ?? .random()

    static let cause = MPIError(
        .peerLost, operation: "recv", reason: "gone", peer: 2, tag: 7, expectedByteCount: nil,
        actualByteCount: 9, underlying: 104)

    static let clientMessages: [ClientMessage] = [
        .join(join), .heartbeat, .report(cause), .bye, .relay(peer: 258), .connect(peer: 0x0102),
        .upgrade(peer: 4095), .departed([7]), .departed(Array(0..<1000)),
    ]

    static let serverMessages: [ServerMessage] = [
        .welcome(
            Welcome(
                rank: 3, ticket: Array(0..<32),
                observed: SocketAddress(ip: .v4(0x7f00_0001), port: 5),
                heartbeatInterval: .seconds(1))),
        .roster([
            RosterEntry(
                hostTag: Array(16..<32), observed: SocketAddress(ip: .v4(1 << 24), port: 9),
                candidates: join.candidates, natClass: .symmetric)
        ]),
        .refused(cause), .failed(cause), .farewell, .relay(peer: 258, token),
        .relayRefused(peer: 258, cause), .connect(from: 7), .departed(peer: 4095),
        .upgrade(from: 3),
    ]

    @Test func `a join request has exactly the bytes PROTOCOL_md says`() {
        let expected =
            "01" + "0100" + "01" + "0807060504030201" + "04000000" + "03000000" + "30750000"
            + hexDigits(RequestID(naming: "request").bytes) + "000102030405060708090a0b0c0d0e0f"
            + "02" + "01" + "04" + "3412" + "0a000107" + "02" + "06" + "5000"
            + "20010db8000000000000000000000005" + "20" + String(repeating: "ee", count: 32)
            + String(repeating: "dd", count: 16)
        #expect(hexDigits(ClientMessage.join(Self.join).encoded) == expected)
    }

    @Test func `server messages have exactly the bytes PROTOCOL_md says`() {
        #expect(
            hexDigits(Self.serverMessages[0].encoded)
                == "81" + "03000000" + hexDigits(0..<32) + "04" + "0500" + "7f000001" + "e8030000")
        #expect(
            hexDigits(Self.serverMessages[1].encoded)
                == "82" + "01000000" + hexDigits(16..<32) + "04" + "0900" + "01000000" + "02"
                + "01" + "04" + "3412" + "0a000107" + "02" + "06" + "5000"
                + "20010db8000000000000000000000005" + "03")
        #expect(hexDigits(ClientMessage.relay(peer: 258).encoded) == "05" + "02010000")
        #expect(
            hexDigits(ServerMessage.relay(peer: 258, Self.token).encoded)
                == "86" + "02010000" + String(repeating: "cc", count: 16))
        #expect(
            hexDigits(ServerMessage.relayRefused(peer: 258, Self.cause).encoded)
                == "88" + "02010000" + hexDigits(AbortCause.encode(Self.cause)))
        #expect(hexDigits(ServerMessage.farewell.encoded) == "85")
        #expect(hexDigits(ClientMessage.heartbeat.encoded) == "02")
        #expect(hexDigits(ClientMessage.bye.encoded) == "04")
        #expect(
            hexDigits(ClientMessage.connect(peer: 0x0102).encoded) == "06" + "02010000" + "00000000"
        )
        #expect(
            hexDigits(ClientMessage.connect(peer: 1, incarnation: 0x0304).encoded)
                == "06" + "01000000" + "04030000")
        #expect(hexDigits(ClientMessage.upgrade(peer: 0x0102).encoded) == "07" + "02010000")
        #expect(
            hexDigits(ClientMessage.departed([3, 0x0102]).encoded)
                == "08" + "02000000" + "03000000" + "02010000")
        #expect(hexDigits(ServerMessage.upgrade(from: 7).encoded) == "8a" + "07000000")
        #expect(hexDigits(ServerMessage.connect(from: 7).encoded) == "87" + "07000000" + "00000000")
        #expect(hexDigits(ServerMessage.departed(peer: 4095).encoded) == "89" + "ff0f0000")
    }

    @Test func `messages come back as they were`() throws {
        for message in Self.clientMessages {
            #expect(try ClientMessage(decoding: message.encoded[...]) == message)
        }
        for message in Self.serverMessages {
            #expect(try ServerMessage(decoding: message.encoded[...]) == message)
        }
    }

    @Test func `messages cut anywhere, or too long, are refused`() {
        for bytes in Self.clientMessages.map(\.encoded) {
            for count in 0..<bytes.count {
                #expect(throws: MalformedMessage.self) {
                    try ClientMessage(decoding: bytes[..<count])
                }
            }
            #expect(throws: MalformedMessage.self) {
                try ClientMessage(decoding: (bytes + [0])[...])
            }
        }
        for bytes in Self.serverMessages.map(\.encoded) {
            for count in 0..<bytes.count {
                #expect(throws: MalformedMessage.self) {
                    try ServerMessage(decoding: bytes[..<count])
                }
            }
        }
    }

    @Test(arguments: 0..<8)
    func `no bytes whatever make a parser crash`(seed: UInt64) {
        var random = JitterGenerator(state: seed)
        let seeds =
            Self.clientMessages.map(\.encoded) + Self.serverMessages.map(\.encoded)
            + [Preamble(.relay, id: Self.token.bytes).encoded]
        for _ in 0..<2000 {
            var bytes = seeds.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                if bytes.isEmpty { break }
                let index = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0 ... .max, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(0xff, at: index)
                default: bytes.removeLast(bytes.count - index)
                }
            }
            // Whatever is accepted must survive its own encoding.
            if let message = try? ClientMessage(decoding: bytes[...]) {
                #expect(
                    (try? ClientMessage(decoding: message.encoded[...])) == message,
                    "seed \(seed): \(hexDigits(bytes))")
            }
            if let message = try? ServerMessage(decoding: bytes[...]) {
                #expect(
                    (try? ServerMessage(decoding: message.encoded[...])) == message,
                    "seed \(seed): \(hexDigits(bytes))")
            }
            _ = try? PeerHello(decoding: Array(bytes.prefix(PeerHello.byteCount)))
            if let preamble = try? Preamble(decoding: Array(bytes.prefix(Preamble.byteCount))) {
                #expect((try? Preamble(decoding: preamble.encoded)) == preamble)
            }
        }
    }

    @Test func `a preamble has exactly the bytes PROTOCOL_md says`() throws {
        let id = Array(UInt8(0)..<16)
        #expect(
            hexDigits(Preamble(.observation, id: id).encoded)
                == "534d504f" + "0100" + "0000" + hexDigits(id))
        #expect(
            hexDigits(Preamble(.relay, id: id).encoded)
                == "534d5052" + "0100" + "0000" + hexDigits(id))
        for count in 0..<Preamble.byteCount {
            #expect(throws: MalformedMessage.self) {
                try Preamble(decoding: Array(Preamble(.relay, id: id).encoded.prefix(count)))
            }
        }
    }

    @Test func `a hello has exactly the bytes PROTOCOL_md says`() throws {
        let hello = PeerHello(
            encryption: .none, epoch: 0x0102_0304_0506_0708, sender: 3, receiver: 0x0100,
            jobTag: PeerHello.jobTag("job"), nonce: Array(0x20..<0x30), incarnation: 0x0506)
        let key = Secret([UInt8](repeating: 9, count: 32))
        let bytes = hello.encoded(key: key)
        // SHA-256 of "job" begins with these eight bytes.
        let fields =
            "534d5049" + "0100" + "00" + "00" + "0807060504030201" + "03000000" + "00010000"
            + hexDigits(RequestID(naming: "job").bytes.prefix(8))
            + "202122232425262728292a2b2c2d2e2f" + "06050000"
        #expect(hexDigits(bytes.prefix(52)) == fields)
        #expect(bytes.count == 84)
        #expect(
            Array(bytes.suffix(32)) == KeyDerivation.authenticate(KeyTests.bytes(fields), with: key)
        )
        #expect(try PeerHello(decoding: bytes) == hello)
        #expect(PeerHello.isAuthentic(bytes, key: key))
    }

    @Test func `a hello with any bit changed is not authentic`() {
        let key = Secret.random()
        let bytes = PeerHello(
            encryption: .on, epoch: 1, sender: 0, receiver: 1, jobTag: PeerHello.jobTag("job"),
            nonce: Array(0..<16)
        ).encoded(key: key)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(!PeerHello.isAuthentic(changed, key: key), "byte \(index)")
        }
        #expect(!PeerHello.isAuthentic(bytes, key: .random()))
    }
}
