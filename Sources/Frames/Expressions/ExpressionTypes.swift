// The type of an expression over a schema, found before any row moves. Whatever passes here, the
// evaluation handles: it has no type errors of its own.

/// Who asks, for the error.
struct CheckContext {
    let operation: String
    let origin: Origin

    func error(_ code: FrameError.Code, _ reason: String, column: String? = nil) -> FrameError {
        FrameError(
            code, operation: operation, reason: reason, column: column,
            location: origin.description)
    }

    /// A column that must exist, with the nearest name there is when it does not.
    func field(_ name: String, in schema: Schema) throws(FrameError) -> Field {
        if let index = schema.index(of: name) { return schema.fields[index] }
        let known =
            schema.names.prefix(12).joined(separator: ", ")
            + (schema.count > 12 ? ", …" : "")
        let nearest = schema.names.nearest(to: name).map { "did you mean \"\($0)\"? " } ?? ""
        throw error(
            .missingColumn, "there is no such column; \(nearest)there are: \(known)", column: name)
    }
}

extension Expression {
    /// Name and type of the column this computes from rows of `schema`. Local.
    func field(in schema: Schema, _ context: CheckContext) throws(FrameError) -> Field {
        guard alias != nil || node.leftmostColumn != nil else {
            throw context.error(
                .invalidArgument, "the constant \(node) has no name; give it one with `as`")
        }
        return Field(name, try node.type(in: schema, context))
    }
}

extension Expression.Node {
    func type(in schema: Schema, _ context: CheckContext) throws(FrameError) -> DataType {
        switch self {
        case .column(let name):
            return try context.field(name, in: schema).type
        case .literal(let literal):
            return literal.type
        case .unary(let operation, let operand):
            let type = try operand.type(in: schema, context)
            return try checkUnary(operation, type, context)
        case .binary(let operation, let left, let right):
            let leftType = try left.type(in: schema, context)
            let rightType = try right.type(in: schema, context)
            let signature = BinarySignature(
                operation, OperandType(type: leftType, literal: left.literal),
                OperandType(type: rightType, literal: right.literal))
            guard let signature else {
                throw mismatch(
                    leftType == rightType
                        ? "\(operation.rawValue) is not defined for \(leftType)"
                        : "\(leftType) and \(rightType) do not go together with "
                            + "\(operation.rawValue); cast one", context)
            }
            return signature.result
        case .cast(let operand, let target, _):
            let type = try operand.type(in: schema, context)
            guard type.converts(to: target) else {
                throw mismatch("\(type) cannot be cast to \(target)", context)
            }
            return target
        case .function(let function, let operands):
            return try type(of: function, operands, in: schema, context)
        case .datePart(let part, let operand):
            let type = try operand.type(in: schema, context)
            guard type == .datetime || (type == .date && !part.isOfTime) else {
                throw mismatch("\(part.rawValue) is not defined for \(type)", context)
            }
            return .int64
        }
    }

    private func type(
        of function: any ColumnFunction, _ operands: [Expression.Node], in schema: Schema,
        _ context: CheckContext
    ) throws(FrameError) -> DataType {
        var types: [OperandType] = []
        for operand in operands {
            types.append(
                OperandType(type: try operand.type(in: schema, context), literal: operand.literal))
        }
        if let problem = function.problem {
            throw context.error(.invalidArgument, "\(problem), in \(self)", column: leftmostColumn)
        }
        guard let type = function.type(of: types) else {
            let given = types.map { "\($0.type)" }.joined(separator: ", ")
            throw mismatch("\(function.text) is not defined for \(given)", context)
        }
        return type
    }

    private func mismatch(_ reason: String, _ context: CheckContext) -> FrameError {
        context.error(.typeMismatch, "\(reason), in \(self)", column: leftmostColumn)
    }

    private func checkUnary(
        _ operation: UnaryOperator, _ type: DataType, _ context: CheckContext
    ) throws(FrameError) -> DataType {
        switch operation {
        case .isNull, .isNotNull: return .bool
        case .negate where type.isNumeric || type == .duration: return type
        case .not where type == .bool: return .bool
        case .isNaN where type.isFloat: return .bool
        case .negate, .not, .isNaN:
            throw mismatch("\(operation.rawValue) is not defined for \(type)", context)
        }
    }
}

extension Expression.Node {
    /// The constant this is, if it is one.
    var literal: Literal? { if case .literal(let literal) = self { literal } else { nil } }

    /// Can evaluating it fail for some values? Then ranks agree on the outcome before they go on.
    func canFail(in schema: Schema) -> Bool {
        switch self {
        case .column, .literal: return false
        case .unary(_, let operand), .datePart(_, let operand): return operand.canFail(in: schema)
        case .binary(_, let left, let right):
            return left.canFail(in: schema) || right.canFail(in: schema)
        case .function(let function, let operands):
            return function.canFail || operands.contains { $0.canFail(in: schema) }
        case .cast(let operand, let target, let isStrict):
            if operand.canFail(in: schema) { return true }
            let context = CheckContext(operation: "cast", origin: Origin(file: "", line: 0))
            guard isStrict, let type = try? operand.type(in: schema, context) else { return false }
            return !type.alwaysConverts(to: target)
        }
    }
}

extension Aggregate {
    /// Name and type of the column this computes. Local.
    func field(in schema: Schema, _ context: CheckContext) throws(FrameError) -> Field {
        guard let operand else { return Field(name, .int64) }
        let type = try operand.node.type(in: schema, context)
        switch function {
        case .len, .count, .nUnique: return Field(name, .int64)
        case .min, .max, .first, .last: return Field(name, type)
        case .quantile(let share) where !(0...1).contains(share):
            throw context.error(
                .invalidArgument, "the quantile \(share); ask for 0 to 1",
                column: operand.node.leftmostColumn)
        case .sum, .mean, .std, .variance, .median, .quantile:
            let isSum = function == .sum
            guard type.isNumeric || type == .bool || type == .duration && isSum else {
                throw context.error(
                    .typeMismatch, "the \(function.name) of \(type) is not defined",
                    column: operand.node.leftmostColumn)
            }
            return Field(name, isSum ? type.sumType : .float64)
        }
    }
}

extension [String] {
    /// The element with the least edit distance to `name`, if that is small enough to be a typo.
    func nearest(to name: String) -> String? {
        let scored = map { ($0, $0.lowercased().editDistance(to: name.lowercased())) }
        guard let best = scored.min(by: { $0.1 < $1.1 }),
            best.1 <= Swift.max(1, (name.count + 1) / 3)
        else { return nil }
        return best.0
    }
}

extension String {
    /// Levenshtein's distance: insertions, removals and replacements that lead to `other`.
    func editDistance(to other: String) -> Int {
        let other = Array(other)
        var row = Array(0...other.count)
        for (index, character) in enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let replaced = diagonal + (character == other[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = Swift.min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[other.count]
    }
}

extension Origin: CustomStringConvertible {
    var description: String { "\(file):\(line)" }
}
