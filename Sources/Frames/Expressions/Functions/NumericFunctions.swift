// Functions of numbers.
import Glibc

/// Functions of one number, as float64 but where said otherwise.
enum NumericOperation: String, Sendable {
    /// Keep the type.
    case absolute, floor, ceil
    /// float64 of any number.
    case sqrt, exp, log
    /// bool.
    case isFinite, isInfinite
}

struct NumericFunction: ColumnFunction {
    let operation: NumericOperation
    var text: String { operation.rawValue }

    func type(of operands: [OperandType]) -> DataType? {
        let type = operands[0].type
        switch operation {
        case .absolute where type == .duration: return type
        case .absolute, .floor, .ceil: return type.isNumeric ? type : nil
        case .sqrt, .exp, .log: return type.isNumeric ? .float64 : nil
        case .isFinite, .isInfinite: return type.isNumeric ? .bool : nil
        }
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        let column = operands[0].column(count: count)
        switch operation {
        case .absolute:
            let wide = Kernels.widened(column)
            if column.type == .uint64 { return column }
            let result =
                wide.type == .float64
                ? Self.map(wide) { (value: Double) in abs(value) }
                : Self.map(wide) { (value: Int64) in value < 0 ? 0 &- value : value }
            return Kernels.narrowed(result, to: column.type)
        case .floor where column.type.isFloat:
            return Kernels.narrowed(
                Self.map(Kernels.widened(column)) { $0.rounded(.down) }, to: column.type)
        case .ceil where column.type.isFloat:
            return Kernels.narrowed(
                Self.map(Kernels.widened(column)) { $0.rounded(.up) }, to: column.type)
        case .floor, .ceil: return column
        case .sqrt: return Self.map(Evaluation.cast(column, to: .float64)) { $0.squareRoot() }
        case .exp: return Self.map(Evaluation.cast(column, to: .float64)) { Glibc.exp($0) }
        case .log: return Self.map(Evaluation.cast(column, to: .float64)) { Glibc.log($0) }
        case .isFinite: return Self.test(column) { $0.isFinite }
        case .isInfinite: return Self.test(column) { $0.isInfinite }
        }
    }

    @inline(__always)
    static func map(_ column: Column, _ function: (Double) -> Double) -> Column {
        let values = column.pointer(as: Double.self)
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Double.self)
        for row in 0..<column.count { output[row] = function(values[row]) }
        withExtendedLifetime(column) {}
        return Column(
            type: .float64, count: column.count, values: buffer, validity: column.validity)
    }

    @inline(__always)
    static func map(_ column: Column, _ function: (Int64) -> Int64) -> Column {
        let values = column.pointer(as: Int64.self)
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Int64.self)
        for row in 0..<column.count { output[row] = function(values[row]) }
        withExtendedLifetime(column) {}
        return Column(type: .int64, count: column.count, values: buffer, validity: column.validity)
    }

    private static func test(_ column: Column, _ condition: (Double) -> Bool) -> Column {
        let numbers = Evaluation.cast(column, to: .float64)
        let values = numbers.pointer(as: Double.self)
        defer { withExtendedLifetime(numbers) {} }
        return Evaluation.bool(
            Bitmap(count: column.count) { condition(values[$0]) }, column.validity)
    }
}

/// To a number of decimals, ties to the even neighbour.
struct Rounded: ColumnFunction {
    let decimals: Int
    var text: String { "round(\(decimals))" }
    var problem: String? {
        (0...15).contains(decimals) ? nil : "\(decimals) decimals; name 0 to 15"
    }

    func type(of operands: [OperandType]) -> DataType? {
        operands[0].type.isNumeric ? operands[0].type : nil
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        let column = operands[0].column(count: count)
        guard column.type.isFloat else { return column }
        let scale = pow(10, Double(decimals))
        let result = NumericFunction.map(Kernels.widened(column)) { value in
            let scaled = value * scale
            // Beyond 2^52 a number has no decimals to lose, and scaling it might overflow.
            return abs(scaled) < 0x1p52 ? scaled.rounded(.toNearestOrEven) / scale : value
        }
        return Kernels.narrowed(result, to: column.type)
    }
}

extension Expression {
    /// The number without its sign; the least integer of a type stays itself (it wraps). Local.
    public var absolute: Expression { applying(NumericFunction(operation: .absolute)) }
    /// The greatest whole number not above it, of its type. Local.
    public func floor() -> Expression { applying(NumericFunction(operation: .floor)) }
    /// The least whole number not below it, of its type. Local.
    public func ceil() -> Expression { applying(NumericFunction(operation: .ceil)) }
    /// The number with at most `decimals` decimals; ties go to the even neighbour. Local.
    public func round(_ decimals: Int = 0) -> Expression { applying(Rounded(decimals: decimals)) }
    /// The square root as float64; NaN of negative numbers. Local.
    public func sqrt() -> Expression { applying(NumericFunction(operation: .sqrt)) }
    /// e to the power of the number, as float64. Local.
    public func exp() -> Expression { applying(NumericFunction(operation: .exp)) }
    /// The natural logarithm as float64; NaN of negative numbers. Local.
    public func log() -> Expression { applying(NumericFunction(operation: .log)) }
    /// Is the number neither infinite nor NaN? Null stays null. Local.
    public var isFinite: Expression { applying(NumericFunction(operation: .isFinite)) }
    /// Is the number infinite? Null stays null. Local.
    public var isInfinite: Expression { applying(NumericFunction(operation: .isInfinite)) }
    /// True where a float is a number, infinite ones included; null stays null. Local.
    public var isNotNaN: Expression { !isNaN }
    /// The number, or `replacement` where it is NaN; null stays null. Local.
    public func fillNaN(_ replacement: Expression) -> Expression {
        when(isNaN).then(replacement).otherwise(self).inheritingName(of: self)
    }
}
