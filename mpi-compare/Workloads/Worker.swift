// The worker: one program, linked once to each transport. It repeats a workload between barriers
// and lets rank 0 report to `mpi-compare run` on standard output, or climbs the ladder of
// `mpi-compare bench`.
import Glibc
import Ladder
import MessagePassing
import Records

/// Every workload by name.
public enum Workloads {
    public static let all: [any Workload.Type] = [
        JoinWorkload.self, SparseJoinWorkload.self, GroupByWorkload.self, SortWorkload.self,
        FlightsWorkload.self,
        // Those of `make bench` alone.
        LeftJoinWorkload.self, StringJoinWorkload.self, TwoKeyJoinWorkload.self,
        SkewedJoinWorkload.self, G1Question1.self, G1Question2.self, G1Question3.self,
        G1Question4.self, G1Question5.self, G1Question10.self, NullGroupsWorkload.self,
        StringSortWorkload.self, UniqueWorkload.self, SparseUniqueWorkload.self,
        AggregateWorkload.self, FilterWorkload.self,
    ]

    /// - Throws: `UsageError` listing the names if there is none of this name.
    public static func named(_ name: String) throws(UsageError) -> any Workload.Type {
        for workload in all where workload.name == name { return workload }
        let names = all.map { $0.name }.joined(separator: ", ")
        throw UsageError("there is no workload \(name); choose one of: \(names)")
    }
}

/// The body of every worker executable; does not return if the options are wrong.
///
/// - Parameter withWorld: the transport's function of that name.
public func runWorker(
    withWorld: (@escaping @Sendable (any Communicator) throws -> Void) -> Void
) {
    let entry = ContinuousClock.now
    do {
        let options = try WorkerOptions(Array(CommandLine.arguments.dropFirst()))
        if let folder = options.ladderFolder {
            withWorld { world in
                if options.isPinned { bindToProcessor(ofRank: world.rank) }
                try climbLadder(folder, on: world)
            }
            return
        }
        let workload = try Workloads.named(options.workload).init(options.options)
        withWorld { world in
            let setup = (ContinuousClock.now - entry).inSeconds
            if options.isPinned { bindToProcessor(ofRank: world.rank) }
            try repeatWorkload(workload, options, setup, on: world) { message in
                print(message.json)
                fflush(nil)
            }
        }
    } catch {
        let line = Array("\(CommandLine.arguments[0]): \(error)\n".utf8)
        _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        exit(2)
    }
}

/// The same for a process that runs job after job: one job, on a world that is there already.
///
/// Collective.
/// - Parameters:
///   - arguments: as on a worker's command line.
///   - entry: when this rank was asked to run the job.
/// - Returns: what rank 0 reports; nothing on the other ranks.
public func runWorkload(
    _ arguments: [String], since entry: ContinuousClock.Instant, on world: any Communicator
) throws -> [WorkerMessage] {
    let setup = (ContinuousClock.now - entry).inSeconds
    let options = try WorkerOptions(arguments)
    let workload = try Workloads.named(options.workload).init(options.options)
    var messages: [WorkerMessage] = []
    try repeatWorkload(workload, options, setup, on: world) { messages.append($0) }
    return messages
}

/// Collective. Prepares, warms up, repeats; `report` is called on rank 0 only.
func repeatWorkload<Chosen: Workload>(
    _ workload: Chosen, _ options: WorkerOptions, _ setup: Double, on world: any Communicator,
    report: (WorkerMessage) -> Void
) throws {
    let slowestSetup = try world.allreduce(setup, .max)
    let isReporter = world.rank == 0
    if isReporter {
        report(.started(WorkerStart(ranks: world.size, setupSeconds: slowestSetup)))
    }
    let meter = Meter()
    let metered = MeteredCommunicator(world, meter)
    let input = try workload.prepare(on: metered)
    PeakMemory.forget()
    var agreed: WorkloadResult?
    var peakBytes = 0
    for repetition in -options.warmUps..<options.iterations {
        let (iteration, result) = try runOnce(workload, input, on: metered) {
            if repetition == -options.warmUps { peakBytes = try PeakMemory.sum(on: world) }
        }
        if let agreed, let difference = result.difference(from: agreed) {
            throw WorkerError("repetition \(repetition + 1) differs from the first: \(difference)")
        }
        agreed = result
        if isReporter && repetition >= 0 { report(.iteration(iteration)) }
    }
    guard isReporter, let agreed else { return }
    let digits = String(agreed.checksum, radix: 16)
    report(
        .result(
            WorkerResult(
                outputRows: agreed.rows,
                checksum: String(repeating: "0", count: 16 - digits.count) + digits,
                tables: agreed.tables, peakBytes: peakBytes)))
}

/// One timed run, from after one barrier to after the next, and what came out of it. `then` is
/// called between the run and the look at its output.
private func runOnce<Chosen: Workload>(
    _ workload: Chosen, _ input: Chosen.Input, on world: MeteredCommunicator,
    then: () throws -> Void
) throws -> (WorkerIteration, WorkloadResult) {
    try world.base.barrier()
    _ = world.meter.take()
    let before = (world.base as? any StoreBacked)?.traffic
    let processorStart = ThreadClock.seconds
    let start = ContinuousClock.now
    let output = try workload.run(input, on: world)
    try world.barrier()
    let seconds = (ContinuousClock.now - start).inSeconds
    let processor = ThreadClock.seconds - processorStart
    try then()
    let (communication, bytes) = world.meter.take()
    let requests = try storeRequests(of: world.base, since: before)

    let slowest = try world.base.allreduce(seconds, .max)
    let compute = try world.base.allreduce(seconds - communication, .sum) / Double(world.size)
    let totalBytes = try world.base.allreduce(bytes, .sum)
    let iteration = WorkerIteration(
        seconds: slowest, computeSeconds: compute, communicationSeconds: slowest - compute,
        bytes: totalBytes, processorSeconds: try world.base.allreduce(processor, .sum),
        storeWrites: requests.writes, storeReads: requests.reads)
    return (iteration, try workload.summarize(output, on: world))
}

/// Collective. What all ranks have asked of a store since `before`; nothing where there is none.
private func storeRequests(
    of world: any Communicator, since before: StoreTraffic?
) throws -> (writes: Int, reads: Int) {
    guard let before, let after = (world as? any StoreBacked)?.traffic else { return (0, 0) }
    return (
        try world.allreduce(after.writes - before.writes, .sum),
        try world.allreduce(after.reads - before.reads, .sum)
    )
}

extension WorkloadResult {
    /// What differs from `other`, in words; nil if nothing does.
    func difference(from other: WorkloadResult) -> String? {
        if rows != other.rows { return "\(rows) rows, not \(other.rows)" }
        if checksum != other.checksum { return "the same rows in number, another checksum" }
        for (table, otherTable) in zip(tables, other.tables) {
            if let difference = table.difference(from: otherTable) {
                return "table \(table.name), \(difference)"
            }
        }
        return nil
    }
}

/// A repetition went wrong although nothing threw.
struct WorkerError: Error, CustomStringConvertible, Sendable {
    let description: String
    init(_ description: String) { self.description = description }
}
