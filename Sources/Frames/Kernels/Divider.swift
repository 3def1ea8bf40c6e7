// Division by a number that a loop does not change: a multiplication and a shift in place of a
// division, which takes ten times as long (Granlund and Montgomery, "Division by Invariant Integers
// using Multiplication", 1994).

/// Divides numbers below 2⁶³, exactly.
struct Divider {
    let divisor: UInt64
    /// 2^(63 + shift) / divisor, rounded up, where 2^shift is the least power not below the divisor:
    /// what it is too large by, times any dividend, stays below one step of the quotient.
    private let factor: UInt64
    private let shift: UInt64

    init(_ divisor: UInt64) {
        precondition(divisor >= 1 && divisor <= 1 << 63, "a divisor of \(divisor)")
        self.divisor = divisor
        shift = UInt64(UInt64.bitWidth - (divisor - 1).leadingZeroBitCount)
        let power: (high: UInt64, low: UInt64) =
            shift >= 1 ? (1 << (shift - 1), 0) : (0, 1 << 63)
        factor = divisor.dividingFullWidth(power).quotient + 1
    }

    @inline(__always)
    func quotient(_ dividend: UInt64) -> UInt64 {
        assert(dividend >> 63 == 0, "a dividend of 64 bits")
        return (dividend &<< 1).multipliedFullWidth(by: factor).high &>> shift
    }

    @inline(__always)
    func quotientAndRemainder(_ dividend: UInt64) -> (quotient: UInt64, remainder: UInt64) {
        let quotient = quotient(dividend)
        return (quotient, dividend &- quotient &* divisor)
    }
}
