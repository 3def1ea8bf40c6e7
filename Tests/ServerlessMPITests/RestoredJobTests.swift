import MessagePassing
import Testing

@testable import ServerlessMPI

/// A server that has been started again while a job runs, on fake time and without sockets.
@Suite struct RestoredJobTests {
    /// What the server before gave these ranks.
    private func tickets(_ size: Int) throws -> [[UInt8]] {
        var before = JobTableTests.Bench()
        for rank in 0..<size {
            try before.say(
                .join(JobTableTests.request(rank, size: size, id: "\(rank)")), on: UInt64(rank))
        }
        return try (0..<size).map { try #require(before.welcome(UInt64($0))).ticket }
    }

    private func request(_ rank: Int, _ ticket: [UInt8] = []) -> JoinRequest {
        JobTableTests.request(rank, size: 3, id: "\(rank)", ticket: ticket)
    }

    @Test func `the first ticket restores the job, which then passes signals on`() throws {
        let tickets = try tickets(3)
        var bench = JobTableTests.Bench()
        try bench.say(.join(request(0, tickets[0])), on: 0)
        #expect(bench.welcome(0)?.rank == 0)
        // Rank 1 is not back yet: nobody says that it has left.
        try bench.say(.connect(peer: 1, incarnation: 2), on: 0)
        #expect(!bench.isClosed(0) && bench.messages(0).count == 1)
        try bench.say(.join(request(1, tickets[1])), on: 1)
        try bench.say(.connect(peer: 1, incarnation: 2), on: 0)
        #expect(bench.messages(1).last == .connect(from: 0, incarnation: 2))
        // It waits for nobody, however long.
        for rank in UInt64(0)...1 { try bench.say(.heartbeat, on: rank) }
        #expect(bench.failure(0) == nil && bench.failure(1) == nil)
    }

    @Test func `a relay to a rank that is not back yet is not refused`() throws {
        let tickets = try tickets(3)
        var bench = JobTableTests.Bench()
        try bench.say(.join(request(0, tickets[0])), on: 0)
        try bench.say(.relay(peer: 1), on: 0)
        #expect(!bench.isClosed(0) && bench.messages(0).count == 1)
        try bench.say(.join(request(1, tickets[1])), on: 1)
        try bench.end(1)
        try bench.say(.relay(peer: 1), on: 0)
        #expect(bench.messages(0).count == 1)
        try bench.say(.join(request(1, tickets[1])), on: 2)
        try bench.say(.relay(peer: 1), on: 0)
        #expect(bench.messages(0).count == 2 && bench.messages(2).count == 2)
        try bench.say(.relay(peer: 9), on: 0)
        #expect(bench.messages(0).count == 3, "there is no such rank")
    }

    @Test func `who has no ticket is not of a restored job, before or after`() throws {
        let tickets = try tickets(3)
        var bench = JobTableTests.Bench()
        try bench.say(.join(request(1)), on: 7)
        #expect(bench.welcome(7)?.rank == 1)
        try bench.say(.join(request(0, tickets[0])), on: 0)
        #expect(bench.isClosed(7) && bench.welcome(0)?.rank == 0)
        try bench.say(.join(request(2)), on: 8)
        #expect(bench.isClosed(8) && bench.welcome(8) == nil)
        try bench.say(.join(request(1, tickets[1])), on: 1)
        #expect(bench.welcome(1)?.rank == 1 && bench.failure(0) == nil)
    }

    @Test func `who had left before is known from those who are back`() throws {
        let tickets = try tickets(3)
        var bench = JobTableTests.Bench()
        for rank in [0, 2] {
            try bench.say(.join(request(rank, tickets[rank])), on: UInt64(rank))
        }
        try bench.say(.connect(peer: 1, incarnation: 1), on: 0)
        #expect(bench.messages(0).count == 1, "rank 1 may come back yet")
        // It may only be about to leave, and have the others' last words yet to hear.
        try bench.say(.departed([1]), on: 2)
        try bench.say(.connect(peer: 1, incarnation: 1), on: 0)
        #expect(bench.messages(0).count == 1)
        for _ in 0..<6 {
            for rank in [UInt64(0), 2] { try bench.say(.heartbeat, on: rank) }
            try bench.pass(.milliseconds(900))
        }
        try bench.say(.connect(peer: 1, incarnation: 1), on: 0)
        #expect(bench.messages(0).last == .departed(peer: 1))
        // Whoever said so, it is here.
        try bench.say(.join(request(1, tickets[1])), on: 1)
        try bench.say(.connect(peer: 1, incarnation: 1), on: 0)
        #expect(bench.messages(1).last == .connect(from: 0, incarnation: 1))
        try bench.say(.departed([1, 3]), on: 2)
        #expect(bench.isClosed(2), "there is no rank 3")
    }

    @Test func `a server that knows the job believes nobody that another rank has left`() throws {
        var bench = JobTableTests.Bench()
        for rank in 0..<3 {
            try bench.say(.join(JobTableTests.request(rank, size: 3)), on: UInt64(rank))
        }
        try bench.say(.departed([1]), on: 2)
        try bench.say(.connect(peer: 1), on: 0)
        #expect(bench.messages(1).last == .connect(from: 0))
        try bench.end(1)
        try bench.say(.departed([1]), on: 2)
        try bench.say(.connect(peer: 1), on: 0)
        #expect(bench.messages(0).count == 2, "it may come back")
    }

    @Test func `a ticket of another rank restores nothing`() throws {
        let tickets = try tickets(3)
        var bench = JobTableTests.Bench()
        try bench.say(.join(request(0, tickets[1])), on: 0)
        try bench.say(.connect(peer: 1), on: 0)
        #expect(bench.isClosed(0), "the job is being gathered")
    }

    @Test func `a restored job fails with a rank that is lost, and ends when all that came left`()
        throws
    {
        let tickets = try tickets(3)
        var bench = JobTableTests.Bench()
        for rank in 0..<2 { try bench.say(.join(request(rank, tickets[rank])), on: UInt64(rank)) }
        for rank in UInt64(0)..<2 { try bench.say(.bye, on: rank) }
        #expect(bench.table.activeJobCount == 1, "rank 2 may come back yet")
        try bench.passReturnTimeout()
        #expect(bench.table.activeJobCount == 0 && bench.table.tally.finished == 1)

        bench = JobTableTests.Bench()
        for rank in 0..<2 { try bench.say(.join(request(rank, tickets[rank])), on: UInt64(rank)) }
        try bench.end(0)
        try bench.passReturnTimeout(heard: [1])
        #expect(bench.failure(1)?.peer == 0)
    }
}
