// The types of columns at their limits: casts both ways, what arithmetic makes of mixed types, files,
// and categories whose dictionaries differ from rank to rank.
import MessagePassing
import Testing
import ThreadMPI

@testable import Frames

@Suite struct TypesTests {
    private func values(_ table: Table, _ expression: Expression) throws -> Column {
        try Frame(table).select(expression.as("result")).table.columns[0]
    }

    private func error(_ table: Table, _ expression: Expression) throws -> FrameError? {
        do {
            _ = try values(table, expression)
            return nil
        } catch let error as FrameError {
            return error
        }
    }

    private let integers: [DataType] = [
        .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
    ]

    @Test func `integers cast where they fit, and say which does not`() throws {
        let table: Table = ["n": Column([0, 1, -1, 127, 128, -129, 65_536, nil, .min, .max])]
        for type in integers {
            let limits = type.integers
            let cast = try values(table, col("n").cast(type, strict: false))
            #expect(cast.type == type)
            for row in 0..<10 {
                let value = table.columns[0].int64(at: row)
                let expected = value.flatMap { limits.contains($0) ? $0 : nil }
                #expect(cast.int64(at: row) == expected, "\(value ?? 0) as \(type)")
            }
        }
        let refused = try #require(try error(table, col("n").cast(.int8)))
        #expect(refused.code == .malformedValue)
        #expect(refused.reason.contains("128, a int64 in row 4, is no int8"))
        #expect(refused.column == "n")
        #expect(refused.operation == "select")
        #expect(try error(table, col("n").cast(.float64).cast(.string)) == nil)
    }

    @Test func `every type survives the way through text and back`() throws {
        var random = SeededRandom(seed: 3)
        for type in DataType.allCases where type != .duration {
            let column = random.column(type, count: 60, distinct: 30)
            let table = try Table([("c", column)])
            let text = try values(table, col("c").cast(.string))
            #expect(text.type == .string)
            let back = try values(table, col("c").cast(.string).cast(type))
            #expect(back.cells == column.cells, "\(type)")
        }
    }

