// The proleptic Gregorian calendar on day numbers: what date and datetime columns are made of.
// Days count from 1970-01-01 (day 0), microseconds from its midnight in UTC. Algorithms: H. Hinnant,
// "chrono-compatible low-level date algorithms" (eras of 400 years that begin on 1 March).

/// A calendar date.
public struct CivilDate: Hashable, Sendable, BitwiseCopyable {
    public var year: Int
    /// 1 ... 12
    public var month: Int
    /// 1 ... 31
    public var day: Int

    @inlinable
    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The date `days` days after 1970-01-01. Local, constant time.
    @inlinable
    public init(daysSince1970 days: Int) {
        let shifted = days &+ 719_468
        let era = (shifted >= 0 ? shifted : shifted &- 146_096) / 146_097
        let dayOfEra = shifted &- era &* 146_097
        let yearOfEra =
            (dayOfEra &- dayOfEra / 1_460 &+ dayOfEra / 36_524 &- dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra &- (365 &* yearOfEra &+ yearOfEra / 4 &- yearOfEra / 100)
        let marchMonth = (5 &* dayOfYear &+ 2) / 153
        day = dayOfYear &- (153 &* marchMonth &+ 2) / 5 &+ 1
        month = marchMonth < 10 ? marchMonth &+ 3 : marchMonth &- 9
        year = yearOfEra &+ era &* 400 &+ (month <= 2 ? 1 : 0)
    }

    /// Days from 1970-01-01 to this date; `isValid` must hold. Local, constant time.
    @inlinable
    public var daysSince1970: Int {
        let marchYear = month <= 2 ? year &- 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear &- 399) / 400
        let yearOfEra = marchYear &- era &* 400
        let marchMonth = month > 2 ? month &- 3 : month &+ 9
        let dayOfYear = (153 &* marchMonth &+ 2) / 5 &+ day &- 1
        let dayOfEra = yearOfEra &* 365 &+ yearOfEra / 4 &- yearOfEra / 100 &+ dayOfYear
        return era &* 146_097 &+ dayOfEra &- 719_468
    }

    /// Does the calendar have this date?
    @inlinable
    public var isValid: Bool {
        month >= 1 && month <= 12 && day >= 1
            && (day <= 28 || day <= CivilDate.length(ofMonth: month, year: year))
    }

    @inlinable
    static func length(ofMonth month: Int, year: Int) -> Int {
        if month == 2 {
            return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        }
        return 30 + ((month + (month >> 3)) & 1)
    }

    /// ISO 8601's day of the week, 1 (Monday) ... 7 (Sunday), of a day number.
    @inlinable
    public static func isoWeekday(daysSince1970 days: Int) -> Int {
        let weekday = (days &+ 3) % 7
        return (weekday < 0 ? weekday &+ 7 : weekday) &+ 1
    }
}

/// A time of day with its date: a datetime taken apart.
public struct CivilDateTime: Hashable, Sendable, BitwiseCopyable {
    public var date: CivilDate
    public var hour: Int
    public var minute: Int
    public var second: Int
    public var microsecond: Int

    @inlinable
    public init(
        date: CivilDate, hour: Int = 0, minute: Int = 0, second: Int = 0, microsecond: Int = 0
    ) {
        self.date = date
        self.hour = hour
        self.minute = minute
        self.second = second
        self.microsecond = microsecond
    }

    /// The instant `microseconds` µs after 1970-01-01T00:00:00Z, in UTC. Local, constant time.
    @inlinable
    public init(microsecondsSince1970 microseconds: Int) {
        let days = CivilDateTime.day(ofMicroseconds: microseconds)
        var rest = microseconds &- days &* CivilDateTime.microsecondsPerDay
        date = CivilDate(daysSince1970: days)
        microsecond = rest % 1_000_000
        rest /= 1_000_000
        second = rest % 60
        rest /= 60
        minute = rest % 60
        hour = rest / 60
    }

    /// µs from 1970-01-01T00:00:00Z to this instant, taken as UTC. Local, constant time.
    @inlinable
    public var microsecondsSince1970: Int {
        let seconds = (hour &* 60 &+ minute) &* 60 &+ second
        return date.daysSince1970 &* CivilDateTime.microsecondsPerDay
            &+ seconds &* 1_000_000 &+ microsecond
    }

    @usableFromInline static let microsecondsPerDay = 86_400_000_000

    /// The day number an instant falls on: division rounding down, also before 1970.
    @inlinable
    public static func day(ofMicroseconds microseconds: Int) -> Int {
        let (quotient, remainder) = microseconds.quotientAndRemainder(
            dividingBy: microsecondsPerDay)
        return remainder < 0 ? quotient &- 1 : quotient
    }
}
