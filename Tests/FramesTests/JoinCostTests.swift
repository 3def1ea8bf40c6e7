// Which side of a join moves: what the model says, and that all ranks do the same.
import MessagePassing
import Testing
import ThreadMPI

@testable import Frames

@Suite struct JoinCostTests {
    private let left: Table = [
        "k": Column((0..<200).map { Optional(Int64($0)) }),
        "a": Column((0..<200).map { Optional(Int64($0)) }),
    ]
    private let right: Table = [
        "k": Column((0..<190).map { Optional(Int64($0)) }),
        "b": Column((0..<190).map { Optional(Int64($0)) }),
    ]

    private func costs(
        _ kind: JoinKind, _ left: Int, _ right: Int, latency: Double, size: Int = 4
    ) -> JoinCosts {
        JoinCosts(
            kind, leftBytes: left, rightBytes: right, size: size,
            costs: Frames.costs(latencySeconds: latency))
    }

    @Test func `a small side is sent, large ones are shuffled, and latency moves the border`() {
        #expect(costs(.inner, 1 << 30, 1 << 20, latency: 1e-4).best == .sendRight)
        #expect(costs(.inner, 1 << 20, 1 << 30, latency: 1e-4).best == .sendLeft)
        #expect(costs(.inner, 1 << 30, 1 << 30, latency: 1e-4).best == .shuffle)
        // Two steps fewer pay for more bytes where both sides are small.
        #expect(costs(.inner, 9000, 8000, latency: 0).best == .shuffle)
        #expect(costs(.inner, 9000, 8000, latency: 1e-3).best == .sendRight)
    }

    @Test func `a side whose rows without a partner are wanted is not sent`() {
        #expect(costs(.left, 1 << 10, 1 << 30, latency: 1e-4).best == .shuffle)
        #expect(costs(.full, 1 << 10, 1 << 30, latency: 1e-4).best == .shuffle)
        #expect(costs(.full, 1 << 30, 1 << 10, latency: 1e-4).best == .shuffle)
        #expect(costs(.left, 1 << 30, 1 << 10, latency: 1e-4).best == .sendRight)
    }

    @Test(arguments: [2, 3, 5])
    func `ranks that know other latencies take rank 0's way`(ranks: Int) throws {
        for (latency, others, exchanges) in [(1.0, 0.0, 3), (0.0, 1.0, 4)] {
            let outcome = try Frames.run([left, right], ranks: ranks, seed: 4) { frames in
                let own = frames[0].communicator.rank == 0 ? latency : others
                return try JoinCosts.$assumed.withValue(Frames.costs(latencySeconds: own)) {
                    try frames[0].join(frames[1], on: "k")
                }
            }
            #expect(outcome.rows.count == 190)
            #expect(
                outcome.exchanges.allSatisfy {
                    exchanges...exchanges + (latency == 0 ? 1 : 0) ~= $0
                },
                "\(ranks) ranks, latency \(latency): \(outcome.exchanges)")
        }
    }

    @Test func `explain tells the way and why`() throws {
        _ = try Frames.run([left, right], ranks: 2, seed: 4) { frames in
            let query = try frames[0].lazy.join(frames[1].lazy, on: "k")
            let slow = try JoinCosts.$assumed.withValue(Frames.costs(latencySeconds: 1)) {
                try query.explain()
            }
            #expect(slow.contains("sends the "), "\(slow)")
            #expect(slow.contains("s by the model, "), "\(slow)")
            #expect(slow.contains(" for a shuffle"), "\(slow)")
            let full = try frames[0].lazy.join(frames[1].lazy, on: "k", how: .full).explain()
            #expect(full.contains("shuffles both sides by key ("), "\(full)")
            return frames[0]
        }
    }

    @Test(arguments: [2, 3, 5])
    func `a full join shuffles each side once`(ranks: Int) throws {
        let outcome = try Frames.run([left, right], ranks: ranks, seed: 4) {
            try $0[0].join($0[1], on: "k", how: .full)
        }
        // Sizes, then a header and the rows of each side.
        #expect(outcome.exchanges.allSatisfy { $0 == 5 }, "\(outcome.exchanges)")
        #expect(outcome.rows.count == 200)
        #expect(outcome.frames[0].partitioning == .hash(["k"]))
    }
}
