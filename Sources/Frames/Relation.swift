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
    /// Collective, without messages, unless an expression can fail for some values (a strict cast,
    /// a closure): then one exchange of 136 bytes per pair of ranks. Cost: one pass over the columns
    /// read, in batches that fit the cache; plain columns are not copied.
    /// - Throws: `missingColumn`, `typeMismatch`, `duplicateColumn`; `malformedValue`, on all ranks,
    ///   for a value that a strict cast refuses.
    public func select(
        _ columns: any ColumnExpression..., file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding(
            "select", .project(columns.map(\.columnExpression)), file: file, line: line)
    }

    /// All columns and these computed ones; one of an existing name replaces that column.
    ///
    /// Collective. Messages, cost and errors as `select`.
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
        let kept = schema.names.filter { !columns.names.contains($0) }
        // A name that is not there is asked for, so that it is refused where all names are.
        let unknown = columns.names.filter { schema.index(of: $0) == nil }
        return try adding(
            "drop", .project((unknown + kept).map { col($0) }), file: file, line: line)
    }

    /// The same columns under new names: `rename(["dep_delay": "delay"])`. Collective, without
    /// messages; nothing is copied.
    /// - Throws: `missingColumn`, `duplicateColumn`.
    public func rename(
        _ names: [String: String], file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        let projection = schema.names.map { name in
            names[name].map { col(name).as($0) } ?? col(name)
        }
        // A name that is not there is asked for, so that it is refused where all names are.
        let unknown = names.keys.sorted().filter { schema.index(of: $0) == nil }
        return try adding(
            "rename", .project(unknown.map { col($0) } + projection), file: file, line: line)
    }

    func adding(
        _ name: String, _ operation: PlanOperation, file: String, line: Int
    ) throws(FrameError) -> Self {
        try adding(
            PlanStep(
                name: name, operation: operation, inputs: [plan],
                origin: Origin(file: file, line: line)))
    }
}
