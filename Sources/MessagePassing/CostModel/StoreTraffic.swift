// What a rank asks of a storage service, because that is what the service bills.

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

    public init(
        writes: Int = 0, reads: Int = 0, removals: Int = 0, bytesWritten: Int = 0,
        bytesRead: Int = 0
    ) {
        self.writes = writes
        self.reads = reads
        self.removals = removals
        self.bytesWritten = bytesWritten
        self.bytesRead = bytesRead
    }
}

/// A communicator whose messages go through a store.
public protocol StoreBacked: Communicator {
    /// What this rank has asked of the store until now, for all its communicators. Local.
    var traffic: StoreTraffic { get }
}
