// Rows travel with int32 fields where a sample says so: values at and beyond that limit, seen by the
// sample or not, in keys or in what they carry, on one rank or on several.
import Testing

@testable import Frames

/// Rows per rank of which a sample sees only every second one.
private let rowsPerRank = 2050
private let seenRow = 4
private let unseenRow = 5

@Suite struct NarrowFieldsTests {
    private func side(_ seed: UInt64, _ name: String, count: Int) -> Table {
        var random = SeededRandom(seed: seed)
        let keys = (0..<count).map { _ in Int64.random(in: -1000..<2000, using: &random) }
        let values = (0..<count).map { _ in
            Int64.random(in: Int64(Int32.min)...Int64(Int32.max), using: &random)
        }
        return [
            "key": Column(keys.map { $0 as Int64? }), name: Column(values.map { $0 as Int64? }),
        ]
    }

    private func replacing(_ table: Table, column: Int, row: Int, by value: Int64) -> Table {
        var columns = table.columns
        let values = (0..<table.rowCount).map { $0 == row ? value : columns[column].int64(at: $0) }
        columns[column] = Column(values)
        return Table(schema: table.schema, columns: columns, rowCount: table.rowCount)
    }

    @Test("what a sample does not see is not cut off", arguments: [seenRow, unseenRow])
    func oneRank(row: Int) throws {
        let (left, right) = (side(1, "a", count: rowsPerRank), side(2, "b", count: rowsPerRank))
        #expect(left.columns.allSatisfy(RowLayout.looksNarrow))
        for value in [Int64(Int32.max), Int64(Int32.max) + 1, Int64(Int32.min) - 1] {
            for column in 0...1 {
                for changesLeft in [true, false] {
                    let changed = replacing(
                        changesLeft ? left : right, column: column, row: row, by: value)
                    #expect(
                        RowLayout.looksNarrow(changed.columns[column])
                            == (row == unseenRow || value == Int64(Int32.max)))
                    let (one, other) = changesLeft ? (changed, right) : (left, changed)
                    for kind in [JoinKind.inner, .left] {
                        let joined = try Kernels.join(
                            left: [one], right: [other], leftKeys: [0], rightKeys: [0],
                            kind: kind, rightColumns: [1])
                        #expect(
                            tally(rows(of: joined))
                                == tally(Naive.join(one, other, [(0, 0)], kind)),
                            "\(value) in column \(column), \(changesLeft ? "left" : "right")")
                    }
                }
            }
        }
    }

    @Test("one rank's wide value is everyone's, and costs one exchange more", arguments: [2, 3])
    func severalRanks(ranks: Int) throws {
        let count = ranks * rowsPerRank
        let (left, right) = (side(3, "a", count: count), side(4, "b", count: count))
        let lastRank = (ranks - 1) * rowsPerRank
        let cases: [(row: Int?, exchanges: Int)] = [
            (nil, 4), (lastRank + seenRow, 4), (lastRank + unseenRow, 5),
        ]
        for (row, exchanges) in cases {
            for column in 0...1 {
                let changed =
                    row.map { replacing(left, column: column, row: $0, by: 1 << 40) } ?? left
                let outcome = try Frames.run([Table(emptyWith: left.schema)], ranks: ranks, seed: 1)
                {
                    let world = $0[0].communicator
                    let own = world.rank * rowsPerRank..<(world.rank + 1) * rowsPerRank
                    return try Frame(changed.slice(own), on: world)
                        .join(Frame(right.slice(own), on: world), on: "key")
                }
                #expect(tally(outcome.rows) == tally(Naive.join(changed, right, [(0, 0)], .inner)))
                #expect(outcome.exchanges.allSatisfy { $0 == exchanges })
            }
        }
    }
}
