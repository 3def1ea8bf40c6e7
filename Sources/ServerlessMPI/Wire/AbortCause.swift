// The payload of an abort frame: an MPIError in at most 4096 bytes, so that every rank throws the
// cause the first one found. Pure; the layout is in docs/PROTOCOL.md ("Abort").
import MessagePassing

/// Bytes of an `MPIError`. Connection candidates stay at home: they describe one rank's attempts.
enum AbortCause {
    /// The longest text kept of each string field, in bytes of UTF-8.
    private static let nameByteCountMax = 64
    private static let reasonByteCountMax = 2048

    static func encode(_ error: MPIError) -> [UInt8] {
        var bytes: [UInt8] = []
        append(error.code.name, limit: nameByteCountMax, to: &bytes)
        append(error.operation, limit: nameByteCountMax, to: &bytes)
        append(error.reason, limit: reasonByteCountMax, to: &bytes)
        let numbers = [
            error.peer, error.tag, error.expectedByteCount, error.actualByteCount,
            error.underlying.map { Int($0) },
        ]
        for number in numbers {
            bytes.append(number == nil ? 0 : 1)
            withUnsafeBytes(of: Int64(number ?? 0).littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    /// Nil for bytes that are no cause.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> MPIError? {
        var reader = Reader(bytes: bytes)
        guard let code = reader.text(nameByteCountMax), !code.isEmpty,
            let operation = reader.text(nameByteCountMax),
            let reason = reader.text(reasonByteCountMax)
        else { return nil }
        var numbers: [Int?] = []
        for _ in 0..<5 {
            guard let present = reader.byte(), present <= 1, let value = reader.int64() else {
                return nil
            }
            numbers.append(present == 1 ? Int(value) : nil)
        }
        guard reader.isAtEnd else { return nil }
        return MPIError(
            MPIError.Code(code), operation: operation, reason: reason, peer: numbers[0],
            tag: numbers[1], expectedByteCount: numbers[2], actualByteCount: numbers[3],
            underlying: numbers[4].map { Int32(truncatingIfNeeded: $0) })
    }

    /// A 16-bit length, then UTF-8, cut between characters where it is too long.
    private static func append(_ text: String, limit: Int, to bytes: inout [UInt8]) {
        var kept: [UInt8] = []
        for character in text {
            let encoded = Array(String(character).utf8)
            if kept.count + encoded.count > limit { break }
            kept += encoded
        }
        bytes.append(UInt8(kept.count & 0xFF))
        bytes.append(UInt8(kept.count >> 8))
        bytes += kept
    }

    private struct Reader {
        let bytes: UnsafeRawBufferPointer
        var position = 0

        var isAtEnd: Bool { position == bytes.count }

        mutating func byte() -> UInt8? {
            guard position < bytes.count else { return nil }
            defer { position += 1 }
            return bytes[position]
        }

        mutating func int64() -> Int64? {
            guard bytes.count - position >= 8 else { return nil }
            defer { position += 8 }
            return Int64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Int64.self))
        }

        mutating func text(_ limit: Int) -> String? {
            guard let low = byte(), let high = byte() else { return nil }
            let length = Int(high) << 8 | Int(low)
            guard length <= limit, length <= bytes.count - position else { return nil }
            defer { position += length }
            // Repaired text would be longer than what came, and no longer fit.
            return String(validating: bytes[position..<position + length], as: UTF8.self)
        }
    }
}
