// Links that come after the program has begun: nothing is lost, nothing overtakes, whoever is late.

import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite("Late links")
struct LateLinkTests {
    /// Which rank gets its end of each link late.
    enum Lateness: String, CaseIterable, Sendable {
        case nobody, lower, higher, everyone

        func delay(_ rank: Int) -> Duration {
            switch self {
            case .nobody: .zero
            case .lower: rank == 0 ? .milliseconds(40) : .zero
            case .higher: rank == 0 ? .zero : .milliseconds(40)
            case .everyone: .milliseconds(20)
            }
        }
    }

    @Test(
        "random traffic arrives in order and intact while links come", arguments: 2...4,
        Lateness.allCases)
    func traffic(size: Int, lateness: Lateness) throws {
        for isEncrypted in [false, true] {
            let world = LateLinkWorld(
                EngineWorld(size: size, isEncrypted: isEncrypted), delay: lateness.delay)
            try world.check { world in
                try exchangeRandomly(world, seed: 3, messages: 60, byteCountMax: 400_000)
                let ranks = try world.allreduce(1, .sum)
                #expect(ranks == size)
            }
            #expect(world.mostDemands == 1, "each link is asked for once by each rank")
        }
    }

    @Test(
        "what was sent before the link was there keeps its order", arguments: Lateness.allCases,
        [false, true])
    func order(lateness: Lateness, isEncrypted: Bool) throws {
        let sizes = [0, 10, 300_000, 1, 70_000, 5, 1_000_000, 64]
        let world = LateLinkWorld(
            EngineWorld(size: 2, isEncrypted: isEncrypted), delay: lateness.delay)
        try world.check { world in
            let peer = 1 - world.rank
            let payloads = sizes.enumerated().map {
                pattern($0.element, from: world.rank, number: $0.offset)
            }
            var sends: [RequestHandle] = []
            for payload in payloads {
                sends.append(
                    try payload.withUnsafeBytes { bytes throws(MPIError) in
                        try world.isend(bytes, to: .rank(peer), tag: 5, context: .pointToPoint)
                    })
            }
            for (number, count) in sizes.enumerated() {
                let status = try world.probe(from: .any, tag: .any)
                #expect(status.byteCount == count, "message \(number)")
                let received = try world.recv(UInt8.self, from: .rank(peer), tag: 5)
                expectSame(
                    received, pattern(count, from: peer, number: number), "message \(number)")
            }
            for send in sends { _ = try world.wait(send) }
            withExtendedLifetime(payloads) {}
        }
        #expect(world.pairCount == 1)
    }

    @Test(
        "a link that turns out to be relayed takes no more than it has room for",
        arguments: [CandidateKind.host, .relayed], [false, true])
    func relayedLater(candidate: CandidateKind, isEncrypted: Bool) throws {
        let world = LateLinkWorld(
            EngineWorld(size: 2, isEncrypted: isEncrypted, candidate: candidate))
        let count = 60
        let payload = pattern(8000, from: 1, number: 0)
        try world.check { world in
            guard world.rank == 0 else {
                // What this message says of rank 0's memory was written before there was a link.
                _ = try world.recv(UInt8.self, from: 0, tag: 1)
                var sends = world.requests()
                for _ in 0..<count { try sends.isend(payload.span, to: 0, tag: 2) }
                try world.send([UInt8(1)].span, to: 0, tag: 3)
                try sends.waitAll()
                return
            }
            try world.send([UInt8(1)].span, to: 1, tag: 1)
            // All that rank 1 sends ahead is here before any of it is received.
            _ = try world.recv(UInt8.self, from: 1, tag: 3)
            for number in 0..<count {
                let bytes = try world.recv(UInt8.self, from: 1, tag: 2)
                expectSame(bytes, payload, "message \(number)")
            }
        }
    }

    @Test("a rank that leaves early waits for relayed peers that compute", arguments: [0, 1])
    func earlyLeaver(rank: Int) throws {
        let settings = EngineSettings(timeout: .milliseconds(300))
        let world = EngineWorld(size: 2, settings: settings, candidate: .relayed)
        try world.check { world in
            try world.barrier()
            if world.rank != rank { usleep(1_000_000) }
        }
    }

