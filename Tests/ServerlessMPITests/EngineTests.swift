// Messages over real sockets: sizes around every limit of the protocol, floods, odd I/O.

import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite("Progress engine")
struct EngineTests {
    static let sizes = [
        0, 1, 63, 64, 1000, 4096, 4097, 16 << 10, (16 << 10) + 1, 100_000, 256 << 10,
        (256 << 10) + 1, 1 << 20, 5_000_000,
    ]

    @Test(
        "messages of every size arrive intact, receives posted early or late", arguments: 1...4,
        [false, true])
    func everySize(size: Int, isEncrypted: Bool) throws {
        try EngineWorld(size: size, isEncrypted: isEncrypted).check { world in
            let right = (world.rank + 1) % world.size
            let left = (world.rank + world.size - 1) % world.size
            for (number, count) in Self.sizes.enumerated() {
                let mine = pattern(count, from: world.rank, number: number)
                var theirs = [UInt8](repeating: 0, count: count)
                let status = try world.sendrecv(
                    mine.span, to: .rank(right), tag: Tag(number), into: theirs.mutableSpan,
                    from: .rank(left), tag: Tag(number))
                #expect(status.byteCount == count && status.source == left, "size \(size)")
                expectSame(
                    theirs, pattern(count, from: left, number: number),
                    "size \(size), \(count) bytes")
                var late = [UInt8](repeating: 0, count: count)
                let sending = try world.isend(mine.span, to: .rank(right), tag: 99)
                try world.barrier()
                try world.recv(into: late.mutableSpan, from: .any, tag: .any)
                _ = try sending.wait()
                expectSame(late, theirs, "size \(size), \(count) bytes, receive posted late")
            }
        }
    }

    @Test("random traffic arrives in order and intact", arguments: [2, 3, 4], [1, 2, 3, 4])
    func randomTraffic(size: Int, seed: Int) throws {
        try EngineWorld(size: size, isEncrypted: seed % 2 == 0).check { world in
            try exchangeRandomly(world, seed: seed, messages: 120, byteCountMax: 400_000)
        }
    }

    @Test("tiny socket buffers change nothing", arguments: [2, 3], [false, true])
    func partialWrites(size: Int, isEncrypted: Bool) throws {
        let world = EngineWorld(
            size: size, sendBufferByteCount: 2048, isEncrypted: isEncrypted)
        try world.check { world in
            try exchangeRandomly(world, seed: 7, messages: 60, byteCountMax: 600_000)
        }
    }

    @Test(
        "a flood from both sides ends, its memory bounded by credit", arguments: [2, 4],
        [false, true])
    func flood(size: Int, isEncrypted: Bool) throws {
        var settings = EngineSettings(timeout: .seconds(20))
        settings.unexpectedByteCountMax = 1 << 20
        let world = EngineWorld(size: size, settings: settings, isEncrypted: isEncrypted)
        try world.check { world in
            let count = 3000
            let payload = pattern(1000, from: world.rank, number: 0)
            for peer in 0..<world.size where peer != world.rank {
                var sends = world.requests()
                for _ in 0..<count { try sends.isend(payload.span, to: .rank(peer), tag: 5) }
                // Only now does anybody receive: most messages were announced, not sent.
                var buffer = [UInt8](repeating: 0, count: 1000)
                for _ in 0..<count {
                    try world.recv(into: buffer.mutableSpan, from: .rank(peer), tag: 5)
                }
                expectSame(buffer, pattern(1000, from: peer, number: 0), "from \(peer)")
                try sends.waitAll()
            }
        }
    }

    @Test("blocking sends to a busy rank are bounded and resume", arguments: [2, 3])
    func oneSidedFlood(size: Int) throws {
        var settings = EngineSettings(timeout: .seconds(20))
        settings.unexpectedByteCountMax = 256 << 10
        try EngineWorld(size: size, settings: settings).check { world in
            let count = 2000
            if world.rank > 0 {
                for number in 0..<count { try world.send(number, to: 0) }
            } else {
                usleep(100_000)
                var next = [Int](repeating: 0, count: world.size)
                for _ in 0..<count * (world.size - 1) {
                    var value = [0]
                    let status = try world.recv(into: value.mutableSpan, from: .any)
                    let source = try #require(status.source)
                    #expect(value[0] == next[source], "from \(source)")
                    next[source] += 1
                }
            }
        }
    }

