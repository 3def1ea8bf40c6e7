// Joins and groups whose rows move as numbers give the rows of one rank; and where one rank has no
// numbers, all move theirs as they are.
import Testing

@testable import Frames

@Suite struct NumberedShuffleTests {
    /// Keys that are one number: a text, two keys of few values, two of many, integers.
    private static let keys: [(types: [DataType], distinct: Int)] = [
        ([.string], 300), ([.int64, .string], 20), ([.date, .bool], 20), ([.uint32, .int8], 20),
        ([.int64], 300), ([.date], 300), ([.int8], 200), ([.uint64], 200),
    ]

    @Test(arguments: [2, 3, 5])
    func `a join by numbers has the rows of one rank`(ranks: Int) throws {
        for (index, (types, distinct)) in Self.keys.enumerated() {
            let seed = UInt64(index)
            let left = try Numbered.table(
                seed, types, distinct: distinct, "v", [.string, .int8, .float32], count: 400)
            let right = try Numbered.table(
                seed + 50, types, distinct: distinct, "w", [.bool, .float64, .string], count: 370)
            let names = types.indices.map { "k\($0)" }
            for kind in Numbered.kinds {
                let what = "\(kind) on \(types), \(ranks) ranks"
                let joined = try Numbered.expectSame([left, right], ranks, what) {
                    try $0[0].join($0[1], on: ColumnNames(names), how: kind)
                }
                guard kind == .inner || kind == .left else { continue }
                let pairs = types.indices.map { ($0, $0) }
                let expected = Naive.join(left, right, pairs, kind)
                #expect(tally(joined.rows) == tally(expected), "\(what)")
                // Sizes, profiles, ranges, the partitions' sizes, then the rows of each side.
                #expect(joined.exchanges.allSatisfy { $0 == 6 }, "\(what): \(joined.exchanges)")
                // One integer is a number as it is.
                let numbered: [String]? = types.count > 1 || types == [.string] ? names : nil
                #expect(joined.frames[0].partitioning.numbered?.keys == numbered, "\(what)")
            }
        }
    }

    @Test(arguments: [2, 3, 5])
    func `what one rank cannot number no rank does`(ranks: Int) throws {
        let left = try Numbered.table(
            11, [.string], distinct: 300, "v", [.string, .int8], count: 400)
        let right = try Numbered.table(12, [.string], distinct: 300, "w", [.string], count: 390)
        let wide: [DataType] = [.datetime, .datetime]
        let wideLeft = try Numbered.table(13, wide, distinct: 30, "v", [.int64], count: 400)
        let wideRight = try Numbered.table(14, wide, distinct: 30, "w", [.int64], count: 390)
        let long = "longer than sixteen bytes"
        let cases: [(String, [String], Table, Table)] = [
            ("a long key left", ["k0"], Numbered.replacingLast(left, column: 0, by: long), right),
            ("a long key right", ["k0"], left, Numbered.replacingLast(right, column: 0, by: long)),
            ("a null key", ["k0"], Numbered.replacingLast(left, column: 0, by: nil), right),
            ("a long text", ["k0"], left, Numbered.replacingLast(right, column: 1, by: long)),
            ("a null", ["k0"], Numbered.replacingLast(left, column: 1, by: nil), right),
            ("keys too wide", ["k0", "k1"], wideLeft, wideRight),
        ]
        for (what, keys, left, right) in cases {
            for kind in Numbered.kinds {
                let joined = try Numbered.expectSame([left, right], ranks, "\(what), \(kind)") {
                    try $0[0].join($0[1], on: ColumnNames(keys), how: kind)
                }
                guard kind == .inner || kind == .left else { continue }
                #expect(joined.frames[0].partitioning == .hash(keys), "\(what), \(kind)")
            }
        }
        let few = try Frames.run([left, right], ranks: ranks, seed: 6) {
            try $0[0].join($0[1], on: "k0")
        }
        #expect(few.frames[0].partitioning == .hash(["k0"]), "too few rows to ask")
        let rounds = try Numbered.expectSame([left, right], ranks, "rounds", roundBytes: 500) {
            try $0[0].join($0[1], on: "k0")
        }
        #expect(rounds.frames[0].partitioning == .hash(["k0"]), "too many rows for one round")
    }

