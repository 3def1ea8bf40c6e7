// Compiles an internet to commands of iproute2 and nftables. Everything is inside namespaces of the
// laboratory's own, the wires between them included: nothing appears in the machine's network.
//
// The core is a router with a point-to-point line to every public address. With a delay it sends
// what comes in through a TUN device, at whose other end packets wait (DelayLine), and routes what
// comes back from there: the kernel's own netem is not everywhere.
import Processes

/// One program to run, with its input.
struct LabCommand: Sendable, Equatable {
    var arguments: [String]
    var input = ""
}

/// - Throws: `LaunchError` if it cannot be started.
func run(_ command: LabCommand) throws(LaunchError) -> CommandResult {
    try runCommand(command.arguments, input: command.input)
}

struct LabPlan: Sendable {
    /// Where an impostor listens; its rules lead every port there.
    static let impostorPort: UInt16 = 9
    static let delayDevice = "delay"

    let identifier: String
    let nodes: [PlacedNode]
    let lines: LineConditions

    init(_ internet: Internet, identifier: String) throws(LaunchError) {
        self.identifier = identifier
        nodes = try AddressPlan(internet).nodes
        lines = internet.lines
    }

    static let prefix = "smpi-"

    func namespace(_ node: String) -> String { "\(LabPlan.prefix)\(identifier)-\(node)" }

    private var core: String { namespace(AddressPlan.coreName) }

    /// In the order in which they must run.
    var commands: [LabCommand] {
        let names = [AddressPlan.coreName] + nodes.map(\.name)
        var commands = [
            LabCommand(
                arguments: ["ip", "-batch", "-"],
                input: names.map { "netns add \(namespace($0))\n" }.joined())
        ]
        // Before there are interfaces, which copy the defaults: packets come back through another
        // device than they left by, which strict reverse-path filters take for forgery.
        commands += names.map(settings) + settings6
        commands += wires
        commands += nodes.flatMap(rules)
        return commands
    }

    // MARK: Settings

    private func settings(_ name: String) -> LabCommand {
        var settings = ["conf/all/rp_filter": 0, "conf/default/rp_filter": 0]
        if isRouter(name) {
            settings["ip_forward"] = 1
            // Two hosts of one network need no advice to talk directly.
            settings["conf/all/send_redirects"] = 0
            settings["conf/default/send_redirects"] = 0
        }
        let lines = settings.sorted { $0.key < $1.key }.map { "echo \($0.value) >\($0.key)" }
        let script = (["cd /proc/sys/net/ipv4"] + lines).joined(separator: "; ")
        return inNamespace(name, ["/bin/sh", "-euc", script])
    }

    /// Nobody asks whether an address is taken, link-local ones included: before the answer a router
    /// asks nobody for a host's link-layer address, and the first packets wait for a second. Without
    /// probes, but with detection on, an address is still tentative for up to that long.
    private var settings6: [LabCommand] {
        let dualStack = nodes.filter { $0.network6 != nil }.map(\.name)
        if dualStack.isEmpty { return [] }
        return ([AddressPlan.coreName] + dualStack).map { name in
            var script = "cd /proc/sys/net/ipv6/conf"
            for scope in ["all", "default"] { script += "; echo 0 >\(scope)/accept_dad" }
            if isRouter(name) { script += "; echo 1 >all/forwarding" }
            return inNamespace(name, ["/bin/sh", "-euc", script])
        }
    }

    private func isRouter(_ name: String) -> Bool {
        if name == AddressPlan.coreName { return true }
        return nodes.contains { node in
            if case .router = node.role { node.name == name } else { false }
        }
    }

    private func inNamespace(
        _ name: String, _ command: [String], input: String = ""
    ) -> LabCommand {
        LabCommand(arguments: ["ip", "netns", "exec", namespace(name)] + command, input: input)
    }

    // MARK: Wires

    /// One batch per namespace, routers first: a wire is made by the router's end.
    private var wires: [LabCommand] {
        var batches: [String: [String]] = [AddressPlan.coreName: coreSetUp]
        for (index, node) in nodes.enumerated() {
            let router = node.router?.name ?? AddressPlan.coreName
            let wire = "port\(index)"
            batches[router, default: []] += [
                "link add dev \(wire) type veth peer name wan netns \(namespace(node.name))"
            ]
            batches[router, default: []] += attach(wire, to: node)
            batches[node.name, default: []] += ends(of: node)
        }
        var commands: [LabCommand] = []
        for name in [AddressPlan.coreName] + nodes.map(\.name) {
            guard let lines = batches[name] else { continue }
            commands.append(
                LabCommand(
                    arguments: ["ip", "-n", namespace(name), "-batch", "-"],
                    input: lines.map { $0 + "\n" }.joined()))
        }
        return commands + delay6 + bandwidths
    }

    private static let delayTable = 100

