// Many messages in random order, sizes and forms: what a race in matching or hand-over would break.

import MessagePassing
import Testing
import ThreadMPI

@Suite struct StressTests {
    /// Lengths on both sides of every limit.
    static let lengths = [0, 1, 8, 300, 5000, 65536, 65537, 200_000, 524_289, 1_300_000]

    /// The messages that `source` sends to `destination`, in order: all ranks compute the same.
    private static func plan(
        seed: UInt64, from source: Int, to destination: Int
    ) -> [(tag: Int, byteCount: Int)] {
        var random = SeededGenerator(
            seed: seed &* 1_000_003 &+ UInt64(source * 100 + destination))
        return (0..<8).map { _ in
            (Int.random(in: 0..<3, using: &random), lengths.randomElement(using: &random) ?? 0)
        }
    }

    @Test(
        "random messages arrive in order, whole and where they belong",
        arguments: [2, 3, 5, 8], [1, 2])
    func randomMessages(size: Int, seed: UInt64) throws {
        try ThreadMPI.run(size: size, timeout: patience) { world in
            try Self.exchange(world, seed: seed)
        }
    }

    /// Posts all sends and half of the receives, in an order of its own on each rank.
    private static func exchange(_ world: any Communicator, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed &+ UInt64(world.rank) << 32)
        var requests: [RequestHandle] = []
        var buffers: [UnsafeMutableRawBufferPointer] = []
        defer { for buffer in buffers { buffer.deallocate() } }
        func memory(_ bytes: [UInt8]) -> UnsafeMutableRawBufferPointer {
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: bytes.count, alignment: 64)
            bytes.withUnsafeBytes { buffer.copyMemory(from: $0) }
            buffers.append(buffer)
            return buffer
        }
        for peer in (0..<world.size).shuffled(using: &random) {
            let messages = plan(seed: seed, from: world.rank, to: peer)
            for (index, message) in messages.enumerated() {
                let bytes = memory(pattern(message.byteCount, index + world.rank))
                requests.append(
                    try world.isend(
                        UnsafeRawBufferPointer(bytes), to: .rank(peer), tag: Tag(message.tag),
                        context: .pointToPoint))
            }
        }
        // By peer and tag: within one of those the order is fixed, else it is free.
        let lanes = (0..<world.size).flatMap { peer in (0..<3).map { (peer, $0) } }
        for (peer, tag) in lanes.shuffled(using: &random) {
            let messages = plan(seed: seed, from: peer, to: world.rank).enumerated()
                .filter { $0.element.tag == tag }
            for (index, message) in messages {
                let expected = pattern(message.byteCount, index + peer)
                if Bool.random(using: &random) { _ = try world.iprobe(from: .any, tag: .any) }
                let got = try world.recv(UInt8.self, from: .rank(peer), tag: Tag(tag))
                try check(
                    areEqual(got, expected),
                    "seed \(seed), rank \(world.rank): message \(index) of rank \(peer), "
                        + "\(got.count) bytes where \(expected.count) were sent")
            }
        }
        var handles = requests
        try handles.withUnsafeMutableBufferPointer { handles in
            try world.waitAll(
                UnsafeBufferPointer(handles),
                statuses: UnsafeMutableBufferPointer(start: nil, count: 0))
        }
        try world.barrier()
        try check(try world.iprobe(from: .any, tag: .any) == nil, "seed \(seed): a message is left")
    }

    @Test("long messages in all directions at once meet in the middle", arguments: [2, 3, 4])
    func longExchange(size: Int) throws {
        try ThreadMPI.run(size: size, timeout: patience) { world in
            let count = 1_500_000
            for round in 0..<2 {
                let elements = (0..<world.size).flatMap { peer in
                    Array(repeating: Int32(round * 100 + world.rank * 10 + peer), count: count / 4)
                }
                let counts = Array(repeating: count / 4, count: world.size)
                // Late ranks find their partners waiting, early ones do not.
                if (world.rank + round) % 2 == 0 { try world.send(1, to: .rank(world.rank)) }
                let got = try world.alltoallv(elements.span, counts: counts, recvCounts: counts)
                for peer in 0..<world.size {
                    let expected = Int32(round * 100 + peer * 10 + world.rank)
                    let part = got[peer]
                    // One element of each page: enough to see a chunk that was lost or misplaced.
                    let places = Array(stride(from: part.startIndex, to: part.endIndex, by: 1024))
                    try check(
                        places.allSatisfy { part[$0] == expected } && part.last == expected,
                        "round \(round), from rank \(peer)")
                }
                if (world.rank + round) % 2 == 0 {
                    _ = try world.recv(Int.self, from: .rank(world.rank))
                }
            }
        }
    }

    @Test("a flood of messages is bounded, and drained in order")
    func flood() throws {
        try ThreadMPI.run(size: 2, timeout: patience) { world in
            // 96 MiB: more than one mailbox buffers.
            let message = 32 << 10
            if world.rank == 0 {
                for number in 0..<3000 {
                    let bytes = Array(repeating: UInt8(truncatingIfNeeded: number), count: message)
                    try world.send(bytes.span, to: 1)
                }
            } else {
                _ = try world.probe(from: 0)
                for number in 0..<3000 {
                    let bytes = try world.recv(UInt8.self, from: 0)
                    let expected = UInt8(truncatingIfNeeded: number)
                    let wanted = Array(repeating: expected, count: message)
                    try check(areEqual(bytes, wanted), "message \(number)")
                }
            }
        }
    }

    @Test("collectives repeat on more ranks than cores", arguments: [5, 8, 16])
    func collectives(size: Int) throws {
        try ThreadMPI.run(size: size, timeout: patience) { world in
            for round in 0..<50 {
                try world.barrier()
                let sum = try world.allreduce(world.rank + round, .sum)
                let expected = world.size * (world.size - 1) / 2 + round * world.size
                try check(sum == expected, "round \(round): \(sum), not \(expected)")
            }
        }
    }

    @Test("split and dup make communicators that do not hear each other", arguments: [1, 2, 5, 8])
    func communicators(size: Int) throws {
        try ThreadMPI.run(size: size, timeout: patience) { world in
            for round in 0..<10 {
                let twin = try world.dup()
                let half = try world.split(color: world.rank % 2, key: -world.rank)
                guard let half else { throw CheckFailed(description: "no communicator") }
                let members = try half.allgather(world.rank)
                let expected = (0..<world.size).filter { $0 % 2 == world.rank % 2 }.reversed()
                try check(members == Array(expected), "round \(round): \(members)")
                let next = Destination(rank: (world.rank + 1) % world.size)
                let previous = Source(rank: (world.rank + world.size - 1) % world.size)
                try world.send(1, to: next)
                try twin.send(2, to: next)
                try check(try twin.recv(Int.self, from: previous) == [2], "the twin's")
                try check(try world.recv(Int.self, from: previous) == [1], "the world's")
                let none = try world.split(color: world.rank == 0 ? nil : 7, key: 0)
                try check((none == nil) == (world.rank == 0), "a rank without a colour")
            }
        }
    }
}
