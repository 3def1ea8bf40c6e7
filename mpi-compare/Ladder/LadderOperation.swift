// What the ladder measures, in the terms of the OSU and Intel MPI benchmarks.

/// One rung's operation. `byteCount` is the length of one message, of the vector of a reduction or
/// a broadcast, or of the part for one peer in allgather and alltoallv.
public enum LadderOperation: String, CaseIterable, Sendable {
    /// Ranks 0 and 1 send one message to and fro; the time is half of a round trip.
    case pingpong
    /// Rank 0 keeps a window of messages to rank 1 under way; the time is that per message.
    case bandwidth
    /// The same both ways at once; the time is that per pair of messages.
    case bidirectional
    case barrier
    /// The root moves on by one each time, as in the Intel MPI benchmarks.
    case bcast
    /// Sum of 4-byte floats (of bytes, where the length is no multiple of 4); the root moves on.
    case reduce
    case allreduce
    case allgather
    case alltoallv

    public static let byteCountMax = 1 << 30

    public static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    /// Does its time depend on a length?
    public var hasLength: Bool { self != .barrier }

    public var needsTwoRanks: Bool {
        self == .pingpong || self == .bandwidth || self == .bidirectional
    }

    /// Messages of a window: many small ones, and no more than 8 MiB, but two at least.
    public static func window(_ byteCount: Int) -> Int {
        max(2, min(64, (8 << 20) / max(1, byteCount)))
    }
}
