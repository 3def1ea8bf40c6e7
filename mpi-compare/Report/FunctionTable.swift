// What jobs of functions took, their parts apart: getting the function to run, starting its process,
// joining, working, and all of it as the caller waited; and what the service bills for it.
import CompactJSON

/// One start of a job on functions. Times in seconds.
public struct FunctionTimes: Sendable, Equatable {
    public var functions: Int
    /// Of each.
    public var memoryMegabytes: Int
    public var coldStarts: Int
    /// The slowest function's time outside of it: the service and the way to it.
    public var invoke: Double
    /// The slowest start of a process; nil if all were warm.
    public var initialization: Double?
    /// The slowest rank's, until it was connected to all.
    public var join: Double
    /// The slowest rank's program, its repetitions included.
    public var workload: Double
    public var endToEnd: Double
    /// Billed: GB-seconds, init included, and requests, at list price; of invocations that did not
    /// say, estimated.
    public var dollars: Double

    public init(
        functions: Int, memoryMegabytes: Int, coldStarts: Int, invoke: Double,
        initialization: Double?, join: Double, workload: Double, endToEnd: Double, dollars: Double
    ) {
        self.functions = functions
        self.memoryMegabytes = memoryMegabytes
        self.coldStarts = coldStarts
        self.invoke = invoke
        self.initialization = initialization
        self.join = join
        self.workload = workload
        self.endToEnd = endToEnd
        self.dollars = dollars
    }
}

extension [FunctionTimes] {
    /// One JSON object per start.
    var json: JSONValue {
        .array(
            map { times in
                .object([
                    JSONField("functions", .integer(times.functions)),
                    JSONField("memory_megabytes", .integer(times.memoryMegabytes)),
                    JSONField("cold_starts", .integer(times.coldStarts)),
                    JSONField("invoke_seconds", .number(times.invoke)),
                    JSONField("init_seconds", times.initialization.map { .number($0) } ?? .null),
                    JSONField("join_seconds", .number(times.join)),
                    JSONField("workload_seconds", .number(times.workload)),
                    JSONField("end_to_end_seconds", .number(times.endToEnd)),
                    JSONField("dollars_billed", .number(times.dollars)),
                ])
            })
    }
}

/// The table below that of all environments; empty if no functions ran.
public func renderFunctions(_ records: [RunRecord]) -> [String] {
    let records = records.filter { !$0.functionStarts.isEmpty }
    if records.isEmpty { return [] }
    var table = TextTable([
        ("environment", .left), ("ranks", .right), ("functions", .right), ("start", .left),
        ("invoke", .right), ("init", .right), ("join", .right), ("workload", .right),
        ("end to end", .right), ("billed $", .right),
    ])
    for record in records {
        let isCold = { (times: FunctionTimes) in times.coldStarts > 0 }
        for (word, starts) in [
            ("cold", record.functionStarts.filter(isCold)),
            ("warm", record.functionStarts.filter { !isCold($0) }),
        ] where !starts.isEmpty {
            let initTimes = starts.compactMap(\.initialization)
            table.add([
                record.environment, "\(record.ranks)", "\(starts[0].functions)", word,
                fixed(median(starts.map(\.invoke)), 3),
                initTimes.isEmpty ? "–" : fixed(median(initTimes), 3),
                fixed(median(starts.map(\.join)), 3), fixed(median(starts.map(\.workload)), 3),
                fixed(median(starts.map(\.endToEnd)), 3),
                fixed(median(starts.map(\.dollars)), 7),
            ])
        }
    }
    return [""] + table.lines() + [
        "seconds, medians over starts, of the slowest function or rank; workload: all repetitions of",
        "a start; billed: GB-seconds with init, and requests, at AWS's list price",
    ]
}
