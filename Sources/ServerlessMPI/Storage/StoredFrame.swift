// A message's envelope as it lies in a store, before or beside its payload. Pure.

import MessagePassing

/// 48 bytes, little-endian: version, where the payload is, sender in the world, context, sender in
/// the communicator, tag, call, length, number.
struct StoredFrame: Sendable, Equatable {
    static let byteCount = 48
    private static let version: UInt8 = 1
    /// No message is longer; guards against a damaged length.
    static let payloadByteCountMax = 1 << 42

    enum Place: UInt8, Sendable {
        /// With the frame.
        case inline = 0
        /// Under a key of its own, for one receiver, who removes it.
        case apart = 1
        /// Under a key of its own, for several receivers.
        case shared = 2
        /// The payload is the cause of the job's failure.
        case abort = 3
    }

    var place = Place.inline
    /// World rank of the sender.
    var sender = 0
    var contextID: UInt64 = 0
    /// The sender's rank in the communicator.
    var source = 0
    var tag = Tag.zero
    var call: UInt64 = 0
    var payloadByteCount = 0
    /// The sender's own number of the payload or of the message.
    var number: UInt64 = 0

    var envelope: Envelope {
        Envelope(
            contextID: contextID, source: source, tag: tag, call: call,
            byteCount: payloadByteCount)
    }

    var status: Status { Status(source: source, tag: tag, byteCount: payloadByteCount) }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.version)
        writer.write(place.rawValue)
        writer.write(UInt16(0))
        writer.write(UInt32(sender))
        writer.write(contextID)
        writer.write(UInt32(source))
        writer.write(tag.rawValue)
        writer.write(call)
        writer.write(UInt64(payloadByteCount))
        writer.write(number)
        return writer.bytes
    }

    /// - Errors: `MalformedMessage` for anything another version or nobody of ours has written.
    init(decoding bytes: ArraySlice<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        guard try reader.read(UInt8.self, "version") == Self.version else {
            throw MalformedMessage(reason: "a frame of another version")
        }
        guard let place = Place(rawValue: try reader.read(UInt8.self, "place")) else {
            throw MalformedMessage(reason: "an unknown place")
        }
        _ = try reader.read(UInt16.self, "reserved")
        self.place = place
        sender = Int(try reader.read(UInt32.self, "sender"))
        contextID = try reader.read(UInt64.self, "context")
        source = Int(try reader.read(UInt32.self, "source"))
        tag = Tag(rawValue: try reader.read(Int32.self, "tag"))
        call = try reader.read(UInt64.self, "call")
        let length = try reader.read(UInt64.self, "length")
        guard length <= UInt64(Self.payloadByteCountMax) else {
            throw MalformedMessage(reason: "a length beyond all bounds")
        }
        payloadByteCount = Int(length)
        number = try reader.read(UInt64.self, "number")
        try reader.finish()
    }

    init() {}
}

extension StoredFrame {
    var hex: String { hexDigits(encoded()) }

    init(hex: String) throws(MalformedMessage) {
        let digits = Array(hex.utf8)
        guard digits.count == 2 * Self.byteCount else {
            throw MalformedMessage(reason: "a frame of \(digits.count) digits")
        }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = hexValue(digits[index]), let low = hexValue(digits[index + 1]) else {
                throw MalformedMessage(reason: "a frame with other characters than digits")
            }
            bytes.append(high << 4 | low)
        }
        try self.init(decoding: bytes[...])
    }
}
