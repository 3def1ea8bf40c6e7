// Fields of dates and of times of day.

/// A field of a calendar date or of a time of day, as `Expression.year` and its like take them.
enum DatePart: String, Sendable {
    case year, quarter, month, week, day, dayOfYear, weekday
    case hour, minute, second, microsecond

    /// A date has none of these.
    var isOfTime: Bool {
        switch self {
        case .hour, .minute, .second, .microsecond: true
        default: false
        }
    }
}

extension Evaluation {
    static func datePart(_ part: DatePart, _ column: Column) -> Column {
        defer { withExtendedLifetime(column) {} }
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Int.self)
        if column.type == .date {
            let days = column.pointer(as: Int32.self)
            for row in 0..<column.count {
                output[row] = field(
                    part, of: CivilDateTime(date: CivilDate(daysSince1970: Int(days[row]))))
            }
        } else {
            let microseconds = column.pointer(as: Int64.self)
            for row in 0..<column.count {
                output[row] = field(
                    part, of: CivilDateTime(microsecondsSince1970: Int(microseconds[row])))
            }
        }
        return Column(
            type: .int64, count: column.count, values: buffer, validity: column.validity)
    }

    @inline(__always)
    private static func field(_ part: DatePart, of time: CivilDateTime) -> Int {
        switch part {
        case .year: time.date.year
        case .quarter: (time.date.month + 2) / 3
        case .month: time.date.month
        case .week: time.date.isoWeek
        case .day: time.date.day
        case .dayOfYear: time.date.dayOfYear
        case .weekday: CivilDate.isoWeekday(daysSince1970: time.date.daysSince1970)
        case .hour: time.hour
        case .minute: time.minute
        case .second: time.second
        case .microsecond: time.microsecond
        }
    }
}

extension CivilDate {
    /// 1 ... 366
    var dayOfYear: Int {
        daysSince1970 - CivilDate(year: year, month: 1, day: 1).daysSince1970 + 1
    }

    /// The week of ISO 8601, 1 ... 53: that of its Thursday.
    var isoWeek: Int {
        let days = daysSince1970
        let thursday = days + 4 - CivilDate.isoWeekday(daysSince1970: days)
        return (CivilDate(daysSince1970: thursday).dayOfYear - 1) / 7 + 1
    }
}

extension Expression {
    /// The year of a date or datetime, UTC, as int64. Local.
    public var year: Expression { Expression(.datePart(.year, node)) }
    /// The quarter, 1 to 4. Local.
    public var quarter: Expression { Expression(.datePart(.quarter, node)) }
    /// The month, 1 to 12. Local.
    public var month: Expression { Expression(.datePart(.month, node)) }
    /// The week of ISO 8601, 1 to 53. Local.
    public var week: Expression { Expression(.datePart(.week, node)) }
    /// The day of the month, 1 to 31. Local.
    public var day: Expression { Expression(.datePart(.day, node)) }
    /// The day of the year, 1 to 366. Local.
    public var dayOfYear: Expression { Expression(.datePart(.dayOfYear, node)) }
    /// The day of the week as in ISO 8601, 1 (Monday) to 7. Local.
    public var weekday: Expression { Expression(.datePart(.weekday, node)) }
    /// The hour of a datetime, 0 to 23, UTC. Local.
    public var hour: Expression { Expression(.datePart(.hour, node)) }
    /// The minute of a datetime, 0 to 59. Local.
    public var minute: Expression { Expression(.datePart(.minute, node)) }
    /// The second of a datetime, 0 to 59. Local.
    public var second: Expression { Expression(.datePart(.second, node)) }
    /// The microsecond of a datetime's second, 0 to 999 999. Local.
    public var microsecond: Expression { Expression(.datePart(.microsecond, node)) }
}

/// The date constant `year`-`month`-`day`. Local. Traps if the calendar has no such date.
public func lit(date year: Int, _ month: Int, _ day: Int) -> Expression {
    let date = CivilDate(year: year, month: month, day: day)
    precondition(date.isValid, "there is no date \(year)-\(month)-\(day)")
    return Expression(.literal(.date(Int32(date.daysSince1970))))
}

/// A datetime constant, in µs since 1970-01-01T00:00:00Z. Local.
public func lit(microsecondsSince1970 microseconds: Int64) -> Expression {
    Expression(.literal(.datetime(microseconds)))
}

/// A duration constant, in µs. Local.
public func lit(microseconds: Int64) -> Expression {
    Expression(.literal(.duration(microseconds)))
}
