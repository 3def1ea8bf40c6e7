// Do all environments give the same answer? If not, no other figure is worth reading.
import Records

/// Two runs that should agree and do not.
public struct Disagreement: Sendable, Equatable, CustomStringConvertible {
    public var description: String
}

/// Compares the results of all successful records.
///
/// - Parameter acrossRanks: is the problem the same at every number of ranks (strong mode, real
///   data)? Else only equal numbers of ranks are compared.
/// - Returns: what disagrees, one line per run that differs from the majority; empty if all agree.
public func findDisagreements(_ records: [RunRecord], acrossRanks: Bool) -> [Disagreement] {
    let successful = records.filter { $0.error == nil && $0.result != nil }
    if acrossRanks { return compare(successful) }
    return Set(successful.map(\.ranks)).sorted().flatMap { ranks in
        compare(successful.filter { $0.ranks == ranks })
    }
}

/// The reference is the answer most runs give; of equally frequent ones, the first run's.
private func compare(_ records: [RunRecord]) -> [Disagreement] {
    var reference: RunRecord?
    var support = 0
    for candidate in records {
        let agreeing = records.count { difference($0, candidate) == nil }
        if agreeing > support {
            reference = candidate
            support = agreeing
        }
    }
    guard let reference else { return [] }
    return records.compactMap { record in
        guard let difference = difference(record, reference) else { return nil }
        return Disagreement(
            description: "\(record.label) disagrees with \(reference.label) "
                + "(\(support) of \(records.count) runs agree with the latter): \(difference)")
    }
}

private func difference(_ record: RunRecord, _ reference: RunRecord) -> String? {
    guard let result = record.result, let expected = reference.result else { return nil }
    return result.difference(from: expected)
}

extension RunRecord {
    /// `serverless × 2`.
    public var label: String { "\(environment) × \(ranks)" }
}
