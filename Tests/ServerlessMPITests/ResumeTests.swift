// Links that break while both ranks live, seen from the program: nothing but a delay.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite("Resumed links", .serialized)
struct ResumeTests {
    @Test(
        "small messages come once and in order while links break", arguments: [2, 3],
        [false, true])
    func smallMessages(size: Int, isEncrypted: Bool) throws {
        let job = ResumeWorld(EngineWorld(size: size, isEncrypted: isEncrypted))
        let errors = try job.run(breakingEvery: .milliseconds(3)) { world in
            let next = (world.rank + 1) % size
            let previous = (world.rank + size - 1) % size
            var received = [0]
            for number in 0..<10_000 {
                try world.send(number, to: .rank(next))
                try world.recv(into: received.mutableSpan, from: .rank(previous))
                if received != [number] {
                    Issue.record("rank \(world.rank): \(received) where \(number) was sent")
                    return
                }
            }
        }
        for (rank, error) in errors.enumerated() {
            #expect(error == nil, "size \(size), TLS \(isEncrypted), rank \(rank)")
        }
        #expect(job.resumed > 5, "links were to break: \(job.resumed)")
    }

    @Test(
        "messages of all lengths are whole while links break", arguments: [2, 4], [false, true])
    func mixedMessages(size: Int, isEncrypted: Bool) throws {
        var world = EngineWorld(size: size, isEncrypted: isEncrypted)
        world.sendBufferByteCount = 64 << 10
        let job = ResumeWorld(world)
        let errors = try job.run(breakingEvery: .milliseconds(20), seed: UInt64(size)) { world in
            try exchangeRandomly(world, seed: size, messages: 150, byteCountMax: 3_000_000)
        }
        for (rank, error) in errors.enumerated() {
            #expect(error == nil, "size \(size), TLS \(isEncrypted), rank \(rank)")
        }
        #expect(job.resumed > 5, "links were to break: \(job.resumed)")
    }

    @Test("a large alltoall is whole while links break", arguments: [false, true])
    func largeAlltoall(isEncrypted: Bool) throws {
        let size = 3
        let job = ResumeWorld(EngineWorld(size: size, isEncrypted: isEncrypted))
        let count = 1_000_000
        let errors = try job.run(breakingEvery: .milliseconds(10)) { world in
            for round in 0..<4 {
                let mine = (0..<size * count).map { $0 &* 31 &+ world.rank &+ round }
                let theirs = try world.alltoall(mine.span)
                for rank in 0..<size {
                    let expected = (0..<count).map {
                        (world.rank * count + $0) &* 31 &+ rank &+ round
                    }
                    expectSame(
                        Array(theirs[rank * count..<(rank + 1) * count]), expected,
                        "round \(round), from \(rank) to \(world.rank)")
                }
            }
        }
        #expect(errors.allSatisfy { $0 == nil }, "\(errors)")
        #expect(job.resumed > 3, "links were to break: \(job.resumed)")
    }

    @Test("a flood that nobody receives yet is whole, and the ring is bounded")
    func flood() throws {
        var world = EngineWorld(size: 2)
        world.settings.replayByteCountMax = 1
        let job = ResumeWorld(world)
        let errors = try job.run(breakingEvery: .milliseconds(5)) { world in
            if world.rank == 0 {
                let payload = (0..<1000).flatMap { pattern(1000, from: 0, number: $0) }
                var requests = world.requests()
                for number in 0..<1000 {
                    try requests.isend(
                        payload.span.extracting(number * 1000..<(number + 1) * 1000), to: 1)
                }
                try requests.waitAll()
            } else {
                usleep(300_000)
                for number in 0..<1000 {
                    let received = try world.recv(UInt8.self, from: 0)
                    expectSame(received, pattern(1000, from: 0, number: number), "\(number)")
                }
            }
        }
        #expect(errors.allSatisfy { $0 == nil }, "\(errors)")
    }

