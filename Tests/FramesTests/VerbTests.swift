// Verbs beside the first ones, against the same done row by row, on 1 to 5 ranks.
import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@testable import Frames

@Suite struct VerbTests {
    private func table(_ seed: UInt64, _ types: [DataType], count: Int, distinct: Int = 10) -> Table
    {
        var random = SeededRandom(seed: seed)
        return random.table(types, count: count, distinct: distinct)
    }

    /// Keys are column 0 of both; the other columns of the right are named `r…`.
    private func sides(_ seed: UInt64, _ key: DataType, _ left: Int, _ right: Int) throws -> [Table]
    {
        [
            table(seed, [key, .int32, .string], count: left, distinct: 25),
            try table(seed + 1, [key, .float64, .category], count: right, distinct: 25)
                .renamed(["c0", "r1", "r2"]),
        ]
    }

    private func naiveJoin(_ left: Table, _ right: Table, _ kind: JoinKind) -> [[Cell]] {
        func keys(_ table: Table) -> Set<Cell> {
            Set(Naive.rows(table).map { $0[0] }).subtracting([.null])
        }
        let (leftKeys, rightKeys) = (keys(left), keys(right))
        switch kind {
        case .semi: return Naive.rows(left).filter { rightKeys.contains($0[0]) }
        case .anti: return Naive.rows(left).filter { !rightKeys.contains($0[0]) }
        default:
            let isLeft = kind == .left || kind == .full
            var rows = Naive.join(left, right, [(0, 0)], isLeft ? .left : .inner)
            if kind == .right || kind == .full {
                rows += Naive.rows(right).filter { !leftKeys.contains($0[0]) }.map { row in
                    [row[0]] + Array(repeating: .null, count: left.columns.count - 1)
                        + row.dropFirst()
                }
            }
            return rows
        }
    }

