// Copying a long message with both hands: sender and receiver share the work while they wait.

import Synchronization

/// A long message on its way from the sender's memory into the receiver's, in chunks.
///
/// The rank that comes second finds its partner waiting. Were it to copy alone, an exchange in
/// both directions would run on one core; so whoever waits for either end claims chunks.
final class Transfer: @unchecked Sendable {
    /// Messages longer than this are worth sharing.
    static let chunkByteCount = 512 << 10

    private let source: UnsafeRawPointer
    private let target: UnsafeMutableRawPointer
    private let byteCount: Int
    private let send: OperationPointer
    private let receive: OperationPointer
    private let claimed = Atomic<Int>(0)
    private let copied = Atomic<Int>(0)

    init(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int,
        send: OperationPointer, receive: OperationPointer
    ) {
        self.source = source
        self.target = target
        self.byteCount = byteCount
        self.send = send
        self.receive = receive
    }

    /// Copies up to `chunkCount` chunks that nobody else has claimed. The rank that copies the
    /// last one completes both ends.
    func help(chunkCount: Int = .max) {
        var chunks = 0
        while chunks < chunkCount {
            chunks += 1
            let start = claimed.add(Self.chunkByteCount, ordering: .relaxed).oldValue
            if start >= byteCount { return }
            let count = min(Self.chunkByteCount, byteCount - start)
            (target + start).copyMemory(from: source + start, byteCount: count)
            let sum = copied.add(count, ordering: .acquiringAndReleasing).newValue
            if sum == byteCount {
                receive.complete()
                send.complete()
                return
            }
        }
    }
}
