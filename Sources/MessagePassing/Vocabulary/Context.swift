// The two message spaces of a communicator: the user's messages and those of collectives never
// match each other (MPI 4.1 §6.2.5 calls them communication contexts).

/// Which of a communicator's two spaces a message travels in.
///
/// A collective's messages also carry which call they belong to, so that a transport can tell a
/// program whose ranks call different collectives from one that is merely slow.
public enum Context: Hashable, Sendable, BitwiseCopyable {
    /// The user's messages.
    case pointToPoint
    /// The messages of one collective call.
    case collective(CollectiveCall)
}

/// One call of a collective operation on one communicator: what all its ranks must agree on.
///
/// Eight bytes on the wire: `sequence` (32 bits), `operation` (8), `root` (24, 0xFFFFFF for none).
public struct CollectiveCall: Hashable, Sendable, BitwiseCopyable {
    /// The how-many-th collective of this communicator this is, from 1; wraps around.
    public var sequence: UInt32
    public var operation: CollectiveOperation
    /// The root, for operations that have one.
    public var root: Int?

    @inlinable
    public init(sequence: UInt32, operation: CollectiveOperation, root: Int?) {
        self.sequence = sequence
        self.operation = operation
        self.root = root
    }

    /// The wire form; never zero, as sequences start at 1 and skip 0.
    @inlinable
    public var packed: UInt64 {
        UInt64(sequence) << 32 | UInt64(operation.rawValue) << 24
            | UInt64(root.map { UInt32($0) & 0xFF_FFFF } ?? 0xFF_FFFF)
    }

    /// Nil if the operation is unknown (bytes from a hostile or newer peer).
    @inlinable
    public init?(packed: UInt64) {
        guard let operation = CollectiveOperation(rawValue: UInt8(packed >> 24 & 0xFF)) else {
            return nil
        }
        let root = Int(packed & 0xFF_FFFF)
        self.init(
            sequence: UInt32(packed >> 32), operation: operation,
            root: root == 0xFF_FFFF ? nil : root)
    }
}

extension CollectiveCall: CustomStringConvertible {
    public var description: String {
        let name = root.map { "\(operation)(root: \($0))" } ?? "\(operation)"
        return "\(name), collective number \(sequence) of its communicator"
    }
}

/// The collective operations, by their MPI names.
public enum CollectiveOperation: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case barrier = 1
    case bcast, reduce, allreduce, gather, gatherv, scatter, scatterv, allgather, allgatherv
    case alltoall, alltoallv, scan, exscan, split, dup
    case reduceScatter
}
