// ServerlessMPI on this machine: a rendezvous server inside the launcher, and one process per rank
// that joins through it.
@preconcurrency import Glibc
import MessagePassing
import ServerlessMPI

/// Starts the server on a free port of the loopback interface, the ranks with freshly minted
/// secrets in their environment (never in their arguments, which anybody can read), and stops the
/// server when all have ended.
func runServerlessJob(
    _ executable: String, _ request: LaunchRequest, _ output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    let server: RendezvousServer
    do {
        server = try RendezvousServer.start(listen: "127.0.0.1:0", secret: .random())
    } catch {
        throw LaunchError("the rendezvous server cannot start: \(error)")
    }
    defer { server.stop() }
    var url = JoinURL(
        host: server.host, port: server.port, job: "launch-\(getpid())", size: request.ranks,
        encryption: request.environment.isEncrypted ? .on : .none,
        observerPort: server.observerPort)
    if let seconds = request.operationTimeoutSeconds { url.timeout = .seconds(seconds) }
    if let mesh = request.mesh { url.mesh = mesh }
    let variables = server.mintTokens(job: url.job).environment(url)
    let plans = (0..<request.ranks).map { rank in
        ProcessPlan(
            executable: executable, arguments: request.arguments,
            environment: variables.merging(
                [JoinConfiguration.Variable.rank: String(rank)], uniquingKeysWith: { $1 }),
            rank: rank)
    }
    return try runJob(plans, request.job, output: output)
}
