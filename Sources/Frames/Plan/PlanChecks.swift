// What each step demands of its inputs and what columns it yields. All checks of names and types
// are here, so that execution has none.

import MessagePassing

extension PlanStep {
    private var context: CheckContext { CheckContext(operation: name, origin: origin) }

    /// The one communicator of all inputs.
    func commonCommunicator() throws(FrameError) -> any Communicator {
        let first = inputs[0].communicator
        for input in inputs where input.communicator !== first {
            throw context.error(
                .invalidArgument,
                "the frames belong to different communicators; make both on one of them")
        }
        return first
    }

    /// The schema of the result.
    func checkedSchema() throws(FrameError) -> Schema {
        let input = inputs[0].schema
        switch operation {
        case .source(let frame):
            return frame.table.schema
        case .project(let expressions):
            return try schema(of: fields(expressions, in: input))
        case .filter(let predicate):
            let type = try predicate.node.type(in: input, context)
            guard type == .bool else {
                throw context.error(
                    .typeMismatch, "the predicate \(predicate) is \(type), not bool")
            }
            return input
        case .join(let join):
            return try joinSchema(join)
        case .group(let keys, let aggregates):
            return try groupSchema(keys, aggregates)
        case .sort(let keys):
            try requireColumns(keys.map(\.column))
            return input
        case .unique(let names):
            try requireColumns(names)
            return input
        case .concat:
            return try concatSchema()
        case .head(let count):
            guard count >= 0 else {
                throw context.error(.invalidArgument, "\(count) rows; ask for 0 or more")
            }
            return input
        case .slice(_, let count):
            try require(count ?? 0 >= 0, "\(count ?? 0) rows; ask for 0 or more")
            return input
        case .sample(.count(let count, _)):
            try require(count >= 0, "\(count) rows; ask for 0 or more")
            return input
        case .sample(.fraction(let share, _)):
            try require((0...1).contains(share), "a share of \(share); ask for 0 to 1")
            return input
        case .topK(let count, let keys):
            try require(count >= 0, "\(count) rows; ask for 0 or more")
            try requireColumns(keys.map(\.column))
            return input
        case .crossJoin(let suffix):
            let right = inputs[1].schema
            return try schema(of: input.fields + right.fields(beside: input, suffix: suffix))
        case .rowIndex(let name):
            return try schema(of: [Field(name, .int64)] + input.fields)
        case .mapPartitions(let schema, _): return schema
        case .describe:
            return try describeSchema(input)
        case .distribute(let distribution):
            try check(distribution)
            return input
        }
    }

    private func require(_ condition: Bool, _ reason: String) throws(FrameError) {
        guard condition else { throw context.error(.invalidArgument, reason) }
    }

    private func schema(of fields: [Field]) throws(FrameError) -> Schema {
        do {
            return try Schema(fields, operation: name)
        } catch {
            var error = error
            error.location = origin.description
            throw error
        }
    }

    private func fields(
        _ expressions: [Expression], in schema: Schema
    ) throws(FrameError) -> [Field] {
        var fields: [Field] = []
        for expression in expressions { fields.append(try expression.field(in: schema, context)) }
        return fields
    }

    /// One or more different columns that exist.
    private func requireColumns(_ names: [String]) throws(FrameError) {
        guard !names.isEmpty else {
            throw context.error(.invalidArgument, "no columns given; name at least one")
        }
        var seen: Set<String> = []
        for column in names {
            _ = try context.field(column, in: inputs[0].schema)
            guard seen.insert(column).inserted else {
                throw context.error(.duplicateColumn, "the column is named twice", column: column)
            }
        }
    }

    private func joinSchema(_ join: JoinSpecification) throws(FrameError) -> Schema {
        let (left, right) = (inputs[0].schema, inputs[1].schema)
        guard join.leftKeys.count == join.rightKeys.count, !join.leftKeys.isEmpty else {
            throw context.error(
                .invalidArgument,
                "\(join.leftKeys.count) left and \(join.rightKeys.count) right keys; "
                    + "name as many on both sides, one at least")
        }
        for (leftKey, rightKey) in zip(join.leftKeys, join.rightKeys) {
            let leftType = try context.field(leftKey, in: left).type
            let rightType = try context.field(rightKey, in: right).type
            guard leftType == rightType else {
                throw context.error(
                    .typeMismatch,
                    "the key is \(leftType) on the left and \(rightType) on the right; cast one",
                    column: leftKey)
            }
        }
        if !join.kind.hasRightColumns { return left }
        return try schema(of: left.fields + join.rightFields(left: left, right: right))
    }

