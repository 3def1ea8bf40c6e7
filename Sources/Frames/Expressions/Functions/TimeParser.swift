// Reads a text by a strftime pattern, one piece after the other.

/// A text half read.
struct TimeParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0
    private var time = CivilDateTime(date: CivilDate(year: 1970, month: 1, day: 1))
    private var dayOfYear: Int?
    private var isAfternoon: Bool?
    /// Seconds east of UTC.
    private var zone = 0

    private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// µs since 1970-01-01T00:00:00Z; nil if the text is not of that form, or no time.
    static func parse(_ bytes: UnsafeBufferPointer<UInt8>, _ format: TimeFormat) -> Int? {
        var parser = TimeParser(bytes)
        for piece in format.pieces {
            switch piece {
            case .text(let text):
                for byte in text {
                    guard parser.index < bytes.count, bytes[parser.index] == byte else {
                        return nil
                    }
                    parser.index += 1
                }
            case .field(let letter):
                guard parser.take(UnicodeScalar(letter)) else { return nil }
            }
        }
        return parser.index == bytes.count ? parser.result : nil
    }

    private var result: Int? {
        var time = time
        if let dayOfYear {
            let first = CivilDate(year: time.date.year, month: 1, day: 1).daysSince1970
            let date = CivilDate(daysSince1970: first + dayOfYear - 1)
            guard date.year == time.date.year else { return nil }
            time.date = date
        }
        if let isAfternoon {
            guard time.hour >= 1, time.hour <= 12 else { return nil }
            time.hour = time.hour % 12 + (isAfternoon ? 12 : 0)
        }
        guard time.date.isValid, time.hour < 24, time.minute < 60, time.second < 60 else {
            return nil
        }
        return time.microsecondsSince1970 - zone * 1_000_000
    }

    private mutating func take(_ letter: UnicodeScalar) -> Bool {
        switch letter {
        case "Y": return set(\.date.year, takeYear())
        case "y": return set(\.date.year, digits(2).map { $0 + ($0 < 70 ? 2000 : 1900) })
        case "m": return set(\.date.month, digits(2))
        case "d": return set(\.date.day, digits(2))
        case "e":
            if index < bytes.count, bytes[index] == 0x20 { index += 1 }
            return set(\.date.day, digits(2))
        case "j":
            dayOfYear = digits(3)
            return dayOfYear.map { (1...366).contains($0) } ?? false
        case "H", "I": return set(\.hour, digits(2))
        case "M": return set(\.minute, digits(2))
        case "S": return set(\.second, digits(2))
        case "f": return set(\.microsecond, fraction())
        case "p":
            isAfternoon = name(["AM", "PM"]).map { $0 == 1 }
            return isAfternoon != nil
        case "b":
            return set(
                \.date.month, name(TimeFormat.months.map { String($0.prefix(3)) }).map { $0 + 1 })
        case "B": return set(\.date.month, name(TimeFormat.months).map { $0 + 1 })
        case "a": return name(TimeFormat.weekdays.map { String($0.prefix(3)) }) != nil
        case "A": return name(TimeFormat.weekdays) != nil
        case "z": return takeZone()
        default: return digits(1) != nil
        }
    }

    private mutating func set(_ field: WritableKeyPath<CivilDateTime, Int>, _ value: Int?) -> Bool {
        guard let value else { return false }
        time[keyPath: field] = value
        return true
    }

    /// One to `limit` digits.
    private mutating func digits(_ limit: Int) -> Int? {
        var value = 0
        let start = index
        while index < bytes.count, index - start < limit {
            let digit = bytes[index] &- 0x30
            if digit > 9 { break }
            value = value * 10 + Int(digit)
            index += 1
        }
        return index > start ? value : nil
    }

    private mutating func takeYear() -> Int? {
        let isNegative = index < bytes.count && bytes[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        return digits(4).map { isNegative ? -$0 : $0 }
    }

    private mutating func fraction() -> Int? {
        let start = index
        guard var value = digits(6) else { return nil }
        for _ in (index - start)..<6 { value *= 10 }
        return value
    }

    /// Which of these names comes next, in any case.
    private mutating func name(_ names: [String]) -> Int? {
        for (number, name) in names.enumerated() {
            let end = index + name.utf8.count
            guard end <= bytes.count else { continue }
            if zip(bytes[index..<end], name.utf8).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) {
                index = end
                return number
            }
        }
        return nil
    }

    private mutating func takeZone() -> Bool {
        guard index < bytes.count else { return false }
        let sign = bytes[index]
        index += 1
        if sign == UInt8(ascii: "Z") || sign == UInt8(ascii: "z") { return true }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), let hours = digits(2) else {
            return false
        }
        if index < bytes.count, bytes[index] == UInt8(ascii: ":") { index += 1 }
        guard let minutes = digits(2), hours < 24, minutes < 60 else { return false }
        zone = (hours * 3600 + minutes * 60) * (sign == UInt8(ascii: "-") ? -1 : 1)
        return true
    }
}
