// Filters of tables long enough to be worked on batch by batch.

import Testing

@testable import Frames

@Suite struct FilteredRowsTests {
    /// Columns of every width, with nulls and without, texts and bits; `row` counts up.
    private func table(_ count: Int) throws -> Table {
        var random = SeededRandom(seed: 9)
        let types: [DataType] = [.int64, .int32, .int16, .uint8, .float64, .bool, .string]
        let plain = random.table(types, count: count, distinct: 50, nullShare: 0)
        let nullable = random.table([.int64, .bool, .string], count: count, distinct: 50)
        let row = Column((0..<count).map { Int64($0) })
        let names = (0..<types.count).map { "c\($0)" } + ["row", "n0", "n1", "n2"]
        return try Table(Array(zip(names, plain.columns + [row] + nullable.columns)))
    }

    private func expect(
        _ table: Table, _ condition: Expression, keeps: (Int) -> Bool, _ comment: Comment
    ) throws {
        let rows = (0..<table.rowCount).filter(keeps)
        let filtered = try Frame(table).filter(condition).table
        #expect(filtered.rowCount == rows.count, comment)
        for (column, original) in zip(filtered.columns, table.columns) {
            #expect(column.cells == rows.map(original.cell), comment)
        }
    }

    @Test func `rows are kept wherever in the batches the condition holds`() throws {
        let count = 3 * Expression.batchRowCount + 77
        let whole = try table(count + 13)
        for table in [whole.slice(0..<count), whole.slice(13..<count + 13)] {
            let first = table.columns[7].int64(at: 0) ?? 0
            func row(_ index: Int) -> Int { index + Int(first) }
            let last = row(count - 1)
            let cuts = [
                row(0), row(1), row(8191), row(8192), row(8193), row(16384), last, last + 1,
            ]
            for cut in cuts {
                try expect(
                    table, col("row") < lit(cut), keeps: { row($0) < cut }, "below \(cut)")
                try expect(
                    table, col("row") >= lit(cut), keeps: { row($0) >= cut }, "from \(cut)")
            }
            try expect(
                table, col("row") % 3 == 0, keeps: { row($0) % 3 == 0 }, "every third")
        }
    }

    @Test func `a condition that is null drops its rows`() throws {
        let table = try table(2 * Expression.batchRowCount + 1000)
        let column = table.columns[8]
        try expect(
            table, col("n0") > 0, keeps: { (column.int64(at: $0) ?? 0) > 0 }, "nulls")
    }

    @Test func `conditions on texts, lists and categories are those of short tables`() throws {
        let count = 2 * Expression.batchRowCount + 5
        let texts = (0..<count).map { "t\($0 % 7)" }
        let table = try Table([
            ("s", Column(texts)), ("c", Column(categories: texts)),
            ("row", Column((0..<count).map { Int64($0) })),
        ])
        for name in ["s", "c"] {
            try expect(table, col(name) == "t3", keeps: { $0 % 7 == 3 }, "equal, \(name)")
            try expect(
                table, col(name).isIn(["t1", "t5"]), keeps: { [1, 5].contains($0 % 7) },
                "in a list, \(name)")
        }
        try expect(
            table, col("row").isIn([3, 9000, 16000]), keeps: { [3, 9000, 16000].contains($0) },
            "rows")
    }

    @Test func `a value that fails to be cast is named by its row of the whole`() throws {
        let count = 2 * Expression.batchRowCount + 5
        let texts = (0..<count).map { $0 == 12_345 ? "x" : "\($0)" }
        let frame = Frame(try Table([("s", Column(texts))]))
        let error = #expect(throws: FrameError.self) {
            try frame.filter(col("s").cast(.int64) > 5)
        }
        #expect(
            error?.code == .malformedValue && "\(error?.reason ?? "")".contains("12"),
            "\(error?.reason ?? "")")
    }
}
