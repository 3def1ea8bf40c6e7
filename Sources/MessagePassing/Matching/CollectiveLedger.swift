// Which collectives this rank has called, so that a message of another one is recognised: the
// difference between a program that is wrong and one that is slow.

/// Numbers the collectives of one communicator on one rank and remembers the latest.
///
/// Ranks call the same collectives in the same order, so equal sequence numbers mean the same
/// call. A message whose number this rank has reached, but whose operation or root differs from
/// what it called under that number, proves that the ranks disagree. Messages of later calls are
/// held until this rank begins that call, and compared then (`MatchQueues.unexpectedCall`).
package struct CollectiveLedger {
    /// How many calls back a late message is still recognised.
    package static let memory = 64

    /// Number of the latest call; 0 before the first.
    private(set) var sequence: UInt32 = 0
    private var calls: [UInt64] = Array(repeating: 0, count: Self.memory)

    package init() {}

    /// Numbers the next call.
    package mutating func begin(
        _ operation: CollectiveOperation, root: Int?
    ) -> CollectiveCall {
        sequence = sequence == .max ? 1 : sequence + 1
        let call = CollectiveCall(sequence: sequence, operation: operation, root: root)
        calls[Int(sequence) % Self.memory] = call.packed
        return call
    }

    /// The error that the arrival of a message of `call` from rank `source` proves; nil if there
    /// is nothing wrong, or this rank has not come that far.
    package func mismatch(arrived call: UInt64, from source: Int) -> MPIError? {
        let number = UInt32(call >> 32)
        let mine = calls[Int(number) % Self.memory]
        // Ahead of this rank, or too long ago to tell.
        guard UInt32(mine >> 32) == number, mine != call else { return nil }
        guard let theirs = CollectiveCall(packed: call), let ours = CollectiveCall(packed: mine)
        else { return nil }
        return MPIError(
            .mismatchedCollective, operation: ours.name,
            reason: "rank \(source) called \(theirs.name) where another rank called \(ours.name) "
                + "as collective number \(number) of their communicator; all ranks must call the "
                + "same collectives, with the same root, in the same order",
            peer: source)
    }
}

extension CollectiveCall {
    /// `barrier`, `bcast(root: 1)`.
    package var name: String { root.map { "\(operation)(root: \($0))" } ?? "\(operation)" }
}
