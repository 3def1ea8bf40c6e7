// Strings of at most 16 bytes as numbers in the order of the strings, as small as their bytes allow:
// each byte is a digit that counts from the least byte seen at its place. "id0000000042" among its
// like is 42, so that it indexes an array where a dictionary would be searched.

/// What is known of some strings' bytes, place by place. Places beyond a string's end hold zero.
struct TextProfile {
    private(set) var shortest = Int.max
    private(set) var longest = 0
    /// Least and greatest byte of each place.
    private(set) var least = SIMD16<UInt8>(repeating: .max)
    private(set) var greatest = SIMD16<UInt8>(repeating: 0)

    static let lengthLimit = 16

    /// Adds a column's strings; false, and no more than that, if one is too long, or if there are
    /// too many different ones for numbers.
    mutating func add(_ column: Column) -> Bool {
        // In blocks, so that offsets are read from memory once.
        var row = 0
        while row < column.count {
            let end = min(row + KeyEncoder.blockRowCount, column.count)
            guard add(column, row..<end), TextDigits(self) != nil else { return false }
            row = end
        }
        return true
    }

    /// Adds what is known of other strings.
    mutating func add(_ other: TextProfile) {
        shortest = min(shortest, other.shortest)
        longest = max(longest, other.longest)
        least.replace(with: other.least, where: other.least .< least)
        greatest.replace(with: other.greatest, where: other.greatest .> greatest)
    }

    /// On the wire: lengths, least bytes, greatest bytes.
    var words: [UInt64] {
        let least = unsafeBitCast(least, to: SIMD2<UInt64>.self)
        let greatest = unsafeBitCast(greatest, to: SIMD2<UInt64>.self)
        return [
            UInt64(shortest), UInt64(longest), least[0], least[1], greatest[0], greatest[1],
        ]
    }

    init() {}

    /// Nil if no strings are like that.
    init?(_ words: [UInt64]) {
        let none = TextProfile()
        if words == none.words {
            self = none
            return
        }
        guard words[0] <= words[1], words[1] <= UInt64(Self.lengthLimit) else { return nil }
        shortest = Int(words[0])
        longest = Int(words[1])
        least = unsafeBitCast(SIMD2(words[2], words[3]), to: SIMD16<UInt8>.self)
        greatest = unsafeBitCast(SIMD2(words[4], words[5]), to: SIMD16<UInt8>.self)
        guard all(least .<= greatest), greatest & TextDigits.mask(longest) == greatest else {
            return nil
        }
    }

    private mutating func add(_ column: Column, _ rows: Range<Int>) -> Bool {
        let offsets = column.stringOffsets
        let bytes = UnsafeRawPointer(column.stringBytes)
        defer { withExtendedLifetime(column) {} }
        var (shortest, longest) = (shortest, longest)
        for row in rows where !column.isNull(at: row) {
            let length = Int(offsets[row &+ 1] &- offsets[row])
            shortest = min(shortest, length)
            longest = max(longest, length)
        }
        guard longest <= Self.lengthLimit else { return false }
        (self.shortest, self.longest) = (shortest, longest)
        var (least, greatest) = (least, greatest)
        // Not pointwiseMin, which is sixteen comparisons; this is one instruction.
        @inline(__always)
        func note(_ text: SIMD16<UInt8>) {
            least.replace(with: text, where: text .< least)
            greatest.replace(with: text, where: text .> greatest)
        }
        if column.validity == nil && shortest == longest {
            let mask = TextDigits.mask(longest)
            for row in rows { note(TextDigits.load(bytes + Int(offsets[row])) & mask) }
        } else {
            for row in rows where !column.isNull(at: row) {
                let length = Int(offsets[row &+ 1] &- offsets[row])
                note(TextDigits.load(bytes + Int(offsets[row])) & TextDigits.mask(length))
            }
        }
        (self.least, self.greatest) = (least, greatest)
        return true
    }
}

/// The number of a string among strings of a profile.
struct TextDigits: Hashable {
    /// Eight bytes as a number.
    struct Word: Hashable {
        let least: UInt64
        /// Bits by which places that never vary are shifted out at the end.
        let shift: UInt64
        /// Digits' base, if all eight can be added up at once; nil to take the bytes as they are.
        let base: UInt64?

        init(_ least: UInt64, _ greatest: UInt64) {
            self.least = least
            let ranges = greatest &- least
            // The first byte of the text is the lowest of the word.
            shift = ranges == 0 ? 0 : UInt64(ranges.leadingZeroBitCount / 8 * 8)
            var widest: UInt64 = 0
            for place in 0..<8 as Range<UInt64> {
                widest = max(widest, ranges >> (place * 8) & 0xFF)
            }
            base = widest < 16 ? widest + 1 : nil
        }

        /// Of bytes less the least ones.
        @inline(__always)
        func number(_ digits: UInt64) -> UInt64 {
            let digits = digits &<< shift
            guard let base else { return digits.byteSwapped }
            return Self.sum(digits, base, base &* base, base &* base &* base &* base)
        }

        /// Pairs of digits, pairs of these, and of these: a multiplication each.
        @inline(__always)
        static func sum(
            _ digits: UInt64, _ first: UInt64, _ second: UInt64, _ fourth: UInt64
        ) -> UInt64 {
            let pairs = ((digits &* (first &<< 8 | 1)) &>> 8) & 0x00FF_00FF_00FF_00FF
            let fours = ((pairs &* (second &<< 16 | 1)) &>> 16) & 0x0000_FFFF_0000_FFFF
            return (fours &* (fourth &<< 32 | 1)) &>> 32
        }
    }

