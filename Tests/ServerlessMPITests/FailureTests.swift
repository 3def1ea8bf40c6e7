// What happens when things go wrong: one first cause on every rank, and nobody waits for ever.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite("Failure")
struct FailureTests {
    @Test("an error of one rank is thrown on all", arguments: [2, 3, 4], [false, true])
    func abortReachesAll(size: Int, isEncrypted: Bool) throws {
        let errors = try EngineWorld(size: size, isEncrypted: isEncrypted).run { world in
            if world.rank == 1 {
                throw MPIError(.programFailed, operation: "program", reason: "no such file")
            }
            _ = try world.recv(Int.self, from: .any)
        }
        for (rank, error) in errors.enumerated() {
            #expect(
                error?.code == .programFailed && error?.reason == "no such file",
                "size \(size), rank \(rank): \(String(describing: error))")
        }
    }

    @Test("a lost peer fails every rank with the same cause", arguments: [2, 3, 4], [false, true])
    func lostPeer(size: Int, isEncrypted: Bool) throws {
        let errors = try EngineWorld(size: size, isEncrypted: isEncrypted).run { world in
            if world.rank == size - 1 {
                // As a killed process does: every connection ends without a bye, mid-message.
                let big = [UInt8](repeating: 1, count: 3 << 20)
                let send = try world.isend(big.span, to: 0)
                usleep(50_000)
                for case let link? in world.engine.links { shutdown(link.pointee.socket, 2) }
                _ = try send.wait()
            }
            var buffer = [UInt8](repeating: 0, count: 3 << 20)
            try world.recv(into: buffer.mutableSpan, from: .rank(size - 1))
            try world.barrier()
        }
        for rank in 0..<size - 1 {
            #expect(
                errors[rank]?.code == .peerLost && errors[rank]?.peer == size - 1,
                "size \(size), rank \(rank): \(String(describing: errors[rank]))")
        }
    }

    @Test("after a failure every call throws the first cause")
    func laterCalls() throws {
        let errors = try EngineWorld(size: 2).run { world in
            if world.rank == 0 {
                throw MPIError(.programFailed, operation: "program", reason: "first")
            }
            var buffer = [0]
            let calls: [() throws -> Void] = [
                { try world.recv(into: buffer.mutableSpan, from: 0) },
                { try world.send(1, to: 0) },
                { try world.barrier() },
                { _ = try world.dup() },
                { _ = try world.iprobe(from: .any) },
                { try world.recv(into: buffer.mutableSpan, from: .rank(world.rank)) },
            ]
            for call in calls {
                let error = #expect(throws: MPIError.self) { try call() }
                #expect(error?.reason == "first")
            }
        }
        #expect(errors.allSatisfy { $0?.reason == "first" })
    }

    @Test("the job's verdict replaces a rank's own evidence")
    func verdict() throws {
        let world = EngineWorld(size: 2)
        let engines = try world.makeEngines()
        let cause = MPIError(.peerLost, operation: "heartbeat", reason: "silent", peer: 7)
        let reported = Mutex<MPIError?>(nil)
        engines[0].reporter = { evidence in
            reported.withLock { $0 = evidence }
            engines[0].jobFailed(cause)
        }
        engines[1].closeLinks()
        let error = #expect(throws: MPIError.self) {
            let space = engines[0].world
            var byte: UInt8 = 0
            try withUnsafeMutableBytes(of: &byte) { bytes in
                let request = try engines[0].irecv(
                    into: bytes, in: space, from: 1, tag: 0, call: 0)
                _ = try engines[0].wait(request)
            }
        }
        #expect(error == cause)
        #expect(reported.withLock { $0?.peer } == 1)
        #expect(!engines[0].foundCause)
        engines[0].reporter = nil
    }

    @Test("collectives in different order are a named error on all ranks", arguments: [2, 3, 4])
    func mismatch(size: Int) throws {
        let errors = try EngineWorld(size: size).run { world in
            if world.rank == size - 1 {
                _ = try world.allreduce(1, .sum)
            } else {
                try world.barrier()
            }
            try world.barrier()
        }
        for (rank, error) in errors.enumerated() {
            #expect(error?.code == .mismatchedCollective, "size \(size), rank \(rank)")
            #expect(
                error?.reason.contains("barrier") ?? false
                    && error?.reason.contains("allreduce") ?? false,
                "size \(size), rank \(rank): \(String(describing: error))")
        }
    }

    @Test("a disagreement is noticed behind a message that agrees")
    func mismatchBehindAgreement() throws {
        var world = EngineWorld(size: 3)
        world.settings.timeout = .seconds(4)
        let errors = try world.run { world in
            switch world.rank {
            case 0:
                _ = try world.recv(Int.self, from: .rank(1))
                let go = [1]
                try world.send(go.span, to: .rank(2))
                _ = try world.recv(Int.self, from: .rank(2))
                _ = try world.gather(0, root: 0)
            case 1:
                _ = try world.gather(1, root: 0)
                let done = [1]
                try world.send(done.span, to: .rank(0))
            default:
                _ = try world.recv(Int.self, from: .rank(0))
                _ = try world.reduce(2, .sum, root: 0)
                let done = [1]
                try world.send(done.span, to: .rank(0))
            }
            try world.barrier()
        }
        for (rank, error) in errors.enumerated() {
            #expect(
                error?.code == .mismatchedCollective,
                "rank \(rank): \(String(describing: error))")
        }
    }

    @Test("after a failure nothing is sent from the program's memory")
    func nothingSentAfterFailure() throws {
        var world = EngineWorld(size: 2)
        world.sendBufferByteCount = 4096
        world.settings.eagerByteCountMax = 8 << 20
        let (left, right) = try connectedPair()
        defer { close(right) }
        let engine = try Engine(
            rank: 0, links: [nil, world.link(to: 1, left, nil)], settings: world.settings)
        let payload = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 << 20, alignment: 8)
        defer { payload.deallocate() }
        payload.initializeMemory(as: UInt8.self, repeating: 7)
        engine.links[1]?.pointee.sendCredit.raise(to: 1 << 40)
        let handle = try engine.isend(
            UnsafeRawBufferPointer(payload), in: engine.world, to: 1, tag: .zero, call: 0)
        try #require(engine.state.pointee.blockedLinkCount == 1, "the socket takes everything")
        engine.jobFailed(MPIError(.aborted, operation: "test", reason: "over"))
        #expect(throws: MPIError.self) { _ = try engine.wait(handle) }
        var sink = [UInt8](repeating: 0, count: 100_000)
        func drain() -> Int {
            usleep(20_000)
            var total = 0
            while case let count = recv(right, &sink, sink.count, 0), count > 0 { total += count }
            return total
        }
        while drain() > 0 {}
        // What a thread does that slept in the kernel while the job failed.
        engine.lock()
        engine.sleepInPoller(atMost: 100)
        engine.unlock()
        #expect(drain() == 0, "bytes of memory that the program has back were sent")
    }

    @Test("different roots are a named error on all ranks", arguments: [2, 3])
    func mismatchedRoots(size: Int) throws {
        let errors = try EngineWorld(size: size).run { world in
            var value = [world.rank]
            try world.bcast(value.mutableSpan, root: world.rank)
            try world.barrier()
        }
        for (rank, error) in errors.enumerated() {
            #expect(error?.code == .mismatchedCollective, "size \(size), rank \(rank)")
        }
    }

    @Test("a missed deadline names what was waited for, on all ranks", arguments: [2, 3])
    func deadline(size: Int) throws {
        let settings = EngineSettings(timeout: .milliseconds(300))
        let errors = try EngineWorld(size: size, settings: settings).run { world in
            if world.rank == 0 {
                var buffer = [Int](repeating: 0, count: 100)
                try world.recv(into: buffer.mutableSpan, from: 1, tag: 42)
            } else {
                usleep(900_000)
                try world.barrier()
            }
        }
        for (rank, error) in errors.enumerated() {
            #expect(error?.code == .timedOut, "size \(size), rank \(rank)")
            #expect(
                error?.reason.contains("up to 800 bytes from rank 1 with tag 42") ?? false,
                "size \(size), rank \(rank): \(String(describing: error))")
        }
    }

    @Test("a rank may leave at once: what it sent arrives", arguments: [2, 3, 4], [false, true])
    func earlyExit(size: Int, isEncrypted: Bool) throws {
        try EngineWorld(size: size, isEncrypted: isEncrypted).check { world in
            if world.rank == 0 {
                for peer in 1..<size {
                    let payload = pattern(64 << 10, from: 0, number: peer)
                    try world.send(payload.span, to: .rank(peer))
                }
            } else {
                usleep(300_000)
                let received = try world.recv(UInt8.self, from: 0)
                expectSame(
                    received, pattern(64 << 10, from: 0, number: world.rank), "size \(size)")
            }
        }
    }

    @Test("what fills the socket of a busy peer is delivered before a rank has left")
    func flushOnLeave() throws {
        let world = EngineWorld(size: 2, sendBufferByteCount: 4096)
        let expected = pattern(200_000, from: 0, number: 1)
        try world.check { world in
            let count = 12
            if world.rank == 0 {
                var sends: [RequestHandle] = []
                try expected.span.withUnsafeBytes { (bytes) throws in
                    for _ in 0..<count {
                        sends.append(
                            try world.isend(bytes, to: 1, tag: 0, context: .pointToPoint))
                    }
                    for send in sends { _ = try world.wait(send) }
                }
            } else {
                usleep(200_000)
                for _ in 0..<count {
                    let received = try world.recv(UInt8.self, from: 0)
                    expectSame(received, expected, "a message sent before leaving")
                }
            }
        }
    }

    @Test("waiting for a rank that has left says so", arguments: [2, 3])
    func leftPeer(size: Int) throws {
        let errors = try EngineWorld(size: size).run { world in
            if world.rank != 0 { _ = try world.recv(Int.self, from: 0) }
        }
        for rank in 1..<size {
            #expect(errors[rank]?.code == .peerLost && errors[rank]?.peer == 0, "rank \(rank)")
            #expect(errors[rank]?.reason.contains("left the job") ?? false)
        }
    }

    @Test("garbage on a link fails the job and nothing else", arguments: 0..<6)
    func garbage(seed: Int) throws {
        let engines = try EngineWorld(size: 2).makeEngines()
        var random = Seeded(UInt64(seed))
        var bytes = (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) }
        if seed % 2 == 0 {
            // A proper beginning gets further: an eager frame longer than its credit, cut short.
            let frame = FrameHeader(
                type: .eager, sequence: 2, contextID: 1,
                payloadByteCount: seed == 0 ? 10 << 20 : 100)
            bytes.withUnsafeMutableBytes { target in
                if let base = target.baseAddress { frame.encode(into: base) }
            }
        }
        let link = try #require(engines[1].links[0])
        #expect(send(link.pointee.socket, bytes, bytes.count, 0) == bytes.count)
        let world = ServerlessCommunicator(
            engine: engines[0], space: engines[0].world, setUp: .alone)
        let error = #expect(throws: MPIError.self) { try world.recv(Int.self, from: 1, tag: 3) }
        #expect(error?.code == .peerLost && error?.peer == 1)
        #expect(
            error?.reason.contains("broke the protocol") ?? false, "\(String(describing: error))")
    }

    @Test("wrong arguments throw on the caller and disturb nothing", arguments: 1...3)
    func invalidArguments(size: Int) throws {
        try EngineWorld(size: size).check { world in
            for wrong in [-5, size, 1000] {
                let code = MPIError.Code.invalidArgument
                var buffer = [0]
                #expect(
                    #expect(throws: MPIError.self) {
                        try world.send(1, to: Destination(rank: wrong))
                    }?.code == code)
                #expect(
                    #expect(throws: MPIError.self) {
                        try world.recv(into: buffer.mutableSpan, from: Source(rank: wrong))
                    }?.code == code)
                #expect(
                    #expect(throws: MPIError.self) {
                        try world.send(1, to: 0, tag: Tag(rawValue: -3))
                    }?.code == code)
            }
            try world.barrier()
        }
    }
}
