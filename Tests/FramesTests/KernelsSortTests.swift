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

    /// The order that sorting whole rows gives: that of a column of row numbers beside them.
    private func sortedRows(_ table: Table, _ keys: [ColumnOrder]) -> [Int] {
        let rows = Column((0..<table.rowCount).map { Int64($0) })
        let numbered = Table(
            schema: table.schema, columns: table.columns, rowCount: table.rowCount
        ).with("row number", rows)
        let sorted = Kernels.sort([numbered], by: keys)
        let cut = numbered.rowCount / 3
        let pieces = [numbered.slice(0..<cut), numbered.slice(cut..<numbered.rowCount)]
        let ofPieces = Kernels.sort(pieces, by: keys)
        for (column, ofPieces) in zip(sorted.columns, ofPieces.columns) {
            #expect(column.cells == ofPieces.cells, "pieces are sorted as their whole")
        }
        let order = sorted.columns[table.columns.count].int64s.map { Int($0 ?? -1) }
        for (column, original) in zip(sorted.columns, table.columns) {
            #expect(column.cells == order.map(original.cell), "rows are torn apart")
        }
        return order
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
                #expect(
                    sortedRows(table, [key]) == naive(table, [key]),
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
            #expect(sortedRows(table, keys) == naive(table, keys), "round \(round): \(keys)")
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

    @Test("integers of every spread, in pieces and beyond")
    func spreads() {
        var random = SeededRandom(seed: 62)
        let count = 30_000
        let spreads: [(String, (Int) -> Int64)] = [
            ("wide", { _ in Int64(bitPattern: random.next()) >> 2 }),
            ("full width", { _ in Int64(bitPattern: random.next()) }),
            ("narrow", { _ in Int64(random.next() % 100) - 50 }),
            ("all equal", { _ in 7 }),
            ("in order", { Int64($0) }),
            ("in reverse", { Int64(-$0) }),
            ("constant digits", { _ in Int64(random.next() % 5000) << 40 }),
            ("skewed", { $0 % 1000 == 0 ? Int64(random.next() >> 3) : Int64($0 % 3) }),
            ("dense but for one", { $0 == 77 ? 1 << 60 : Int64(random.next() % 40000) }),
        ]
        for (name, value) in spreads {
            let keys = (0..<count).map(value)
            let texts = Column((0..<count).map { "row \($0)" })
            let floats = Column((0..<count).map { Double($0) / 8 })
            let table: Table = [
                "k": Column(keys), "t": texts, "f": floats, "g": floats, "h": floats,
            ]
            for descending in [false, true] {
                let expected = (0..<count).sorted {
                    if keys[$0] == keys[$1] { return $0 < $1 }
                    return descending ? keys[$0] > keys[$1] : keys[$0] < keys[$1]
                }
                for columns in [1, 3, 5] {
                    let part = Table(
                        schema: table.schema, columns: table.columns, rowCount: count
                    ).prefix(columns)
                    let sorted = Kernels.sort(
                        [part], by: [ColumnOrder(column: 0, descending: descending)])
                    let comment: Comment = "\(name), descending \(descending), \(columns) columns"
                    #expect(sorted.columns[0].int64s == expected.map { keys[$0] }, comment)
                    for index in 1..<columns {
                        let isRight = (0..<count).allSatisfy { row in
                            sorted.columns[index].cell(row)
                                == part.columns[index].cell(expected[row])
                        }
                        #expect(isRight, comment)
                    }
                }
            }
        }
    }

    @Test("sorting a table moves whole rows")
    func wholeRows() {
        let table: Table = ["k": [3, nil, 1, 2], "v": Column(["c", "n", "a", "b"])]
        let sorted = Kernels.sort([table], by: [ColumnOrder(column: 0)])
        #expect(sorted.columns[0].int64s == [1, 2, 3, nil])
        #expect(sorted.columns[1].strings == ["a", "b", "c", "n"])
        let extremes: Table = ["k": Column([0, Int64.max, -1, Int64.min, 1])]
        #expect(
            Kernels.sort([extremes], by: [ColumnOrder(column: 0)]).columns[0].int64s
                == [Int64.min, -1, 0, 1, Int64.max])
    }
}

extension Table {
    /// The table with one more column.
    fileprivate func with(_ name: String, _ column: Column) -> Table {
        do {
            return try Table(Array(zip(schema.names + [name], columns + [column])))
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Its first columns.
    fileprivate func prefix(_ count: Int) -> Table {
        do {
            return try Table(Array(zip(schema.names, columns).prefix(count)))
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
