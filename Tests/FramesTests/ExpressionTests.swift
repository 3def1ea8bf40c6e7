// Expressions, value by value: what each operator gives, for nulls and odd values above all.
import Testing

@testable import Frames

@Suite struct ExpressionTests {
    private let table: Table = [
        "i": [7, -7, nil, 0], "j": [2, 2, 2, 0], "x": Column([0.5, .nan, nil, -0.0]),
        "s": Column(["ab", "b", nil, ""]), "t": Column(["ab", "a", "c", "ä"]),
        "p": Column([true, false, nil, nil]), "q": Column([true, nil, false, nil]),
        "d": Column(dates: [0, 15_890, nil, -1]),
        "m": Column(datetimes: [0, 1_372_636_799_999_999, nil, -1]),
    ]

    private func values(_ expression: Expression) throws -> [Cell] {
        try Frame(table).select(expression.as("result")).table.columns[0].cells
    }

    private func ints(_ values: Int64?...) -> [Cell] { values.map { $0.map { .int($0) } ?? .null } }
    private func bools(_ values: Bool?...) -> [Cell] {
        values.map { $0.map { .bool($0) } ?? .null }
    }
    private func floats(_ values: Double?...) -> [Cell] {
        values.map { $0.map { .float(value: $0) } ?? .null }
    }

    @Test func `arithmetic passes nulls on, divides as float64 and floors remainders`() throws {
        #expect(try values(col("i") + col("j") * 10) == ints(27, 13, nil, 0))
        #expect(try values(col("i") - 1) == ints(6, -8, nil, -1))
        #expect(try values(-col("i")) == ints(-7, 7, nil, 0))
        #expect(try values(col("i") / col("j")) == floats(3.5, -3.5, nil, .nan))
        #expect(try values(col("i") % col("j")) == ints(1, 1, nil, nil))
        #expect(try values(col("i") % -2) == ints(-1, -1, nil, 0))
        #expect(try values(col("i") * 0.5) == floats(3.5, -3.5, nil, 0))
        #expect(try values(1 / col("x")) == floats(2, .nan, nil, -.infinity))
        #expect(try values(lit(Int.max) + col("j")) == ints(.min + 1, .min + 1, .min + 1, .max))
    }

    @Test func `comparisons follow the values, NaN equals nothing`() throws {
        #expect(try values(col("i") > col("j")) == bools(true, false, nil, false))
        #expect(try values(col("i") <= 0) == bools(false, true, nil, true))
        #expect(try values(col("i") == 7.0) == bools(true, false, nil, false))
        #expect(try values(col("x") == col("x")) == bools(true, false, nil, true))
        #expect(try values(col("x") != col("x")) == bools(false, true, nil, false))
        #expect(try values(col("x") >= 0) == bools(true, false, nil, true))
        #expect(try values(col("s") == "ab") == bools(true, false, nil, false))
        #expect(try values(col("s") != col("t")) == bools(false, true, nil, true))
        #expect(try values(col("s") < col("t")) == bools(false, false, nil, true))
        #expect(try values("b" <= col("t")) == bools(false, false, true, true))
        #expect(try values(col("p") == false) == bools(false, true, nil, nil))
        #expect(try values(col("p") >= col("q")) == bools(true, nil, nil, nil))
        #expect(try values(col("d") < lit(date: 2013, 7, 4)) == bools(true, false, nil, true))
        #expect(try values(col("i").between(-7, 6)) == bools(false, true, nil, true))
    }

    @Test func `logic has three values`() throws {
        #expect(try values(col("p") && col("q")) == bools(true, false, false, nil))
        #expect(try values(col("p") || col("q")) == bools(true, nil, nil, nil))
        #expect(try values(col("p") || true) == bools(true, true, true, true))
        #expect(try values(col("q") && false) == bools(false, false, false, false))
        #expect(try values(!col("p")) == bools(false, true, nil, nil))
        let kept = try Frame(table).filter(col("p") || col("q"))
        #expect(kept.table.rowCount == 1)
    }

    @Test func `nulls can be asked for and replaced`() throws {
        #expect(try values(col("i").isNull) == bools(false, false, true, false))
        #expect(try values(col("j").isNull) == bools(false, false, false, false))
        #expect(try values(col("s").isNotNull) == bools(true, true, false, true))
        #expect(try values(col("x").isNaN) == bools(false, true, nil, false))
        #expect(try values(col("i").fillNull(1)) == ints(7, -7, 1, 0))
        #expect(try values(col("i").fillNull(col("j"))) == ints(7, -7, 2, 0))
        #expect(try values(col("i").fillNull(0.5)) == floats(7, -7, 0.5, 0))
        #expect(
            try values(col("s").fillNull("?")) == [
                .string("ab"), .string("b"), .string("?"), .string(""),
            ])
        #expect(try values(col("p").fillNull(col("q"))) == bools(true, false, false, nil))
    }

    @Test func `casts convert what fits and null the rest`() throws {
        #expect(try values(col("x").cast(.int64, strict: false)) == ints(0, nil, nil, 0))
        #expect(try values(lit(1e300).cast(.int64, strict: false)) == ints(nil, nil, nil, nil))
        #expect(try values(col("i").cast(.float64)) == floats(7, -7, nil, 0))
        #expect(try values(col("p").cast(.int64)) == ints(1, 0, nil, nil))
        #expect(try values(col("i").cast(.bool)) == bools(true, true, nil, false))
        #expect(
            try values(col("i").cast(.string)) == [
                .string("7"), .string("-7"), .null, .string("0"),
            ])
        #expect(try values(col("i").cast(.string).cast(.int64)) == ints(7, -7, nil, 0))
        #expect(try values(col("s").cast(.int64, strict: false)) == ints(nil, nil, nil, nil))
        #expect(try values(lit("0.25").cast(.float64)) == floats(0.25, 0.25, 0.25, 0.25))
        #expect(try values(col("m").cast(.date)) == ints(0, 15_886, nil, -1))
        #expect(
            try values(col("d").cast(.datetime))
                == ints(
                    0, 15_890 * 86_400_000_000, nil, -86_400_000_000))
    }

    @Test func `dates have parts, before 1970 too`() throws {
        #expect(try values(col("d").year) == ints(1970, 2013, nil, 1969))
        #expect(try values(col("d").month) == ints(1, 7, nil, 12))
        #expect(try values(col("d").day) == ints(1, 4, nil, 31))
        #expect(try values(col("m").year) == ints(1970, 2013, nil, 1969))
        #expect(try values(col("m").hour) == ints(0, 23, nil, 23))
        #expect(try values(col("m").minute) == ints(0, 59, nil, 59))
        #expect(try values(col("m").second) == ints(0, 59, nil, 59))
    }

    @Test func `a computed column replaces one of its name and keeps its place`() throws {
        let frame = try Frame(table).select("i", "j").withColumns(
            (col("i") + 1).as("i"), (col("i") + 2).as("k"))
        #expect(frame.schema.names == ["i", "j", "k"])
        #expect(frame.table.columns[0].cells == ints(8, -6, nil, 1))
        #expect(frame.table.columns[2].cells == ints(9, -5, nil, 2))
    }
}
