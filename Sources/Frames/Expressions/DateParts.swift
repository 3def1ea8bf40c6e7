// Fields of dates and of times of day.

extension Evaluation {
    static func datePart(_ part: DatePart, _ column: Column) -> Column {
        defer { withExtendedLifetime(column) {} }
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Int64.self)
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
    private static func field(_ part: DatePart, of time: CivilDateTime) -> Int64 {
        switch part {
        case .year: Int64(time.date.year)
        case .month: Int64(time.date.month)
        case .day: Int64(time.date.day)
        case .hour: Int64(time.hour)
        case .minute: Int64(time.minute)
        case .second: Int64(time.second)
        }
    }
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
