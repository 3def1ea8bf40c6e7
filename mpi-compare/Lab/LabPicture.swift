// An internet as a picture of text: `mpi-compare lab show`.
import Processes

/// One line per node, indented under its router.
///
/// - Throws: `LaunchError` if the internet cannot be built.
public func draw(_ internet: Internet) throws(LaunchError) -> [String] {
    let plan = try AddressPlan(internet)
    var ranks: [String: Int] = [:]
    for (rank, host) in internet.rankHosts.enumerated() { ranks[host] = rank }
    var title = "internet"
    let lines = internet.lines
    if lines.delay > .zero { title += " · \(milliseconds(lines.delay)) ms each way" }
    if let megabits = lines.megabitsPerSecond { title += " · \(megabits) Mbit/s" }
    if let seconds = lines.mappingLifetimeSeconds {
        title += " · routers forget after \(seconds) s"
    }
    return [title] + branches(of: nil, plan.nodes, ranks, indentation: "")
}

private func branches(
    of router: String?, _ nodes: [PlacedNode], _ ranks: [String: Int], indentation: String
) -> [String] {
    let own = nodes.filter { $0.router?.name == router }
    var lines: [String] = []
    for (index, node) in own.enumerated() {
        let isLast = index == own.count - 1
        lines.append(indentation + (isLast ? "└─ " : "├─ ") + label(node, ranks))
        if case .router = node.role {
            lines += branches(
                of: node.name, nodes, ranks, indentation: indentation + (isLast ? "   " : "│  "))
        }
    }
    return lines
}

private func label(_ node: PlacedNode, _ ranks: [String: Int]) -> String {
    switch node.role {
    case .host(let role):
        let rank = ranks[node.name].map { " · rank \($0)" } ?? ""
        let what =
            switch role {
            case .rank: rank
            case .firewalledRank: rank + " · firewall"
            case .impostor: " · impostor"
            }
        return "\(node.name) \(node.address)\(what)"
    case .router(let behaviour, let network):
        let network6 = node.network6.map { " · \($0.prefix)/64 behind a firewall" } ?? ""
        return "\(node.name) \(node.address) · \(words(behaviour)) · \(network)\(network6)"
    }
}

private func words(_ behaviour: NATBehaviour) -> String {
    let mapping = behaviour.mapping == .perConnection ? "symmetric" : "masquerade"
    return behaviour.unsolicited == .reset ? mapping + ", answers RST" : mapping
}

private func milliseconds(_ duration: Duration) -> String {
    let value = duration / .milliseconds(1)
    return value == value.rounded() ? "\(Int(value))" : "\(value)"
}
