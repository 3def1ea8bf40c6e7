// Text to int64 and float64, exactly. Both return nil for anything that is not wholly a number, so
// that type inference can ask "is this an integer?" with the same code that converts it.
import Glibc

@inline(__always)
func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// The field without spaces and tabs around it (pandas ignores them around numbers).
@inline(__always)
func trimmed(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    guard let first = text.first, let last = text.last, isSpace(first) || isSpace(last) else {
        return text
    }
    var start = 0
    var end = text.count
    while start < end, isSpace(text[start]) { start &+= 1 }
    while end > start, isSpace(text[end &- 1]) { end &-= 1 }
    return UnsafeBufferPointer(rebasing: text[start..<end])
}

/// `[+-]digits` as an integer; nil if it is none, or does not fit in 64 bits.
@inline(__always)
package func parseInteger(_ field: UnsafeBufferPointer<UInt8>) -> Int64? {
    let text = trimmed(field)
    var index = 0
    let count = text.count
    guard count > 0 else { return nil }
    let isNegative = text[0] == UInt8(ascii: "-")
    if isNegative || text[0] == UInt8(ascii: "+") { index = 1 }
    guard index < count else { return nil }
    if count &- index > 18 { return parseLongInteger(text, from: index, isNegative: isNegative) }
    var value: Int64 = 0
    while index < count {
        let digit = text[index] &- 0x30
        if digit > 9 { return nil }
        value = value &* 10 &+ Int64(digit)
        index &+= 1
    }
    return isNegative ? 0 &- value : value
}

/// An integer of any type: uint64 as its bits; nil if it is none, or beyond the type.
package func parseInteger(_ field: UnsafeBufferPointer<UInt8>, as type: DataType) -> Int64? {
    if type == .uint64, let value = parseUnsigned(field) { return Int64(bitPattern: value) }
    guard let value = parseInteger(field), type.integers.contains(value) else { return nil }
    return value
}

private func parseUnsigned(_ field: UnsafeBufferPointer<UInt8>) -> UInt64? {
    let text = trimmed(field)
    let digits =
        text.first == UInt8(ascii: "+") ? UnsafeBufferPointer(rebasing: text.dropFirst()) : text
    guard !digits.isEmpty else { return nil }
    var value: UInt64 = 0
    for byte in digits {
        let digit = byte &- 0x30
        if digit > 9 { return nil }
        let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflow) = product.addingReportingOverflow(UInt64(digit))
        if tooLarge || overflow { return nil }
        value = sum
    }
    return value
}

/// Nineteen digits and more, where the sum can overflow; leading zeros make any length possible.
@inline(never)
private func parseLongInteger(
    _ text: UnsafeBufferPointer<UInt8>, from start: Int, isNegative: Bool
) -> Int64? {
    var value: Int64 = 0
    for index in start..<text.count {
        let digit = text[index] &- 0x30
        if digit > 9 { return nil }
        let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
        // Summed as a negative number, because the least int64 has no positive counterpart.
        let (sum, overflow) = product.subtractingReportingOverflow(Int64(digit))
        if tooLarge || overflow { return nil }
        value = sum
    }
    if isNegative { return value }
    return value == Int64.min ? nil : -value
}

/// A decimal number taken apart: ±digits × 10^exponent.
private struct Decimal {
    var isNegative = false
    /// The first nineteen significant digits, which always fit.
    var digits: UInt64 = 0
    var exponent = 0
    /// More digits than fit in `digits`: only the slow path is exact.
    var isTruncated = false
}

/// A decimal number as the nearest float64 (ties to even); nil if it is none. Too large is
/// infinity, too small zero, as in C and Python. Knows no `inf` and `nan`: see `parseSpecial`.
@inline(__always)
package func parseDouble(_ field: UnsafeBufferPointer<UInt8>) -> Double? {
    let text = trimmed(field)
    guard let decimal = scanDecimal(text) else { return nil }
    if decimal.isTruncated { return parseSlowly(text) }
    // Clinger's fast path: both operands are exact, so one rounding is the right one.
    if decimal.digits <= 1 << 53, decimal.exponent >= -22, decimal.exponent <= 22 {
        let value = Double(Int64(bitPattern: decimal.digits))
        let magnitude =
            decimal.exponent < 0
            ? value / powersOfTen[-decimal.exponent] : value * powersOfTen[decimal.exponent]
        return decimal.isNegative ? -magnitude : magnitude
    }
    if decimal.exponent >= -27, decimal.exponent <= 27 {
        let magnitude = exactProduct(decimal.digits, tenToThe: decimal.exponent)
        return decimal.isNegative ? -magnitude : magnitude
    }
    return parseSlowly(text)
}

