// Functions of expressions, value by value: text, patterns, numbers, choices, times, closures.
import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@testable import Frames

@Suite struct FunctionTests {
    private let table: Table = [
        "s": Column(["Hello", "ÄRGER ß", nil, "", "  日本 \u{A0}", "a%b_c\\d"]),
        "t": Column(["x", nil, "y", "z", "日", "!"]),
        "i": Column([3, nil, -7, .min, 0, 5]),
        "x": Column([2.5, .nan, nil, -0.5, .infinity, 3.14159]),
        "y": Column([nil, 1, nil, -1, 7, .nan]),
    ]

    private func column(_ expression: Expression) throws -> Column {
        let plain = try Frame(table).select(expression.as("result")).table.columns[0]
        // The same once per batch, and once per string of a dictionary.
        let many = Frame(Kernels.concat(Array(repeating: table, count: 4000)))
        let repeated = try many.select(expression.as("result")).table.columns[0]
        #expect(repeated.slice(23_994..<24_000).cells == plain.cells, "\(expression) in batches")
        let coded = try Frame(table).withColumns(col("s").cast(.category))
            .select(expression.as("result")).table.columns[0]
        #expect(coded.cells == plain.cells, "\(expression) of categories")
        return plain
    }
    private func strings(_ expression: Expression) throws -> [String?] {
        try column(expression).strings
    }
    private func ints(_ expression: Expression) throws -> [Int64?] { try column(expression).int64s }
    private func bools(_ expression: Expression) throws -> [Bool?] { try column(expression).bools }
    private func cells(_ expression: Expression) throws -> [Cell] { try column(expression).cells }

    private func code(_ expression: Expression) -> FrameError.Code? {
        do {
            _ = try Frame(table).select(expression.as("result"))
            return nil
        } catch {
            return error.code
        }
    }

