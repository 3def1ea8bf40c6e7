// What a query's optimiser does to its plan, and that it changes no answer.
import MessagePassing
import Testing
import ThreadMPI

@testable import Frames

@Suite struct OptimiserTests {
    private static let left: Table = [
        "k": Column([1, 2, 3, 4, nil, 2]), "a": Column([10, 20, nil, 40, 50, 60]),
        "wide": Column(["x", "yy", "zzz", nil, "v", "w"]),
    ]
    private static let right: Table = [
        "k": Column([2, 3, 3, 5, nil]), "a": Column([200, 300, 301, 500, 600]),
        "b": Column([0.5, 1.5, 2.5, 3.5, 4.5]),
    ]

    private static var queries: (left: Query, right: Query) {
        (Frame(left).lazy, Frame(right).lazy)
    }

    /// The steps of a plan from the sources up, each with its columns.
    private static func steps(_ query: Query) throws -> [String] {
        try query.plan.optimised().inOrder.map {
            "\($0.name) \($0.operation.summary) -> \($0.schema.names)"
        }
    }

    /// In an order of their own: joins may yield rows in another one.
    private static func sorted(_ rows: [[Cell]]) -> [[Cell]] {
        rows.map { (key: "\($0)", row: $0) }.sorted { $0.key < $1.key }.map(\.row)
    }

    @Test func `columns that nobody asks for are dropped at the source`() throws {
        let (left, right) = Self.queries
        let query = try left.join(right, on: "k").groupBy("k").agg(col("b").sum())
        let steps = try Self.steps(query)
        #expect(steps.contains { $0.hasPrefix("select") && $0.hasSuffix("-> [\"k\"]") })
        #expect(steps.contains { $0.hasPrefix("select") && $0.hasSuffix("-> [\"k\", \"b\"]") })
        #expect(!steps.contains { $0.hasPrefix("join") && $0.contains("wide") })
    }

    @Test func `a suffix survives the pruning of the column that gave rise to it`() throws {
        let (left, right) = Self.queries
        let query = try left.join(right, on: "k").select("a_right", "k")
        let frame = try query.collect()
        #expect(frame.table.schema.names == ["a_right", "k"])
        #expect(frame.table.columns[0].int64s.compactMap(\.self).sorted() == [200, 200, 300, 301])
    }

    @Test func `a filter sinks through a join, to both sides if it is about the key`() throws {
        let (left, right) = Self.queries
        let query = try left.join(right, on: "k")
            .filter(col("k") > 1 && col("a") < 50 && col("b") > 1 && col("a") < col("a_right"))
        let steps = try Self.steps(query)
        let join = try #require(steps.firstIndex { $0.hasPrefix("join") })
        let below = steps[..<join].filter { $0.hasPrefix("filter") }
        #expect(below.contains { $0.contains("(k > 1)") && $0.contains("(a < 50)") }, "\(steps)")
        #expect(below.contains { $0.contains("(k > 1)") && $0.contains("(b > 1)") }, "\(steps)")
        #expect(steps[(join + 1)...].contains { $0.contains("(a < a_right)") }, "\(steps)")
    }

    @Test func `a filter on the right side of a left join stays above it`() throws {
        let (left, right) = Self.queries
        let query = try left.join(right, on: "k", how: .left).filter(col("b").isNull)
        let steps = try Self.steps(query)
        let join = try #require(steps.firstIndex { $0.hasPrefix("join") })
        #expect(!steps[..<join].contains { $0.hasPrefix("filter") }, "\(steps)")
        #expect(try query.collect().table.rowCount == 3)
    }