    @Test(arguments: [2, 3, 5])
    func `an empty side and ranks without rows change nothing`(ranks: Int) throws {
        let keys: [DataType] = [.string, .date]
        let left = try Numbered.table(21, keys, distinct: 15, "v", [.string], count: 200)
        let right = try Numbered.table(22, keys, distinct: 15, "w", [.int8], count: 180)
        let (noLeft, noRight) = (left.slice(0..<0), right.slice(0..<0))
        for kind in Numbered.kinds {
            for (what, sides) in [
                ("left", [noLeft, right]), ("right", [left, noRight]), ("both", [noLeft, noRight]),
            ] {
                try Numbered.expectSame(sides, ranks, "\(what) empty, \(kind)") {
                    try $0[0].join($0[1], on: ["k0", "k1"], how: kind)
                }
            }
            let apart = try Numbered.run([noLeft], ranks) { frames in
                let world = frames[0].communicator
                let first = Frame(world.rank == world.size - 1 ? left : noLeft, on: world)
                let second = Frame(world.rank == 0 ? right : noRight, on: world)
                return try first.join(second, on: ["k0", "k1"], how: kind)
            }
            let alone = try Numbered.run([left, right], 1) {
                try $0[0].join($0[1], on: ["k0", "k1"], how: kind)
            }
            #expect(tally(apart.rows) == tally(alone.rows), "apart, \(kind), \(ranks) ranks")
        }
        let groups = try Numbered.expectSame([noLeft], ranks, "groups") {
            try $0[0].groupBy(["k0", "k1"]).agg(len())
        }
        #expect(groups.rows.isEmpty)
    }

    @Test(arguments: [2, 3, 5])
    func `groups by numbers have the sums of one rank`(ranks: Int) throws {
        // One number, several, none.
        let keys: [(types: [DataType], distinct: Int)] = [
            ([.string], 40), ([.int64, .string], 8), ([.datetime, .bool, .int8], 6),
            ([.datetime, .string, .datetime], 1000), ([.date, .bool], 20),
            ([.string, .float64], 9),
        ]
        for (index, (types, distinct)) in keys.enumerated() {
            let names = types.indices.map { "k\($0)" }
            for (nullShare, roundBytes) in [(0, 1 << 30), (0.2, 1 << 30), (0.2, 300)]
                as [(Double, Int)]
            {
                let input = try Numbered.table(
                    UInt64(index) + 30, types, distinct: distinct, "v", [.int64], count: 500,
                    nullShare: nullShare)
                let what = "by \(types), nulls \(nullShare)"
                let groups = try Numbered.expectSame([input], ranks, what, roundBytes: roundBytes) {
                    let value = col("v0")
                    return try $0[0].groupBy(ColumnNames(names)).agg(
                        value.count(), value.sum(), value.min(), value.max(), len(), value.mean())
                }
                let rows = groups.rows.map { Array($0.dropLast()) }
                let expected = Naive.group(input, Array(types.indices), of: types.count)
                #expect(tally(rows) == tally(expected), "\(what), \(ranks) ranks")
                #expect(groups.frames[0].partitioning == .hash(names), "\(what)")
            }
        }
    }

    @Test(arguments: [2, 3, 5])
    func `groups by numbers are where their keys' hash puts other rows`(ranks: Int) throws {
        let input = try Numbered.table(
            38, [.string, .int64], distinct: 15, "v", [.int64], count: 400, nullShare: 0.1)
        let other = try Numbered.table(
            39, [.string, .int64], distinct: 25, "w", [.int64], count: 300, nullShare: 0.1)
        let long = Numbered.replacingLast(input, column: 0, by: "longer than sixteen bytes")
        for (what, table) in [("numbers", input), ("a long key", long)] {
            for kind in [JoinKind.left, .full] {
                let joined = try Numbered.expectSame([table, other], ranks, "\(what), \(kind)") {
                    try $0[0].groupBy(["k0", "k1"]).agg(len())
                        .join($0[1].repartition(by: ["k0", "k1"]), on: ["k0", "k1"], how: kind)
                }
                #expect(joined.exchanges.allSatisfy { $0 == 0 }, "\(what), \(kind)")
            }
        }
    }

    @Test(arguments: [2, 3, 5])
    func `numbers take fewer bytes than the texts they stand for`(ranks: Int) throws {
        let input = try Numbered.table(37, [.string], distinct: 6000, "v", [.int64], count: 3000)
        let verb: @Sendable ([Frame]) throws -> Frame = {
            try $0[0].groupBy("k0").agg(col("v0").max())
        }
        let numbered = try Numbered.run([input], ranks, verb)
        let few = try Frames.run([input], ranks: ranks, seed: 6, verb)
        #expect(tally(numbered.rows) == tally(few.rows))
        func bytes(_ outcome: Outcome) -> Int {
            outcome.frames.reduce(0) { $0 + $1.statistics.reduce(0) { $0 + $1.bytesSent } }
        }
        #expect(bytes(numbered) < bytes(few), "\(bytes(numbered)) and \(bytes(few)) bytes")
    }
}
