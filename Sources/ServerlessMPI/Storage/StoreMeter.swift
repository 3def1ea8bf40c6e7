// Counts what a rank asks of its store, because that is what a storage service bills.

import MessagePassing
import Synchronization

final class StoreMeter: Sendable {
    private let writes = Atomic<Int>(0)
    private let reads = Atomic<Int>(0)
    private let removals = Atomic<Int>(0)
    private let bytesWritten = Atomic<Int>(0)
    private let bytesRead = Atomic<Int>(0)

    func write(_ byteCount: Int = 0) {
        writes.add(1, ordering: .relaxed)
        bytesWritten.add(byteCount, ordering: .relaxed)
    }

    func read(_ byteCount: Int = 0) {
        reads.add(1, ordering: .relaxed)
        bytesRead.add(byteCount, ordering: .relaxed)
    }

    /// Bytes of a read that has been counted.
    func readBytes(_ byteCount: Int) { bytesRead.add(byteCount, ordering: .relaxed) }

    func removal() { removals.add(1, ordering: .relaxed) }

    var traffic: StoreTraffic {
        StoreTraffic(
            writes: writes.load(ordering: .relaxed), reads: reads.load(ordering: .relaxed),
            removals: removals.load(ordering: .relaxed),
            bytesWritten: bytesWritten.load(ordering: .relaxed),
            bytesRead: bytesRead.load(ordering: .relaxed))
    }
}