    @Test(arguments: ["head", "withRowIndex", "strict cast", "shared"])
    func `a filter stays above what it would change`(_ step: String) throws {
        let (left, _) = Self.queries
        let query: Query
        switch step {
        case "head": query = try left.head(3).filter(col("k") == 2)
        case "withRowIndex": query = try left.withRowIndex("row").filter(col("k") == 2)
        case "strict cast":
            query = try left.sort(by: "k").filter(col("a").cast(.int8) > 10)
        default:
            let once = try left.sort(by: "k")
            query = try once.filter(col("k") == 2).concat(once)
        }
        let steps = try Self.steps(query)
        let filter = try #require(steps.firstIndex { $0.hasPrefix("filter") }, "\(steps)")
        let other = try #require(
            steps.firstIndex {
                !$0.hasPrefix("filter") && !$0.hasPrefix("select")
                    && !$0.hasPrefix("source")
            }, "\(steps)")
        #expect(other < filter, "\(steps)")
    }

    @Test func `what is written twice runs once, and what differs does not`() throws {
        let (left, right) = Self.queries
        func part(_ limit: Int64) throws -> Query {
            try Frame(Self.left).lazy.filter(col("a") > Expression(integerLiteral: limit))
        }
        let same = try part(10).concat(part(10))
        #expect(try Self.steps(same).count { $0.hasPrefix("filter") } == 1)
        let other = try part(10).concat(part(11))
        #expect(try Self.steps(other).count { $0.hasPrefix("filter") } == 2)
        // Equal words of another column, another text, another table.
        let texts = try left.filter(col("wide") == "x").concat(left.filter(col("wide") == "y"))
        #expect(try Self.steps(texts).count { $0.hasPrefix("filter") } == 2)
        let tables = try left.select("k", "a").concat(right.select("k", "a"))
        #expect(try Self.steps(tables).count { $0.hasPrefix("source") } == 2)
        #expect(try tables.collect().table.rowCount == 11)
    }

    @Test func `a plan that nothing improves is left as it is`() throws {
        let query = try Self.queries.left.sort(by: "k")
        #expect(try query.plan.optimised() === query.plan)
    }

    @Test(arguments: rankCounts)
    func `fewer bytes move, and the rows are the same`(ranks: Int) throws {
        var random = SeededRandom(seed: 77)
        let tables = [
            random.table([.int64, .string, .float64, .string], count: 400, distinct: 20),
            random.table([.int64, .string, .bool], count: 300, distinct: 20),
        ]
        let body: @Sendable ([Frame], Bool) throws -> Frame = { frames, isLazy in
            func pipeline<Input: Relation>(_ left: Input, _ right: Input) throws -> Input {
                try left.join(right.rename(["c1": "text"]), on: "c0")
                    .filter(col("c0") > 3)
                    .select("c0", "c2")
                    .sort(by: ["c0", "c2"])
            }
            return isLazy
                ? try pipeline(frames[0].lazy, frames[1].lazy).collect()
                : try pipeline(frames[0], frames[1])
        }
        let eager = try Frames.run(tables, ranks: ranks, seed: 4) { try body($0, false) }
        let lazy = try Frames.run(tables, ranks: ranks, seed: 4) { try body($0, true) }
        #expect(eager.rows == lazy.rows)
        if ranks == 1 { return }
        // On frames each verb is a run of its own, and the last one's statistics are the sort's.
        let joined = try Frames.run(tables, ranks: ranks, seed: 4) { frames in
            try frames[0].join(frames[1].rename(["c1": "text"]), on: "c0")
        }
        func bytes(_ frames: [Frame]) -> Int {
            frames.flatMap(\.statistics).filter { $0.operation == "join" }
                .reduce(0) { $0 + $1.bytesSent }
        }
        #expect(bytes(lazy.frames) < bytes(joined.frames))
    }

    /// Random pipelines of every verb that the rules know, on frames and as queries.
    @Test(arguments: 1...100)
    func `an optimised query gives what the same verbs on frames give`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let tables = (0..<2).map { _ in
            random.table([.int64, .int64, .string, .float64], count: 60, distinct: 8)
        }
        let verbs = (0..<6).map { _ in Int.random(in: 0..<14, using: &random) }
        let number = Int64.random(in: -4...4, using: &random)
        @Sendable func pipeline<Input: Relation>(_ left: Input, _ right: Input) throws -> Input {
            var result = left
            for verb in verbs {
                let names = result.plan.schema.names
                let first = names[0]
                switch verb {
                case 0: result = try result.filter(col(first) > Expression(integerLiteral: number))
                case 1: result = try result.filter(col(first) != 2 && col(first).isNotNull)
                case 2: result = try result.sort(by: SortKeys(names.map { .ascending($0) }))
                case 3: result = try result.join(right, on: "c0", suffix: "_\(names.count)")
                case 4:
                    result = try result.join(
                        right.unique(on: "c0"), on: "c0", how: .left, suffix: "_l\(names.count)")
                case 5: result = try result.join(right, on: "c0", how: .semi)
                case 6: result = try result.join(right, on: "c0", how: .anti)
                case 7: result = try result.withColumns((col(first) + 1).as("n\(names.count)"))
                case 8: result = try result.concat(result.filter(col(first) < 3))
                case 9: result = try result.repartition(by: "c0")
                case 10:
                    result =
                        names.count > 2
                        ? try result.drop(ColumnNames([names[names.count - 1]])) : result
                case 11: result = try result.unique()
                case 12:
                    result = try result.filter(col(names[names.count - 1]).isNull || col(first) > 0)
                default:
                    result = try result.groupBy("c0").agg(len().as("c1"), col(first).max().as("m"))
                }
                if result.plan.schema.names.first != "c0" { result = try result.select("c0") }
            }
            return result
        }
        let ranks = Int(seed % 3) + 1
        let eager = try Frames.run(tables, ranks: ranks, seed: seed) {
            try pipeline($0[0], $0[1])
        }
        let lazy = try Frames.run(tables, ranks: ranks, seed: seed) {
            try pipeline($0[0].lazy, $0[1].lazy).collect()
        }
        #expect(
            Self.sorted(eager.rows) == Self.sorted(lazy.rows), "seed \(seed), verbs \(verbs)")
    }

    @Test func `explain shows steps, rows, bytes and where rows move`() throws {
        let text = try ThreadMPI.run(size: 2, timeout: .seconds(20)) { world in
            let left = Frame(Self.left, on: world).lazy
            let right = Frame(Self.right, on: world).lazy
            let query = try left.join(right, on: "k").groupBy("k").agg(col("b").mean())
                .sort(by: "k")
            // So few bytes would be sent to all if headers took any time.
            let costs = ChannelCosts(
                channel: .direct, latencySeconds: 0, bytesPerSecond: 1e15, origin: "test")
            let text = try JoinCosts.$assumed.withValue(costs) { try query.explain() }
            #expect(text.contains("shuffles both sides by key"), "\(text)")
            #expect(text.contains("shuffles rows by range"), "\(text)")
            // The join has brought equal keys together already.
            #expect(!text.contains("shuffles groups"), "\(text)")
            #expect(text.contains("select [k, b]  5 rows"), "\(text)")
            let plain = try query.explain(optimised: false)
            #expect(!plain.contains("select"), "\(plain)")
            #expect(text.split(separator: "\n").last?.contains("source") == true)
        }
        _ = text
    }
}
