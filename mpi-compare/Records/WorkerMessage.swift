// What rank 0 of a worker prints on standard output, one JSON object per line, for
// `mpi-compare run` to collect: `started` once, `iteration` after each repetition, `result` and the
// tables at the end.
import CompactJSON

/// One line from a worker. Times are in seconds; all figures are already combined over the ranks.
public enum WorkerMessage: Sendable, Equatable {
    /// The body has begun on all ranks.
    case started(WorkerStart)
    /// One timed repetition is over and its output was checked.
    case iteration(WorkerIteration)
    /// The last line: everything went well.
    case result(WorkerResult)
}

public struct WorkerStart: Sendable, Equatable {
    public var ranks: Int
    /// From the entry of the process to the entry of the body, the slowest rank's.
    public var setupSeconds: Double

    public init(ranks: Int, setupSeconds: Double) {
        self.ranks = ranks
        self.setupSeconds = setupSeconds
    }
}

public struct WorkerIteration: Sendable, Equatable {
    /// From after one barrier to after the next, the slowest rank's.
    public var seconds: Double
    /// Mean over ranks of the time outside communicator calls.
    public var computeSeconds: Double
    /// The rest of `seconds`: transfer, and waiting for slower ranks.
    public var communicationSeconds: Double
    /// Payload that ranks sent to other ranks, in sum.
    public var bytes: Int
    /// Processor time of the ranks' threads, in sum; waiting counts where a rank polls.
    public var processorSeconds: Double
    /// What the ranks asked of a store, in sum; 0 where there is none.
    public var storeWrites: Int
    public var storeReads: Int

    public init(
        seconds: Double, computeSeconds: Double, communicationSeconds: Double, bytes: Int,
        processorSeconds: Double = 0, storeWrites: Int = 0, storeReads: Int = 0
    ) {
        self.processorSeconds = processorSeconds
        self.storeWrites = storeWrites
        self.storeReads = storeReads
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
    /// Most memory the ranks' processes held, in sum, from after the input was made to after the
    /// first run: input, output and all between. 0 where the system does not tell.
    public var peakBytes: Int

    public init(
        outputRows: Int, checksum: String, tables: [ResultTable], peakBytes: Int = 0
    ) {
        self.peakBytes = peakBytes
        self.outputRows = outputRows
        self.checksum = checksum
        self.tables = tables
    }

    /// What differs from `expected`, in words; nil if nothing does. Floats may differ within 1e-9.
    public func difference(from expected: WorkerResult) -> String? {
        if outputRows != expected.outputRows {
            return "\(outputRows) output rows, not \(expected.outputRows)"
        }
        if checksum != expected.checksum { return "checksum \(checksum), not \(expected.checksum)" }
        if tables.count != expected.tables.count {
            return "\(tables.count) result tables, not \(expected.tables.count)"
        }
        for (table, other) in zip(tables, expected.tables) {
            if let difference = table.difference(from: other) {
                return "table \(table.name), \(difference)"
            }
        }
        return nil
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
                JSONField("processorSeconds", .number(iteration.processorSeconds)),
                JSONField("storeWrites", .integer(iteration.storeWrites)),
                JSONField("storeReads", .integer(iteration.storeReads)),
            ])
        case .result(let result):
            .object([
                JSONField("message", .string("result")),
                JSONField("outputRows", .integer(result.outputRows)),
                JSONField("checksum", .string(result.checksum)),
                JSONField("tables", .array(result.tables.map(\.json))),
                JSONField("peakBytes", .integer(result.peakBytes)),
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

extension WorkerMessage {
    /// The message that a line of a worker's output is; nil for any other line.
    public init?(line: String) {
        guard line.hasPrefix("{"), let json = JSONValue(parsing: line),
            case .string(let kind)? = json["message"]
        else { return nil }
        switch kind {
        case "started":
            guard let ranks = json["ranks"]?.integer,
                let setupSeconds = json["setupSeconds"]?.number
            else { return nil }
            self = .started(WorkerStart(ranks: ranks, setupSeconds: setupSeconds))
        case "iteration":
            guard let seconds = json["seconds"]?.number,
                let computeSeconds = json["computeSeconds"]?.number,
                let communicationSeconds = json["communicationSeconds"]?.number,
                let bytes = json["bytes"]?.integer
            else { return nil }
            self = .iteration(
                WorkerIteration(
                    seconds: seconds, computeSeconds: computeSeconds,
                    communicationSeconds: communicationSeconds, bytes: bytes,
                    processorSeconds: json["processorSeconds"]?.number ?? 0,
                    storeWrites: json["storeWrites"]?.integer ?? 0,
                    storeReads: json["storeReads"]?.integer ?? 0))
        case "result":
            guard let outputRows = json["outputRows"]?.integer,
                case .string(let checksum)? = json["checksum"],
                case .array(let tables)? = json["tables"]
            else { return nil }
            self = .result(
                WorkerResult(
                    outputRows: outputRows, checksum: checksum,
                    tables: tables.compactMap { ResultTable(json: $0) },
                    peakBytes: json["peakBytes"]?.integer ?? 0))
        default: return nil
        }
    }
}

extension ResultTable {
    init?(json: JSONValue) {
        guard case .string(let name)? = json["name"], case .array(let columns)? = json["columns"],
            case .array(let rows)? = json["rows"]
        else { return nil }
        self.init(
            name: name,
            columns: columns.map { if case .string(let column) = $0 { column } else { "" } },
            rows: rows.map { row in
                guard case .array(let cells) = row else { return [] }
                return cells.map { Cell(json: $0) }
            })
    }
}

extension Cell {
    init(json: JSONValue) {
        switch json {
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .number(value)
        case .string(let value): self = .text(value)
        default: self = .null
        }
    }
}
