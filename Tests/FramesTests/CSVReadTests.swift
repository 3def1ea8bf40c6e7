// What a CSV file becomes: types, nulls, names, and the errors.
import Foundation
import Frames
import Testing

@Suite("reading CSV files")
struct CSVReadTests {
    /// Reads a text on one and on three ranks, which must agree.
    func read(
        _ text: String, _ options: CSVOptions = CSVOptions(),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> CSVOutcome {
        let folder = try TemporaryFolder()
        let path = try folder.file(text)
        let alone = try readOutcome(path, ranks: 1, options)
        let together = try readOutcome(path, ranks: 3, options)
        #expect(alone == together, "1 and 3 ranks", sourceLocation: sourceLocation)
        return alone
    }

    @Test(
        "a column has the narrowest type that holds all its values",
        arguments: [
            (["1", "-2", "+3"], "int64"), (["1", "NA", ""], "int64"),
            (["1", "2.5"], "float64"), (["1", "9223372036854775808"], "float64"),
            (["inf", "1"], "float64"), (["1e3"], "float64"), ([" 1 ", "2"], "int64"),
            (["true", "False", "TRUE"], "bool"), (["true", "1"], "string"),
            (["2013-01-01", "NaN"], "date"), (["2013-01-01", "2013-01-01 10:00"], "datetime"),
            (["2013-01-01", "1"], "string"), (["2013-02-30"], "string"), (["a", "1"], "string"),
            (["", "NA"], "string"), (["1", "two"], "string"), (["0x10"], "string"),
        ])
    func types(values: [String], type: String) throws {
        let text = "x,y\n" + values.map { "\($0),0\n" }.joined()
        guard case .rows(let schema, let rows) = try read(text) else {
            Issue.record("\(values)")
            return
        }
        #expect(schema == "x: \(type), y: int64", "\(values)")
        #expect(rows.count == values.count)
    }

    @Test("pandas' null spellings are null, quoted or not, in every type")
    func nulls() throws {
        let spellings = CSVOptions.pandasNullSpellings
        #expect(spellings.count == 19)
        for spelling in spellings {
            for value in ["1", "1.5", "true", "2013-01-01", "text"] {
                let text = "x,y\n\(value),1\n\(spelling),2\n\"\(spelling)\",3\n"
                guard case .rows(_, let rows) = try read(text) else {
                    Issue.record("\(spelling) among \(value)")
                    return
                }
                #expect(rows[1][0] == nil && rows[2][0] == nil, "\(spelling) among \(value)")
                #expect(rows[0][0] != nil)
            }
        }
        for text in ["nul", "NANA", "na", "N/a", "-", " NA"] {
            guard case .rows(_, let rows) = try read("x,y\n\(text),1\n") else { return }
            #expect(rows[0][0] == text)
        }
    }

    @Test("null spellings of the caller's, and quoted texts that are none")
    func ownNulls() throws {
        let options = CSVOptions(nullSpellings: ["-999", ""], quotedNulls: false)
        let found = try read("x,s\n-999,\n5,\"\"\n\"-999\",NA\n", options)
        #expect(
            found
                == .rows(
                    schema: "x: int64, s: string", [[nil, nil], ["5", ""], ["-999", "NA"]]))
    }

    @Test("delimiter, no header, and columns in the order asked for")
    func layout() throws {
        let options = CSVOptions(
            delimiter: ";", hasHeader: false, columns: ["column_3", "column_1"])
        #expect(
            try read("1;a,b;x\n2;;y\n", options)
                == .rows(schema: "column_3: string, column_1: int64", [["x", "1"], ["y", "2"]]))
        #expect(
            try read(",b\n1,2\n")
                == .rows(schema: "Unnamed: 0: int64, b: int64", [["1", "2"]]))
        #expect(
            try read("\"a\"\"b\",c\n1,2\n") == .rows(schema: "a\"b: int64, c: int64", [["1", "2"]]))
    }

    @Test("a given type is kept, and what is not of it is an error with its line and column")
    func givenTypes() throws {
        let types: [String: DataType] = ["zip": .string, "n": .float64, "t": .datetime]
        #expect(
            try read("zip,n,t\n007,1,2013-01-01\n", CSVOptions(types: types))
                == .rows(
                    schema: "zip: string, n: float64, t: datetime",
                    [["007", "1.0", "1356998400000000"]]))
        let found = try read(
            "a,b\n1,\"x\ny\"\n2,y\nz,w\n4,q\nu,\n", CSVOptions(types: ["a": .int64]))
        #expect(
            found
                == .failed(
                    "readCSV: malformedValue, data.csv line 5, column \"a\": \"z\" is no int64; "
                        + "correct it or give the column another type"))
    }

    @Test(
        "a broken file is one error on all ranks, with file and line",
        arguments: [
            ("a,b\n1,2\n3\n", "raggedRow, data.csv line 3:"),
            ("a,b\n1,2\r\n\r\n3,4,5\n6\n", "raggedRow, data.csv line 4:"),
            ("a,b\r1,2\r3\r", "raggedRow, data.csv line 3:"),
            ("a,b\n1,\"2\n3,4\n", "malformedValue, data.csv line 2:"),
            ("a,b,a\n1,2,3\n", "duplicateColumn, data.csv line 1, column \"a\":"),
            ("\n\na,a\n1,2\n", "duplicateColumn, data.csv line 3, column \"a\":"),
            ("", "fileError, data.csv"), ("\n \n\n", "fileError, data.csv"),
            ("\"a\n", "malformedValue, data.csv line 1:"),
        ])
    func broken(text: String, expected: String) throws {
        guard case .failed(let error) = try read(text) else {
            Issue.record("no error for \(text)")
            return
        }
        #expect(error.hasPrefix("readCSV: " + expected), "\(error)")
        #expect(!error.contains("\n"), "more than one line")
    }

    @Test("a missing file or column is one error on all ranks")
    func missing() throws {
        for size in 1...3 {
            let found = try readOutcome("/no/such/folder/x.csv", ranks: size)
            guard case .failed(let error) = found else {
                Issue.record("\(found)")
                return
            }
            #expect(error.hasPrefix("readCSV: fileError, x.csv:"), "\(error)")
            #expect(error.hasSuffix("No such file or directory"), "\(error)")
        }
        let wanted = try read("a,b\n1,2\n", CSVOptions(columns: ["a", "z"]))
        guard case .failed(let error) = wanted else { return }
        #expect(error.hasPrefix("readCSV: missingColumn, data.csv, column \"z\":"), "\(error)")
        #expect(try readOutcome("/tmp", ranks: 2).description.contains("Is a directory"))
        #expect(
            try read("a\n", CSVOptions(delimiter: "\"")).description.contains("invalidArgument"))
    }

    @Test("random bytes are a table or an error, never a crash, and ranks agree")
    func randomBytes() throws {
        var random = SeededRandom(seed: 14)
        let alphabet = Array("a1,.-e\"\n\r :NATZ\u{0}é".utf8) + [0xFF]
        for round in 0..<300 {
            let folder = try TemporaryFolder()
            let length = Int.random(in: 0...80, using: &random)
            let bytes = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            let path = try folder.file(bytes: bytes)
            var options = CSVOptions(hasHeader: round % 2 == 0)
            options.blockSize = Int.random(in: 1...50, using: &random)
            let alone = try readOutcome(path, ranks: 1, options)
            let size = 2 + round % 4
            let together = try readOutcome(path, ranks: size, options)
            #expect(alone == together, "\(size) ranks, round \(round), seed 14: \(bytes)")
        }
    }
}
