// Verbs noted instead of run: a plan that is executed as a whole.

/// A computation over frames that has not run yet. Its verbs are those of `Relation`; `collect()`
/// runs them.
///
///     let worst = try flights.lazy.join(planes.lazy, on: "tailnum")
///         .groupBy("manufacturer").agg(col("arr_delay").mean()).collect()
///
/// Names and types are checked as verbs are added, before anything runs. A query used twice in
/// another runs once there.
public struct Query: Relation {
    public let plan: PlanNode

    init(plan: PlanNode) { self.plan = plan }

    /// Local, unlike a frame's: nothing is exchanged until `collect()`.
    public func adding(_ step: PlanStep) throws(FrameError) -> Query {
        Query(plan: try PlanNode(checking: step))
    }

    /// Runs the plan, optimised: filters and columns nobody needs go first, and what was written twice
    /// runs once (`explain()` shows it). Collective. Cost: the sum of its verbs', where partitioning
    /// known from one step saves the next one's shuffle.
    ///
    /// The rows are those of the same verbs on frames. Rows that a join or groupBy yields may come in
    /// another order, as fewer of them are compared; sort them if that matters.
    ///
    /// - Throws: `FrameError`, the same on all ranks if a step exchanges messages after it.
    public func collect() throws(FrameError) -> Frame { try Executor.run(try plan.optimised()) }
}
