import Testing

@testable import ServerlessMPI

/// The bytes of STUN messages: those of RFC 5769, and those of strangers.
@Suite struct STUNTests {
    static let transaction = "b7e7a701bc34d686fa87dfae"
    static let software = "8022000b7465737420766563746f7220"
    static let shortTerm = STUNKey(shortTerm: Secret(Array("VOkJxbRl1RmTxUk/WvJxBt".utf8)))

    /// RFC 5769 §2.1.
    static let request = KeyTests.bytes(
        "000100582112a442" + transaction + "802200105354554e207465737420636c69656e74"
            + "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
            + "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf")
    /// RFC 5769 §2.2.
    static let response4 = KeyTests.bytes(
        "0101003c2112a442" + transaction + software + "002000080001a147e112a643"
            + "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96")
    /// RFC 5769 §2.3.
    static let response6 = KeyTests.bytes(
        "010100482112a442" + transaction + software
            + "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
            + "00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c")
    /// RFC 5769 §2.4.
    static let longTerm = KeyTests.bytes(
        "000100602112a44278ad3433c6ad72c029da412e"
            + "00060012e3839ee38388e383aae38383e382afe382b90000"
            + "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b"
            + "6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666")

    @Test(arguments: [request, response4, response6])
    func `integrity and fingerprint of RFC 5769 hold, and not with one bit changed`(
        _ bytes: [UInt8]
    ) throws {
        let message = try STUNMessage(decoding: bytes)
        #expect(message.method == .binding)
        #expect(hexDigits(message.transaction) == Self.transaction)
        #expect(STUNMessage.isAuthentic(bytes, key: Self.shortTerm))
        #expect(STUNMessage.hasSoundFingerprint(bytes))
        var changed = bytes
        changed[24] ^= 1
        #expect(!STUNMessage.isAuthentic(changed, key: Self.shortTerm))
        #expect(!STUNMessage.hasSoundFingerprint(changed))
    }

