// The laboratory's internet as a value: who stands behind which router. Nothing here touches the
// system; LabPlan turns it into commands.

/// What a router does to connections, in the words of RFC 4787 and RFC 5382.
public struct NATBehaviour: Hashable, Sendable {
    public enum Mapping: Sendable {
        /// One public port per local port, whoever is spoken to.
        case endpointIndependent
        /// A new public port per connection ("symmetric").
        case perConnection
    }

    public enum Unsolicited: Sendable {
        /// SYNs that nobody asked for vanish.
        case drop
        /// They are answered by RST.
        case reset
    }

    public var mapping: Mapping
    public var unsolicited: Unsolicited

    public init(_ mapping: Mapping = .endpointIndependent, _ unsolicited: Unsolicited = .drop) {
        self.mapping = mapping
        self.unsolicited = unsolicited
    }
}

/// One machine that is no router.
public struct LabHost: Hashable, Sendable {
    public enum Role: Sendable {
        /// Ranks are started here.
        case rank
        /// As a rank, with a stateful firewall that drops what it did not ask for.
        case firewalledRank
        /// A bystander who lives at an address that somebody in another network has too, accepts
        /// every connection, and never says a word.
        case impostor
    }

    public var name: String
    public var role: Role
    /// Its number in its network; nil for the next free one. Not for hosts with a public address.
    public var number: UInt8?

    public init(_ name: String, _ role: Role = .rank, number: UInt8? = nil) {
        self.name = name
        self.role = role
        self.number = number
    }
}

/// A NAT router, its network, and what is in it: hosts and further routers.
public struct LabRouter: Hashable, Sendable {
    public var name: String
    public var behaviour: NATBehaviour
    public var network: LocalNetwork
    /// Does its network also have public IPv6 addresses, behind a stateful firewall? Only routers
    /// with a public address of their own can have this.
    public var hasIPv6: Bool
    public var members: [LabNode]

    public init(
        _ name: String, _ behaviour: NATBehaviour, _ network: LocalNetwork, _ members: [LabNode],
        hasIPv6: Bool = false
    ) {
        self.hasIPv6 = hasIPv6
        self.name = name
        self.behaviour = behaviour
        self.network = network
        self.members = members
    }
}

public indirect enum LabNode: Hashable, Sendable {
    case host(LabHost)
    case router(LabRouter)

    public var name: String {
        switch self {
        case .host(let host): host.name
        case .router(let router): router.name
        }
    }

    /// This node and all behind it, in order.
    public var all: [LabNode] {
        switch self {
        case .host: [self]
        case .router(let router): [self] + router.members.flatMap(\.all)
        }
    }
}

/// What holds for every line of the internet.
public struct LineConditions: Hashable, Sendable {
    /// From one public address to another, one way.
    public var delay: Duration = .zero
    /// Of every public address, each way; nil for as fast as this machine can.
    public var megabitsPerSecond: Int?
    /// How long routers remember a connection on which nothing is said; nil for the kernel's 5 days.
    public var mappingLifetimeSeconds: Int?

    public init() {}
}

/// Public hosts and routers around a core, and a rendezvous server among them.
public struct Internet: Hashable, Sendable {
    public var members: [LabNode]
    public var lines = LineConditions()

    public init(_ members: [LabNode]) { self.members = members }

    /// The names of the hosts that ranks are started on, in the order of ranks.
    public var rankHosts: [String] {
        members.flatMap(\.all).compactMap { node in
            guard case .host(let host) = node, host.role != .impostor else { return nil }
            return host.name
        }
    }
}
