// The worker: what it measures, what it checks, and that its inputs are those of the peers.
import Frames
import MessagePassing
import Records
import Synchronization
import Testing
import ThreadMPI

@testable import Workloads

@Suite("Worker")
struct WorkerTests {
    @Test("payload to other ranks is counted, to oneself it is not", arguments: [1, 2, 3, 5])
    func countedBytes(size: Int) throws {
        try ThreadMPI.run(size: size) { base in
            let meter = Meter()
            let world = MeteredCommunicator(base, meter)
            let others = size - 1
            let words = [UInt64](repeating: 7, count: 10)
            func bytes(_ body: () throws -> Void) rethrows -> Int {
                _ = meter.take()
                try body()
                return meter.take().bytes
            }
            let next = (world.rank + 1) % size
            let previous = (world.rank + others) % size
            var received = [UInt64](repeating: 0, count: 10)
            try expect(
                bytes {
                    try world.sendrecv(
                        words.span, to: .rank(next), into: received.mutableSpan,
                        from: .rank(previous))
                }, size > 1 ? 80 : 0, "sendrecv")
            try expect(
                bytes {
                    _ = try world.alltoallv(
                        words.span.extracting(0..<size), counts: Array(repeating: 1, count: size),
                        recvCounts: Array(repeating: 1, count: size))
                }, 8 * others, "alltoallv")
            try expect(bytes { _ = try world.allgather(words[0]) }, 8 * others, "allgather")
            try expect(
                bytes { _ = try world.allreduce(words[0], .sum) }, size > 1 ? 8 : 0, "allreduce")
            try expect(bytes { try world.barrier() }, 0, "barrier")
            try expect(
                bytes {
                    let half = try world.split(color: 0, key: 0)
                    _ = meter.take()
                    _ = try half?.allgather(words[0])
                }, 8 * others, "allgather on a part")
        }
    }

    @Test("a repetition whose answer differs from the first fails the job")
    func changingAnswer() throws {
        #expect(throws: (any Error).self) {
            try ThreadMPI.run(size: 2) { world in
                let options = try WorkerOptions(["--iterations", "3"])
                let workload = try Forgetful(options.options)
                try repeatWorkload(workload, options, 0, on: world) { _ in }
            }
        }
    }

    @Test(
        "wrong arguments are named",
        arguments: [
            (["--rows"], "--rows needs a value"), (["--rows", "0"], "--rows 0"),
            (["--seed", "-1"], "--seed -1"), (["--mode", "big"], "strong or weak"),
            (["--frobnicate", "1"], "--frobnicate"), (["--pinned", "maybe"], "--pinned maybe"),
        ])
    func wrongArguments(arguments: [String], expected: String) {
        let error = #expect(throws: UsageError.self) { try WorkerOptions(arguments) }
        #expect(error?.description.contains(expected) == true)
    }

    @Test("generated inputs and checksums are those of Benchmarks/generated.py")
    func goldenValues() throws {
        let uniform = CounterGenerator(seed: 1, frame: 0, column: 0).uniform(
            below: 900, rows: 0..<4)
        #expect(uniform.int64s == [91, 237, 699, 716])
        let wide = CounterGenerator(seed: 1, frame: 1, column: 1)
            .uniform(below: 1 << 62, rows: 0..<2)
        #expect(wide.int64s == [656_923_939_355_869_803, 159_651_106_498_549_557])
        let unit = CounterGenerator(seed: 7, frame: 0, column: 2).unit(rows: 0..<2)
        #expect(unit.float64s == [0.9207003797870933, 0.712339176533614])
        let table: Table = ["a": [1, -2, 3], "b": [4, 5, 1_099_511_627_776]]
        #expect(try Frame(table).rowChecksum() == 0x9ad0_d0fc_51d0_67aa)
    }

    @Test(
        "each generated workload gives the same answer at every number of ranks",
        arguments: ["join", "join-sparse", "groupby", "sort"])
    func sameAnswer(name: String) throws {
        let reference = try answer(name, ranks: 1)
        #expect(reference.outputRows > 0)
        for ranks in [2, 3, 5] {
            let other = try answer(name, ranks: ranks)
            #expect(other.outputRows == reference.outputRows, "\(name) × \(ranks)")
            #expect(other.checksum == reference.checksum, "\(name) × \(ranks)")
            for (table, expected) in zip(other.tables, reference.tables) {
                #expect(table.difference(from: expected) == nil, "\(name) × \(ranks)")
            }
        }
    }

    @Test("the join's answer is that of a loop over all pairs of rows")
    func joinAgainstNaive() throws {
        let rows = 200
        let generators = (0..<2).map { CounterGenerator(seed: 1, frame: $0, column: 0) }
        let keys = generators.map { $0.uniform(below: 180, rows: 0..<rows).int64s }
        let matches = keys[0].reduce(0) { sum, key in sum + keys[1].count { $0 == key } }
        let result = try answer("join", ranks: 3, rows: rows)
        #expect(result.outputRows == matches)
    }

    private func answer(_ name: String, ranks: Int, rows: Int = 5000) throws -> WorkerResult {
        let found = Mutex<WorkerResult?>(nil)
        let options = try WorkerOptions(["--rows", String(rows), "--warm-ups", "0"])
        let workload = try Workloads.named(name).init(options.options)
        try ThreadMPI.run(size: ranks) { world in
            try repeatWorkload(workload, options, 0, on: world) { message in
                if case .result(let result) = message { found.withLock { $0 = result } }
            }
        }
        return try #require(found.withLock { $0 }, "\(name) × \(ranks) reported nothing")
    }

}

/// Thrown rather than recorded: a rank's thread does not know which test it belongs to.
private func expect(_ found: Int, _ expected: Int, _ what: String) throws {
    if found != expected { throw Unexpected("\(what): \(found), not \(expected)") }
}

private struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A workload that counts its own runs into the answer.
private struct Forgetful: Workload {
    static let name = "forgetful"
    static let summary = "answers differently every time"

    private let runs = RunCounter()

    init(_ options: WorkloadOptions) throws {}
    func prepare(on world: any Communicator) throws {}
    func run(_ input: Void, on world: any Communicator) throws {}
    func summarize(_ output: Void, on world: any Communicator) throws -> WorkloadResult {
        WorkloadResult(rows: 1, checksum: runs.next())
    }
}

private final class RunCounter: Sendable {
    private let count = Atomic<UInt64>(0)
    func next() -> UInt64 { count.wrappingAdd(1, ordering: .relaxed).newValue }
}
