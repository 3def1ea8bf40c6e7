// What rank 0 of a worker prints on standard output, one JSON object per line, for
// `mpi-compare run` to collect: `started` once, `iteration` after each repetition, `result` and the
// tables at the end.

/// One line from a worker. Times are in seconds; all figures are already combined over the ranks.
public enum WorkerMessage: Sendable, Equatable {
    /// The body has begun on all ranks.
    case started(WorkerStart)
    /// One timed repetition is over and its output was checked.
    case iteration(WorkerIteration)
    /// The last line: everything went well.
    case result(WorkerResult)
}

public struct WorkerStart: Sendable, Equatable, Codable {
    public var ranks: Int
    /// From the entry of the process to the entry of the body, the slowest rank's.
    public var setupSeconds: Double

    public init(ranks: Int, setupSeconds: Double) {
        self.ranks = ranks
        self.setupSeconds = setupSeconds
    }
}

public struct WorkerIteration: Sendable, Equatable, Codable {
    /// From after one barrier to after the next, the slowest rank's.
    public var seconds: Double
    /// Mean over ranks of the time outside communicator calls.
    public var computeSeconds: Double
    /// The rest of `seconds`: transfer, and waiting for slower ranks.
    public var communicationSeconds: Double
    /// Payload that ranks sent to other ranks, in sum.
    public var bytes: Int

    public init(
        seconds: Double, computeSeconds: Double, communicationSeconds: Double, bytes: Int
    ) {
        self.seconds = seconds
        self.computeSeconds = computeSeconds
        self.communicationSeconds = communicationSeconds
        self.bytes = bytes
    }
}

public struct WorkerResult: Sendable, Equatable {
    public var outputRows: Int
    /// Sum of the hashes of all output rows, sixteen hexadecimal digits.
    public var checksum: String
    public var tables: [ResultTable]

    public init(outputRows: Int, checksum: String, tables: [ResultTable]) {
        self.outputRows = outputRows
        self.checksum = checksum
        self.tables = tables
    }
}

extension WorkerMessage {
    /// The line's JSON; its first field, `message`, tells which case it is.
    public var json: JSONValue {
        switch self {
        case .started(let start):
            .object([
                JSONField("message", .string("started")),
                JSONField("ranks", .integer(start.ranks)),
                JSONField("setupSeconds", .number(start.setupSeconds)),
            ])
        case .iteration(let iteration):
            .object([
                JSONField("message", .string("iteration")),
                JSONField("seconds", .number(iteration.seconds)),
                JSONField("computeSeconds", .number(iteration.computeSeconds)),
                JSONField("communicationSeconds", .number(iteration.communicationSeconds)),
                JSONField("bytes", .integer(iteration.bytes)),
            ])
        case .result(let result):
            .object([
                JSONField("message", .string("result")),
                JSONField("outputRows", .integer(result.outputRows)),
                JSONField("checksum", .string(result.checksum)),
                JSONField("tables", .array(result.tables.map(\.json))),
            ])
        }
    }
}

extension ResultTable {
    public var json: JSONValue {
        .object([
            JSONField("name", .string(name)),
            JSONField("columns", .array(columns.map { .string($0) })),
            JSONField("rows", .array(rows.map { .array($0.map(\.json)) })),
        ])
    }
}

extension Cell {
    /// Whole numbers keep a point (`1.0`), so that a reader can tell them from integers.
    var json: JSONValue {
        switch self {
        case .null: .null
        case .integer(let value): .integer(value)
        case .number(let value): .number(value)
        case .text(let value): .string(value)
        }
    }
}