    @Test func `the fields of RFC 5769 are read`() throws {
        let request = try STUNMessage(decoding: Self.request)
        #expect(request.kind == .request)
        #expect(request.text(.username) == "evtj:h6vY")
        let four = try STUNMessage(decoding: Self.response4)
        #expect(four.kind == .success)
        #expect(four.address(.xorMappedAddress)?.description == "192.0.2.1:32853")
        let six = try STUNMessage(decoding: Self.response6)
        #expect(
            six.address(.xorMappedAddress)?.description
                == "[2001:db8:1234:5678:11:2233:4455:6677]:32853")
    }

    @Test func `a signed request is written as in RFC 5769, section 2.4`() throws {
        let key = try #require(
            STUNKey(
                username: "マトリックス", realm: "example.org",
                password: Secret(Array("TheMatrIX".utf8))))
        let message = STUNMessage(
            .request, .binding, transaction: Array(Self.longTerm[8..<20]),
            [
                .text(.username, "マトリックス"),
                .text(.nonce, "f//499k954d6OL34oL9FSTvy64sA"), .text(.realm, "example.org"),
            ])
        expectSame(message.encoded(signedWith: key), Self.longTerm, "the request")
        #expect(STUNMessage.isAuthentic(Self.longTerm, key: key))
        let read = try STUNMessage(decoding: Self.longTerm)
        #expect(read.attributes.dropLast() == message.attributes[...])
    }

    static let addresses = ["192.0.2.1", "255.255.255.255", "2001:db8::1", "::1"]

    @Test(arguments: addresses)
    func `an address comes back as it was`(_ text: String) throws {
        let ip = try #require(IPAddress(numeric: text))
        let address = SocketAddress(ip: ip, port: 40000)
        let transaction = [UInt8](1...12)
        let message = STUNMessage(
            .success, .allocate, transaction: transaction,
            [.address(.xorRelayedAddress, address, transaction: transaction)])
        let read = try STUNMessage(decoding: message.encoded)
        #expect(read == message)
        #expect(read.address(.xorRelayedAddress) == address)
    }

    @Test func `every class and method comes back as it was`() throws {
        let methods: [STUNMessage.Method] = [
            .binding, .allocate, .refresh, .createPermission, .connectionBind, .connectionAttempt,
        ]
        for kind in [STUNMessage.Class.request, .indication, .success, .failure] {
            for method in methods {
                let message = STUNMessage(
                    kind, method, transaction: [UInt8](1...12), [.connectionID(7)])
                #expect(try STUNMessage(decoding: message.encoded) == message)
            }
        }
        // RFC 6062 §6.1: the request to bind is 0x000B, the announcement 0x001C as an indication.
        func type(_ kind: STUNMessage.Class, _ method: STUNMessage.Method) -> [UInt8] {
            Array(STUNMessage(kind, method, transaction: [UInt8](1...12)).encoded.prefix(2))
        }
        #expect(type(.request, .connectionBind) == [0x00, 0x0b])
        #expect(type(.indication, .connectionAttempt) == [0x00, 0x1c])
        #expect(type(.failure, .allocate) == [0x01, 0x13])
    }

    @Test func `what comes after the integrity counts for nothing`() throws {
        var bytes = STUNMessage(.request, .refresh, transaction: [UInt8](1...12))
            .encoded(signedWith: Self.shortTerm)
        var more = BigEndianWriter(bytes: bytes)
        STUNAttribute.lifetime(9).write(to: &more)
        bytes = more.bytes
        bytes[3] += 8
        #expect(try STUNMessage(decoding: bytes).number(.lifetime) == nil)
        #expect(STUNMessage.isAuthentic(bytes, key: Self.shortTerm))
    }

    @Test(arguments: 0..<40)
    func `changed and random bytes are read or refused, never trusted`(seed: UInt64) {
        var random = Seeded(seed)
        let samples = [Self.request, Self.response4, Self.response6, Self.longTerm]
        for round in 0..<200 {
            var bytes = samples[round % samples.count]
            switch round % 5 {
            case 0: bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
            case 1: bytes = (0..<bytes.count).map { _ in .random(in: 0 ... .max, using: &random) }
            default:
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
                        UInt8.random(in: 1 ... .max, using: &random)
                }
            }
            let isAuthentic = STUNMessage.isAuthentic(bytes, key: Self.shortTerm)
            _ = STUNMessage.hasSoundFingerprint(bytes)
            guard let message = try? STUNMessage(decoding: bytes) else { continue }
            let values = message.attributes.reduce(0) { $0 + $1.value.count }
            #expect(values <= bytes.count, "seed \(seed), round \(round)")
            _ = (message.errorCode, message.address(.xorMappedAddress), message.text(.username))
            // Only what follows the integrity (the fingerprint) may change unnoticed.
            let original = samples[round % samples.count]
            if isAuthentic {
                let covered = bytes.count - 8
                #expect(bytes.prefix(2) == original.prefix(2), "seed \(seed), round \(round)")
                #expect(
                    bytes[4..<covered] == original[4..<covered], "seed \(seed), round \(round)")
            }
        }
    }

    @Test(arguments: 1...9)
    func `a stream is cut into messages, however it comes`(pieceByteCount: Int) throws {
        let all = [Self.request, Self.response4, Self.longTerm]
        var framing = STUNFraming()
        var found: [[UInt8]] = []
        let stream = all.flatMap(\.self)
        for start in stride(from: 0, to: stream.count, by: pieceByteCount) {
            framing.append(stream[start..<min(start + pieceByteCount, stream.count)])
            while let next = try framing.next() { found.append(next) }
        }
        #expect(found == all)
    }

    @Test func `who reads only what is needed never reads past a message`() throws {
        var framing = STUNFraming()
        let stream = Self.response4 + Array("SMPI".utf8)
        var position = 0
        for _ in 0..<10 where framing.neededByteCount > 0 && position < Self.response4.count {
            let count = framing.neededByteCount
            framing.append(stream[position..<position + count])
            position += count
        }
        #expect(position == Self.response4.count)
        #expect(try framing.next() == Self.response4)
    }

    @Test func `what is no STUN, or too long, is refused from its header`() {
        let cookie = "2112a442"
        let heads = [
            "00010002" + cookie, "0001fffc" + cookie, "40010000" + cookie, "0001000000000000",
            "1603010200010001",
        ].map { KeyTests.bytes($0) }
        for head in heads {
            var framing = STUNFraming()
            framing.append(head + Self.request[8..<20])
            #expect(throws: MalformedMessage.self) { try framing.next() }
        }
    }
}
