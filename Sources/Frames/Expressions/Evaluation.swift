// Expressions to columns: each operator is one pass over whole columns, specialised per type. Types
// fit by then (ExpressionTypes checked them), hence the internal preconditions.

/// A column, or one value that stands for as many rows as needed.
enum Operand {
    case column(Column)
    case constant(Literal)

    var type: DataType {
        switch self {
        case .column(let column): column.type
        case .constant(let literal): literal.type
        }
    }
    var validity: Bitmap? {
        switch self {
        case .column(let column): column.validity
        case .constant: nil
        }
    }
}

extension Expression {
    /// The column this computes from the rows of `table`. Local; a plain column is not copied.
    func evaluate(on table: Table) -> Column {
        node.evaluate(on: table).column(count: table.rowCount)
    }
}

extension Expression.Node {
    func evaluate(on table: Table) -> Operand {
        switch self {
        case .column(let name):
            guard let index = table.schema.index(of: name) else {
                preconditionFailure("column \(name) was checked")
            }
            return .column(table.columns[index])
        case .literal(let literal):
            return .constant(literal)
        case .unary(let operation, let operand):
            let operand = operand.evaluate(on: table).column(count: table.rowCount)
            return .column(Evaluation.unary(operation, operand))
        case .binary(let operation, let left, let right):
            return .column(
                Evaluation.binary(
                    operation, left.evaluate(on: table), right.evaluate(on: table),
                    count: table.rowCount))
        case .cast(let operand, let type):
            let operand = operand.evaluate(on: table).column(count: table.rowCount)
            return .column(Evaluation.cast(operand, to: type))
        case .datePart(let part, let operand):
            let operand = operand.evaluate(on: table).column(count: table.rowCount)
            return .column(Evaluation.datePart(part, operand))
        }
    }
}

/// Values as a loop reads them: an array, or one value again and again.
enum Values<Element> {
    case many(UnsafePointer<Element>)
    case one(Element)
}

/// The passes over columns that operators are made of.
enum Evaluation {
    static func unary(_ operation: UnaryOperator, _ operand: Column) -> Column {
        let count = operand.count
        switch operation {
        case .isNotNull:
            return bool(operand.validity ?? Bitmap(repeating: true, count: count), nil)
        case .isNull:
            return bool(operand.validity?.not() ?? Bitmap(repeating: false, count: count), nil)
        case .not:
            return bool(operand.bits.not(), operand.validity)
        case .isNaN:
            let values = operand.pointer(as: Double.self)
            defer { withExtendedLifetime(operand) {} }
            return bool(Bitmap(count: count) { values[$0].isNaN }, operand.validity)
        case .negate:
            return binary(
                .subtract, .constant(operand.type == .int64 ? .int64(0) : .float64(-0.0)),
                .column(operand), count: count)
        }
    }

    static func binary(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, count: Int
    ) -> Column {
        switch operation {
        case .add, .subtract, .multiply, .divide, .remainder:
            return arithmetic(operation, left, right, count)
        case .equal: return compare(.equal, left, right, count)
        case .notEqual: return compare(.notEqual, left, right, count)
        case .less: return compare(.less, left, right, count)
        case .lessOrEqual: return compare(.lessOrEqual, left, right, count)
        case .greater: return compare(.less, right, left, count)
        case .greaterOrEqual: return compare(.lessOrEqual, right, left, count)
        case .and: return and(left.column(count: count), right.column(count: count))
        case .or: return or(left.column(count: count), right.column(count: count))
        case .fillNull: return fillNull(left, right, count)
        }
    }

    static func bool(_ bits: Bitmap, _ validity: Bitmap?) -> Column {
        Column(
            type: .bool, count: bits.count, values: bits.buffer, validity: validity,
            start: bits.offset)
    }

    /// Valid where both are.
    static func validity(_ left: Operand, _ right: Operand) -> Bitmap? {
        guard let left = left.validity else { return right.validity }
        return right.validity.map { left.and($0) } ?? left
    }

    // MARK: Three-valued logic

    /// True and valid, false and valid: a value's two certain states.
    private static func states(_ column: Column) -> (yes: Bitmap, no: Bitmap) {
        let bits = column.bits
        guard let validity = column.validity else { return (bits, bits.not()) }
        return (bits.and(validity), bits.not().and(validity))
    }

