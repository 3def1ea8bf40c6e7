// Functions that choose among their operands: when/then/otherwise, the least and the greatest of
// several, and membership in a list.

extension OperandType {
    /// The type that all become.
    static func common(_ types: [OperandType]) -> DataType? {
        var result = types[0]
        for type in types.dropFirst() {
            guard let common = common(result, type) else { return nil }
            let isConstant = result.literal != nil && type.literal != nil && result.type == common
            result = OperandType(type: common, literal: isConstant ? result.literal : nil)
        }
        return result.type
    }
}

/// Operands are the branches, then a condition for each but the last.
struct Choice: ColumnFunction {
    let branchCount: Int
    var text: String { "when(\(branchCount - 1))" }

    func type(of operands: [OperandType]) -> DataType? {
        let (branches, conditions) = (operands.prefix(branchCount), operands.dropFirst(branchCount))
        guard conditions.allSatisfy({ $0.type == .bool }) else { return nil }
        return OperandType.common(Array(branches))
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        let branches = operands.prefix(branchCount)
        guard let type = OperandType.common(branches.map(\.operandType)) else {
            preconditionFailure("branches were checked")
        }
        let values = branches.map { $0.cast(to: type) }
        let conditions = operands.dropFirst(branchCount).map { operand -> Bitmap in
            let column = operand.column(count: count)
            return column.validity.map { column.bits.and($0) } ?? column.bits
        }
        if type.isText { return gathered(values, conditions, count) }
        // The first true condition decides, so the last one is tried first.
        var result = values[branchCount - 1]
        for (condition, value) in zip(conditions, values).reversed() {
            result = .column(Selection.select(condition, value, result, count: count))
        }
        return result.column(count: count).withoutNeedlessValidity
    }

    private func gathered(_ values: [Operand], _ conditions: [Bitmap], _ count: Int) -> Column {
        var columns: [Column] = []
        // Of a constant there is one row, of a column as many as there are.
        var starts: [(first: Int, step: Int)] = []
        var first = 0
        for value in values {
            let column: Column
            switch value {
            case .column(let given):
                column = given
                starts.append((first, 1))
            case .constant(let literal):
                column = literal.column(count: 1)
                starts.append((first, 0))
            }
            columns.append(column)
            first += column.count
        }
        let buffer = Buffer(byteCount: count * 8)
        let rows = buffer.elements(as: Int.self)
        for row in 0..<count {
            let branch = conditions.firstIndex { $0[row] } ?? branchCount - 1
            rows[row] = starts[branch].first + row * starts[branch].step
        }
        return Kernels.gather(Kernels.concat(columns), RowIndices(buffer: buffer, count: count))
            .withoutNeedlessValidity
    }
}

extension Column {
    /// Without validity bits if no value is null.
    var withoutNeedlessValidity: Column {
        validity == nil || nullCount > 0 ? self : with(validity: nil)
    }
}

/// The least or greatest of several values of a row; null only if all are, NaN only of nothing else.
struct Extreme: ColumnFunction {
    let isGreatest: Bool
    var text: String { isGreatest ? "maxHorizontal" : "minHorizontal" }

    func type(of operands: [OperandType]) -> DataType? {
        guard let type = OperandType.common(operands) else { return nil }
        return type == .category ? .string : type
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        guard let type = type(of: operands.map(\.operandType)) else {
            preconditionFailure("operands were checked")
        }
        var best = operands[0].cast(to: type)
        for operand in operands.dropFirst() {
            let other = operand.cast(to: type)
            var isBetter = Evaluation.compare(
                isGreatest ? .greater : .less, other, best, count)
            if type.isFloat {
                let isNaN = Evaluation.unary(.isNaN, best.column(count: count))
                isBetter = Evaluation.binary(
                    .or, .column(isBetter), .column(isNaN), count: count)
            }
            let isMissing = Evaluation.unary(.isNull, best.column(count: count))
            let isThere = Evaluation.unary(.isNotNull, other.column(count: count))
            // A null comparison is settled by who has a value.
            let takesOther = Evaluation.binary(
                .and,
                .column(
                    Evaluation.binary(.or, .column(isBetter), .column(isMissing), count: count)),
                .column(isThere), count: count)
            best = .column(
                Choice(branchCount: 2).evaluate([other, best, .column(takesOther)], count: count))
        }
        return best.column(count: count)
    }
}

/// Is the value one of a list? NaN is NaN here, −0 is 0, a null in the list stands for nothing.
struct Membership: ColumnFunction {
    let list: Column
    var text: String {
        let shown = (0..<list.count).map { CellText.text(list, $0) }.joined(separator: ", ")
        return "isIn([\(shown)])"
    }

