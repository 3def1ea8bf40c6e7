// The frame that starts every message on a link: 64 bytes, little-endian, as docs/PROTOCOL.md
// ("Frames") lists them. Pure: bytes in, value or refusal out, so that it can be fuzzed.

/// What a frame is for.
enum FrameType: UInt8, CaseIterable {
    /// A message with its payload.
    case eager = 1
    /// Announces a message whose payload waits until the receiver asks for it.
    case requestToSend
    /// The receiver's answer: its buffer is ready for `byteCount` bytes.
    case clearToSend
    /// The payload asked for.
    case rendezvousData
    /// Only tells the credit limit and what has arrived, which every other frame does as well.
    case credit
    /// The last frame of a rank that leaves in order.
    case bye
    /// The job has failed; the payload is the cause (`AbortCause`).
    case abort
    /// On relayed links, from the higher rank: a payload it asked for is here in full.
    case receipt
    /// The first frame on a connection that goes on with a link: where the sender stands.
    case resume
    /// A message whose payload goes through store number `request` under number `reply`.
    case storedMessage = 32
    /// The payload of stored message number `reply` is in its store.
    case storedPayload
}

/// Bounds that hold before any memory is allocated for a frame.
enum FrameLimit {
    /// Payload of an eager frame; ranks send less by default.
    static let eagerByteCountMax = 16 << 20
    /// Payload of an abort frame.
    static let abortByteCountMax = 4096
    /// Payload announced by a request to send; keeps sums of sizes within Int.
    static let messageByteCountMax = 1 << 62
    /// Ranks of a communicator, as a collective call has 24 bits for a root.
    static let rankMax = 0xFF_FFFE
}

/// One frame header. Fields that a type does not use are zero, and checked to be.
struct FrameHeader: Equatable {
    static let byteCount = 64
    /// The bytes "SM", so that a stream out of step is noticed at once.
    static let magic: UInt16 = 0x4D53

    var type: FrameType
    /// The sender's rank in the communicator's group.
    var source: Int32 = 0
    var tag: Int32 = 0
    /// Number of this frame on its link and direction, from 1, modulo 2^32; 0 for frames that are
    /// not counted and never sent again.
    var sequence: UInt32 = 0
    var contextID: UInt64 = 0
    /// `CollectiveCall.packed`, or 0 for the user's messages.
    var call: UInt64 = 0
    var payloadByteCount: Int = 0
    /// The addressee's request that this frame belongs to.
    var request: UInt64 = 0
    /// The sender's request that answers should name.
    var reply: UInt64 = 0
    /// How many bytes of eager messages the addressee may have sent in all (`CreditAccount`):
    /// whole KiB, modulo 2^42.
    var creditLimit: UInt64 = 0
    /// The last frame of the addressee that is here in full (`Receipts`).
    var acknowledged: UInt32 = 0

    /// Writes the 64 bytes.
    func encode(into target: UnsafeMutableRawPointer) {
        target.storeBytes(of: FrameHeader.magic.littleEndian, as: UInt16.self)
        target.storeBytes(of: type.rawValue, toByteOffset: 2, as: UInt8.self)
        target.storeBytes(of: 0, toByteOffset: 3, as: UInt8.self)
        target.storeBytes(of: source.littleEndian, toByteOffset: 4, as: Int32.self)
        target.storeBytes(of: tag.littleEndian, toByteOffset: 8, as: Int32.self)
        target.storeBytes(of: sequence.littleEndian, toByteOffset: 12, as: UInt32.self)
        target.storeBytes(of: contextID.littleEndian, toByteOffset: 16, as: UInt64.self)
        target.storeBytes(of: call.littleEndian, toByteOffset: 24, as: UInt64.self)
        target.storeBytes(
            of: UInt64(payloadByteCount).littleEndian, toByteOffset: 32, as: UInt64.self)
        target.storeBytes(of: request.littleEndian, toByteOffset: 40, as: UInt64.self)
        target.storeBytes(of: reply.littleEndian, toByteOffset: 48, as: UInt64.self)
        let creditUnits = UInt32(truncatingIfNeeded: creditLimit / creditUnit)
        target.storeBytes(of: creditUnits.littleEndian, toByteOffset: 56, as: UInt32.self)
        target.storeBytes(of: acknowledged.littleEndian, toByteOffset: 60, as: UInt32.self)
    }

