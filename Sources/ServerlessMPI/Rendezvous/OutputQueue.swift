// Bytes waiting to be written to one rank. A roster is the same for most ranks of a job, so long
// messages are kept as they are, shared between the queues of all connections, not copied.

struct OutputQueue {
    /// Messages from here on are not copied behind others.
    private static let sharedByteCountMin = 2048

    private var chunks: [[UInt8]] = []
    private var head = 0
    /// Bytes of the first chunk that are gone.
    private var position = 0
    /// May the last chunk grow?
    private var isTailOpen = false
    private(set) var byteCount = 0

    var isEmpty: Bool { byteCount == 0 }

    /// Appends a message behind its length.
    mutating func append(_ message: [UInt8]) {
        var header = ByteWriter()
        header.write(UInt32(message.count))
        byteCount += header.bytes.count + message.count
        appendCopy(header.bytes)
        if message.count < Self.sharedByteCountMin {
            appendCopy(message)
        } else {
            chunks.append(message)
            isTailOpen = false
        }
    }

    private mutating func appendCopy(_ bytes: [UInt8]) {
        if isTailOpen {
            chunks[chunks.count - 1] += bytes
        } else {
            chunks.append(bytes)
            isTailOpen = true
        }
    }

    /// The next bytes to write; until they are consumed they stay first, and more may follow them.
    func withFront<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard head < chunks.count else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return chunks[head].withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[position...]))
        }
    }

    /// The first `count` bytes, all of the front, have been written.
    mutating func consume(_ count: Int) {
        byteCount -= count
        position += count
        guard head < chunks.count, position == chunks[head].count else { return }
        chunks[head] = []
        head += 1
        position = 0
        guard head == chunks.count else { return }
        chunks = []
        head = 0
        isTailOpen = false
    }
}
