// Functions of text, on its UTF-8 bytes: lengths, case, trimming, parts.
import Glibc

/// Which ends `trim` shortens.
enum TextEnds: String, Sendable {
    case both = "trim"
    case start = "trimStart"
    case end = "trimEnd"
}

struct ByteCount: TextFunction {
    var text: String { "byteCount" }
    var result: DataType { .int64 }
    func evaluate(_ strings: Column) -> Column { TextLoop.measure(strings) { $0.count } }
}

struct CharacterCount: TextFunction {
    var text: String { "characterCount" }
    var result: DataType { .int64 }
    func evaluate(_ strings: Column) -> Column {
        TextLoop.measure(strings, UTF8Bytes.characterCount)
    }
}

struct ChangedCase: TextFunction {
    let isUpper: Bool
    var text: String { isUpper ? "uppercased()" : "lowercased()" }
    var result: DataType { .string }

    func evaluate(_ strings: Column) -> Column {
        let first = UInt8(ascii: isUpper ? "a" : "A")
        return TextLoop.map(strings) { bytes, builder in
            if bytes.contains(where: { $0 >= 0x80 }) {
                let string = String(decoding: bytes, as: UTF8.self)
                return builder.append(isUpper ? string.uppercased() : string.lowercased())
            }
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(bytes.count, 1)) {
                changed in
                for index in 0..<bytes.count {
                    let isLetter: UInt8 = bytes[index] &- first < 26 ? 0x20 : 0
                    changed[index] = bytes[index] ^ isLetter
                }
                builder.append(utf8: UnsafeBufferPointer(rebasing: changed[..<bytes.count]))
            }
        }
    }
}

struct Trimmed: TextFunction {
    let ends: TextEnds
    /// Nil means white space.
    let characters: Set<Unicode.Scalar>?

    var text: String {
        let set = characters.map { "\"\(String(String.UnicodeScalarView($0.sorted())))\"" } ?? ""
        return "\(ends.rawValue)(\(set))"
    }
    var result: DataType { .string }

    func evaluate(_ strings: Column) -> Column {
        TextLoop.map(strings) { bytes, builder in
            var (start, end) = (0, bytes.count)
            if ends != .end {
                while start < end {
                    let (scalar, length) = UTF8Bytes.scalar(bytes, at: start)
                    guard isCut(scalar) else { break }
                    start += length
                }
            }
            if ends != .start {
                while end > start {
                    let last = UTF8Bytes.lastCharacter(bytes, before: end)
                    guard isCut(UTF8Bytes.scalar(bytes, at: last).scalar) else { break }
                    end = last
                }
            }
            builder.append(utf8: UnsafeBufferPointer(rebasing: bytes[start..<max(start, end)]))
        }
    }

    private func isCut(_ scalar: Unicode.Scalar) -> Bool {
        characters?.contains(scalar) ?? scalar.properties.isWhitespace
    }
}

struct Sliced: TextFunction {
    /// In characters; negative ones count from the end.
    let offset: Int
    /// Nil means to the end.
    let length: Int?

    var text: String { "slice(\(offset), \(length.map { "\($0)" } ?? "nil"))" }
    var problem: String? { length.map { $0 < 0 } == true ? "a slice of negative length" : nil }
    var result: DataType { .string }

    func evaluate(_ strings: Column) -> Column {
        TextLoop.map(strings) { bytes, builder in
            let start =
                offset >= 0
                ? offset : max(0, UTF8Bytes.characterCount(bytes) + offset)
            let first = UTF8Bytes.index(bytes, from: 0, characters: start)
            let last = length.map { UTF8Bytes.index(bytes, from: first, characters: $0) }
            builder.append(
                utf8: UnsafeBufferPointer(rebasing: bytes[first..<(last ?? bytes.count)]))
        }
    }
}

/// Several texts one after the other; null if any is.
struct Joined: ColumnFunction {
    let separator: String
    var text: String { "joined(separator: \"\(separator)\")" }

    func type(of operands: [OperandType]) -> DataType? {
        operands.allSatisfy { $0.type.isText } ? .string : nil
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        let columns = operands.map { $0.cast(to: .string).column(count: count) }
        var separator = separator
        var builder = StringBuilder(capacity: count)
        separator.withUTF8 { separator in
            for row in 0..<count {
                if columns.contains(where: { $0.isNull(at: row) }) {
                    builder.appendNull()
                    continue
                }
                var length = 0
                for (index, column) in columns.enumerated() {
                    if index > 0 {
                        builder.appendPart(utf8: separator, after: length)
                        length += separator.count
                    }
                    let part = column.utf8(at: row)
                    builder.appendPart(utf8: part, after: length)
                    length += part.count
                }
                builder.finishValue(length)
            }
        }
        withExtendedLifetime(columns) {}
        return builder.finish()
    }
}

/// Places of characters (Unicode scalars) in valid UTF-8.
enum UTF8Bytes {
    @inline(__always)
    static func characterCount(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var count = 0
        for byte in bytes { count &+= Int(truncatingIfNeeded: byte & 0xC0 == 0x80 ? 0 : 1) }
        return count
    }

    /// Bytes of the character that begins with `byte`.
    @inline(__always)
    static func length(_ byte: UInt8) -> Int {
        byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
    }

    /// The place `characters` further on, at most the end.
    @inline(__always)
    static func index(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, characters: Int
    ) -> Int {
        var index = start
        var left = characters
        while left > 0, index < bytes.count {
            index += length(bytes[index])
            left -= 1
        }
        return min(index, bytes.count)
    }

    static func scalar(
        _ bytes: UnsafeBufferPointer<UInt8>, at index: Int
    ) -> (scalar: Unicode.Scalar, length: Int) {
        let first = bytes[index]
        if first < 0x80 { return (Unicode.Scalar(first), 1) }
        let length = min(length(first), bytes.count - index)
        var value = UInt32(first & (0x7F >> UInt8(length)))
        for next in 1..<max(length, 1) { value = value << 6 | UInt32(bytes[index + next] & 0x3F) }
        return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
    }

    /// Where the character that ends before `end` begins.
    static func lastCharacter(_ bytes: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
        var index = end - 1
        while index > 0, bytes[index] & 0xC0 == 0x80 { index -= 1 }
        return index
    }
}
