// Dates and datetimes as text and back, by patterns like strftime's.

/// A pattern of `strftime`: the letters behind `%` that are known, and text.
///
///     %Y year      %m month 01-12   %d day 01-31   %e day, space-padded   %j day of year 001-366
///     %H hour      %I hour 01-12    %p AM or PM    %M minute              %S second
///     %f µs, six digits             %y year of the century (70-99: 19.., 00-69: 20..)
///     %b Jan %B January             %a Mon %A Monday   %u weekday 1-7 (written only)
///     %F is %Y-%m-%d, %T is %H:%M:%S, %R is %H:%M, %z is +hhmm, %% is %
struct TimeFormat: Sendable {
    enum Piece: Hashable, Sendable {
        case text([UInt8])
        case field(UInt8)
    }
    let pattern: String
    let pieces: [Piece]
    /// Why the pattern is none.
    let problem: String?

    init(_ pattern: String) {
        self.pattern = pattern
        var pieces: [Piece] = []
        var problem: String?
        let expanded = TimeFormat.expanded(pattern)
        var index = 0
        while index < expanded.count {
            if expanded[index] != UInt8(ascii: "%") {
                pieces.append(.text([expanded[index]]))
                index += 1
                continue
            }
            let letter = index + 1 < expanded.count ? expanded[index + 1] : 0
            if letter == UInt8(ascii: "%") {
                pieces.append(.text([letter]))
            } else if TimeFormat.letters.contains(letter) {
                pieces.append(.field(letter))
            } else {
                problem =
                    "the pattern \"\(pattern)\" has %\(letter == 0 ? "" : String(UnicodeScalar(letter)))"
                    + ", which is not known"
            }
            index += 2
        }
        self.pieces = pieces
        self.problem = problem
    }

    private static let letters = Set("YmdejHIpMSfybBaAuz".utf8)

    private static func expanded(_ pattern: String) -> [UInt8] {
        var result: [UInt8] = []
        var isField = false
        for byte in pattern.utf8 {
            if isField,
                let long = ["F": "Y-%m-%d", "T": "H:%M:%S", "R": "H:%M"][
                    String(UnicodeScalar(byte))]
            {
                result += Array(long.utf8)
            } else {
                result.append(byte)
            }
            isField = !isField && byte == UInt8(ascii: "%")
        }
        return result
    }

    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ]
    static let weekdays = [
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    ]

    func append(_ time: CivilDateTime, to text: inout TextBuffer) {
        for piece in pieces {
            switch piece {
            case .text(let bytes): bytes.withUnsafeBufferPointer { text.append($0) }
            case .field(let letter): append(letter, time, to: &text)
            }
        }
    }

    private func append(_ letter: UInt8, _ time: CivilDateTime, to text: inout TextBuffer) {
        let date = time.date
        let weekday = CivilDate.isoWeekday(daysSince1970: date.daysSince1970)
        switch UnicodeScalar(letter) {
        case "Y":
            if date.year < 0 { text.append(UInt8(ascii: "-")) }
            text.append(abs(date.year), width: 4)
        case "y": text.append(((date.year % 100) + 100) % 100, width: 2)
        case "m": text.append(date.month, width: 2)
        case "d": text.append(date.day, width: 2)
        case "e":
            if date.day < 10 { text.append(0x20) }
            text.append(integer: Int64(date.day))
        case "j": text.append(date.dayOfYear, width: 3)
        case "H": text.append(time.hour, width: 2)
        case "I": text.append((time.hour + 11) % 12 + 1, width: 2)
        case "p": text.append(time.hour < 12 ? "AM" : "PM")
        case "M": text.append(time.minute, width: 2)
        case "S": text.append(time.second, width: 2)
        case "f": text.append(time.microsecond, width: 6)
        case "b": text.append(String(TimeFormat.months[date.month - 1].prefix(3)))
        case "B": text.append(TimeFormat.months[date.month - 1])
        case "a": text.append(String(TimeFormat.weekdays[weekday - 1].prefix(3)))
        case "A": text.append(TimeFormat.weekdays[weekday - 1])
        case "u": text.append(integer: Int64(weekday))
        default: text.append("+0000")
        }
    }
}

