// What operators make of operands of different types: which type both become, and that of the
// result. The check of an expression and its evaluation both ask here.

/// The types an operator works on and yields.
struct BinarySignature: Equatable {
    var left: DataType
    var right: DataType
    var result: DataType

    init(_ left: DataType, _ right: DataType, result: DataType) {
        self.left = left
        self.right = right
        self.result = result
    }

    /// Both operands of one type.
    init(both type: DataType, result: DataType) { self.init(type, type, result: result) }

    /// Nil if the operator is not defined for these operands.
    init?(_ operation: BinaryOperator, _ left: OperandType, _ right: OperandType) {
        if let times = BinarySignature.ofTimes(operation, left.type, right.type) {
            self = times
            return
        }
        guard let common = OperandType.common(left, right) else { return nil }
        switch operation {
        case .add, .subtract, .multiply, .remainder, .floorDivide:
            let isOfDurations = operation != .multiply && operation != .floorDivide
            guard common.isNumeric || common == .duration && isOfDurations else { return nil }
            self.init(both: common, result: common)
        case .divide:
            guard common.isNumeric || common == .duration else { return nil }
            self.init(both: .float64, result: .float64)
        case .and, .or:
            guard common == .bool else { return nil }
            self.init(both: .bool, result: .bool)
        case .fillNull:
            self.init(both: common, result: common)
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
            self.init(both: common == .category ? .string : common, result: .bool)
        }
    }

    /// Points in time and spans between them.
    private static func ofTimes(
        _ operation: BinaryOperator, _ left: DataType, _ right: DataType
    ) -> BinarySignature? {
        let leftIsPoint = left == .date || left == .datetime
        let rightIsPoint = right == .date || right == .datetime
        switch operation {
        case .subtract where leftIsPoint && rightIsPoint:
            return BinarySignature(both: .datetime, result: .duration)
        case .add where leftIsPoint && right == .duration,
            .subtract where leftIsPoint && right == .duration:
            return BinarySignature(.datetime, .duration, result: .datetime)
        case .add where left == .duration && rightIsPoint:
            return BinarySignature(.duration, .datetime, result: .datetime)
        case .multiply where left == .duration && right.isInteger:
            return BinarySignature(.duration, .int64, result: .duration)
        case .multiply where left.isInteger && right == .duration:
            return BinarySignature(.int64, .duration, result: .duration)
        default: return nil
        }
    }
}

/// The type of an operand, and its value where it is a constant: a number written in the program
/// takes the type of what it meets.
struct OperandType {
    let type: DataType
    let literal: Literal?

    static func common(_ left: OperandType, _ right: OperandType) -> DataType? {
        if left.type == right.type { return left.type }
        if let literal = left.literal, right.literal == nil, literal.fits(right.type) {
            return right.type
        }
        if let literal = right.literal, left.literal == nil, literal.fits(left.type) {
            return left.type
        }
        return left.type.common(with: right.type)
    }
}

extension Literal {
    /// Is it a number of a program that `type` holds as well?
    fileprivate func fits(_ type: DataType) -> Bool {
        switch self {
        case .int64(let value): type.isFloat || type.isInteger && type.integers.contains(value)
        case .float64: type == .float32
        default: false
        }
    }
}

extension DataType {
    /// The narrowest type that both become where they meet; nil if there is none. Signed and
    /// unsigned integers become the next wider signed type, uint64 beside them float64.
    func common(with other: DataType) -> DataType? {
        if self == other { return self }
        if isText && other.isText { return .string }
        if isNumeric && other.isNumeric { return commonNumber(with: other) }
        switch (self, other) {
        case (.date, .datetime), (.datetime, .date): return .datetime
        default: return nil
        }
    }

    private func commonNumber(with other: DataType) -> DataType {
        if isFloat || other.isFloat {
            let (float, rest) = isFloat ? (self, other) : (other, self)
            let isShort = (rest.fixedWidth ?? 8) < 4
            return float == .float32 && isShort ? .float32 : .float64
        }
        let isUnsigned = integers.lowerBound == 0
        let isOtherUnsigned = other.integers.lowerBound == 0
        let (own, others) = (fixedWidth ?? 8, other.fixedWidth ?? 8)
        if isUnsigned == isOtherUnsigned { return own >= others ? self : other }
        let (unsigned, signed) = isUnsigned ? (own, others) : (others, own)
        switch max(unsigned * 2, signed) {
        case 2: return .int16
        case 4: return .int32
        case 8: return .int64
        default: return .float64
        }
    }
}
