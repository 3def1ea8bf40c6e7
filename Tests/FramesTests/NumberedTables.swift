// Tables whose rows have numbers, and several ranks that move them as such: what the tests of joins
// and groups by numbers share.
import Testing

@testable import Frames

enum Numbered {
    static let kinds: [JoinKind] = [.inner, .left, .right, .full, .semi, .anti]

    /// Keys k0, k1 and so on, each of `distinct` values, then columns `name`0 and so on. No nulls
    /// unless asked for.
    /// - Parameter isSparse: texts of keys are far apart.
    static func table(
        _ seed: UInt64, _ keys: [DataType], distinct: Int, _ name: String, _ payload: [DataType],
        count: Int, nullShare: Double = 0, isSparse: Bool = false
    ) throws -> Table {
        var random = SeededRandom(seed: seed)
        func texts(_ text: (Int) -> String) -> Column {
            Column(
                (0..<count).map { _ -> String? in
                    let number = Int.random(in: 0..<distinct, using: &random)
                    let isNull = Double.random(in: 0..<1, using: &random) < nullShare
                    return isNull ? nil : text(number)
                })
        }
        func column(_ type: DataType) -> Column {
            random.column(type, count: count, distinct: distinct, nullShare: nullShare)
        }
        var named: [(String, Column)] = []
        for (index, type) in keys.enumerated() {
            let key =
                type == .string
                ? texts { number in
                    let spread = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
                    return isSparse ? String("\(spread)".suffix(12)) : "id\(1000 + number)"
                } : column(type)
            named.append(("k\(index)", key))
        }
        for (index, type) in payload.enumerated() {
            named.append(("\(name)\(index)", type == .string ? texts { "\($0)" } : column(type)))
        }
        return try Table(named)
    }

    /// The table with another text in its last row, which one rank has.
    static func replacingLast(_ table: Table, column: Int, by text: String?) -> Table {
        var columns = table.columns
        var texts = columns[column].strings
        texts[texts.count - 1] = text
        columns[column] = Column(texts)
        return Table(schema: table.schema, columns: columns, rowCount: table.rowCount)
    }

    /// With numbers however few rows there are.
    static func run(
        _ tables: [Table], _ ranks: Int, spreadsFrom leastRowCount: Int = .max,
        roundBytes: Int = 1 << 30, _ verb: @escaping @Sendable ([Frame]) throws -> Frame
    ) throws -> Outcome {
        try Frames.run(tables, ranks: ranks, seed: 6, roundBytes: roundBytes) { frames in
            try NumberingLimits.$leastRowCount.withValue(0) {
                try HeavyKeyLimits.$leastRowCount.withValue(leastRowCount) { try verb(frames) }
            }
        }
    }

    /// Several ranks have the rows of one, and know the same of where they are.
    @discardableResult
    static func expectSame(
        _ tables: [Table], _ ranks: Int, _ what: String, spreadsFrom leastRowCount: Int = .max,
        roundBytes: Int = 1 << 30, _ verb: @escaping @Sendable ([Frame]) throws -> Frame
    ) throws -> Outcome {
        let several = try run(
            tables, ranks, spreadsFrom: leastRowCount, roundBytes: roundBytes, verb)
        let alone = try run(tables, 1, verb)
        #expect(tally(several.rows) == tally(alone.rows), "\(what), \(ranks) ranks")
        let places = Set(several.frames.map(\.partitioning))
        #expect(places.count == 1, "\(what), \(ranks) ranks: \(places)")
        return several
    }
}

extension Partitioning {
    /// The columns whose numbers chose a rank, and whether these are dealt in blocks.
    var numbered: (keys: [String], isDense: Bool)? {
        guard case .numbers(let keys, _, let blocks) = self else { return nil }
        return (keys, blocks != nil)
    }
}
