// Strings from the numbers that TextDigits gave them.

struct TextDecoder {
    private let first: WordDecoder
    private let second: WordDecoder
    private let secondLimit: Divider
    private let lengthCount: Divider
    private let shortest: Int
    /// The length of every string, if they have but one.
    let commonLength: Int?

    init(_ digits: TextDigits) {
        first = WordDecoder(
            digits.first, limit: digits.limit / digits.secondLimit / digits.lengthCount)
        second = WordDecoder(digits.second, limit: digits.secondLimit)
        secondLimit = Divider(digits.secondLimit)
        lengthCount = Divider(digits.lengthCount)
        shortest = digits.shortest
        commonLength = digits.lengthCount == 1 ? digits.shortest : nil
    }

    var longest: Int { shortest + Int(lengthCount.divisor) - 1 }

    /// A string's bytes, 16 with those behind its end, and its length. Of a number that no string
    /// has, some other string.
    @inline(__always)
    func text(_ number: UInt64) -> (bytes: SIMD2<UInt64>, length: Int) {
        var number = number
        var length = shortest
        if commonLength == nil {
            let (texts, extra) = lengthCount.quotientAndRemainder(number)
            number = texts
            length &+= Int(truncatingIfNeeded: extra)
        }
        if secondLimit.divisor == 1 {
            return (SIMD2(first.bytes(number), second.least), length)
        }
        let (high, low) = secondLimit.quotientAndRemainder(number)
        return (SIMD2(first.bytes(high), second.bytes(low)), length)
    }
}

/// Eight bytes of a string from their number.
private struct WordDecoder {
    let least: UInt64
    private let shift: UInt64
    /// The number is the bytes as they are.
    private let isBytes: Bool
    /// It has no more than four digits.
    private let isShort: Bool
    /// Divides it by the fourth power of the digits' base, into two halves of four digits.
    private let halves: Divider
    private let square: UInt64
    /// 2³² / square, rounded up: halves are below 2¹⁶, so that this is exact.
    private let squareFactor: UInt64
    /// Per pair of digits its two bytes, in as many entries as a byte can name.
    private let pairs: Buffer

    /// - Parameter limit: the word's numbers are below it.
    init(_ word: TextDigits.Word, limit: UInt64) {
        least = word.least
        shift = word.shift
        let base = word.base ?? 1
        square = base * base
        isBytes = word.base == nil
        isShort = limit <= square * square
        halves = Divider(square * square)
        squareFactor = (1 << 32 + square - 1) / square
        pairs = Buffer(zeroedByteCount: 256 * 2)
        let entries = pairs.elements(as: UInt16.self)
        for pair in 0..<Int(square) where pair < 256 {
            let (high, low) = pair.quotientAndRemainder(dividingBy: Int(base))
            entries[pair] = UInt16(low << 8 | high)
        }
    }

    @inline(__always)
    func bytes(_ number: UInt64) -> UInt64 {
        if isBytes { return number.byteSwapped &>> shift &+ least }
        if isShort { return (fourBytes(number) &<< 32) &>> shift &+ least }
        let (high, low) = halves.quotientAndRemainder(number)
        return (fourBytes(high) | fourBytes(low) &<< 32) &>> shift &+ least
    }

    /// - Parameter half: more than four digits make no sense, but read nothing out of bounds.
    @inline(__always)
    private func fourBytes(_ half: UInt64) -> UInt64 {
        let entries = pairs.elements(as: UInt16.self)
        let high = (half &* squareFactor) &>> 32
        let low = half &- high &* square
        return UInt64(entries[Int(truncatingIfNeeded: high & 0xFF)])
            | UInt64(entries[Int(truncatingIfNeeded: low & 0xFF)]) &<< 16
    }
}