    @Test func `texts have lengths, cases and ends`() throws {
        #expect(try ints(col("s").byteCount) == [5, 9, nil, 0, 11, 7])
        #expect(try ints(col("s").characterCount) == [5, 7, nil, 0, 6, 7])
        #expect(
            try strings(col("s").lowercased())
                == ["hello", "ärger ß", nil, "", "  日本 \u{A0}", "a%b_c\\d"])
        #expect(
            try strings(col("s").uppercased())
                == ["HELLO", "ÄRGER SS", nil, "", "  日本 \u{A0}", "A%B_C\\D"])
        #expect(try strings(col("s").trim())[4] == "日本")
        #expect(try strings(col("s").trimStart())[4] == "日本 \u{A0}")
        #expect(try strings(col("s").trimEnd())[4] == "  日本")
        #expect(
            try strings(col("s").trim("Hoßd\\")) == [
                "ell", "ÄRGER ", nil, "", "  日本 \u{A0}", "a%b_c",
            ])
    }

    @Test func `texts have parts`() throws {
        #expect(try strings(col("s").slice(1, 3)) == ["ell", "RGE", nil, "", " 日本", "%b_"])
        #expect(try strings(col("s").slice(-2)) == ["lo", " ß", nil, "", " \u{A0}", "\\d"])
        #expect(try strings(col("s").slice(-100, 2)) == ["He", "ÄR", nil, "", "  ", "a%"])
        #expect(try strings(col("s").slice(100)) == ["", "", nil, "", "", ""])
        #expect(code(col("s").slice(0, -1)) == .invalidArgument)
        #expect(
            try strings(concat(col("t"), "-", col("t"), separator: "|"))
                == ["x|-|x", nil, "y|-|y", "z|-|z", "日|-|日", "!|-|!"])
    }

    @Test func `texts are searched and replaced literally`() throws {
        #expect(try bools(col("s").contains("b_")) == [false, false, nil, false, false, true])
        #expect(try bools(col("s").contains("")) == [true, true, nil, true, true, true])
        #expect(try bools(col("s").startsWith("Ä")) == [false, true, nil, false, false, false])
        #expect(try bools(col("s").endsWith("ß")) == [false, true, nil, false, false, false])
        #expect(try strings(col("s").replace("l", with: "LL"))[0] == "HeLLLLo")
        #expect(try strings(col("s").replace("l", with: "", first: true))[0] == "Helo")
        #expect(try strings(col("s").replace("\\", with: "%"))[5] == "a%b_c%d")
        #expect(code(col("s").replace("", with: "x")) == .invalidArgument)
        #expect(code(col("i").contains("x")) == .typeMismatch)
    }

    @Test func `like is SQL’s`() throws {
        let text = Column(["abc", "abbc", "ac", "a日c", "ab\nc", "", "%", "xabcx", "a_c"])
        let patterns: [(String, [Bool])] = [
            ("abc", [true, false, false, false, false, false, false, false, false]),
            ("a_c", [true, false, false, true, false, false, false, false, true]),
            ("a%c", [true, true, true, true, true, false, false, false, true]),
            ("%", Array(repeating: true, count: 9)),
            ("", [false, false, false, false, false, true, false, false, false]),
            ("%bc%", [true, true, false, false, false, false, false, true, false]),
            ("%c", [true, true, true, true, true, false, false, false, true]),
            ("ab%", [true, true, false, false, true, false, false, false, false]),
            ("\\%", [false, false, false, false, false, false, true, false, false]),
            ("a\\_c", [false, false, false, false, false, false, false, false, true]),
            ("%b%c", [true, true, false, false, true, false, false, false, false]),
            ("__%_", [true, true, false, true, true, false, false, true, true]),
        ]
        for (pattern, expected) in patterns {
            let found = try Frame(["s": text]).select(col("s").like(pattern)).table.columns[0].bools
            #expect(found == expected, "like \(pattern)")
        }
    }

    @Test func `regular expressions match, extract and replace`() throws {
        #expect(try bools(col("s").matches("^[A-Z]")) == [true, false, nil, false, false, false])
        #expect(try bools(col("s").matches("^\\p{Lu}")) == [true, true, nil, false, false, false])
        #expect(try strings(col("s").extract("(l+)(x)?")) == ["ll", nil, nil, nil, nil, nil])
        #expect(try strings(col("s").extract("(l+)(x)?", group: 1))[0] == "ll")
        #expect(try strings(col("s").extract("(l+)(x)?", group: 2))[0] == nil)
        #expect(try strings(col("s").extract("l+", group: 9))[0] == nil)
        #expect(try strings(col("s").replaceMatches("[lo]", with: "<$0>"))[0] == "He<l><l><o>")
        #expect(
            try strings(col("s").replaceMatches("(.)(.)", with: "$2$1", first: true))[0] == "eHllo")
        let long = String(repeating: "ab", count: 1000)
        let replaced = try Frame(["s": Column([long])]).select(
            col("s").replaceMatches("a", with: "日本")
        ).table.columns[0].strings
        #expect(replaced == [long.replacing("a", with: "日本")])
        #expect(code(col("s").matches("a(b")) == .invalidArgument)
        #expect(code(col("s").replaceMatches("H", with: "$7")) == .invalidArgument)
        #expect(code(col("s").extract("a", group: -1)) == .invalidArgument)
    }

    @Test func `numbers are rounded, and have no sign`() throws {
        #expect(try ints(col("i").absolute) == [3, nil, 7, .min, 0, 5])
        #expect(
            try cells(col("x").absolute)
                == [2.5, .nan, nil, 0.5, .infinity, 3.14159].map {
                    $0.map { .float(value: $0) } ?? .null
                })
        #expect(
            try cells(col("x").round())
                == [2, .nan, nil, 0, .infinity, 3].map { $0.map { .float(value: $0) } ?? .null })
        #expect(try column(col("x").round(2)).float64(at: 5) == 3.14)
        #expect(try column(col("x").floor()).float64(at: 3) == -1)
        #expect(try column(col("x").ceil()).float64(at: 0) == 3)
        #expect(try ints(col("i").round(3)) == [3, nil, -7, .min, 0, 5])
        #expect(try bools(col("x").isFinite) == [true, false, nil, true, false, true])
        #expect(try bools(col("x").isInfinite) == [false, false, nil, false, true, false])
        #expect(try bools(col("x").isNotNaN) == [true, false, nil, true, true, true])
        #expect(try column(col("i").cast(.float64).sqrt()).float64(at: 2)?.isNaN == true)
        #expect(try column(col("x").fillNaN(9)).float64(at: 1) == 9)
        #expect(try Frame(table).select(col("x").fillNaN(9)).schema.names == ["x"])
        #expect(code(col("x").round(99)) == .invalidArgument)
    }

    @Test func `choices take the first true condition, null being none`() throws {
        let size = when(col("i") > 2).then("big").when(col("i") < 0).then(col("t")).otherwise(
            "none")
        #expect(try strings(size) == ["big", "none", "y", "z", "none", "big"])
        let number = when(col("i") > 2).then(1).otherwise(col("x"))
        #expect(try column(number).type == .float64)
        #expect(
            try cells(number)
                == [1, .nan, nil, -0.5, .infinity, 1].map { $0.map { .float(value: $0) } ?? .null })
        #expect(
            try ints(when(col("i") > 2).then(lit(nullOf: .int64)).otherwise(col("i"))) == [
                nil, nil, -7, .min, 0, nil,
            ])
        #expect(
            try strings(coalesce(col("t"), col("s"), "?")) == ["x", "ÄRGER ß", "y", "z", "日", "!"])
        #expect(try ints(col("i") + lit(nullOf: .int64)) == [nil, nil, nil, nil, nil, nil])
        #expect(try bools(lit(nullOf: .bool) || col("i") == 3) == [true, nil, nil, nil, nil, nil])
        #expect(
            try bools(when(col("i") > 2).then(col("x") > 0).otherwise(false))
                == [true, false, false, false, false, true])
        #expect(try ints(when(col("i") > 2).then(1).otherwise(2)) == [1, 2, 2, 2, 2, 1])
        #expect(code(when(col("i")).then(1).otherwise(2)) == .typeMismatch)
        #expect(code(when(col("i") > 1).then(1).otherwise("x")) == .typeMismatch)
    }

    @Test func `the least and the greatest of a row leave out nulls, and NaN beside numbers`()
        throws
    {
        func floats(_ values: Double?...) -> [Cell] {
            values.map { $0.map { .float(value: $0) } ?? .null }
        }
        #expect(try cells(minHorizontal(col("x"), col("y"))) == floats(2.5, 1, nil, -1, 7, 3.14159))
        #expect(
            try cells(maxHorizontal(col("x"), col("y")))
                == floats(2.5, 1, nil, -0.5, .infinity, 3.14159))
        #expect(try ints(maxHorizontal(col("i"), 0)) == [3, 0, 0, 0, 0, 5])
        #expect(
            try strings(minHorizontal(col("s"), col("t"))) == [
                "Hello", "ÄRGER ß", "y", "", "  日本 \u{A0}", "!",
            ])
    }

    @Test func `membership in lists of numbers and texts`() throws {
        #expect(try bools(col("i").isIn([3, 0])) == [true, nil, false, false, true, false])
        #expect(
            try bools(col("s").isIn(["", "Hello", "x"])) == [true, false, nil, true, false, false])
        #expect(try bools(col("x").isIn([2.5, .nan])) == [true, true, nil, false, false, false])
        #expect(try bools(col("i").isIn(Array(-20...5))) == [true, nil, true, false, true, true])
        #expect(try bools(col("i").isIn([Int]())) == [false, nil, false, false, false, false])
        #expect(code(col("s").isIn([1])) == .typeMismatch)
        let narrow: Table = ["b": Column([1, -1, nil] as [Int8?])]
        let found = try Frame(narrow).select(col("b").isIn([255, 1])).table.columns[0]
        #expect(found.bools == [true, false, nil])
    }

    @Test func `times are truncated, stepped and totalled`() throws {
        let table: Table = [
            "d": Column(dates: [0, 15_736, -1, nil]),
            "t": Column(datetimes: [1_359_725_959_123_456, -1, nil, 0]),
        ]
        func first(_ expression: Expression) throws -> String {
            CellText.text(try Frame(table).select(expression.as("r")).table.columns[0], 0)
        }
        func dates(_ expression: Expression) throws -> [Int64?] {
            try Frame(table).select(expression.as("r")).table.columns[0].int64s
        }
        #expect(try first(col("t")) == "2013-02-01T13:39:19.123456Z")
        let truncated: [(TimeUnit, String)] = [
            (.year, "2013-01-01T00:00:00Z"), (.quarter, "2013-01-01T00:00:00Z"),
            (.month, "2013-02-01T00:00:00Z"), (.week, "2013-01-28T00:00:00Z"),
            (.day, "2013-02-01T00:00:00Z"), (.hour, "2013-02-01T13:00:00Z"),
            (.minute, "2013-02-01T13:39:00Z"), (.second, "2013-02-01T13:39:19Z"),
            (.millisecond, "2013-02-01T13:39:19.123000Z"),
        ]
        for (unit, text) in truncated {
            #expect(try first(col("t").truncated(to: unit)) == text, "\(unit)")
        }
        #expect(try dates(col("t").truncated(to: .hour))[1] == -3_600_000_000)
        #expect(try dates(col("d").truncated(to: .week)) == [-3, 15_733, -3, nil])
        #expect(try first(col("t").adding(-14, .month)) == "2011-12-01T13:39:19.123456Z")
        #expect(try first(col("t").adding(30, .minute)) == "2013-02-01T14:09:19.123456Z")
        #expect(
            try Frame(["d": Column(dates: [15_370, 15_399])]).select(col("d").adding(1, .month))
                .table.columns[0].int64s == [15_399, 15_428], "31 January leads to 29 February")
        #expect(try dates((col("t") - col("d")).total(.day)) == [15_737, -15_736, nil, nil])
        #expect(try dates(col("d").quarter) == [1, 1, 4, nil])
        #expect(try dates(col("d").weekday) == [4, 4, 3, nil])
        #expect(try dates(col("d").week) == [1, 5, 1, nil])
        #expect(try dates(col("d").dayOfYear) == [1, 31, 365, nil])
        #expect(try dates(col("t").microsecond) == [123_456, 999_999, nil, 0])
        #expect(throws: FrameError.self) { try dates(col("d").truncated(to: .hour)) }
        #expect(throws: FrameError.self) { try dates((col("t") - col("d")).total(.month)) }
    }

    @Test func `times are written and read by patterns`() throws {
        let table: Table = ["t": Column(datetimes: [1_359_725_959_023_456, -1, nil])]
        let all = "%Y %y %m %d %e %j %H %I %p %M %S %f %b %B %a %A %u %z %F %T %R %%"
        let written = try Frame(table).select(col("t").format(all)).table.columns[0].strings
        #expect(
            written[0] == "2013 13 02 01  1 032 13 01 PM 39 19 023456 Feb February Fri Friday 5 "
                + "+0000 2013-02-01 13:39:19 13:39 %")
        #expect(written[2] == nil)
        for pattern in ["%Y-%m-%dT%H:%M:%S.%f", "%d. %B %Y %I:%M:%S.%f %p", "%Y/%j %T,%f %z"] {
            let back = try Frame(table).select(
                col("t").format(pattern).parse(pattern, as: .datetime))
            #expect(rows(of: back.table.columns) == rows(of: table.columns), "\(pattern)")
        }
        func parsed(_ text: String, _ pattern: String, _ type: DataType = .datetime) throws
            -> Int64?
        {
            try Frame(["s": Column([text])]).select(
                col("s").parse(pattern, as: type, strict: false)
            )
            .table.columns[0].int64(at: 0)
        }
        #expect(try parsed("1970-01-02", "%F", .date) == 1)
        #expect(try parsed("2/1/70", "%d/%m/%y", .date) == 1)
        #expect(try parsed("1970-01-02T01:00+01:00", "%FT%R%z") == 86_400_000_000)
        #expect(try parsed("12 AM", "%I %p") == 0)
        #expect(try parsed("0.5", "%S.%f") == 500_000)
        for (text, pattern) in [
            ("1970-02-30", "%F"), ("1970-01-02x", "%F"), ("1970-01", "%F"), ("25", "%H"),
            ("", "%Y"),
            ("366", "%j"), ("13 AM", "%I %p"), ("Foo", "%b"),
        ] { #expect(try parsed(text, pattern) == nil, "\(text) by \(pattern)") }
        #expect(code(col("s").parse("%F", as: .date)) == .malformedValue)
        #expect(code(col("s").parse("%Q", as: .date)) == .invalidArgument)
        #expect(code(col("s").parse("%F", as: .int64)) == .invalidArgument)
    }

    @Test func `a closure sees its rank’s whole column once, and its failure is everyone’s`() throws
    {
        let table: Table = ["i": Column((0..<20_000).map { Int64($0) })]
        let calls = Mutex<[Int]>([])
        let doubled = col("i").map(returning: .float64) { column in
            calls.withLock { $0.append(column.count) }
            return Column(column.int64s.map { $0.map { Double($0) * 2 } })
        }
        let result = try Frame(table).select((doubled + 1).as("r"))
        #expect(result.table.columns[0].float64(at: 19_999) == 39_999)
        #expect(calls.withLock { $0 } == [20_000])
        for ranks in rankCounts {
            let errors = try Frames.errors([table], ranks: ranks) { frames in
                let last = frames[0].communicator.rank == ranks - 1
                return try frames[0].filter(
                    col("i").map(returning: .bool) {
                        last ? $0 : Column([Bool?](repeating: true, count: $0.count))
                    })
            }
            #expect(errors.count == ranks)
            #expect(
                errors.allSatisfy { $0.reason == errors[0].reason && $0.code == .invalidArgument })
            #expect(errors.first?.reason.contains("returned int64, not the bool") == true)
        }
    }
}
