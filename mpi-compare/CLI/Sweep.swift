// The measurement plan of `mpi-compare run` and its execution: which worker is started when, and
// what is collected from it.
@preconcurrency import Glibc
import Launchers
import Records
import Report
import ServerlessMPI
import Workloads

struct Sweep {
    struct Configuration: Hashable {
        var environment: Environment
        var ranks: Int
    }

    struct Outcome {
        var records: [RunRecord]
        var interruptedBy: Int32?
    }

    let workload: any Workload.Type
    let options: WorkloadOptions
    let iterations: Int
    let isPinned: Bool
    let timeout: Duration
    let skipped: [(Environment, String)]
    private let channels: ChannelPlan?
    private let configurations: [Configuration]
    private let workers: [Backend: String]
    private let functions: FunctionWorkers

    /// - Throws: `UsageError` if a number of ranks is beyond an environment's limit.
    init(
        workload: any Workload.Type, options: WorkloadOptions, environments: [Environment],
        channels: ChannelPlan?, ranks: [Int], iterations: Int, isPinned: Bool,
        timeout: Duration, functions: LambdaOptions
    ) throws {
        self.workload = workload
        self.options = options
        self.channels = channels
        self.iterations = iterations
        self.isPinned = isPinned
        self.timeout = timeout
        var skipped: [(Environment, String)] = []
        var configurations: [Configuration] = []
        var workers: [Backend: String] = [:]
        for environment in environments {
            let worker = folderOfThisProgram() + "/worker-\(environment.backend.rawValue)"
            if let reason = reasonToSkip(environment, worker: worker, functions) {
                skipped.append((environment, reason))
                continue
            }
            workers[environment.backend] = worker
            for count in ranks {
                try checkRanks(count, environment)
                configurations.append(Configuration(environment: environment, ranks: count))
            }
        }
        self.skipped = skipped
        self.configurations = configurations
        self.workers = workers
        self.functions = FunctionWorkers(
            worker: workers[.lambda] ?? "", ranks: ranks.max() ?? 1, functions,
            // Real data has to be where the functions are.
            included: workload.fixedInputRows == nil ? [] : [options.dataFolder])
    }

    var sameProblemAtAllRanks: Bool { options.mode == .strong || workload.fixedInputRows != nil }

    var title: String {
        let size: String
        if let rows = workload.fixedInputRows {
            size = "\(grouped(rows)) rows of real data"
        } else {
            let scope = options.mode == .weak ? "frame and rank" : "frame"
            size = "\(options.mode.rawValue) · \(grouped(options.rows)) rows per \(scope)"
        }
        let processors = processorCount()
        return "\(workload.name) · \(size) · \(iterations) repetitions"
            + " · \(processors) processor\(processors == 1 ? "" : "s")"
    }

    /// Position of a record in the report: environments as asked for, then ranks.
    func order(_ record: RunRecord) -> Int {
        configurations.firstIndex {
            $0.environment.rawValue == record.environment && $0.ranks == record.ranks
        } ?? configurations.count
    }

    /// Processes per configuration. Where in memory a process's pages lie makes it up to 1.4 times
    /// as fast as the next one of the same program, so that a median needs several.
    private static let roundLimit = 7

    /// Starts every worker in turn, round by round. A configuration that fails is not tried again.
    func run() -> Outcome {
        var records: [Configuration: RunRecord] = [:]
        let rounds = min(iterations, Self.roundLimit)
        let progress = Progress(steps: rounds * configurations.count)
        defer {
            functions.stop()
            progress.finish()
        }
        for round in 0..<rounds {
            let share = iterations / rounds + (round < iterations % rounds ? 1 : 0)
            for configuration in configurations {
                var record = records[configuration] ?? emptyRecord(configuration)
                progress.nextStep("\(record.label), round \(round + 1) of \(rounds)")
                if record.error != nil { continue }
                let end = start(configuration, iterations: share, &record, progress)
                records[configuration] = record
                if case .interrupted(let signal) = end {
                    let complete = records.values.filter { $0.result != nil || $0.error != nil }
                    return Outcome(records: complete, interruptedBy: signal)
                }
            }
        }
        return Outcome(records: Array(records.values), interruptedBy: nil)
    }

