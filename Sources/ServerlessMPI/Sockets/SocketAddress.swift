// IP addresses and ports as plain values: comparable, hashable, printable, and on the wire.
// Nothing here touches a socket, so the state machines of joining and traversal may use it.

/// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses are read as IPv4.
enum IPAddress: Hashable, Sendable {
    /// In host order: 127.0.0.1 is 0x7f000001.
    case v4(UInt32)
    /// In host order: ::1 is (0, 1).
    case v6(high: UInt64, low: UInt64)

    static let loopback4 = IPAddress.v4(0x7f00_0001)
    static let loopback6 = IPAddress.v6(high: 0, low: 1)
    static let any4 = IPAddress.v4(0)
    static let any6 = IPAddress.v6(high: 0, low: 0)

    init(high: UInt64, low: UInt64) {
        if high == 0, low >> 32 == 0xffff {
            self = .v4(UInt32(truncatingIfNeeded: low))
        } else {
            self = .v6(high: high, low: low)
        }
    }

    var isV4: Bool { if case .v4 = self { true } else { false } }

    var isLoopback: Bool {
        switch self {
        case .v4(let address): address >> 24 == 127
        case .v6(let high, let low): high == 0 && low == 1
        }
    }

    /// Could a packet be sent there at all? Excludes "any", multicast, broadcast and link-local.
    var isUsable: Bool {
        switch self {
        case .v4(let address):
            address >> 24 != 0 && address >> 28 != 0xe && address != .max
                && address >> 16 != 0xa9fe
        case .v6(let high, let low):
            !(high == 0 && low == 0) && high >> 56 != 0xff && high >> 54 != 0x3fa
        }
    }
}

extension IPAddress: CustomStringConvertible {
    var description: String {
        switch self {
        case .v4(let address):
            return "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
        case .v6(let high, let low):
            let groups = [high, low].flatMap { half in
                [48, 32, 16, 0].map { String(half >> UInt64($0) & 0xffff, radix: 16) }
            }
            return compress(groups)
        }
    }

    /// RFC 5952: the longest run of two or more zero groups becomes `::`.
    private func compress(_ groups: [String]) -> String {
        var best = 0..<0
        var start = 0
        for index in 0...groups.count where index == groups.count || groups[index] != "0" {
            if index - start > max(best.count, 1) { best = start..<index }
            start = index + 1
        }
        guard !best.isEmpty else { return groups.joined(separator: ":") }
        return groups[..<best.lowerBound].joined(separator: ":") + "::"
            + groups[best.upperBound...].joined(separator: ":")
    }
}

/// An IP address and a TCP port.
struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    var ip: IPAddress
    var port: UInt16

    var description: String { ip.isV4 ? "\(ip):\(port)" : "[\(ip)]:\(port)" }
}

extension SocketAddress {
    /// family u8 (4 or 6), port u16, address 4 or 16 bytes in network order.
    func write(to writer: inout ByteWriter) {
        switch ip {
        case .v4(let address):
            writer.write(UInt8(4))
            writer.write(port)
            writer.write(address.byteSwapped)
        case .v6(let high, let low):
            writer.write(UInt8(6))
            writer.write(port)
            writer.write(high.byteSwapped)
            writer.write(low.byteSwapped)
        }
    }

    init(from reader: inout ByteReader) throws(MalformedMessage) {
        let family = try reader.read(UInt8.self, "address family")
        port = try reader.read(UInt16.self, "port")
        switch family {
        case 4:
            ip = .v4(try reader.read(UInt32.self, "address").byteSwapped)
        case 6:
            let high = try reader.read(UInt64.self, "address").byteSwapped
            let low = try reader.read(UInt64.self, "address").byteSwapped
            ip = IPAddress(high: high, low: low)
        default:
            throw MalformedMessage(reason: "address family is neither 4 nor 6")
        }
    }
}