    func type(of operands: [OperandType]) -> DataType? {
        common(operands[0].type).map { _ in .bool }
    }

    private func common(_ type: DataType) -> DataType? {
        if list.type == .int64 && type.isNumeric { return type }
        return type.common(with: list.type)
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        guard let type = common(operands[0].type) else {
            preconditionFailure("the list was checked")
        }
        let given = operands[0].column(count: count)
        if let dictionary = given.dictionary, dictionary.values.count < count {
            let byCode = evaluate([.column(dictionary.values)], count: dictionary.values.count)
            return Kernels.gather(byCode, given.codeRows)
        }
        let column = Evaluation.cast(given, to: type)
        // What the type cannot hold is null, and no value equals it.
        let known = Kernels.filter(
            Evaluation.cast(list, to: type),
            Bitmap(count: list.count) {
                !Evaluation.cast(list, to: type).isNull(at: $0)
            })
        if known.count == 0 {
            return Evaluation.bool(Bitmap(repeating: false, count: count), column.validity)
        }
        let codes = Kernels.singleKeyCodes([known, column])
        let wanted = Set(codes[0].int64s.compactMap { $0 })
        let values = codes[1].pointer(as: Int64.self)
        defer { withExtendedLifetime(codes) {} }
        let bits: Bitmap
        if wanted.count <= 8 {
            let few = Array(wanted)
            bits = Bitmap(count: count) { row in
                var isFound = false
                for value in few { isFound = isFound || values[row] == value }
                return isFound
            }
        } else {
            bits = Bitmap(count: count) { wanted.contains(values[$0]) }
        }
        return Evaluation.bool(bits, column.validity)
    }
}

/// A condition that waits for its value: `when(col("delay") > 60).then("late").otherwise("fine")`.
public struct When: Sendable {
    let branches: [Expression]
    let conditions: [Expression]

    /// What to take where the condition is true. Local.
    public func then(_ value: Expression) -> Then {
        Then(branches: branches + [value], conditions: conditions)
    }
}

/// Conditions with their values, tried in order.
public struct Then: Sendable {
    let branches: [Expression]
    let conditions: [Expression]

    /// Another condition, for rows where no earlier one is true. Local.
    public func when(_ condition: Expression) -> When {
        When(branches: branches, conditions: conditions + [condition])
    }

    /// What to take where no condition is true (where they are false or null). Local.
    public func otherwise(_ value: Expression) -> Expression {
        Expression(
            .function(
                Choice(branchCount: branches.count + 1),
                (branches + [value] + conditions).map(\.node)))
    }
}

/// Begins a choice by condition; all values must have a common type. Local.
public func when(_ condition: Expression) -> When { When(branches: [], conditions: [condition]) }

/// The first value of a row that is not null. Local.
public func coalesce(_ first: Expression, _ others: Expression...) -> Expression {
    others.reduce(first) { $0.fillNull($1) }
}

/// The least value of a row; nulls are left out, and so is NaN beside numbers. Local.
public func minHorizontal(_ first: Expression, _ others: Expression...) -> Expression {
    Expression(.function(Extreme(isGreatest: false), ([first] + others).map(\.node)))
}

/// The greatest value of a row; nulls are left out, and so is NaN beside numbers. Local.
public func maxHorizontal(_ first: Expression, _ others: Expression...) -> Expression {
    Expression(.function(Extreme(isGreatest: true), ([first] + others).map(\.node)))
}

/// A null of a type. Local.
public func lit(nullOf type: DataType) -> Expression {
    Expression(.literal(.typed(Kernels.gather(Column.empty(type), RowIndices([-1])))))
}

extension Expression {
    /// Is the value one of `list`, whose type must go with it? Null stays null; NaN is NaN. Local.
    public func isIn(_ list: Column) -> Expression { applying(Membership(list: list)) }
    /// Is the value one of these? Local.
    public func isIn(_ list: [String]) -> Expression { isIn(Column(list)) }
    /// Is the value one of these? Local.
    public func isIn(_ list: [Int]) -> Expression { isIn(Column(list.map { Int64($0) })) }
    /// Is the value one of these? Local.
    @_disfavoredOverload
    public func isIn(_ list: [Double]) -> Expression { isIn(Column(list)) }

    /// Named as `other`, unless `as` says otherwise.
    func inheritingName(of other: Expression) -> Expression {
        Expression(node, alias: other.alias ?? other.node.leftmostColumn)
    }
}
