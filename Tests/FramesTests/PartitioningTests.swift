// What frames know about where their rows are, seen from outside: by the messages that are not sent.
import MessagePassing
import Testing
import ThreadMPI

@testable import Frames

@Suite struct PartitioningTests {
    private func table(_ seed: UInt64, count: Int = 200) -> Table {
        var random = SeededRandom(seed: seed)
        return random.table([.int64, .string, .int64], count: count, distinct: 20)
    }

    @Test(arguments: [2, 3, 5])
    func `a shuffle costs two exchanges and a message per pair in each`(ranks: Int) throws {
        let outcome = try Frames.run([table(1)], ranks: ranks, seed: 1) {
            try $0[0].repartition(by: "c0")
        }
        #expect(outcome.exchanges.allSatisfy { $0 == 2 }, "\(ranks) ranks")
        // Headers to each other rank, and to oneself if the transport counts that; then rows.
        for messages in outcome.traffic.messages {
            #expect(messages <= 2 * ranks && messages >= ranks - 1, "\(ranks) ranks: \(messages)")
        }
    }

    @Test(arguments: [2, 3, 5])
    func `a join and groups on its key shuffle once`(ranks: Int) throws {
        let (left, right) = (table(1), table(2))
        let outcome = try Frames.run([left, right], ranks: ranks, seed: 1) { frames in
            let joined = try frames[0].join(frames[1], on: "c0")
            #expect(joined.partitioning == .hash(["c0"]))
            return try joined.groupBy(["c1", "c0"]).agg(len())
        }
        #expect(outcome.exchanges.allSatisfy { $0 == 0 })
        let ungrouped = try Frames.run([left, right], ranks: ranks, seed: 1) { frames in
            try frames[0].join(frames[1], on: "c0")
        }
        #expect(outcome.traffic == ungrouped.traffic, "the grouping sent nothing")
    }

    @Test(arguments: [2, 3, 5])
    func `dense keys are dealt in blocks that later joins and groups build on`(ranks: Int) throws {
        func plain(_ seed: UInt64, _ count: Int, _ names: [String]) throws -> Table {
            var random = SeededRandom(seed: seed)
            let keys = (0..<count).map { _ in Int64.random(in: -50..<1000, using: &random) }
            return try Table([(names[0], Column(keys)), (names[1], Column(keys.map { $0 * $0 }))])
        }
        let tables = [
            try plain(1, 2000, ["k", "a"]), try plain(2, 1500, ["k", "b"]),
            try plain(3, 100, ["key", "c"]), table(4),
        ]
        let outcome = try Frames.run(tables, ranks: ranks, seed: 1) { frames in
            let joined = try frames[0].join(frames[1], on: "k")
            guard case .blocks("k", _) = joined.partitioning else {
                throw FrameError(
                    .invalidArgument, operation: "test", reason: "\(joined.partitioning)")
            }
            let grouped = try joined.groupBy("k").agg(len())
            #expect(grouped.statistics.allSatisfy { $0.exchanges == 0 })
            let byOther = try joined.groupBy("b").agg(len())
            #expect(byOther.statistics.contains { $0.exchanges > 0 })
            let again = try grouped.join(frames[2], leftOn: "k", rightOn: "key", how: .left)
            #expect(again.statistics.allSatisfy { $0.exchanges == 2 }, "one side moves")
            let withNulls = try again.join(frames[3], leftOn: "k", rightOn: "c0")
            #expect(withNulls.partitioning == joined.partitioning)
            let inPlace = try joined.join(grouped.rename(["k": "key"]), leftOn: "k", rightOn: "key")
            #expect(inPlace.statistics.allSatisfy { $0.exchanges == 0 })
            return try again.concat(withNulls.select("k", "len", "c"))
        }
        let alone = try Frames.run(tables, ranks: 1, seed: 1) { frames in
            let again = try frames[0].join(frames[1], on: "k").groupBy("k").agg(len())
                .join(frames[2], leftOn: "k", rightOn: "key", how: .left)
            let withNulls = try again.join(frames[3], leftOn: "k", rightOn: "c0")
            return try again.concat(withNulls.select("k", "len", "c"))
        }
        #expect(tally(outcome.rows) == tally(alone.rows), "\(ranks) ranks")
    }

