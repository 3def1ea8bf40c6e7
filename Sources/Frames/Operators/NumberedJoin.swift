// The distributed join of rows that are not 8-byte numbers, by way of such: ranks agree on the numbers,
// then join these by the radix join, and turn what comes of it back.

import MessagePassing

extension StepRun {
    /// The join; nil, on every rank, if the rows of some rank cannot be numbered. Collective;
    /// size > 1. Cost: an allgather of 56 bytes per column that is numbered, and a header of 136;
    /// then as `radixJoin`, in 4 or 8 bytes per column and for all keys together.
    func numberedJoin(
        _ left: Table, _ right: Table, _ join: JoinSpecification, _ facts: JoinFacts
    ) throws(FrameError) -> Rows? {
        guard facts.leftRows + facts.rightRows >= NumberingLimits.leastRowCount,
            let numbering = JoinNumbering(
                left: left.schema, right: right.schema,
                leftKeys: left.schema.indices(of: join.leftKeys),
                rightKeys: right.schema.indices(of: join.rightKeys),
                rightColumns: join.rightColumns(right.schema)), numbering.canBeCarried
        else { return nil }
        let own = numbering.profiles([left], [right])?.compactMap(\.self)
        let isComplete =
            own?.count == numbering.profiledTypes.count && !numbering.hasNulls(left, right)
        guard
            let profiles = try agreedProfiles(
                isComplete ? own : nil, of: numbering.profiledTypes),
            let numbered = NumberedJoin(numbering, profiles), numbered.isComplete
        else { return nil }
        guard
            let (columns, placement) = try radixJoin(
                numbered.leftRows(left), numbered.rightRows(right), kind: join.kind)
        else { return nil }
        let table = Table(
            schema: node.schema, columns: numbered.columns(from: columns),
            rowCount: columns[0].count)
        return Rows(
            table: table,
            partitioning: numbered.placement(placement).partitioning(of: join.leftKeys))
    }

    /// Joins tables whose first column is the key; nil if some rank has too many rows for one round.
    private func radixJoin(
        _ left: Table, _ right: Table, kind: JoinKind
    ) throws(FrameError) -> (columns: [Column], placement: Placement)? {
        var carried: (left: CarriedSide, right: CarriedSide)?
        if left.byteCount + right.byteCount <= ExchangeLimits.roundBytes,
            let leftSide = CarriedSide(left, key: 0, wanted: Array(left.columns.indices)),
            let rightSide = CarriedSide(
                right, key: 0, wanted: Array(right.columns.indices.dropFirst()))
        {
            carried = (leftSide, rightSide)
        }
        var header = header()
        header.facts = JoinFacts.own(
            left, right, kind, carried: carried, isSkewed: false,
            JoinCosts.costs(of: communicator), allRanges: true)
        let facts = try joinFacts(header)
        guard let carried, facts.allCarried else { return nil }
        return try radixJoin(carried.left, carried.right, kind: kind, facts)
    }
}
