// A join with heavy keys: the rows of a heavy key stay spread over all ranks on one side, and the
// other side's few rows with it go to everyone. All other rows move as ever.

import MessagePassing

extension StepRun {
    /// One side's rows by what becomes of them.
    private struct Parts {
        /// To where their keys belong.
        var moved: [Table]
        /// Everywhere some.
        var spread: [Table]
        /// Beside the other side's spread rows: on every rank all.
        var sent: Table
    }

    /// Where each side's rows with other keys go; nil leaves them.
    struct Moves {
        let left: Placement?
        let right: Placement?
    }

    /// The join, whose result is not partitioned by its keys. Collective; size > 1.
    ///
    /// A row that is sent to all meets every row it matches once, but whether it has no partner at
    /// all no rank sees alone. So where such rows are wanted, the different heavy keys of the
    /// spread side, a few, tell it beforehand; rows without a partner stay where they are.
    func spreadJoin(
        _ left: Table, _ right: Table, _ join: JoinSpecification, _ heavy: HeavyKeys,
        _ moves: Moves
    ) throws(FrameError) -> Rows {
        let leftKeys = left.schema.indices(of: join.leftKeys)
        let rightKeys = right.schema.indices(of: join.rightKeys)
        var leftParts = parts(of: left, leftKeys, heavy, spreads: .spreadsLeft)
        var rightParts = parts(of: right, rightKeys, heavy, spreads: .spreadsRight)
        if heavy.spreadsAnyRight && (join.kind == .left || join.kind == .full) {
            try keepUnmatched(&leftParts, leftKeys, rightParts.spread, rightKeys)
        }
        if heavy.spreadsAnyLeft && join.kind == .full {
            try keepUnmatched(&rightParts, rightKeys, leftParts.spread, leftKeys)
        }
        try exchange(
            &leftParts, join.leftKeys, moves.left,
            deals: heavy.spreadsAnyLeft && !heavy.leftIsEven, sends: heavy.spreadsAnyRight)
        try exchange(
            &rightParts, join.rightKeys, moves.right,
            deals: heavy.spreadsAnyRight && !heavy.rightIsEven, sends: heavy.spreadsAnyLeft)

        let isOuter = join.kind == .left || join.kind == .full
        var tables = [try joinPieces(leftParts.moved, rightParts.moved, join, as: join.kind)]
        if heavy.spreadsAnyLeft {
            tables.append(
                try joinPieces(
                    leftParts.spread, [rightParts.sent], join, as: isOuter ? .left : .inner))
        }
        if heavy.spreadsAnyRight {
            tables.append(
                try joinPieces(
                    [leftParts.sent], rightParts.spread, join,
                    as: join.kind == .full ? .right : .inner))
        }
        return Rows(table: Kernels.concat(tables), partitioning: .unknown)
    }

    /// Local.
    private func parts(
        of table: Table, _ keys: [Int], _ heavy: HeavyKeys, spreads own: HeavyKeys.Treatment
    ) -> Parts {
        let hashes = Kernels.rowHashes(keys.map { table.columns[$0] })
        let values = hashes.elements(as: UInt64.self)
        func rows(_ isWanted: (HeavyKeys.Treatment) -> Bool) -> Table {
            let bits = Bitmap(count: table.rowCount) { isWanted(heavy.treatment(of: values[$0])) }
            return Kernels.filter(table, mask: Evaluation.bool(bits, nil))
        }
        defer { withExtendedLifetime(hashes) {} }
        return Parts(
            moved: [rows { $0 == .moved }], spread: [rows { $0 == own }],
            sent: rows { $0 != .moved && $0 != own })
    }

    /// Rows to be sent that have no partner on any rank are left where they are instead, among those
    /// that move: nothing they meet there matches them. Collective.
    private func keepUnmatched(
        _ parts: inout Parts, _ keys: [Int], _ others: [Table], _ otherKeys: [Int]
    ) throws(FrameError) {
        let own = try Self.keyTable(others, otherKeys, named: node.name)
        let known = Kernels.unique(
            Kernels.concat(try gatherEverywhere(own)), keys: Array(keys.indices))
        let (with, without) = try split([parts.sent], keys, by: known)
        parts.sent = with
        parts.moved.append(without)
    }

    /// Brings a side's parts where they belong. The first of the moved pieces moves. Collective.
    private func exchange(
        _ parts: inout Parts, _ keys: [String], _ placement: Placement?, deals: Bool, sends: Bool
    ) throws(FrameError) {
        if let placement {
            let moving = parts.moved.removeFirst()
            parts.moved += try shuffle(moving, to: placement, of: keys)
        }
        if deals {
            let (rankCount, first) = (size, rank)
            var dealt = first
            parts.spread = try scatter(parts.spread[0]) { piece in
                defer { dealt += piece.rowCount }
                let start = dealt
                return Destinations(rowCount: piece.rowCount, rankCount: rankCount) {
                    (start + $0) % rankCount
                }
            }
        }
        if sends { parts.sent = Kernels.concat(try gatherEverywhere(parts.sent)) }
    }
}
