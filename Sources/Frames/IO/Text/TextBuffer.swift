// A growing run of bytes that values are formatted into: what a rank will write to a file.
import Glibc

/// Text under construction.
struct TextBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0

    init(capacity: Int = 1 << 16) {
        self.capacity = max(capacity, 64)
        base = .allocate(capacity: self.capacity)
    }

    deinit { base.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    mutating func removeAll() { count = 0 }

    @inline(__always)
    private mutating func reserve(_ additional: Int) {
        if count &+ additional > capacity { grow(additional) }
    }

    @inline(never)
    private mutating func grow(_ additional: Int) {
        let larger = max(capacity * 2, count + additional)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        memcpy(moved, base, count)
        base.deallocate()
        base = moved
        capacity = larger
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1)
        base[count] = byte
        count &+= 1
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        reserve(bytes.count)
        if let source = bytes.baseAddress { memcpy(base + count, source, bytes.count) }
        count &+= bytes.count
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// An integer in decimal.
    mutating func append(integer value: Int64) {
        reserve(20)
        if value < 0 { append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        var length = 1
        while length < 20, rest >= powersOfTen64[length] { length += 1 }
        var position = count + length
        count = position
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            position &-= 1
            base[position] = UInt8(truncatingIfNeeded: digit) &+ 0x30
            rest = quotient
        } while rest != 0
    }

    /// A number of at least `width` digits, with leading zeros.
    mutating func append(_ value: Int, width: Int) {
        var limit = 1
        for _ in 1..<width { limit *= 10 }
        while limit > value, limit > 1 {
            append(0x30)
            limit /= 10
        }
        append(integer: Int64(value))
    }

    /// `YYYY-MM-DD`.
    mutating func append(_ date: CivilDate) {
        if date.year < 0 { append(UInt8(ascii: "-")) }
        append(abs(date.year), width: 4)
        append(UInt8(ascii: "-"))
        append(date.month, width: 2)
        append(UInt8(ascii: "-"))
        append(date.day, width: 2)
    }

    /// `YYYY-MM-DDThh:mm:ss`, with microseconds where there are any, and `Z`.
    mutating func append(_ time: CivilDateTime) {
        append(time.date)
        append(UInt8(ascii: "T"))
        append(time.hour, width: 2)
        append(UInt8(ascii: ":"))
        append(time.minute, width: 2)
        append(UInt8(ascii: ":"))
        append(time.second, width: 2)
        if time.microsecond != 0 {
            append(UInt8(ascii: "."))
            append(time.microsecond, width: 6)
        }
        append(UInt8(ascii: "Z"))
    }
}

private let powersOfTen64: [UInt64] = {
    var powers: [UInt64] = [1]
    for _ in 0..<19 { powers.append(powers[powers.count - 1] * 10) }
    return powers
}()
