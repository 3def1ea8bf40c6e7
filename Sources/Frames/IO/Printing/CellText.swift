// Single values as a reader of a terminal wants them: short, on one line, of known width.
import Glibc

enum CellText {
    /// Longer strings are cut.
    static let maxWidth = 32

    static func text(_ column: Column, _ row: Int) -> String {
        if column.isNull(at: row) { return "null" }
        switch column.type {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32:
            return "\(column.int64(at: row) ?? 0)"
        case .uint64: return "\(column.pointer(as: UInt64.self)[row])"
        case .duration: return duration(column.pointer(as: Int64.self)[row])
        case .float32: return number(Double("\(column.pointer(as: Float.self)[row])") ?? .nan)
        case .float64: return number(column.pointer(as: Double.self)[row])
        case .bool: return column.bits[row] ? "true" : "false"
        case .string, .category:
            return shortened(String(decoding: column.utf8(at: row), as: UTF8.self))
        case .date:
            var text = TextBuffer()
            text.append(CivilDate(daysSince1970: Int(column.pointer(as: Int32.self)[row])))
            return String(decoding: text.bytes, as: UTF8.self)
        case .datetime:
            let microseconds = Int(column.pointer(as: Int64.self)[row])
            var text = TextBuffer()
            text.append(CivilDateTime(microsecondsSince1970: microseconds))
            return String(decoding: text.bytes, as: UTF8.self)
        }
    }

    /// `1d 2h 3m 4.5s`: the parts that are not zero, negative ones all.
    static func duration(_ microseconds: Int64) -> String {
        if microseconds == 0 { return "0s" }
        var rest = microseconds.magnitude
        var parts: [String] = []
        for (name, unit) in [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000)]
            as [(String, UInt64)] where rest >= unit
        {
            parts.append("\(rest / unit)\(name)")
            rest %= unit
        }
        if rest > 0 {
            var seconds = "\(rest / 1_000_000)"
            if rest % 1_000_000 > 0 {
                var fraction = "\(1_000_000 + rest % 1_000_000)".dropFirst()
                while fraction.hasSuffix("0") { fraction.removeLast() }
                seconds += "." + fraction
            }
            parts.append(seconds + "s")
        }
        let sign = microseconds < 0 ? "-" : ""
        return parts.map { sign + $0 }.joined(separator: " ")
    }

    /// Six decimals at most, none that are zero but the first; an exponent where that is shorter.
    static func number(_ value: Double) -> String {
        if value == 0 || !value.isFinite { return "\(value)" }
        let magnitude = abs(value)
        if magnitude < 1e-4 || magnitude >= 1e15 { return printed("%.6g", value) }
        var text = printed("%.6f", value)
        while text.hasSuffix("0") { text.removeLast() }
        return text.hasSuffix(".") ? text + "0" : text
    }

    private static func printed(_ format: String, _ value: Double) -> String {
        withVaList([value]) { arguments in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
                let length = vsnprintf(buffer.baseAddress, buffer.count, format, arguments)
                let used = UnsafeRawBufferPointer(buffer).prefix(max(0, min(Int(length), 63)))
                return String(decoding: used, as: UTF8.self)
            }
        }
    }

    /// On one line, control characters visible, cut to `maxWidth`.
    static func shortened(_ text: String) -> String {
        var result = ""
        var taken = 0
        for character in text {
            let shown = visible(character)
            let width = width(shown)
            if taken + width > maxWidth {
                while taken > maxWidth - 1, let last = result.popLast() {
                    taken -= CellText.width(String(last))
                }
                return result + "…"
            }
            result += shown
            taken += width
        }
        return result
    }

    private static func visible(_ character: Character) -> String {
        switch character {
        case "\n", "\r\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default:
            let isControl = character.unicodeScalars.contains {
                $0.properties.generalCategory == .control
            }
            return isControl ? "\u{FFFD}" : String(character)
        }
    }

    /// Columns of a terminal that a text takes: two for East Asian wide characters and emoji, none
    /// for marks and joiners that stand alone.
    static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

    private static func width(_ character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        if isWide(first) || first.properties.isEmojiPresentation { return 2 }
        // A variation selector makes an emoji of a symbol.
        if character.unicodeScalars.contains("\u{FE0F}") { return 2 }
        let isMark = first.properties.generalCategory == .nonspacingMark
        return isMark || first.properties.isDefaultIgnorableCodePoint ? 0 : 1
    }

    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1FAFF,
            0x20000...0x3FFFD:
            true
        default: false
        }
    }
}
