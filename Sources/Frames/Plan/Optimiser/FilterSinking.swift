// Filters move towards the sources: rows that are dropped early are not moved, joined or sorted. A
// conjunction is taken apart (a row passes `a && b` if it passes both, in SQL's logic too), and each
// part sinks as far as its columns allow.

/// Moves filters down.
struct FilterSinking {
    private var done: [ObjectIdentifier: PlanNode] = [:]
    /// Nodes with more than one user stay as they are: a filter of one user is not the other's.
    private var shared: Set<ObjectIdentifier> = []

    mutating func rewrite(_ root: PlanNode) throws(FrameError) -> PlanNode {
        let nodes = root.inOrder
        var used: Set<ObjectIdentifier> = []
        for input in nodes.flatMap(\.inputs)
        where !used.insert(ObjectIdentifier(input)).inserted {
            shared.insert(ObjectIdentifier(input))
        }
        for node in nodes { done[ObjectIdentifier(node)] = try rebuild(node) }
        return done[ObjectIdentifier(root)] ?? root
    }

    private mutating func rebuild(_ node: PlanNode) throws(FrameError) -> PlanNode {
        var inputs: [PlanNode] = []
        for input in node.inputs { inputs.append(done[ObjectIdentifier(input)] ?? input) }
        let rebuilt = try node.over(inputs)
        if shared.contains(ObjectIdentifier(node)) { shared.insert(ObjectIdentifier(rebuilt)) }
        guard case .filter(let predicate) = rebuilt.operation,
            !predicate.node.canFail(in: rebuilt.schema)
        else { return rebuilt }
        let sunk = try sink(predicate.node.conjuncts, into: rebuilt.inputs[0], of: rebuilt)
        if shared.contains(ObjectIdentifier(node)) { shared.insert(ObjectIdentifier(sunk)) }
        return sunk
    }

    /// `node`'s rows that pass all of `predicates`.
    ///
    /// - Parameter filter: the step they come from, for its name and line.
    private func sink(
        _ predicates: [Expression.Node], into node: PlanNode, of filter: PlanNode
    ) throws(FrameError) -> PlanNode {
        guard !predicates.isEmpty else { return node }
        let routes =
            shared.contains(ObjectIdentifier(node)) ? nil : node.routes(of: predicates)
        guard let routes, routes.ofInputs.contains(where: { !$0.isEmpty }) else {
            return try apply(predicates, to: node, of: filter)
        }
        var inputs: [PlanNode] = []
        for (input, part) in zip(node.inputs, routes.ofInputs) {
            inputs.append(try sink(part, into: input, of: filter))
        }
        return try apply(routes.above, to: try node.over(inputs), of: filter)
    }

    private func apply(
        _ predicates: [Expression.Node], to node: PlanNode, of filter: PlanNode
    ) throws(FrameError) -> PlanNode {
        guard let first = predicates.first else { return node }
        let all = predicates.dropFirst().reduce(first) { .binary(.and, $0, $1) }
        return try filter.changed(.filter(Expression(all)), over: [node])
    }
}

/// Where the parts of a conjunction go: into the inputs of a step, or they stay above it.
struct FilterRoutes {
    var ofInputs: [[Expression.Node]]
    var above: [Expression.Node] = []

    /// - Parameter goesDown: what a predicate becomes in each input; nil if it must stay above.
    init(
        _ predicates: [Expression.Node], inputCount: Int,
        goesDown: (Expression.Node) -> [(input: Int, predicate: Expression.Node)]?
    ) {
        ofInputs = Array(repeating: [], count: inputCount)
        for predicate in predicates {
            guard let places = goesDown(predicate) else {
                above.append(predicate)
                continue
            }
            for place in places { ofInputs[place.input].append(place.predicate) }
        }
    }
}

