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
        var failure: FrameError?
        do throws(FrameError) {
            for expression in expressions {
                columns.append(try expression.evaluate(on: input.table))
            }
        } catch {
            failure = error
        }
        if expressions.contains(where: { $0.node.canFail(in: input.table.schema) }) {
            failure = try agree(on: failure, isReplicated: input.partitioning == .replicated)
        }
        if let failure { throw failure }
        return columns
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
