// Network byte order, which STUN uses throughout; the project's own messages are little-endian.

/// Appends big-endian fields to a byte array.
struct BigEndianWriter {
    var bytes: [UInt8] = []

    mutating func write<I: FixedWidthInteger>(_ value: I) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}

extension Array where Element == UInt8 {
    /// The integer that begins at `offset`, which the caller knows to be inside.
    func bigEndian<I: FixedWidthInteger>(_: I.Type, at offset: Int) -> I {
        var value: I = 0
        for byte in self[offset..<offset + I.bitWidth / 8] {
            value = value << 8 | I(truncatingIfNeeded: byte)
        }
        return value
    }
}
