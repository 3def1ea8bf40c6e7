// Relations as sets of rows: equal rows count once, and null equals null.

extension Relation {
    /// The different rows of both, which have the same columns. Collective. Cost: as `concat` and
    /// `unique`. Order: as `unique`.
    /// - Throws: `typeMismatch`.
    public func union(
        _ other: Self, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try concat(other, file: file, line: line).unique(file: file, line: line)
    }

    /// The different rows that are in both. Collective. Cost: one group by all columns.
    /// - Throws: `typeMismatch`.
    public func intersect(
        _ other: Self, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try rows(with: other, keeping: 2, "intersect", file, line)
    }

    /// The different rows that are in this and not in `other`. Collective. Cost: one group by all
    /// columns.
    /// - Throws: `typeMismatch`.
    public func subtract(
        _ other: Self, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try rows(with: other, keeping: 1, "subtract", file, line)
    }

    /// Rows of this (side 1) whose greatest side is `greatest`.
    private func rows(
        with other: Self, keeping greatest: Int, _ name: String, _ file: String, _ line: Int
    ) throws(FrameError) -> Self {
        let names = schema.names
        var side = "side"
        while names.contains(where: { $0.hasPrefix(side) }) { side += "_" }
        let (least, most) = ("\(side)1", "\(side)2")
        let columns = names.map { col($0) }
        func marked(_ relation: Self, _ number: Int) throws(FrameError) -> Self {
            try relation.adding(
                name, .project(relation.schema.names.map { col($0) } + [lit(number).as(side)]),
                file: file, line: line)
        }
        return try marked(self, 1).concat(marked(other, 2), file: file, line: line)
            .groupBy(ColumnNames(names)).agg(
                col(side).min().as(least), col(side).max().as(most), file: file, line: line
            )
            .filter(col(least) == 1 && col(most) == lit(greatest), file: file, line: line)
            .adding(name, .project(columns), file: file, line: line)
    }
}
