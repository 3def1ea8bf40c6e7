// NATs and firewalls as small values (RFC 4787's and RFC 5382's terms): what goes out is mapped,
// what comes in is filtered. No time in here; VirtualNetwork moves the packets.

@testable import ServerlessMPI

/// How one box behaves.
struct NATBehaviour: Hashable, Sendable, CustomStringConvertible {
    enum Mapping: Sendable, CaseIterable {
        /// The box forwards without translating: a stateful firewall, if it filters.
        case none
        /// One outer port per inner address and port.
        case endpointIndependent
        /// Another outer port for every destination: "symmetric".
        case addressAndPortDependent
    }

    enum Filtering: Sendable, CaseIterable {
        /// Whatever comes to a mapping goes in.
        case none
        /// Only from where something has been sent to, as conntrack does.
        case addressAndPortDependent
    }

    enum Answer: Sendable, CaseIterable { case drop, reset }

    var mapping: Mapping
    var filtering = Filtering.addressAndPortDependent
    var answer = Answer.drop

    var description: String {
        let kind =
            switch mapping {
            case .none: "firewall"
            case .endpointIndependent: "cone"
            case .addressAndPortDependent: "symmetric"
            }
        return kind + (filtering == .none ? ", unfiltered" : "")
            + (answer == .reset ? ", answers RST" : "")
    }
}

/// One box with its state. Its hosts, or further boxes, are in the realm inside it.
struct NATBox {
    let behaviour: NATBehaviour
    let outer: IPAddress
    private struct Flow: Hashable {
        let inner: SocketAddress
        let remote: SocketAddress?
    }

    private var ports: [Flow: UInt16] = [:]
    private var inners: [UInt16: SocketAddress] = [:]
    private var permitted: Set<[SocketAddress]> = []
    private var nextPort: UInt16 = 20_000

    init(_ behaviour: NATBehaviour, outer: IPAddress) {
        self.behaviour = behaviour
        self.outer = outer
    }

    /// What a packet from inside looks like outside.
    mutating func translate(_ source: SocketAddress, to remote: SocketAddress) -> SocketAddress {
        guard behaviour.mapping != .none else {
            permitted.insert([source, remote])
            return source
        }
        let isSymmetric = behaviour.mapping == .addressAndPortDependent
        let flow = Flow(inner: source, remote: isSymmetric ? remote : nil)
        let port: UInt16
        if let known = ports[flow] {
            port = known
        } else {
            // The inner port if it is free, as Linux does; a symmetric one never keeps it.
            port = !isSymmetric && inners[source.port] == nil ? source.port : nextPort
            nextPort += 7
            ports[flow] = port
            inners[port] = source
        }
        let mapped = SocketAddress(ip: outer, port: port)
        permitted.insert([mapped, remote])
        return mapped
    }

    /// Where a packet from outside goes inside; nil if it may not pass.
    mutating func admit(_ source: SocketAddress, to address: SocketAddress) -> SocketAddress? {
        if behaviour.filtering == .addressAndPortDependent,
            !permitted.contains([address, source])
        {
            return nil
        }
        guard behaviour.mapping != .none else { return address }
        guard let inner = inners[address.port] else { return nil }
        let flow = Flow(inner: inner, remote: source)
        // What answers a packet leaves as the packet came.
        if behaviour.mapping == .addressAndPortDependent, ports[flow] == nil {
            ports[flow] = address.port
        }
        return inner
    }
}