    @Test(arguments: rankCounts)
    func `every kind of join finds what nested loops find`(ranks: Int) throws {
        let kinds: [JoinKind] = [.right, .full, .semi, .anti, .inner, .left]
        for (index, key) in [DataType.int64, .string, .uint16, .category].enumerated() {
            for (leftCount, rightCount) in [(60, 50), (0, 20), (30, 0)] {
                let tables = try sides(UInt64(index), key, leftCount, rightCount)
                for kind in kinds {
                    let outcome = try Frames.run(tables, ranks: ranks, seed: 3) {
                        try $0[0].join($0[1], on: "c0", how: kind)
                    }
                    #expect(
                        tally(outcome.rows) == tally(naiveJoin(tables[0], tables[1], kind)),
                        "\(kind) on \(key), \(ranks) ranks, \(leftCount) and \(rightCount) rows")
                }
            }
        }
    }

    @Test func `what a composed join sends is counted, and its rows are known to be placed`() throws
    {
        let tables = try sides(1, .int64, 60, 50)
        let outcome = try Frames.run(tables, ranks: 3, seed: 3) {
            try $0[0].join($0[1], on: "c0", how: .semi)
        }
        for frame in outcome.frames {
            #expect(frame.statistics.map(\.operation) == ["join"])
            #expect(frame.statistics[0].exchanges > 1)
            #expect(frame.statistics[0].communication > .zero)
        }
        let received = outcome.frames.reduce(0) { $0 + $1.statistics[0].bytesReceived }
        #expect(received == outcome.frames.reduce(0) { $0 + $1.statistics[0].bytesSent })
    }

    @Test func `joins keep names apart and say what is wrong`() throws {
        let left = Frame(["k": [1, 2], "v": [3, 4], "mark": [5, 6]])
        let right = Frame(["id": [2, 9], "v": [7, 8]])
        let full = try left.join(right, leftOn: "k", rightOn: "id", how: .full, suffix: "2").sort(
            by: "k")
        #expect(full.schema.names == ["k", "v", "mark", "v2"])
        #expect(
            full.table.columns.map(\.int64s) == [
                [1, 2, 9], [3, 4, nil], [5, 6, nil], [nil, 7, 8],
            ])
        let outer = try left.join(right, leftOn: "k", rightOn: "id", how: .right).sort(by: "k")
        #expect(outer.schema.names == ["k", "v", "mark", "v_right"])
        #expect(outer.table.columns.map(\.int64s) == [[2, 9], [4, nil], [6, nil], [7, 8]])
        #expect(
            try left.join(right, leftOn: "k", rightOn: "id", how: .anti).table.columns[2].int64s
                == [5])
        let cross = try left.crossJoin(right)
        #expect(cross.schema.names == ["k", "v", "mark", "id", "v_right"])
        #expect(cross.table.columns[0].int64s == [1, 1, 2, 2])
        #expect(cross.table.columns[3].int64s == [2, 9, 2, 9])
        for kind in [JoinKind.right, .full, .semi, .anti] {
            for ranks in [1, 3] {
                let errors = try Frames.errors([["k": [1]], ["k": Column(["x"])]], ranks: ranks) {
                    try $0[0].join($0[1], on: "k", how: kind)
                }
                #expect(errors.map(\.code) == Array(repeating: .typeMismatch, count: ranks))
            }
        }
    }

    @Test(arguments: rankCounts)
    func `a cross join has every pair`(ranks: Int) throws {
        let tables = [
            table(1, [.int64, .string], count: 13), try table(2, [.bool], count: 7).renamed(["b"]),
        ]
        let expected = Naive.rows(tables[0]).flatMap { left in
            Naive.rows(tables[1]).map { left + $0 }
        }
        for replicated in [[], [0], [1], [0, 1]] {
            let outcome = try Frames.run(tables, ranks: ranks, seed: 5) { frames in
                var sides = frames
                for side in replicated { sides[side] = try frames[side].replicate() }
                return try sides[0].crossJoin(sides[1])
            }
            let rows = replicated.count == 2 ? Frames.rows(of: outcome.frames[0]) : outcome.rows
            #expect(rows == expected, "\(ranks) ranks, replicated \(replicated)")
        }
    }

    @Test(arguments: rankCounts)
    func `slices are those of the whole`(ranks: Int) throws {
        let input = table(7, [.int64, .string], count: 53)
        let all = Naive.rows(input)
        func check(
            _ expected: ArraySlice<[Cell]>, _ what: String,
            _ verb: @escaping @Sendable (Frame) throws -> Frame
        ) throws {
            let outcome = try Frames.run([input], ranks: ranks, seed: 9) { try verb($0[0]) }
            #expect(outcome.rows == Array(expected), "\(what), \(ranks) ranks")
            let copied = try Frames.run([input], ranks: ranks, seed: 9) {
                try verb($0[0].replicate())
            }
            #expect(
                Frames.rows(of: copied.frames[ranks - 1]) == Array(expected), "\(what) of a copy")
        }
        for count in [0, 1, 20, 53, 100] {
            try check(all.suffix(count), "tail \(count)") { try $0.tail(count) }
        }
        for (start, count) in [(0, 5), (10, 30), (50, 10), (60, 1), (0, 0)] {
            try check(all.dropFirst(start).prefix(count), "slice") { try $0.slice(start, count) }
        }
        try check(all.dropFirst(9), "the rest") { try $0.slice(9) }
        try check(all.suffix(20).prefix(5), "from the end") { try $0.slice(-20, 5) }
        try check(all.prefix(7), "beyond the start") { try $0.slice(-60, 14) }
        let indexed = try Frames.run([input], ranks: ranks, seed: 9) { try $0[0].withRowIndex("n") }
        #expect(indexed.rows == all.enumerated().map { [.int(Int64($0))] + $1 })
    }

    @Test func `samples and shuffles are the same at every number of ranks`() throws {
        let input: Table = ["n": Column((0..<500).map { Int64($0) })]
        var samples: [[[[Cell]]]] = []
        for ranks in rankCounts {
            let verbs: [@Sendable (Frame) throws -> Frame] = [
                { try $0.sample(40, seed: 1) }, { try $0.sample(fraction: 0.2, seed: 1) },
                { try $0.shuffle(seed: 1) }, { try $0.sample(40, seed: 2) },
                { try $0.sample(1000) }, { try $0.sample(0) }, { try $0.sample(fraction: 1) },
            ]
            samples.append(
                try verbs.map { verb in
                    try Frames.run([input], ranks: ranks, seed: 2) { try verb($0[0]) }.rows
                })
        }
        #expect(samples.allSatisfy { $0 == samples[0] })
        let all = Naive.rows(input)
        #expect(
            samples[0].map(\.count).enumerated().allSatisfy {
                $0 == 1 || $1 == [40, 0, 500, 40, 500, 0, 500][$0]
            })
        #expect((60...140).contains(samples[0][1].count))
        #expect(samples[0][0] != samples[0][3])
        #expect(samples[0][2] != all && tally(samples[0][2]) == tally(all))
        #expect(samples[0][0] == all.filter { samples[0][0].contains($0) }, "in their order")
    }

    @Test(arguments: rankCounts)
    func `the top rows are the first of the sorted ones`(ranks: Int) throws {
        let input = table(11, [.int8, .string, .float64, .int64], count: 90, distinct: 8)
        let orders: [([SortKey], [(Int, SortKey)])] = [
            ([.descending("c0")], [(0, .descending("c0"))]),
            (
                [.ascending("c1", nulls: .first), .descending("c2")],
                [(1, .ascending("c1", nulls: .first)), (2, .descending("c2"))]
            ),
        ]
        for (keys, named) in orders {
            let sorted = Naive.sort(input, named.map { (column: $0.0, key: $0.1) })
            for count in [0, 1, 17, 90, 200] {
                let outcome = try Frames.run([input], ranks: ranks, seed: 4) {
                    try $0[0].topK(count, by: SortKeys(keys))
                }
                #expect(outcome.rows == Array(sorted.prefix(count)), "\(count) of \(ranks) ranks")
            }
        }
    }

    @Test(arguments: rankCounts)
    func `sets of rows count equal rows once, nulls and NaN included`(ranks: Int) throws {
        let tables = [
            table(21, [.int16, .float32], count: 60, distinct: 6),
            table(22, [.int16, .float32], count: 40, distinct: 7),
        ]
        let (left, right) = (Set(Naive.rows(tables[0])), Set(Naive.rows(tables[1])))
        let verbs: [(Set<[Cell]>, @Sendable (Frame, Frame) throws -> Frame)] = [
            (left.union(right), { try $0.union($1) }),
            (left.intersection(right), { try $0.intersect($1) }),
            (left.subtracting(right), { try $0.subtract($1) }),
        ]
        for (expected, verb) in verbs {
            let outcome = try Frames.run(tables, ranks: ranks, seed: 4) { try verb($0[0], $0[1]) }
            #expect(tally(outcome.rows) == tally(Array(expected)), "\(ranks) ranks")
            #expect(outcome.frames[0].schema.names == ["c0", "c1"])
        }
    }

    @Test(arguments: rankCounts)
    func `aggregates of whole groups`(ranks: Int) throws {
        let keys: [String?] = ["a", "b", "c", "d", nil]
        let values: [Double?] = [1, 2.5, nil, .nan, -3, 7, 7, 1e9, 1e9 + 1]
        let rows = (0..<120).map { row in (keys[row * row % 5], values[row * 7 % 9]) }
        let input: Table = [
            "k": Column(rows.map(\.0)), "v": Column(rows.map(\.1)),
            "n": Column((0..<120).map { Int32($0) } as [Int32?]),
        ]
        let outcome = try Frames.run([input], ranks: ranks, seed: 6) {
            try $0[0].groupBy("k").agg(
                col("n").first(), col("n").last(), col("v").first().as("first"), col("v").nUnique(),
                col("n").std(), col("n").variance(), col("n").median(), col("n").quantile(0.3),
                col("v").quantile(1).as("most"), col("n").sum(), col("n").mean(), len())
        }
        var expected: [[Cell]] = []
        for key in Set(rows.map(\.0)) {
            let own = rows.indices.filter { rows[$0].0 == key }
            let numbers = own.map(Double.init)
            let mean = numbers.reduce(0, +) / Double(own.count)
            let variance =
                numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count - 1)
            func quantile(_ share: Double, _ sorted: [Double]) -> Double {
                let place = share * Double(sorted.count - 1)
                let low = sorted[Int(place)]
                let part = place - place.rounded(.down)
                return part == 0 ? low : low + (sorted[Int(place) + 1] - low) * part
            }
            let floats = own.map { rows[$0].1 }
            let most = floats.compactMap { $0 }.max {
                Cell.isLess(.float(value: $0), .float(value: $1))
            }
            let distinct = Set(floats.map { $0.map { Cell.float(value: $0) } ?? .null }).count
            expected.append([
                key.map { .string($0) } ?? .null, .int(Int64(own[0])),
                .int(Int64(own[own.count - 1])),
                floats[0].map { .float(value: $0) } ?? .null, .int(Int64(distinct)),
                .float(value: variance.squareRoot()), .float(value: variance),
                .float(value: quantile(0.5, numbers)), .float(value: quantile(0.3, numbers)),
                most.map { .float(value: $0) } ?? .null,
                .int(Int64(own.reduce(0, +))), .float(value: mean), .int(Int64(own.count)),
            ])
        }
        #expect(tally(outcome.rows) == tally(expected), "\(ranks) ranks")
        let whole = try Frames.run([input], ranks: ranks, seed: 6) {
            try $0[0].aggregate(
                col("n").median(), col("k").nUnique(), col("n").last(), col("n").std(), len())
        }
        for frame in whole.frames {
            #expect(
                Frames.rows(of: frame).map { Array($0.prefix(3)) } == [
                    [.float(value: 59.5), .int(3), .int(119)]
                ])
            #expect(abs((frame.table.columns[3].float64(at: 0) ?? 0) - 34.785054261852174) < 1e-9)
        }
        let empty = try Frames.run([input.slice(0..<0)], ranks: ranks, seed: 6) {
            try $0[0].aggregate(
                col("n").median(), col("k").nUnique(), col("k").first(), col("n").sum(), len())
        }
        #expect(
            Frames.rows(of: empty.frames[ranks - 1]) == [[.null, .int(0), .null, .int(0), .int(0)]])
    }

    @Test func `few values have no deviation, and shares beyond 0 and 1 no quantile`() throws {
        let frame = Frame(["k": [1, 2, 2, 3], "v": Column([5, 1, 2, nil])])
        let result = try frame.groupBy("k").agg(col("v").std(), col("v").median()).sort(by: "k")
        #expect(result.table.columns[1].float64s == [nil, 0.5.squareRoot(), nil])
        #expect(result.table.columns[2].float64s == [5, 1.5, nil])
        #expect(throws: FrameError.self) { try frame.groupBy("k").agg(col("v").quantile(1.5)) }
        #expect(try frame.median("v") == .float64(2))
        #expect(try frame.quantile("v", 0.25) == .float64(1.5))
        #expect(try frame.nUnique("v") == 4)
        #expect(try frame.std("k") == .float64((2.0 / 3).squareRoot()))
    }

    @Test(arguments: rankCounts)
    func `frames are equal if their rows are, in order`(ranks: Int) throws {
        let input = table(31, DataType.allCases, count: 70, distinct: 20)
        let results = Mutex<[Bool]>([])
        _ = try Frames.run([input, input], ranks: ranks, seed: 8) { frames in
            let other = try frames[0].rebalance()
            let reversed = try frames[1].withRowIndex().sort(by: .descending("index")).drop("index")
            let answers = [
                try frames[0].equals(frames[1]), try frames[0].equals(other),
                try frames[0].equals(other.head(69)), try frames[0].equals(reversed),
                try frames[0].equals(other.drop("c3")),
                try frames[0].equals(frames[1].replicate()),
                try frames[0].replicate().equals(frames[1].replicate()),
            ]
            results.withLock { $0 += answers }
            return frames[0]
        }
        let expected = [true, true, false, false, false, true, true]
        #expect(results.withLock { $0 } == Array(repeating: expected, count: ranks).flatMap(\.self))
    }

    @Test(arguments: rankCounts)
    func `partitions are mapped by the program, and its errors are everyone’s`(ranks: Int) throws {
        let input = table(41, [.int64], count: 50)
        let schema = try Schema([Field("rows", .int64)])
        let outcome = try Frames.run([input], ranks: ranks, seed: 1) {
            try $0[0].mapPartitions(returning: schema) { ["rows": Column([Int64($0.rowCount)])] }
        }
        #expect(outcome.rows.count == ranks)
        let errors = try Frames.errors([input], ranks: ranks) { frames in
            let rank = frames[0].communicator.rank
            return try frames[0].mapPartitions(returning: schema) { table in
                rank == ranks - 1 ? table : ["rows": [1]]
            }
        }
        #expect(errors.count == ranks)
        #expect(errors.allSatisfy { $0 == errors[0] && $0.code == .invalidArgument })
    }

    @Test(arguments: rankCounts)
    func `values are counted, most frequent first`(ranks: Int) throws {
        let input: Table = ["s": Column(["b", "a", nil, "b", "a", nil, nil, "c"])]
        let outcome = try Frames.run([input], ranks: ranks, seed: 1) { try $0[0].valueCounts("s") }
        #expect(
            outcome.rows == [
                [.null, .int(3)], [.string("a"), .int(2)], [.string("b"), .int(2)],
                [.string("c"), .int(1)],
            ])
    }
}
