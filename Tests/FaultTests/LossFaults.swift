// Ranks that die, stop or only compute, in the middle of a job.

import Foundation
import Testing

extension FaultTests {
    @Suite("Loss")
    struct LossFaults {
        @Test(
            "a rank killed in a collective is named by all others, which end",
            arguments: [false, true], [2, 4])
        func killedRank(isEncrypted: Bool, size: Int) throws {
            let job = try ServerlessJob(size: size, isEncrypted: isEncrypted)
            try job.startHangingAround()
            let what = "\(size) ranks, encryption \(isEncrypted ? "on" : "none")"
            let victim = size / 2
            let start = ContinuousClock.now
            job.ranks[victim].send(SIGKILL)
            try expectLost(victim, job, what)
            note("rank killed, \(what), others ended after", since: start)
        }

        @Test("a rank that is stopped is named by all others, which end")
        func stoppedRank() throws {
            let job = try ServerlessJob(size: 3)
            try job.startHangingAround()
            let start = ContinuousClock.now
            job.ranks[1].send(SIGSTOP)
            try expectLost(1, job, "stopped rank")
            note("rank stopped, 3 ranks, others ended after", since: start)
            // Once it wakes it finds itself out of the job.
            job.ranks[1].send(SIGCONT)
            #expect(try job.ranks[1].end() == 1, "\(job.ranks[1].report)")
            #expect(job.ranks[1].errorLines.count == 1, "\(job.ranks[1].report)")
        }

        @Test("two ranks killed at once: the others end all the same")
        func twoKilledRanks() throws {
            let job = try ServerlessJob(size: 5, isEncrypted: true)
            try job.startHangingAround()
            for victim in [1, 4] { job.ranks[victim].send(SIGKILL) }
            for rank in [0, 2, 3] {
                let program = job.ranks[rank]
                #expect(try program.end() == 1, "\(program.report)")
                let names = [1, 4].contains { program.errors.contains("peerLost, rank \($0)") }
                #expect(names, "\(program.report)")
            }
        }

        /// Every rank but `victim` fails with one line that names it.
        private func expectLost(_ victim: Int, _ job: ServerlessJob, _ what: String) throws {
            for (rank, program) in job.ranks.enumerated() where rank != victim {
                #expect(try program.end() == 1, "\(what): \(program.report)")
                #expect(program.errorLines.count == 1, "\(what): \(program.report)")
                #expect(
                    program.errors.contains("peerLost, rank \(victim)"),
                    "\(what), rank \(rank): \(program.report)")
            }
        }

        @Test(
            "launch returns 128 + 9 when a rank is killed, and leaves nothing",
            arguments: ["serverless", "serverless-tls"] + (Machine.hasMPI ? ["openmpi"] : []))
        func killedRankOfLaunch(environment: String) throws {
            let job = try launchHangingAround(environment, ranks: 3)
            let traces = Traces(of: job)
            let words = job.output.split(separator: "\n").first { $0.contains("rank 1 of") }
            let victim = try #require(words?.split(separator: " ").last.flatMap { pid_t($0) })
            kill(victim, SIGKILL)
            let code = try job.end()
            #expect(code == 137, "\(environment): \(job.report)")
            #expect(traces.left() == [], "\(environment): \(job.report)")
        }

        @Test(
            "a rank that computes for a minute is never declared lost",
            .enabled(if: Machine.isFull, "the long form: TEST_FULL=1"),
            arguments: ["serverless", "serverless-tls"])
        func longComputation(environment: String) throws {
            let job = try StartedProgram(
                "mpi-compare",
                [
                    "launch", "-n", "3", "--environment", environment, "--",
                    Machine.path("conformance-serverless"), "compute-then-talk", "60",
                ])
            #expect(try job.end(withinSeconds: 150) == 0, "\(environment): \(job.report)")
            #expect(job.errors.isEmpty, "\(environment): \(job.report)")
        }

        @Test(
            "links to a rank that computes are made all the same, in its absence",
            arguments: [0, 3])
        func lazyLinksToComputingRank(rank: Int) throws {
            // Longer than the server waits for a sign of life.
            let seconds = Machine.isFull ? 60 : 6
            let job = try StartedProgram(
                "mpi-compare",
                [
                    "launch", "-n", "4", "--environment", "serverless-tls", "--mesh", "0", "--",
                    Machine.path("conformance-serverless"), "compute-then-talk", "\(seconds)",
                    "\(rank)",
                ])
            #expect(try job.end(withinSeconds: 150) == 0, "\(job.report)")
            #expect(job.errors.isEmpty, "\(job.report)")
        }

        @Test("ranks that get a quarter of a processor are not declared lost")
        func throttled() throws {
            let job = try ServerlessJob(size: 4, isEncrypted: true)
            try job.startHangingAround()
            for _ in 0..<(Machine.isFull ? 300 : 80) {
                for rank in job.ranks { rank.send(SIGSTOP) }
                usleep(75_000)
                for rank in job.ranks { rank.send(SIGCONT) }
                usleep(25_000)
            }
            for rank in job.ranks { #expect(!rank.hasEnded, "\(rank.report)") }
        }

        @Test("the rendezvous server may go once all are connected, and a death is still noticed")
        func lostServer() throws {
            let job = try ServerlessJob(size: 3)
            try job.startHangingAround()
            job.server.send(SIGKILL)
            _ = try job.server.end()
            usleep(500_000)
            for rank in job.ranks { #expect(!rank.hasEnded, "\(rank.report)") }
            let start = ContinuousClock.now
            job.ranks[2].send(SIGKILL)
            try expectLost(2, job, "without a server")
            note("rank killed without a server, 3 ranks, others ended after", since: start)
        }
    }
}

/// A job whose ranks exchange data for ever, as soon as all do.
func launchHangingAround(_ environment: String, ranks: Int) throws -> StartedProgram {
    let backend = String(environment.prefix { $0 != "-" })
    let job = try StartedProgram(
        "mpi-compare",
        [
            "launch", "-n", "\(ranks)", "--environment", environment, "--",
            Machine.path("conformance-\(backend)"), "hang-around",
        ])
    try job.waitForOutput("is process", times: ranks)
    return job
}
