// Joins as programs meet them: few matches, keys of text, two keys, keys of which some are frequent.
import Frames
import MessagePassing

/// A workload that joins two frames.
protocol JoinVariant: Workload where Input == JoinInput, Output == Frame {
    init(options: WorkloadOptions)
    var options: WorkloadOptions { get }
    /// Columns of one side, which is frame number `side`, 0 or 1.
    func columns(
        _ generated: GeneratedFrame, side: UInt64, totalRows: Int
    ) throws -> [(String, Column)]
}

extension JoinVariant {
    init(_ options: WorkloadOptions) { self.init(options: options) }

    func prepare(on world: any Communicator) throws -> JoinInput {
        func side(_ number: UInt64) throws -> Frame {
            let generated = GeneratedFrame(options, frame: number, on: world)
            let columns = try columns(
                generated, side: number, totalRows: options.totalRows(ranks: world.size))
            return Frame(try Table(columns), on: world)
        }
        return JoinInput(left: try side(0), right: try side(1))
    }

    func summarize(_ output: Frame, on world: any Communicator) throws -> WorkloadResult {
        try WorkloadResult(output)
    }
}

/// Keys times an odd number: the same matches, no array can be indexed by them.
func spread(_ column: Column) throws -> Column {
    let factor = lit(Int(bitPattern: 0x9E37_79B9_7F4A_7C15))
    return try Frame(Table([("key", column)])).select((col("key") * factor).as("key"))
        .table.column("key")
}

/// Every left row is kept; one in ten has a partner.
struct LeftJoinWorkload: JoinVariant {
    static let name = "join-left"
    static let summary = "left join on sparse keys, 10 % of the left rows have a match"
    let options: WorkloadOptions

    func columns(
        _ generated: GeneratedFrame, side: UInt64, totalRows: Int
    ) throws -> [(String, Column)] {
        [
            ("col0", try spread(generated.integers(0, below: totalRows * 9))),
            ("col1", generated.integers(1, below: totalRows)),
        ]
    }

    func run(_ input: JoinInput, on world: any Communicator) throws -> Frame {
        try input.left.join(input.right, on: "col0", how: .left)
    }
}

/// Keys of twelve bytes.
struct StringJoinWorkload: JoinVariant {
    static let name = "join-string"
    static let summary = "inner join on strings of 12 bytes"
    let options: WorkloadOptions

    func columns(
        _ generated: GeneratedFrame, side: UInt64, totalRows: Int
    ) throws -> [(String, Column)] {
        [
            ("col0", generated.text(0, prefix: "id", digits: 10, below: totalRows * 9 / 10)),
            ("col1", generated.integers(1, below: totalRows)),
        ]
    }

    func run(_ input: JoinInput, on world: any Communicator) throws -> Frame {
        try input.left.join(input.right, on: "col0")
    }
}

/// Pairs of integers, as many as there are rows, about.
struct TwoKeyJoinWorkload: JoinVariant {
    static let name = "join-two-keys"
    static let summary = "inner join on two integer keys"
    let options: WorkloadOptions

    func columns(
        _ generated: GeneratedFrame, side: UInt64, totalRows: Int
    ) throws -> [(String, Column)] {
        [
            ("key0", generated.integers(0, below: 1000)),
            ("key1", generated.integers(1, below: totalRows * 9 / 10000)),
            ("col1", generated.integers(2, below: totalRows)),
        ]
    }

    func run(_ input: JoinInput, on world: any Communicator) throws -> Frame {
        try input.left.join(input.right, on: ["key0", "key1"])
    }
}

/// The left keys are distributed as by Zipf's law; those of the right side uniformly.
struct SkewedJoinWorkload: JoinVariant {
    static let name = "join-skewed"
    static let summary = "inner join on sparse keys, the left ones distributed as by Zipf's law"
    let options: WorkloadOptions

    func columns(
        _ generated: GeneratedFrame, side: UInt64, totalRows: Int
    ) throws -> [(String, Column)] {
        // The greatest power of two not above the number of rows.
        let bits = max(1, Int.bitWidth - 1 - totalRows.leadingZeroBitCount)
        let keys =
            side == 0 ? generated.skewed(0, bits: bits) : generated.integers(0, below: 1 << bits)
        return [
            ("col0", try spread(keys)), ("col1", generated.integers(1, below: totalRows)),
        ]
    }

    func run(_ input: JoinInput, on world: any Communicator) throws -> Frame {
        try input.left.join(input.right, on: "col0")
    }
}
