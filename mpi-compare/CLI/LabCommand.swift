// `mpi-compare lab`: an internet of network namespaces to run serverless programs in.
import ArgumentParser
import Lab
import Launchers
import Processes
import Workloads

struct LabCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "Run serverless programs behind NATs, in network namespaces of this machine.",
        discussion: """
            Needs root, iproute2 and nftables. All of a laboratory is in namespaces of its own, and \
            it vanishes with its command, however that ends. Example:

              mpi-compare lab run -n 4 --nat masquerade,cgn --delay 5 -- ./program arguments
            """,
        subcommands: [LabRunCommand.self, LabShowCommand.self, LabCleanCommand.self])
}

/// Which internet, and how far its parts are from each other.
struct LabOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A topology with a name, instead of --ranks and --nat.",
            discussion: Topologies.named.map { "\($0.name): \($0.summary)" }
                .joined(separator: "\n")))
    var topology: String?

    @Option(name: [.customShort("n"), .customLong("ranks")], help: "Number of ranks.")
    var ranks: Int?

    @Option(
        help: ArgumentHelp(
            "Kinds of home, taken in turn.",
            discussion: "Comma-separated, from: \(NATKind.names)."))
    var nat = NATKind.masquerade.rawValue

    @Option(help: "Ranks that share a home.")
    var ranksPerHome = 1

    @OptionGroup var lines: LineOptions

    func internet() throws -> Internet {
        var internet = try topologyOrRanks()
        internet.lines = try lines.conditions()
        return internet
    }

    private func topologyOrRanks() throws -> Internet {
        if let topology {
            guard ranks == nil else { throw UsageError("give --topology or --ranks, not both") }
            return try namedTopology(topology)
        }
        let count = ranks ?? 2
        guard (1...Lab.ranksMax).contains(count) else {
            throw UsageError("--ranks \(count): a laboratory takes 1 to \(Lab.ranksMax) ranks")
        }
        guard (1...200).contains(ranksPerHome) else {
            throw UsageError("--ranks-per-home \(ranksPerHome): give a number from 1 to 200")
        }
        let kinds = try natKinds(nat)
        return Topologies.ranks(count, kinds: kinds, hostsPerHome: ranksPerHome)
    }
}

func namedTopology(_ name: String) throws -> Internet {
    guard let found = Topologies.named.first(where: { $0.name == name }) else {
        let names = Topologies.named.map(\.name).joined(separator: ", ")
        throw UsageError("--topology \(name): choose from \(names)")
    }
    return found.internet
}

struct LineOptions: ParsableArguments {
    @Option(help: "Milliseconds between two public addresses, one way.")
    var delay = 0.0

    @Option(help: "Mbit/s of every public address, each way; unlimited if not given.")
    var bandwidth: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds after which routers forget a connection on which nothing is said.",
            discussion: "Ranks show signs of life three times as often, and at least every 60 s."))
    var forget: Int?

    func conditions() throws -> LineConditions {
        guard delay >= 0, delay <= 10_000 else {
            throw UsageError("--delay \(delay): give milliseconds from 0 to 10000")
        }
        for (name, value, largest) in [
            ("bandwidth", bandwidth ?? 1, 100_000), ("forget", forget ?? 1, 432_000),
        ] where !(1...largest).contains(value) {
            throw UsageError("--\(name) \(value): give a whole number from 1 to \(largest)")
        }
        var conditions = LineConditions()
        conditions.delay = .microseconds(Int(delay * 1000))
        conditions.megabitsPerSecond = bandwidth
        conditions.mappingLifetimeSeconds = forget
        return conditions
    }
}

/// `on` or `none`, as in the join URL.
func isEncryption(_ text: String) throws -> Bool {
    guard ["on", "none"].contains(text) else {
        throw UsageError("--encryption \(text): use on or none")
    }
    return text == "on"
}

struct LabRunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a serverless program with every rank on a host of the laboratory.")

    @OptionGroup var options: LabOptions

    @Option(help: "on or none: are connections between ranks encrypted?")
    var encryption = "on"

    @Option(help: "End the job after this many seconds (exit code 124).")
    var timeout: Double?

    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments, after --.")
    var program: [String] = []

    func run() throws {
        let (executable, arguments) = try commandLine(
            program, of: self, example: "mpi-compare lab run -n 2 -- ./program arguments")
        let internet = try options.internet()
        var request = LaunchRequest(
            executable: executable, arguments: arguments, ranks: internet.rankHosts.count,
            environment: .serverlessNAT)
        request.isEncrypted = try isEncryption(encryption)
        request.internet = internet
        if let timeout {
            guard timeout > 0 else {
                throw UsageError("--timeout \(timeout): give seconds above 0")
            }
            request.job.timeout = .seconds(timeout)
        }
        try runPrefixed(request)
    }
}

struct LabShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Draw the laboratory that these options would build.")

    @OptionGroup var options: LabOptions

    func run() throws {
        for line in try draw(options.internet()) { print(line) }
    }
}

struct LabCleanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clean",
        abstract: "Remove what dead laboratories left; living ones are not touched.")

    func run() throws {
        let removed = try removeDeadLabs()
        for name in removed { print("removed \(name)") }
        let left = labNamespaces().count
        print("\(removed.count) namespaces removed, \(left) belong to living laboratories")
    }
}
