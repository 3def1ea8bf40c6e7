// What collectives cost, counted: a count that grows is a slower program on every transport.

import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@Suite struct TrafficTests {
    static let sizes = [1, 2, 3, 4, 5, 8]

    @Test("alltoallv with given counts sends size - 1 messages per rank", arguments: sizes)
    func givenCounts(size: Int) throws {
        let traffic = try ThreadMPI.run(size: size, timeout: patience) { world in
            let counts = Array(repeating: 3, count: world.size)
            let elements = Array(repeating: world.rank, count: 3 * world.size)
            let received = try world.alltoallv(elements.span, counts: counts, recvCounts: counts)
            let expected = (0..<world.size).flatMap { [$0, $0, $0] }
            try check(received.elements == expected, "\(received.elements)")
        }
        #expect(traffic.messages == Array(repeating: size - 1, count: size), "size \(size)")
        #expect(traffic.bytes == Array(repeating: 24 * (size - 1), count: size), "size \(size)")
    }

    @Test("learned counts cost exactly one exchange of a number per pair", arguments: sizes)
    func learnedCounts(size: Int) throws {
        let traffic = try ThreadMPI.run(size: size, timeout: patience) { world in
            let counts = Array(repeating: 3, count: world.size)
            let elements = Array(repeating: world.rank, count: 3 * world.size)
            _ = try world.alltoallv(elements.span, counts: counts)
        }
        #expect(traffic.messages == Array(repeating: 2 * (size - 1), count: size), "size \(size)")
        #expect(traffic.bytes == Array(repeating: 32 * (size - 1), count: size), "size \(size)")
    }

    @Test("empty parts of an alltoallv send nothing", arguments: sizes)
    func emptyParts(size: Int) throws {
        let traffic = try ThreadMPI.run(size: size, timeout: patience) { world in
            // A ring: everything goes to the next rank.
            var counts = Array(repeating: 0, count: world.size)
            var recvCounts = counts
            counts[(world.rank + 1) % world.size] = 2
            recvCounts[(world.rank + world.size - 1) % world.size] = 2
            let elements = [world.rank, world.rank]
            _ = try world.alltoallv(elements.span, counts: counts, recvCounts: recvCounts)
        }
        #expect(traffic.messages == Array(repeating: size > 1 ? 1 : 0, count: size))
    }

    @Test("a barrier takes ⌈log₂ size⌉ empty messages per rank", arguments: sizes)
    func barrier(size: Int) throws {
        let traffic = try ThreadMPI.run(size: size, timeout: patience) { try $0.barrier() }
        let steps = (0..<8).first { 1 << $0 >= size }
        #expect(traffic.messages == Array(repeating: steps ?? 0, count: size), "size \(size)")
        #expect(traffic.bytes.allSatisfy { $0 == 0 }, "size \(size)")
    }

    @Test("duplicating a communicator sends nothing")
    func dup() throws {
        let traffic = try ThreadMPI.run(size: 4, timeout: patience) { world in
            let twin = try world.dup()
            try check(twin.rank == world.rank && twin.size == world.size, "\(twin.rank)")
        }
        #expect(traffic.messages == [0, 0, 0, 0])
    }

    @Test("the hook sees every message before it is sent")
    func hook() throws {
        let seen = Mutex<[ThreadMPI.SentMessage]>([])
        let record: @Sendable (ThreadMPI.SentMessage) -> Void = { message in
            seen.withLock { $0.append(message) }
        }
        try ThreadMPI.run(size: 2, timeout: patience, onSend: record) { world in
            if world.rank == 0 { try world.send(1, to: 1, tag: 9) }
            if world.rank == 1 { _ = try world.recv(Int.self, from: 0, tag: 9) }
        }
        let messages = seen.withLock { $0 }
        #expect(messages.count == 1)
        #expect(messages.first?.destination == 1 && messages.first?.tag == 9)
        #expect(messages.first?.byteCount == 8 && messages.first?.context == .pointToPoint)
    }
}
