// Jobs through real stores: who may join, what stays behind, what everybody hears of a failure, and
// what is counted. Which messages arrive where is the conformance suite's business.

import AWSClient
import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite(
    "A job through a store", .serialized,
    .enabled(if: Store.available == Store.allCases, Store.missing))
struct StorageJobTests {
    init() {
        // Ranks of S3 jobs read them from the environment of the process.
        setenv("AWS_ACCESS_KEY_ID", "test", 1)
        setenv("AWS_SECRET_ACCESS_KEY", "test", 1)
    }

    private func mpiError<Value>(_ result: Result<Value, any Error>) -> MPIError? {
        if case .failure(let error) = result { error as? MPIError } else { nil }
    }

    @Test(
        "leaves nothing in the store, however its messages lay there",
        arguments: Store.allCases)
    func leavesNothing(_ store: Store) throws {
        let server = try StoreServer(store)
        // Short, as long as one read or key holds, and longer.
        let lengths = [10, RedisStore.inlineByteCountMax + 1, S3Store.firstReadByteCount + 5]
        let results = try StorageRanks.run(server.url("clean", size: 2), size: 2) { world in
            for length in lengths {
                var bytes = [UInt8](repeating: UInt8(world.rank + 1), count: length)
                if world.rank == 0 {
                    try world.send(bytes.span, to: 1, tag: 3)
                } else {
                    #expect(
                        try world.recv(UInt8.self, from: 0, tag: 3)
                            == [UInt8](repeating: 1, count: length))
                }
                try world.bcast(bytes.mutableSpan, root: 0)
                #expect(bytes.allSatisfy { $0 == 1 })
                try world.barrier()
            }
            return world.traffic
        }
        for result in results { #expect(throws: Never.self) { try result.get() } }
        #expect(try server.keys() == [])
    }

    @Test(
        "lets every key expire, should nobody be left to remove it")
    func expires() throws {
        let server = try StoreServer(.redis)
        _ = try StorageRanks.run(server.url("mortal", size: 2, "&expiry=60"), size: 2) { world in
            let bytes = [UInt8](repeating: 1, count: RedisStore.inlineByteCountMax + 1)
            let few: [UInt8] = [1, 2, 3]
            if world.rank == 0 {
                try world.send(few.span, to: 1)
                try world.send(bytes.span, to: 1)
            }
            try world.barrier()
            if world.rank == 0 {
                let connection = try server.connection()
                let keys = try server.keys()
                #expect(keys.count >= 3, "\(keys)")
                for key in keys {
                    let time = try connection.call(["PTTL", key], deadline: .now + .seconds(5))
                        .value.integer
                    // −2: read and removed meanwhile.
                    #expect(time.map { $0 == -2 || (1...60_000).contains($0) } == true, "\(key)")
                }
            }
            try world.barrier()
        }
    }

