// Short structured messages (a header line, an error) as bytes, for broadcasts that happen once per
// file.

/// Integers and texts, appended in an order that the reader knows.
struct SmallMessage {
    private(set) var bytes: [UInt8] = []
    private var next = 0

    init() {}
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func put(_ value: Int) {
        withUnsafeBytes(of: UInt64(bitPattern: Int64(value)).littleEndian) {
            bytes.append(contentsOf: $0)
        }
    }

    mutating func put(_ text: String) {
        put(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    mutating func append(_ other: SmallMessage) {
        bytes.append(contentsOf: other.bytes)
    }

    mutating func takeInt() -> Int {
        precondition(next + 8 <= bytes.count, "a message shorter than its contents")
        defer { next += 8 }
        return bytes.withUnsafeBytes {
            Int(Int64(littleEndian: $0.loadUnaligned(fromByteOffset: next, as: Int64.self)))
        }
    }

    mutating func takeText() -> String {
        let count = takeInt()
        precondition(count >= 0 && next + count <= bytes.count, "a text longer than its message")
        defer { next += count }
        return String(decoding: bytes[next..<next + count], as: UTF8.self)
    }
}
