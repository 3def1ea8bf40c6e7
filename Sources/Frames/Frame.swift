// The distributed table that users hold: this rank's rows, whom to exchange messages with, and what
// is known about where rows are.

import MessagePassing

/// A table spread over the ranks of a communicator. Its verbs are those of `Relation`, each run at
/// once.
///
///     let flights = try Frame.readCSV("flights.csv", on: world)
///     let late = try flights.filter(col("dep_delay") > 60)
///         .groupBy("carrier").agg(len().as("flights"), col("dep_delay").mean())
///
/// A value: verbs return new frames that share the memory of columns they do not change.
public struct Frame: Relation {
    /// This rank's rows.
    public let table: Table
    public let communicator: any Communicator
    /// What is known about where rows are; verbs use it to leave out exchanges.
    public let partitioning: Partitioning
    /// What the call that made this frame did, step by step, on this rank. Empty for others.
    public let statistics: [StepStatistics]

    /// This rank's part of a frame. Local, but every rank must make its own, with the same columns.
    /// - Parameters:
    ///   - table: the rows of this rank.
    ///   - communicator: those who hold the other rows; alone (size 1) if none is given.
    ///   - partitioning: what you know about where rows are. What is not true makes joins and
    ///     groups wrong.
    public init(
        _ table: Table, on communicator: any Communicator = SelfCommunicator.alone,
        partitioning: Partitioning = .unknown
    ) {
        self.init(
            table: table, communicator: communicator, partitioning: partitioning, statistics: [])
    }

    init(
        table: Table, communicator: any Communicator, partitioning: Partitioning,
        statistics: [StepStatistics]
    ) {
        self.table = table
        self.communicator = communicator
        self.partitioning = partitioning
        self.statistics = statistics
    }

    public var plan: PlanNode { PlanNode(source: self) }

    public func adding(_ step: PlanStep) throws(FrameError) -> Frame {
        let node: PlanNode
        do {
            node = try PlanNode(checking: step)
        } catch {
            throw step.agreedFailure(error)
        }
        return try Executor.run(node)
    }

    /// The same rows as a query: verbs are noted, and run together at `collect()`. Local.
    public var lazy: Query { Query(plan: plan) }
}
