// A laboratory that stands: namespaces, wires, routers, impostors, and a way to run programs and
// servers in it.
@preconcurrency import Glibc
import Processes
import Synchronization

/// An internet built from network namespaces of this machine. It is removed by `close`, and also if
/// this process dies in any way.
public final class Lab: Sendable {
    public let internet: Internet
    private let plan: LabPlan
    private let remover: LabRemover
    private let equipment: Mutex<Equipment>

    private struct Equipment {
        var delayLine: DelayLine?
        var impostors: [Int32] = []
        var isOpen = true
    }

    /// Builds it; takes about 15 ms per node.
    ///
    /// - Throws: `LaunchError` if something is missing (`reasonLabIsUnavailable`) or a command
    ///   fails; then nothing is left.
    public init(_ internet: Internet) throws(LaunchError) {
        if let reason = reasonLabIsUnavailable() { throw LaunchError(reason) }
        self.internet = internet
        let identity = LabIdentity.next().description
        plan = try LabPlan(internet, identifier: identity)
        remover = try LabRemover(prefix: "\(LabPlan.prefix)\(identity)-")
        equipment = Mutex(Equipment())
        do throws(LaunchError) {
            for command in plan.commands { try Lab.execute(command) }
            try equip()
        } catch {
            close()
            throw error
        }
    }

    deinit { close() }

    static func execute(_ command: LabCommand) throws(LaunchError) {
        let result = try run(command)
        guard result.exitCode == 0 else {
            let words = result.output.split(separator: "\n").first.map(String.init) ?? "no words"
            throw LaunchError(
                "the laboratory cannot be built: \(command.arguments.joined(separator: " ")): "
                    + "exit code \(result.exitCode), \(words)")
        }
    }

    private func equip() throws(LaunchError) {
        if plan.lines.delay > .zero {
            let line = try DelayLine(
                namespace: path(AddressPlan.coreName), device: LabPlan.delayDevice,
                delay: plan.lines.delay)
            equipment.withLock { $0.delayLine = line }
        }
        for node in plan.nodes where node.role == .host(.impostor) {
            let socket = try inNetworkNamespace(path(node.name)) { () throws(LaunchError) in
                try listenSilently(LabPlan.impostorPort)
            }
            equipment.withLock { $0.impostors.append(socket) }
        }
    }

    /// Ends what runs in it and removes it. More than one call is no error.
    public func close() {
        let last = equipment.withLock { equipment in
            defer { equipment = Equipment(isOpen: false) }
            return equipment
        }
        guard last.isOpen else { return }
        // They hold their namespaces alive, which would only lose their names.
        last.delayLine?.stop()
        for socket in last.impostors { Glibc.close(socket) }
        remover.remove()
    }

    /// Two namespaces per rank, and every node costs time to build.
    public static let ranksMax = 240

    // MARK: Using it

    /// The address at which a rendezvous server can be reached from everywhere.
    public static var rendezvousAddress: String { PublicAddresses.rendezvous.description }

    /// The node where that server, and others of its kind, have their place.
    public static var rendezvousNode: String { AddressPlan.rendezvousName }

    /// Does somebody accept connections at an address, seen from a node?
    public func accepts(
        on node: String, _ address: String, _ port: UInt16
    ) throws(LaunchError) -> Bool {
        try inNetworkNamespace(path(node)) { () throws(LaunchError) in
            let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            defer { Glibc.close(probe) }
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = port.bigEndian
            target.sin_addr.s_addr = inet_addr(address)
            return withUnsafePointer(to: &target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
        }
    }

    /// The network namespace of a node.
    public func namespace(of node: String) -> String { plan.namespace(node) }

    private func path(_ node: String) -> String { "/run/netns/\(namespace(of: node))" }

    /// Makes a server in the namespace of the rendezvous; its sockets stay there.
    public func atRendezvous<Value: Sendable>(
        _ body: @escaping @Sendable () throws(LaunchError) -> Value
    ) throws(LaunchError) -> Value {
        try at(AddressPlan.rendezvousName, body)
    }

    /// Runs `body` on a thread in the network of a node; sockets that it makes stay there.
    public func at<Value: Sendable>(
        _ node: String, _ body: @escaping @Sendable () throws(LaunchError) -> Value
    ) throws(LaunchError) -> Value {
        try inNetworkNamespace(path(node), body)
    }

    /// A command line that runs another on a node.
    ///
    /// - Parameter executable: a path.
    public func command(
        on node: String, _ executable: String, _ arguments: [String]
    ) throws(LaunchError) -> (executable: String, arguments: [String]) {
        guard let ip = findSystemProgram("ip") else { throw LaunchError(missingLabProgram("ip")) }
        return (ip, ["netns", "exec", namespace(of: node), executable] + arguments)
    }
}

/// A socket on which the kernel completes connections that nobody ever takes.
private func listenSilently(_ port: UInt16) throws(LaunchError) -> Int32 {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    let status = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard listener >= 0, status == 0, listen(listener, 128) == 0 else {
        let reason = lastSystemError()
        close(listener)
        throw LaunchError("an impostor cannot listen: \(reason)")
    }
    return listener
}
