// Casts between types and fields of dates. What a target type cannot hold becomes null.
import Glibc

extension Evaluation {
    static func cast(_ column: Column, to target: DataType) -> Column {
        if column.type == target { return column }
        defer { withExtendedLifetime(column) {} }
        switch (column.type, target) {
        case (.int64, .datetime), (.datetime, .int64):
            return column.reinterpreted(as: target)
        case (.int64, .float64):
            let values = column.pointer(as: Int64.self)
            return convert(column, to: .float64) { Double(values[$0]) }
        case (.float64, .int64):
            let values = column.pointer(as: Double.self)
            return convertOrNull(column, to: .int64, placeholder: Int64(0)) {
                Int64(exactly: values[$0].rounded(.towardZero))
            }
        case (.int64, .date):
            let values = column.pointer(as: Int64.self)
            return convertOrNull(column, to: .date, placeholder: Int32(0)) {
                Int32(exactly: values[$0])
            }
        case (.date, .int64):
            let values = column.pointer(as: Int32.self)
            return convert(column, to: .int64) { Int64(values[$0]) }
        case (.date, .datetime):
            let values = column.pointer(as: Int32.self)
            return convert(column, to: .datetime) { Int64(values[$0]) * microsecondsPerDay }
        case (.datetime, .date):
            let values = column.pointer(as: Int64.self)
            return convertOrNull(column, to: .date, placeholder: Int32(0)) {
                Int32(exactly: Int64(CivilDateTime.day(ofMicroseconds: Int(values[$0]))))
            }
        case (.bool, .int64):
            let bits = column.bits
            return convert(column, to: .int64) { bits[$0] ? Int64(1) : 0 }
        case (.bool, .float64):
            let bits = column.bits
            return convert(column, to: .float64) { bits[$0] ? 1.0 : 0 }
        case (.int64, .bool):
            let values = column.pointer(as: Int64.self)
            return bool(Bitmap(count: column.count) { values[$0] != 0 }, column.validity)
        case (.float64, .bool):
            let values = column.pointer(as: Double.self)
            return bool(Bitmap(count: column.count) { values[$0] != 0 }, column.validity)
        case (_, .string):
            return text(of: column)
        case (.string, _):
            return parsed(column, as: target)
        default:
            preconditionFailure("the cast of \(column.type) to \(target) was checked")
        }
    }

    static let microsecondsPerDay: Int64 = 86_400_000_000

    private static func convert<Element: BitwiseCopyable>(
        _ column: Column, to target: DataType, _ value: (Int) -> Element
    ) -> Column {
        let result = Buffer(byteCount: column.count * MemoryLayout<Element>.stride)
        let output = result.elements(as: Element.self)
        for row in 0..<column.count { output[row] = value(row) }
        return Column(
            type: target, count: column.count, values: result, validity: column.validity)
    }

    private static func convertOrNull<Element: BitwiseCopyable>(
        _ column: Column, to target: DataType, placeholder: Element, _ value: (Int) -> Element?
    ) -> Column {
        var builder = FixedWidthBuilder<Element>(capacity: column.count)
        for row in 0..<column.count {
            if !column.isNull(at: row), let converted = value(row) {
                builder.append(converted)
            } else {
                builder.appendNull(placeholder: placeholder)
            }
        }
        return builder.finish(target)
    }

    /// Each value as Swift writes it: the shortest text that reads back as the same number.
    private static func text(of column: Column) -> Column {
        var builder = StringBuilder(capacity: column.count)
        for row in 0..<column.count {
            if column.isNull(at: row) {
                builder.appendNull()
                continue
            }
            switch column.type {
            case .bool: builder.append(column.bits[row] ? "true" : "false")
            case .float64: builder.append("\(column.pointer(as: Double.self)[row])")
            default: builder.append("\(column.pointer(as: Int64.self)[row])")
            }
        }
        return builder.finish()
    }

    private static func parsed(_ column: Column, as target: DataType) -> Column {
        switch target {
        case .int64:
            return convertOrNull(column, to: .int64, placeholder: Int64(0)) {
                Int64(String(decoding: column.utf8(at: $0), as: UTF8.self))
            }
        case .float64:
            return convertOrNull(column, to: .float64, placeholder: 0.0) {
                Double(String(decoding: column.utf8(at: $0), as: UTF8.self))
            }
        default:
            var builder = BoolBuilder()
            for row in 0..<column.count {
                let text =
                    column.isNull(at: row)
                    ? "" : String(decoding: column.utf8(at: row), as: UTF8.self)
                if text == "true" || text == "false" {
                    builder.append(text == "true")
                } else {
                    builder.appendNull()
                }
            }
            return builder.finish()
        }
    }

    // MARK: Dates

    static func datePart(_ part: DatePart, _ column: Column) -> Column {
        defer { withExtendedLifetime(column) {} }
        if column.type == .date {
            let days = column.pointer(as: Int32.self)
            return convert(column, to: .int64) { row in
                field(part, of: CivilDateTime(date: CivilDate(daysSince1970: Int(days[row]))))
            }
        }
        let microseconds = column.pointer(as: Int64.self)
        return convert(column, to: .int64) { row in
            field(part, of: CivilDateTime(microsecondsSince1970: Int(microseconds[row])))
        }
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
