// `mpi-compare mesh`: how long a full authenticated mesh behind NATs takes to come about.
import ArgumentParser
import Lab
import Launchers
import Processes
import Report
import Workloads

struct MeshCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mesh",
        abstract: "Connect N ranks behind NATs, each to each, and say how long it takes.",
        discussion: """
            The time is that from the last rank's start until every link of every rank is usable. \
            The exit code is 0 only if every mesh was complete.
            """)

    @Option(help: "Numbers of ranks, comma-separated.")
    var ranks = "8,16,32"

    @Option(help: "Homes among which the ranks are divided.")
    var nats = 8

    @Option(help: ArgumentHelp("Kinds of home, taken in turn.", discussion: NATKind.names))
    var nat = NATKind.masquerade.rawValue

    @Option(help: "A topology with a name (see lab), instead of --ranks, --nats and --nat.")
    var topology: String?

    @Option(help: "on, none or both, comma-separated: are connections encrypted?")
    var encryption = "on,none"

    @Option(help: "Meshes of each size.")
    var tries = 5

    @Option(help: "Seconds in which all ranks must be connected.")
    var joinTimeout = 30.0

    @Option(help: "Also write the results to this file, as JSON lines.")
    var json: String?

    @OptionGroup var lines: LineOptions

    func run() throws {
        for (name, value) in [("tries", tries), ("nats", nats)] where value < 1 {
            throw UsageError("--\(name) \(value): give a whole number of at least 1")
        }
        guard joinTimeout > 0 else {
            throw UsageError("--join-timeout \(joinTimeout): give seconds above 0")
        }
        let modes = try unique(split(encryption, "encryption").map(isEncryption))
        let conditions = try lines.conditions()
        let internets = try topologies()
        let jsonFile = try json.map { try JSONLinesFile($0) }
        let progress = Progress(steps: internets.count * modes.count)
        var records: [MeshRecord] = []
        var interruptedBy: Int32?
        for (name, plain) in internets {
            var internet = plain
            internet.lines = conditions
            for isEncrypted in modes where interruptedBy == nil {
                let label = isEncrypted ? "on" : "none"
                progress.nextStep("\(internet.rankHosts.count) ranks, encryption \(label)")
                var record = MeshRecord(
                    topology: name, ranks: internet.rankHosts.count, encryption: label,
                    delayMilliseconds: lines.delay)
                interruptedBy = try measure(internet, isEncrypted, &record.links)
                records.append(record)
            }
        }
        progress.finish()
        try jsonFile?.write(records.map(\.json))
        for line in renderMeshes(records) { print(line) }
        if let interruptedBy { throw ExitCode(128 + interruptedBy) }
        for record in records where record.links.successes < record.links.tries {
            throw LaunchError(
                "\(record.ranks) ranks were not connected every time: "
                    + (record.links.complaint ?? "no words"))
        }
    }

    private func topologies() throws -> [(String, Internet)] {
        if let topology { return [(topology, try namedTopology(topology))] }
        let kinds = try natKinds(nat)
        return try rankCounts(ranks).map { count in
            guard count <= Lab.ranksMax else {
                throw UsageError("--ranks \(count): a laboratory takes \(Lab.ranksMax) ranks")
            }
            let internet = Topologies.ranks(
                count, kinds: kinds, hostsPerHome: (count + nats - 1) / nats)
            return ("\(nat) × \(min(nats, count))", internet)
        }
    }

    private func measure(
        _ internet: Internet, _ isEncrypted: Bool, _ tries: inout LinkTries
    ) throws -> Int32? {
        let jobs = try LinkJobs(
            internet, isEncrypted: isEncrypted, joinTimeout: .seconds(joinTimeout))
        defer { jobs.close() }
        for number in 0..<self.tries {
            if let signal = jobs.run(number, on: internet.rankHosts, into: &tries) {
                return signal
            }
        }
        return nil
    }
}