    @Test func `uint64 goes to 2 to the 64 less 1`() throws {
        let table: Table = [
            "u": Column([0, 1, .max, nil, 1 << 63] as [UInt64?]),
            "i": Column([0, -1, .max, 5, .min]),
        ]
        #expect(
            try values(table, col("u").cast(.int64, strict: false)).int64s == [0, 1, nil, nil, nil])
        #expect(
            try values(table, col("u").cast(.string)).strings
                == ["0", "1", "18446744073709551615", nil, "9223372036854775808"])
        #expect(
            try values(table, col("u").cast(.string).cast(.uint64)).cells == table.columns[0].cells)
        #expect(try values(table, col("u").cast(.float64)).float64s == [0, 1, 0x1p64, nil, 0x1p63])
        #expect(try values(table, col("u") > 1).bools == [false, false, true, nil, true])
        #expect(
            try values(table, col("u") % 10).cells.prefix(3) == [
                .unsigned(0), .unsigned(1), .unsigned(5),
            ])
        #expect(try values(table, col("u") > col("i")).bools == [false, true, true, nil, true])
        let frame = Frame(table)
        #expect(try frame.max("u") == .uint64(.max))
        #expect(try frame.min("u") == .uint64(0))
        #expect(
            try frame.sort(by: .descending("u")).table.columns[0].cells.first == .unsigned(.max))
    }

    @Test func `mixed types become the narrowest that holds both`() throws {
        let expected: [(DataType, DataType, DataType)] = [
            (.int8, .int8, .int8), (.int8, .int16, .int16), (.int8, .uint8, .int16),
            (.uint16, .int8, .int32), (.uint32, .int64, .int64), (.uint32, .int8, .int64),
            (.uint64, .int8, .float64), (.uint8, .uint64, .uint64), (.float32, .int16, .float32),
            (.float32, .int32, .float64), (.float32, .float64, .float64),
            (.int64, .float32, .float64),
        ]
        for (left, right, result) in expected {
            #expect(left.common(with: right) == result, "\(left) and \(right)")
            #expect(right.common(with: left) == result, "\(right) and \(left)")
        }
        let table: Table = [
            "a": Column([100, -128, nil] as [Int8?]), "b": Column([200, 255, 1] as [UInt8?]),
            "f": Column([0.1, .nan, nil] as [Float?]),
        ]
        let sum = try values(table, col("a") + col("b"))
        #expect(sum.type == .int16)
        #expect(sum.int64s == [300, 127, nil])
        let wrapped = try values(table, col("a") + 100)
        #expect(wrapped.type == .int8)
        #expect(wrapped.int64s == [-56, -28, nil])
        #expect(try values(table, col("a") + 1000).type == .int64)
        #expect(try values(table, col("a").floorDivide(0)).int64s == [nil, nil, nil])
        #expect(try values(table, col("a").floorDivide(-7)).int64s == [-15, 18, nil])
        #expect(try values(table, -col("a")).int64s == [-100, -128, nil])
        let floats = try values(table, col("f") * 2)
        #expect(floats.type == .float32)
        #expect(floats.float64(at: 0) == Double(Float(0.2)))
        #expect(try values(table, col("f").isNaN).bools == [false, true, nil])
    }

    @Test func `sums are int64, uint64 or float64, whatever the width`() throws {
        let table: Table = [
            "k": [1, 1, 2], "i": Column([127, 127, nil] as [Int8?]),
            "u": Column([255, 255, 1] as [UInt8?]), "f": Column([0.5, .nan, 2] as [Float?]),
            "d": Column(durations: [1, 2, nil]),
        ]
        let sums = try Frame(table).groupBy("k").agg(
            col("i").sum(), col("u").sum(), col("f").sum(), col("d").sum(), col("i").mean(),
            col("i").min(), col("f").max())
        #expect(
            sums.schema.fields.map(\.type) == [
                .int64, .int64, .uint64, .float64, .duration, .float64, .int8, .float32,
            ])
        #expect(
            Frames.rows(of: sums)[0] == [
                .int(1), .int(254), .unsigned(510), .float(value: .nan), .int(3),
                .float(value: 127), .int(127), .float(value: 0.5),
            ])
    }

    @Test func `times have differences, and durations print as days to seconds`() throws {
        let table: Table = [
            "d": Column(dates: [1, nil]), "t": Column(datetimes: [90_061_500_000, 0]),
        ]
        let difference = try values(table, col("t") - col("d"))
        #expect(difference.type == .duration)
        #expect(difference.int64s == [3_661_500_000, nil])
        #expect(try values(table, col("d") + lit(microseconds: 5)).int64s == [86_400_000_005, nil])
        #expect(
            try values(table, (col("t") - col("d")) / lit(microseconds: 500_000)).float64s == [
                7323, nil,
            ])
        #expect(try values(table, (col("t") - col("d")) * 2).int64s == [7_323_000_000, nil])
        #expect(try values(table, col("t") > col("d")).bools == [true, nil])
        #expect(CellText.duration(90_061_500_000) == "1d 1h 1m 1.5s")
        #expect(CellText.duration(-1) == "-0.000001s")
        #expect(throws: FrameError.self) { try values(table, col("d") + col("t")) }
        #expect(throws: FrameError.self) { try values(table, col("d") + 1) }
    }

    @Test func `a failed cast is the same error on all ranks`() throws {
        let table: Table = ["s": Column((0..<40).map { $0 == 33 ? "x" : "\($0)" })]
        for ranks in rankCounts {
            let verbs: [@Sendable (Frame) throws -> Frame] = [
                { try $0.select(col("s").cast(.int64)) },
                { try $0.filter(col("s").cast(.int64) > 3) },
                { try $0.groupBy("s").agg(col("s").cast(.int16).sum()) },
                { try $0.lazy.withColumns(col("s").cast(.uint8)).unique().collect() },
            ]
            for verb in verbs {
                let errors = try Frames.errors([table], ranks: ranks) { try verb($0[0]) }
                #expect(errors.count == ranks)
                #expect(errors.allSatisfy { $0 == errors[0] }, "\(errors)")
                #expect(errors.first?.code == .malformedValue)
                #expect(errors.first?.reason.contains("x, a string in row") == true)
            }
        }
    }

    @Test(arguments: rankCounts)
    func `categories meet by their strings, whatever each rank’s codes`(ranks: Int) throws {
        let words = ["pear", "Äpfel", "", "fig", nil, "banana", "pear", "fig", "日本", "apple"]
        let table: Table = [
            "s": Column((0..<70).map { words[$0 * $0 % 10] }),
            "v": Column((0..<70).map { Int64($0) }),
        ]
        /// Each rank numbers what it sees.
        @Sendable func encoded(_ frame: Frame) throws -> Frame {
            try frame.withColumns(col("s").cast(.category))
        }
        let verbs: [@Sendable (Frame) throws -> Frame] = [
            { try $0.sort(by: ["s", "v"]) },
            {
                try $0.groupBy("s").agg(len(), col("v").sum(), col("s").min().as("least")).sort(
                    by: "s")
            },
            { try $0.unique(on: "s").sort(by: "s") },
            { try $0.join($0.rename(["v": "w"]), on: "s").sort(by: ["s", "v", "w"]) },
            { try $0.filter(col("s") >= "b").sort(by: ["v"]) },
            { try $0.filter(col("s") == "fig" || "pear" <= col("s")).sort(by: ["v"]) },
            {
                try $0.join($0.rename(["v": "w"]).head(9), on: "s", how: .full).sort(by: ["v", "w"])
            },
            { try $0.repartition(by: "s").sort(by: .descending("v")) },
            { try $0.concat($0).sort(by: ["v"]) },
        ]
        for (index, verb) in verbs.enumerated() {
            let plain = try Frames.run([table], ranks: ranks, seed: 5) { try verb($0[0]) }
            let coded = try Frames.run([table], ranks: ranks, seed: 5) { try verb(encoded($0[0])) }
            #expect(coded.frames[0].schema.fields[0].type == .category)
            #expect(coded.rows == plain.rows, "verb \(index)")
        }
    }

    @Test func `a schema may name every type of a file’s columns`() throws {
        let folder = try TemporaryFolder()
        let file = try folder.file(
            "a,b,c,d,e,f\n-128,255,18446744073709551615,0.1,x,5\n,,,,,\n127,0,0,nan,x,-5\n")
        let options = CSVOptions(types: [
            "a": .int8, "b": .uint8, "c": .uint64, "d": .float32, "e": .category, "f": .duration,
        ])
        let table = try Frame.readCSV(file, on: SelfCommunicator.alone, options).table
        #expect(
            table.schema.fields.map(\.type) == [
                .int8, .uint8, .uint64, .float32, .category, .duration,
            ])
        #expect(
            rows(of: table.columns)[0] == [
                .int(-128), .int(255), .unsigned(.max), .float(value: Double(Float(0.1))),
                .string("x"), .int(5),
            ])
        #expect(rows(of: table.columns)[1] == Array(repeating: .null, count: 6))
        let wrong = CSVOptions(types: ["a": .uint8])
        #expect(throws: FrameError.self) {
            try Frame.readCSV(file, on: SelfCommunicator.alone, wrong)
        }
        let copy = folder.path + "/copy.csv"
        try Frame(table).writeCSV(copy)
        #expect(
            try rows(of: Frame.readCSV(copy, on: SelfCommunicator.alone, options).table.columns)
                == rows(of: table.columns))
    }
}

