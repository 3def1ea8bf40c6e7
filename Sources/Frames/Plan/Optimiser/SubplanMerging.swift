// Equal steps over equal inputs become one node, which runs once: a query written twice costs no more
// than one used twice.

/// Makes one node of several that compute the same.
struct SubplanMerging {
    private var byKey: [String: PlanNode] = [:]

    mutating func rewrite(_ root: PlanNode) throws(FrameError) -> PlanNode {
        var done: [ObjectIdentifier: PlanNode] = [:]
        for node in root.inOrder {
            var inputs: [PlanNode] = []
            for input in node.inputs { inputs.append(done[ObjectIdentifier(input)] ?? input) }
            done[ObjectIdentifier(node)] = unique(try node.over(inputs))
        }
        return done[ObjectIdentifier(root)] ?? root
    }

    private mutating func unique(_ node: PlanNode) -> PlanNode {
        guard let key = node.key else { return node }
        if let equal = byKey[key] { return equal }
        byKey[key] = node
        return node
    }
}

extension PlanNode {
    /// Equal for nodes that compute the same; nil where that cannot be told: of closures and of
    /// functions nothing is known but their names.
    fileprivate var key: String? {
        guard let arguments = operation.key else { return nil }
        let inputs = inputs.map { String(UInt(bitPattern: ObjectIdentifier($0))) }
        return "\(arguments) <- \(inputs.joined(separator: ","))"
    }
}

extension PlanOperation {
    fileprivate var key: String? {
        switch self {
        case .source(let frame):
            let columns = frame.table.columns.map(\.identity).joined(separator: ",")
            return "source \(frame.table.rowCount) \(frame.table.schema.names) \(columns) "
                + "\(frame.partitioning)"
        case .project(let expressions):
            return keys(expressions.map { $0.key.map { [$0] } }).map { "project \($0)" }
        case .filter(let predicate): return predicate.key.map { "filter \($0)" }
        case .group(let names, let aggregates):
            return keys(aggregates.map(\.keys)).map { "group \(names) \($0)" }
        case .join(let join):
            return "join \(join.kind) \(join.leftKeys) \(join.rightKeys) "
                + String(reflecting: join.suffix)
        case .sort(let keys): return "sort \(keys)"
        case .unique(let names): return "unique \(names)"
        case .distribute(let distribution): return "distribute \(distribution)"
        case .concat, .head, .slice, .sample, .topK, .crossJoin, .rowIndex, .mapPartitions,
            .describe:
            return nil
        }
    }

    private func keys(_ parts: [[String]?]) -> [String]? {
        var all: [String] = []
        for part in parts {
            guard let part else { return nil }
            all += part
        }
        return all
    }
}

extension Expression {
    fileprivate var key: String? {
        node.key.map { "\($0) as \(String(reflecting: name))" }
    }
}

extension Aggregate {
    fileprivate var keys: [String]? {
        guard let operand else { return ["\(function) \(String(reflecting: name))"] }
        return operand.node.key.map { ["\(function) \($0) \(String(reflecting: name))"] }
    }
}

extension Expression.Node {
    /// Equal for equal expressions, and for no others.
    fileprivate var key: String? {
        switch self {
        case .column(let name): return "col \(String(reflecting: name))"
        case .literal(.string(let text)): return "text \(String(reflecting: text))"
        case .literal(.float64(let value)): return "float \(value.bitPattern)"
        case .literal(.typed), .function: return nil
        case .literal(let literal): return "\(literal.type) \(literal)"
        case .unary(let operation, let operand):
            return operand.key.map { "(\(operation.rawValue) \($0))" }
        case .binary(let operation, let left, let right):
            guard let left = left.key, let right = right.key else { return nil }
            return "(\(operation.rawValue) \(left) \(right))"
        case .cast(let operand, let type, let isStrict):
            return operand.key.map { "(cast \(type) \(isStrict) \($0))" }
        case .datePart(let part, let operand): return operand.key.map { "(\(part) \($0))" }
        }
    }
}

extension Column {
    /// Equal for columns that share the same memory.
    fileprivate var identity: String {
        let memory = [values.pointer, offsets?.pointer, validity?.buffer.pointer].map {
            $0.map { String(UInt(bitPattern: $0)) } ?? "-"
        }
        let firstBit = validity?.offset ?? 0
        let codes = dictionary.map { "\(UInt(bitPattern: $0.values.values.pointer))" } ?? ""
        return "\(type)/\(count)/\(start)/\(firstBit)/\(memory.joined(separator: "/"))/\(codes)"
    }
}
