// Frames, causes, hellos and preambles: what arrives on a connection between ranks.

import MessagePassing

@testable import ServerlessMPI

extension FuzzTarget {
    static let wire: [FuzzTarget] = [
        FuzzTarget(name: "frame", seeds: { FrameType.allCases.map { header($0) } }) { bytes in
            guard bytes.count >= FrameHeader.byteCount else { return }
            bytes.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress, let frame = try? FrameHeader.parse(base)
                else { return }
                let again = encoded(frame)
                require(
                    again.elementsEqual(bytes.prefix(FrameHeader.byteCount)),
                    "a frame is written otherwise than it was read")
                require(
                    frame.type != .eager || frame.payloadByteCount <= FrameLimit.eagerByteCountMax,
                    "an eager frame of \(frame.payloadByteCount) bytes")
            }
        },
        FuzzTarget(name: "abort-cause", seeds: { [AbortCause.encode(cause)] }) { bytes in
            guard let cause = bytes.withUnsafeBytes({ AbortCause.decode($0) }) else { return }
            let again = AbortCause.encode(cause)
            require(
                again.withUnsafeBytes { AbortCause.decode($0) } == cause, "a cause changes")
        },
        FuzzTarget(name: "hello", seeds: { [hello] }) { bytes in
            let head = Array(bytes.prefix(PeerHello.byteCount))
            guard let hello = try? PeerHello(decoding: head) else { return }
            require(
                hello.encodedWithoutProof.prefix(52).elementsEqual(head.prefix(52)),
                "a hello is written otherwise than it was read")
            require(!PeerHello.isAuthentic(head, key: key) || head == Self.hello, "forged")
        },
        FuzzTarget(
            name: "preamble",
            seeds: { Preamble.Purpose.allCases.map { Preamble($0, id: Array(0..<16)).encoded } }
        ) { bytes in
            if let preamble = try? Preamble(decoding: bytes) {
                require(preamble.encoded == bytes, "a preamble changes")
            }
        },
        FuzzTarget(name: "stored-frame", seeds: { [storedFrame] }) { bytes in
            if let frame = try? StoredFrame(decoding: bytes[...]) {
                require(
                    (try? StoredFrame(decoding: frame.encoded()[...])) == frame, "a frame changes")
            }
        },
        FuzzTarget(name: "replay", seeds: { [[1, 2, 3, 4, 5, 6, 7, 8]] }, run: replay),
    ]

    static let key = Secret([UInt8](repeating: 9, count: 32))

    private static let hello = PeerHello(
        encryption: .on, epoch: 1, sender: 0, receiver: 1, jobTag: PeerHello.jobTag("job"),
        nonce: Array(0..<16)
    ).encoded(key: key)

    static let cause = MPIError(
        .peerLost, operation: "recv", reason: "gone", peer: 2, tag: 7, underlying: 104)

    private static var storedFrame: [UInt8] {
        var frame = StoredFrame()
        frame.sender = 3
        frame.contextID = 1
        frame.payloadByteCount = 100
        return frame.encoded()
    }

    static func header(_ type: FrameType, _ change: (inout FrameHeader) -> Void = { _ in })
        -> [UInt8]
    {
        var frame = FrameHeader(type: type)
        if type.isCounted { frame.sequence = 1 }
        switch type {
        case .eager, .requestToSend, .storedMessage:
            frame.source = 1
            frame.contextID = worldContextID
            if type != .eager { frame.reply = 9 }
            if type == .storedMessage { frame.request = 1 }
        case .clearToSend:
            frame.request = 1
            frame.reply = 2
        case .rendezvousData, .resume: frame.request = 1
        case .storedPayload: frame.reply = 1
        case .credit, .bye, .abort, .receipt: break
        }
        change(&frame)
        return encoded(frame)
    }

    private static func encoded(_ frame: FrameHeader) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { target in
            if let base = target.baseAddress { frame.encode(into: base) }
        }
        return bytes
    }

    /// A sender's queue and ring under acknowledgements and positions that a peer makes up.
    @Sendable private static func replay(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var queue = SendQueue()
        let frames = Slab<OutgoingFrame>()
        defer {
            queue.destroy()
            frames.destroy()
        }
        queue.keep(ringByteCount: 400)
        var receipts = Receipts()
        while !input.isEmpty {
            switch input.byte() % 6 {
            case 0, 1:
                let index = frames.take()
                frames[index].payloadByteCount = Int(input.byte())
                frames[index].isCounted = true
                _ = queue.nextNumber()
                if let piece = queue.takeRoom(frames[index].payloadByteCount) {
                    frames[index].ringExtent = piece.extent
                }
                queue.append(index, frames)
            case 2:
                guard queue.head != noSlot else { continue }
                let head = queue.head
                frames[head].written += min(frames[head].remaining, Int(input.byte()))
                if frames[head].remaining == 0 { _ = queue.finishHead(frames) }
            case 3:
                if !queue.isHeld { _ = queue.acknowledge(UInt32(input.byte()), frames) { _ in } }
            case 4:
                queue.cut(frames)
                _ = queue.resume(
                    after: UInt32(input.byte()), remaining: input.number(), frames
                ) { _ in }
            default:
                if receipts.begin(UInt32(input.byte()), byteCount: Int(input.byte())) {
                    receipts.complete()
                }
                require(receipts.completed <= receipts.begun, "completed before begun")
            }
        }
    }
}
