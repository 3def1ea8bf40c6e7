import CLinux
import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// One relay at work on real sockets, and relays that do evil.
@Suite struct RelaySpliceTests {
    /// Two ends whose bytes pass through a splice.
    final class Wire {
        let poll: EventPoll
        let splice: RelaySplice
        let left: Int32
        let right: Int32
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
        private(set) var byteCount = 0

        init() throws {
            poll = try EventPoll()
            let (left, innerLeft) = try connectedPair()
            let (right, innerRight) = try connectedPair()
            self.left = left
            self.right = right
            splice = RelaySplice(
                RelayTable.PairID(number: 1), poll: poll, (innerLeft, 1), (innerRight, 2))
        }

        deinit {
            splice.close()
            close(left)
            close(right)
            scratch.deallocate()
        }

        func turn() {
            for event in poll.wait(until: .now + .milliseconds(2)) where !splice.hasEnded {
                byteCount += splice.advance(event, scratch: scratch)
            }
        }
    }

    static func write(_ bytes: ArraySlice<UInt8>, _ socket: Int32) -> Int {
        guard case .bytes(let count) = bytes.withUnsafeBytes({ Socket.write(socket, $0) })
        else { return 0 }
        return count
    }

    /// What has come; nil at the end of the stream.
    static func read(_ socket: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 100_000)
        switch buffer.withUnsafeMutableBytes({ Socket.read(socket, $0) }) {
        case .bytes(let count): return Array(buffer.prefix(count))
        case .wouldBlock: return []
        case .endOfStream, .failed: return nil
        }
    }

    @Test(arguments: 0..<4)
    func `both directions arrive whole, then their ends, each by itself`(seed: UInt64) throws {
        let wire = try Wire()
        var random = JitterGenerator(state: seed)
        let sent = [pattern(3_000_000, from: 0, number: 1), pattern(1_000_000, from: 1, number: 2)]
        let sockets = [wire.left, wire.right]
        var positions = [0, 0]
        var received: [[UInt8]] = [[], []]
        var hasEnded = [false, false]
        for _ in 0..<20_000 where !(hasEnded[0] && hasEnded[1]) {
            for side in 0...1 where positions[side] < sent[side].count {
                let count = Int.random(in: 1...200_000, using: &random)
                positions[side] += Self.write(
                    sent[side][positions[side]...].prefix(count), sockets[side])
                if positions[side] == sent[side].count {
                    shutdown(sockets[side], Int32(SHUT_WR))
                }
            }
            wire.turn()
            for side in 0...1 where !hasEnded[side] && Bool.random(using: &random) {
                if let bytes = Self.read(sockets[side]) {
                    received[side] += bytes
                } else {
                    hasEnded[side] = true
                }
            }
        }
        expectSame(received[1], sent[0], "left to right, seed \(seed)")
        expectSame(received[0], sent[1], "right to left, seed \(seed)")
        #expect(wire.splice.hasEnded, "seed \(seed)")
        #expect(wire.byteCount == 4_000_000, "seed \(seed)")
    }

    @Test func `a receiver that does not read stops its sender, not the other direction`() throws {
        let wire = try Wire()
        let chunk = ArraySlice([UInt8](repeating: 7, count: 64 << 10))
        var sent = 0
        var idle = 0
        for _ in 0..<100_000 where idle < 50 {
            let count = Self.write(chunk, wire.left)
            sent += count
            idle = count == 0 ? idle + 1 : 0
            wire.turn()
        }
        #expect(idle == 50, "the sender was never stopped")
        let held = sent - wire.byteCount
        #expect(held > 0, "what is not read stays with the sender's system")
        #expect(Self.write([1, 2, 3], wire.right) == 3)
        for _ in 0..<10 { wire.turn() }
        #expect(Self.read(wire.left) == [1, 2, 3])
        var received = 0
        for _ in 0..<100_000 where received < sent {
            wire.turn()
            received += Self.read(wire.right)?.count ?? 0
        }
        #expect(received == sent)
    }

    @Test func `when one end is gone the other gets what it had sent, and the end`() throws {
        let wire = try Wire()
        #expect(Self.write([1, 2, 3], wire.left) == 3)
        shutdown(wire.left, Int32(SHUT_RDWR))
        for _ in 0..<20 { wire.turn() }
        #expect(Self.read(wire.right) == [1, 2, 3])
        #expect(Self.read(wire.right) == nil)
        close(wire.right)
        _ = Self.write([1], wire.left)
    }

    // MARK: Evil relays

    /// Relayed ends of two ranks and the relay's own ends of their connections.
    private static func ends(
        _ mode: EncryptionMode, _ ranks: (Int, Int) = (1, 2), believing: (Int, Int) = (2, 1)
    ) throws -> (PeerConnectionTests.End, PeerConnectionTests.End, Int32, Int32) {
        let (one, wireOne) = try PeerConnectionTests.tcpPair()
        let (two, wireTwo) = try PeerConnectionTests.tcpPair()
        let token = RelayToken.random()
        return (
            PeerConnectionTests.End(
                relayed: one, PeerConnectionTests.identity(ranks.0, mode), to: believing.0, token),
            PeerConnectionTests.End(
                relayed: two, PeerConnectionTests.identity(ranks.1, mode), to: believing.1, token),
            wireOne, wireTwo
        )
    }

    /// Carries bytes both ways, without the preambles; `change` may do what it likes to the first.
    private static func carry(
        _ one: PeerConnectionTests.End, _ two: PeerConnectionTests.End, _ wireOne: Int32,
        _ wireTwo: Int32, _ change: (inout [UInt8], _ position: Int) -> Void
    ) {
        var skipped = [0, 0]
        var position = 0
        for _ in 0..<300 where !(one.isDone && two.isDone) {
            one.step()
            two.step()
            for (side, wires) in [(wireOne, wireTwo), (wireTwo, wireOne)].enumerated() {
                var bytes = read(wires.0) ?? []
                let preamble = min(bytes.count, Preamble.byteCount - skipped[side])
                skipped[side] += preamble
                bytes.removeFirst(preamble)
                if side == 0 {
                    change(&bytes, position)
                    position += bytes.count
                }
                if !bytes.isEmpty { _ = write(bytes[...], wires.1) }
            }
            usleep(300)
        }
        close(wireOne)
        close(wireTwo)
    }

    @Test(arguments: [EncryptionMode.on, .none])
    func `an honest relay will do, and the link is encrypted in either mode`(
        _ mode: EncryptionMode
    ) throws {
        let (one, two, wireOne, wireTwo) = try Self.ends(mode)
        Self.carry(one, two, wireOne, wireTwo) { _, _ in }
        #expect(one.isDone && two.isDone)
        #expect(one.connection.tls != nil && two.connection.tls != nil)
        #expect(one.connection.isRelayed && two.connection.isRelayed)
    }

    @Test(arguments: [0, 5, 17, 30, 40, 60, 79, 90, 200, 300, 350])
    func `a relay that flips one bit is found out, with a cause`(position: Int) throws {
        for mode in [EncryptionMode.on, .none] {
            let (one, two, wireOne, wireTwo) = try Self.ends(mode)
            var hasFlipped = false
            Self.carry(one, two, wireOne, wireTwo) { bytes, start in
                guard position >= start, position < start + bytes.count else { return }
                bytes[position - start] ^= 0x40
                hasFlipped = true
            }
            #expect(hasFlipped, "byte \(position)")
            one.step()
            two.step()
            let causes = [one.failure, two.failure].compactMap { failure -> String? in
                switch failure {
                case .refused(let cause)?, .hopeless(let cause)?: cause
                default: nil
                }
            }
            #expect(!causes.isEmpty && causes.allSatisfy { !$0.isEmpty }, "byte \(position)")
            #expect(!(one.isDone && two.isDone), "byte \(position), encryption \(mode)")
        }
    }

    @Test func `a relay that swaps the ranks is refused by name of the cause`() throws {
        // Rank 1 wants to meet rank 2 and is given rank 3, which wants to meet rank 1.
        let (one, three, wireOne, wireThree) = try Self.ends(
            .on, (1, 3), believing: (2, 1))
        Self.carry(one, three, wireOne, wireThree) { _, _ in }
        #expect(one.failure == .hopeless("another rank is at this address"))
        #expect(three.failure != nil)
        #expect(!one.isAuthenticated && !three.isAuthenticated)
    }

    @Test func `a relay that joins in by itself has no key`() throws {
        let (one, _, wireOne, wireTwo) = try Self.ends(.none)
        defer { close(wireTwo) }
        let stranger = PeerConnectionTests.End(
            dialled: wireOne, PeerConnectionTests.identity(2, secret: .random()), to: 1)
        for _ in 0..<2 { one.step() }
        var preamble = [UInt8](repeating: 0, count: Preamble.byteCount)
        _ = preamble.withUnsafeMutableBytes { Socket.read(wireOne, $0) }
        PeerConnectionTests.drive(one, stranger)
        guard case .hopeless(let cause)? = one.failure else {
            Issue.record("\(String(describing: one.failure))")
            return
        }
        #expect(cause.contains("peer secret"))
    }
}
