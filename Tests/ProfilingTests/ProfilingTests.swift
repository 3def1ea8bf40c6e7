// Statistics and timelines of a program's calls: what is counted, and what a trace viewer gets.

import CompactJSON
import Foundation
import MessagePassing
import Profiling
import Synchronization
import Testing
import ThreadMPI

@Suite(.serialized) struct ProfilingTests {
    /// Every rank's statistics after `body` on three ranks.
    private func statistics(
        of body: @escaping @Sendable (any Communicator) throws -> Void
    ) throws -> [Int: [OperationStatistics]] {
        let all = Mutex<[Int: [OperationStatistics]]>([:])
        try ThreadMPI.run(size: 3) { world in
            let profiled = ProfiledCommunicator(world)
            try body(profiled)
            all.withLock { $0[world.rank] = profiled.statistics }
        }
        return all.withLock { $0 }
    }

    @Test func callsAndBytesAreCountedPerOperation() throws {
        let all = try statistics { world in
            for _ in 0..<5 { _ = try world.allreduce([1, 2, 3].span, .sum) }
            if world.rank == 0 {
                try world.send([7, 8].span, to: .rank(1))
            } else if world.rank == 1 {
                _ = try world.recv(Int.self, from: .rank(0))
            }
            var told = [world.rank]
            try world.bcast(told.mutableSpan, root: 2)
        }
        for rank in 0..<3 {
            let entries = try #require(all[rank])
            let sums = try #require(entries.first { $0.operation == "allreduce" })
            #expect(sums.calls == 5)
            #expect(sums.byteCount == 5 * 24)
            #expect(sums.algorithm == .direct)
            #expect(sums.seconds > 0)
            let bcast = try #require(entries.first { $0.operation == "bcast" })
            #expect(bcast.byteCount == (rank == 2 ? 16 : 0))
            let sends = entries.first { $0.operation == "send" }
            #expect(sends?.byteCount == (rank == 0 ? 16 : nil))
            #expect(sends?.algorithm == nil)
        }
    }

    @Test func communicatorsAreCountedApart() throws {
        let all = try statistics { world in
            let copy = try world.dup()
            try world.barrier()
            try copy.barrier()
            try copy.ibarrier().wait()
        }
        let entries = try #require(all[1])
        let barriers = entries.filter { $0.operation == "barrier" }
        #expect(barriers.map(\.communicator).sorted() == [0, 1])
        #expect(barriers.allSatisfy { $0.calls == 1 })
        #expect(entries.contains { $0.operation == "ibarrier" && $0.communicator == 1 })
    }

    @Test func aTraceHasARowPerRankAndEveryCall() throws {
        let path = FileManager.default.temporaryDirectory.path + "/trace-\(UUID()).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        setenv("MPI_TRACE", path, 1)
        let body = profiled { world in
            for _ in 0..<3 { _ = try world.allreduce(world.rank, .sum) }
            try world.barrier()
        }
        unsetenv("MPI_TRACE")
        try ThreadMPI.run(size: 3, body)

        let text = try String(contentsOfFile: path, encoding: .utf8)
        let trace = try #require(JSONValue(parsing: text))
        let events = try #require(trace["traceEvents"]?.array)
        let rows = events.filter { $0["ph"]?.string == "M" }
        #expect(rows.compactMap { $0["args"]?["name"]?.string } == ["rank 0", "rank 1", "rank 2"])
        for rank in 0..<3 {
            let calls = events.filter {
                $0["ph"]?.string == "X" && $0["tid"]?.integer == rank
            }
            #expect(
                calls.map { $0["name"]?.string } == [
                    "allreduce", "allreduce", "allreduce", "barrier",
                ])
            var end = 0.0
            for call in calls {
                let begin = try #require(call["ts"]?.number)
                let duration = try #require(call["dur"]?.number)
                #expect(begin >= end && duration > 0)
                end = begin + duration
            }
            #expect(calls.first?["args"]?["bytes"]?.integer == 8)
            #expect(calls.first?["args"]?["algorithm"]?.string == "direct")
        }
        // No rank leaves the barrier before all have come: the rows have one clock.
        let barriers = events.filter { $0["name"]?.string == "barrier" }
        let begins = barriers.compactMap { $0["ts"]?.number }
        let ends = barriers.compactMap { call -> Double? in
            guard let begin = call["ts"]?.number, let duration = call["dur"]?.number else {
                return nil
            }
            return begin + duration
        }
        let lastBegin = try #require(begins.max())
        // The clocks agree to within half of a round trip.
        #expect(ends.allSatisfy { $0 > lastBegin - 20_000 })
    }

    @Test func aFailedProgramLeavesATracePerRank() throws {
        let path = FileManager.default.temporaryDirectory.path + "/trace-\(UUID()).json"
        defer {
            for rank in 0..<2 { try? FileManager.default.removeItem(atPath: "\(path).rank\(rank)") }
        }
        setenv("MPI_TRACE", path, 1)
        let body = profiled { world in
            try world.barrier()
            if world.rank == 1 {
                throw MPIError(.programFailed, operation: "test", reason: "on purpose")
            }
            _ = try world.recv(Int.self, from: .rank(1))
        }
        unsetenv("MPI_TRACE")
        #expect(throws: (any Error).self) { try ThreadMPI.run(size: 2, body) }
        for rank in 0..<2 {
            let text = try String(contentsOfFile: "\(path).rank\(rank)", encoding: .utf8)
            let events = try #require(JSONValue(parsing: text)?["traceEvents"]?.array)
            #expect(events.contains { $0["name"]?.string == "barrier" })
        }
    }

    @Test func aFileThatCannotBeWrittenIsANamedError() throws {
        setenv("MPI_TRACE", "/no-such-folder/trace.json", 1)
        let body = profiled { world in try world.barrier() }
        unsetenv("MPI_TRACE")
        #expect {
            try ThreadMPI.run(size: 2, body)
        } throws: { error in
            "\(error)".contains("MPI_TRACE") && "\(error)".contains("/no-such-folder/trace.json")
        }
    }
}