    private func emptyRecord(_ configuration: Configuration) -> RunRecord {
        RunRecord(
            workload: workload.name, environment: configuration.environment.rawValue,
            mode: workload.fixedInputRows == nil ? options.mode.rawValue : "strong",
            ranks: configuration.ranks,
            rows: workload.fixedInputRows ?? options.rows,
            encryption: configuration.environment.isEncrypted ? "on" : "none",
            oversubscribed: configuration.ranks > processorCount())
    }

    private func start(
        _ configuration: Configuration, iterations: Int, _ record: inout RunRecord,
        _ progress: Progress
    ) -> JobEnd? {
        var collected = WorkerOutput(expected: configuration.ranks)
        do {
            let end: JobEnd
            if configuration.environment.backend == .lambda {
                var job = LambdaJob(
                    ranks: configuration.ranks,
                    arguments: arguments(
                        iterations, dataFolder: functions.dataFolder ?? options.dataFolder))
                job.timeout = timeout
                end = try functions.run(job, configuration.environment, &record) { line in
                    if let message = collected.add(line) { progress.detail(message) }
                }
            } else {
                end = try launch(request(configuration, iterations)) { _ in
                } output: { line in
                    if let message = collected.add(line) { progress.detail(message) }
                }
            }
            if case .interrupted = end { return end }
            record.error = collected.problem(end, iterations: iterations)
            record.setupSeconds += collected.setupSeconds
            record.iterations += collected.iterations
            if let result = collected.result {
                if let earlier = record.result, let what = result.difference(from: earlier) {
                    record.error = "DISAGREEMENT of a later start with the first: \(what)"
                }
                record.result = result
            }
            return end
        } catch {
            record.error = "\(error)"
            return nil
        }
    }
}

extension Sweep {
    private func request(_ configuration: Configuration, _ iterations: Int) -> LaunchRequest {
        var request = LaunchRequest(
            executable: workers[configuration.environment.backend] ?? "",
            arguments: arguments(iterations, dataFolder: options.dataFolder)
                + ["--pinned", isPinned ? "yes" : "no"],
            ranks: configuration.ranks, environment: configuration.environment)
        request.needsRanksOfLines = false
        if configuration.environment.hasChannels { request.channels = channels }
        request.job.timeout = timeout
        return request
    }

    private func arguments(_ iterations: Int, dataFolder: String) -> [String] {
        [
            "--workload", workload.name, "--mode", options.mode.rawValue,
            "--rows", String(options.rows), "--seed", String(options.seed),
            "--data", dataFolder, "--iterations", String(iterations),
        ]
    }
}

/// What one start of a worker wrote.
private struct WorkerOutput {
    let expected: Int
    var setupSeconds: [Double] = []
    var iterations: [WorkerIteration] = []
    var result: WorkerResult?
    private var ranks = 0
    private var complaints: [String] = []

    init(expected: Int) { self.expected = expected }

    /// Takes in a line; returns what to show of it while the job runs.
    mutating func add(_ line: OutputLine) -> String? {
        guard line.stream == .standardOutput, let message = WorkerMessage(line: line.text) else {
            if complaints.count < 100 { complaints.append(line.text) }
            return nil
        }
        switch message {
        case .started(let start):
            ranks = start.ranks
            setupSeconds.append(start.setupSeconds)
            return "set up in \(fixed(start.setupSeconds, 3)) s"
        case .iteration(let iteration):
            iterations.append(iteration)
            return "repetition \(iterations.count): \(fixed(iteration.seconds, 3)) s"
        case .result(let result):
            self.result = result
            return nil
        }
    }

    /// Why this start cannot count, in one line; nil if it can. A rank's own words come first.
    func problem(_ end: JobEnd, iterations expectedIterations: Int) -> String? {
        let words = complaints.first { $0.hasPrefix("rank ") } ?? complaints.first { !$0.isEmpty }
        switch end {
        case .timedOut: return "not done in time (--timeout)" + (words.map { "; \($0)" } ?? "")
        case .failed(let exitCode, let rank):
            let who = rank.map { "rank \($0)" } ?? "the worker"
            return words ?? "\(who) ended with exit code \(exitCode)"
        case .interrupted, .success: break
        }
        if ranks != expected {
            return "the worker ran on \(ranks) ranks, not \(expected): is it linked to the right "
                + "library?"
        }
        if result == nil || iterations.count != expectedIterations {
            return words ?? "the worker ended without a result"
        }
        return nil
    }
}
