// Jobs that cannot begin: every rank says why in one line and fails.

import Foundation
import Testing

/// All of it is one suite, one test at a time: each looks at processes of the whole machine.
@Suite("Faults", .serialized)
enum FaultTests {}

extension FaultTests {
    @Suite("Joining")
    struct JoinFaults {
        @Test("a wrong token is refused in one line that says which variable, and the job goes on")
        func wrongToken() throws {
            let job = try ServerlessJob(size: 2)
            let wrong = String(repeating: "ab", count: 32)
            let stranger = try job.start(
                rank: 1, ["compute-then-talk", "0"],
                replacing: ["SERVERLESS_MPI_SERVER_KEY": wrong])
            #expect(try stranger.end() == 1, "\(stranger.report)")
            #expect(stranger.errorLines.count == 1, "\(stranger.report)")
            #expect(stranger.errors.contains("rank 1: "), "\(stranger.report)")
            #expect(stranger.errors.contains("unauthorized"), "\(stranger.report)")
            #expect(stranger.errors.contains("SERVERLESS_MPI_SERVER_KEY"), "\(stranger.report)")
            #expect(!stranger.errors.contains(wrong), "it shows a secret: \(stranger.report)")

            try job.startAll(["compute-then-talk", "0"])
            for rank in job.ranks.dropFirst() { #expect(try rank.end() == 0, "\(rank.report)") }
        }

        @Test("a peer secret of another job joins but cannot connect, and both ranks say so")
        func wrongPeerSecret() throws {
            let job = try ServerlessJob(size: 2, joinTimeoutSeconds: 8)
            try job.start(rank: 0, ["compute-then-talk", "0"])
            try job.start(
                rank: 1, ["compute-then-talk", "0"],
                replacing: ["SERVERLESS_MPI_PEER_SECRET": String(repeating: "ab", count: 32)])
            for rank in job.ranks {
                #expect(try rank.end() == 1, "\(rank.report)")
                #expect(rank.errorLines.count == 1, "\(rank.report)")
                #expect(rank.errors.contains("connectFailed"), "\(rank.report)")
            }
        }

        @Test("of two processes with one number the second is refused, and the job goes on")
        func duplicateRank() throws {
            let job = try ServerlessJob(size: 2)
            let first = try job.start(rank: 0, ["compute-then-talk", "0"])
            // The server holds it once it has a port open for its peers and the second is refused.
            let started = eventually(20) { !Machine.listeningPorts(of: first.process).isEmpty }
            #expect(started, "\(first.report)")
            usleep(300_000)
            let second = try job.start(rank: 0, ["compute-then-talk", "0"])
            #expect(eventually(20) { first.hasEnded || second.hasEnded }, "neither is refused")
            let (loser, winner) = first.hasEnded ? (first, second) : (second, first)
            #expect(try loser.end() == 1, "\(loser.report)")
            #expect(loser.errorLines.count == 1, "\(loser.report)")
            #expect(loser.errors.contains("duplicateRank, rank 0"), "\(loser.report)")

            let last = try job.start(rank: 1, ["compute-then-talk", "0"])
            for rank in [winner, last] { #expect(try rank.end() == 0, "\(rank.report)") }
        }

        @Test("a rank that never comes is named to all others at the join timeout")
        func absentRank() throws {
            let job = try ServerlessJob(size: 4, joinTimeoutSeconds: 1.5)
            let start = ContinuousClock.now
            for rank in [0, 1, 3] { try job.start(rank: rank, ["compute-then-talk", "0"]) }
            for rank in job.ranks {
                #expect(try rank.end() == 1, "\(rank.report)")
                #expect(rank.errorLines.count == 1, "\(rank.report)")
                #expect(rank.errors.contains("rank 2 of 4 never joined"), "\(rank.report)")
            }
            note("absent rank, join timeout 1.5 s, all told after", since: start)
        }

        @Test("ranks without a server say where they looked")
        func noServer() throws {
            let job = try ServerlessJob(size: 2)
            job.server.send(SIGTERM)
            #expect(try job.server.end() == 0, "\(job.server.report)")
            try job.startAll(["compute-then-talk", "0"])
            for rank in job.ranks {
                #expect(try rank.end() == 1, "\(rank.report)")
                #expect(rank.errorLines.count == 1, "\(rank.report)")
                #expect(rank.errors.contains("connectFailed"), "\(rank.report)")
                #expect(rank.errors.contains("127.0.0.1:\(job.port)"), "\(rank.report)")
            }
        }

        @Test(
            "a join URL or rank that makes no sense is one line that says what it must be",
            arguments: [
                ("SERVERLESS_MPI_URL", "http://localhost/job", "must begin with rendezvous://"),
                ("SERVERLESS_MPI_URL", "rendezvous://127.0.0.1:1/job", "size=N"),
                ("SERVERLESS_MPI_URL", "rendezvous://127.0.0.1:1/job?size=9999", "1 to 4096"),
                ("SERVERLESS_MPI_RANK", "2", "from 0 to 1"),
                ("SERVERLESS_MPI_RANK", "first", "from 0 to 1"),
                ("SERVERLESS_MPI_SERVER_KEY", "secret", "64 hexadecimal digits"),
                ("SERVERLESS_MPI_PEER_SECRET", "", "64 hexadecimal digits"),
            ])
        func badVariable(name: String, value: String, expected: String) throws {
            let key = String(repeating: "ab", count: 32)
            var variables = [
                "SERVERLESS_MPI_URL": "rendezvous://127.0.0.1:1/job?size=2",
                "SERVERLESS_MPI_RANK": "0", "SERVERLESS_MPI_SERVER_KEY": key,
                "SERVERLESS_MPI_PEER_SECRET": key,
            ]
            variables[name] = value
            let rank = try StartedProgram(
                "conformance-serverless", ["early-exit"], variables: variables)
            #expect(try rank.end() == 2, "\(name)=\(value): \(rank.report)")
            #expect(rank.errorLines.count == 1, "\(name)=\(value): \(rank.report)")
            #expect(rank.errors.contains(name), "\(name)=\(value): \(rank.report)")
            #expect(rank.errors.contains(expected), "\(name)=\(value): \(rank.report)")
        }

        @Test("sixteen ranks find each other", arguments: ["serverless", "serverless-tls"])
        func sixteenRanks(environment: String) throws {
            let start = ContinuousClock.now
            let job = try StartedProgram(
                "mpi-compare",
                [
                    "launch", "-n", "16", "--environment", environment, "--",
                    Machine.path("worker-serverless"), "--rows", "1000",
                ])
            #expect(try job.end() == 0, "\(environment): \(job.report)")
            #expect(job.output.contains("\"ranks\":16"), "\(environment): \(job.report)")
            note("16 ranks, \(environment), whole job", since: start)
            let setUp =
                job.output.components(separatedBy: "\"setupSeconds\":").last?
                .prefix { $0.isNumber || $0 == "." } ?? "?"
            print("measured: 16 ranks, \(environment), set-up: \(setUp) s")
            #expect(Traces(of: job).left().isEmpty)
        }
    }
}
