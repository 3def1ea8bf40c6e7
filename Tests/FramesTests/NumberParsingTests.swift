// Text to numbers and dates: against the C library's conversions, digit for digit.
import Frames
import Glibc
import Testing

@Suite("parsing numbers")
struct NumberParsingTests {
    static func double(_ text: String) -> Double? {
        var text = text
        return text.withUTF8 { parseDouble($0) ?? parseSpecial($0) }
    }

    static func integer(_ text: String) -> Int64? {
        var text = text
        return text.withUTF8 { parseInteger($0) }
    }

    @Test("decimals become the nearest float64, whatever their length and exponent")
    func decimals() {
        var random = SeededRandom(seed: 7)
        for round in 0..<20_000 {
            let digits = Int.random(in: 1...(round % 4 == 0 ? 25 : 19), using: &random)
            var text = round % 3 == 0 ? "-" : ""
            let point = Int.random(in: 0...digits, using: &random)
            for position in 0..<digits {
                if position == point { text += "." }
                text += String(Int.random(in: 0...9, using: &random))
            }
            if round % 5 == 0 {
                text +=
                    "e\(Int.random(in: round % 10 == 0 ? -340...310 : -30...30, using: &random))"
            }
            let expected = strtod(text, nil)
            #expect(
                Self.double(text)?.bitPattern == expected.bitPattern, "\(text), round \(round)")
        }
    }

    @Test("every float64 that Swift prints is read back bit for bit")
    func shortestForms() {
        var random = SeededRandom(seed: 8)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random))
            guard value.isFinite else { continue }
            #expect(Self.double("\(value)")?.bitPattern == value.bitPattern, "\(value)")
            let fraction = Double.random(in: -1000...1000, using: &random)
            #expect(Self.double("\(fraction)")?.bitPattern == fraction.bitPattern, "\(fraction)")
        }
    }

    @Test("ties round to even, and what is just beside them does not")
    func ties() {
        for text in [
            "9007199254740993", "9007199254740993.0", "9007199254740993.00000000000001",
            "9007199254740992.99999", "4503599627370496.5", "4503599627370497.5", "1e23", "8.5e-20",
            "0.000000000000000000000000001", "123456789012345678e-27", "18446744073709551615e-20",
            "9999999999999999999e27", "1e309", "1e-400", "-0.0", "0e999",
            "00000000000000000000001.5",
        ] {
            #expect(
                Self.double(text)?.bitPattern == strtod(text, nil).bitPattern, "\(text)")
        }
    }

    @Test(
        "what is no number is none",
        arguments: [
            "", "-", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", "1 2", "0x10", "1_000", "1,5",
            "abc",
            "1a", "--1", "infinit", "nanx",
        ])
    func notNumbers(text: String) {
        #expect(Self.double(text) == nil)
        #expect(Self.integer(text) == nil)
    }

    @Test("infinities, and spaces around a number")
    func specials() {
        #expect(Self.double("inf") == .infinity)
        #expect(Self.double("-Infinity") == -.infinity)
        #expect(Self.double("+INF") == .infinity)
        #expect(Self.double("nan")?.isNaN == true)
        #expect(Self.double(" 1.5\t") == 1.5)
        #expect(Self.integer(" -7 ") == -7)
        #expect(Self.double("   ") == nil)
    }

    @Test("integers reach to both ends of 64 bits, and not one further")
    func integerLimits() {
        #expect(Self.integer("9223372036854775807") == .max)
        #expect(Self.integer("-9223372036854775808") == .min)
        #expect(Self.integer("9223372036854775808") == nil)
        #expect(Self.integer("-9223372036854775809") == nil)
        #expect(Self.integer("99999999999999999999999") == nil)
        #expect(Self.integer("0000000000000000000000042") == 42)
        #expect(Self.integer("+17") == 17)
        #expect(Self.integer("1.0") == nil)
    }
}

