// Comparisons and null replacement, for every type.
import Glibc

extension Evaluation {
    /// The comparisons there are loops for; `>` is `<` with its sides exchanged.
    enum Comparison {
        case equal, notEqual, less, lessOrEqual
    }

    /// A category beside a constant: each of its strings is compared once. Nil for others.
    static func compareByCode(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, _ count: Int
    ) -> Column? {
        func strings(_ column: Column) -> Column? {
            column.dictionary.flatMap { $0.values.count < count ? $0.values : nil }
        }
        switch (left, right) {
        case (.column(let column), .constant(.string)):
            guard let strings = strings(column) else { return nil }
            return Kernels.gather(
                compare(operation, .column(strings), right, strings.count), column.codeRows)
        case (.constant(.string), .column(let column)):
            guard let strings = strings(column) else { return nil }
            return Kernels.gather(
                compare(operation, left, .column(strings), strings.count), column.codeRows)
        default: return nil
        }
    }

    /// Of two operands of one type.
    static func compare(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, _ count: Int
    ) -> Column {
        switch operation {
        case .equal: compare(Comparison.equal, left, right, count)
        case .notEqual: compare(Comparison.notEqual, left, right, count)
        case .less: compare(Comparison.less, left, right, count)
        case .lessOrEqual: compare(Comparison.lessOrEqual, left, right, count)
        case .greater: compare(Comparison.less, right, left, count)
        default: compare(Comparison.lessOrEqual, right, left, count)
        }
    }

    private static func compare(
        _ comparison: Comparison, _ left: Operand, _ right: Operand, _ count: Int
    ) -> Column {
        let validity = validity(left, right)
        let bits: Bitmap
        switch left.type {
        case .bool:
            bits = compareBits(comparison, left.column(count: count), right.column(count: count))
        case .string:
            bits = compareStrings(comparison, left, right, count)
        case .date:
            bits = compare(comparison, left.int32s, right.int32s, count)
        default:
            let isUnsigned = left.type == .uint64
            let (left, right) = (left.widened, right.widened)
            if left.type == .float64 {
                bits = compare(comparison, left.float64s, right.float64s, count)
            } else if isUnsigned {
                let (l, r): (Values<UInt64>, Values<UInt64>) = (left.values(), right.values())
                bits = compare(comparison, l, r, count)
            } else {
                bits = compare(comparison, left.int64s, right.int64s, count)
            }
            withExtendedLifetime((left, right)) {}
        }
        withExtendedLifetime((left, right)) {}
        return bool(bits, validity)
    }

    private static func compare<Element: Comparable>(
        _ comparison: Comparison, _ left: Values<Element>, _ right: Values<Element>, _ count: Int
    ) -> Bitmap {
        switch comparison {
        case .equal: Evaluation.bits(left, right, count) { $0 == $1 }
        case .notEqual: Evaluation.bits(left, right, count) { $0 != $1 }
        case .less: Evaluation.bits(left, right, count) { $0 < $1 }
        case .lessOrEqual: Evaluation.bits(left, right, count) { $0 <= $1 }
        }
    }

    /// False is less than true.
    private static func compareBits(
        _ comparison: Comparison, _ left: Column, _ right: Column
    ) -> Bitmap {
        let (left, right) = (left.bits, right.bits)
        let isLess = left.not().and(right)
        let isGreater = left.and(right.not())
        return switch comparison {
        case .equal: isLess.or(isGreater).not()
        case .notEqual: isLess.or(isGreater)
        case .less: isLess
        case .lessOrEqual: isGreater.not()
        }
    }

    /// By bytes, which in UTF-8 is the order of code points.
    private static func compareStrings(
        _ comparison: Comparison, _ left: Operand, _ right: Operand, _ count: Int
    ) -> Bitmap {
        // A constant is one string for all rows, not a column of copies.
        let (l, lMany) = left.strings
        let (r, rMany) = right.strings
        defer { withExtendedLifetime((l, r)) {} }
        let isEqualityOnly = comparison == .equal || comparison == .notEqual
        return Bitmap(count: count) { row in
            let a = l.utf8(at: lMany ? row : 0)
            let b = r.utf8(at: rMany ? row : 0)
            if isEqualityOnly {
                let isEqual = a.count == b.count && compareBytes(a, b) == 0
                return isEqual == (comparison == .equal)
            }
            let order = compareBytes(a, b)
            return comparison == .less ? order < 0 : order <= 0
        }
    }

    /// Negative, 0 or positive; a prefix is less than what it begins.
    static func compareBytes(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
    ) -> Int {
        let common = min(left.count, right.count)
        if common > 0, let l = left.baseAddress, let r = right.baseAddress {
            let order = memcmp(l, r, common)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }

    /// `left`, or `right` where it is null.
    static func fillNull(_ left: Operand, _ right: Operand, _ count: Int) -> Column {
        let column = left.column(count: count)
        guard let validity = column.validity, validity.setCount < count else {
            return column.with(validity: nil)
        }
        // Rows 0 ..< count are the values, the next ones the replacements: one gather picks.
        let both: Column
        let replacementStep: Int
        switch right {
        case .column(let replacement):
            both = Kernels.concat([column, replacement])
            replacementStep = 1
        case .constant(let literal):
            both = Kernels.concat([column, literal.column(count: 1)])
            replacementStep = 0
        }
        let buffer = Buffer(byteCount: count * 8)
        let rows = buffer.elements(as: Int.self)
        for row in 0..<count {
            rows[row] = validity[row] ? row : count + row * replacementStep
        }
        let result = Kernels.gather(both, RowIndices(buffer: buffer, count: count))
        let hasNulls = result.validity.map { $0.setCount < count } ?? false
        return hasNulls ? result : result.with(validity: nil)
    }
}

extension Operand {
    /// Strings to compare: a column and whether it has one per row.
    fileprivate var strings: (column: Column, isPerRow: Bool) {
        switch self {
        case .column(let column): (column, true)
        case .constant(let literal): (literal.column(count: 1), false)
        }
    }
}
