// The jobs of all environments at once, and whose turn it is.
import CompactJSON
@preconcurrency import Glibc
import Ladder
import Launchers
import Processes
import Records
import Report
import Workloads

/// One number of ranks: every job is started, then each rung is visited by all jobs in turn, as
/// often as asked for.
struct LadderClimb {
    let ranks: Int
    let contestants: [Contestant]
    let rungs: [LadderTurn]
    let repetitions: Int
    let timeout: Duration

    /// A job that climbs: its name in the table, and how it is started.
    struct Contestant {
        var name: String
        var gates: String
        var plan: ProcessPlan
    }

    /// Runs to the end; the figures of all turns.
    func run(_ progress: Progress) throws -> (records: [LadderRecord], end: JobEnd) {
        let gates = try contestants.map { try GateKeeper($0.gates, ranks: ranks) }
        var schedule = Schedule(
            contestants: contestants.count, rungs: rungs.count, repetitions: repetitions)
        var records = contestants.map { contestant in
            rungs.map {
                LadderRecord(
                    operation: $0.operation.rawValue, environment: contestant.name, ranks: ranks,
                    byteCount: $0.byteCount)
            }
        }
        var words = contestants.map { _ in [String]() }
        var plans = contestants.map(\.plan)
        for index in plans.indices { plans[index].rank = index }
        var options = JobOptions()
        options.timeout = timeout
        let end = try runJob(plans, options) { line in
            let index = line.rank ?? 0
            guard line.stream == .standardOutput, let figure = figure(in: line.text) else {
                if words[index].count < 20 { words[index].append(line.text) }
                return
            }
            if figure == .ready {
                schedule.isReady(index)
            } else if let turn = schedule.current {
                records[turn.contestant][turn.rung].microseconds.append(figure.microseconds)
                schedule.advance()
            }
            guard schedule.hasBegun else { return }
            guard let next = schedule.current else {
                for gate in gates { gate.close() }
                return
            }
            if schedule.isFirstOfRung {
                let rung = rungs[next.rung]
                progress.nextStep(
                    "\(ranks) ranks, \(rung.operation.rawValue) \(byteText(rung.byteCount))")
            }
            gates[next.contestant].open(for: rungs[next.rung])
        }
        for gate in gates { gate.close() }
        if case .failed(let code, let index) = end {
            let who = index.map { contestants[$0].name } ?? "a job"
            let cause = index.flatMap { words[$0].first } ?? "exit code \(code)"
            throw LaunchError("\(who) on \(ranks) ranks: \(cause)")
        }
        if end == .timedOut {
            throw LaunchError("\(ranks) ranks: not done in time (--timeout)")
        }
        return (records.flatMap { $0 }, end)
    }

    /// `mpi-compare launch` writes the rank before each line of a job.
    private func figure(in text: String) -> LadderFigure? {
        guard let brace = text.firstIndex(of: "{") else { return nil }
        return LadderFigure(line: String(text[brace...]))
    }
}

/// Rung after rung, repetition after repetition, contestant after contestant.
struct Schedule {
    private let contestants: Int
    private let rungs: Int
    private let repetitions: Int
    private var missing: Set<Int>
    private var step = 0

    init(contestants: Int, rungs: Int, repetitions: Int) {
        self.contestants = contestants
        self.rungs = rungs
        self.repetitions = repetitions
        missing = Set(0..<contestants)
    }

    mutating func isReady(_ contestant: Int) { missing.remove(contestant) }

    var hasBegun: Bool { missing.isEmpty }

    /// Whose turn it is; nil after the last.
    var current: (rung: Int, contestant: Int)? {
        guard hasBegun, step < rungs * repetitions * contestants else { return nil }
        return (step / (repetitions * contestants), step % contestants)
    }

    var isFirstOfRung: Bool { step % (repetitions * contestants) == 0 }

    mutating func advance() { step += 1 }
}

/// The writing ends of a job's gates.
private final class GateKeeper {
    private var descriptors: [Int32] = []

    init(_ folder: String, ranks: Int) throws {
        for rank in 0..<ranks {
            let path = Gate.path(folder, rank: rank)
            guard mkfifo(path, 0o600) == 0 else {
                throw LaunchError("cannot make the pipe \(path): \(lastSystemError())")
            }
            // For reading too, so that opening does not wait for the rank.
            let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw LaunchError("cannot open the pipe \(path): \(lastSystemError())")
            }
            descriptors.append(descriptor)
        }
    }

    func open(for turn: LadderTurn) {
        for descriptor in descriptors { _ = writeAll(Array("\(turn.line)\n".utf8), to: descriptor) }
    }

    /// The ranks read the end, and leave.
    func close() {
        for descriptor in descriptors { Glibc.close(descriptor) }
        descriptors = []
    }
}
