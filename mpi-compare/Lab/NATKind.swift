// The kinds of home a rank can have, by the names users give; each is a small piece of internet.

/// How a rank is attached to the internet.
public enum NATKind: String, Sendable, CaseIterable {
    /// A public address, open to all.
    case open = "public"
    /// A public address behind a stateful firewall.
    case firewall
    /// Behind a router that keeps a local port's public port and drops unsolicited SYNs.
    case masquerade
    /// The same, answering unsolicited SYNs by RST.
    case masqueradeRST = "masquerade-rst"
    /// Behind a router that takes a new public port for every connection.
    case symmetric
    /// The same, answering unsolicited SYNs by RST.
    case symmetricRST = "symmetric-rst"
    /// A masquerading home router behind a carrier's masquerading router.
    case cgn
    /// A symmetric NAT for IPv4, and public IPv6 addresses behind a stateful firewall.
    case dualStack = "dual-stack"

    public static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    /// The router that decides what the outside sees; nil if there is none.
    public var behaviour: NATBehaviour? {
        switch self {
        case .open, .firewall: nil
        case .masquerade, .cgn: NATBehaviour()
        case .masqueradeRST: NATBehaviour(.endpointIndependent, .reset)
        case .symmetric, .dualStack: NATBehaviour(.perConnection)
        case .symmetricRST: NATBehaviour(.perConnection, .reset)
        }
    }

    /// How many ranks can share one such home.
    public var isShared: Bool { behaviour != nil }

    /// A home of this kind.
    ///
    /// - Parameters:
    ///   - name: of its router, if it has one.
    ///   - hosts: one, or several if the kind `isShared`.
    ///   - network: of the home; networks of different homes may overlap.
    public func home(_ name: String, hosts: [String], network: LocalNetwork) -> [LabNode] {
        guard let behaviour else {
            let role: LabHost.Role = self == .open ? .rank : .firewalledRank
            return hosts.map { .host(LabHost($0, role)) }
        }
        let home = LabNode.router(
            LabRouter(
                name, behaviour, network, hosts.map { .host(LabHost($0)) },
                hasIPv6: self == .dualStack))
        guard self == .cgn else { return [home] }
        return [.router(LabRouter(name + "-carrier", behaviour, .carrier, [home]))]
    }
}

extension LocalNetwork {
    /// Between homes and a carrier's NAT (RFC 6598).
    static let carrier = LocalNetwork(100, 64, 0)

    /// A home's network, another for each index up to 65 535.
    static func home(_ index: Int) -> LocalNetwork {
        LocalNetwork(10, UInt8(index >> 8 & 0xFF), UInt8(index & 0xFF))
    }
}