    @Test(arguments: [2, 3])
    func `a side known to be in place is not moved by a join`(ranks: Int) throws {
        let tables = [table(1), table(2)]
        let bothMoved = try Frames.run(tables, ranks: ranks, seed: 1) {
            try $0[0].join($0[1], on: "c0", how: .left)
        }
        let oneMoved = try Frames.run(tables, ranks: ranks, seed: 1) {
            try $0[0].repartition(by: "c0").join($0[1], on: "c0", how: .left)
        }
        let noneMoved = try Frames.run(tables, ranks: ranks, seed: 1) { frames in
            let right = try frames[1].repartition(by: "c0").rename(["c0": "key"])
            return try frames[0].repartition(by: "c0").join(
                right, leftOn: "c0", rightOn: "key", how: .left)
        }
        #expect(bothMoved.exchanges.allSatisfy { $0 == 5 })
        #expect(oneMoved.exchanges.allSatisfy { $0 == 2 })
        #expect(noneMoved.exchanges.allSatisfy { $0 == 0 })
        #expect(tally(bothMoved.rows) == tally(oneMoved.rows))
        #expect(tally(bothMoved.rows) == tally(noneMoved.rows))
    }

    @Test func `a small side is sent to all and the large one stays`() throws {
        let outcome = try Frames.run([table(1), table(2, count: 5)], ranks: 3, seed: 1) {
            try $0[0].repartition(by: "c2").join($0[1], on: "c0")
        }
        #expect(outcome.exchanges.allSatisfy { $0 == 3 })
        #expect(outcome.frames[0].partitioning == .hash(["c2"]))
    }

    @Test func `a sorted frame is not sorted again`() throws {
        let outcome = try Frames.run([table(1)], ranks: 3, seed: 1) {
            try $0[0].sort(by: ["c0", "c1"]).filter(col("c2") > 0).sort(by: "c0")
        }
        #expect(outcome.exchanges.allSatisfy { $0 == 0 })
        #expect(outcome.frames[0].partitioning == .range([.ascending("c0"), .ascending("c1")]))
    }

    @Test func `verbs on a replicated frame send nothing and count rows once`() throws {
        _ = try Frames.run([table(1), table(2)], ranks: 3, seed: 1) { frames in
            let all = try frames[0].replicate()
            for frame in [
                try all.groupBy("c0").agg(len()), try all.sort(by: "c1"),
                try all.unique(on: "c0"), try all.head(7), try all.aggregate(len()),
                try frames[1].join(all, on: "c0"), try all.join(frames[1], on: "c0"),
            ] {
                #expect(frame.statistics.allSatisfy { $0.exchanges == 0 })
            }
            #expect(try all.count() == 200)
            return all
        }
    }

    @Test func `a dropped or overwritten key is no longer known`() throws {
        _ = try Frames.run([table(1)], ranks: 2, seed: 1) { frames in
            let frame = try frames[0].repartition(by: "c0")
            #expect(try frame.drop("c0").partitioning == .unknown)
            #expect(try frame.withColumns((col("c0") + 1).as("c0")).partitioning == .unknown)
            #expect(try frame.rename(["c0": "key"]).partitioning == .hash(["key"]))
            #expect(try frame.select("c2", "c0").partitioning == .hash(["c0"]))
            #expect(try frame.withColumns(col("c2").as("c0")).partitioning == .unknown)
            return frame
        }
    }

    @Test func `alone nothing is sent or copied`() throws {
        let input = table(1)
        let frame = try Frame(input).repartition(by: "c0").rebalance().gather().replicate()
        #expect(frame.table.columns[0].values === input.columns[0].values)
        #expect(frame.statistics.allSatisfy { $0.exchanges == 0 })
    }
}