@Suite struct LiteralTests {
    @Test func `a frame is written as its columns`() throws {
        let frame = Frame([
            "b": [1, 2, nil], "a": ["x", nil, "z"], "x": [0.5, 2, nil], "p": [true, nil, false],
            "n": [nil, nil, nil],
        ])
        #expect(frame.schema.names == ["b", "a", "x", "p", "n"])
        #expect(frame.schema.fields.map(\.type) == [.int64, .string, .float64, .bool, .int64])
        #expect(
            Frames.rows(of: frame)[1] == [
                .int(2), .null, .float(value: 2), .null, .null,
            ])
        #expect(Scalar(frame.table.columns[0], at: 1) == 2)
    }

    @Test func `columns are spans of their values`() throws {
        let table: Table = ["x": [0.5, nil, 2], "d": Column(dates: [1, 2, 3])]
        let column = table.columns[0].slice(1..<3)
        let values = column.span(as: Double.self)
        #expect(values.count == 2)
        #expect(values[1] == 2)
        let dates = table.columns[1]
        let days = dates.span(as: Int32.self)
        #expect(days[2] == 3)
    }
}

@Suite struct OverflowTests {
    @Test func `a sum beyond its type is the same error on all ranks`() throws {
        let cases: [(Column, Bool)] = [
            (Column([.max, 1, nil, 0]), true), (Column([.max, -1, nil, 0]), false),
            (Column([.min, -1, nil, 0]), true), (Column([.max - 5, 1, 2, 2]), false),
            (Column([.max, 1] as [UInt64?]), true), (Column([.max, 0, nil] as [UInt64?]), false),
            (Column([1 << 62, 1 << 62] as [Int64?]), true),
            (Column([UInt8.max, .max] as [UInt8?]), false),
        ]
        for (column, overflows) in cases {
            let table = try Table([
                ("v", column), ("k", Column([Int64?](repeating: 1, count: column.count))),
            ])
            for ranks in rankCounts {
                let verbs: [@Sendable (Frame) throws -> Frame] = [
                    { try $0.groupBy("k").agg(col("v").sum()) },
                    { try $0.aggregate(col("v").sum()) },
                    { try $0.groupBy("k").agg(col("v").sum(), col("v").last()) },
                    { try $0.aggregate(col("v").sum(), col("v").nUnique()) },
                ]
                for (index, verb) in verbs.enumerated() {
                    let errors = try Frames.errors([table], ranks: ranks) { try verb($0[0]) }
                    #expect(
                        errors.map(\.code)
                            == Array(repeating: .overflow, count: overflows ? ranks : 0),
                        "verb \(index) of \(column.cells), \(ranks) ranks")
                }
            }
        }
    }
}
