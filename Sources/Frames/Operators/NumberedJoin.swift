// The distributed join of rows that are not 8-byte numbers, by way of such: ranks agree on the numbers,
// then join these by the radix join, and turn what comes of it back.

import MessagePassing

extension StepRun {
    /// The join; nil, on every rank, if the rows of some rank cannot be numbered. Collective;
    /// size > 1. Cost: an allgather of 56 bytes per column that is numbered, after a pass over these
    /// columns; then a header of 136 bytes, and as `radixJoin` of 4 or 8 bytes per column, all keys
    /// being one.
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
        let fitsRound =
            numbering.byteCount(left, right) <= ExchangeLimits.roundBytes
            && !numbering.hasNulls(left, right)
        let own = fitsRound ? numbering.profiles([left], [right])?.compactMap(\.self) : nil
        let types = numbering.profiledTypes
        guard
            let profiles = try agreedProfiles(
                own?.count == types.count ? own : nil, of: types, allowsNulls: false),
            let numbered = NumberedJoin(numbering, profiles), numbered.isComplete
        else { return nil }
        let (columns, placement) = try radixJoin(
            numbered.leftRows(left), numbered.rightRows(right), join.kind,
            buildsRight: facts.buildsRight(join.kind))
        return Rows(
            table: Table(
                schema: node.schema, columns: numbered.columns(from: columns),
                rowCount: columns[0].count),
            partitioning: numbered.placement(placement).partitioning(of: join.leftKeys))
    }

    /// Joins tables of 8-byte numbers, of which the first is the key.
    private func radixJoin(
        _ left: Table, _ right: Table, _ kind: JoinKind, buildsRight: Bool
    ) throws(FrameError) -> (columns: [Column], placement: Placement) {
        guard let leftSide = CarriedSide(left, key: 0, wanted: Array(left.columns.indices)),
            let rightSide = CarriedSide(
                right, key: 0, wanted: Array(right.columns.indices.dropFirst()))
        else { preconditionFailure("ranks agreed that all columns are numbers") }
        var header = header()
        header.facts = JoinFacts.own(
            left, right, kind, carried: (leftSide, rightSide), isSkewed: false,
            JoinCosts.costs(of: communicator), buildsRight: buildsRight)
        let facts = try joinFacts(header, mustCarry: true)
        return try radixJoin(leftSide, rightSide, kind: kind, facts)
    }
}
