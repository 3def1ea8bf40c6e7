// Every verb against the answers of Polars (Tests/Vectors/verbs_expected.py), on 1 to 5 ranks, run at
// once and as a query: the committed ones, and those in the file that VERB_ANSWERS names
// (scripts/differential). And laws that hold whatever the answers are.
import Foundation
import Testing

@testable import Frames

/// What the script has written: texts of all values.
private struct AnswerFile {
    struct Case: Decodable, Sendable {
        let seed: Int
        let types: [[String]]
        let left: [[String?]]
        let right: [[String?]]
        let answers: [Answer]
    }
    struct Answer: Decodable, Sendable {
        let verb: String
        let ordered: Bool
        let rows: [[String?]]
    }

    static func load() throws -> [Case] {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Vectors/verbs-expected.json")
        return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
    }

    /// Answers made for this run; nil if there are none.
    static let livePath = ProcessInfo.processInfo.environment["VERB_ANSWERS"]

    static func loadLive() throws -> [Case] {
        let path = try #require(livePath)
        return try JSONDecoder().decode(
            [Case].self, from: Data(contentsOf: URL(filePath: path)))
    }
}

extension AnswerFile.Case {
    /// Rows of texts as a table: the first columns of `types`.
    func table(_ rows: [[String?]], count: Int) throws -> Table {
        var columns: [(String, Column)] = []
        for (index, field) in types.prefix(count).enumerated() {
            let texts = Column(rows.map { $0[index] })
            let type = try #require(DataType.allCases.first { "\($0)" == field[1] })
            let text = col(field[0])
            let value = type.isTemporal ? text.cast(.int64).cast(type) : text.cast(type)
            let table = try Table([(field[0], texts)])
            columns.append((field[0], try Frame(table).select(value).table.columns[0]))
        }
        return try Table(columns)
    }
}

