// Columns that nothing above a step asks for are dropped below it: before rows are moved they cost
// bytes on the wire, before they are joined or sorted they cost memory.

/// Drops unused columns, from the sources up.
struct ColumnPruning {
    /// By node: the columns of it that are asked for.
    private var needs: [ObjectIdentifier: Set<String>] = [:]
    private var done: [ObjectIdentifier: PlanNode] = [:]

    mutating func rewrite(_ root: PlanNode) throws(FrameError) -> PlanNode {
        let nodes = root.inOrder
        needs[ObjectIdentifier(root)] = Set(root.schema.names)
        for node in nodes.reversed() {
            let asked = node.keepingOne(of: needs[ObjectIdentifier(node), default: []])
            needs[ObjectIdentifier(node)] = asked
            for (input, names) in zip(node.inputs, node.needsOfInputs(for: asked)) {
                needs[ObjectIdentifier(input), default: []].formUnion(names)
            }
        }
        for node in nodes { done[ObjectIdentifier(node)] = try rebuild(node) }
        let rewritten = done[ObjectIdentifier(root)] ?? root
        return try rewritten.selecting(root.schema.names)
    }

    private func rebuild(_ node: PlanNode) throws(FrameError) -> PlanNode {
        let asked = needs[ObjectIdentifier(node), default: []]
        if case .source = node.operation {
            return try node.selecting(node.schema.names.filter(asked.contains))
        }
        var inputs: [PlanNode] = []
        for (input, names) in zip(node.inputs, node.needsOfInputs(for: asked)) {
            let rebuilt = done[ObjectIdentifier(input)] ?? input
            let takesAll = !node.operation.exchanges && !node.operation.wantsEqualSchemas
            let wanted =
                takesAll ? rebuilt.schema.names : rebuilt.schema.names.filter(names.contains)
            inputs.append(try rebuilt.selecting(wanted.isEmpty ? rebuilt.schema.names : wanted))
        }
        if case .project(let expressions) = node.operation {
            let kept = expressions.filter {
                asked.contains($0.name) || $0.node.canFail(in: node.inputs[0].schema)
            }
            return try node.changed(.project(kept), over: inputs)
        }
        return try node.over(inputs)
    }
}

extension PlanNode {
    /// Never none: a table without columns would have no length.
    fileprivate func keepingOne(of names: Set<String>) -> Set<String> {
        guard names.isEmpty else { return names }
        let narrow = schema.fields.first { $0.type.fixedWidth != nil } ?? schema.fields.first
        return narrow.map { [$0.name] } ?? []
    }

    /// The columns of each input that are needed for `asked` of this node's.
    fileprivate func needsOfInputs(for asked: Set<String>) -> [Set<String>] {
        switch operation {
        case .source: return []
        case .project(let expressions):
            let schema = inputs[0].schema
            let kept = expressions.filter {
                asked.contains($0.name) || $0.node.canFail(in: schema)
            }
            return [kept.reduce(into: []) { $0.formUnion($1.node.columns) }]
        case .filter(let predicate): return [asked.union(predicate.node.columns)]
        case .group(let keys, let aggregates):
            return [
                aggregates.reduce(into: Set(keys)) {
                    $0.formUnion($1.operand?.node.columns ?? [])
                }
            ]
        case .sort(let keys), .topK(_, let keys): return [asked.union(keys.map(\.column))]
        case .unique(let names): return [asked.union(names)]
        case .distribute(.hash(let names)): return [asked.union(names)]
        case .head, .slice, .sample, .distribute, .concat: return inputs.map { _ in asked }
        case .rowIndex(let name): return [asked.subtracting([name])]
        case .mapPartitions, .describe: return inputs.map { Set($0.schema.names) }
        case .join(let join):
            let (left, right) = (inputs[0].schema, inputs[1].schema)
            let (ofLeft, ofRight) = split(
                asked, join.kind.hasRightColumns ? join.rightNames(left: left, right: right) : [:])
            return [ofLeft.union(join.leftKeys), ofRight.union(join.rightKeys)]
        case .crossJoin(let suffix):
            let (left, right) = (inputs[0].schema, inputs[1].schema)
            let names = zip(right.fields(beside: left, suffix: suffix), right.fields)
                .map { ($0.name, $1.name) }
            let (ofLeft, ofRight) = split(asked, Dictionary(uniqueKeysWithValues: names))
            return [ofLeft, ofRight]
        }
    }

    /// Which columns of the left and of the right input make up these of a join. A right column that
    /// has a suffix keeps it only while the left one of its name is there.
    private func split(
        _ asked: Set<String>, _ rightNames: [String: String]
    ) -> (left: Set<String>, right: Set<String>) {
        var (left, right): (Set<String>, Set<String>) = ([], [])
        for name in asked {
            guard let own = rightNames[name] else {
                left.insert(name)
                continue
            }
            right.insert(own)
            if own != name { left.insert(own) }
        }
        return (left, right)
    }
}

extension PlanOperation {
    /// Must its inputs have the very same columns?
    fileprivate var wantsEqualSchemas: Bool { if case .concat = self { true } else { false } }
}

extension JoinSpecification {
    /// By the name of a column in the result: its name on the right side.
    func rightNames(left: Schema, right: Schema) -> [String: String] {
        let own = rightColumns(right).map { right.fields[$0].name }
        let names = zip(rightFields(left: left, right: right), own).map { ($0.name, $1) }
        return Dictionary(uniqueKeysWithValues: names)
    }
}

extension Expression.Node {
    /// The names of all columns it reads.
    var columns: Set<String> {
        var names: Set<String> = []
        forEachColumn { names.insert($0) }
        return names
    }
}
