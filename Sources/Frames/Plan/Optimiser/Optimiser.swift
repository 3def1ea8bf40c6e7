// Rewrites a query's plan before it runs: the same rows with less work. Rules only, no statistics:
// each is right whatever the data are, and every rank comes to the same plan without a message.
// What depends on the data (which side of a join is sent or built from) is decided when it runs.

extension PlanNode {
    /// The plan that `collect()` runs in place of this one: equal steps run once, filters sit as low
    /// as they can, and columns that nobody asks for are dropped before rows move.
    ///
    /// What may fail on a value (strict casts, user closures) stays where the program put it, so that
    /// it sees the rows it was meant to see.
    func optimised() throws(FrameError) -> PlanNode {
        var merging = SubplanMerging()
        var sinking = FilterSinking()
        var pruning = ColumnPruning()
        let merged = try merging.rewrite(self)
        let filtered = try sinking.rewrite(merged)
        return try pruning.rewrite(filtered)
    }

    /// This step over other inputs.
    func over(_ inputs: [PlanNode]) throws(FrameError) -> PlanNode {
        if zip(inputs, self.inputs).allSatisfy({ $0 === $1 }) { return self }
        return try changed(operation, over: inputs)
    }

    /// This step with other arguments over other inputs, under its own name.
    func changed(
        _ operation: PlanOperation, over inputs: [PlanNode]
    ) throws(FrameError) -> PlanNode {
        try PlanNode(
            checking: PlanStep(name: name, operation: operation, inputs: inputs, origin: origin))
    }

    /// Of these columns of the node, in this order.
    func selecting(_ names: [String]) throws(FrameError) -> PlanNode {
        if names == schema.names { return self }
        let expressions = names.map { Expression(.column($0)) }
        return try PlanNode(
            checking: PlanStep(
                name: "select", operation: .project(expressions), inputs: [self], origin: origin))
    }

    /// Every node of the plan once, inputs before those that use them.
    var inOrder: [PlanNode] {
        var seen: Set<ObjectIdentifier> = []
        var nodes: [PlanNode] = []
        func visit(_ node: PlanNode) {
            guard seen.insert(ObjectIdentifier(node)).inserted else { return }
            for input in node.inputs { visit(input) }
            nodes.append(node)
        }
        visit(self)
        return nodes
    }
}