    @Test(
        "admits one process per rank, and the same one again",
        arguments: Store.allCases)
    func fences(_ store: Store) throws {
        let server = try StoreServer(store)
        let url = server.url("fenced", size: 1)
        let first = try StorageRanks.join(url, rank: 0, requestID: "first")
        let second = #expect(throws: MPIError.self) {
            try StorageRanks.join(url, rank: 0, requestID: "second")
        }
        #expect(second?.code == .duplicateRank)
        let unnumbered = #expect(throws: MPIError.self) {
            try StorageRanks.join(url, rank: nil, requestID: "third")
        }
        #expect(unnumbered?.code == .duplicateRank)
        #expect(try StorageRanks.join(url, rank: 0, requestID: "first").world.rank == 0)
        // Another epoch is another job.
        let next = try StorageRanks.join(
            server.url("fenced", size: 1, "&epoch=1"), rank: nil, requestID: "second")
        #expect(next.world.rank == 0)
        try first.end()
        try next.end()
    }

    @Test(
        "names the ranks that do not come",
        arguments: Store.allCases)
    func namesTheAbsent(_ store: Store) throws {
        let server = try StoreServer(store)
        let error = #expect(throws: MPIError.self) {
            try StorageRanks.join(server.url("late", size: 3, "&join-timeout=0.5"), rank: 1)
        }
        #expect(error?.code == .timedOut && error?.peer == 0, "\(error!)")
        #expect(error?.reason.contains("2 of 3 ranks did not join in time: rank 0, 2") == true)
    }

    @Test(
        "fails on all ranks with the first cause, whoever waits for whom",
        arguments: Store.allCases)
    func oneCause(_ store: Store) throws {
        let server = try StoreServer(store)
        let start = ContinuousClock.now
        let results = try StorageRanks.run(
            server.url("doomed", size: 4, "&timeout=30"), size: 4
        ) { world in
            switch world.rank {
            case 0:
                throw MPIError(.programFailed, operation: "test", reason: "enough", peer: 0)
            case 1: _ = try world.recv(UInt8.self, from: .any)
            case 2: _ = try world.recv(UInt8.self, from: 2)
            default: try world.barrier()
            }
        }
        #expect(results.count == 4)
        for result in results {
            #expect(
                mpiError(result)
                    == MPIError(.programFailed, operation: "test", reason: "enough", peer: 0))
        }
        #expect(ContinuousClock.now - start < .seconds(15))
    }

    @Test(
        "ends at the deadline, naming what never came and from whom",
        arguments: Store.allCases)
    func deadline(_ store: Store) throws {
        let server = try StoreServer(store)
        let results = try StorageRanks.run(
            server.url("silent", size: 2, "&timeout=1"), size: 2
        ) { world in
            if world.rank == 0 {
                _ = try world.recv(UInt8.self, from: 1, tag: 77)
            } else {
                try world.barrier()
            }
        }
        let errors = results.compactMap(mpiError)
        #expect(errors.count == 2)
        for error in errors {
            #expect(error.code == .timedOut, "\(error)")
            #expect(
                error.reason.contains("from rank 1 with tag 77") || error.reason.contains("rank 0"),
                "\(error)")
        }
        #expect(errors.first == errors.last)
    }

    @Test(
        "ends when the store is gone",
        arguments: Store.allCases)
    func storeDies(_ store: Store) throws {
        let server = try StoreServer(store)
        let results = try StorageRanks.run(
            server.url("orphans", size: 2, "&timeout=5"), size: 2
        ) { world in
            try world.barrier()
            if world.rank == 0 { server.end() }
            for _ in 0..<1000 { try world.barrier() }
        }
        for result in results {
            let error = try #require(mpiError(result))
            #expect([.connectFailed, .timedOut].contains(error.code), "\(error)")
        }
    }

    @Test(
        "says so when something else writes to its keys")
    func strangeBytes() throws {
        let server = try StoreServer(.redis)
        let results = try StorageRanks.run(server.url("odd", size: 2), size: 2) { world in
            if world.rank == 0 {
                _ = try server.connection().call(
                    ["RPUSH", "swift-mpi:{odd}:0:inbox:1", "junk"], deadline: .now + .seconds(5))
            }
            try world.barrier()
            if world.rank == 1 { _ = try world.recv(UInt8.self, from: 0) }
            try world.barrier()
        }
        for result in results {
            #expect(mpiError(result)?.reason.contains("what is no message") == true, "\(result)")
        }
    }

    @Test(
        "on S3 makes the writes and reads that the cost model says")
    func counts() throws {
        let server = try StoreServer(.s3)
        let size = 3
        let model = CostModel(size: size)
        let s3 = try #require(ChannelCosts.aws.first { $0.channel == .s3 })
        let programs: [(CollectiveOperation, @Sendable (StorageCommunicator) throws -> Void)] = [
            (.bcast, { _ = try $0.bcast(7, root: 1) }),
            (.allgather, { _ = try $0.allgather($0.rank) }),
            (
                .alltoall,
                { world in
                    let parts = [1, 2, 3]
                    _ = try world.alltoall(parts.span)
                }
            ),
            (.reduce, { _ = try $0.reduce($0.rank, .sum, root: 0) }),
        ]
        for (operation, program) in programs {
            let results = try StorageRanks.run(
                server.url("counted-\(operation)", size: size), size: size
            ) { world in
                try world.barrier()
                let before = world.traffic
                try program(world)
                let after = world.traffic
                try world.barrier()
                return (before, after)
            }
            let spent = try results.map { try $0.get() }
            let writes = spent.map { $0.1.writes - $0.0.writes }.reduce(0, +)
            let reads = spent.map { $0.1.reads - $0.0.reads }.reduce(0, +)
            let modelled = model.estimate(.collective(operation), byteCount: 8, on: s3)
            // Looking in vain comes on top: listings count as writes.
            #expect(
                writes >= Int(modelled.writes) || operation == .allgather && writes >= 2 * size,
                "\(operation): \(writes) writes")
            #expect(reads >= Int(modelled.reads), "\(operation): \(reads) reads")
            #expect(writes <= 60 && reads <= 200, "\(operation): \(writes) writes, \(reads) reads")
        }
    }

    @Test("An S3 object that ends before the range begins comes without bytes and metadata")
    func rangeBeyondTheEnd() throws {
        let server = try StoreServer(.s3)
        let bucket = try server.client()
        let deadline = ContinuousClock.now + .seconds(20)
        let payload: [UInt8] = [1, 2, 3]
        _ = try payload.span.withUnsafeBytes { (bytes) throws(AWSError) in
            try bucket.put("key", bytes, metadata: [("head", "3")], deadline: deadline)
        }
        let beyond = try #require(try bucket.get("key", range: 5..<9, deadline: deadline))
        #expect(beyond.byteCount == 0 && beyond.metadata("head") == nil)
        let end = try #require(try bucket.get("key", range: 1..<9, deadline: deadline))
        #expect(end.bytes == [2, 3] && end.totalByteCount == 3 && end.metadata("head") == "3")
        let none = try bucket.get("none", range: 0..<9, deadline: deadline)
        #expect(none == nil)
    }
}
