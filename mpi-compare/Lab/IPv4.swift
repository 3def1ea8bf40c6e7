// Addresses of the laboratory. Those of its internet come from the ranges reserved for
// documentation (RFC 5737, RFC 3849), so that nothing in it can be taken for a real machine.

/// An IPv4 address.
public struct IPv4Address: Hashable, Sendable, CustomStringConvertible {
    public let value: UInt32

    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        value = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    public var description: String {
        [24, 16, 8, 0].map { String(value >> UInt32($0) & 0xFF) }.joined(separator: ".")
    }
}

/// A network of 254 hosts.
public struct LocalNetwork: Hashable, Sendable, CustomStringConvertible {
    private let a: UInt8
    private let b: UInt8
    private let c: UInt8

    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8) {
        (self.a, self.b, self.c) = (a, b, c)
    }

    /// The router's own address is number 1.
    public func host(_ number: UInt8) -> IPv4Address { IPv4Address(a, b, c, number) }

    public static let prefixLength = 24
    public var description: String { "\(host(0))/\(LocalNetwork.prefixLength)" }
}

/// The addresses that parts of the internet get, in the order in which they are declared.
enum PublicAddresses {
    /// The core's own address on every line, and everybody's gateway.
    static let core = IPv4Address(203, 0, 113, 1)
    static let rendezvous = IPv4Address(203, 0, 113, 2)

    private static let networks = [LocalNetwork(203, 0, 113), LocalNetwork(198, 51, 100)]
    private static let first: UInt8 = 10
    private static let perNetwork = 240
    static var countMax: Int { networks.count * perNetwork }

    /// The core's IPv6 address on the lines to routers that have IPv6.
    static let core6 = "2001:db8:ffff::1"

    /// The network behind the router with the public address of this index, without its length.
    static func network6(_ index: Int) -> String {
        "2001:db8:\(String(index + 1, radix: 16))::"
    }

    /// - Precondition: `index` is below `countMax`.
    static func address(_ index: Int) -> IPv4Address {
        networks[index / perNetwork].host(first + UInt8(index % perNetwork))
    }
}
