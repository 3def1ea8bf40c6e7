import MessagePassing
import Testing

@testable import ServerlessMPI

/// Ranks that fall silent, break off, or come back: what the server makes of them, on fake time.
@Suite struct LostRankTests {
    @Test func `a rank whose connection ends without a bye is the first cause`() throws {
        var bench = JobTableTests.Bench()
        for rank in 0..<3 {
            try bench.say(.join(JobTableTests.request(rank, size: 3)), on: UInt64(rank))
        }
        try bench.end(1)
        try bench.say(
            .report(MPIError(.peerLost, operation: "recv", reason: "later", peer: 0)), on: 2)
        for rank in [UInt64(0), 2] {
            #expect(bench.failure(rank)?.code == .peerLost)
            #expect(bench.failure(rank)?.peer == 1)
            #expect(bench.messages(rank).count == 3, "one verdict, whatever comes later")
        }
    }

    @Test func `a rank whose connection breaks may come back with its ticket`() throws {
        var bench = JobTableTests.Bench()
        for rank in 0..<2 {
            let request = JobTableTests.request(rank, id: "rank \(rank)")
            try bench.say(.join(request), on: UInt64(rank))
        }
        let ticket = try #require(bench.welcome(1)?.ticket)
        try bench.end(1)
        try bench.pass(.milliseconds(1900))
        // Who asks for it meanwhile is not told that it has left, and asks again.
        try bench.say(.connect(peer: 1, incarnation: 1), on: 0)
        #expect(!bench.messages(0).contains(.departed(peer: 1)))
        // Neither another process nor the same without the ticket takes its place.
        for (connection, request) in [
            (UInt64(20), JobTableTests.request(1)), (21, JobTableTests.request(1, id: "rank 1")),
        ] {
            try bench.say(.join(request), on: connection)
            #expect(bench.refusal(connection)?.code == .duplicateRank)
        }
        try bench.say(.join(JobTableTests.request(1, id: "rank 1", ticket: ticket)), on: 22)
        #expect(bench.welcome(22)?.rank == 1)
        for _ in 0..<10 {
            try bench.say(.heartbeat, on: 0)
            try bench.say(.heartbeat, on: 22)
            try bench.pass(.milliseconds(900))
        }
        #expect(bench.failure(0) == nil)
        try bench.say(.connect(peer: 1, incarnation: 1), on: 0)
        #expect(bench.messages(22).contains(.connect(from: 0, incarnation: 1)))
        try bench.say(.bye, on: 0)
        try bench.say(.bye, on: 22)
        #expect(bench.table.activeJobCount == 0 && bench.table.tally.finished == 1)
    }

    @Test func `a rank that does not come back is lost, also if it was the last`() throws {
        var bench = JobTableTests.Bench()
        for rank in 0..<2 { try bench.say(.join(JobTableTests.request(rank)), on: UInt64(rank)) }
        try bench.end(1)
        try bench.pass(.milliseconds(1900))
        #expect(bench.failure(0) == nil)
        try bench.pass(.milliseconds(200))
        #expect(bench.failure(0)?.code == .peerLost && bench.failure(0)?.peer == 1)
        try bench.end(0)
        #expect(bench.table.activeJobCount == 0)

        for rank in 0..<2 {
            try bench.say(.join(JobTableTests.request(rank, epoch: 1)), on: UInt64(10 + rank))
        }
        for rank in UInt64(10)..<12 { try bench.end(rank) }
        #expect(bench.table.needsAdvance)
        try bench.passReturnTimeout()
        #expect(bench.table.activeJobCount == 0 && !bench.table.needsAdvance)
    }

    @Test func `before the roster nobody waits for a rank whose connection has ended`() throws {
        var bench = JobTableTests.Bench()
        for rank in 0..<2 {
            try bench.say(.join(JobTableTests.request(rank, size: 3)), on: UInt64(rank))
        }
        try bench.end(1)
        #expect(bench.failure(0)?.peer == 1)
    }

    @Test func `what a rank words as the cause is one line in the log`() throws {
        var bench = JobTableTests.Bench()
        try bench.say(.join(JobTableTests.request(0, size: 2)), on: 0)
        let cause = MPIError(.aborted, operation: "program", reason: "bad\njob=other all is well")
        try bench.say(.report(cause), on: 0)
        let note = try #require(bench.notes.last)
        #expect(note.contains("bad job=other"), "\(note)")
    }

    @Test func `a silent rank is lost, one that sends heartbeats is not`() throws {
        var bench = JobTableTests.Bench()
        for rank in 0..<2 { try bench.say(.join(JobTableTests.request(rank)), on: UInt64(rank)) }
        for _ in 0..<20 {
            for rank in 0..<2 { try bench.say(.heartbeat, on: UInt64(rank)) }
            try bench.pass(.milliseconds(900))
        }
        #expect(bench.failure(0) == nil)
        for _ in 0..<5 {
            try bench.say(.heartbeat, on: 0)
            try bench.pass(.milliseconds(900))
        }
        #expect(bench.failure(0)?.code == .peerLost)
        #expect(bench.failure(0)?.peer == 1)
    }

    @Test func `the time the server itself did not run counts against nobody`() throws {
        var bench = JobTableTests.Bench()
        for rank in 0..<2 { try bench.say(.join(JobTableTests.request(rank)), on: UInt64(rank)) }
        try bench.pass(.milliseconds(100))
        try bench.pass(.seconds(60))
        #expect(bench.failure(0) == nil)
    }
}