    @Test("a group waits for requests of nobody as well", arguments: 1...3)
    func nobodyInGroup(size: Int) throws {
        try EngineWorld(size: size).check { world in
            let isLast = world.rank == size - 1
            var received = [-1]
            let own = [world.rank]
            do {
                var group = world.requests()
                try group.irecv(
                    into: received.mutableSpan,
                    from: world.rank == 0 ? .none : .rank(world.rank - 1))
                try group.isend(own.span, to: isLast ? .none : .rank(world.rank + 1))
                let statuses = try group.waitAll()
                #expect(statuses.count == 2, "size \(size), rank \(world.rank)")
            }
            #expect(received == [world.rank - 1], "size \(size), rank \(world.rank)")
        }
    }

    @Test("collectives work over links", arguments: 1...4)
    func collectives(size: Int) throws {
        try EngineWorld(size: size).check { world in
            for count in [1, 1000, 100_000] {
                let mine = [Int](repeating: world.rank, count: count)
                let sums = try world.allreduce(mine.span, .sum)
                #expect(sums.allSatisfy { $0 == size * (size - 1) / 2 })
                let all = try world.allgather(mine.span)
                #expect(all.indices.allSatisfy { all[$0] == $0 / count })
                try world.barrier()
            }
        }
    }

    /// What a rank says in one call of a collective lies behind what it says in the call before.
    @Test(
        "collectives of every length follow each other without a pause", arguments: 2...5,
        [false, true])
    func collectivesInARow(size: Int, isEncrypted: Bool) throws {
        let lengths = [0, 1, 63, 64, 4096, 16_383, 16_384, 16_385, 16_448, 40_000, 70_000]
        try EngineWorld(size: size, isEncrypted: isEncrypted).check { world in
            for (number, length) in (lengths + lengths.reversed()).enumerated() {
                let root = number % size
                var told = pattern(world.rank == root ? length : 0, from: root, number: number)
                if world.rank != root { told = [UInt8](repeating: 0, count: length) }
                try world.bcast(told.mutableSpan, root: root)
                expectSame(
                    told, pattern(length, from: root, number: number), "bcast of \(length)")
                let mine = pattern(length, from: world.rank, number: number)
                let sending = try world.isend(mine.span, to: .rank((world.rank + 1) % size))
                let all = try world.allgather(mine.span)
                for rank in 0..<size {
                    expectSame(
                        Array(all[rank * length..<(rank + 1) * length]),
                        pattern(length, from: rank, number: number), "allgather of \(length)")
                }
                var theirs = [UInt8](repeating: 0, count: length)
                try world.recv(
                    into: theirs.mutableSpan, from: .rank((world.rank + size - 1) % size))
                _ = try sending.wait()
                expectSame(
                    theirs, pattern(length, from: (world.rank + size - 1) % size, number: number),
                    "a message beside an allgather of \(length)")
            }
        }
    }

    @Test("a collective leaves the next one's message in the socket", arguments: [1, 1000, 16_384])
    func readsNoFurther(length: Int) throws {
        try EngineWorld(size: 2).check { world in
            var first = pattern(length, from: 1, number: 1)
            var second = pattern(length, from: 1, number: 2)
            if world.rank == 0 {
                first = Array(repeating: 0, count: length)
                second = first
                let frame = Int32(FrameHeader.byteCount + length)
                let socket = try #require(world.engine.links[1]).pointee.socket
                let deadline = ContinuousClock.now + .seconds(10)
                while try waitingByteCount(socket) < 2 * frame, ContinuousClock.now < deadline {
                    usleep(1000)
                }
                try world.bcast(first.mutableSpan, root: 1)
                let left = try waitingByteCount(socket)
                #expect(left == frame, "left \(left), a frame \(frame)")
            } else {
                try world.bcast(first.mutableSpan, root: 1)
            }
            try world.bcast(second.mutableSpan, root: 1)
            expectSame(first, pattern(length, from: 1, number: 1), "first")
            expectSame(second, pattern(length, from: 1, number: 2), "second")
            // Rank 1 says no bye before rank 0 has counted.
            if world.rank == 0 {
                try world.send(0, to: 1)
            } else {
                _ = try world.recv(Int.self, from: 0)
            }
        }
    }

    @Test("communicators keep their messages apart, also those that come early", arguments: 2...4)
    func communicators(size: Int) throws {
        try EngineWorld(size: size).check { world in
            for round in 0..<20 {
                let half = try #require(try world.split(color: world.rank % 2, key: -world.rank))
                let twin = try half.dup()
                #expect(try half.allreduce(1, .sum) == (size - world.rank % 2 + 1) / 2)
                let next = (twin.rank + 1) % twin.size
                try twin.send(round, to: .rank(next), tag: 1)
                try half.send(round + 1000, to: .rank(next), tag: 1)
                var value = [0]
                try half.recv(into: value.mutableSpan, from: .any, tag: 1)
                #expect(value[0] == round + 1000)
                try twin.recv(into: value.mutableSpan, from: .any, tag: 1)
                #expect(value[0] == round)
            }
        }
    }