@Suite("dates")
struct DateTests {
    static func date(_ text: String) -> Int32? {
        var text = text
        return text.withUTF8 { parseDate($0) }
    }

    static func datetime(_ text: String) -> Int64? {
        var text = text
        return text.withUTF8 { parseDateTime($0) }
    }

    @Test("every day of eight centuries has its number, and the number its day")
    func everyDay() {
        var year = 1600
        var month = 1
        var day = 1
        for number in -135_140..<157_055 {
            let date = CivilDate(year: year, month: month, day: day)
            guard date.isValid, date.daysSince1970 == number,
                CivilDate(daysSince1970: number) == date
            else {
                Issue.record("\(date) is not day \(number)")
                return
            }
            day += 1
            if !CivilDate(year: year, month: month, day: day).isValid {
                day = 1
                month += 1
            }
            if month == 13 {
                month = 1
                year += 1
            }
        }
        #expect(year == 2400)
    }

    @Test("weekdays run from Monday to Sunday, also before 1970")
    func weekdays() {
        #expect(CivilDate.isoWeekday(daysSince1970: 0) == 4)
        #expect(CivilDate.isoWeekday(daysSince1970: -1) == 3)
        #expect(CivilDate.isoWeekday(daysSince1970: -4) == 7)
        #expect(CivilDate.isoWeekday(daysSince1970: 15_706) == 2)  // 2013-01-01
    }

    @Test("datetimes come apart and together, also before 1970")
    func instants() {
        for microseconds in [0, 1, -1, 86_399_999_999, 86_400_000_000, -86_400_000_001, 1 << 55] {
            let parts = CivilDateTime(microsecondsSince1970: microseconds)
            #expect(parts.microsecondsSince1970 == microseconds)
            #expect(parts.hour < 24 && parts.minute < 60 && parts.second < 60)
        }
        let parts = CivilDateTime(microsecondsSince1970: -1)
        #expect(parts.date == CivilDate(year: 1969, month: 12, day: 31))
        #expect(parts.microsecond == 999_999)
    }

    @Test("dates are YYYY-MM-DD and on the calendar")
    func dates() {
        #expect(Self.date("1970-01-02") == 1)
        #expect(Self.date("2000-02-29") == 11_016)
        for text in [
            "1900-02-29", "2013-13-01", "2013-00-10", "2013-01-32", "2013-1-1", "13-01-01",
            "2013/01/01", "2013-01-0a", "2013-01-01 ",
        ] {
            #expect(Self.date(text) == nil, "\(text)")
        }
    }

    @Test("datetimes are ISO 8601, in UTC unless a zone says otherwise")
    func datetimes() {
        let noon: Int64 = 1_357_041_600_000_000
        for text in [
            "2013-01-01T12:00:00Z", "2013-01-01 12:00:00", "2013-01-01T12:00", "2013-01-01T12:00Z",
            "2013-01-01T14:00:00+02:00", "2013-01-01T14:00:00+0200", "2013-01-01T14:00:00+02",
            "2013-01-01T06:30:00-05:30", "2013-01-01 12:00:00.000", "2013-01-02T01:00+13:00",
            "2013-01-01 12:00:00.0000009",
        ] {
            #expect(Self.datetime(text) == noon, "\(text)")
        }
        #expect(Self.datetime("2013-01-01 12:00:00.25") == noon + 250_000)
        #expect(Self.datetime("1969-12-31T23:59:59.999999") == -1)
        for text in [
            "2013-01-01", "2013-01-01T24:00:00", "2013-01-01T12:60", "2013-01-01T12:00:61",
            "2013-01-01T12:00:00.", "2013-01-01T12:00:00+2", "2013-01-01T12:00:00 UTC",
            "2013-01-01T12:00:00+02:0", "2013-02-30T12:00:00", "2013-01-01x12:00:00",
            "2013-01-01T12:00:00+24:00", "2013-01-01T12:00:0",
        ] {
            #expect(Self.datetime(text) == nil, "\(text)")
        }
    }
}
