// How a communicator is split (MPI 4.1 §7.4.2): who is in the new group, in which order, and
// under which context id. Shared by the transports that match messages themselves.

/// One rank's view of a split.
package struct SplitPlan: Sendable {
    /// Ranks of the parent, in the order of the new communicator.
    package let members: [Int]
    /// This process's rank in the new communicator.
    package let rank: Int
    package let contextID: UInt64
}

/// The id of a communicator made by the collective number `sequence` of `parent`.
///
/// A function of what all members know, so that agreeing on it costs no message: ids are 64 bits
/// of a mixing function, and two live communicators share one with probability 2⁻⁶⁴.
package func childContextID(parent: UInt64, sequence: UInt32, color: Int) -> UInt64 {
    var id = mix(parent ^ 0x9E37_79B9_7F4A_7C15)
    id = mix(id ^ UInt64(sequence))
    id = mix(id ^ UInt64(bitPattern: Int64(color)))
    return id <= worldContextID ? id &+ 2 : id
}

/// The world's context id; 0 is none.
package let worldContextID: UInt64 = 1

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes every output
/// bit with probability one half.
private func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
}

extension Communicator {
    /// Agrees on a split: nil for a rank without a colour. Collective; one allgather of 24 bytes
    /// per rank.
    /// - Parameter contextID: this communicator's own id.
    package func planSplit(
        color: Int?, key: Int, contextID: UInt64
    ) throws(MPIError) -> SplitPlan? {
        let call = try beginCollective(.split, root: nil)
        let mine = SplitEntry(hasColor: color != nil ? 1 : 0, color: color ?? 0, key: key)
        // Part of this call, so that a mismatch is reported as one of `split`.
        let all: [SplitEntry] = try withBytes(of: mine) { (part) throws(MPIError) in
            try uninitializedArray(size) { (whole) throws(MPIError) in
                try run(.allgather(part, into: whole), as: call)
            }
        }
        guard let color else { return nil }
        let members = all.indices.filter { all[$0].hasColor != 0 && all[$0].color == color }
            .sorted { (all[$0].key, $0) < (all[$1].key, $1) }
        guard let rank = members.firstIndex(of: self.rank) else {
            throw .invalidArgument("split", "rank \(self.rank) is not in its own group")
        }
        return SplitPlan(
            members: members, rank: rank,
            contextID: childContextID(
                parent: contextID, sequence: call.sequence, color: color))
    }
}

extension Communicator {
    /// The same group under another context id. Collective; no message.
    package func planDup(contextID: UInt64) throws(MPIError) -> SplitPlan {
        let call = try beginCollective(.dup, root: nil)
        return SplitPlan(
            members: Array(0..<size), rank: rank,
            contextID: childContextID(parent: contextID, sequence: call.sequence, color: 0))
    }
}

/// What each rank contributes to a split.
private struct SplitEntry: BitwiseCopyable {
    var hasColor: Int
    var color: Int
    var key: Int
}