    /// Rules of IPv6 need a batch of their own; all else tells its family by its addresses.
    private var delay6: [LabCommand] {
        guard lines.delay > .zero, nodes.contains(where: { $0.network6 != nil }) else { return [] }
        let batch =
            delayRules + [
                "route add default dev \(LabPlan.delayDevice) table \(LabPlan.delayTable)"
            ]
        return [
            LabCommand(
                arguments: ["ip", "-n", core, "-6", "-batch", "-"],
                input: batch.map { $0 + "\n" }.joined())
        ]
    }

    private var delayRules: [String] {
        [
            "rule add pref 10 iif \(LabPlan.delayDevice) lookup main",
            "rule add pref 20 lookup \(LabPlan.delayTable)",
        ]
    }

    private var coreSetUp: [String] {
        let own = ["link set dev lo up"]
        guard lines.delay > .zero else { return own }
        return own + [
            "tuntap add dev \(LabPlan.delayDevice) mode tun",
            "link set dev \(LabPlan.delayDevice) up txqueuelen 10000",
            "route add default dev \(LabPlan.delayDevice) table \(LabPlan.delayTable)",
        ] + delayRules
    }

    /// The router's end of a wire.
    private func attach(_ wire: String, to node: PlacedNode) -> [String] {
        if node.router != nil { return ["link set dev \(wire) master lan up"] }
        let lines = [
            "link set dev \(wire) up",
            "addr add \(PublicAddresses.core)/32 dev \(wire)",
            "route add \(node.address)/32 dev \(wire)",
        ]
        guard let prefix = node.network6?.prefix else { return lines }
        return lines + [
            "addr add \(PublicAddresses.core6)/128 dev \(wire) nodad",
            "route add \(prefix)ffff/128 dev \(wire)",
            "route add \(prefix)/64 via \(prefix)ffff dev \(wire)",
        ]
    }

    /// IPv6 addresses are used at once, without asking whether somebody else has them.
    private func ends6(of node: PlacedNode) -> [String] {
        guard let (prefix, _) = node.network6, let address = node.address6 else { return [] }
        if node.router != nil {
            return [
                "addr add \(address)/64 dev wan nodad", "route add default via \(prefix)1 dev wan",
            ]
        }
        return [
            "addr add \(prefix)ffff/128 dev wan nodad",
            "route add \(PublicAddresses.core6) dev wan",
            "route add default via \(PublicAddresses.core6) dev wan",
            "addr add \(address)/64 dev lan nodad",
        ]
    }

    /// The node's end of its wire, and the network behind it.
    private func ends(of node: PlacedNode) -> [String] {
        var lines = ["link set dev lo up", "link set dev wan up"]
        if let router = node.router {
            lines.append("addr add \(node.address)/\(LocalNetwork.prefixLength) dev wan")
            lines.append("route add default via \(router.address) dev wan")
        } else {
            lines.append("addr add \(node.address)/32 dev wan")
            lines.append("route add \(PublicAddresses.core) dev wan")
            lines.append("route add default via \(PublicAddresses.core) dev wan")
        }
        if case .router(_, let network) = node.role {
            lines.append("link add dev lan type bridge")
            lines.append("link set dev lan up")
            lines.append("addr add \(network.host(1))/\(LocalNetwork.prefixLength) dev lan")
        }
        return lines + ends6(of: node)
    }

    /// A token bucket at both ends of every public line.
    private var bandwidths: [LabCommand] {
        guard let megabits = lines.megabitsPerSecond else { return [] }
        // A hundredth of a second's worth: the kernel refills a bucket once per timer tick.
        let burst = max(64_000, megabits * 1_000_000 / 8 / 100)
        func bucket(_ namespace: String, _ device: String) -> LabCommand {
            LabCommand(
                arguments: ["tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf"]
                    + ["rate", "\(megabits)mbit", "burst", "\(burst)", "latency", "100ms"])
        }
        return nodes.enumerated().filter { $0.element.router == nil }.flatMap { index, node in
            [bucket(namespace(node.name), "wan"), bucket(core, "port\(index)")]
        }
    }

    // MARK: Rules

    private func rules(_ node: PlacedNode) -> [LabCommand] {
        let nft = ["nft", "-f", "-"]
        switch node.role {
        case .host(.rank): return []
        case .host(.firewalledRank):
            return [inNamespace(node.name, nft, input: FilterRules.firewall)]
        case .host(.impostor):
            let rules = FilterRules.impostor(port: LabPlan.impostorPort)
            return [inNamespace(node.name, nft, input: rules)]
        case .router(let behaviour, _):
            var commands = [inNamespace(node.name, nft, input: FilterRules.router(behaviour))]
            if let seconds = lines.mappingLifetimeSeconds {
                // The tracker's settings exist once the rules have called for it.
                let setting = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"
                commands.append(
                    inNamespace(
                        node.name, ["/bin/sh", "-euc", "echo \(seconds) >\(setting)"]))
            }
            return commands
        }
    }
}
