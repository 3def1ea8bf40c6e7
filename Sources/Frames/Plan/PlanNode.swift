// One step of a computation over frames, with its inputs: what a verb adds. Checked when it is made,
// so that a plan that exists can run; executed by Executor.

import MessagePassing

/// A verb not yet checked against its inputs: what `Relation` hands to `adding`.
public struct PlanStep: Sendable {
    /// The verb's name, as errors and statistics give it.
    let name: String
    let operation: PlanOperation
    let inputs: [PlanNode]
    let origin: Origin
}

/// What a step does with the rows of its inputs.
enum PlanOperation: Sendable {
    /// The rows of a frame that exists.
    case source(Frame)
    /// Exactly these columns, computed.
    case project([Expression])
    case filter(Expression)
    case join(JoinSpecification)
    /// With no keys, one row on every rank.
    case group(keys: [String], aggregates: [Aggregate])
    case sort([SortKey])
    case unique(on: [String])
    case concat
    case head(Int)
    /// From a row on (of all rows; negative ones count from the end), so many; nil means the rest.
    case slice(Int, Int?)
    case sample(Sampling)
    case topK(Int, [SortKey])
    case crossJoin(suffix: String)
    /// A column of this name with each row's number among all.
    case rowIndex(String)
    case mapPartitions(Schema, @Sendable (Table) throws -> Table)
    case describe
    case distribute(Distribution)

    /// Do the ranks exchange messages for it, unless they know that they need not? Only then is it
    /// worth dropping columns before it.
    var exchanges: Bool {
        switch self {
        case .source, .project, .filter, .concat: false
        case .join, .group, .sort, .unique, .head, .slice, .sample, .topK, .crossJoin, .rowIndex,
            .mapPartitions, .describe, .distribute:
            true
        }
    }
}

/// Which rows a sample takes.
enum Sampling: Sendable, Hashable {
    case count(Int, seed: UInt64)
    case fraction(Double, seed: UInt64)
}

/// Where rows are to be.
enum Distribution: Sendable, Hashable {
    /// On the rank that the hash of these columns chooses.
    case hash([String])
    /// In the same order, equally many on each rank.
    case even
    /// All on one rank, the others empty.
    case root(Int)
    /// All on every rank.
    case everywhere
}

/// Which columns a join compares and what its result is called.
struct JoinSpecification: Sendable {
    var kind: JoinKind
    var leftKeys: [String]
    var rightKeys: [String]
    /// Appended to the name of a right column that the left side has too.
    var suffix: String
}

/// A checked step of a plan, with its inputs and the schema of its result.
///
/// Immutable, hence shared freely: a node that two others take as input runs once.
public final class PlanNode: Sendable {
    let name: String
    let operation: PlanOperation
    let inputs: [PlanNode]
    let origin: Origin
    /// The columns of the rows this node yields.
    public let schema: Schema
    let communicator: any Communicator
    /// Equal on two ranks exactly if they run the same step over the same columns.
    let fingerprint: UInt64

    /// Checks names and types. Local.
    /// - Throws: `FrameError` naming the verb, the column and the line of the program.
    init(checking step: PlanStep) throws(FrameError) {
        name = step.name
        operation = step.operation
        inputs = step.inputs
        origin = step.origin
        communicator = try step.commonCommunicator()
        schema = try step.checkedSchema()
        fingerprint = step.fingerprint(schema: schema)
    }

    init(source frame: Frame) {
        name = "source"
        operation = .source(frame)
        inputs = []
        origin = Origin(file: "", line: 0)
        communicator = frame.communicator
        schema = frame.table.schema
        fingerprint = 0
    }
}
