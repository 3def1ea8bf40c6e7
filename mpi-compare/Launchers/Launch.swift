// Starts any program in any environment: what `mpi-compare launch` and `mpi-compare run` share.
@preconcurrency import Glibc
import Lab
import Processes
import ServerlessMPI

/// A program and the world to start it in.
public struct LaunchRequest: Sendable {
    public var executable: String
    public var arguments: [String]
    public var ranks: Int
    public var environment: Environment
    /// Are serverless ranks to encrypt? As the environment says, if nothing else is set.
    public var isEncrypted: Bool
    /// How long one wait of a rank may last; nil for the backend's default.
    public var operationTimeoutSeconds: Int?
    /// ServerlessMPI: the largest job whose ranks all connect at the start; nil for the default.
    public var mesh: Int?
    /// ServerlessMPI: which kinds of addresses ranks may use.
    public var candidates = CandidatePolicy.all
    /// Shall ranks in a laboratory have a TURN server?
    public var hasTURNServer = false
    /// Must every line name its rank, also where all ranks share one starter?
    public var needsRanksOfLines = true
    /// Where environment serverless-nat puts the ranks; nil for a masquerading NAT for each.
    public var internet: Internet?
    /// What the environments lambda-local and lambda need to know.
    public var lambda = LambdaOptions()
    /// ServerlessMPI: which stores may carry payload beside links, and when.
    public var channels: ChannelPlan?
    /// What environments redis and s3 talk through.
    public var store = StoreChoice.own(nil)
    public var job = JobOptions()

    public init(
        executable: String, arguments: [String] = [], ranks: Int, environment: Environment
    ) {
        self.executable = executable
        self.arguments = arguments
        self.ranks = ranks
        self.environment = environment
        isEncrypted = environment.isEncrypted
    }
}

/// Runs the program to its end.
///
/// - Parameters:
///   - warn: called with one line about something that looks wrong but does not prevent the start.
///   - output: called with every line the ranks write.
/// - Throws: `LaunchError` if the job cannot be started.
public func launch(
    _ request: LaunchRequest, warn: (String) -> Void, output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    guard let executable = findExecutable(request.executable) else {
        throw LaunchError(
            request.executable.contains("/")
                ? "there is no program \(request.executable)"
                : "there is no program \(request.executable) in PATH; for one in this folder "
                    + "write ./\(request.executable)")
    }
    try checkRanks(request.ranks, request.environment)
    if let warning = mismatchWarning(executable, request.environment) { warn(warning) }
    switch request.environment.backend {
    case .threads:
        return try runJob([threadsPlan(executable, request)], request.job, output: output)
    case .openmpi:
        let plan = try openMPIPlan(
            executable, request.arguments, ranks: request.ranks,
            overTCP: request.environment == .openMPITCP, tagged: request.needsRanksOfLines,
            operationTimeout: request.operationTimeoutSeconds)
        return try runJob([plan], request.job, output: output)
    case .serverless:
        if request.environment == .serverlessNAT {
            return try runServerlessJobBehindNATs(executable, request, output)
        }
        if request.environment.isStorage {
            return try runStorageJob(executable, request, output)
        }
        return try runServerlessJob(executable, request, output)
    case .lambda: return try runLambdaJob(executable, request, output)
    }
}

/// One process whose `withWorld` makes the threads. All ranks share its output.
private func threadsPlan(_ executable: String, _ request: LaunchRequest) -> ProcessPlan {
    var variables = ["THREADMPI_RANKS": String(request.ranks)]
    if let seconds = request.operationTimeoutSeconds {
        variables["THREADMPI_TIMEOUT"] = String(seconds)
    }
    return ProcessPlan(
        executable: executable, arguments: request.arguments, environment: variables,
        rank: request.ranks == 1 ? 0 : nil)
}

/// - Throws: `LaunchError` if the environment cannot hold so many ranks on this machine.
public func checkRanks(_ ranks: Int, _ environment: Environment) throws(LaunchError) {
    guard ranks >= 1 else { throw LaunchError("-n \(ranks): a job has at least 1 rank") }
    let largest = ranksMax(environment)
    if [.serverlessNAT, .lambdaLocal].contains(environment) && ranks > Lab.ranksMax {
        throw LaunchError("-n \(ranks): a laboratory takes at most \(Lab.ranksMax) ranks")
    }
    if ranks > largest {
        throw LaunchError(
            "-n \(ranks): environment \(environment.rawValue) takes at most \(largest) ranks on "
                + "this machine (open files are limited: raise ulimit -n)")
    }
}

/// Descriptors decide: the launcher holds two pipes per process and its rendezvous server one
/// connection, and each rank one connection per peer.
private func ranksMax(_ environment: Environment) -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 64 }
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    let descriptors = Int(min(limit.rlim_cur, 65_536))
    switch environment.backend {
    case .threads: return 1024
    case .openmpi: return min(1024, (descriptors - 64) / 4)
    case .serverless: return min(1000, (descriptors - 64) / 4)
    // Each function has a connection, a pipe and a socket here; on AWS 1000 may run at once.
    case .lambda: return min(1000, (descriptors - 64) / 4)
    }
}
