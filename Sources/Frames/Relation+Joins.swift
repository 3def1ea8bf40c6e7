// Verbs that bring two relations together.

extension Relation {
    /// Rows of both sides with equal keys, side by side:
    /// `flights.join(planes, on: "tailnum", how: .left)`.
    ///
    /// Collective. Null keys match nothing. The result has the left columns, then the right ones
    /// without their keys.
    /// - Parameters:
    ///   - on: the keys, of equal names and types on both sides.
    ///   - how: `.inner`; `.left`, `.right` or `.full` for rows of that side, or of both, without a
    ///     partner too; `.semi` and `.anti` for the left rows with, or without, a partner, each once
    ///     and without right columns.
    ///   - suffix: appended to the name of a right column that the left side has too.
    /// - Cost: where the cost model finds it cheaper (`explain()` tells), one side is sent whole to
    ///   every rank and the other does not move: the right one, in an inner join either, in a full
    ///   one none. Else both are shuffled by key: each row moves once, at most size − 1 messages each
    ///   way per side; several keys, and strings of up to 16 bytes, as numbers of 4 or 8 bytes if the
    ///   ranks can agree on such (one small allgather more). A side known to be partitioned by its keys is not shuffled again. Then a
    ///   radix-partitioned hash join. Semi and anti joins move the right side's different keys only.
    ///   Rows of a key that holds more than about a quarter of a rank's share of a side stay spread
    ///   over the ranks, and the other side's rows with it go to all; the result is then not
    ///   partitioned by its keys.
    /// - Throws: `missingColumn`, `typeMismatch`, `duplicateColumn`.
    public func join(
        _ right: Self, on keys: ColumnNames, how: JoinKind = .inner, suffix: String = "_right",
        file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try join(
            right, leftOn: keys, rightOn: keys, how: how, suffix: suffix, file: file, line: line)
    }

    /// `join` for keys with different names: the i-th of `leftOn` is compared with the i-th of
    /// `rightOn`. The result keeps the left names. Collective; cost and errors as there.
    public func join(
        _ right: Self, leftOn: ColumnNames, rightOn: ColumnNames, how: JoinKind = .inner,
        suffix: String = "_right", file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        let specification = JoinSpecification(
            kind: how, leftKeys: leftOn.names, rightKeys: rightOn.names, suffix: suffix)
        return try adding(
            PlanStep(
                name: "join", operation: .join(specification), inputs: [plan, right.plan],
                origin: Origin(file: file, line: line)))
    }

    /// Every row beside every row of `right`.
    ///
    /// Collective. Order: by left row, then by right row. Cost: the right side is sent whole to
    /// every rank; the left one does not move.
    /// - Parameter suffix: appended to the name of a right column that the left side has too.
    /// - Throws: `duplicateColumn`; `invalidArgument`, on all ranks, if one would hold more than
    ///   2³¹ − 1 rows.
    public func crossJoin(
        _ right: Self, suffix: String = "_right", file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding(
            PlanStep(
                name: "crossJoin", operation: .crossJoin(suffix: suffix),
                inputs: [plan, right.plan], origin: Origin(file: file, line: line)))
    }
}
