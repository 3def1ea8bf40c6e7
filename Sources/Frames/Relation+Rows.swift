// Verbs that choose, order and append rows.

extension Relation {
    /// The rows for which `predicate` is true, neither false nor null: `filter(col("delay") > 60)`.
    ///
    /// Collective; messages as `select`. Rows stay on their rank, in their order.
    /// - Throws: `missingColumn`, `typeMismatch`; `malformedValue` as `select`.
    public func filter(
        _ predicate: Expression, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("filter", .filter(predicate), file: file, line: line)
    }

    /// The first `count` rows in the order of ranks; all if there are fewer.
    ///
    /// Collective. Cost: one exchange of 136 bytes per pair of ranks; rows stay where they are.
    /// - Throws: `invalidArgument` for a negative count.
    public func head(
        _ count: Int = 10, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("head", .head(count), file: file, line: line)
    }

    /// The rows sorted: `sort(by: "delay")`, `sort(by: ["carrier", .descending("delay")])`.
    ///
    /// Collective. Stable: rows with equal keys keep their order. The result ascends from rank to
    /// rank, each with about equally many rows, however often a key repeats. NaN comes after all
    /// numbers in either direction, strings compare by UTF-8 bytes.
    /// - Parameters:
    ///   - keys: the first counts most.
    ///   - descending: for keys that do not say `.ascending` or `.descending` themselves.
    ///   - nulls: where nulls go, for the same keys.
    /// - Cost: a sample sort (Frazer and McKellar 1970): one small exchange of samples, then each
    ///   row moves once, size − 1 messages each way, and is sorted once. Nothing moves if the rows
    ///   are known to be in that order.
    /// - Throws: `missingColumn`, `invalidArgument`.
    public func sort(
        by keys: SortKeys, descending: Bool = false, nulls: NullOrder = .last,
        file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        let keys = keys.keys.map { $0.resolved(descending: descending, nulls: nulls) }
        return try adding("sort", .sort(keys), file: file, line: line)
    }

    /// One row, the first, of those that are equal in `columns`; nil means in all columns. Nulls
    /// equal each other, and so do NaNs.
    ///
    /// Collective. Cost: duplicates are removed on each rank, what is left is shuffled by hash
    /// (unless equal rows are known to be on one rank) and again freed from duplicates.
    /// - Throws: `missingColumn`.
    public func unique(
        on columns: ColumnNames? = nil, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding(
            "unique", .unique(on: columns?.names ?? schema.names), file: file, line: line)
    }

    /// These rows, then those of `others`, which have the same columns.
    ///
    /// Collective, without messages: each rank appends its own parts, so that the order of the
    /// whole is that of ranks first. Cost: one copy of all columns.
    /// - Throws: `typeMismatch` if columns differ in name, type or order.
    public func concat(
        _ others: Self..., file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding(
            PlanStep(
                name: "concat", operation: .concat, inputs: [plan] + others.map(\.plan),
                origin: Origin(file: file, line: line)))
    }

    /// The last `count` rows in the order of ranks; all if there are fewer. Collective. Cost: as
    /// `head`.
    /// - Throws: `invalidArgument` for a negative count.
    public func tail(
        _ count: Int = 10, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        guard count >= 0 else {
            throw CheckContext(operation: "tail", origin: Origin(file: file, line: line)).error(
                .invalidArgument, "\(count) rows; ask for 0 or more")
        }
        return try adding("tail", .slice(count == 0 ? .max : -count, nil), file: file, line: line)
    }

    /// `count` rows from row `start` on, in the order of ranks; fewer at the end. A negative start
    /// counts from the end, no count means all the rest. Collective. Cost: as `head`.
    /// - Throws: `invalidArgument` for a negative count.
    public func slice(
        _ start: Int, _ count: Int? = nil, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("slice", .slice(start, count), file: file, line: line)
    }

    /// `count` rows chosen at random, without repetition, in their order; all if there are fewer.
    ///
    /// Collective. Which rows depends on the seed and on each row's number among all, not on how
    /// rows are spread over ranks. Cost: a header, and `count` + 1 numbers of each rank on every
    /// rank; rows stay where they are.
    /// - Throws: `invalidArgument` for a negative count.
    public func sample(
        _ count: Int, seed: UInt64 = 0, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("sample", .sample(.count(count, seed: seed)), file: file, line: line)
    }

    /// Each row with probability `fraction`, in their order: about that share of them.
    ///
    /// Collective. The same rows at every number of ranks, as of `sample(count)`. Cost: as `head`.
    /// - Throws: `invalidArgument` for a fraction beyond 0 and 1.
    public func sample(
        fraction: Double, seed: UInt64 = 0, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("sample", .sample(.fraction(fraction, seed: seed)), file: file, line: line)
    }

    /// The first `count` rows of the sorted ones, sorted: `topK(5, by: .descending("delay"))`.
    ///
    /// Collective. Ties go to the earlier row. Cost: a sort of each rank's own rows, then of at most
    /// `count` rows of each rank.
    /// - Throws: `missingColumn`, `invalidArgument`.
    public func topK(
        _ count: Int, by keys: SortKeys, nulls: NullOrder = .last, file: String = #fileID,
        line: Int = #line
    ) throws(FrameError) -> Self {
        let keys = keys.keys.map { $0.resolved(descending: false, nulls: nulls) }
        return try adding("topK", .topK(count, keys), file: file, line: line)
    }

    /// How often each value of a column occurs, most frequent first: the column, then `count`.
    /// Null is a value. Collective. Cost: as `groupBy` and `sort`.
    /// - Throws: `missingColumn`, `duplicateColumn` if the column is called `count`.
    public func valueCounts(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try groupBy(ColumnNames([column])).agg(len().as("count"), file: file, line: line)
            .sort(by: [.descending("count"), .ascending(column)], file: file, line: line)
    }

    /// A first column `name` with each row's number among all, from 0, in the order of ranks.
    /// Collective. Cost: as `head`.
    /// - Throws: `duplicateColumn`.
    public func withRowIndex(
        _ name: String = "index", file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("withRowIndex", .rowIndex(name), file: file, line: line)
    }

    /// What `body` makes of each rank's rows: a table of columns `schema`.
    ///
    /// Collective: every rank calls `body` once, with its own rows, none included. It must not
    /// communicate. Cost: `body`'s, and one exchange of 136 bytes per pair of ranks.
    /// - Throws: `invalidArgument`, on all ranks, if `body` throws or returns other columns.
    public func mapPartitions(
        returning schema: Schema, file: String = #fileID, line: Int = #line,
        _ body: @escaping @Sendable (Table) throws -> Table
    ) throws(FrameError) -> Self {
        try adding("mapPartitions", .mapPartitions(schema, body), file: file, line: line)
    }
}