@inline(__always)
private func scanDecimal(_ text: UnsafeBufferPointer<UInt8>) -> Decimal? {
    let count = text.count
    guard count > 0 else { return nil }
    var decimal = Decimal()
    var index = 0
    decimal.isNegative = text[0] == UInt8(ascii: "-")
    if decimal.isNegative || text[0] == UInt8(ascii: "+") { index = 1 }
    let start = index
    while index < count {
        let digit = text[index] &- 0x30
        if digit > 9 { break }
        decimal.digits = decimal.digits &* 10 &+ UInt64(digit)
        index &+= 1
    }
    var digitCount = index &- start
    if index < count, text[index] == UInt8(ascii: ".") {
        index &+= 1
        let point = index
        while index < count {
            let digit = text[index] &- 0x30
            if digit > 9 { break }
            decimal.digits = decimal.digits &* 10 &+ UInt64(digit)
            index &+= 1
        }
        decimal.exponent = point &- index
        digitCount &+= index &- point
    }
    if digitCount == 0 { return nil }
    // Nineteen digits fit in 64 bits; leading zeros are counted too, which only costs time.
    decimal.isTruncated = digitCount > 19
    if index < count {
        guard let exponent = scanExponent(text, from: index) else { return nil }
        decimal.exponent &+= exponent
    }
    return decimal
}

/// `e[+-]digits` to the end of the text; clamped far outside what a float64 can hold.
@inline(never)
private func scanExponent(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard text[start] | 0x20 == UInt8(ascii: "e") else { return nil }
    var index = start &+ 1
    guard index < text.count else { return nil }
    let isNegative = text[index] == UInt8(ascii: "-")
    if isNegative || text[index] == UInt8(ascii: "+") { index &+= 1 }
    guard index < text.count else { return nil }
    var exponent = 0
    while index < text.count {
        let digit = text[index] &- 0x30
        if digit > 9 { return nil }
        exponent = min(exponent &* 10 &+ Int(digit), 100_000)
        index &+= 1
    }
    return isNegative ? -exponent : exponent
}

/// digits × 10^exponent for |exponent| ≤ 27, rounded once. 5^27 fits in 64 bits, so the product
/// is exact in 128 bits, and a quotient of 64 bits with its remainder says all that rounding to 53
/// bits needs to know: no table of approximations (Eisel–Lemire) is required for what CSV files hold.
@inline(never)
private func exactProduct(_ digits: UInt64, tenToThe exponent: Int) -> Double {
    if digits == 0 { return 0 }
    let top: UInt64
    let isInexact: Bool
    var binaryExponent = exponent
    if exponent >= 0 {
        let product = digits.multipliedFullWidth(by: powersOfFive[exponent])
        if product.high == 0 {
            let shift = product.low.leadingZeroBitCount
            top = product.low << UInt64(shift)
            isInexact = false
            binaryExponent -= shift
        } else {
            let shift = product.high.leadingZeroBitCount
            top =
                shift == 0
                ? product.high
                : product.high << UInt64(shift) | product.low >> UInt64(64 - shift)
            isInexact = product.low << UInt64(shift) != 0
            binaryExponent += 64 - shift
        }
    } else {
        let divisor = powersOfFive[-exponent]
        let divisorShift = divisor.leadingZeroBitCount
        let digitsShift = digits.leadingZeroBitCount
        let dividend = digits << UInt64(digitsShift)
        let (quotient, remainder) = (divisor << UInt64(divisorShift)).dividingFullWidth(
            (dividend >> 1, dividend << 63))
        let shift = quotient.leadingZeroBitCount
        top = quotient << UInt64(shift)
        isInexact = remainder != 0
        binaryExponent += divisorShift - digitsShift - 63 - shift
    }
    var significand = top >> 11
    let rest = top & 0x7FF
    if rest > 0x400 || (rest == 0x400 && (isInexact || significand & 1 == 1)) { significand += 1 }
    return Double(significand) * Double(sign: .plus, exponent: binaryExponent + 11, significand: 1)
}

/// The C library's correctly rounded conversion, for what the fast paths leave: more than nineteen
/// digits, or exponents beyond ±27. The text is known to be a plain decimal number.
@inline(never)
private func parseSlowly(_ text: UnsafeBufferPointer<UInt8>) -> Double {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { buffer in
        for index in 0..<text.count { buffer[index] = CChar(bitPattern: text[index]) }
        buffer[text.count] = 0
        return buffer.baseAddress.map { strtod($0, nil) } ?? 0
    }
}

/// `inf`, `infinity` and `nan` with a sign, in any case; nil for anything else.
@inline(never)
package func parseSpecial(_ field: UnsafeBufferPointer<UInt8>) -> Double? {
    var text = trimmed(field)
    guard let first = text.first else { return nil }
    let isNegative = first == UInt8(ascii: "-")
    if isNegative || first == UInt8(ascii: "+") {
        text = UnsafeBufferPointer(rebasing: text.dropFirst())
    }
    func spells(_ word: StaticString) -> Bool {
        text.count == word.utf8CodeUnitCount
            && text.indices.allSatisfy { text[$0] | 0x20 == word.utf8Start[$0] }
    }
    if spells("inf") || spells("infinity") { return isNegative ? -Double.infinity : .infinity }
    return spells("nan") ? .nan : nil
}

private let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]

private let powersOfFive: [UInt64] = {
    var powers: [UInt64] = [1]
    for _ in 0..<27 { powers.append(powers[powers.count - 1] * 5) }
    return powers
}()
