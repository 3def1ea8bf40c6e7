// What is known of rows that moved as numbers, and verbs that build on it: by the messages that are
// not sent, and by the rows.
import Testing

@testable import Frames

@Suite struct NumberedPlacesTests {
    /// A frame that is in place by numbers, and one with other keys, longer ones and nulls too.
    private typealias Verb = @Sendable (_ inPlace: Frame, _ other: Frame) throws -> Frame

    /// Each with the exchanges it takes.
    private static let followers: [(name: String, exchanges: Int?, verb: Verb)] = [
        ("groups", 0, { joined, _ in try joined.groupBy(["k1", "k0"]).agg(col("v0").max()) }),
        ("finer groups", 0, { joined, _ in try joined.groupBy(["v0", "k0", "k1"]).agg(len()) }),
        ("coarser groups", nil, { joined, _ in try joined.groupBy("k0").agg(len()) }),
        ("inner", 2, { try $0.join($1, on: ["k0", "k1"]) }),
        ("left", 2, { try $0.join($1, on: ["k0", "k1"], how: .left) }),
        ("right", 2, { try $0.join($1, on: ["k0", "k1"], how: .right) }),
        ("full", 2, { try $0.join($1, on: ["k0", "k1"], how: .full) }),
        ("semi", nil, { try $0.join($1, on: ["k0", "k1"], how: .semi) }),
        ("anti", nil, { try $0.join($1, on: ["k0", "k1"], how: .anti) }),
        ("turned, keys too", 2, { try $1.join($0, on: ["k1", "k0"], how: .left) }),
        ("turned, full", 2, { try $1.join($0, on: ["k0", "k1"], how: .full) }),
        ("turned, anti", nil, { try $1.join($0, on: ["k0", "k1"], how: .anti) }),
        (
            "groups of a turned join", 0,
            {
                try $1.join($0, on: ["k0", "k1"], how: .left).groupBy(["k0", "k1"]).agg(
                    len(), col("x0").max())
            }
        ),
    ]

