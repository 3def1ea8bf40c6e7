// Arithmetic: integers as int64, which is narrowed again and wraps around as the narrow type would,
// floats as float64.

extension Evaluation {
    static func arithmetic(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, _ count: Int,
        _ signature: BinarySignature
    ) -> Column {
        let left = left.cast(to: signature.left)
        let right = right.cast(to: signature.right)
        let validity = validity(left, right)
        let result =
            signature.left.isFloat
            ? float64(operation, left.widened, right.widened, count, validity)
            : signature.left == .uint64 && (operation == .remainder || operation == .floorDivide)
                ? uint64(operation, left.widened, right.widened, count, validity)
                : int64(operation, left.widened, right.widened, count, validity)
        return Kernels.narrowed(result, to: signature.result)
    }

    private static func float64(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, _ count: Int,
        _ validity: Bitmap?
    ) -> Column {
        defer { withExtendedLifetime((left, right)) {} }
        let (l, r) = (left.float64s, right.float64s)
        let result = Buffer(byteCount: count * 8)
        let output = result.elements(as: Double.self)
        switch operation {
        case .add: map(l, r, count) { output[$0] = $1 + $2 }
        case .subtract: map(l, r, count) { output[$0] = $1 - $2 }
        case .multiply: map(l, r, count) { output[$0] = $1 * $2 }
        case .divide: map(l, r, count) { output[$0] = $1 / $2 }
        case .floorDivide: map(l, r, count) { output[$0] = ($1 / $2).rounded(.down) }
        default: map(l, r, count) { output[$0] = $1 - ($1 / $2).rounded(.down) * $2 }
        }
        return Column(type: .float64, count: count, values: result, validity: validity)
    }

    private static func int64(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, _ count: Int,
        _ validity: Bitmap?
    ) -> Column {
        defer { withExtendedLifetime((left, right)) {} }
        let (l, r) = (left.int64s, right.int64s)
        let result = Buffer(byteCount: count * 8)
        let output = result.elements(as: Int64.self)
        switch operation {
        case .add: map(l, r, count) { output[$0] = $1 &+ $2 }
        case .subtract: map(l, r, count) { output[$0] = $1 &- $2 }
        case .multiply: map(l, r, count) { output[$0] = $1 &* $2 }
        case .floorDivide:
            // By −1 it is the negative, which wraps around where the quotient overflows.
            map(l, r, count) { row, left, right in
                if right == 0 || right == -1 {
                    output[row] = 0 &- left
                } else {
                    let (quotient, rest) = left.quotientAndRemainder(dividingBy: right)
                    output[row] = rest != 0 && (rest < 0) != (right < 0) ? quotient - 1 : quotient
                }
            }
        default:
            map(l, r, count) { row, left, right in
                let rest = right == 0 || right == -1 ? 0 : left % right
                output[row] = rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest
            }
        }
        return integers(result, operation, r, count, validity)
    }

    private static func uint64(
        _ operation: BinaryOperator, _ left: Operand, _ right: Operand, _ count: Int,
        _ validity: Bitmap?
    ) -> Column {
        defer { withExtendedLifetime((left, right)) {} }
        let (l, r) = (left.int64s, right.int64s)
        let result = Buffer(byteCount: count * 8)
        let output = result.elements(as: UInt64.self)
        map(l, r, count) { row, left, right in
            let (left, right) = (UInt64(bitPattern: left), UInt64(bitPattern: right))
            output[row] = right == 0 ? 0 : operation == .remainder ? left % right : left / right
        }
        return integers(result, operation, r, count, validity)
    }

    /// Integer division by 0 is null.
    private static func integers(
        _ values: Buffer, _ operation: BinaryOperator, _ divisors: Values<Int64>, _ count: Int,
        _ validity: Bitmap?
    ) -> Column {
        var validity = validity
        if operation == .remainder || operation == .floorDivide {
            let nonzero = bits(divisors, divisors, count) { right, _ in right != 0 }
            if nonzero.setCount < count { validity = validity.map { $0.and(nonzero) } ?? nonzero }
        }
        return Column(type: .int64, count: count, values: values, validity: validity)
    }
}
