// Functions of dates, datetimes and durations: truncation, steps of calendar units, totals.

/// A unit of the calendar or of the clock.
public enum TimeUnit: String, Sendable, Hashable, CaseIterable {
    case year, quarter, month
    /// From Monday.
    case week
    case day, hour, minute, second, millisecond, microsecond

    /// µs; nil for units of varying length.
    var microseconds: Int? {
        switch self {
        case .year, .quarter, .month: nil
        case .week: 7 * 86_400_000_000
        case .day: 86_400_000_000
        case .hour: 3_600_000_000
        case .minute: 60_000_000
        case .second: 1_000_000
        case .millisecond: 1_000
        case .microsecond: 1
        }
    }

    /// Months; nil for units of fixed length.
    var months: Int? {
        switch self {
        case .year: 12
        case .quarter: 3
        case .month: 1
        default: nil
        }
    }

    /// Is a date made of whole ones?
    var isOfDates: Bool { months != nil || self == .week || self == .day }
}

/// A function from one point in time to another.
private protocol PointFunction: ColumnFunction {
    var unit: TimeUnit { get }
    func day(_ day: Int) -> Int
    func instant(_ microseconds: Int) -> Int
}

extension PointFunction {
    func type(of operands: [OperandType]) -> DataType? {
        let type = operands[0].type
        return type == .datetime || type == .date && unit.isOfDates ? type : nil
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        let column = operands[0].column(count: count)
        let wide = Kernels.widened(column)
        let result =
            column.type == .date
            ? NumericFunction.map(wide) { Int64(day(Int($0))) }
            : NumericFunction.map(wide) { Int64(instant(Int($0))) }
        return Kernels.narrowed(result, to: column.type)
    }
}

struct TruncatedTime: PointFunction {
    let unit: TimeUnit
    var text: String { "truncated(to: \(unit))" }

    fileprivate func day(_ day: Int) -> Int {
        if let months = unit.months {
            var date = CivilDate(daysSince1970: day)
            date.month = (date.month - 1) / months * months + 1
            date.day = 1
            return date.daysSince1970
        }
        return unit == .week ? day - CivilDate.isoWeekday(daysSince1970: day) + 1 : day
    }

    fileprivate func instant(_ microseconds: Int) -> Int {
        if !unit.isOfDates, let length = unit.microseconds {
            let rest = microseconds % length
            return microseconds - (rest < 0 ? rest + length : rest)
        }
        return day(CivilDateTime.day(ofMicroseconds: microseconds))
            &* CivilDateTime.microsecondsPerDay
    }
}

struct SteppedTime: PointFunction {
    let count: Int
    let unit: TimeUnit
    var text: String { "adding(\(count), \(unit))" }

    fileprivate func day(_ day: Int) -> Int {
        if let months = unit.months {
            let date = CivilDate(daysSince1970: day)
            let month = date.year &* 12 &+ date.month &- 1 &+ count &* months
            let year = month >= 0 ? month / 12 : (month &- 11) / 12
            var moved = CivilDate(year: year, month: month &- year &* 12 &+ 1, day: 1)
            moved.day = min(date.day, CivilDate.length(ofMonth: moved.month, year: year))
            return moved.daysSince1970
        }
        return day &+ count &* (unit == .week ? 7 : 1)
    }

    fileprivate func instant(_ microseconds: Int) -> Int {
        if let length = unit.microseconds { return microseconds &+ count &* length }
        let day = CivilDateTime.day(ofMicroseconds: microseconds)
        let time = microseconds - day &* CivilDateTime.microsecondsPerDay
        return self.day(day) &* CivilDateTime.microsecondsPerDay &+ time
    }
}

/// How many whole units a duration has.
struct DurationTotal: ColumnFunction {
    let unit: TimeUnit
    var text: String { "total(\(unit))" }
    var problem: String? {
        unit.microseconds == nil ? "a \(unit) has no fixed length; ask for weeks or days" : nil
    }

    func type(of operands: [OperandType]) -> DataType? {
        operands[0].type == .duration ? .int64 : nil
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        let length = Int64(unit.microseconds ?? 1)
        return NumericFunction.map(Kernels.widened(operands[0].column(count: count))) {
            $0 / length
        }
    }
}

extension Expression {
    /// The beginning of the unit that a date or datetime (UTC) is in; weeks begin on Monday. A date
    /// knows units from day on. Local.
    public func truncated(to unit: TimeUnit) -> Expression {
        applying(TruncatedTime(unit: unit))
    }

    /// The date or datetime `count` units later, or earlier. From the 31st a month leads to the last
    /// day of a shorter month. For other steps add a duration. Local.
    public func adding(_ count: Int, _ unit: TimeUnit) -> Expression {
        applying(SteppedTime(count: count, unit: unit))
    }

    /// The whole units of a duration, rounded towards zero, as int64. Local.
    public func total(_ unit: TimeUnit) -> Expression { applying(DurationTotal(unit: unit)) }
}