    private func groupSchema(
        _ keys: [String], _ aggregates: [Aggregate]
    ) throws(FrameError) -> Schema {
        guard !aggregates.isEmpty || !keys.isEmpty else {
            throw context.error(.invalidArgument, "nothing to compute; name an aggregate")
        }
        if !keys.isEmpty { try requireColumns(keys) }
        let input = inputs[0].schema
        var fields: [Field] = []
        for key in keys { fields.append(try context.field(key, in: input)) }
        for aggregate in aggregates { fields.append(try aggregate.field(in: input, context)) }
        return try schema(of: fields)
    }

    private func concatSchema() throws(FrameError) -> Schema {
        let first = inputs[0].schema
        for (position, input) in inputs.enumerated() where input.schema != first {
            let column = zip(first.fields, input.schema.fields).first { $0 != $1 }?.1.name
            throw context.error(
                .typeMismatch,
                "frame \(position) has other columns (\(input.schema)) than the first (\(first))",
                column: column)
        }
        return first
    }

    private func describeSchema(_ input: Schema) throws(FrameError) -> Schema {
        let described = input.fields.filter { $0.type.isNumeric || $0.type == .bool }
        guard !described.isEmpty else {
            throw context.error(.invalidArgument, "there is no int64, float64 or bool column")
        }
        return try schema(
            of: [Field("statistic", .string)] + described.map { Field($0.name, .float64) })
    }

    private func check(_ distribution: Distribution) throws(FrameError) {
        switch distribution {
        case .hash(let keys): try requireColumns(keys)
        case .root(let root):
            let size = inputs[0].communicator.size
            guard (0..<size).contains(root) else {
                throw context.error(
                    .invalidArgument, "rank \(root) of \(size); name one of 0 to \(size - 1)")
            }
        case .even, .everywhere: break
        }
    }
}

extension JoinSpecification {
    /// The right side's columns in the result: all but its keys, under names of their own.
    func rightFields(left: Schema, right: Schema) -> [Field] {
        let names = rightColumns(right).map { right.fields[$0] }
        return names.beside(left, suffix: suffix)
    }

    /// Which of the right side's columns are in the result: a pair of equal keys is one column,
    /// the left one.
    func rightColumns(_ right: Schema) -> [Int] {
        right.fields.indices.filter { !rightKeys.contains(right.fields[$0].name) }
    }
}

extension Schema {
    /// Its fields, those that `left` has too with `suffix` appended.
    func fields(beside left: Schema, suffix: String) -> [Field] {
        fields.beside(left, suffix: suffix)
    }
}

extension [Field] {
    fileprivate func beside(_ left: Schema, suffix: String) -> [Field] {
        map { field in
            left.index(of: field.name) == nil ? field : Field(field.name + suffix, field.type)
        }
    }
}

extension PlanStep {
    /// A number that differs between ranks that run different steps. It is FNV-1a over a
    /// description, as Swift's own hashes differ from process to process.
    func fingerprint(schema: Schema) -> UInt64 {
        var text = "\(name) \(operation.summary) -> \(schema)"
        for input in inputs { text += " <- \(input.schema)" }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}

extension PlanOperation {
    /// The arguments on which all ranks must agree, in words.
    var summary: String {
        switch self {
        case .source: "frame"
        case .project(let expressions): "\(expressions)"
        case .filter(let predicate): "\(predicate)"
        case .join(let join): "\(join.kind) on \(join.leftKeys) = \(join.rightKeys)"
        case .group(let keys, let aggregates):
            "by \(keys): \(aggregates.map { "\($0.function) as \($0.name)" })"
        case .sort(let keys): PlanOperation.summary(of: keys)
        case .unique(let names): "on \(names)"
        case .concat: "frames"
        case .head(let count): "\(count)"
        case .slice(let start, let count): "\(start), \(count ?? -1)"
        case .sample(let sampling): "\(sampling)"
        case .topK(let count, let keys): "\(count) \(PlanOperation.summary(of: keys))"
        case .crossJoin(let suffix): "suffix \(suffix)"
        case .rowIndex(let name): name
        case .mapPartitions(let schema, _): "returning \(schema)"
        case .describe: "numbers"
        case .distribute(let distribution): "\(distribution)"
        }
    }
    private static func summary(of keys: [SortKey]) -> String {
        "by \(keys.map { "\($0.column) \($0.descending ? "down" : "up"), nulls \($0.nulls)" })"
    }
}
