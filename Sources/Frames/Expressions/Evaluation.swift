// Expressions to columns: each operator is one pass over a batch of rows, specialised per type. Types
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

extension Expression.Node {
    func evaluate(on table: Table) throws(FrameError) -> Operand {
        switch self {
        case .column(let name):
            guard let index = table.schema.index(of: name) else {
                preconditionFailure("column \(name) was checked")
            }
            return .column(table.columns[index])
        case .literal(let literal):
            // A constant operand is never null: operators look only at columns for that.
            return literal.isNull
                ? .column(literal.column(count: table.rowCount)) : .constant(literal)
        case .unary(let operation, let operand):
            let operand = try operand.evaluate(on: table).column(count: table.rowCount)
            return .column(Evaluation.unary(operation, operand))
        case .binary(let operation, let left, let right):
            return .column(
                Evaluation.binary(
                    operation, try left.evaluate(on: table), try right.evaluate(on: table),
                    count: table.rowCount))
        case .cast(let operand, let type, let isStrict):
            let column = try operand.evaluate(on: table).column(count: table.rowCount)
            let result = Evaluation.cast(column, to: type)
            if isStrict, let row = Evaluation.lostRow(column, result) {
                throw FrameError(
                    .malformedValue, operation: "cast",
                    reason: "\(CellText.text(column, row)), a \(column.type) in row \(row), is no "
                        + "\(type); use cast(.\(type), strict: false) for null",
                    column: operand.leftmostColumn)
            }
            return .column(result)
        case .function(let function, let operands):
            var values: [Operand] = []
            for operand in operands { values.append(try operand.evaluate(on: table)) }
            return .column(try function.evaluate(values, count: table.rowCount))
        case .datePart(let part, let operand):
            let operand = try operand.evaluate(on: table).column(count: table.rowCount)
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
            let wide = Kernels.widened(operand)
            let values = wide.pointer(as: Double.self)
            defer { withExtendedLifetime(wide) {} }
            return bool(Bitmap(count: count) { values[$0].isNaN }, wide.validity)
        case .negate:
            return arithmetic(
                .subtract, .constant(operand.type.isFloat ? .float64(-0.0) : .int64(0)),
                .column(operand), count, BinarySignature(both: operand.type, result: operand.type))
        }
    }

    static func binary(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, count: Int
    ) -> Column {
        guard let signature = BinarySignature(operation, left.operandType, right.operandType)
        else {
            preconditionFailure("\(operation) of \(left.type) and \(right.type) was checked")
        }
        switch operation {
        case .add, .subtract, .multiply, .divide, .remainder, .floorDivide:
            return arithmetic(operation, left, right, count, signature)
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
            if let result = compareByCode(operation, left, right, count) { return result }
            return compare(
                operation, left.cast(to: signature.left), right.cast(to: signature.right), count)
        case .and: return and(left.column(count: count), right.column(count: count))
        case .or: return or(left.column(count: count), right.column(count: count))
        case .fillNull:
            return fillNull(
                left.cast(to: signature.left), right.cast(to: signature.right), count)
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
