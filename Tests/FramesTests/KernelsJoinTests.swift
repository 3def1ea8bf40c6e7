// Joins against a naive nested one, over types, sizes, chunks and both kinds of partitioning.
import Testing

@testable import Frames

@Suite struct KernelsJoinTests {
    /// Rows a join must give.
    private func naive(
        _ left: Table, _ right: Table, _ leftKeys: [Int], _ rightKeys: [Int], _ kind: JoinKind,
        _ rightColumns: [Int]
    ) -> [[Cell]] {
        var byKey: [[Cell]: [Int]] = [:]
        for row in 0..<right.rowCount {
            byKey[rightKeys.map { right.columns[$0].cell(row) }, default: []].append(row)
        }
        var result: [[Cell]] = []
        for row in 0..<left.rowCount {
            let key = leftKeys.map { left.columns[$0].cell(row) }
            let own = left.columns.map { $0.cell(row) }
            let matches = key.contains(.null) ? [] : byKey[key, default: []]
            for match in matches {
                result.append(own + rightColumns.map { right.columns[$0].cell(match) })
            }
            if matches.isEmpty && kind == .left {
                result.append(own + rightColumns.map { _ in .null })
            }
        }
        return result
    }

    private func check(
        _ left: Table, _ right: Table, on leftKeys: [Int], _ rightKeys: [Int],
        _ rightColumns: [Int], parts: Int = 1, _ comment: String
    ) throws {
        for kind in [JoinKind.inner, .left] {
            let joined = try Kernels.join(
                left: left.chunks(parts), right: right.chunks(parts), leftKeys: leftKeys,
                rightKeys: rightKeys, kind: kind, rightColumns: rightColumns)
            let expected = naive(left, right, leftKeys, rightKeys, kind, rightColumns)
            #expect(joined.count == left.columns.count + rightColumns.count)
            #expect(
                tally(rows(of: joined)) == tally(expected),
                "\(kind) join, \(comment), \(left.rowCount) and \(right.rowCount) rows")
        }
    }

    @Test("joins on one key of any type", arguments: DataType.allCases, awkwardSizes)
    func oneKey(type: DataType, size: Int) throws {
        var random = SeededRandom(seed: UInt64(size))
        for (nullShare, parts) in [(0, 1), (0.2, 3), (0, 4)] as [(Double, Int)] {
            let left = random.table([type, .string], count: size, nullShare: nullShare)
            let right = random.table([.bool, type], count: size / 2 + 1, nullShare: nullShare)
            try check(
                left, right, on: [0], [1], [0], parts: parts, "\(type) nulls \(nullShare)")
            try check(
                right, left, on: [1], [0], [1], parts: parts, "\(type) nulls \(nullShare) turned")
        }
    }

    @Test("joins on several keys", arguments: [0, 1, 65, 300])
    func severalKeys(size: Int) throws {
        var random = SeededRandom(seed: UInt64(size) + 5)
        let types: [DataType] = [.int64, .string, .date, .float64, .datetime]
        for keyCount in 2...types.count {
            let left = random.table(types, count: size, distinct: 4, nullShare: 0.1)
            let right = random.table(types, count: size, distinct: 4, nullShare: 0.1)
            let keys = Array(0..<keyCount)
            try check(left, right, on: keys, keys, [4, 0], parts: 2, "\(keyCount) keys")
        }
    }

    @Test("columns travel with the key or are gathered, whatever their number")
    func manyColumns() throws {
        var random = SeededRandom(seed: 9)
        for columnCount in 1...10 {
            let types = [DataType](repeating: .int64, count: columnCount) + [.float64]
            let left = random.table(types, count: 150, distinct: 40, nullShare: 0)
            let right = random.table(types, count: 100, distinct: 40, nullShare: 0)
            let all = Array(0...columnCount)
            try check(left, right, on: [0], [0], all, parts: 2, "\(columnCount) columns")
            try check(
                left, right, on: [0], [0], [], parts: 2, "\(columnCount) and no right columns")
        }
    }

    @Test("many partitions, dense and sparse keys", arguments: [1, 0x7_1234_5671] as [Int64])
    func partitions(step: Int64) throws {
        let rowCount = 30000
        func side(_ seed: UInt64) -> Table {
            var random = SeededRandom(seed: seed)
            let keys = (0..<rowCount).map { _ -> Int64? in
                let key = Int64.random(in: 0..<27000, using: &random)
                return key % 50 == 0 ? nil : (key - 9000) &* step
            }
            return ["key": Column(keys), "value": Column((0..<rowCount).map { Int64($0) })]
        }
        try check(side(1), side(2), on: [0], [0], [1], parts: 3, "step \(step)")
    }

    @Test("one key in every row gives every pair")
    func everyPair() throws {
        let left: Table = ["key": Column([Int64?](repeating: 7, count: 130))]
        let right: Table = [
            "key": Column([Int64?](repeating: 7, count: 90)),
            "value": Column((0..<90).map { Int64($0) }),
        ]
        try check(left, right, on: [0], [0], [1], "all equal")
        let wide: Table = ["key": Column([Int64.min, Int64.max, 0, -1, nil])]
        try check(wide, wide, on: [0], [0], [0], "extreme keys")
    }

    @Test("a small join keeps the order of the left side")
    func order() throws {
        let left: Table = ["key": [3, 1, 2, 1, 9], "value": [0, 1, 2, 3, 4]]
        let right: Table = ["key": [1, 2, 3, 1], "other": [10, 20, 30, 11]]
        let joined = try Kernels.join(
            left: [left], right: [right], leftKeys: [0], rightKeys: [0], kind: .left,
            rightColumns: [1])
        #expect(joined[1].int64s == [0, 1, 1, 2, 3, 3, 4])
        #expect(joined[2].int64s == [30, 10, 11, 20, 10, 11, nil])
    }
}
