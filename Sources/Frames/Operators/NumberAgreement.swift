// Ranks agree on how they number rows: then a shuffle moves one number in place of several keys, or of
// a string, and the receiver works on it as it is.

import MessagePassing

/// When ranks number rows for a shuffle.
package enum NumberingLimits {
    /// Of fewer rows, one message more costs more than it saves: rows of all ranks of a join; of a
    /// groupby, which does not know these, a rank's share. Settable so that tests need not have as
    /// many.
    @TaskLocal package static var leastRowCount = 1 << 16
}

extension StepRun {
    /// What all ranks' rows have in common, column by column; nil, on every rank, if some rank has no
    /// profiles. Collective: one allgather of 56 bytes per column.
    /// - Parameters:
    ///   - own: nil if this rank's rows cannot be numbered.
    ///   - types: int64 or string, the same on all ranks.
    ///   - allowsNulls: whether a rank may have numbered nulls.
    func agreedProfiles(
        _ own: [KeyProfile]?, of types: [DataType], allowsNulls: Bool
    ) throws(FrameError) -> [KeyProfile]? {
        let length = 1 + types.count * KeyProfile.wordCount
        var message = [UInt64](repeating: 0, count: length)
        if let own { message = [1] + own.flatMap(\.words) }
        let bytes = (size - 1) * length * 8
        let outgoing = message
        let all = try communicate(sent: bytes, received: bytes) { (world) throws(MPIError) in
            try world.allgather(outgoing.span)
        }
        do throws(MessageFault) {
            return try ReceivedProfiles.together(all, of: types, allowsNulls: allowsNulls)
        } catch {
            throw refusal(error)
        }
    }
}

/// Profiles as ranks told them.
enum ReceivedProfiles {
    /// - Parameter words: of all ranks, one after the other.
    static func together(
        _ words: [UInt64], of types: [DataType], allowsNulls: Bool
    ) throws(MessageFault) -> [KeyProfile]? {
        let length = 1 + types.count * KeyProfile.wordCount
        var whole = types.map { KeyProfile(ofNoRows: $0) }
        var allHave = true
        for source in 0..<words.count / length {
            let message = words[source * length..<(source + 1) * length].dropFirst()
            switch words[source * length] {
            case 1: break
            case 0:
                allHave = false
                continue
            default: throw MessageFault(source: source, reason: "neither profiles nor none")
            }
            for (index, type) in types.enumerated() {
                let own = message.dropFirst(index * KeyProfile.wordCount)
                    .prefix(KeyProfile.wordCount)
                guard let profile = KeyProfile(own, of: type), allowsNulls || !profile.hasNulls
                else {
                    throw MessageFault(
                        source: source, reason: "a profile that no column of \(type) has")
                }
                whole[index].add(profile)
            }
        }
        return allHave ? whole : nil
    }
}
