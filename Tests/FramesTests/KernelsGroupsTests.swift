// groupBy, unique and scalar aggregates against naive ones.
import Testing

@testable import Frames

@Suite struct KernelsGroupsTests {
    /// The value of an aggregate over cells.
    private func naive(_ function: GroupAggregate.Function, _ cells: [Cell]) -> Cell {
        let values = cells.filter { $0 != .null }
        switch function {
        case .len: return .int(Int64(cells.count))
        case .count: return .int(Int64(values.count))
        case .sum:
            if case .float = values.first {
                return .float(
                    value: values.reduce(0.0) { sum, cell in
                        if case .float(let bits) = cell {
                            sum + Double(bitPattern: bits)
                        } else {
                            sum
                        }
                    })
            }
            return .int(
                values.reduce(0) { sum, cell in
                    switch cell {
                    case .int(let value): sum &+ value
                    case .bool(let value): sum + (value ? 1 : 0)
                    default: sum
                    }
                })
        case .floatSum:
            return .float(
                value: values.reduce(0.0) { sum, cell in
                    switch cell {
                    case .int(let value): sum + Double(value)
                    case .float(let bits): sum + Double(bitPattern: bits)
                    default: sum
                    }
                })
        case .min, .max:
            let nan = Cell.float(value: .nan)
            let numbers = values.contains { $0 != nan } ? values.filter { $0 != nan } : values
            let best =
                function == .min
                ? numbers.min(by: Cell.isLess) : numbers.max(by: Cell.isLess)
            return best ?? .null
        }
    }

    private func check(
        _ table: Table, keys: [Int], _ aggregates: [GroupAggregate], parts: Int, _ comment: String
    ) {
        let result = Kernels.groupBy(table.chunks(parts), keys: keys, aggregates: aggregates)
        var groups: [[Cell]: [Int]] = [:]
        for row in 0..<table.rowCount {
            groups[keys.map { table.columns[$0].cell(row) }, default: []].append(row)
        }
        let expected = groups.map { key, members in
            key
                + aggregates.map { aggregate in
                    naive(
                        aggregate.function,
                        members.map { row in
                            aggregate.column.map { table.columns[$0].cell(row) } ?? .bool(true)
                        })
                }
        }
        #expect(tally(rows(of: result)) == tally(expected), "\(comment), \(table.rowCount) rows")
    }

