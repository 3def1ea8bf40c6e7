// `mpi-compare run`: one workload in every environment at every number of ranks, then the table.
import ArgumentParser
@preconcurrency import Glibc
import Launchers
import Processes
import Records
import Report
import Workloads

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run one workload in several environments and compare times and answers.",
        discussion: """
            Repetitions are spread over rounds, and each round visits every environment and number \
            of ranks, so that noise of the machine is shared. Rank r is bound to processor r modulo \
            their number in every environment but functions. Environments that are not available are listed and skipped. The exit \
            code is 0 only if everything ran and all answers agree.
            """)

    @Option(help: ArgumentHelp("The program to run.", discussion: RunCommand.workloadList))
    var workload = "join"

    @Option(help: "Comma-separated, from: \(Environment.names).")
    var environments = Environment.allCases.map(\.rawValue).joined(separator: ",")

    @Option(help: "Numbers of ranks, comma-separated.")
    var ranks = "1,2"

    @Option(help: "Rows of each input frame: in all (strong) or per rank (weak).")
    var rows = WorkloadOptions().rows

    @Option(help: "Timed repetitions of each combination.")
    var iterations = 5

    @Flag(help: "Do not bind rank r to processor r modulo their number.")
    var unpinned = false

    @Option(help: "strong: the same rows at every number of ranks; weak: the same rows per rank.")
    var mode = WorkloadOptions.Mode.strong.rawValue

    @Option(help: "Seed of the generated input.")
    var seed: UInt64 = 1

    @Option(help: "Also write the results to this file, as JSON lines.")
    var json: String?

    @Option(help: "Folder of the fetched data sets (make data).")
    var data = "data"

    @Option(help: "Seconds that one start of a worker may take.")
    var timeout = 600.0

    @OptionGroup var channels: ChannelOptions

    @OptionGroup var functions: LambdaArguments

    static var workloadList: String {
        Workloads.all.map { "\($0.name): \($0.summary)" }.joined(separator: "\n")
    }

    func run() throws {
        let sweep = try makeSweep()
        let jsonFile = try json.map { try JSONLinesFile($0) }
        var outcome = sweep.run()
        outcome.records.sort { sweep.order($0) < sweep.order($1) }
        try jsonFile?.write(outcome.records.map(\.json))
        let failed = show(outcome, sweep)
        if let signal = outcome.interruptedBy { throw ExitCode(128 + signal) }
        if failed { throw ExitCode(1) }
    }

    /// - Throws: `LaunchError` or `UsageError` for the first option that makes no sense.
    private func makeSweep() throws -> Sweep {
        let chosen = try Workloads.named(workload)
        guard let mode = WorkloadOptions.Mode(rawValue: mode) else {
            throw UsageError("--mode \(mode): use strong or weak")
        }
        for (name, value) in [("rows", rows), ("iterations", iterations)] where value < 1 {
            throw UsageError("--\(name) \(value): give a whole number of at least 1")
        }
        if !(timeout > 0) { throw UsageError("--timeout \(timeout): give seconds above 0") }
        let environments = try split(environments, "environments").map {
            try Environment(named: $0)
        }
        let ranks = try rankCounts(ranks)
        var options = WorkloadOptions()
        options.mode = mode
        options.rows = rows
        options.seed = seed
        options.dataFolder = data
        let chosenEnvironments = unique(environments)
        return try Sweep(
            workload: chosen, options: options, environments: chosenEnvironments,
            channels: channels.plan(for: chosenEnvironments),
            ranks: ranks, iterations: iterations, isPinned: !unpinned, timeout: .seconds(timeout),
            functions: functions.options())
    }

    /// Prints the report; true if anything failed or disagreed.
    private func show(_ outcome: Sweep.Outcome, _ sweep: Sweep) -> Bool {
        let disagreements = findDisagreements(
            outcome.records, acrossRanks: sweep.sameProblemAtAllRanks)
        print(sweep.title + "\n")
        for line in renderRuns(outcome.records, agrees: disagreements.isEmpty) { print(line) }
        for line in renderFunctions(outcome.records) { print(line) }
        for (environment, reason) in sweep.skipped {
            print("skipped \(environment.rawValue): \(reason)")
        }
        if disagreements.isEmpty { for line in renderAnswers(outcome.records) { print(line) } }
        fflush(nil)
        for record in outcome.records {
            guard let error = record.error else { continue }
            writeLine("FAILED \(record.label): \(error)", to: .standardError)
        }
        for disagreement in disagreements {
            writeLine("DISAGREEMENT: \(disagreement)", to: .standardError)
        }
        if outcome.records.isEmpty && outcome.interruptedBy == nil {
            writeLine("mpi-compare: no environment is available", to: .standardError)
            return true
        }
        return !disagreements.isEmpty || outcome.records.contains { $0.error != nil }
    }
}
