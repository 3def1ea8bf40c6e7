// Bits of a column in Arrow's order (least significant bit first): validity, or boolean values.
import Glibc

/// A view of `count` bits of a shared buffer, starting at bit `offset`.
public struct Bitmap: Sendable {
    let buffer: Buffer
    /// First bit of this view.
    let offset: Int
    public let count: Int

    init(buffer: Buffer, offset: Int = 0, count: Int) {
        self.buffer = buffer
        self.offset = offset
        self.count = count
    }

    /// All bits equal.
    public init(repeating bit: Bool, count: Int) {
        let buffer = Buffer(byteCount: Self.byteCount(count))
        memset(buffer.pointer, bit ? 0xFF : 0, Self.byteCount(count))
        self.init(buffer: buffer, count: count)
    }

    public init(_ bits: [Bool]) {
        self.init(count: bits.count) { bits[$0] }
    }

    /// Bit i is `bit(i)`.
    @inline(__always)
    init(count: Int, _ bit: (Int) -> Bool) {
        let buffer = Buffer(byteCount: Self.byteCount(count))
        let words = buffer.elements(as: UInt64.self)
        // A loop of known length, without shifts: it becomes vector instructions.
        let places = Self.places.elements(as: UInt64.self)
        for word in 0..<count / 64 {
            var bits: UInt64 = 0
            for position in 0..<64 {
                let flag = unsafeBitCast(bit(word &* 64 &+ position), to: UInt8.self)
                bits |= (0 &- UInt64(flag)) & places[position]
            }
            words[word] = bits
        }
        let rest = count & ~63
        if rest < count {
            var bits: UInt64 = 0
            for index in rest..<count {
                bits |= UInt64(unsafeBitCast(bit(index), to: UInt8.self)) << (index - rest)
            }
            words[rest / 64] = bits
        }
        self.init(buffer: buffer, count: count)
    }

    /// The 64 words of one bit.
    private static let places = Buffer(copying: (0..<64 as Range<UInt64>).map { 1 << $0 })

    /// Bytes of `count` bits, in whole 64-bit words.
    static func byteCount(_ count: Int) -> Int { (count + 63) / 64 * 8 }

    @inline(__always)
    public subscript(index: Int) -> Bool {
        let bit = offset + index
        return buffer.elements(as: UInt8.self)[bit >> 3] >> (bit & 7) & 1 != 0
    }

    /// Bits `index ..< index + 64` of the view, whatever its alignment; bits beyond its end are
    /// unspecified.
    @inline(__always)
    func word(at index: Int) -> UInt64 {
        let bit = offset + index
        let bytes = buffer.pointer + bit >> 3
        let shift = UInt64(bit & 7)
        let low = bytes.loadUnaligned(as: UInt64.self)
        if shift == 0 { return low }
        return low >> shift | UInt64(bytes.load(fromByteOffset: 8, as: UInt8.self)) << (64 - shift)
    }

    /// Number of set bits.
    public var setCount: Int {
        var total = 0
        var index = 0
        while index + 64 <= count {
            total += word(at: index).nonzeroBitCount
            index += 64
        }
        if index < count {
            total += (word(at: index) & (1 << UInt64(count - index) - 1)).nonzeroBitCount
        }
        return total
    }

    /// A part of it, without a copy.
    public func slice(_ range: Range<Int>) -> Bitmap {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "slice out of range")
        return Bitmap(buffer: buffer, offset: offset + range.lowerBound, count: range.count)
    }

    /// The same bits from bit 0 of a buffer of their own, unless they are already.
    func aligned() -> Bitmap {
        if offset == 0 { return self }
        let copy = Buffer(byteCount: Self.byteCount(count))
        let words = copy.elements(as: UInt64.self)
        for index in 0..<Self.byteCount(count) / 8 { words[index] = word(at: index * 64) }
        return Bitmap(buffer: copy, count: count)
    }

    /// Both bits set, position by position.
    func and(_ other: Bitmap) -> Bitmap {
        combine(other) { $0 & $1 }
    }

    /// Either bit set, position by position.
    func or(_ other: Bitmap) -> Bitmap {
        combine(other) { $0 | $1 }
    }

    /// Every bit inverted.
    func not() -> Bitmap {
        combine(self) { first, _ in ~first }
    }

    @inline(__always)
    private func combine(_ other: Bitmap, _ operation: (UInt64, UInt64) -> UInt64) -> Bitmap {
        precondition(count == other.count, "bitmaps of different lengths")
        let result = Buffer(byteCount: Self.byteCount(count))
        let words = result.elements(as: UInt64.self)
        for index in 0..<Self.byteCount(count) / 8 {
            words[index] = operation(word(at: index * 64), other.word(at: index * 64))
        }
        return Bitmap(buffer: result, count: count)
    }
}
