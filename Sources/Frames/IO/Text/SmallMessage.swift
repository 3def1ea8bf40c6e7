// Short structured messages (a header line, an error) as bytes, for broadcasts that happen once per
// file.

/// Integers and texts, appended in an order that the reader knows.
struct SmallMessage {
    private(set) var bytes: [UInt8] = []
    private var next = 0
    /// Was anything taken that is not there? Whoever reads what others wrote asks at the end.
    private(set) var isMalformed = false

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

    /// The next integer; 0 where there is none.
    mutating func takeInt() -> Int {
        guard bytes.count - next >= 8 else {
            isMalformed = true
            return 0
        }
        defer { next += 8 }
        return bytes.withUnsafeBytes {
            Int(Int64(littleEndian: $0.loadUnaligned(fromByteOffset: next, as: Int64.self)))
        }
    }

    /// How many integers or texts follow, or bytes: never more than there are bytes; 0 where the
    /// message says otherwise.
    mutating func takeCount() -> Int {
        let count = takeInt()
        guard (0...bytes.count - next).contains(count) else {
            isMalformed = true
            return 0
        }
        return count
    }

    /// The next text; empty where there is none.
    mutating func takeText() -> String {
        let count = takeCount()
        defer { next += count }
        return String(decoding: bytes[next..<next + count], as: UTF8.self)
    }
}
