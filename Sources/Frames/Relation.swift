// The verbs of dataframes, each declared and documented once. `Frame` runs a verb at once, `Query`
// notes it and runs the whole plan at `collect()`; both are Relations.

/// Rows with named, typed columns, spread over the ranks of a communicator.
///
/// **Why every verb is collective.** Rows are on all ranks, so all ranks must take part in what is
/// done with them: every rank calls the same verbs, with the same arguments, in the same order. A
/// rank that leaves one out makes the others wait for messages that never come. Where verbs
/// exchange messages they compare what they are about to do, and ranks that disagree get one error
/// that says so, on every rank.
///
/// **Errors.** Names and types are checked before anything moves. A failure on one rank before a
/// verb's exchange is the same `FrameError` on all ranks. It names the verb, the column and the
/// line of your program.
///
/// **Order.** Rows have an order: that of their rank, then that within the rank. `filter`, `select`,
/// `concat`, `head` keep it, `sort` makes it, joins and groups do not promise one.
public protocol Relation: Sendable {
    /// The plan that yields this relation's rows. Local.
    var plan: PlanNode { get }
    /// This relation with one more step, checked. The one thing a relation can do: every verb is
    /// made of it.
    func adding(_ step: PlanStep) throws(FrameError) -> Self
}

extension Relation {
    /// Names and types of the columns. Local.
    public var schema: Schema { plan.schema }

    // MARK: Columns

    /// Exactly these columns, in this order: `select("carrier", (col("delay") / 60).as("hours"))`.
    ///
    /// Collective, without messages. Cost: one pass per operator of an expression; plain columns
    /// are not copied.
    /// - Throws: `missingColumn`, `typeMismatch`, `duplicateColumn`.
    public func select(
        _ columns: any ColumnExpression..., file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding(
            "select", .project(columns.map(\.columnExpression)), file: file, line: line)
    }

    /// All columns and these computed ones; one of an existing name replaces that column.
    ///
    /// Collective, without messages. Cost: as `select`.
    /// - Throws: `missingColumn`, `typeMismatch`.
    public func withColumns(
        _ columns: Expression..., file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        var projection = schema.names.map { col($0) }
        for column in columns {
            if let index = projection.firstIndex(where: { $0.name == column.name }) {
                projection[index] = column
            } else {
                projection.append(column)
            }
        }
        return try adding("withColumns", .project(projection), file: file, line: line)
    }

    /// All columns but these. Collective, without messages; nothing is copied.
    /// - Throws: `missingColumn`.
    public func drop(
        _ columns: ColumnNames, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        let context = CheckContext(operation: "drop", origin: Origin(file: file, line: line))
        for name in columns.names { _ = try context.field(name, in: schema) }
        let kept = schema.names.filter { !columns.names.contains($0) }
        return try adding("drop", .project(kept.map { col($0) }), file: file, line: line)
    }

    /// The same columns under new names: `rename(["dep_delay": "delay"])`. Collective, without
    /// messages; nothing is copied.
    /// - Throws: `missingColumn`, `duplicateColumn`.
    public func rename(
        _ names: [String: String], file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        let context = CheckContext(operation: "rename", origin: Origin(file: file, line: line))
        for name in names.keys.sorted() { _ = try context.field(name, in: schema) }
        let projection = schema.names.map { name in
            names[name].map { col(name).as($0) } ?? col(name)
        }
        return try adding("rename", .project(projection), file: file, line: line)
    }

    // MARK: Rows

    /// The rows for which `predicate` is true, neither false nor null: `filter(col("delay") > 60)`.
    ///
    /// Collective, without messages. Rows stay on their rank, in their order.
    /// - Throws: `missingColumn`, `typeMismatch`.
    public func filter(
        _ predicate: Expression, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("filter", .filter(predicate), file: file, line: line)
    }

    /// The first `count` rows in the order of ranks; all if there are fewer.
    ///
    /// Collective. Cost: one exchange of 120 bytes per pair of ranks; rows stay where they are.
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

    // MARK: Joins and groups

    /// Rows of both sides with equal keys, side by side:
    /// `flights.join(planes, on: "tailnum", how: .left)`.
    ///
    /// Collective. Null keys match nothing. The result has the left columns, then the right ones
    /// without their keys.
    /// - Parameters:
    ///   - on: the keys, of equal names and types on both sides.
    ///   - how: `.inner`, or `.left` for left rows without a partner too.
    ///   - suffix: appended to the name of a right column that the left side has too.
    /// - Cost: a side of at most 1/size of the other's bytes (in a left join only the right one) is
    ///   sent whole to every rank, and the other does not move. Else both are shuffled by hash:
    ///   each row moves once, at most size − 1 messages each way per side. A side known to be
    ///   partitioned by its keys is not shuffled again. Then a radix-partitioned hash join.
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

    /// The rows in groups of equal `keys`; `agg` says what to compute of each:
    /// `groupBy("carrier").agg(col("delay").mean(), len())`. Local until then.
    public func groupBy(_ keys: ColumnNames) -> Grouping<Self> {
        Grouping(base: self, keys: keys.names)
    }

    /// One row of aggregates over all rows, on every rank: `aggregate(col("delay").max(), len())`.
    ///
    /// Collective. Cost: one pass, and two exchanges of one row per pair of ranks.
    /// - Throws: `missingColumn`, `typeMismatch`, `duplicateColumn`.
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

    // MARK: Placement

    /// Rows with equal `keys` on one rank, which their hash chooses: what joins and groups on these
    /// keys need, done once for all of them.
    ///
    /// Collective. Cost: each row moves once, at most size − 1 messages each way.
    /// - Throws: `missingColumn`.
    public func repartition(
        by keys: ColumnNames, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("repartition", .distribute(.hash(keys.names)), file: file, line: line)
    }

    /// Equally many rows on each rank, in the same order. Collective. Cost: each row moves at most
    /// once.
    public func rebalance(file: String = #fileID, line: Int = #line) throws(FrameError) -> Self {
        try adding("rebalance", .distribute(.even), file: file, line: line)
    }

    /// All rows on rank `root`, in order; the others hold none. Collective. Cost: `root` receives
    /// every other rank's rows, which must fit its memory.
    /// - Throws: `invalidArgument` for a rank that does not exist.
    public func gather(
        to root: Int = 0, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("gather", .distribute(.root(root)), file: file, line: line)
    }

    /// All rows on every rank, in order, for small results. Verbs on it run without messages.
    /// Collective. Cost: every rank receives every other rank's rows.
    public func replicate(file: String = #fileID, line: Int = #line) throws(FrameError) -> Self {
        try adding("replicate", .distribute(.everywhere), file: file, line: line)
    }

    private func adding(
        _ name: String, _ operation: PlanOperation, file: String, line: Int
    ) throws(FrameError) -> Self {
        try adding(
            PlanStep(
                name: name, operation: operation, inputs: [plan],
                origin: Origin(file: file, line: line)))
    }
}

/// Rows in groups of equal keys, waiting for `agg`.
public struct Grouping<Base: Relation>: Sendable {
    let base: Base
    let keys: [String]

    /// One row per group: its keys, then the aggregates. Nulls form a group of their own.
    ///
    /// Collective. Cost: each rank aggregates its own rows first (unless nearly every row is a
    /// group of its own), then the partial results are shuffled by hash and merged; without any
    /// message if equal keys are known to be on one rank.
    /// - Throws: `missingColumn`, `typeMismatch`, `duplicateColumn`.
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