    @Test("nothing is left unacknowledged after ping-pong, and nothing is allocated for it")
    func steadyState() throws {
        let job = ResumeWorld(EngineWorld(size: 2))
        let errors = try job.run(breakingEvery: nil) { world in
            let peer = 1 - world.rank
            for number in 0..<2000 {
                if world.rank == 0 { try world.send(number, to: .rank(peer)) }
                _ = try world.recv(Int.self, from: .rank(peer))
                if world.rank == 1 { try world.send(number, to: .rank(peer)) }
            }
            #expect(world.engine.frames.capacity <= 64)
        }
        #expect(errors.allSatisfy { $0 == nil }, "\(errors)")
        #expect(job.resumed == 0)
    }

    @Test("a peer that kept its word and left is not looked for")
    func departure() throws {
        let job = ResumeWorld(EngineWorld(size: 2))
        let errors = try job.run(breakingEvery: nil) { world in
            if world.rank == 0 {
                try world.send(pattern(100_000, from: 0, number: 1).span, to: 1)
            } else {
                usleep(200_000)
                expectSame(
                    try world.recv(UInt8.self, from: 0), pattern(100_000, from: 0, number: 1), "")
            }
        }
        #expect(errors.allSatisfy { $0 == nil }, "\(errors)")
    }

    @Test(
        "what was sent on a connection of which the peer never learnt comes over the next",
        arguments: [1000, 3_000_000])
    func unknownConnection(byteCount: Int) throws {
        var world = EngineWorld(size: 2)
        world.isResumable = true
        // The lower rank has nominated it, and it broke before the higher one read that.
        let (left, right) = try connectedPair()
        close(right)
        let engines = [
            try Engine(
                rank: 0, links: [nil, world.link(to: 1, left, nil)], settings: world.settings),
            try Engine(rank: 1, links: [nil, nil], settings: world.settings),
        ]
        let isBroken = Atomic(false)
        engines[0].setResumer { _, incarnation in
            #expect(incarnation == 0)
            isBroken.store(true, ordering: .releasing)
        }
        let network = RankThread { [world] in
            while !isBroken.load(ordering: .acquiring) { usleep(1000) }
            do {
                for var end in try world.connectedEnds(0, 1) {
                    end.link.incarnation = 1
                    engines[end.rank].handOver(end.link)
                }
            } catch {
                Issue.record(error)
            }
        }
        let errors = EngineWorld.run(engines) { world in
            let payload = pattern(byteCount, from: 0, number: 3)
            if world.rank == 0 {
                try world.send(payload.span, to: 1)
            } else {
                expectSame(try world.recv(UInt8.self, from: 0), payload, "\(byteCount) bytes")
            }
        }
        network.join()
        #expect(errors.allSatisfy { $0 == nil }, "\(errors)")
    }

    @Test("a peer that lies about what it has fails the job with its name")
    func lies() throws {
        let errors = try ResumeWorld(EngineWorld(size: 2)).run(breakingEvery: nil) { world in
            if world.rank == 0 {
                var header = FrameHeader(type: .credit)
                header.acknowledged = 1000
                var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
                bytes.withUnsafeMutableBytes { bytes in
                    if let base = bytes.baseAddress { header.encode(into: base) }
                    if let link = world.engine.links[1] {
                        _ = write(link.pointee.socket, bytes.baseAddress, bytes.count)
                    }
                }
            }
            _ = try world.recv(Int.self, from: .rank(1 - world.rank))
        }
        #expect(errors[1]?.code == .peerLost && errors[1]?.peer == 0)
        #expect(errors[1]?.reason.contains("acknowledges") == true, "\(errors)")
    }

    @Test("health: who answers lives, however slowly the program takes what it is sent")
    func health() {
        var health = ConnectionHealth(
            unacknowledged: 3, retransmissions: 5, probes: 0, silence: .seconds(5))
        #expect(health.isDead)
        health.silence = .seconds(1)
        #expect(!health.isDead)
        #expect(!ConnectionHealth(probes: 0, silence: .seconds(600)).isDead, "a closed window")
        #expect(ConnectionHealth(probes: 4, silence: .seconds(60)).isDead)
        #expect(ConnectionHealth(isClosed: true).isDead)
        #expect(!ConnectionHealth().isDead)
    }
}
