// A rank of the job that sends what no honest rank sends: the others end with an error that names
// it, and neither crash nor wait.
import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@testable import Frames

@Suite struct LyingRankTests {
    private let table: Table = ["k": [1, 2, 3, 4], "s": Column(["a", "bb", nil, "dddd"])]

    /// The errors of all ranks but `liar`, which runs `lie` instead of the shuffle by "k".
    private func errors(
        ranks: Int, _ lie: @escaping @Sendable (any Communicator, ExchangeHeader) throws -> Void
    ) throws -> [FrameError] {
        let errors = Mutex<[FrameError]>([])
        let table = table
        let liar = ranks - 1
        do {
            try ThreadMPI.run(size: ranks, timeout: .seconds(20)) { world in
                let query = try Frame(table, on: world).lazy.repartition(by: "k")
                if world.rank == liar {
                    try lie(world, ExchangeHeader(fingerprint: query.plan.fingerprint))
                    return
                }
                do throws(FrameError) {
                    _ = try query.collect()
                } catch {
                    errors.withLock { $0.append(error) }
                }
            }
        } catch let error as MPIError {
            // The liar may notice that the job has ended.
            #expect(error.code == .aborted, "\(error)")
        }
        return errors.withLock { $0 }
    }

    private func check(_ errors: [FrameError], ranks: Int, _ comment: Comment) {
        #expect(errors.count == ranks - 1, comment)
        #expect(errors.contains { $0.code == .malformedMessage }, comment)
        for error in errors {
            #expect("\(error)".contains("rank \(ranks - 1)"), "\(comment): \(error)")
            #expect(error.cause?.code == .aborted, comment)
        }
    }

    @Test(arguments: [2, 3, 5])
    func `sizes that cannot be are refused before memory is asked for`(ranks: Int) throws {
        for (rows, blocks, rounds) in [
            (-1, 1, 0), (1, -1, 0), (1, .max, 0), (1, 1 << 43, 0), (1, 1, -2), (.max, 1, 0),
        ] {
            let errors = try errors(ranks: ranks) { world, header in
                var header = header
                header.rowCount = rows
                header.blockCount = blocks
                header.roundsLeft = rounds
                _ = try world.alltoall(Array(repeating: header, count: world.size).span)
                _ = try world.recv(Int.self, from: .any)
            }
            check(errors, ranks: ranks, "\(rows) rows, \(blocks) blocks, \(rounds) rounds")
        }
    }

    @Test(arguments: [2, 3, 5])
    func `a message that is not what its header said is refused`(ranks: Int) throws {
        let honest = ReceivedMessage.bytes(of: table)
        var lies: [(String, Int, [UInt8])] = [
            ("zeros", 4, [UInt8](repeating: 0, count: honest.count)),
            ("noise", 4, [UInt8](repeating: 0xFF, count: honest.count)),
            ("other rows", 3, honest),
        ]
        // The second string's end: the offsets come after the preamble, the keys and the validity.
        var descending = honest
        descending[64 * 3 + 16] = 200
        lies.append(("an offset beyond the bytes", 4, descending))
        for (what, rows, message) in lies {
            let errors = try errors(ranks: ranks) { world, header in
                var header = header
                header.rowCount = rows
                header.blockCount = message.count / 64
                let headers = try world.alltoall(
                    Array(repeating: header, count: world.size).span)
                var received = headers.map(\.blockCount)
                received[world.rank] = 0
                var sent = [Int](repeating: message.count / 64, count: world.size)
                sent[world.rank] = 0
                let send = (0..<world.size - 1).flatMap { _ in message }
                var memory = [UInt8](repeating: 0, count: received.reduce(0, +) * 64)
                try memory.withUnsafeMutableBytes { memory in
                    try send.withUnsafeBytes { send in
                        try world.alltoallv(
                            send, Partition(counts: sent), into: memory,
                            Partition(counts: received), elementSize: 64)
                    }
                }
                _ = try world.recv(Int.self, from: .any)
            }
            check(errors, ranks: ranks, "\(what), \(ranks) ranks")
        }
    }
}