    let first: Word
    let second: Word
    /// Numbers of the second word are below it; 1 if there is none.
    let secondLimit: UInt64
    private let greatest: SIMD2<UInt64>
    let shortest: Int
    /// How many lengths there are.
    let lengthCount: UInt64
    /// Numbers are below it.
    let limit: UInt64

    /// Nil if the numbers would not fit.
    init?(_ profile: TextProfile) {
        // Of no strings at all any number will do.
        let isEmpty = profile.shortest > profile.longest
        let least = isEmpty ? SIMD2(0, 0) : unsafeBitCast(profile.least, to: SIMD2<UInt64>.self)
        let greatest =
            isEmpty ? SIMD2(0, 0) : unsafeBitCast(profile.greatest, to: SIMD2<UInt64>.self)
        self.greatest = greatest
        first = Word(least[0], greatest[0])
        second = Word(least[1], greatest[1])
        shortest = isEmpty ? 0 : profile.shortest
        lengthCount = isEmpty ? 1 : UInt64(profile.longest - profile.shortest + 1)
        let firstLast = first.number(greatest[0] &- least[0])
        let secondLast = second.number(greatest[1] &- least[1])
        guard secondLast < UInt64.max, firstLast < UInt64.max else { return nil }
        secondLimit = secondLast + 1
        let (texts, overflow) = (firstLast + 1).multipliedReportingOverflow(by: secondLimit)
        let (limit, tooMany) = texts.multipliedReportingOverflow(by: lengthCount)
        guard !overflow, !tooMany, limit <= KeyNumbering.limit else { return nil }
        self.limit = limit
    }

    /// 16 bytes, of which those beyond the string may be anything: buffers are readable there.
    @inline(__always)
    static func load(_ bytes: UnsafeRawPointer) -> SIMD16<UInt8> {
        bytes.loadUnaligned(as: SIMD16<UInt8>.self)
    }

    /// Ones for the first `length` of 16 bytes.
    @inline(__always)
    static func mask(_ length: Int) -> SIMD16<UInt8> {
        unsafeBitCast(words(length), to: SIMD16<UInt8>.self)
    }

    @inline(__always)
    private static func words(_ length: Int) -> SIMD2<UInt64> {
        let bits = UInt64(truncatingIfNeeded: length) &* 8
        // Shifts by 64 and more give zero.
        return SIMD2(~(UInt64.max << bits), bits <= 64 ? 0 : ~(UInt64.max << (bits &- 64)))
    }

    /// Which strings are such as the profile was of.
    func contains(_ column: Column) -> Bitmap {
        let offsets = column.stringOffsets
        let bytes = UnsafeRawPointer(column.stringBytes)
        let least = unsafeBitCast(SIMD2(first.least, second.least), to: SIMD16<UInt8>.self)
        let greatest = unsafeBitCast(greatest, to: SIMD16<UInt8>.self)
        let longest = shortest + Int(lengthCount) - 1
        defer { withExtendedLifetime(column) {} }
        return Bitmap(count: column.count) { row in
            let length = Int(offsets[row &+ 1] &- offsets[row])
            guard length >= shortest, length <= longest else { return false }
            let text = Self.load(bytes + Int(offsets[row])) & Self.mask(length)
            return all(text .>= least) && all(text .<= greatest)
        }
    }

    /// Calls `body(index, number)` for rows `rows` of a column, index counting from 0; what a null
    /// gets is unspecified.
    @inline(__always)
    func forEach(_ column: Column, _ rows: Range<Int>, _ body: (Int, UInt64) -> Void) {
        let offsets = column.stringOffsets + rows.lowerBound
        let bytes = UnsafeRawPointer(column.stringBytes)
        defer { withExtendedLifetime(column) {} }
        if lengthCount > 1 || column.validity != nil {
            for index in 0..<rows.count {
                let length = Int(offsets[index &+ 1] &- offsets[index])
                let masks = Self.words(min(length, TextProfile.lengthLimit))
                let text = (bytes + Int(offsets[index])).loadUnaligned(as: SIMD2<UInt64>.self)
                let number =
                    first.number(text[0] & masks[0] &- first.least) &* secondLimit
                    &+ second.number(text[1] & masks[1] &- second.least)
                let extra = UInt64(truncatingIfNeeded: length &- shortest)
                body(index, number &* lengthCount &+ extra)
            }
            return
        }
        let masks = Self.words(shortest)
        switch (first.base, second.base) {
        case (let base?, let other?):
            // The common case, with everything in registers.
            let (base2, other2) = (base &* base, other &* other)
            let (base4, other4) = (base2 &* base2, other2 &* other2)
            for index in 0..<rows.count {
                let text = bytes + Int(offsets[index])
                let low = text.loadUnaligned(as: UInt64.self) & masks[0] &- first.least
                var number = Word.sum(low &<< first.shift, base, base2, base4)
                if secondLimit > 1 {
                    let high =
                        text.loadUnaligned(fromByteOffset: 8, as: UInt64.self) & masks[1]
                        &- second.least
                    number =
                        number &* secondLimit
                        &+ Word.sum(high &<< second.shift, other, other2, other4)
                }
                body(index, number)
            }
        default:
            for index in 0..<rows.count {
                let text = (bytes + Int(offsets[index])).loadUnaligned(as: SIMD2<UInt64>.self)
                body(
                    index,
                    first.number(text[0] & masks[0] &- first.least) &* secondLimit
                        &+ second.number(text[1] & masks[1] &- second.least))
            }
        }
    }
}
