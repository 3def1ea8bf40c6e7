// Ranks in a process that outlives its jobs: what a warm function does.
import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite("Ranks of job after job", .serialized)
struct RankRunTests {
    /// Threads and descriptors of this process.
    private func inventory() -> [Int] {
        ["/proc/self/task", "/proc/self/fd"].map { path in
            guard let folder = opendir(path) else { return -1 }
            defer { closedir(folder) }
            var count = 0
            while readdir(folder) != nil { count += 1 }
            return count
        }
    }

    @Test("ten jobs, good and bad in turn, leave no thread and no descriptor behind")
    func nothingIsLeft() throws {
        var before: [Int] = []
        for number in 0..<10 {
            // The first jobs open what is kept for good, such as OpenSSL's random numbers.
            if number == 2 {
                usleep(300_000)
                before = inventory()
            }
            let job = try JoinWorld(size: 3, job: "job-\(number)")
            let outcomes = runRanks(of: (0..<3).map { job.configuration($0) }) { world in
                let sum = try world.allreduce(world.rank + number, .sum)
                if number % 2 == 1 && world.rank == 1 { throw Mishap() }
                try world.barrier()
                return sum
            }
            job.server.stop()
            for (rank, outcome) in outcomes.enumerated() {
                switch outcome {
                case .success(let sum): #expect(number % 2 == 0 && sum == 3 + 3 * number)
                case .failure(let failure):
                    #expect(number % 2 == 1, "job \(number), rank \(rank): \(failure)")
                    #expect(failure.cause.code == .programFailed && failure.rank == rank)
                    #expect(failure.isOwn == (rank == 1), "\(failure)")
                }
            }
        }
        #expect(settles(to: before), "\(before), then \(inventory())")
    }

    /// Threads that have been joined leave /proc a moment later.
    private func settles(to expected: [Int]) -> Bool {
        for _ in 0..<200 {
            if inventory() == expected { return true }
            usleep(5_000)
        }
        return false
    }

    private struct Mishap: Error {}

    @Test("near its limit a job fails on every rank, with the rank and the limit in the cause")
    func limit() throws {
        let job = try JoinWorld(size: 2)
        defer { job.server.stop() }
        let start = ContinuousClock.now
        let limit = RankLimit(
            deadline: start + .seconds(4), margin: .seconds(3), origin: "the limit of this test")
        let outcomes = runRanks(of: (0..<2).map { job.configuration($0) }, before: limit) {
            world in _ = try world.recv(Int.self, from: .rank(1 - world.rank))
        }
        #expect(ContinuousClock.now < limit.deadline)
        let failures = outcomes.compactMap { outcome in
            if case .failure(let failure) = outcome { failure } else { nil }
        }
        #expect(failures.count == 2)
        #expect(Set(failures.map(\.cause.description)).count == 1, "\(failures)")
        #expect(failures.first?.cause.code == .timedOut)
        #expect(failures.allSatisfy { $0.cause.reason.contains("limit") }, "\(failures)")
    }

    @Test("a program that does not look up is given up before its limit, and the others know why")
    func stuckProgram() throws {
        let job = try JoinWorld(size: 2)
        defer { job.server.stop() }
        let release = Promise<Bool>()
        let limit = RankLimit(
            deadline: .now + .seconds(4), margin: .seconds(3), origin: "the limit of this test")
        let outcomes = runRanks(of: (0..<2).map { job.configuration($0) }, before: limit) {
            world in
            if world.rank == 1 { _ = release.wait(until: .now + .seconds(60)) }
            try world.barrier()
        }
        #expect(ContinuousClock.now < limit.deadline)
        release.fulfil(true)
        for (rank, outcome) in outcomes.enumerated() {
            guard case .failure(let failure) = outcome else {
                Issue.record("rank \(rank) did not fail")
                continue
            }
            #expect(failure.isProgramStuck == (rank == 1), "\(failure)")
            #expect(failure.cause.code == .timedOut, "\(failure)")
        }
    }

    @Test("without time or a job there is no wait: too late, and alone")
    func edges() throws {
        let job = try JoinWorld(size: 2)
        defer { job.server.stop() }
        let late = RankLimit(deadline: .now, margin: .seconds(1), origin: "the limit of this test")
        let failure = #expect(throws: RankFailure.self) {
            try runRank(of: job.configuration(0), before: late) { _ in }
        }
        #expect(failure?.cause.code == .timedOut)
        #expect(try runRank(of: nil) { world in world.size } == 1)
    }
}
