// Workloads of one or two columns: sort by text, distinct keys, whole-column aggregates, a filter.
import Frames
import MessagePassing
import Records

/// Sorts by G1's id3, a string per 100 rows, carrying a float.
struct StringSortWorkload: FrameWorkload {
    static let name = "sort-string"
    static let summary = "sort by a string of 12 bytes, carrying a float"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        G1Column.columns([.id3, .v3], generated, totalRows: totalRows)
    }

    func run(_ input: Frame) throws -> Frame { try input.sort(by: "id3") }

    /// The checksum does not see the order, so violations of it are counted beside it.
    func summarize(_ output: Frame, on world: any Communicator) throws -> WorkloadResult {
        let column = try output.table.column("id3")
        var violations = 0
        var previous = column.count > 0 ? column.string(at: 0) ?? "" : ""
        let first = previous
        for row in 0..<column.count {
            let text = column.string(at: row) ?? ""
            if text < previous { violations += 1 }
            previous = text
        }
        // Between ranks: texts of equal length, end to end.
        let ends = Array(first.utf8) + Array(previous.utf8)
        let all = try world.allgatherv(ends.span).elements
        let width = max(1, first.utf8.count)
        var last: ArraySlice<UInt8> = []
        violations = try world.allreduce(violations, .sum)
        for start in stride(from: 0, to: all.count, by: 2 * width) {
            if all[start..<start + width].lexicographicallyPrecedes(last) { violations += 1 }
            last = all[start + width..<start + 2 * width]
        }
        return try WorkloadResult(
            output,
            tables: [singleCell("order violations", .integer(violations))]
                + floatSums(of: output))
    }
}

/// The distinct values of a narrow range, which most rows repeat.
struct UniqueWorkload: FrameWorkload {
    static let name = "unique"
    static let summary = "distinct integers of a narrow range"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        [("key", generated.integers(0, below: totalRows * 9 / 10))]
    }

    func run(_ input: Frame) throws -> Frame { try input.unique() }
}

/// The same with values spread over 64 bits.
struct SparseUniqueWorkload: FrameWorkload {
    static let name = "unique-sparse"
    static let summary = "distinct integers, spread over 64 bits"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) throws -> [(String, Column)] {
        [("key", try spread(generated.integers(0, below: totalRows * 9 / 10)))]
    }

    func run(_ input: Frame) throws -> Frame { try input.unique() }
}

/// Four aggregates of one column.
struct AggregateWorkload: FrameWorkload {
    static let name = "aggregate"
    static let summary = "sum, least, greatest and mean of a float column, 10 % null"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        [("v", generated.withNulls(1, generated.fractions(0)))]
    }

    func run(_ input: Frame) throws -> Frame {
        try input.aggregate(
            col("v").sum(), col("v").min(), col("v").max(), col("v").mean())
    }
}

/// Half of the rows of one column.
struct FilterWorkload: FrameWorkload {
    static let name = "filter"
    static let summary = "rows of a float column above 0.5"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        [("v", generated.fractions(0))]
    }

    func run(_ input: Frame) throws -> Frame { try input.filter(col("v") > 0.5) }
}
