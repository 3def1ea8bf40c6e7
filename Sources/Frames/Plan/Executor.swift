// Runs a plan: each node once, inputs first, keeping track of where rows are.

import MessagePassing

/// The rows of one node on this rank, while a plan runs.
struct Rows {
    var table: Table
    var partitioning: Partitioning
}

/// One run of a plan on this rank.
struct Executor {
    private var done: [ObjectIdentifier: Rows] = [:]
    /// How many nodes still wait for a node's rows.
    private var waiting: [ObjectIdentifier: Int] = [:]
    private var statistics: [StepStatistics] = []

    /// Runs `node` and what it needs. Collective over its communicator.
    static func run(_ node: PlanNode) throws(FrameError) -> Frame {
        if case .source(let frame) = node.operation { return frame }
        var executor = Executor()
        executor.countUses(of: node)
        let rows = try executor.rows(of: node)
        return Frame(
            table: rows.table, communicator: node.communicator, partitioning: rows.partitioning,
            statistics: executor.statistics)
    }

    private mutating func countUses(of node: PlanNode) {
        let uses = waiting[ObjectIdentifier(node), default: 0]
        waiting[ObjectIdentifier(node)] = uses + 1
        if uses == 0 {
            for input in node.inputs { countUses(of: input) }
        }
    }

    private mutating func rows(of node: PlanNode) throws(FrameError) -> Rows {
        let id = ObjectIdentifier(node)
        let isLastUse = waiting[id] == 1
        waiting[id, default: 1] -= 1
        if let rows = done[id] {
            // Kept no longer than needed: intermediate results are what fills memory.
            if isLastUse { done[id] = nil }
            return rows
        }
        let rows = try run(node)
        if !isLastUse { done[id] = rows }
        return rows
    }

    private mutating func run(_ node: PlanNode) throws(FrameError) -> Rows {
        if case .source(let frame) = node.operation {
            return Rows(table: frame.table, partitioning: frame.partitioning)
        }
        var inputs: [Rows] = []
        for input in node.inputs { inputs.append(try rows(of: input)) }
        let step = StepRun(node)
        let result = try step.execute(inputs)
        statistics.append(
            step.finished(
                rowsIn: inputs.reduce(0) { $0 + $1.table.rowCount },
                rowsOut: result.table.rowCount))
        return result
    }
}

extension StepRun {
    /// What the node does, on this rank.
    fileprivate func execute(_ inputs: [Rows]) throws(FrameError) -> Rows {
        let input = inputs[0]
        switch node.operation {
        case .source: return input
        case .project(let expressions): return try project(input, expressions)
        case .filter(let predicate): return try filter(input, predicate)
        case .join(let join) where join.kind.isComposed:
            return try composedJoin(inputs[0], inputs[1], join)
        case .join(let join): return try self.join(inputs[0], inputs[1], join)
        case .crossJoin: return try crossJoin(inputs[0], inputs[1])
        case .group(let keys, let aggregates) where aggregates.contains(where: \.isHolistic):
            return try holisticGroup(input, keys, aggregates)
        case .group(let keys, let aggregates):
            return keys.isEmpty
                ? try aggregate(input, aggregates) : try group(input, keys, aggregates)
        case .sort(let keys): return try sort(input, keys)
        case .unique(let names): return try unique(input, names)
        case .concat: return concat(inputs)
        case .head(let count): return try head(input, count)
        case .slice(let start, let count): return try slice(input, start, count)
        case .sample(let sampling): return try sample(input, sampling)
        case .topK(let count, let keys): return try topK(input, count, keys)
        case .rowIndex: return try rowIndex(input)
        case .mapPartitions(_, let body): return try mapPartitions(input, body)
        case .describe: return try describe(input)
        case .distribute(let distribution): return try distribute(input, distribution)
        }
    }
}
