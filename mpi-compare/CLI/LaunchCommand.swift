// `mpi-compare launch`: mpirun for every environment.
import ArgumentParser
import Lab
import Launchers
import Processes
import ServerlessMPI

struct LaunchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Start a program on N ranks in one environment.",
        discussion: """
            Output is prefixed by rank, INT and TERM are passed on, the first failure ends the \
            other ranks, and its exit code is returned. Example:

              mpi-compare launch -n 4 --environment serverless -- ./program arguments

            serverless-tls encrypts every connection and is the default; serverless does not, as \
            Open MPI does not.
            """)

    @Option(name: [.customShort("n"), .customLong("ranks")], help: "Number of ranks.")
    var ranks = 1

    @Option(help: "One of: \(Environment.names).")
    var environment = Environment.serverlessTLS.rawValue

    @Option(help: "End the job after this many seconds (exit code 124).")
    var timeout: Double?

    @Option(help: "Fail a rank whose wait lasts longer than this many seconds.")
    var operationTimeout: Int?

    @OptionGroup var links: LinkOptions

    @OptionGroup var channels: ChannelOptions

    @Option(help: "Seconds from TERM to KILL when a job is ended.")
    var grace = 3.0

    @Option(
        help: ArgumentHelp(
            "Kinds of NAT for environment serverless-nat, taken in turn.",
            discussion: "Comma-separated, from: \(NATKind.names)."))
    var nat: String?

    @OptionGroup var functions: LambdaArguments

    @Option(help: ArgumentHelp("Store for environments redis and s3.", discussion: storeHelp))
    var store: String?

    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments, after --.")
    var program: [String] = []

    func run() throws {
        let (executable, arguments) = try commandLine(
            program, of: self, example: "mpi-compare launch -n 2 -- ./program arguments")
        for (name, seconds) in [("timeout", timeout ?? 1), ("grace", grace)] where !(seconds > 0) {
            throw LaunchError("--\(name) \(seconds): give a positive number of seconds")
        }
        if let operationTimeout, operationTimeout < 1 {
            throw LaunchError(
                "--operation-timeout \(operationTimeout): give a positive number of seconds")
        }
        var request = LaunchRequest(
            executable: executable, arguments: arguments, ranks: ranks,
            environment: try Environment(named: environment))
        request.operationTimeoutSeconds = operationTimeout
        try links.apply(to: &request)
        request.channels = try channels.plan(for: [request.environment])
        request.job.grace = .seconds(grace)
        request.job.timeout = timeout.map { .seconds($0) }
        request.lambda = try functions.options()

        if let nat {
            guard request.environment == .serverlessNAT else {
                throw LaunchError("--nat needs --environment serverless-nat")
            }
            request.internet = Topologies.ranks(max(1, ranks), kinds: try natKinds(nat))
        }
        if let store {
            guard request.environment.isStorage else {
                throw LaunchError("--store needs --environment redis or s3")
            }
            request.store = try StoreChoice(parsing: store)
        }
        try runPrefixed(request)
    }
}

let storeHelp = """
    redis://HOST:PORT, 's3://BUCKET/FOLDER?endpoint=URL&region=NAME' (credentials by AWS_ACCESS_KEY_ID \
    and AWS_SECRET_ACCESS_KEY), or ministack or moto_server. Without it a server is started here.
    """

/// How serverless ranks connect.
struct LinkOptions: ParsableArguments {
    @Option(
        help: "Serverless: connect all ranks at the start up to this many; 0 only when needed.")
    var mesh: Int?

    @Option(help: "Serverless: all, relayed (through relays only) or turn (TURN servers only).")
    var candidates = CandidatePolicy.all.rawValue

    func apply(to request: inout LaunchRequest) throws {
        if let mesh, mesh < 0 {
            throw LaunchError("--mesh \(mesh): give a number of ranks, or 0")
        }
        guard let policy = CandidatePolicy(rawValue: candidates) else {
            throw LaunchError("--candidates \(candidates): use all, relayed or turn")
        }
        request.mesh = mesh
        request.candidates = policy
    }
}

/// Over which channels serverless ranks talk.
struct ChannelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Serverless: let payload go through stores, too: fastest:direct,redis,s3.",
            discussion: """
                RULE:CHANNEL,…; the rule is fastest or cheapest (by the cost model), or sizes \
                (sizes:direct@0,redis@1024,s3@1048576: from so many bytes); the channels are \
                direct, relayed, redis and s3. SERVERLESS_MPI_REDIS and SERVERLESS_MPI_S3 say \
                where the stores are (redis://HOST:PORT, s3://BUCKET/FOLDER); without them servers \
                are started here.
                """))
    var channels: String?

    /// - Throws: `LaunchError` if no environment has ranks that can use them.
    func plan(for environments: [Environment]) throws -> ChannelPlan? {
        guard let channels else { return nil }
        guard environments.contains(where: \.hasChannels) else {
            throw LaunchError(
                "--channels needs environment serverless or serverless-tls: in others ranks reach "
                    + "no store of this machine")
        }
        do {
            return try ChannelPlan(parsing: channels)
        } catch {
            throw LaunchError("--channels: \(error.reason)")
        }
    }
}

/// The program and its arguments in what follows a command's options.
func commandLine(
    _ words: [String], of command: some ParsableCommand, example: String
) throws -> (executable: String, arguments: [String]) {
    let words = words.first == "--" ? Array(words.dropFirst()) : words
    guard let executable = words.first else { throw LaunchError("no program given: \(example)") }
    if ["-h", "--help"].contains(executable) { throw CleanExit.helpRequest(command) }
    if executable.hasPrefix("-") {
        throw LaunchError("unknown option \(executable) (a program's own options come after --)")
    }
    return (executable, Array(words.dropFirst()))
}

/// Runs a job with its lines prefixed by rank; throws its exit code unless it is 0.
func runPrefixed(_ request: LaunchRequest) throws {
    let prefixer = Prefixer(ranks: request.ranks)
    let end = try launch(request) { warning in
        writeLine("mpi-compare: warning: \(warning)", to: .standardError)
    } output: { line in
        writeLine(prefixer.prefix(line), to: line.stream)
    }
    if end == .timedOut, let timeout = request.job.timeout {
        writeLine(
            "mpi-compare: the job was ended after \(timeout / .seconds(1)) s (--timeout)",
            to: .standardError)
    }
    if end != .success { throw ExitCode(end.exitCode) }
}

/// Writes `[2] ` before the lines of rank 2, in the rank's colour on a terminal.
struct Prefixer {
    private let width: Int
    private let isColoured: [OutputStream: Bool]

    init(ranks: Int) {
        width = String(ranks - 1).count
        let wantsColour = environmentVariable("NO_COLOR") == nil
        isColoured = [
            .standardOutput: wantsColour && isTerminal(.standardOutput),
            .standardError: wantsColour && isTerminal(.standardError),
        ]
    }

    func prefix(_ line: OutputLine) -> String {
        guard let rank = line.rank else { return line.text }
        let digits = String(rank)
        let label = "[" + String(repeating: " ", count: width - digits.count) + digits + "]"
        guard isColoured[line.stream] == true else { return "\(label) \(line.text)" }
        let colours = [36, 33, 32, 35, 34, 31]
        return "\u{1B}[\(colours[rank % colours.count])m\(label)\u{1B}[0m \(line.text)"
    }
}
