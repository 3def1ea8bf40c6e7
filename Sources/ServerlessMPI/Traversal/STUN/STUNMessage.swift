// STUN messages (RFC 8489) as values and as bytes: what a rank and a TURN server say to each
// other. Decoding takes bytes from a server nobody vouches for: it checks each length and throws.

/// One STUN message: class, method, transaction and attributes in their order.
struct STUNMessage: Equatable, Sendable {
    enum Class: UInt16, Sendable {
        case request = 0
        case indication = 1
        case success = 2
        case failure = 3
    }

    /// The methods of TURN (RFC 8656 §17, RFC 6062 §6.1), and STUN's own.
    enum Method: UInt16, Sendable {
        case binding = 0x001
        case allocate = 0x003
        case refresh = 0x004
        case createPermission = 0x008
        case connectionBind = 0x00b
        case connectionAttempt = 0x00c
    }

    static let headerByteCount = 20
    static let transactionByteCount = 12
    static let magicCookie: UInt32 = 0x2112_a442

    let kind: Class
    let method: Method
    /// Twelve bytes that an answer repeats.
    let transaction: [UInt8]
    var attributes: [STUNAttribute]

    init(
        _ kind: Class, _ method: Method, transaction: [UInt8], _ attributes: [STUNAttribute] = []
    ) {
        precondition(transaction.count == Self.transactionByteCount)
        self.kind = kind
        self.method = method
        self.transaction = transaction
        self.attributes = attributes
    }

    /// The value of the first attribute of this type; later ones do not count (RFC 8489 §14).
    func value(_ type: STUNAttribute.Kind) -> [UInt8]? {
        attributes.first { $0.type == type.rawValue }?.value
    }
}

// MARK: Bytes

extension STUNMessage {
    /// The two bits between which the class is spread in the message type (RFC 8489 §5).
    private static let classBits: (low: UInt16, high: UInt16) = (0x0010, 0x0100)

    private var type: UInt16 {
        let method = method.rawValue
        let spread = method & 0x000f | (method & 0x0070) << 1 | (method & 0x0f80) << 2
        return spread
            | (kind.rawValue & 1 != 0 ? Self.classBits.low : 0)
            | (kind.rawValue & 2 != 0 ? Self.classBits.high : 0)
    }

    /// The bytes, without integrity or fingerprint.
    var encoded: [UInt8] {
        var body = BigEndianWriter()
        for attribute in attributes { attribute.write(to: &body) }
        var writer = BigEndianWriter()
        writer.write(type)
        writer.write(UInt16(body.bytes.count))
        writer.write(Self.magicCookie)
        writer.bytes += transaction + body.bytes
        return writer.bytes
    }

    /// Reads one whole message.
    init(decoding bytes: [UInt8]) throws(MalformedMessage) {
        let bodyByteCount = try Self.bodyByteCount(header: bytes[...])
        guard bytes.count == Self.headerByteCount + bodyByteCount else {
            throw MalformedMessage(reason: "a STUN message's length is not that of its bytes")
        }
        let type = bytes.bigEndian(UInt16.self, at: 0)
        let number = type & 0x000f | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2
        guard let method = Method(rawValue: number) else {
            throw MalformedMessage(reason: "unknown STUN method \(number)")
        }
        let low: UInt16 = type & Self.classBits.low != 0 ? 1 : 0
        let high: UInt16 = type & Self.classBits.high != 0 ? 2 : 0
        guard let kind = Class(rawValue: low | high) else {
            throw MalformedMessage(reason: "unknown STUN class")
        }
        self.kind = kind
        self.method = method
        transaction = Array(bytes[8..<Self.headerByteCount])
        let all = try STUNAttribute.list(bytes[Self.headerByteCount...])
        // What follows the integrity is not covered by it and counts for nothing (§14.5).
        let integrity = STUNAttribute.Kind.messageIntegrity.rawValue
        let covered = all.firstIndex { $0.type == integrity }.map { all[...$0] } ?? all[...]
        attributes = Array(covered)
    }

    /// How many bytes follow a header; throws if it begins no STUN message (RFC 8489 §5).
    ///
    /// - Parameter header: at least 20 bytes.
    static func bodyByteCount(header: ArraySlice<UInt8>) throws(MalformedMessage) -> Int {
        guard header.count >= headerByteCount else {
            throw MalformedMessage(reason: "a STUN header is cut off")
        }
        let bytes = Array(header.prefix(headerByteCount))
        let count = Int(bytes.bigEndian(UInt16.self, at: 2))
        guard bytes[0] & 0xc0 == 0, bytes.bigEndian(UInt32.self, at: 4) == magicCookie,
            count % 4 == 0
        else { throw MalformedMessage(reason: "it does not speak STUN") }
        return count
    }
}

/// Cuts a TCP stream into STUN messages (RFC 8489 §6.2.2): each header tells its length.
struct STUNFraming {
    /// No answer that TURN knows is longer; more is refused before it is held.
    static let maximumByteCount = 4096

    private var input: [UInt8] = []

    /// How many more bytes surely belong to the message that has begun: who must not read past
    /// the end of a message never reads more than this.
    var neededByteCount: Int {
        guard input.count >= STUNMessage.headerByteCount,
            let body = try? STUNMessage.bodyByteCount(header: input[...])
        else { return STUNMessage.headerByteCount - min(input.count, STUNMessage.headerByteCount) }
        return max(STUNMessage.headerByteCount + body - input.count, 0)
    }

    mutating func append(_ bytes: some Sequence<UInt8>) { input += bytes }

    /// The next whole message's bytes; nil until they are there.
    mutating func next() throws(MalformedMessage) -> [UInt8]? {
        guard input.count >= STUNMessage.headerByteCount else { return nil }
        let count =
            STUNMessage.headerByteCount + (try STUNMessage.bodyByteCount(header: input[...]))
        guard count <= Self.maximumByteCount else {
            throw MalformedMessage(reason: "a STUN message of \(count) bytes")
        }
        guard input.count >= count else { return nil }
        defer { input.removeFirst(count) }
        return Array(input.prefix(count))
    }
}