    private static func and(_ left: Column, _ right: Column) -> Column {
        if left.validity == nil && right.validity == nil {
            return bool(left.bits.and(right.bits), nil)
        }
        let (left, right) = (states(left), states(right))
        let yes = left.yes.and(right.yes)
        return bool(yes, yes.or(left.no).or(right.no))
    }

    private static func or(_ left: Column, _ right: Column) -> Column {
        if left.validity == nil && right.validity == nil {
            return bool(left.bits.or(right.bits), nil)
        }
        let (left, right) = (states(left), states(right))
        let yes = left.yes.or(right.yes)
        return bool(yes, yes.or(left.no.and(right.no)))
    }

    // MARK: Arithmetic

    private static func arithmetic(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, _ count: Int
    ) -> Column {
        let validity = validity(left, right)
        if left.type == .int64 && right.type == .int64 && operation != .divide {
            defer { withExtendedLifetime((left, right)) {} }
            return int64(operation, left.int64s, right.int64s, count, validity)
        }
        let (left, right) = (left.asFloat64, right.asFloat64)
        defer { withExtendedLifetime((left, right)) {} }
        let (l, r) = (left.float64s, right.float64s)
        let result = Buffer(byteCount: count * 8)
        let output = result.elements(as: Double.self)
        switch operation {
        case .add: map(l, r, count) { output[$0] = $1 + $2 }
        case .subtract: map(l, r, count) { output[$0] = $1 - $2 }
        case .multiply: map(l, r, count) { output[$0] = $1 * $2 }
        case .divide: map(l, r, count) { output[$0] = $1 / $2 }
        default: map(l, r, count) { output[$0] = $1 - ($1 / $2).rounded(.down) * $2 }
        }
        return Column(type: .float64, count: count, values: result, validity: validity)
    }

    private static func int64(
        _ operation: BinaryOperator, _ l: Values<Int64>, _ r: Values<Int64>, _ count: Int,
        _ validity: Bitmap?
    ) -> Column {
        let result = Buffer(byteCount: count * 8)
        let output = result.elements(as: Int64.self)
        var validity = validity
        switch operation {
        case .add: map(l, r, count) { output[$0] = $1 &+ $2 }
        case .subtract: map(l, r, count) { output[$0] = $1 &- $2 }
        case .multiply: map(l, r, count) { output[$0] = $1 &* $2 }
        default:
            // Division by 0 is null; by −1 the remainder is 0, also where the quotient overflows.
            map(l, r, count) { row, left, right in
                let rest = right == 0 || right == -1 ? 0 : left % right
                output[row] = rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest
            }
            let nonzero = bits(r, r, count) { right, _ in right != 0 }
            if nonzero.setCount < count { validity = validity.map { $0.and(nonzero) } ?? nonzero }
        }
        return Column(type: .int64, count: count, values: result, validity: validity)
    }

    // MARK: Loops

    /// Calls `body(row, left, right)`; each shape of operands is a loop of its own.
    @inline(__always)
    static func map<Left, Right>(
        _ left: Values<Left>, _ right: Values<Right>, _ count: Int,
        _ body: (Int, Left, Right) -> Void
    ) {
        switch (left, right) {
        case (.many(let left), .many(let right)):
            for row in 0..<count { body(row, left[row], right[row]) }
        case (.many(let left), .one(let right)):
            for row in 0..<count { body(row, left[row], right) }
        case (.one(let left), .many(let right)):
            for row in 0..<count { body(row, left, right[row]) }
        case (.one(let left), .one(let right)):
            for row in 0..<count { body(row, left, right) }
        }
    }

    /// A bit per row.
    @inline(__always)
    static func bits<Element>(
        _ left: Values<Element>, _ right: Values<Element>, _ count: Int,
        _ condition: (Element, Element) -> Bool
    ) -> Bitmap {
        switch (left, right) {
        case (.many(let left), .many(let right)):
            Bitmap(count: count) { condition(left[$0], right[$0]) }
        case (.many(let left), .one(let right)):
            Bitmap(count: count) { condition(left[$0], right) }
        case (.one(let left), .many(let right)):
            Bitmap(count: count) { condition(left, right[$0]) }
        case (.one(let left), .one(let right)):
            Bitmap(repeating: condition(left, right), count: count)
        }
    }
}
