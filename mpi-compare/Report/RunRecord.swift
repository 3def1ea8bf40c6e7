// One line of `--json`: everything known about one workload in one environment at one number of
// ranks. The names of the fields are a promise to whoever reads the files.
import CompactJSON
import Records

/// The repetitions of one (environment, ranks), and what they came to.
public struct RunRecord: Sendable, Equatable {
    public var workload: String
    public var environment: String
    public var mode: String
    public var ranks: Int
    /// Rows of each input: in all (strong) or per rank (weak).
    public var rows: Int
    public var encryption: String
    /// More ranks than processors: the figures say little about the transport.
    public var oversubscribed: Bool
    /// One per start of the job.
    public var setupSeconds: [Double] = []
    public var iterations: [WorkerIteration] = []
    public var result: WorkerResult?
    /// One per start of the job, where ranks are functions.
    public var functionStarts: [FunctionTimes] = []
    /// Why there are no figures; nil if all went well.
    public var error: String?

    public init(
        workload: String, environment: String, mode: String, ranks: Int, rows: Int,
        encryption: String, oversubscribed: Bool
    ) {
        self.workload = workload
        self.environment = environment
        self.mode = mode
        self.ranks = ranks
        self.rows = rows
        self.encryption = encryption
        self.oversubscribed = oversubscribed
    }

    public var secondsMedian: Double { median(iterations.map(\.seconds)) }
    public var secondsMin: Double { iterations.map(\.seconds).min() ?? 0 }
    public var setupMedian: Double { median(setupSeconds) }
    /// Requests to a store in one repetition; polling makes their number vary.
    public var storeWrites: Int { iterations.map(\.storeWrites).max() ?? 0 }
    public var storeReads: Int { iterations.map(\.storeReads).max() ?? 0 }
    public var bytes: Int { iterations.map(\.bytes).max() ?? 0 }

    /// The share of computing in all repetitions, applied to the median, so that compute and
    /// communication add up to it.
    public var computeSeconds: Double {
        let total = iterations.map(\.seconds).reduce(0, +)
        if total == 0 { return 0 }
        return secondsMedian * iterations.map(\.computeSeconds).reduce(0, +) / total
    }
    public var communicationSeconds: Double { secondsMedian - computeSeconds }
}

/// The middle value, or the mean of the two middle ones; 0 for none.
public func median(_ values: [Double]) -> Double {
    if values.isEmpty { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

extension RunRecord {
    /// Price of one run; nil if it failed.
    public var price: Price? {
        if error != nil || iterations.isEmpty { return nil }
        return Price(
            environment: environment, ranks: ranks, seconds: setupMedian + secondsMedian,
            storeWrites: storeWrites, storeReads: storeReads,
            functions: functionStarts.last.map { ($0.functions, $0.memoryMegabytes) })
    }

    /// A failed record has `error` instead of figures.
    public var json: JSONValue {
        var fields = [
            JSONField("record", .string("run")),
            JSONField("workload", .string(workload)),
            JSONField("environment", .string(environment)),
            JSONField("mode", .string(mode)),
            JSONField("ranks", .integer(ranks)),
            JSONField("rows", .integer(rows)),
            JSONField("encryption", .string(encryption)),
            JSONField("oversubscribed", .bool(oversubscribed)),
        ]
        if let error {
            fields.append(JSONField("error", .string(error)))
            return .object(fields)
        }
        fields += [
            JSONField("iterations", .integer(iterations.count)),
            JSONField("seconds_median", .number(secondsMedian)),
            JSONField("seconds_min", .number(secondsMin)),
            JSONField("setup_seconds", .number(setupMedian)),
            JSONField("compute_seconds", .number(computeSeconds)),
            JSONField("communication_seconds", .number(communicationSeconds)),
            JSONField("bytes", .integer(bytes)),
            JSONField("store_writes", .integer(storeWrites)),
            JSONField("store_reads", .integer(storeReads)),
            JSONField("output_rows", result.map { .integer($0.outputRows) } ?? .null),
            JSONField("checksum", result.map { .string($0.checksum) } ?? .null),
            JSONField("dollars", price.map { .number($0.dollars) } ?? .null),
            JSONField("dollars_model", price.map { .string($0.model) } ?? .null),
            JSONField("seconds", .array(iterations.map { .number($0.seconds) })),
        ]
        if !functionStarts.isEmpty { fields.append(JSONField("starts", functionStarts.json)) }
        return .object(fields)
    }
}
