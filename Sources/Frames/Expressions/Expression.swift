// What a computed column is made of: a small syntax tree over the columns of one row. It is a value
// that is checked against a schema before anything runs (ExpressionTypes) and then evaluated a
// column at a time (Evaluation).

/// A computation over the columns of a row: `col("distance") / col("hours") > 400`.
///
/// Numbers of different types that meet become the narrowest type that holds both (int8 and uint8:
/// int16; any integer beside float64: float64); a number written in the program takes the type of
/// what it meets, if it fits. A date beside a datetime is its midnight; differences of times are
/// durations. A null operand gives null, `&&` and `||` follow SQL's three-valued logic, and a
/// comparison with NaN follows IEEE 754 (only `!=` holds). Integer arithmetic wraps around in its
/// own width. `/` is always float64; `%` takes the sign of its divisor; integer division and
/// remainder by 0 are null.
///
/// Local: building and checking one costs nothing per row.
public struct Expression: Sendable {
    indirect enum Node: Sendable {
        case column(String)
        case literal(Literal)
        case unary(UnaryOperator, Node)
        case binary(BinaryOperator, Node, Node)
        /// Strict: what does not fit is an error, not null.
        case cast(Node, DataType, isStrict: Bool)
        case datePart(DatePart, Node)
        case function(any ColumnFunction, [Node])
    }

    let node: Node
    /// The name given by `as`; nil when the name follows from the columns.
    let alias: String?

    init(_ node: Node, alias: String? = nil) {
        self.node = node
        self.alias = alias
    }

    /// The name of the column this computes: the one given by `as`, else its leftmost column's.
    public var name: String { alias ?? node.leftmostColumn ?? "literal" }

    /// Gives the computed column a name. Local.
    public func `as`(_ name: String) -> Expression { Expression(node, alias: name) }
}

/// The column called `name`. Local.
public func col(_ name: String) -> Expression { Expression(.column(name)) }

/// A constant: `lit(3)`, `lit("UA")`, `lit(0.5)`, `lit(true)`. Local.
///
/// Literals in source code need no `lit`: `col("month") == 7`.
public func lit(_ value: Int) -> Expression { Expression(.literal(.int64(Int64(value)))) }
/// A float64 constant. Local.
public func lit(_ value: Double) -> Expression { Expression(.literal(.float64(value))) }
/// A string constant. Local.
public func lit(_ value: String) -> Expression { Expression(.literal(.string(value))) }
/// A bool constant. Local.
public func lit(_ value: Bool) -> Expression { Expression(.literal(.bool(value))) }

/// A constant inside an expression.
enum Literal: Sendable {
    case int64(Int64)
    case float64(Double)
    case bool(Bool)
    case string(String)
    case date(Int32)
    case datetime(Int64)
    case duration(Int64)
    /// Of any type: a column of one value.
    case typed(Column)
}

enum UnaryOperator: String, Sendable {
    case negate = "-"
    case not = "!"
    case isNull, isNotNull, isNaN
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case remainder = "%"
    case floorDivide = "//"
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case and = "&&"
    case or = "||"
    case fillNull
}

extension Expression: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByBooleanLiteral
{
    public init(integerLiteral value: Int64) { self.init(.literal(.int64(value))) }
    public init(floatLiteral value: Double) { self.init(.literal(.float64(value))) }
    public init(stringLiteral value: String) { self.init(.literal(.string(value))) }
    public init(booleanLiteral value: Bool) { self.init(.literal(.bool(value))) }
}

extension Expression.Node {
    /// The name a result inherits: that of the first column, reading from the left.
    var leftmostColumn: String? {
        switch self {
        case .column(let name): name
        case .literal: nil
        case .unary(_, let operand), .cast(let operand, _, _), .datePart(_, let operand):
            operand.leftmostColumn
        case .binary(_, let left, let right): left.leftmostColumn ?? right.leftmostColumn
        case .function(_, let operands): operands.lazy.compactMap(\.leftmostColumn).first
        }
    }

    private var operands: [Expression.Node] {
        switch self {
        case .column, .literal: []
        case .unary(_, let operand), .cast(let operand, _, _), .datePart(_, let operand): [operand]
        case .binary(_, let left, let right): [left, right]
        case .function(_, let operands): operands
        }
    }

    /// Operators one above the other; 0 of a column.
    var depth: Int {
        switch self {
        case .column, .literal: 0
        default: 1 + operands.reduce(0) { max($0, $1.depth) }
        }
    }

    /// Is there a function that must see all rows at once?
    var needsWholeColumns: Bool {
        if case .function(let function, _) = self, function.needsWholeColumns { return true }
        return operands.contains(where: \.needsWholeColumns)
    }

    /// Calls `visit` with the name of every column that is read.
    func forEachColumn(_ visit: (String) -> Void) {
        if case .column(let name) = self { visit(name) }
        for operand in operands { operand.forEachColumn(visit) }
    }
}

extension Expression: CustomStringConvertible {
    public var description: String {
        alias.map { "\(node) as \($0)" } ?? "\(node)"
    }
}

extension Expression.Node: CustomStringConvertible {
    var description: String {
        switch self {
        case .column(let name): name
        case .literal(let literal): "\(literal)"
        case .unary(.negate, let operand): "-\(operand)"
        case .unary(.not, let operand): "!\(operand)"
        case .unary(let operation, let operand): "\(operand).\(operation.rawValue)"
        case .binary(.floorDivide, let left, let right): "\(left).floorDivide(\(right))"
        case .binary(.fillNull, let left, let right): "\(left).fillNull(\(right))"
        case .binary(let operation, let left, let right):
            "(\(left) \(operation.rawValue) \(right))"
        case .cast(let operand, let type, let isStrict):
            "\(operand).cast(\(type)\(isStrict ? "" : ", strict: false"))"
        case .datePart(let part, let operand): "\(operand).\(part.rawValue)"
        case .function(let function, let operands):
            "\(operands[0]).\(function.text)"
                + (operands.count > 1
                    ? "[\(operands.dropFirst().map { "\($0)" }.joined(separator: ", "))]" : "")
        }
    }
}

extension Literal {
    var type: DataType {
        switch self {
        case .int64: .int64
        case .float64: .float64
        case .bool: .bool
        case .string: .string
        case .date: .date
        case .datetime: .datetime
        case .duration: .duration
        case .typed(let column): column.type
        }
    }
}

extension Literal: CustomStringConvertible {
    var description: String {
        switch self {
        case .int64(let value): "\(value)"
        case .float64(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        case .date(let days): "date(\(days))"
        case .datetime(let microseconds): "datetime(\(microseconds))"
        case .duration(let microseconds): "duration(\(microseconds))"
        case .typed(let column): CellText.text(column, 0)
        }
    }
}