    @Test("a receive needs no link: the sender's will do", arguments: [false, true])
    func receiverAsksForNothing(fromAny: Bool) throws {
        let world = LateLinkWorld(EngineWorld(size: 3))
        try world.check { world in
            if world.rank == 0 {
                let first = try world.recv(Int.self, from: fromAny ? .any : 1)
                let second = try world.recv(Int.self, from: fromAny ? .any : 2)
                #expect(Set(first + second) == [10, 20])
                #expect(world.paths.count { $0 != nil } == 2)
            } else {
                try world.send(world.rank * 10, to: 0)
            }
        }
        #expect(world.pairCount == 2, "ranks 1 and 2 have nothing to say to each other")
    }

    @Test("many links at once", arguments: [false, true])
    func manyAtOnce(isEncrypted: Bool) throws {
        let size = 12
        let world = LateLinkWorld(EngineWorld(size: size, isEncrypted: isEncrypted)) {
            .milliseconds($0 % 5)
        }
        try world.check { world in
            let mine = (0..<size).map { world.rank * 100 + $0 }
            let theirs = try world.alltoall(mine.span)
            #expect(theirs == (0..<size).map { $0 * 100 + world.rank })
        }
        #expect(world.pairCount == size * (size - 1) / 2)
    }

    @Test("a rank that computes is not missed while others link to it")
    func computingRank() throws {
        let world = LateLinkWorld(EngineWorld(size: 4))
        try world.check { world in
            if world.rank == 0 {
                usleep(1_500_000)
                for _ in 1..<4 { _ = try world.recv(Int.self, from: .any) }
                try world.send(7, to: 3)
            } else {
                try world.send(world.rank, to: 0)
                if world.rank == 3 { #expect(try world.recv(Int.self, from: 0) == [7]) }
            }
        }
    }

    @Test("a rank that leaves waits for its last link, and so for its last message")
    func leaveWhilePending() throws {
        for lateness in Lateness.allCases {
            let world = LateLinkWorld(EngineWorld(size: 2), delay: lateness.delay)
            let payload = pattern(50_000, from: 0, number: 1)
            try world.check { world in
                if world.rank == 0 {
                    let send = try world.isend(payload.span, to: 1)
                    _ = try send.wait()
                } else {
                    usleep(100_000)
                    expectSame(
                        try world.recv(UInt8.self, from: 0), payload, "lateness \(lateness)")
                }
            }
        }
    }

    @Test("waiting for a link that never comes ends at the deadline, with the peer's name")
    func neverConnected() throws {
        var settings = EngineSettings(timeout: .milliseconds(300))
        settings.verdictTimeout = .milliseconds(50)
        let engine = try Engine(
            rank: 0, links: [nil, nil], settings: settings, ranksOnHost: 2, connector: { _ in })
        let world = ServerlessCommunicator(engine: engine, space: engine.world, setUp: .alone)
        let error = #expect(throws: MPIError.self) { try world.send(1, to: 1) }
        #expect(error?.code == .timedOut)
        #expect(error?.reason.contains("rank 1, not connected yet") == true, "\(error as Any)")
        engine.closeLinks()
    }

    @Test("a job that fails while links are made ends at once, and late links are closed")
    func failureWhileConnecting() throws {
        let engine = try Engine(
            rank: 0, links: [nil, nil], settings: EngineSettings(timeout: .seconds(20)),
            ranksOnHost: 2, connector: { _ in })
        let world = ServerlessCommunicator(engine: engine, space: engine.world, setUp: .alone)
        let failing = RankThread {
            usleep(100_000)
            engine.jobFailed(MPIError(.peerLost, operation: "heartbeat", reason: "gone", peer: 1))
        }
        let error = #expect(throws: MPIError.self) { try world.send(1, to: 1) }
        #expect(error?.code == .peerLost && error?.peer == 1)
        failing.join()
        engine.closeLinks()
        let (left, right) = try connectedPair()
        engine.handOver(EngineWorld(size: 2).link(to: 1, left, nil))
        var byte: UInt8 = 0
        var result = -1
        for _ in 0..<1000 where result < 0 {
            result = recv(right, &byte, 1, 0)
            if result < 0 { usleep(1000) }
        }
        #expect(result == 0, "the other end sees the connection end")
        close(right)
    }

    @Test("without anybody to make links a missing one is an error, not a hang")
    func noConnector() throws {
        let engine = try Engine(rank: 0, links: [nil, nil])
        let world = ServerlessCommunicator(engine: engine, space: engine.world, setUp: .alone)
        let error = #expect(throws: MPIError.self) { try world.send(1, to: 1) }
        #expect(error?.code == .connectFailed && error?.peer == 1)
        engine.closeLinks()
    }
}