    /// Are these 64 bytes the header of exactly this eager message, whatever they tell about their
    /// link? For whoever awaits it: `parse` asks more, and of every field alone.
    @inline(__always)
    static func isEager(
        _ bytes: UnsafeRawPointer, source: Int32, tag: Int32, contextID: UInt64, call: UInt64,
        payloadByteCount: Int
    ) -> Bool {
        func load(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        let start =
            UInt64(magic) | UInt64(FrameType.eager.rawValue) << 16
            | UInt64(UInt32(bitPattern: source)) << 32
        // The upper half of the second word is the frame's number.
        return load(0) == start && UInt32(truncatingIfNeeded: load(8)) == UInt32(bitPattern: tag)
            && load(16) == contextID && load(24) == call && load(32) == UInt64(payloadByteCount)
            && load(40) | load(48) == 0
    }

    /// How long the payload is that these 64 bytes announce, if they are a header.
    @inline(__always)
    static func payloadByteCount(_ bytes: UnsafeRawPointer) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self))
    }

    /// What a header tells about its link: `sequence`, `creditLimit` and `acknowledged`.
    @inline(__always)
    static func linkFields(
        _ bytes: UnsafeRawPointer
    ) -> (sequence: UInt32, creditLimit: UInt64, acknowledged: UInt32) {
        func load(_ offset: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        return (load(12), UInt64(load(56)) * creditUnit, load(60))
    }

    /// Reads and checks 64 bytes.
    static func parse(_ bytes: UnsafeRawPointer) throws(FrameRefusal) -> FrameHeader {
        func load<Value: FixedWidthInteger & BitwiseCopyable>(
            _ offset: Int, _ type: Value.Type
        ) -> Value {
            Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
        }
        guard load(0, UInt16.self) == magic else { throw .magic }
        guard let type = FrameType(rawValue: load(2, UInt8.self)) else { throw .type }
        guard load(3, UInt8.self) == 0 else { throw .flags }
        let length = load(32, UInt64.self)
        guard length <= type.payloadByteCountMax else { throw .length(type) }
        let frame = FrameHeader(
            type: type, source: load(4, Int32.self), tag: load(8, Int32.self),
            sequence: load(12, UInt32.self), contextID: load(16, UInt64.self),
            call: load(24, UInt64.self), payloadByteCount: Int(length),
            request: load(40, UInt64.self), reply: load(48, UInt64.self),
            creditLimit: UInt64(load(56, UInt32.self)) * creditUnit,
            acknowledged: load(60, UInt32.self))
        guard frame.hasProperFields else { throw .fields(type) }
        return frame
    }

    /// Does the frame have the fields its type needs, and no others?
    private var hasProperFields: Bool {
        switch type {
        case .eager, .requestToSend:
            tag >= 0 && source >= 0 && source <= FrameLimit.rankMax && contextID != 0
                && request == 0 && (type == .requestToSend) == (reply != 0)
        case .clearToSend:
            hasNoEnvelope && request != 0
        case .rendezvousData:
            hasNoEnvelope && request != 0 && reply == 0
        case .storedMessage:
            tag >= 0 && source >= 0 && source <= FrameLimit.rankMax && contextID != 0
                && request != 0 && reply != 0
        case .storedPayload:
            hasNoEnvelope && request == 0 && reply != 0
        case .credit:
            hasNoEnvelope && request == 0 && reply == 0 && sequence == 0
        case .resume:
            hasNoEnvelope && request != 0 && reply == 0 && sequence == 0
        case .bye, .abort, .receipt:
            hasNoEnvelope && request == 0 && reply == 0
        }
    }

    private var hasNoEnvelope: Bool {
        tag == 0 && source == 0 && contextID == 0 && call == 0
    }

    /// Bytes that follow this header on the link; a request to send only announces its own.
    var followingByteCount: Int {
        switch type {
        case .eager, .rendezvousData, .abort: payloadByteCount
        case .requestToSend, .clearToSend, .credit, .bye, .receipt, .resume: 0
        case .storedMessage, .storedPayload: 0
        }
    }
}

extension FrameType {
    /// Has the frame a number, and is it sent again if it did not arrive? The others say nothing
    /// that a later frame does not say as well.
    var isCounted: Bool { self != .credit && self != .resume }

    fileprivate var payloadByteCountMax: Int {
        switch self {
        case .eager: FrameLimit.eagerByteCountMax
        case .requestToSend, .clearToSend, .rendezvousData, .storedMessage, .resume:
            FrameLimit.messageByteCountMax
        case .abort: FrameLimit.abortByteCountMax
        case .credit, .bye, .receipt, .storedPayload: 0
        }
    }
}

/// Why 64 bytes are no frame.
enum FrameRefusal: Error, Equatable, CustomStringConvertible {
    case magic, type, flags
    case length(FrameType)
    case fields(FrameType)

    var description: String {
        switch self {
        case .magic: "no frame begins where one must (wrong magic number)"
        case .type: "unknown frame type"
        case .flags: "reserved flags are set"
        case .length(let type): "a frame of type \(type) is longer than allowed"
        case .fields(let type): "a frame of type \(type) has fields that do not belong to it"
        }
    }
}