extension Cell {
    /// As the script writes it.
    fileprivate var answerText: String {
        switch self {
        case .null: "null"
        case .float(let bits):
            Double(bitPattern: bits).isNaN
                ? "nan" : String(format: "%.9g", Double(bitPattern: bits))
        case .int(let value): "\(value)"
        case .unsigned(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .string(let value): value
        }
    }
}

private func texts(_ rows: [[Cell]], ordered: Bool) -> [String] {
    let lines = rows.map { $0.map(\.answerText).joined(separator: "|") }
    return ordered ? lines : lines.sorted()
}

/// The verbs, by the script's names. `left` has a column `t`, which only "times" uses.
private func run<Input: Relation>(_ verb: String, _ full: Input, _ right: Input) throws -> Input {
    let left = try full.drop("t")
    let words = verb.split(separator: " ").map(String.init)
    switch words[0] {
    case "join":
        let kinds: [String: JoinKind] = [
            "inner": .inner, "left": .left, "right": .right, "full": .full, "semi": .semi,
            "anti": .anti,
        ]
        let kind = try #require(kinds[words[1]])
        let other = try right.drop("x").rename(["v": "w", "s": "t"])
        return try left.join(other, on: words[2] == "1" ? "k" : ["k", "g"], how: kind)
    case "cross":
        return try left.select("k", "v").head(9).crossJoin(right.select(col("g").as("h")).head(5))
    case "group":
        return try left.groupBy(ColumnNames(Array(words.dropFirst()))).agg(
            col("v").sum(), col("x").sum(), col("v").mean(), col("v").min(), col("x").max(),
            col("v").count(), len())
    case "whole":
        return try left.groupBy(ColumnNames(Array(words.dropFirst()))).agg(
            col("v").first(), col("s").last(), col("v").std(), col("v").variance(),
            col("x").nUnique(), col("v").median(), col("v").quantile(0.3))
    case "sort":
        if words[1] == "1" { return try left.sort(by: "k") }
        return try left.sort(by: [
            .descending("s"), .ascending("g", nulls: .first), .descending("v", nulls: .first),
        ])
    case "filter": return try left.filter(col("v") > 0 && col("s").isNotNull)
    case "unique": return try words.count == 1 ? left.unique() : left.unique(on: "k")
    case "top": return try left.topK(7, by: [.descending("s"), "v"])
    case "tail": return try left.tail(5)
    case "slice": return try left.slice(3, 11)
    case "index": return try left.withRowIndex("n").filter(col("v") > 0)
    case "counts": return try left.valueCounts("s")
    case "concat": return try left.concat(right)
    case "union": return try left.union(right)
    case "intersect": return try left.intersect(right)
    case "subtract": return try left.subtract(right)
    case "head": return try left.head(7)
    case "describe":
        return try left.select(col("v"), col("x").fillNaN(lit(nullOf: .float64)).as("x"))
            .describe()
    case "rebalance": return try left.rebalance()
    case "gather": return try left.gather()
    case "replicate": return try left.replicate()
    case "repartition": return try left.repartition(by: "k")
    case "shuffle": return try left.shuffle(seed: 5)
    case "sample":
        switch words[1] {
        case "all": return try left.sample(fraction: 1)
        case "count": return try left.sample(7, seed: 5).aggregate(len())
        default: return try left.sample(7, seed: 5).subtract(left)
        }
    case "aggregate":
        let (v, s) = (col("v"), col("s"))
        let x = col("x").fillNaN(lit(nullOf: .float64))
        return try left.aggregate(
            v.sum(), v.mean(), v.min(), v.max(), v.count(), v.first(), s.last(), v.std(),
            col("x").nUnique(), s.nUnique(), v.median(), x.quantile(0.3), x.median().as("m"),
            v.quantile(1), s.min(), s.max(), len())
    default: return try computed(verb, full)
    }
}

private func computed<Input: Relation>(_ verb: String, _ left: Input) throws -> Input {
    let (v, x, s, t) = (col("v"), col("x"), col("s"), col("t"))
    switch verb {
    case "strings":
        return try left.select(
            s.byteCount.as("a"), s.characterCount.as("b"), s.lowercased().as("c"),
            s.uppercased().as("d"), s.trim().as("e"), s.contains("a").as("f"),
            s.startsWith("a").as("g"), s.endsWith("z").as("h"), s.slice(1, 2).as("i"),
            s.replace("a", with: "<>").as("j"), s.matches("^[a-z]+$").as("l"),
            s.extract("([a-z])([0-9])", group: 2).as("m"),
            s.replaceMatches("[0-9]", with: "#").as("n"))
    case "times":
        return try left.select(
            t.year.as("a"), t.month.as("b"), t.day.as("c"), t.hour.as("d"), t.minute.as("e"),
            t.second.as("f"), t.microsecond.as("g"), t.weekday.as("h"), t.week.as("i"),
            t.dayOfYear.as("j"), t.quarter.as("k"), t.truncated(to: .month).as("l"),
            t.truncated(to: .hour).as("m"), t.truncated(to: .week).as("n"),
            t.adding(-5, .month).as("o"), t.format("%d.%m.%Y %H:%M:%S").as("p"),
            t.cast(.date).as("q"))
    case "numbers":
        let number = v.cast(.int64)
        return try left.select(
            (number + 1).as("a"), (number % 3).as("b"), number.floorDivide(3).as("c"),
            (v / 4).as("d"), x.absolute.as("e"), x.floor().as("f"), x.ceil().as("g"),
            x.isNaN.as("h"), x.fillNaN(7).as("i"), v.fillNull(9).as("j"),
            when(v > 1).then(1).when(v < 0).then(-1).otherwise(0).as("k"),
            v.isIn([1, 2, 3]).as("l"), v.between(0, 2).as("m"),
            minHorizontal(x.fillNaN(lit(nullOf: .float64)), v).as("n"),
            (v > 0 && s == "a").as("o"), (v > 0 || s == "a").as("p"), v.isNull.as("q"))
    default:
        Issue.record("no verb \(verb)")
        return left
    }
}

@Suite struct DifferentialTests {
    @Test(arguments: rankCounts)
    func `verbs give what Polars gives, and queries what frames give`(ranks: Int) throws {
        for example in try AnswerFile.load() {
            try check(example, ranks: ranks, spreadsFrom: .max)
        }
    }

