// Gather, filter, concat, hashes and checksums against naive ones.
import Testing

@testable import Frames

@Suite struct KernelsRowsTests {
    @Test("gather takes rows by number, and nulls for −1", arguments: awkwardSizes)
    func gather(size: Int) {
        var random = SeededRandom(seed: UInt64(size))
        for type in DataType.allCases {
            for nullShare in [0, 0.3] {
                let column = random.column(type, count: size, distinct: 30, nullShare: nullShare)
                let wanted = (0..<size * 2).map { _ in Int.random(in: -1..<size, using: &random) }
                let taken = Kernels.gather(column, RowIndices(wanted))
                #expect(
                    taken.cells == wanted.map { $0 < 0 ? .null : column.cell($0) },
                    "\(type), nulls \(nullShare)")
            }
            let none = Kernels.gather(Column.empty(type), RowIndices([-1, -1]))
            #expect(none.cells == [.null, .null], "\(type)")
        }
    }

    @Test("filter keeps the rows that are true, not those that are null", arguments: awkwardSizes)
    func filter(size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 100)
        for nullShare in [0, 0.3] {
            let table = random.table(
                DataType.allCases, count: size, distinct: 30, nullShare: nullShare)
            let mask = random.column(.bool, count: size, nullShare: nullShare)
            let kept = Kernels.filter(table, mask: mask)
            let expected = rows(of: table.columns).enumerated()
                .filter { mask.cell($0.offset) == .bool(true) }.map(\.element)
            #expect(rows(of: kept.columns) == expected, "nulls \(nullShare)")
            #expect(kept.rowCount == expected.count)
            let all = Kernels.filter(table, mask: Column([Bool?](repeating: true, count: size)))
            #expect(rows(of: all.columns) == rows(of: table.columns))
        }
    }

    @Test("concat puts chunks one after the other", arguments: awkwardSizes)
    func concat(size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 200)
        let tables = [0.3, 0, 1].map {
            random.table(DataType.allCases, count: size, distinct: 30, nullShare: $0)
        }
        let parts = tables.flatMap { $0.chunks(3) }
        let whole = Kernels.concat(parts)
        #expect(rows(of: whole.columns) == tables.flatMap { rows(of: $0.columns) })
        #expect(whole.rowCount == 3 * size)
    }

    @Test("equal rows have equal hashes, different ones different hashes")
    func hashes() {
        var random = SeededRandom(seed: 3)
        for types in [[.int64], [.string], [.float64], DataType.allCases] as [[DataType]] {
            let table = random.table(types, count: 500, distinct: 40)
            let buffer = Kernels.rowHashes(table.columns)
            let hashes = (0..<500).map { buffer.elements(as: UInt64.self)[$0] }
            var known: [[Cell]: UInt64] = [:]
            let all = rows(of: table.columns)
            for row in 0..<500 {
                let hash = known[all[row], default: hashes[row]]
                #expect(hash == hashes[row], "row \(row) of \(types): \(all[row])")
                known[all[row]] = hash
            }
            #expect(Set(known.values).count == known.count, "\(types)")
        }
        let single = Kernels.rowHashes([Column([42, -1] as [Int64?])])
        #expect(single.elements(as: UInt64.self)[1] == hashInt64(-1))
    }

    @Test("both the rank's bits and the partition's spread regular keys evenly")
    func hashSpread() {
        for step in [1, 2, 1000, 1 << 20, 1 << 40] as [Int64] {
            var ranks = [Int](repeating: 0, count: 16)
            var partitions = [Int](repeating: 0, count: 16)
            for key in 0..<Int64(16000) {
                let hash = hashInt64(key &* step)
                ranks[Int(hash >> 60)] += 1
                partitions[Int(hash >> 40 & 15)] += 1
            }
            #expect(ranks.allSatisfy { (800...1200).contains($0) }, "step \(step): \(ranks)")
            #expect(partitions.allSatisfy { (800...1200).contains($0) }, "step \(step)")
        }
    }

    @Test("the checksum ignores order and chunks, and shows any change of rows")
    func checksum() throws {
        var random = SeededRandom(seed: 11)
        let table = random.table([.int64, .string, .float64, .bool], count: 300, distinct: 50)
        let sum = Kernels.rowChecksum(table)
        let shuffled = Array(0..<300).shuffled(using: &random)
        #expect(Kernels.rowChecksum(Kernels.gather(table, RowIndices(shuffled))) == sum)
        #expect(table.chunks(4).reduce(0) { $0 &+ Kernels.rowChecksum($1) } == sum)
        for row in [0, 150, 299] {
            let dropped = RowIndices((0..<300).filter { $0 != row })
            #expect(Kernels.rowChecksum(Kernels.gather(table, dropped)) != sum, "row \(row)")
            let doubled = RowIndices(Array(0..<300) + [row])
            #expect(Kernels.rowChecksum(Kernels.gather(table, doubled)) != sum, "row \(row)")
        }
        #expect(Kernels.rowChecksum(["a": [1, 4]]) != Kernels.rowChecksum(["a": [2, 3]]))
        let swapped: Table = ["a": [1, 2], "b": [2, 1]]
        #expect(Kernels.rowChecksum(swapped) != Kernels.rowChecksum(["a": [1, 2], "b": [1, 2]]))
        let floats: Table = ["a": [1, 2], "b": Column([0.5, 1.5] as [Double?])]
        #expect(Kernels.rowChecksum(floats) == Kernels.rowChecksum(["a": [1, 2]]))
    }
}
