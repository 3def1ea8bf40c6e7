// Joins of sides on which a few keys hold most rows: ranks stay balanced, and the rows are those of
// the plan that does not care.
import Testing

@testable import Frames

@Suite struct HeavyKeyTests {
    /// `count` rows whose keys are few and many: key r has a share of 1/r^power.
    private func zipf(
        _ seed: UInt64, count: Int, keys: Int, power: Double, type: DataType, value: String
    ) throws -> Table {
        var random = SeededRandom(seed: seed)
        let distinct = random.column(type, count: keys, distinct: 10 * keys, nullShare: 0.01)
        var sums: [Double] = []
        for key in 0..<keys {
            sums.append((sums.last ?? 0) + 1 / Double(key + 1).power(power))
        }
        let rows = (0..<count).map { _ in
            let point = Double.random(in: 0..<(sums.last ?? 0), using: &random)
            return sums.firstIndex { $0 > point } ?? 0
        }
        return try Table([
            ("k", Kernels.gather(distinct, RowIndices(rows))),
            (value, Column((0..<count).map { Optional(Int64($0)) })),
        ])
    }

    private func single(_ count: Int, key: Int64?, value: String) throws -> Table {
        try Table([
            ("k", Column([Int64?](repeating: key, count: count))),
            (value, Column((0..<count).map { Optional(Int64($0)) })),
        ])
    }

    /// With spreading from 64 rows on, or without.
    private func run(
        _ tables: [Table], ranks: Int, spreads: Bool,
        _ verb: @escaping @Sendable ([Frame]) throws -> Frame
    ) throws -> Outcome {
        try Frames.run(tables, ranks: ranks, seed: 9) { frames in
            try HeavyKeyLimits.$leastRowCount.withValue(spreads ? 64 : .max) { try verb(frames) }
        }
    }

    private static let kinds: [JoinKind] = [.inner, .left, .right, .full, .semi, .anti]

