// What fails on one rank alone fails on all, with the same words, and nobody waits.
import Testing

@testable import Frames

@Suite struct AgreedErrorTests {
    /// Key 3 alone has a sum that does not fit, and a text that is no number.
    private let table: Table = [
        "k": Column([1, 2, 3, 4, 5, 3, 1, 2]),
        "v": Column([1, 2, .max, 4, 5, .max, 7, 8]),
        "s": Column(["1", "2", "x", "4", "5", "6", "7", "8"]),
    ]

    private func check(
        _ code: FrameError.Code, ranks: Int, _ name: String,
        _ verb: @escaping @Sendable (Frame) throws -> Frame
    ) throws {
        let errors = try Frames.errors([table], ranks: ranks) { try verb($0[0]) }
        #expect(errors.count == ranks, "\(name), \(ranks) ranks")
        #expect(Set(errors.map { "\($0)" }).count == 1, "\(name), \(ranks) ranks: \(errors)")
        #expect(errors.first?.code == code, "\(name): \(errors)")
    }

    @Test(arguments: rankCounts)
    func `a sum that overflows where the groups are in place`(ranks: Int) throws {
        let verbs: [(String, @Sendable (Frame) throws -> Frame)] = [
            ("partitioned", { try $0.repartition(by: "k").groupBy("k").agg(col("v").sum()) }),
            (
                "holistic",
                { try $0.repartition(by: "k").groupBy("k").agg(col("v").sum(), col("v").median()) }
            ),
            ("replicated", { try $0.replicate().groupBy("k").agg(col("v").sum()) }),
            (
                "after a join",
                {
                    try $0.join($0.select("k").unique(), on: "k").groupBy("k").agg(
                        col("v").sum())
                }
            ),
            (
                "as a query",
                {
                    try $0.lazy.repartition(by: "k").groupBy("k").agg(col("v").sum()).collect()
                }
            ),
            ("whole table", { try $0.aggregate(col("v").sum(), col("v").median()) }),
        ]
        for (name, verb) in verbs { try check(.overflow, ranks: ranks, name, verb) }
        // Narrower values always fit: nothing is asked of the others.
        _ = try Frames.run([table], ranks: ranks, seed: 1) {
            let grouped = try $0[0].repartition(by: "k").groupBy("k").agg(
                (col("v") % 9).cast(.int32).sum())
            #expect(grouped.statistics.allSatisfy { $0.exchanges == 0 || ranks > 1 })
            return grouped
        }
    }

    private struct Refusal: Error {}

    @Test(arguments: rankCounts)
    func `a value that is refused, whatever the verb`(ranks: Int) throws {
        let number = col("s").cast(.int64)
        let thrown = col("v").map(returning: .int64) { column in
            if column.int64s.contains(.max) { throw Refusal() }
            return column
        }
        for (name, value, code) in [
            ("cast", number, FrameError.Code.malformedValue), ("map", thrown, .invalidArgument),
        ] {
            let verbs: [(String, @Sendable (Frame) throws -> Frame)] = [
                ("select", { try $0.select(value.as("n")) }),
                ("filter", { try $0.filter(value > 0) }),
                ("groupBy", { try $0.groupBy("k").agg(value.as("n").max().as("m")) }),
                ("in place", { try $0.repartition(by: "k").groupBy("k").agg(value.sum()) }),
                ("aggregate", { try $0.aggregate(value.min().as("m")) }),
                ("holistic", { try $0.aggregate(value.median().as("m")) }),
            ]
            for (verbName, verb) in verbs {
                try check(code, ranks: ranks, "\(name) in \(verbName)", verb)
            }
        }
        try check(.invalidArgument, ranks: ranks, "mapPartitions") { frame in
            try frame.mapPartitions(returning: frame.schema) { table in
                if table.columns[1].int64s.contains(.max) { throw Refusal() }
                return table
            }
        }
    }

    @Test(arguments: [2, 3, 5])
    func `a rank with other columns, at a verb that needs no message`(ranks: Int) throws {
        let other: Table = ["w": [1, 2]]
        let verbs: [(String, @Sendable (Frame) throws -> Frame)] = [
            ("select", { try $0.select("k", "v").groupBy("k").agg(len()) }),
            ("filter", { try $0.filter(col("v") > 1).sort(by: "k") }),
            ("drop", { try $0.drop("s").unique() }),
            ("rename", { try $0.rename(["v": "x"]).groupBy("k").agg(col("x").sum()) }),
        ]
        for (name, verb) in verbs {
            try check(.missingColumn, ranks: ranks, name) { frame in
                let world = frame.communicator
                return try verb(world.rank == ranks - 1 ? Frame(other, on: world) : frame)
            }
        }
    }
}
