// A query is the same verbs, run later: it must give what frames give, with no more messages.
import MessagePassing
import Testing
import ThreadMPI

@testable import Frames

@Suite struct QueryTests {
    private func tables() -> [Table] {
        var random = SeededRandom(seed: 21)
        return [
            random.table([.int64, .string, .float64], count: 150, distinct: 12),
            random.table([.int64, .bool], count: 60, distinct: 12),
        ]
    }

    private func pipeline<Input: Relation>(_ left: Input, _ right: Input) throws -> Input {
        try left.filter(col("c0") > 0)
            .join(right.rename(["c1": "flag"]), on: "c0", how: .left)
            .withColumns((col("c0") * 2).as("twice"))
            .groupBy(["c0", "flag"]).agg(len(), col("twice").sum())
            .sort(by: [.descending("len"), "c0", "flag"])
    }

    @Test(arguments: rankCounts)
    func `a query gives what frames give`(ranks: Int) throws {
        // Both take the way of fewest messages, though the query's sides have fewer bytes.
        let costs = Frames.costs(latencySeconds: 1)
        let eager = try Frames.run(tables(), ranks: ranks, seed: 4, costs: costs) { frames in
            try pipeline(frames[0], frames[1])
        }
        let lazy = try Frames.run(tables(), ranks: ranks, seed: 4, costs: costs) { frames in
            try pipeline(frames[0].lazy, frames[1].lazy).collect()
        }
        #expect(eager.rows == lazy.rows, "\(ranks) ranks")
        #expect(zip(lazy.traffic.bytes, eager.traffic.bytes).allSatisfy { $0 <= $1 })
        #expect(zip(lazy.traffic.messages, eager.traffic.messages).allSatisfy { $0 <= $1 })
        #expect(lazy.frames[0].statistics.map(\.operation).suffix(2) == ["groupBy", "sort"])
    }

    @Test func `a query used twice runs once`() throws {
        let outcome = try Frames.run(tables(), ranks: 2, seed: 4) { frames in
            let once = try frames[0].lazy.repartition(by: "c0")
            return try once.concat(once).collect()
        }
        #expect(outcome.frames[0].statistics.map(\.operation) == ["repartition", "concat"])
    }

    @Test func `statistics tell rows, bytes and time of each step`() throws {
        let outcome = try Frames.run(tables(), ranks: 3, seed: 4) { frames in
            try frames[0].lazy.filter(col("c0") > 0).unique().collect()
        }
        for frame in outcome.frames {
            let (filter, unique) = (frame.statistics[0], frame.statistics[1])
            #expect(filter.rowsOut == unique.rowsIn)
            #expect(filter.bytesSent == 0 && filter.communication == .zero)
            #expect(unique.rowsOut == frame.table.rowCount)
            #expect(unique.bytesSent > 0 && unique.communication > .zero)
        }
        let sent = outcome.frames.reduce(0) { $0 + $1.statistics[1].bytesSent }
        let received = outcome.frames.reduce(0) { $0 + $1.statistics[1].bytesReceived }
        #expect(sent == received)
    }
}
