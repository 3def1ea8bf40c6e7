// Writing and reading the fixed little-endian layouts of the control messages. The reader knows
// where its bytes end and throws instead of trapping: its input comes from strangers.

/// The bytes are not what the protocol says; `reason` names the field, never its content.
struct MalformedMessage: Error, Equatable {
    var reason: String
}

/// Appends little-endian fields to a byte array.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write<I: FixedWidthInteger>(_ value: I) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(bytes more: some Sequence<UInt8>) {
        bytes.append(contentsOf: more)
    }
}

/// Reads little-endian fields from untrusted bytes.
struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    var remaining: Int { bytes.endIndex - position }

    mutating func read<I: FixedWidthInteger>(
        _: I.Type, _ field: String
    ) throws(MalformedMessage) -> I {
        let width = I.bitWidth / 8
        guard remaining >= width else { throw MalformedMessage(reason: "\(field) is cut off") }
        var value: I = 0
        for offset in 0..<width {
            value |= I(truncatingIfNeeded: bytes[position + offset]) << I(8 * offset)
        }
        position += width
        return value
    }

    mutating func read(count: Int, _ field: String) throws(MalformedMessage) -> [UInt8] {
        guard count >= 0, remaining >= count else {
            throw MalformedMessage(reason: "\(field) is cut off")
        }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    /// Every message ends where its last field ends.
    func finish() throws(MalformedMessage) {
        guard remaining == 0 else {
            throw MalformedMessage(reason: "\(remaining) bytes too many")
        }
    }
}
