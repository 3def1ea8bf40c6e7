// Strings as int64 codes, equal exactly where the strings are: short ones are numbers themselves,
// which spares the random reads of a dictionary; long ones are numbered by one.
import Glibc

extension Kernels {
    /// Strings of at most this many bytes are two words.
    private static let wordStringLimit = 16

    /// A code per string of all chunks together; null where the string is.
    static func stringCodes(_ chunks: [Column]) -> [Column] {
        defer { withExtendedLifetime(chunks) {} }
        var profile = TextProfile()
        if chunks.allSatisfy({ profile.add($0) }), let digits = TextDigits(profile) {
            return chunks.map { digitCodes($0, digits) }
        }
        var longest: Int64 = 0
        var shortest = Int64.max
        for chunk in chunks {
            let offsets = chunk.stringOffsets
            for row in 0..<chunk.count {
                let length = offsets[row + 1] &- offsets[row]
                longest = max(longest, length)
                shortest = min(shortest, length)
            }
        }
        if longest <= wordStringLimit {
            return wordCodes(chunks, longest: Int(longest), lengthsDiffer: shortest < longest)
        }
        var dictionary = StringDictionary()
        return chunks.map { dictionary.codes(of: $0) }
    }

    /// Strings as numbers as small as their bytes allow.
    private static func digitCodes(_ column: Column, _ digits: TextDigits) -> Column {
        let buffer = Buffer(byteCount: column.count * 8)
        let codes = buffer.elements(as: UInt64.self)
        digits.forEach(column, 0..<column.count) { codes[$0] = $1 }
        return Column(type: .int64, count: column.count, values: buffer, validity: column.validity)
    }

    /// Strings as digits of a number: their bytes, eight at a time, and their length, as one may
    /// end in zero bytes.
    private static func wordCodes(
        _ chunks: [Column], longest: Int, lengthsDiffer: Bool
    ) -> [Column] {
        let rowCount = chunks.reduce(0) { $0 + $1.count }
        @inline(__always)
        func column(_ word: (UnsafePointer<UInt8>, Int) -> UInt64) -> Column {
            let buffer = Buffer(byteCount: rowCount * 8)
            let words = buffer.elements(as: UInt64.self)
            var output = 0
            for chunk in chunks {
                let offsets = chunk.stringOffsets
                let bytes = chunk.stringBytes
                for row in 0..<chunk.count {
                    let length = Int(offsets[row + 1] &- offsets[row])
                    words[output &+ row] = word(bytes + Int(offsets[row]), length)
                }
                output += chunk.count
            }
            return Column(type: .int64, count: rowCount, values: buffer)
        }
        // Padding that all words share is shifted out, so that they span a small range.
        let firstPadding = UInt64(8 * (8 - min(longest, 8)))
        let first = column { prefixWord($0, $1, at: 0) &>> firstPadding }
        var whole = first
        if longest > 8 || lengthsDiffer {
            var digits = KeyDigits(rowCount: rowCount)
            digits.append(first)
            if longest > 8 {
                let padding = UInt64(8 * (16 - longest))
                digits.append(column { prefixWord($0, $1, at: 8) &>> padding })
            }
            if lengthsDiffer { digits.append(column { _, length in UInt64(length) }) }
            whole = digits.column
        }
        var row = 0
        return chunks.map { chunk in
            defer { row += chunk.count }
            return whole.slice(row..<row + chunk.count).with(validity: chunk.validity)
        }
    }
}

/// Numbers strings from 0 in order of first occurrence. The strings' memory must outlive it.
struct StringDictionary {
    /// High 32 bits: of the string's hash, from which the slot comes too; low ones: number + 1.
    private var slots: Buffer
    private var bits: UInt64 = 12
    private var strings: [UnsafeBufferPointer<UInt8>] = []

    var count: Int { strings.count }

    init() {
        slots = Buffer(zeroedByteCount: 8 << 12)
    }

    /// The numbers of a column's strings; null where the string is.
    mutating func codes(of column: Column) -> Column {
        let buffer = Buffer(byteCount: column.count * 8)
        let codes = buffer.elements(as: Int64.self)
        let offsets = column.stringOffsets
        let bytes = column.stringBytes
        for row in 0..<column.count {
            let string = UnsafeBufferPointer(
                start: bytes + Int(offsets[row]), count: Int(offsets[row + 1] &- offsets[row]))
            codes[row] = column.isNull(at: row) ? 0 : Int64(number(of: string))
        }
        return Column(type: .int64, count: column.count, values: buffer, validity: column.validity)
    }

    @inline(__always)
    mutating func number(of string: UnsafeBufferPointer<UInt8>) -> Int {
        guard let base = string.baseAddress else { preconditionFailure("a string without bytes") }
        let hash = hashBytes(base, string.count)
        let tag = hash >> 32
        let table = slots.elements(as: UInt64.self)
        var slot = Int(truncatingIfNeeded: hash >> (64 - bits))
        let mask = 1 << Int(bits) - 1
        while true {
            let entry = table[slot]
            if entry == 0 { return insert(string, tag: tag, slot: slot) }
            if entry >> 32 == tag {
                let number = Int(truncatingIfNeeded: entry & 0xFFFF_FFFF) &- 1
                let known = strings[number]
                if known.count == string.count, let knownBase = known.baseAddress,
                    memcmp(knownBase, base, string.count) == 0
                {
                    return number
                }
            }
            slot = (slot &+ 1) & mask
        }
    }

    @inline(never)
    private mutating func insert(
        _ string: UnsafeBufferPointer<UInt8>, tag: UInt64, slot: Int
    ) -> Int {
        strings.append(string)
        slots.elements(as: UInt64.self)[slot] = tag << 32 | UInt64(strings.count)
        if strings.count * 2 > 1 << Int(bits) { grow() }
        return strings.count - 1
    }

    private mutating func grow() {
        let larger = Buffer(zeroedByteCount: 16 << Int(bits))
        let old = slots.elements(as: UInt64.self)
        let new = larger.elements(as: UInt64.self)
        let oldCount = 1 << Int(bits)
        bits += 1
        let mask = 1 << Int(bits) - 1
        for index in 0..<oldCount where old[index] != 0 {
            var slot = Int(truncatingIfNeeded: old[index] >> (64 - bits))
            while new[slot] != 0 { slot = (slot + 1) & mask }
            new[slot] = old[index]
        }
        slots = larger
    }
}
