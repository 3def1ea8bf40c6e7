// The packets on a long wire: a queue with due times. Time is passed in, so it can be tested.

/// Packets in the order in which they came; all stay the same time, so they leave in that order.
struct DelayQueue {
    /// What a router's buffer of that length would hold; more is dropped, as there.
    static let byteCountMax = 64 << 20

    private let delayNanoseconds: UInt64
    private var packets: [(due: UInt64, bytes: [UInt8])] = []
    private var first = 0
    private var byteCount = 0

    init(delay: Duration) {
        delayNanoseconds = UInt64(max(0, delay / .nanoseconds(1)))
    }

    /// When the next packet leaves, in nanoseconds; nil if there is none.
    var nextDue: UInt64? { first < packets.count ? packets[first].due : nil }

    mutating func add(_ packet: UnsafeRawBufferPointer, now: UInt64) {
        guard byteCount + packet.count <= DelayQueue.byteCountMax else { return }
        byteCount += packet.count
        packets.append((now + delayNanoseconds, Array(packet)))
    }

    /// The next packet whose time has come.
    mutating func take(now: UInt64) -> [UInt8]? {
        guard let due = nextDue, due <= now else { return nil }
        let bytes = packets[first].bytes
        packets[first].bytes = []
        first += 1
        byteCount -= bytes.count
        if first == packets.count || first > 4096 && first > packets.count / 2 {
            packets.removeFirst(first)
            first = 0
        }
        return bytes
    }
}
