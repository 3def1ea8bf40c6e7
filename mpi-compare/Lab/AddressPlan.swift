// Gives every node of an internet its address: public ones in the order of declaration, private
// ones from the router's network.
import Processes

/// A node with its place.
struct PlacedNode: Sendable, Equatable {
    enum Role: Sendable, Equatable {
        case host(LabHost.Role)
        case router(NATBehaviour, LocalNetwork)
    }

    let name: String
    let role: Role
    /// Towards the internet.
    let address: IPv4Address
    /// The name and address of the router it hangs on; nil for the core.
    let router: (name: String, address: IPv4Address)?
    /// The IPv6 network it has or is in, without its length, and its number there.
    var network6: (prefix: String, number: Int)?

    var address6: String? { network6.map { "\($0.prefix)\(String($0.number, radix: 16))" } }

    static func == (left: PlacedNode, right: PlacedNode) -> Bool {
        left.name == right.name && left.role == right.role && left.address == right.address
            && left.router?.name == right.router?.name && left.address6 == right.address6
    }
}

/// All nodes, routers before what is behind them.
struct AddressPlan: Sendable {
    static let coreName = "core"
    static let rendezvousName = "rendezvous"

    private(set) var nodes: [PlacedNode]
    private var names: Set<String> = [coreName]

    /// - Throws: `LaunchError` for a name that cannot be one or is taken, and for more nodes than
    ///   there are addresses.
    init(_ internet: Internet) throws(LaunchError) {
        nodes = []
        try add(
            PlacedNode(
                name: AddressPlan.rendezvousName, role: .host(.rank),
                address: PublicAddresses.rendezvous, router: nil))
        guard internet.members.count <= PublicAddresses.countMax else {
            throw LaunchError(
                "a laboratory has at most \(PublicAddresses.countMax) public addresses")
        }
        for (index, member) in internet.members.enumerated() {
            let hasIPv6 = if case .router(let router) = member { router.hasIPv6 } else { false }
            try place(
                member, at: PublicAddresses.address(index), behind: nil,
                network6: hasIPv6 ? (PublicAddresses.network6(index), 1) : nil)
        }
    }

    private mutating func place(
        _ node: LabNode, at address: IPv4Address, behind router: (String, IPv4Address)?,
        network6: (prefix: String, number: Int)?
    ) throws(LaunchError) {
        switch node {
        case .host(let host):
            try add(
                PlacedNode(
                    name: host.name, role: .host(host.role), address: address, router: router,
                    network6: network6))
        case .router(let own):
            try add(
                PlacedNode(
                    name: own.name, role: .router(own.behaviour, own.network), address: address,
                    router: router, network6: network6))
            let gateway = own.network.host(1)
            var taken: Set<UInt8> = Set(own.members.compactMap(\.wishedNumber))
            for member in own.members {
                let free = (2...254).first { !taken.contains($0) }
                guard let number = member.wishedNumber ?? free else {
                    throw LaunchError("network \(own.network) of \(own.name) is full")
                }
                taken.insert(number)
                try place(
                    member, at: own.network.host(number), behind: (own.name, gateway),
                    network6: network6.map { ($0.prefix, Int(number)) })
            }
        }
    }

    private mutating func add(_ node: PlacedNode) throws(LaunchError) {
        let isName =
            !node.name.isEmpty && node.name.utf8.count <= 64
            && node.name.utf8.allSatisfy { byte in
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || byte == UInt8(ascii: "-")
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
            }
        guard isName, names.insert(node.name).inserted else {
            throw LaunchError("“\(node.name)” cannot name a node of a laboratory, or is taken")
        }
        nodes.append(node)
    }
}

extension LabNode {
    fileprivate var wishedNumber: UInt8? {
        if case .host(let host) = self { host.number } else { nil }
    }
}