    @Test(arguments: [2, 3, 4, 5])
    func `a key that nearly all rows have does not fill one rank`(ranks: Int) throws {
        let keys = try Table([
            ("k", Column((0..<5000).map { Optional(Int64($0)) })),
            ("w", Column((0..<5000).map { Optional(Int64($0)) })),
        ])
        let skewed: [(String, Table)] = [
            ("single key", try single(6000, key: 7, value: "v")),
            (
                "Zipf",
                try zipf(3, count: 6000, keys: 400, power: 1.6, type: .int64, value: "v")
            ),
        ]
        for (name, table) in skewed {
            for kind in [JoinKind.inner, .left, .full] {
                let spread = try run([table, keys], ranks: ranks, spreads: true) {
                    try $0[0].join($0[1], on: "k", how: kind)
                }
                let unspread = try run([table, keys], ranks: ranks, spreads: false) {
                    try $0[0].join($0[1], on: "k", how: kind)
                }
                #expect(tally(spread.rows) == tally(unspread.rows), "\(name), \(kind)")
                let mean = Double(spread.rows.count) / Double(ranks)
                let most = spread.rowCounts.max() ?? 0
                #expect(
                    Double(most) <= 1.45 * mean,
                    "\(name), \(kind), \(ranks) ranks: \(spread.rowCounts)")
                if name == "single key" && kind == .inner {
                    #expect(unspread.rowCounts.max() == unspread.rows.count, "was in need of it")
                }
                #expect(spread.frames.allSatisfy { $0.partitioning == .unknown })
            }
        }
    }

    @Test(arguments: [2, 3, 5])
    func `joins of every kind have the rows of the plan that moves all`(ranks: Int) throws {
        let types: [Int: [DataType]] = [
            2: [.int64, .category], 3: [.string, .int8], 5: [.float64],
        ]
        for (index, type) in types[ranks, default: []].enumerated() {
            let seed = UInt64(10 * index)
            let heavy = try zipf(seed, count: 500, keys: 30, power: 1.8, type: type, value: "v")
            let light = try zipf(seed, count: 90, keys: 40, power: 0.1, type: type, value: "w")
            let other = try zipf(seed, count: 80, keys: 30, power: 2.5, type: type, value: "w")
            for (name, left, right) in [
                ("left", heavy, light), ("right", light, heavy), ("both", heavy, other),
            ] {
                let right = try right.renamed(["k", "w"])
                for kind in Self.kinds {
                    try expectSame([left, right], ranks, "\(name) heavy, \(kind) on \(type)") {
                        try $0[0].join($0[1], on: "k", how: kind)
                    }
                }
            }
        }
    }

    @Test(arguments: [2, 3, 5])
    func `nulls that are heavy match nothing and are kept where they are wanted`(
        ranks: Int
    ) throws {
        let nulls = try single(500, key: nil, value: "v")
        let few = try Table([("k", Column([1, 2, nil, nil])), ("w", Column([1, 2, 3, 4]))])
        for (name, left, right) in [
            ("left", nulls, few), ("right", few, try nulls.renamed(["k", "w2"])),
            ("both", nulls, try nulls.renamed(["k", "w"])),
        ] {
            for kind in Self.kinds {
                try expectSame([left, right], ranks, "\(name), \(kind)") {
                    try $0[0].join($0[1], on: "k", how: kind)
                }
            }
        }
    }

    @Test(arguments: [2, 3, 5])
    func `two keys, sides in place, and what follows are right`(ranks: Int) throws {
        let left = try zipf(1, count: 300, keys: 20, power: 2, type: .string, value: "v")
        let right = try zipf(1, count: 100, keys: 25, power: 2, type: .string, value: "w")
        let verbs: [(String, @Sendable ([Frame]) throws -> Frame)] = [
            (
                "two keys",
                { frames in
                    let (a, b) = (frames[0], frames[1])
                    return try a.withColumns((col("v") % 3).as("g")).join(
                        b.withColumns((col("w") % 3).as("h")), leftOn: ["k", "g"],
                        rightOn: ["k", "h"], how: .full)
                }
            ),
            ("left in place", { try $0[0].repartition(by: "k").join($0[1], on: "k", how: .full) }),
            ("right in place", { try $0[0].join($0[1].repartition(by: "k"), on: "k", how: .left) }),
            (
                "replicated", { try $0[0].join($0[1].replicate(), on: "k", how: .full) }
            ),
            (
                "groups of the result",
                {
                    try $0[0].join($0[1], on: "k", how: .left).groupBy("k").agg(
                        len(), col("w").sum(), col("v").max())
                }
            ),
            (
                "distinct keys of the result",
                { try $0[0].join($0[1], on: "k", how: .full).unique(on: "k").select("k") }
            ),
            (
                "a second join",
                {
                    let joined = try $0[0].join($0[1].unique(on: "k"), on: "k")
                    return try joined.join($0[1].rename(["w": "x"]), on: "k", how: .full)
                }
            ),
        ]
        for (name, verb) in verbs {
            try expectSame([left, right], ranks, name, verb)
        }
    }

    /// Several ranks that spread have the rows of one rank.
    private func expectSame(
        _ tables: [Table], _ ranks: Int, _ what: String,
        _ verb: @escaping @Sendable ([Frame]) throws -> Frame
    ) throws {
        let spread = try run(tables, ranks: ranks, spreads: true, verb)
        let alone = try run(tables, ranks: 1, spreads: false, verb)
        #expect(tally(spread.rows) == tally(alone.rows), "\(what), \(ranks) ranks")
    }

    @Test func `sides without a heavy key cost nothing more`() throws {
        var random = SeededRandom(seed: 5)
        let tables = try ["v", "w"].map { name in
            let keys = (0..<4000).map { _ in Int64.random(in: 0..<3000, using: &random) }
            return try Table([("k", Column(keys)), (name, Column(keys))])
        }
        let spread = try run(tables, ranks: 3, spreads: true) { try $0[0].join($0[1], on: "k") }
        let unspread = try run(tables, ranks: 3, spreads: false) {
            try $0[0].join($0[1], on: "k")
        }
        #expect(spread.exchanges == unspread.exchanges)
        #expect(spread.frames[0].partitioning == unspread.frames[0].partitioning)
    }
}

extension Double {
    /// By repeated roots: no library of mathematics in tests either.
    fileprivate func power(_ exponent: Double) -> Double {
        var (result, root, rest) = (1.0, self, exponent)
        while rest >= 1 {
            result *= self
            rest -= 1
        }
        for _ in 0..<20 {
            root = root.squareRoot()
            rest *= 2
            if rest >= 1 {
                result *= root
                rest -= 1
            }
        }
        return result
    }
}