/// A date or datetime as text.
struct FormattedTime: ColumnFunction {
    let format: TimeFormat
    var text: String { "format(\"\(format.pattern)\")" }
    var problem: String? { format.problem }

    func type(of operands: [OperandType]) -> DataType? {
        operands[0].type == .date || operands[0].type == .datetime ? .string : nil
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        let column = Evaluation.cast(operands[0].column(count: count), to: .datetime)
        let values = column.pointer(as: Int.self)
        var builder = StringBuilder(capacity: count)
        var buffer = TextBuffer(capacity: 256)
        for row in 0..<count {
            if column.isNull(at: row) {
                builder.appendNull()
                continue
            }
            buffer.removeAll()
            format.append(CivilDateTime(microsecondsSince1970: values[row]), to: &buffer)
            builder.append(utf8: buffer.bytes.bindMemory(to: UInt8.self))
        }
        withExtendedLifetime(column) {}
        return builder.finish()
    }
}

/// Text as a date or datetime.
struct ParsedTime: TextFunction {
    let format: TimeFormat
    let result: DataType
    let isStrict: Bool

    var text: String {
        "parse(\"\(format.pattern)\", as: \(result)\(isStrict ? "" : ", strict: false"))"
    }
    var problem: String? {
        format.problem
            ?? (result == .date || result == .datetime
                ? nil : "text is parsed as date or datetime, not as \(result)")
    }
    var canFail: Bool { isStrict }

    func evaluate(_ strings: Column) throws(FrameError) -> Column {
        let column: Column
        if result == .date {
            column = Evaluation.convertOrNull(strings, to: .date, placeholder: Int32(0)) { row in
                TimeParser.parse(strings.utf8(at: row), format).flatMap {
                    Int32(exactly: CivilDateTime.day(ofMicroseconds: $0))
                }
            }
        } else {
            column = Evaluation.convertOrNull(strings, to: .datetime, placeholder: Int64(0)) {
                TimeParser.parse(strings.utf8(at: $0), format).map { Int64($0) }
            }
        }
        if isStrict, let row = Evaluation.lostRow(strings, column) {
            throw FrameError(
                .malformedValue, operation: "parse",
                reason: "\"\(CellText.text(strings, row))\" in row \(row) is not of the form "
                    + "\"\(format.pattern)\"; use strict: false for null")
        }
        return column
    }
}

extension Expression {
    /// A date or datetime (UTC) as text, by a pattern like strftime's: `format("%d.%m.%Y")`. Known
    /// are %Y %y %m %d %e %j %H %I %p %M %S %f (µs) %b %B %a %A %u %z, %F (%Y-%m-%d), %T
    /// (%H:%M:%S), %R (%H:%M) and %%; names are English. Local.
    /// - Throws: the verb it is part of throws `invalidArgument` for another letter.
    public func format(_ pattern: String) -> Expression {
        applying(FormattedTime(format: TimeFormat(pattern)))
    }

    /// Text as a date or datetime, by a pattern as of `format`. The whole text must match; fields
    /// not named are those of 1970-01-01T00:00:00Z. Numbers need not be padded, `%f` takes one to
    /// six digits, `%z` also `Z` and `+hh:mm`. Local.
    /// - Parameter strict: text of another form is an error; if false, it becomes null.
    /// - Throws: the verb it is part of throws `malformedValue`, on all ranks.
    public func parse(
        _ pattern: String, as type: DataType, strict: Bool = true
    ) -> Expression {
        applying(ParsedTime(format: TimeFormat(pattern), result: type, isStrict: strict))
    }
}
