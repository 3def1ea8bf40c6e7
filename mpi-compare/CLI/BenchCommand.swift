// `mpi-compare bench`: single messages and collectives, side by side.
import CompactJSON
import ArgumentParser
@preconcurrency import Glibc
import Ladder
import Launchers
import Processes
import Records
import Report
import Workloads

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure messages and collectives in several environments, in turns.",
        discussion: """
            The jobs of all environments live at the same time, and one of them runs at a time, \
            repetition by repetition, so that all share the noise of the machine: ratios mean \
            something where times do not. Times are of the slowest rank; data are verified. \
            Example:

              mpi-compare bench --ranks 2,4 --environments serverless,openmpi-tcp --against raw
            """)

    @Option(help: "Comma-separated, from: \(LadderOperation.names).")
    var operations = LadderOperation.allCases.map(\.rawValue).joined(separator: ",")

    @Option(help: "Lengths, comma-separated, with K or M; see below for what of.")
    var sizes = "1,64,1K,16K,64K,256K,1M,4M"

    @Option(help: "Comma-separated, from: \(Environment.names).")
    var environments = "openmpi-tcp,serverless"

    @Option(help: "Peers in C, comma-separated, from: \(LadderPeer.names).")
    var against: String?

    @Option(help: "Numbers of ranks, comma-separated.")
    var ranks = "2"

    @Option(help: "Also write the results to this file, as JSON lines.")
    var json: String?

    @OptionGroup var ladder: LadderOptions

    func run() throws {
        try ladder.check()
        let chosen = try unique(split(operations, "operations").map(operation))
        let lengths = try unique(split(sizes, "sizes").map(byteCount))
        let worlds = try unique(split(environments, "environments")).map(LadderClimb.world)
        let peers = try unique(against.map { try split($0, "against") } ?? []).map(peer)
        let counts = try rankCounts(ranks)
        let jsonFile = try json.map { try JSONLinesFile($0) }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let programs = try peers.map { ($0, try $0.build(into: folder.path)) }
        let rungs = chosen.flatMap { operation in
            (operation.hasLength ? lengths : [0]).map {
                LadderTurn(
                    operation: operation, byteCount: $0, microseconds: ladder.milliseconds * 1000)
            }
        }
        var skipped: [String] = []
        let records = try LadderClimb.climbAll(
            worlds, programs,
            rungs: counts.map { count in
                (count, rungs.filter { count >= 2 || !$0.operation.needsTwoRanks })
            }, ladder, in: folder, &skipped)
        try jsonFile?.write(records.map(\.json))
        for line in renderLadder(records) { print(line) }
        for line in unique(skipped) { print(line) }
        if records.isEmpty { throw LaunchError("no environment is available") }
    }

    private func operation(_ name: String) throws -> LadderOperation {
        guard let operation = LadderOperation(rawValue: name) else {
            throw UsageError("--operations \(name): choose from \(LadderOperation.names)")
        }
        return operation
    }

    private func peer(_ name: String) throws -> LadderPeer {
        guard let peer = LadderPeer(rawValue: name) else {
            throw UsageError("--against \(name): choose from \(LadderPeer.names)")
        }
        return peer
    }

    private func byteCount(_ text: String) throws -> Int {
        let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20]
        let unit = text.last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? Substring(text) : text.dropLast()), number >= 1,
            number <= LadderOperation.byteCountMax / (unit ?? 1)
        else { throw UsageError("--sizes \(text): give lengths such as 1, 64K or 4M") }
        return number * (unit ?? 1)
    }
}
