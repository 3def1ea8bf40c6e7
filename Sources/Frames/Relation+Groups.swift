// Groups, and aggregates over all rows.

extension Relation {
    /// The rows in groups of equal `keys`; `agg` says what to compute of each:
    /// `groupBy("carrier").agg(col("delay").mean(), len())`. Local until then.
    public func groupBy(_ keys: ColumnNames) -> Grouping<Self> {
        Grouping(base: self, keys: keys.names)
    }

    /// One row of aggregates over all rows, on every rank: `aggregate(col("delay").max(), len())`.
    ///
    /// Collective. Cost: one pass, and two exchanges of one row per pair of ranks.
    /// `first` and `last` cost as much again; `std` and `variance` a second pass with two more
    /// exchanges; `nUnique` a shuffle of the different values; `median` and `quantile`, together, one
    /// exchange and seven allreduces of at most 32 KiB per aggregate. Rows stay where they are.
    /// - Throws: `missingColumn`, `typeMismatch`, `duplicateColumn`, `overflow`.
    public func aggregate(
        _ aggregates: Aggregate..., file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding(
            "aggregate", .group(keys: [], aggregates: aggregates), file: file, line: line)
    }

    /// Count, nulls, mean, standard deviation (of a sample), least and greatest value of each
    /// numeric or bool column, as float64, a row per statistic, on every rank.
    ///
    /// Collective. Cost: two passes, and two exchanges of a few rows per pair of ranks.
    /// - Throws: `invalidArgument` if there is no such column.
    public func describe(file: String = #fileID, line: Int = #line) throws(FrameError) -> Self {
        try adding("describe", .describe, file: file, line: line)
    }
}

/// Rows in groups of equal keys, waiting for `agg`.
public struct Grouping<Base: Relation>: Sendable {
    let base: Base
    let keys: [String]

    /// One row per group: its keys, then the aggregates. Nulls form a group of their own.
    ///
    /// Collective. Cost: each rank aggregates its own rows first (unless nearly every row is a
    /// group of its own), then the partial results are shuffled by hash and merged, keys of more than
    /// 8 bytes as numbers where there are many groups (a header and a small allgather more); without
    /// any message if equal keys are known to be on one rank. Aggregates that need whole groups
    /// (`Aggregate`) shuffle the rows themselves.
    /// - Throws: `missingColumn`, `typeMismatch`, `duplicateColumn`; `overflow` for an integer sum
    ///   that does not fit, on all ranks. Where nothing else is exchanged, that takes one exchange of
    ///   136 bytes per pair of ranks if a sum of 64-bit integers is asked for.
    public func agg(
        _ aggregates: Aggregate..., file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Base {
        guard !keys.isEmpty else {
            throw CheckContext(operation: "groupBy", origin: Origin(file: file, line: line)).error(
                .invalidArgument, "no columns given; name one, or use `aggregate` for all rows")
        }
        return try base.adding(
            PlanStep(
                name: "groupBy", operation: .group(keys: keys, aggregates: aggregates),
                inputs: [base.plan], origin: Origin(file: file, line: line)))
    }
}