    @Test("every aggregate by a key of every type", arguments: DataType.allCases, awkwardSizes)
    func oneKey(type: DataType, size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 31)
        let types = [type] + DataType.allCases
        var aggregates = [GroupAggregate(.len, column: nil)]
        for (column, type) in types.enumerated() where column > 0 {
            aggregates += [
                GroupAggregate(.count, column: column), GroupAggregate(.min, column: column),
                GroupAggregate(.max, column: column),
            ]
            if type.sumType == .int64, !type.isText, type != .date, type != .datetime {
                aggregates.append(GroupAggregate(.sum, column: column))
            }
        }
        for (nullShare, parts) in [(0, 1), (0.3, 3), (1, 2)] as [(Double, Int)] {
            let table = random.table(types, count: size, distinct: 12, nullShare: nullShare)
            check(table, keys: [0], aggregates, parts: parts, "\(type), nulls \(nullShare)")
        }
    }

    @Test("several keys, of ranges that fit one number and of ranges that do not")
    func severalKeys() {
        var random = SeededRandom(seed: 77)
        let types: [DataType] = [.int64, .string, .date, .float64, .datetime, .bool]
        for keyCount in 2...types.count {
            for distinct in [2, 40] {
                let table = random.table(types, count: 300, distinct: distinct)
                check(
                    table, keys: Array(0..<keyCount),
                    [GroupAggregate(.len, column: nil), GroupAggregate(.sum, column: 0)], parts: 3,
                    "\(keyCount) keys of \(distinct)")
            }
        }
    }

    @Test("long strings that come in another order in each chunk are the same groups")
    func stringsInChunks() {
        let words = ["BOEING", "EMBRAER", "AIRBUS INDUSTRIE", "MCDONNELL DOUGLAS", "X", nil]
        let keys = (0..<60).map { words[($0 * $0 + $0 / 7) % 6] }
        let table: Table = ["key": Column(keys), "value": Column((0..<60).map { Int64($0) })]
        let aggregates = [GroupAggregate(.len, column: nil), GroupAggregate(.sum, column: 1)]
        for parts in 1...4 {
            check(table, keys: [0], aggregates, parts: parts, "\(parts) chunks")
        }
    }

    @Test("float sums of a group add in order of rows")
    func floatSums() {
        let table: Table = [
            "key": [1, 2, 1, 2, 2], "value": Column([0.1, nil, 0.2, .nan, 1] as [Double?]),
        ]
        let result = Kernels.groupBy(
            [table], keys: [0], aggregates: [GroupAggregate(.sum, column: 1)])
        #expect(result[1].float64(at: 0) == 0.1 + 0.2)
        #expect(result[1].float64(at: 1)?.isNaN == true)
        let empty: Table = ["key": [1], "value": Column([nil] as [Double?])]
        let sums = Kernels.groupBy(
            [empty], keys: [0], aggregates: [GroupAggregate(.sum, column: 1)])
        #expect(sums[1].float64s == [0])
    }

    @Test("more groups than the small table holds", arguments: [1, 0x1_0000_0001_0001] as [Int64])
    func manyGroups(step: Int64) {
        let rowCount = 80000
        var random = SeededRandom(seed: 5)
        let keys = (0..<rowCount).map { row -> Int64? in
            row % 1000 == 0 ? nil : Int64.random(in: 0..<60000, using: &random) &* step
        }
        let table: Table = ["key": Column(keys), "value": Column((0..<rowCount).map { Int64($0) })]
        let aggregates = [GroupAggregate(.sum, column: 1), GroupAggregate(.min, column: 1)]
        check(table, keys: [0], aggregates, parts: 3, "step \(step)")
        var seen: Set<Int64?> = []
        let first = keys.indices.filter { seen.insert(keys[$0]).inserted }
        #expect(Kernels.uniqueRows(table, keys: [0]).array == first, "step \(step)")
    }

    @Test("unique keeps first occurrences, in order", arguments: awkwardSizes)
    func unique(size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 400)
        let table = random.table(DataType.allCases, count: size, distinct: 15)
        for keys in [[0], [1], [2], [3], [4], [5], [0, 3], [1, 2, 3]] {
            var seen: Set<[Cell]> = []
            let expected = (0..<size).filter { row in
                seen.insert(keys.map { table.columns[$0].cell(row) }).inserted
            }
            #expect(Kernels.uniqueRows(table, keys: keys).array == expected, "keys \(keys)")
        }
    }

    @Test("scalar aggregates of a column", arguments: awkwardSizes)
    func scalars(size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 900)
        for nullShare in [0, 0.4, 1] {
            for type in DataType.allCases {
                let column = random.column(type, count: size, distinct: 20, nullShare: nullShare)
                for greatest in [false, true] {
                    let row = Kernels.extremeRow(column, greatest: greatest)
                    #expect(
                        row.map(column.cell) ?? .null
                            == naive(greatest ? .max : .min, column.cells),
                        "\(type), nulls \(nullShare)")
                    let function: GroupAggregate.Function = greatest ? .max : .min
                    let chunks = [column.slice(0..<size / 3), column.slice(size / 3..<size)]
                    let whole = Kernels.wholeAggregate(function, chunks, rowCount: size)
                    #expect(
                        whole.cells == [naive(function, column.cells)],
                        "\(function) of \(type), nulls \(nullShare)")
                }
            }
            for type in [DataType.int64, .bool] {
                let column = random.column(type, count: size, nullShare: nullShare)
                #expect(
                    .int(Kernels.integerSum(column)) == naive(.sum, column.cells), "\(type)")
            }
            let values = (0..<size).map { row -> Double? in
                if nullShare > 0 && row % 3 == 0 { return nil }
                return Double(row) / 8
            }
            let eighths = Column(values)
            let expected = eighths.float64s.reduce(0) { $0 + ($1 ?? 0) }
            #expect(FloatSummary([eighths]).sum == expected, "\(size) values")
        }
    }
}
