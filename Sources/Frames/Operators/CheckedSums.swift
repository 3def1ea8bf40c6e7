// Integer sums that do not fit are errors, on all ranks. A rank that cannot rule one out by a bound
// says so in the header of the exchange that moves its rows anyhow; only if one did do ranks look
// closer, and agree in one more exchange.

import MessagePassing

extension StepRun {
    /// Notes whether sums of columns `sums` might overflow; the next exchange tells all ranks.
    func watchSums(_ table: Table, _ sums: [Int]) {
        let rankCount = size
        mayOverflow = sums.contains {
            Kernels.sumMayOverflow(table.columns[$0], rankCount: rankCount)
        }
    }

    /// The error of a sum of `columns` that does not fit, over groups of the first `keyCount`
    /// columns; nil if all fit. Local.
    func overflow(_ table: Table, keyCount: Int, _ columns: [Int]) -> FrameError? {
        guard !columns.isEmpty else { return nil }
        let groups = Kernels.groups(table, keyCount: keyCount)
        guard let column = columns.first(where: { Kernels.sumOverflows(table.columns[$0], groups) })
        else { return nil }
        return FrameError(
            .overflow, operation: node.name,
            reason: "a sum of \(table.columns[column].type) does not fit it; cast to float64 first",
            location: node.origin.description)
    }

    /// Throws the overflow of the lowest rank that has one, on all ranks. Collective if a rank had
    /// said that there might be one.
    func settleSums(_ own: FrameError?) throws(FrameError) {
        guard anyMayOverflow else { return }
        if let failure = try agree(on: own, isReplicated: false) { throw failure }
    }

    /// Throws the overflow of the lowest rank that has one, on all ranks, where no rows move.
    ///
    /// Collective where a sum of 64-bit integers is asked for: one exchange of headers, as such a
    /// sum may overflow on one rank alone. No message for others, which always fit, nor for
    /// replicated rows, which overflow on all ranks.
    func settleSums(
        _ own: FrameError?, of columns: [Int], on input: Rows
    ) throws(FrameError) {
        if columns.isEmpty { return }
        let isReplicated = input.partitioning == .replicated
        if let failure = try agree(on: own, isReplicated: isReplicated) { throw failure }
    }
}
