// Every distributed verb against the same done row by row, on 1 to 5 ranks, over random tables.
import Testing

@testable import Frames

private let types: [DataType] = [
    .int64, .string, .float64, .bool, .date, .datetime, .int8, .uint16, .uint64, .float32,
    .category,
]

@Suite struct DistributedVerbTests {
    private func table(_ seed: UInt64, _ types: [DataType], count: Int, distinct: Int) -> Table {
        var random = SeededRandom(seed: seed)
        return random.table(types, count: count, distinct: distinct)
    }

    @Test(arguments: rankCounts)
    func `a join finds the pairs that a nested loop finds`(ranks: Int) throws {
        for (index, type) in types.enumerated() {
            for (rightCount, roundBytes) in [(90, 1 << 30), (8, 1 << 30), (90, 500)] {
                for kind in [JoinKind.inner, .left] {
                    let seed = UInt64(index * 100 + rightCount)
                    let left = table(seed, [type, .int64, .string], count: 120, distinct: 40)
                    let right = try table(
                        seed + 1, [type, .bool, .float64], count: rightCount, distinct: 40
                    )
                    .renamed(["c0", "r1", "r2"])
                    let outcome = try Frames.run(
                        [left, right], ranks: ranks, seed: seed, roundBytes: roundBytes
                    ) { try $0[0].join($0[1], on: "c0", how: kind) }
                    let expected = Naive.join(left, right, [(0, 0)], kind)
                    #expect(
                        tally(outcome.rows) == tally(expected),
                        "\(kind) on \(type), \(ranks) ranks, \(rightCount) right rows, seed \(seed)"
                    )
                }
            }
        }
    }

    @Test(arguments: rankCounts)
    func `plain integer keys, dense, sparse or all equal, join where they are partitioned`(
        ranks: Int
    ) throws {
        for (seed, scale) in [(1, Int64(1)), (2, 1 << 40), (3, 0)] {
            for (rightCount, spread) in [(300, 250), (900, 2000), (0, 1)] {
                var random = SeededRandom(seed: UInt64(seed))
                func plain(_ count: Int) -> [Int64?] {
                    (0..<count).map { _ in
                        Int64.random(in: 0..<Int64(spread), using: &random) * scale
                    }
                }
                let leftCount = scale == 0 ? 40 : 600
                let left: Table = ["k": Column(plain(leftCount)), "a": Column(plain(leftCount))]
                let right: Table = [
                    "b": Column(plain(rightCount).map { $0.map(Double.init) }),
                    "k": Column(plain(rightCount)), "a": Column(plain(rightCount)),
                ]
                for kind in [JoinKind.inner, .left] {
                    let outcome = try Frames.run([left, right], ranks: ranks, seed: 7) {
                        try $0[0].join($0[1], on: "k", how: kind)
                    }
                    #expect(
                        tally(outcome.rows) == tally(Naive.join(left, right, [(0, 1)], kind)),
                        "\(kind), \(ranks) ranks, scale \(scale), \(rightCount) right rows")
                    if ranks > 1 && rightCount == 300 && scale != 0 {
                        // Random cuts may leave ranks with other sides the smaller one.
                        #expect(
                            outcome.exchanges.allSatisfy { $0 == 4 || $0 == 5 }, "the radix join")
                    }
                }
            }
        }
    }

    @Test func `ranks that differ in which side is smaller agree on the one to build from`() throws
    {
        func table(_ count: Int64, _ name: String, key: (Int64) -> Int64) -> Table {
            let rows: [Int64?] = Array(0..<count)
            return ["k": Column(rows.map { $0.map(key) }), name: Column(rows)]
        }
        let left = table(900, "a") { $0 % 300 }
        let right = table(899, "b") { $0 / 3 }
        // Of the first rank most of the left side, of the second most of the right one.
        let outcome = try Frames.run([left.slice(0..<0)], ranks: 2, seed: 1) {
            let world = $0[0].communicator
            let isFirst = world.rank == 0
            return try Frame(left.slice(isFirst ? 0..<600 : 600..<900), on: world)
                .join(Frame(right.slice(isFirst ? 0..<200 : 200..<899), on: world), on: "k")
        }
        #expect(tally(outcome.rows) == tally(Naive.join(left, right, [(0, 0)], .inner)))
        #expect(outcome.exchanges.allSatisfy { $0 == 5 }, "the ranges are told once more")
    }

    @Test(arguments: rankCounts)
    func `a join on two keys of other names keeps the left names`(ranks: Int) throws {
        let left = table(7, [.int64, .string, .bool], count: 100, distinct: 6)
        let right = try table(8, [.string, .int64, .float64], count: 80, distinct: 6)
            .renamed(["s", "i", "c2"])
        let outcome = try Frames.run([left, right], ranks: ranks, seed: 3) {
            try $0[0].join($0[1], leftOn: ["c0", "c1"], rightOn: ["i", "s"], how: .left)
        }
        #expect(outcome.frames[0].schema.names == ["c0", "c1", "c2", "c2_right"])
        let expected = Naive.join(left, right, [(0, 1), (1, 0)], .left)
        #expect(tally(outcome.rows) == tally(expected), "\(ranks) ranks")
    }

    @Test(arguments: rankCounts)
    func `groups have the sums of their rows`(ranks: Int) throws {
        for (index, type) in types.enumerated() {
            for roundBytes in [1 << 30, 300] {
                let input = table(UInt64(index), [type, .bool, .int64], count: 300, distinct: 30)
                let outcome = try Frames.run(
                    [input], ranks: ranks, seed: UInt64(index), roundBytes: roundBytes
                ) { frames in
                    let value = col("c2")
                    return try frames[0].groupBy(["c0", "c1"]).agg(
                        value.count(), value.sum(), value.min(), value.max(), len())
                }
                #expect(
                    tally(outcome.rows) == tally(Naive.group(input, [0, 1], of: 2)),
                    "by \(type), \(ranks) ranks")
            }
        }
    }

    @Test(arguments: [2, 3])
    func `groups that are nearly unique have the sums of their rows too`(ranks: Int) throws {
        // So many rows on one rank at least that it gives up aggregating before the shuffle.
        let count = 40_000 * ranks
        var random = SeededRandom(seed: 11)
        let keys = (0..<count).map { _ in Int64(bitPattern: random.next()) >> 3 }
        let input: Table = ["c0": Column(keys), "c1": Column(keys.map { $0 % 1000 })]
        #expect(GroupEstimate(input, keyCount: 1).isNearlyUnique)
        let outcome = try Frames.run([input], ranks: ranks, seed: 5) { frames in
            try frames[0].groupBy("c0").agg(
                col("c1").count(), col("c1").sum(), col("c1").min(), col("c1").max(), len())
        }
        #expect(
            tally(outcome.rows) == tally(Naive.group(input, [0], of: 1)), "\(ranks) ranks")
    }

    @Test(arguments: rankCounts)
    func `a sort is stable, ascends over ranks and balances them`(ranks: Int) throws {
        for (index, type) in types.enumerated() {
            for distinct in [1, 3, 1000] {
                for (descending, nulls) in [(false, NullOrder.last), (true, .last), (true, .first)]
                {
                    let input = try table(
                        UInt64(index), [type, .string, .int64], count: 400, distinct: distinct
                    )
                    .numbered()
                    let outcome = try Frames.run(
                        [input], ranks: ranks, seed: UInt64(distinct), roundBytes: 4000
                    ) {
                        try $0[0].sort(
                            by: ["c0", .ascending("c1", nulls: .first)], descending: descending,
                            nulls: nulls)
                    }
                    let keys = [
                        (0, SortKey("c0", descending: descending, nulls: nulls)),
                        (1, SortKey("c1", descending: false, nulls: .first)),
                    ]
                    let comment: Comment =
                        "\(type), \(distinct) values, descending \(descending), \(ranks) ranks"
                    #expect(outcome.rows == Naive.sort(input, keys), comment)
                    #expect(outcome.rowCounts.allSatisfy { $0 <= 400 / ranks + 40 }, comment)
                }
            }
        }
    }

    @Test(arguments: rankCounts)
    func `unique keeps the first row of each key`(ranks: Int) throws {
        for (index, type) in types.enumerated() {
            let input = try table(UInt64(index), [type, .int64], count: 300, distinct: 25)
                .numbered()
            let outcome = try Frames.run([input], ranks: ranks, seed: 2) {
                try $0[0].unique(on: ["c0", "c1"])
            }
            #expect(
                tally(outcome.rows) == tally(Naive.unique(input, [0, 1])),
                "\(type), \(ranks) ranks")
        }
    }

    @Test(arguments: rankCounts)
    func `head takes the first rows in the order of ranks`(ranks: Int) throws {
        let input = table(1, [.int64, .string], count: 100, distinct: 50)
        for count in [0, 1, 37, 100, 1000] {
            let outcome = try Frames.run([input], ranks: ranks, seed: 9) { try $0[0].head(count) }
            #expect(
                outcome.rows == Array(Naive.rows(input).prefix(count)), "\(count), \(ranks) ranks")
        }
    }

    @Test(arguments: rankCounts)
    func `moving rows keeps them and their order`(ranks: Int) throws {
        let input = table(4, types, count: 203, distinct: 50)
        let all = Naive.rows(input)
        for roundBytes in [1 << 30, 1000] {
            let even = try Frames.run([input], ranks: ranks, seed: 1, roundBytes: roundBytes) {
                try $0[0].rebalance()
            }
            #expect(even.rows == all)
            #expect((even.rowCounts.max() ?? 0) - (even.rowCounts.min() ?? 0) <= 1)
            let root = ranks - 1
            let gathered = try Frames.run([input], ranks: ranks, seed: 2, roundBytes: roundBytes) {
                try $0[0].gather(to: root)
            }
            #expect(Frames.rows(of: gathered.frames[root]) == all)
            #expect(gathered.rows == all)
            let everywhere = try Frames.run([input], ranks: ranks, seed: 3, roundBytes: roundBytes)
            {
                try $0[0].replicate()
            }
            for frame in everywhere.frames { #expect(Frames.rows(of: frame) == all) }
            let hashed = try Frames.run([input], ranks: ranks, seed: 4, roundBytes: roundBytes) {
                try $0[0].repartition(by: "c1")
            }
            #expect(tally(hashed.rows) == tally(all))
        }
    }

    @Test(arguments: rankCounts)
    func `aggregates of all rows are on every rank`(ranks: Int) throws {
        let input: Table = [
            "i": [3, nil, -1, 5, 7], "x": Column([1.5, 2.5, nil, 0.0, 4.0]),
            "s": Column(["b", "a", nil, "c", "b"]), "b": Column([true, false, true, nil, true]),
        ]
        let outcome = try Frames.run([input], ranks: ranks, seed: 8) { frames in
            try frames[0].aggregate(
                col("i").sum(), col("x").mean(), col("s").min(), col("s").max(), col("b").sum(),
                col("i").count(), len())
        }
        for frame in outcome.frames {
            #expect(
                Frames.rows(of: frame) == [
                    [
                        .int(14), .float(value: 2), .string("a"), .string("c"), .int(3), .int(4),
                        .int(5),
                    ]
                ])
        }
        let empty = try Frames.run([input.slice(0..<0)], ranks: ranks, seed: 8) { frames in
            try frames[0].aggregate(
                col("i").sum(), col("x").mean(), col("s").min(), col("x").sum(), len())
        }
        #expect(
            Frames.rows(of: empty.frames[0]) == [
                [.int(0), .null, .null, .float(value: 0), .int(0)]
            ])
    }

    @Test(arguments: rankCounts)
    func `describe gives what its rows say`(ranks: Int) throws {
        let input: Table = [
            "x": Column([2.0, 4, 4, 4, 5, 5, 7, 9, nil]),
            "s": Column(["a", "b", "c", "d", "e", "f", "g", "h", "i"]),
        ]
        let outcome = try Frames.run([input], ranks: ranks, seed: 8) { try $0[0].describe() }
        for frame in outcome.frames {
            #expect(frame.schema.names == ["statistic", "x"])
            let values = frame.table.columns[1].float64s.map { $0 ?? .nan }
            let expected = [8, 1, 5, (32.0 / 7).squareRoot(), 2, 9]
            #expect(zip(values, expected).allSatisfy { abs($0 - $1) < 1e-12 }, "\(values)")
        }
    }

    @Test(arguments: rankCounts)
    func `the checksum and the count do not depend on ranks`(ranks: Int) throws {
        let input = table(4, types, count: 203, distinct: 50)
        let alone = try Frame(input).rowChecksum()
        _ = try Frames.run([input], ranks: ranks, seed: 1) { frames in
            #expect(try frames[0].rowChecksum() == alone)
            #expect(try frames[0].count() == 203)
            let sorted = try frames[0].sort(by: "c0")
            #expect(try sorted.rowChecksum() == alone)
            #expect(try sorted.replicate().rowChecksum() == alone)
            #expect(try frames[0].head(202).rowChecksum() != alone)
            return sorted
        }
    }

    @Test(arguments: rankCounts)
    func `concat and unique of a frame with itself are the frame's own unique rows`(
        ranks: Int
    ) throws {
        let input = table(5, [.int64, .string], count: 100, distinct: 8)
        let outcome = try Frames.run([input], ranks: ranks, seed: 1) { frames in
            try frames[0].concat(frames[0], frames[0].replicate()).unique()
        }
        #expect(tally(outcome.rows) == tally(Naive.unique(input, [0, 1])))
    }
}

extension Table {
    func renamed(_ names: [String]) throws -> Table {
        try Table(Array(zip(names, columns)))
    }

    /// With a column that numbers rows, so that their order shows.
    fileprivate func numbered() throws -> Table {
        try Table(
            Array(zip(schema.names, columns))
                + [("row", Column((0..<Int64(rowCount)).map { Optional($0) }))])
    }
}