    @Test("messages of a new communicator may come before a rank has begun")
    func aheadOfTheWorld() throws {
        let pair = try connectedPair()
        for sequence in 1...3 {
            var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
            let frame = FrameHeader(
                type: .eager, source: 1, sequence: UInt32(sequence), contextID: 77)
            bytes.withUnsafeMutableBytes { target in
                if let base = target.baseAddress { frame.encode(into: base) }
            }
            #expect(send(pair.1, bytes, bytes.count, 0) == bytes.count)
        }
        let link = EngineWorld(size: 2).link(to: 1, pair.0, nil)
        let engine = try Engine(rank: 0, links: [nil, link])
        #expect(engine.world.rank == 0 && engine.world.group == [0, 1])
        let space = try engine.openSpace(contextID: 77, rank: 0, group: [0, 1])
        #expect(space.queues.unexpectedCount == 3 && engine.world.queues.unexpectedCount == 0)
        close(pair.1)
    }

    @Test("several threads of a rank send and receive at once", arguments: [2, 3])
    func threads(size: Int) throws {
        try EngineWorld(size: size).check { world in
            let threads = (0..<4).map { thread in
                RankThread {
                    do {
                        try ringInThread(world, tag: Tag(thread), rounds: 200)
                    } catch {
                        Issue.record("thread \(thread): \(error)")
                    }
                }
            }
            for thread in threads { thread.join() }
            try world.barrier()
        }
    }
}

/// Bytes that a socket holds for its reader.
private func waitingByteCount(_ socket: Int32) throws -> Int32 {
    var count: Int32 = 0
    try #require(ioctl(socket, UInt(FIONREAD), &count) == 0)
    return count
}

private func ringInThread(_ world: ServerlessCommunicator, tag: Tag, rounds: Int) throws {
    let right = Destination(rank: (world.rank + 1) % world.size)
    let left = Source(rank: (world.rank + world.size - 1) % world.size)
    for round in 0..<rounds {
        let mine = [Int](repeating: round, count: round % 7 == 0 ? 50_000 : 10)
        var theirs = [Int](repeating: -1, count: mine.count)
        try world.sendrecv(
            mine.span, to: right, tag: tag, into: theirs.mutableSpan, from: left, tag: tag)
        expectSame(theirs, mine, "tag \(tag), round \(round)")
    }
}

/// All ranks know all messages from the seed; each sends its own and receives the others', in
/// batches whose order at the receiver is shuffled between tags and kept within one.
func exchangeRandomly(
    _ world: ServerlessCommunicator, seed: Int, messages: Int, byteCountMax: Int
) throws {
    struct Planned { var from, to, tag, byteCount: Int }
    var random = Seeded(UInt64(seed))
    let plan = (0..<messages).map { _ in
        Planned(
            from: .random(in: 0..<world.size, using: &random),
            to: .random(in: 0..<world.size, using: &random),
            tag: .random(in: 0..<3, using: &random),
            byteCount: Bool.random(using: &random)
                ? .random(in: 0...300, using: &random)
                : .random(in: 0...byteCountMax, using: &random))
    }
    var sends: [RequestHandle] = []
    var payloads: [UnsafeMutableRawBufferPointer] = []
    defer { for payload in payloads { payload.deallocate() } }
    for (number, message) in plan.enumerated() where message.from == world.rank {
        let payload = UnsafeMutableRawBufferPointer.allocate(
            byteCount: message.byteCount, alignment: 8)
        payload.copyBytes(from: pattern(message.byteCount, from: message.from, number: number))
        payloads.append(payload)
        sends.append(
            try world.isend(
                UnsafeRawBufferPointer(payload), to: .rank(message.to), tag: Tag(message.tag),
                context: .pointToPoint))
    }
    for tag in [2, 0, 1] {
        for (number, message) in plan.enumerated()
        where message.to == world.rank && message.tag == tag {
            let received = try receive(
                world, from: message.from, tag: Tag(message.tag),
                roomFor: number % 2 == 0 ? nil : message.byteCount + number % 3)
            expectSame(
                received, pattern(message.byteCount, from: message.from, number: number),
                "size \(world.size), seed \(seed), message \(number)")
        }
    }
    for send in sends { _ = try world.wait(send) }
}

/// A message of any length, or one that has room.
private func receive(
    _ world: ServerlessCommunicator, from source: Int, tag: Tag, roomFor byteCount: Int?
) throws -> [UInt8] {
    guard let byteCount else { return try world.recv(UInt8.self, from: .rank(source), tag: tag) }
    var buffer = [UInt8](repeating: 0, count: byteCount)
    let status = try world.recv(into: buffer.mutableSpan, from: .rank(source), tag: tag)
    return Array(buffer.prefix(status.byteCount))
}