    @Test(
        .enabled(if: AnswerFile.livePath != nil, "scripts/differential sets VERB_ANSWERS"),
        arguments: rankCounts)
    func `verbs give what Polars gives on tables made for this run`(ranks: Int) throws {
        for example in try AnswerFile.loadLive() where 1 + example.seed % 5 == ranks {
            // Every third case takes even few rows of one key for heavy.
            try check(example, ranks: ranks, spreadsFrom: example.seed % 3 == 0 ? 8 : .max)
        }
    }

    private func check(
        _ example: AnswerFile.Case, ranks: Int, spreadsFrom leastRowCount: Int
    ) throws {
        let left = try example.table(example.left, count: 6)
        let right = try example.table(example.right, count: 5)
        for answer in example.answers {
            let isLazy = (example.seed + ranks) % 2 == 0
            let outcome = try Frames.run(
                [left, right], ranks: ranks, seed: 3 + UInt64(example.seed)
            ) { frames in
                try HeavyKeyLimits.$leastRowCount.withValue(leastRowCount) {
                    isLazy
                        ? try run(answer.verb, frames[0].lazy, frames[1].lazy).collect()
                        : try run(answer.verb, frames[0], frames[1])
                }
            }
            let isEverywhere = ["aggregate", "describe", "replicate", "sample count"]
                .contains(answer.verb)
            let rows = isEverywhere ? Frames.rows(of: outcome.frames[0]) : outcome.rows
            let lines = answer.rows.map { $0.map { $0 ?? "null" }.joined(separator: "|") }
            let expected = answer.ordered ? lines : lines.sorted()
            let found = texts(rows, ordered: answer.ordered)
            let difference = zip(found, expected).first { $0 != $1 }
            #expect(
                found.count == expected.count && difference == nil,
                "\(answer.verb) of \(example.types), seed \(example.seed), \(ranks) ranks: \(found.count) rows, \(expected.count) expected, \(difference.map { "\($0)" } ?? "")"
            )
        }
    }

    @Test(arguments: rankCounts)
    func `verbs that commute do`(ranks: Int) throws {
        var random = SeededRandom(seed: 17)
        for key in [DataType.int64, .string, .category, .uint8] {
            let left = random.table([key, .float64, .int32], count: 80, distinct: 9)
            let right = try random.table([key, .string], count: 40, distinct: 9).renamed([
                "c0", "r",
            ])
            let laws:
                [(
                    String, Bool, @Sendable ([Frame]) throws -> Frame,
                    @Sendable ([Frame]) throws -> Frame
                )] = [
                    (
                        "filter and sort", true,
                        { try $0[0].filter(col("c2") > 0).sort(by: ["c0", "c2"]) },
                        { try $0[0].sort(by: ["c0", "c2"]).filter(col("c2") > 0) }
                    ),
                    (
                        "join and select", false,
                        { try $0[0].join($0[1], on: "c0").select("c0", "r") },
                        { try $0[0].select("c0").join($0[1], on: "c0") }
                    ),
                    (
                        "join and filter on the key", false,
                        { try $0[0].join($0[1], on: "c0", how: .left).filter(col("c0").isNotNull) },
                        { try $0[0].filter(col("c0").isNotNull).join($0[1], on: "c0", how: .left) }
                    ),
                    (
                        "semi and anti make all", false, { $0[0] },
                        {
                            try $0[0].join($0[1], on: "c0", how: .semi)
                                .concat($0[0].join($0[1], on: "c0", how: .anti))
                        }
                    ),
                    (
                        "unique twice", false, { try $0[0].unique() },
                        { try $0[0].unique().unique() }
                    ),
                    (
                        "partitioned first", false,
                        {
                            try $0[0].repartition(by: "c0").groupBy("c0").agg(
                                len(), col("c2").sum())
                        },
                        { try $0[0].groupBy("c0").agg(len(), col("c2").sum()) }
                    ),
                ]
            for (name, ordered, first, second) in laws {
                let one = try Frames.run([left, right], ranks: ranks, seed: 5, first)
                let other = try Frames.run([left, right], ranks: ranks, seed: 5, second)
                #expect(
                    texts(one.rows, ordered: ordered) == texts(other.rows, ordered: ordered),
                    "\(name), \(key), \(ranks) ranks")
            }
        }
    }
}
