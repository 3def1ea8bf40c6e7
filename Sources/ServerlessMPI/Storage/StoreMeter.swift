// Counts what a rank asks of its store, because that is what a storage service bills.

import Synchronization

/// Requests and bytes of one rank.
public struct StoreTraffic: Sendable, Equatable {
    /// Writes and listings: the dear kind on S3.
    public var writes = 0
    /// Reads, also those that found nothing.
    public var reads = 0
    /// Removals, which S3 does not bill.
    public var removals = 0
    /// Payload bytes written to and read from the store.
    public var bytesWritten = 0
    public var bytesRead = 0

    public static func + (a: StoreTraffic, b: StoreTraffic) -> StoreTraffic {
        StoreTraffic(
            writes: a.writes + b.writes, reads: a.reads + b.reads,
            removals: a.removals + b.removals, bytesWritten: a.bytesWritten + b.bytesWritten,
            bytesRead: a.bytesRead + b.bytesRead)
    }
}

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
