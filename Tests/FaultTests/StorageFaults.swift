// Ranks that talk through a store, where no connection tells that one of them is gone.

import Foundation
import Testing

extension FaultTests {
    @Suite("A rank of a job through a store")
    struct StorageFaults {
        @Test(
            "that is killed is named by all others within its lease",
            .enabled(if: StorageJob.isPossible, StorageJob.missing), arguments: StorageJob.Store.all
        )
        func killed(_ store: StorageJob.Store) throws {
            let job = try StorageJob(store, size: 3, "&lease=4&timeout=120")
            try job.startAll(["hang-around"])
            for rank in job.ranks { try rank.waitForOutput("is process") }
            job.ranks[1].send(SIGKILL)
            for rank in [0, 2] {
                let program = job.ranks[rank]
                // Long before `timeout`.
                #expect(try program.end(withinSeconds: 60) == 1, "\(store): \(program.report)")
                #expect(
                    program.errors.contains("peerLost, rank 1"), "\(store): \(program.report)")
            }
        }

        @Test(
            "that computes for several leases is not lost",
            .enabled(if: StorageJob.isPossible, StorageJob.missing), arguments: StorageJob.Store.all
        )
        func computes(_ store: StorageJob.Store) throws {
            let job = try StorageJob(store, size: 3, "&lease=4&timeout=120")
            try job.startAll(["compute-then-talk", Machine.isFull ? "120" : "14"])
            for (rank, program) in job.ranks.enumerated() {
                #expect(try program.end(withinSeconds: 240) == 0, "\(store): \(program.report)")
                #expect(
                    program.output.contains("rank \(rank) talked to 3 ranks"),
                    "\(store): \(program.report)")
            }
        }

        @Test(
            "that has links, too, is named at once when it is killed",
            .enabled(if: StorageJob.isPossible, StorageJob.missing))
        func killedWithLinks() throws {
            let store = try StoreProgram(.redis)
            let job = try ServerlessJob(size: 3)
            let variables = [
                "SERVERLESS_MPI_CHANNELS": "sizes:direct@0,redis@100",
                "SERVERLESS_MPI_REDIS": store.place,
            ]
            for rank in 0..<3 {
                try job.start(rank: rank, ["hang-around"], replacing: variables)
            }
            for rank in job.ranks { try rank.waitForOutput("is process") }
            job.ranks[1].send(SIGKILL)
            for rank in [0, 2] {
                let program = job.ranks[rank]
                #expect(try program.end() == 1, "\(program.report)")
                #expect(program.errors.contains("peerLost, rank 1"), "\(program.report)")
            }
        }
    }
}
