// ServerlessMPI on this machine: a rendezvous server inside the launcher, and one process per rank
// that joins through it; all in one network, or each rank behind a NAT of a laboratory.
@preconcurrency import Glibc
import Lab
import MessagePassing
import Processes
import ServerlessMPI

/// Starts the server on a free port of the loopback interface, the ranks with freshly minted
/// secrets in their environment (never in their arguments, which anybody can read), and stops the
/// server when all have ended.
func runServerlessJob(
    _ executable: String, _ request: LaunchRequest, _ output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    let server = try startServer("127.0.0.1:0")
    defer { server.stop() }
    let stores = try ChannelStores(for: request.channels)
    defer { stores.stop() }
    var plans = serverlessPlans(executable, request, server)
    for index in plans.indices {
        plans[index].environment.merge(stores.variables, uniquingKeysWith: { $1 })
    }
    return try runJob(plans, request.job, output: output)
}

/// The same in a laboratory that exists for this job: the server at a public address of its own,
/// every rank on a host of the internet.
func runServerlessJobBehindNATs(
    _ executable: String, _ request: LaunchRequest, _ output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    let lab = try Lab(request.internet ?? Topologies.ranks(request.ranks))
    defer { lab.close() }
    let server = try startServer(in: lab)
    defer { server.stop() }
    var plans = serverlessPlans(executable, request, server)
    let turn = request.hasTURNServer ? try TURNServer(in: lab) : nil
    defer { turn?.stop() }
    for index in plans.indices {
        plans[index].environment.merge(turn?.environment ?? [:], uniquingKeysWith: { $1 })
    }
    return try runJob(
        placed(plans, in: lab, on: lab.internet.rankHosts), request.job, output: output)
}

/// A rendezvous server where a laboratory has its place for it.
///
/// Stop it before the laboratory is closed.
/// - Parameter secret: the operator's.
public func startServer(
    in lab: Lab, secret: Secret = .random()
) throws(LaunchError) -> RendezvousServer {
    try lab.atRendezvous { () throws(LaunchError) in
        try startServer("\(Lab.rendezvousAddress):0", secret)
    }
}

private func startServer(
    _ address: String, _ secret: Secret = .random()
) throws(LaunchError) -> RendezvousServer {
    do {
        return try RendezvousServer.start(listen: address, secret: secret)
    } catch {
        throw LaunchError("the rendezvous server cannot start: \(error)")
    }
}

private func serverlessPlans(
    _ executable: String, _ request: LaunchRequest, _ server: RendezvousServer
) -> [ProcessPlan] {
    var url = JoinURL(
        host: server.host, port: server.port, job: "launch-\(getpid())", size: request.ranks,
        encryption: request.isEncrypted ? .on : .none, observerPort: server.observerPort)
    if let seconds = request.operationTimeoutSeconds { url.timeout = .seconds(seconds) }
    if let mesh = request.mesh { url.mesh = mesh }
    url.candidates = request.candidates
    url.channels = request.channels
    if request.environment == .serverlessResume { url.resume = .always }
    if let seconds = request.internet?.lines.mappingLifetimeSeconds {
        // One sign of life may be lost on the way, and the next is still in time.
        let interval = Duration.seconds(max(1, seconds / 3))
        url.keepAlive = min(interval, JoinURL.defaultKeepAlive)
    }
    return serverlessPlans(executable, request.arguments, url, server)
}

/// One process per rank of the job that `url` names.
public func serverlessPlans(
    _ executable: String, _ arguments: [String], _ url: JoinURL, _ server: RendezvousServer
) -> [ProcessPlan] {
    let variables = server.mintTokens(job: url.job).environment(url)
    return (0..<url.size).map { rank in
        ProcessPlan(
            executable: executable, arguments: arguments,
            environment: variables.merging(
                [JoinConfiguration.Variable.rank: String(rank)], uniquingKeysWith: { $1 }),
            rank: rank)
    }
}

/// The same processes, each on a host of a laboratory.
///
/// - Precondition: there is a host for every plan.
public func placed(
    _ plans: [ProcessPlan], in lab: Lab, on hosts: [String]
) throws(LaunchError) -> [ProcessPlan] {
    precondition(plans.count <= hosts.count, "a host for every rank")
    var placed = plans
    for (index, host) in hosts.prefix(plans.count).enumerated() {
        let plan = plans[index]
        (placed[index].executable, placed[index].arguments) = try lab.command(
            on: host, plan.executable, plan.arguments)
    }
    return placed
}
