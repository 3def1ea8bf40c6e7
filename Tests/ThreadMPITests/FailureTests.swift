// How a world fails: the same first cause on every rank, soon, in words that help.

import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@Suite struct FailureTests {
    struct Broken: Error, CustomStringConvertible { let description = "the disk is full" }

    /// Runs a body that must fail; what was thrown, and what each rank's body saw.
    private func causes(
        size: Int, timeout: Duration = patience,
        _ body: @escaping @Sendable (any Communicator) throws -> Void
    ) -> (thrown: (any Error)?, perRank: [MPIError?]) {
        let seen = Mutex<[MPIError?]>(Array(repeating: nil, count: size))
        do {
            try ThreadMPI.run(size: size, timeout: timeout) { world in
                do {
                    try body(world)
                } catch let error as MPIError {
                    seen.withLock { $0[world.rank] = error }
                    throw error
                }
            }
            return (nil, seen.withLock { $0 })
        } catch {
            return (error, seen.withLock { $0 })
        }
    }

    @Test("an error in one rank's program ends the calls of all others with that cause")
    func bodyError() {
        let (thrown, perRank) = causes(size: 4) { world in
            if world.rank == 2 { throw Broken() }
            _ = try world.recv(Int.self, from: .any)
        }
        #expect(thrown is Broken)
        for rank in [0, 1, 3] {
            #expect(perRank[rank]?.code == .programFailed, "rank \(rank)")
            #expect(perRank[rank]?.peer == 2, "rank \(rank)")
            #expect(perRank[rank]?.reason.contains("the disk is full") == true, "rank \(rank)")
        }
    }

    @Test("abort fails every rank with its reason, also those in other communicators")
    func abort() {
        let reason = MPIError(.aborted, operation: "abort", reason: "enough")
        let (thrown, perRank) = causes(size: 4) { world in
            let half = try world.split(color: world.rank % 2, key: 0)
            if world.rank == 3 { try world.abort(reason) }
            _ = try half?.recv(Int.self, from: .any)
        }
        #expect(thrown as? MPIError == reason)
        #expect(perRank == [reason, reason, reason, reason])
    }

    @Test("a failed duplicate leaves the communicator it came from alone")
    func failedDuplicate() throws {
        let reason = MPIError(.aborted, operation: "abort", reason: "only the twin")
        try ThreadMPI.run(size: 3, timeout: patience) { world in
            let twin = try world.dup()
            let error = try errorOf { () throws(MPIError) in
                if world.rank == 0 { try twin.abort(reason) }
                return try twin.recv(Int.self, from: .any)
            }
            try check(error == reason, "\(error)")
            try check(try errorOf { () throws(MPIError) in try twin.barrier() } == reason, "later")
            try world.barrier()
        }
    }

    @Test("a wait past its limit names what it waits for, on every rank")
    func timedOut() {
        let (thrown, perRank) = causes(size: 2, timeout: .milliseconds(200)) { world in
            if world.rank == 0 {
                _ = try world.recv(Int.self, from: 1, tag: 3)
            } else {
                try world.send(pattern(100_000, 0).span, to: 0, tag: 4)
            }
        }
        let error = thrown as? MPIError
        #expect(error?.code == .timedOut)
        #expect(perRank == [error, error])
        let namesReceive = error?.reason.contains("from rank 1 with tag 3") == true
        let namesSend = error?.reason.contains("100000 bytes with tag 4 on rank 0") == true
        #expect(namesReceive || namesSend, "\(String(describing: error))")
    }

    @Test("waiting for a rank whose program has returned is an error that names it")
    func peerReturned() {
        for waits in ["recv", "send", "probe", "waitAny"] {
            let (thrown, _) = causes(size: 2) { world in
                if world.rank == 1 { return }
                var value = [0]
                switch waits {
                case "recv": _ = try world.recv(into: value.mutableSpan, from: 1)
                case "send": try world.send(pattern(100_000, 0).span, to: 1)
                case "probe": _ = try world.probe(from: 1)
                default:
                    var group = world.requests()
                    try group.irecv(into: value.mutableSpan, from: 1)
                    _ = try group.waitAny()
                }
            }
            let error = thrown as? MPIError
            #expect(error?.code == .peerLost && error?.peer == 1, "\(waits): \(error as Any)")
        }
    }

    @Test("what a rank sent before it returned still arrives")
    func sentBeforeReturning() throws {
        let bytes = pattern(65536, 8)
        try ThreadMPI.run(size: 4, timeout: patience) { world in
            if world.rank == 0 {
                for peer in 1..<4 { try world.send(bytes.span, to: .rank(peer)) }
            } else {
                // Rank 0 is gone once this probe for another tag says so.
                var isGone = false
                while !isGone { isGone = try world.iprobe(from: 0) != nil }
                try check(try world.recv(UInt8.self, from: 0) == bytes, "other bytes")
            }
        }
    }

    @Test(
        "different collectives are an error that names both, on every rank", arguments: [2, 3, 5])
    func mismatchedOperation(size: Int) {
        let (thrown, perRank) = causes(size: size) { world in
            if world.rank == 1 {
                var value = [1]
                try world.bcast(value.mutableSpan, root: 1)
            } else {
                try world.barrier()
            }
            // Rank 1 may have left its bcast before the others were there to disagree.
            try world.barrier()
        }
        let error = thrown as? MPIError
        #expect(error?.code == .mismatchedCollective, "size \(size)")
        #expect(error?.reason.contains("bcast(root: 1)") == true, "\(error as Any)")
        #expect(error?.reason.contains("barrier") == true, "\(error as Any)")
        #expect(perRank.allSatisfy { $0 == error }, "size \(size): \(perRank)")
    }

    @Test("different roots are an error that names both", arguments: [2, 4])
    func mismatchedRoot(size: Int) {
        let (thrown, _) = causes(size: size) { world in
            var value = [world.rank]
            try world.bcast(value.mutableSpan, root: world.rank == 0 ? 0 : 1)
            try world.barrier()
        }
        let error = thrown as? MPIError
        #expect(error?.code == .mismatchedCollective, "\(error as Any)")
        #expect(error?.reason.contains("root: 0") == true, "\(error as Any)")
        #expect(error?.reason.contains("root: 1") == true, "\(error as Any)")
    }

    @Test("different lengths are an error that names both", arguments: [2, 4])
    func mismatchedLength(size: Int) {
        let (thrown, perRank) = causes(size: size) { world in
            let part = Array(repeating: 1, count: world.rank == 1 ? 5 : 4)
            _ = try world.alltoallv(
                Array(repeating: 1, count: part.count * world.size).span,
                counts: Array(repeating: part.count, count: world.size),
                recvCounts: Array(repeating: part.count, count: world.size))
            try world.barrier()
        }
        let error = thrown as? MPIError
        #expect(error?.code == .mismatchedCollective, "\(error as Any)")
        #expect(perRank.allSatisfy { $0 == error }, "size \(size): \(perRank)")
    }

    @Test("a world of no ranks is an error")
    func noRanks() {
        #expect(throws: MPIError.self) { try ThreadMPI.run(size: 0) { _ in } }
    }
}
