// The attributes of STUN and TURN that a rank sends or reads: type, length, value, padding
// (RFC 8489 §14, RFC 8656 §18, RFC 6062 §6.2), and the values inside them.

/// One attribute, its value without padding.
struct STUNAttribute: Equatable, Sendable {
    enum Kind: UInt16, Sendable {
        case username = 0x0006
        case messageIntegrity = 0x0008
        case errorCode = 0x0009
        case lifetime = 0x000d
        case xorPeerAddress = 0x0012
        case realm = 0x0014
        case nonce = 0x0015
        case xorRelayedAddress = 0x0016
        case requestedAddressFamily = 0x0017
        case requestedTransport = 0x0019
        case xorMappedAddress = 0x0020
        case connectionID = 0x002a
        case fingerprint = 0x8028
    }

    var type: UInt16
    var value: [UInt8]

    init(_ kind: Kind, _ value: [UInt8]) {
        type = kind.rawValue
        self.value = value
    }

    init(type: UInt16, value: [UInt8]) {
        self.type = type
        self.value = value
    }

    func write(to writer: inout BigEndianWriter) {
        writer.write(type)
        writer.write(UInt16(value.count))
        writer.bytes += value
        while writer.bytes.count % 4 != 0 { writer.bytes.append(0) }
    }

    /// All attributes of a message's body.
    static func list(_ bytes: ArraySlice<UInt8>) throws(MalformedMessage) -> [STUNAttribute] {
        var rest = bytes
        var attributes: [STUNAttribute] = []
        while !rest.isEmpty {
            guard rest.count >= 4 else {
                throw MalformedMessage(reason: "a STUN attribute is cut off")
            }
            let head = Array(rest.prefix(4))
            let count = Int(head.bigEndian(UInt16.self, at: 2))
            let padded = (count + 3) / 4 * 4
            guard rest.count >= 4 + padded else {
                throw MalformedMessage(reason: "a STUN attribute is cut off")
            }
            rest.removeFirst(4)
            attributes.append(
                STUNAttribute(
                    type: head.bigEndian(UInt16.self, at: 0), value: Array(rest.prefix(count))))
            rest.removeFirst(padded)
        }
        return attributes
    }
}

// MARK: Making values

extension STUNAttribute {
    static func lifetime(_ seconds: UInt32) -> STUNAttribute { number(.lifetime, seconds) }

    static func connectionID(_ id: UInt32) -> STUNAttribute { number(.connectionID, id) }

    /// The transport of the relayed address: 6 is TCP (RFC 6062 §4.1).
    static let tcpTransport = STUNAttribute(.requestedTransport, [6, 0, 0, 0])
    static let ipv6Family = STUNAttribute(.requestedAddressFamily, [2, 0, 0, 0])

    static func text(_ kind: Kind, _ text: String) -> STUNAttribute {
        STUNAttribute(kind, Array(text.utf8))
    }

    private static func number(_ kind: Kind, _ number: UInt32) -> STUNAttribute {
        var writer = BigEndianWriter()
        writer.write(number)
        return STUNAttribute(kind, writer.bytes)
    }

    /// An address, masked with the cookie and the transaction so that no NAT on the way rewrites
    /// it (RFC 8489 §14.2).
    static func address(
        _ kind: Kind, _ address: SocketAddress, transaction: [UInt8]
    ) -> STUNAttribute {
        var writer = BigEndianWriter()
        writer.write(UInt8(0))
        let plain: [UInt8]
        switch address.ip {
        case .v4(let ip):
            writer.write(UInt8(1))
            var ipBytes = BigEndianWriter()
            ipBytes.write(ip)
            plain = ipBytes.bytes
        case .v6(let high, let low):
            writer.write(UInt8(2))
            var ipBytes = BigEndianWriter()
            ipBytes.write(high)
            ipBytes.write(low)
            plain = ipBytes.bytes
        }
        writer.write(address.port ^ UInt16(STUNMessage.magicCookie >> 16))
        writer.bytes += zip(plain, mask(transaction)).map { $0 ^ $1 }
        return STUNAttribute(kind, writer.bytes)
    }

    fileprivate static func mask(_ transaction: [UInt8]) -> [UInt8] {
        var cookie = BigEndianWriter()
        cookie.write(STUNMessage.magicCookie)
        return cookie.bytes + transaction
    }
}

// MARK: Reading values

extension STUNMessage {
    func number(_ kind: STUNAttribute.Kind) -> UInt32? {
        guard let value = value(kind), value.count == 4 else { return nil }
        return value.bigEndian(UInt32.self, at: 0)
    }

    func text(_ kind: STUNAttribute.Kind) -> String? {
        value(kind).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The address in an attribute whose name begins with XOR-.
    func address(_ kind: STUNAttribute.Kind) -> SocketAddress? {
        guard let value = value(kind), value.count >= 4 else { return nil }
        let port = value.bigEndian(UInt16.self, at: 2) ^ UInt16(Self.magicCookie >> 16)
        let plain = zip(value.dropFirst(4), STUNAttribute.mask(transaction)).map { $0 ^ $1 }
        switch (value[1], value.count) {
        case (1, 8): return SocketAddress(ip: .v4(plain.bigEndian(UInt32.self, at: 0)), port: port)
        case (2, 20):
            let ip = IPAddress(
                high: plain.bigEndian(UInt64.self, at: 0),
                low: plain.bigEndian(UInt64.self, at: 8))
            return SocketAddress(ip: ip, port: port)
        default: return nil
        }
    }

    /// 300 to 699, of a failure (RFC 8489 §14.8).
    var errorCode: Int? {
        guard let value = value(.errorCode), value.count >= 4 else { return nil }
        let hundreds = Int(value[2] & 7)
        guard (3...6).contains(hundreds), value[3] < 100 else { return nil }
        return hundreds * 100 + Int(value[3])
    }
}
