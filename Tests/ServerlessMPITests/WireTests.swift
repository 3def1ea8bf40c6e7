// The bytes of frames: fixed by golden examples, and closed against anything else.

import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite("Frames")
struct WireTests {
    static let eager = FrameHeader(
        type: .eager, source: 3, tag: 0x0102_0304, sequence: 7, contextID: 0x1122_3344_5566_7788,
        call: 0x99, payloadByteCount: 258, creditLimit: 0x0100_0000,
        acknowledged: 0xA1B2_C3D4)

    @Test("an eager frame has the bytes of the protocol description")
    func goldenEager() {
        #expect(
            bytes(of: Self.eager) == [
                0x53, 0x4D, 1, 0, 3, 0, 0, 0, 4, 3, 2, 1, 7, 0, 0, 0,
                0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x99, 0, 0, 0, 0, 0, 0, 0,
                2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0xD4, 0xC3, 0xB2, 0xA1,
            ])
    }

    @Test("a clear to send has the bytes of the protocol description")
    func goldenClearToSend() {
        let frame = FrameHeader(
            type: .clearToSend, sequence: 1, payloadByteCount: 1 << 33, request: 0xA1, reply: 0xB2)
        var expected = [UInt8](repeating: 0, count: 64)
        expected.replaceSubrange(0..<3, with: [0x53, 0x4D, 3])
        expected[12] = 1
        expected[36] = 2
        expected[40] = 0xA1
        expected[48] = 0xB2
        #expect(bytes(of: frame) == expected)
    }

    @Test("a resume frame has the bytes of the protocol description")
    func goldenResume() {
        let frame = FrameHeader(
            type: .resume, payloadByteCount: 0x0102_0304, request: 2, creditLimit: 3 << 20,
            acknowledged: 0x0506)
        var expected = [UInt8](repeating: 0, count: 64)
        expected.replaceSubrange(0..<3, with: [0x53, 0x4D, 9])
        expected.replaceSubrange(32..<36, with: [4, 3, 2, 1])
        expected[40] = 2
        expected.replaceSubrange(56..<60, with: [0, 12, 0, 0])
        expected.replaceSubrange(60..<62, with: [6, 5])
        #expect(bytes(of: frame) == expected)
    }

    @Test("a credit frame has the bytes of the protocol description")
    func goldenCredit() {
        var expected = [UInt8](repeating: 0, count: 64)
        expected.replaceSubrange(0..<3, with: [0x53, 0x4D, 5])
        expected.replaceSubrange(56..<60, with: [0, 4, 0, 0])
        expected[60] = 9
        #expect(
            bytes(of: FrameHeader(type: .credit, creditLimit: 1 << 20, acknowledged: 9))
                == expected)
    }

    @Test("frames that are not counted have no number")
    func uncounted() {
        for type in [FrameType.credit, .resume] {
            var frame = bytes(of: Self.sample(type))
            frame[12] = 1
            #expect(throws: FrameRefusal.fields(type)) { try parse(frame) }
        }
    }

    @Test("every type survives the way there and back", arguments: FrameType.allCases)
    func roundTrip(type: FrameType) throws {
        let frame = Self.sample(type)
        #expect(try parse(bytes(of: frame)) == frame)
    }

    /// What the shortcut of whoever awaits an eager message must tell apart: everything but the
    /// fields of the link.
    @Test("an awaited header is recognised by every byte but those about its link")
    func awaited() throws {
        let header = bytes(of: Self.eager)
        #expect(isAwaited(header))
        for (position, bit) in (0..<header.count).flatMap({ byte in (0..<8).map { (byte, $0) } }) {
            var other = header
            other[position] ^= 1 << bit
            let tellsOfLink = (12..<16).contains(position) || position >= 56
            #expect(isAwaited(other) == tellsOfLink, "byte \(position), bit \(bit)")
        }
        let fields = header.withUnsafeBytes { $0.baseAddress.map(FrameHeader.linkFields) }
        let parsed = try parse(header)
        #expect(fields?.sequence == parsed.sequence)
        #expect(fields?.creditLimit == parsed.creditLimit)
        #expect(fields?.acknowledged == parsed.acknowledged)
    }

    private func isAwaited(_ header: [UInt8]) -> Bool {
        header.withUnsafeBytes { header in
            guard let start = header.baseAddress else { return false }
            return FrameHeader.isEager(
                start, source: Self.eager.source, tag: Self.eager.tag,
                contextID: Self.eager.contextID, call: Self.eager.call,
                payloadByteCount: Self.eager.payloadByteCount)
        }
    }

    @Test("wrong headers are refused with their reason")
    func refusals() {
        func refusal(_ change: (inout [UInt8]) -> Void) -> FrameRefusal? {
            var bytes = bytes(of: Self.eager)
            change(&bytes)
            do throws(FrameRefusal) {
                _ = try parse(bytes)
                return nil
            } catch {
                return error
            }
        }
        #expect(refusal { $0[0] = 0 } == .magic)
        #expect(refusal { $0[2] = 0 } == .type)
        #expect(refusal { $0[2] = 10 } == .type)
        #expect(refusal { $0[3] = 1 } == .flags)
        #expect(refusal { $0[39] = 0xFF } == .length(.eager))
        #expect(refusal { $0[35] = 2 } == .length(.eager))
        #expect(refusal { $0[11] = 0x80 } == .fields(.eager))
        #expect(refusal { $0[7] = 0x80 } == .fields(.eager))
        #expect(refusal { $0[40] = 1 } == .fields(.eager))
        #expect(
            refusal { $0.replaceSubrange(16..<24, with: Array(repeating: 0, count: 8)) }
                == .fields(.eager))
    }

    @Test("mutated headers are refused or are headers of bounded length", arguments: 0..<4)
    func mutations(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        for round in 0..<5000 {
            var bytes = bytes(of: Self.sample(FrameType.allCases[round % FrameType.allCases.count]))
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<64, using: &random)] ^=
                    UInt8.random(in: 1...255, using: &random)
            }
            guard let frame = try? parse(bytes) else { continue }
            #expect(self.bytes(of: frame) == bytes, "seed \(seed), round \(round)")
            #expect(frame.type != .eager || frame.payloadByteCount <= FrameLimit.eagerByteCountMax)
            #expect(frame.type != .abort || frame.payloadByteCount <= FrameLimit.abortByteCountMax)
        }
    }

    @Test("a cause of failure survives the way there and back")
    func abortCause() {
        let error = MPIError(
            .mismatchedCollective, operation: "bcast", reason: "Grüße — ✓", peer: 3, tag: nil,
            expectedByteCount: 8, actualByteCount: 16, underlying: -5)
        let bytes = AbortCause.encode(error)
        #expect(bytes.withUnsafeBytes { AbortCause.decode($0) } == error)
        #expect(bytes.count <= FrameLimit.abortByteCountMax)
        var long = error
        long.reason = String(repeating: "é", count: 100_000)
        #expect(AbortCause.encode(long).count <= FrameLimit.abortByteCountMax)
        for length in 0..<bytes.count {
            #expect(bytes[..<length].withUnsafeBytes { AbortCause.decode($0) } == nil)
        }
    }

    @Test("mutated causes never crash", arguments: 0..<4)
    func mutatedCauses(seed: Int) {
        var random = Seeded(UInt64(seed))
        let original = AbortCause.encode(MPIError(.peerLost, operation: "recv", reason: "gone"))
        for _ in 0..<2000 {
            var bytes = original
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(
                in: 0...255, using: &random)
            _ = bytes.withUnsafeBytes { AbortCause.decode($0) }
        }
    }

    @Test("credit is a cumulative limit that only grows")
    func credit() {
        var send = SendCredit()
        var receive = ReceiveCredit(window: 1 << 20)
        let taken = (send.take(initialCreditByteCount), send.take(1))
        #expect(taken == (true, false))
        let received = (receive.receive(initialCreditByteCount), receive.receive(1))
        #expect(received == (true, false))
        let limit = receive.advertise()
        send.raise(to: limit)
        send.raise(to: 5)
        #expect(limit == 1 << 20 && send.limit == limit)
        #expect(!receive.isDue)
        receive.consume(initialCreditByteCount)
        #expect(!receive.isDue)
        let isWithinLimit = receive.receive(1 << 19)
        #expect(isWithinLimit)
        receive.consume(1 << 19)
        #expect(receive.isDue)
        let newLimit = receive.advertise()
        #expect(newLimit == (1 << 20) + initialCreditByteCount + (1 << 19))
    }

    @Test("a limit goes on beyond what its 32 bits can say")
    func creditWraps() {
        var send = SendCredit()
        let step: UInt64 = 1 << 30
        var limit: UInt64 = 0
        for _ in 0..<10_000 {
            limit += step
            send.raise(to: limit % (1 << 42))
            if send.limit != limit { break }
        }
        #expect(send.limit == limit && limit > 1 << 43)
    }

    static func sample(_ type: FrameType) -> FrameHeader {
        switch type {
        case .eager: eager
        case .requestToSend:
            FrameHeader(
                type: type, source: 1, sequence: 2, contextID: 1, call: 77,
                payloadByteCount: 1 << 40, reply: 9)
        case .clearToSend:
            FrameHeader(type: type, sequence: 3, payloadByteCount: 4, request: 5, reply: 6)
        case .rendezvousData:
            FrameHeader(type: type, sequence: 3, payloadByteCount: 1 << 50, request: 5)
        case .storedMessage:
            FrameHeader(
                type: type, source: 1, tag: 3, sequence: 4, contextID: 1, call: 77,
                payloadByteCount: 1 << 40, request: 2, reply: 9)
        case .storedPayload:
            FrameHeader(type: type, sequence: 5, reply: 9)
        case .bye, .receipt:
            FrameHeader(type: type, sequence: 8, creditLimit: 1 << 30)
        case .credit:
            FrameHeader(type: type, creditLimit: 1 << 41, acknowledged: 7)
        case .resume:
            FrameHeader(type: type, payloadByteCount: 1 << 41, request: 3, acknowledged: 7)
        case .abort:
            FrameHeader(type: type, sequence: 8, payloadByteCount: 100)
        }
    }

    private func bytes(of frame: FrameHeader) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { target in
            if let base = target.baseAddress { frame.encode(into: base) }
        }
        return bytes
    }

    private func parse(_ bytes: [UInt8]) throws(FrameRefusal) -> FrameHeader {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        guard let base = copy.baseAddress else { throw .magic }
        return try FrameHeader.parse(base)
    }
}
