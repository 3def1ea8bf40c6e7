// Sorts against a stable naive one.
import Testing

@testable import Frames

@Suite struct KernelsSortTests {
    private func naive(_ table: Table, _ keys: [ColumnOrder]) -> [Int] {
        let cells = table.columns.map(\.cells)
        let nan = Cell.float(value: .nan)
        func precedes(_ first: Int, _ second: Int) -> Bool {
            for key in keys {
                let (one, other) = (cells[key.column][first], cells[key.column][second])
                if one == other { continue }
                if one == .null { return key.nullsFirst }
                if other == .null { return !key.nullsFirst }
                if one == nan || other == nan { return other == nan }
                return key.descending ? Cell.isLess(other, one) : Cell.isLess(one, other)
            }
            return first < second
        }
        return (0..<table.rowCount).sorted(by: precedes)
    }

    @Test("sorts by one key of any type", arguments: DataType.allCases, awkwardSizes)
    func oneKey(type: DataType, size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 50)
        for (distinct, nullShare) in [(3, 0), (30, 0.2), (100_000, 0.1)] as [(Int, Double)] {
            let table = random.table([type], count: size, distinct: distinct, nullShare: nullShare)
            for (descending, nullsFirst) in [(false, false), (true, false), (false, true)] {
                let key = ColumnOrder(column: 0, descending: descending, nullsFirst: nullsFirst)
                #expect(
                    Kernels.argsort(table, by: [key]).array == naive(table, [key]),
                    "\(type), \(distinct) values, descending \(descending), first \(nullsFirst)")
            }
        }
    }

    @Test("sorts by several keys", arguments: [0, 1, 65, 500])
    func severalKeys(size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 60)
        let table = random.table(DataType.allCases, count: size, distinct: 3)
        for round in 0..<12 {
            let columns = Array(table.columns.indices).shuffled(using: &random).prefix(3)
            let keys = columns.map { column in
                ColumnOrder(
                    column: column, descending: Bool.random(using: &random),
                    nullsFirst: Bool.random(using: &random))
            }
            #expect(
                Kernels.argsort(table, by: keys).array == naive(table, keys),
                "round \(round): \(keys)")
        }
    }

    @Test("strings that share long prefixes, end within them or hold zero bytes")
    func strings() {
        var random = SeededRandom(seed: 61)
        let pieces = ["", "\0", "a", "b", "aaaaaaaa", "aaaaaaa", "é", "\0\0\0\0\0\0\0\0"]
        let values = (0..<700).map { _ -> String? in
            (0..<Int.random(in: 0...4, using: &random)).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &random)]
            }.joined()
        }
        let table: Table = ["s": Column(values)]
        for descending in [false, true] {
            let key = ColumnOrder(column: 0, descending: descending)
            #expect(
                Kernels.argsort(table, by: [key]).array == naive(table, [key]),
                "descending \(descending)")
        }
    }

    @Test("sorting a table moves whole rows")
    func wholeRows() {
        let table: Table = ["k": [3, nil, 1, 2], "v": Column(["c", "n", "a", "b"])]
        let sorted = Kernels.sort(table, by: [ColumnOrder(column: 0)])
        #expect(sorted.columns[0].int64s == [1, 2, 3, nil])
        #expect(sorted.columns[1].strings == ["a", "b", "c", "n"])
        let extremes: Table = ["k": Column([0, Int64.max, -1, Int64.min, 1])]
        #expect(
            Kernels.sort(extremes, by: [ColumnOrder(column: 0)]).columns[0].int64s
                == [Int64.min, -1, 0, 1, Int64.max])
    }
}