extension PlanNode {
    /// Where predicates over this step's rows can go; nil where they cannot pass it.
    fileprivate func routes(of predicates: [Expression.Node]) -> FilterRoutes? {
        switch operation {
        case .filter(let own):
            // The order of filters does not count, unless one can fail.
            guard !own.node.canFail(in: schema) else { return nil }
            return FilterRoutes(predicates, inputCount: 1) { [(0, $0)] }
        case .sort, .distribute(.hash), .distribute(.everywhere), .distribute(.root):
            return FilterRoutes(predicates, inputCount: 1) { [(0, $0)] }
        case .concat:
            let count = inputs.count
            return FilterRoutes(predicates, inputCount: count) { predicate in
                (0..<count).map { ($0, predicate) }
            }
        case .unique(let names): return routes(predicates, over: Set(names))
        case .group(let keys, _) where !keys.isEmpty: return routes(predicates, over: Set(keys))
        case .project(let expressions):
            guard !expressions.contains(where: { $0.node.canFail(in: inputs[0].schema) })
            else { return nil }
            var passedOn: [String: String] = [:]
            for expression in expressions {
                if case .column(let name) = expression.node { passedOn[expression.name] = name }
            }
            return FilterRoutes(predicates, inputCount: 1) { predicate in
                predicate.renamed(passedOn).map { [(0, $0)] }
            }
        case .join(let join): return routes(predicates, join)
        case .source, .head, .slice, .sample, .topK, .crossJoin, .rowIndex, .mapPartitions,
            .describe, .group, .distribute(.even):
            return nil
        }
    }

    /// Through a step that keeps or drops all rows with equal values in these columns together.
    private func routes(_ predicates: [Expression.Node], over names: Set<String>) -> FilterRoutes {
        let exact = names.filter(inputs[0].schema.hasOneValuePerKey)
        return FilterRoutes(predicates, inputCount: 1) { predicate in
            predicate.columns.isSubset(of: exact) ? [(0, predicate)] : nil
        }
    }

    /// Through a join: to the side that has the columns, and what is about keys alone to both, as
    /// rows that differ in their keys do not meet.
    private func routes(
        _ predicates: [Expression.Node], _ join: JoinSpecification
    ) -> FilterRoutes? {
        let (left, right) = (inputs[0].schema, inputs[1].schema)
        let rightNames =
            join.kind.hasRightColumns ? join.rightNames(left: left, right: right) : [:]
        let exactKeys = zip(join.leftKeys, join.rightKeys).filter { left.hasOneValuePerKey($0.0) }
        let rightKeys = Dictionary(exactKeys, uniquingKeysWith: { first, _ in first })
        switch join.kind {
        case .right, .full: return nil
        case .inner, .left, .semi, .anti:
            return FilterRoutes(predicates, inputCount: 2) { predicate in
                if predicate.columns.isEmpty { return nil }
                if predicate.columns.isDisjoint(with: rightNames.keys) {
                    guard join.kind != .anti, let onRight = predicate.renamed(rightKeys) else {
                        return [(0, predicate)]
                    }
                    return [(0, predicate), (1, onRight)]
                }
                guard join.kind == .inner, let onRight = predicate.renamed(rightNames) else {
                    return nil
                }
                return [(1, onRight)]
            }
        }
    }
}

extension Schema {
    /// Are equal keys of this column the same value? Not of floats: −0 equals 0, but its inverse is
    /// another.
    fileprivate func hasOneValuePerKey(_ name: String) -> Bool {
        fields.contains { $0.name == name && !$0.type.isFloat }
    }
}

extension Expression.Node {
    /// The parts that must all hold.
    fileprivate var conjuncts: [Expression.Node] {
        if case .binary(.and, let left, let right) = self {
            return left.conjuncts + right.conjuncts
        }
        return [self]
    }

    /// The same over columns of other names; nil if it reads one that has none.
    func renamed(_ names: [String: String]) -> Expression.Node? {
        switch self {
        case .column(let name): return names[name].map { .column($0) }
        case .literal: return self
        case .unary(let operation, let operand):
            return operand.renamed(names).map { .unary(operation, $0) }
        case .binary(let operation, let left, let right):
            guard let left = left.renamed(names), let right = right.renamed(names) else {
                return nil
            }
            return .binary(operation, left, right)
        case .cast(let operand, let type, let isStrict):
            return operand.renamed(names).map { .cast($0, type, isStrict: isStrict) }
        case .datePart(let part, let operand):
            return operand.renamed(names).map { .datePart(part, $0) }
        case .function(let function, let operands):
            let renamed = operands.compactMap { $0.renamed(names) }
            return renamed.count == operands.count ? .function(function, renamed) : nil
        }
    }
}
