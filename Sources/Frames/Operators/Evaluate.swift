// Expressions over a rank's rows. Most cannot fail; where one can, ranks agree on the outcome before
// any of them goes on, as the next exchange would otherwise wait for a rank that gave up.

import MessagePassing

extension StepRun {
    /// The columns that `expressions` compute from this rank's rows.
    ///
    /// Local, unless an expression can fail (a strict cast): then one exchange of 136 bytes per
    /// pair of ranks tells all of a rank's failure.
    /// - Throws: the failure of the lowest rank, on all ranks.
    func evaluate(
        _ expressions: [Expression], on input: Rows
    ) throws(FrameError) -> [Column] {
        var columns: [Column] = []
        try agreeing(expressions, on: input) { () throws(FrameError) in
            for expression in expressions {
                columns.append(try expression.evaluate(on: input.table))
            }
        }
        return columns
    }

    /// The rows where `predicate` is true. Cost and errors as of `evaluate`.
    func filter(_ input: Rows, _ predicate: Expression) throws(FrameError) -> Rows {
        var table = input.table
        try agreeing([predicate], on: input) { () throws(FrameError) in
            var rows = FilteredRows(of: input.table)
            let mask = try predicate.evaluate(on: input.table) { rows.append($0) }
            table = mask.map { Kernels.filter(input.table, mask: $0) } ?? rows.rows
        }
        return Rows(table: table, partitioning: input.partitioning)
    }

    /// Does `work`, which evaluates `expressions`; where these can fail, all ranks fail if one does.
    private func agreeing(
        _ expressions: [Expression], on input: Rows, _ work: () throws(FrameError) -> Void
    ) throws(FrameError) {
        var failure: FrameError?
        do throws(FrameError) { try work() } catch { failure = error }
        if expressions.contains(where: { $0.node.canFail(in: input.table.schema) }) {
            failure = try agree(on: failure, isReplicated: input.partitioning == .replicated)
        }
        if let failure { throw failure }
    }

    /// The failure of the lowest rank that has one, on all ranks; nil if none has. Collective.
    func agree(on own: FrameError?, isReplicated: Bool) throws(FrameError) -> FrameError? {
        var own = own
        own?.operation = node.name
        own?.location = node.origin.description
        guard size > 1, !isReplicated else { return own }
        var header = header()
        header.status = own == nil ? 0 : 1
        let failure = own
        do throws(FrameError) {
            _ = try open(header, failure: failure)
            return nil
        } catch {
            return error
        }
    }
}