    @Test(arguments: [2, 3, 5], [false, true])
    func `what follows on numbered keys moves one side or none`(ranks: Int, isSparse: Bool) throws {
        let keys: [DataType] = [.string, .int64]
        let payload: [DataType] = [.int64, .int8]
        let left = try Numbered.table(
            41, keys, distinct: 30, "v", payload, count: 400, isSparse: isSparse)
        let right = try Numbered.table(
            42, keys, distinct: 30, "w", payload, count: 380, isSparse: isSparse)
        // Twice the texts and twice the integers: most rows are beyond the numbers' range.
        let wider = try Numbered.table(
            43, keys, distinct: 60, "x", payload, count: 300, nullShare: 0.1, isSparse: isSparse)
        let other = Numbered.replacingLast(wider, column: 0, by: "longer than sixteen bytes")
        let tables = [left, right, other]
        let joined = try Numbered.expectSame(tables, ranks, "join") {
            try $0[0].join($0[1], on: ["k0", "k1"])
        }
        let place = joined.frames[0].partitioning.numbered
        #expect(place?.keys == ["k0", "k1"] && place?.isDense == !isSparse, "\(ranks) ranks")
        for (name, exchanges, verb) in Self.followers {
            let what = "\(name), \(isSparse ? "sparse" : "dense")"
            let followed = try Numbered.expectSame(tables, ranks, what) { frames in
                try verb(frames[0].join(frames[1], on: ["k0", "k1"]), frames[2])
            }
            guard let exchanges else { continue }
            #expect(
                followed.exchanges.allSatisfy { $0 == exchanges },
                "\(what), \(ranks) ranks: \(followed.exchanges)")
        }
    }

    @Test(arguments: [2, 3, 5])
    func `one narrow key is in place as a wide one is`(ranks: Int) throws {
        // Dense and sparse ones.
        let types: [DataType] = [
            .date, .uint8, .int8, .int32, .uint16, .uint64, .duration, .string,
        ]
        for type in types {
            let left = try Numbered.table(71, [type], distinct: 300, "v", [.int8], count: 400)
            let right = try Numbered.table(72, [type], distinct: 300, "w", [.int8], count: 390)
            let other = try Numbered.table(
                73, [type], distinct: 600, "x", [.int8], count: 60, nullShare: 0.1)
            let tables = [left, right, other]
            for kind in Numbered.kinds {
                try Numbered.expectSame(tables, ranks, "\(type), \(kind)") {
                    try $0[0].join($0[1], on: "k0").join($0[2], on: "k0", how: kind)
                }
                try Numbered.expectSame(tables, ranks, "\(type), \(kind), turned") {
                    try $0[2].join($0[0].join($0[1], on: "k0"), on: "k0", how: kind)
                }
            }
        }
    }

    @Test func `renaming keys keeps what is known of places, losing one loses it`() throws {
        let tables = [
            try Numbered.table(51, [.string, .int64], distinct: 20, "v", [.int8], count: 300),
            try Numbered.table(52, [.string, .int64], distinct: 20, "w", [.int8], count: 290),
        ]
        _ = try Numbered.run(tables, 2) { frames in
            let joined = try frames[0].join(frames[1], on: ["k0", "k1"])
            let place = joined.partitioning
            #expect(place.numbered?.keys == ["k0", "k1"])
            #expect(place.colocates(["v0", "k1", "k0"]) && !place.colocates(["k0"]))
            #expect(try joined.select("v0", "k1", "k0").partitioning == place)
            #expect(try joined.filter(col("v0") > 0).partitioning == place)
            #expect(try joined.concat(joined).partitioning == place)
            #expect(try joined.drop("k0").partitioning == .unknown)
            #expect(try joined.withColumns((col("k1") + 1).as("k1")).partitioning == .unknown)
            let renamed = try joined.rename(["k0": "a", "k1": "b"])
            #expect(renamed.partitioning.numbered?.keys == ["a", "b"])
            let groups = try renamed.groupBy(["b", "a"]).agg(len())
            #expect(groups.statistics.allSatisfy { $0.exchanges == 0 })
            let inPlace = try joined.join(groups, leftOn: ["k0", "k1"], rightOn: ["a", "b"])
            #expect(inPlace.statistics.allSatisfy { $0.exchanges == 0 })
            return inPlace
        }
    }

    @Test(arguments: [2, 3, 5], [64, Int.max])
    func `a key that most rows have is joined right, spread or not`(
        ranks: Int, leastRowCount: Int
    ) throws {
        let even = try Numbered.table(61, [.string], distinct: 200, "v", [.int8], count: 400)
        var columns = even.columns
        columns[0] = Column(
            columns[0].strings.enumerated().map { row, text -> String? in
                row % 5 == 0 ? text : "id1007"
            })
        let tables = [
            Table(schema: even.schema, columns: columns, rowCount: 400),
            try Numbered.table(62, [.string], distinct: 200, "w", [.bool], count: 300),
            try Numbered.table(63, [.string], distinct: 200, "x", [.bool], count: 290),
        ]
        for kind in Numbered.kinds {
            let verbs: [(String, @Sendable ([Frame]) throws -> Frame)] = [
                ("both moved", { try $0[0].join($0[1], on: "k0", how: kind) }),
                (
                    "left in place",
                    { try $0[1].join($0[2], on: "k0").join($0[0], on: "k0", how: kind) }
                ),
                (
                    "right in place",
                    { try $0[0].join($0[1].join($0[2], on: "k0"), on: "k0", how: kind) }
                ),
            ]
            for (name, verb) in verbs {
                try Numbered.expectSame(
                    tables, ranks, "\(name), \(kind), \(leastRowCount)",
                    spreadsFrom: leastRowCount, verb)
            }
        }
    }
}
