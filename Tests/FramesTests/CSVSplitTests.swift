// One file split over ranks: wherever it is cut, the result is that of one rank.
import Foundation
import Frames
import Testing

@Suite("CSV files split over ranks")
struct CSVSplitTests {
    /// Small files in which every byte is a bad place to cut.
    static let trickyFiles: [(name: String, text: String)] = [
        (
            "quotes",
            "a,b,c\r\n1,x,2.5\r\n2,\"q\"\"uo\nte, \r\n\",NA\r\n\r\n  \n3,5\" disk,-1e3\n"
                + "4,\"\",\"7\"\n5,\"ab\"c,1"
        ),
        ("byte order mark", "\u{FEFF}k\n1\n\n2\r\r\n\"3\"\n9223372036854775808\n"),
        ("times", "d,t\n2013-01-01,2013-01-01T10:00:00Z\n,2013-01-02\nNA,\n"),
        ("one long field", "h\n\"a,\n\"\"\n\n\"\"b\nc\"\n\"\"\nd\n"),
        ("ragged", "x,y\n1,2\n\"\n\",3\n3\n4,5\n"),
        ("unclosed quote", "x,y\n1,2\n3,\"4\n5,6\n"),
        ("header only", "only,header"),
        ("late string", "x,y\n1,1\n2,2\n3,3\n4,4\n5,a\n"),
        ("late float", "x,y\n,NA\n-0,\n3,3\n4,.5\n"),
    ]

    @Test("two ranks agree with one at every cut", arguments: trickyFiles.indices)
    func everyCut(index: Int) throws {
        let (name, text) = Self.trickyFiles[index]
        let folder = try TemporaryFolder()
        let path = try folder.file(text)
        let expected = try readOutcome(path, ranks: 1)
        for cut in 0...text.utf8.count {
            var options = CSVOptions()
            options.boundaries = [cut]
            options.blockSize = [1, 3, 16, 4096][cut % 4]
            let found = try readOutcome(path, ranks: 2, options)
            #expect(
                found == expected, "\(name), cut at \(cut), blocks of \(options.blockSize)")
        }
    }

    @Test("three to five ranks agree with one, ranges without a record included")
    func manyCuts() throws {
        var random = SeededRandom(seed: 11)
        for (name, text) in Self.trickyFiles {
            let folder = try TemporaryFolder()
            let path = try folder.file(text)
            let expected = try readOutcome(path, ranks: 1)
            for round in 0..<60 {
                let size = 3 + round % 3
                var options = CSVOptions()
                options.boundaries = (1..<size).map { _ in
                    Int.random(in: 0...text.utf8.count, using: &random)
                }.sorted()
                options.blockSize = Int.random(in: 1...40, using: &random)
                let found = try readOutcome(path, ranks: size, options)
                #expect(
                    found == expected,
                    "\(name), \(size) ranks cut at \(options.boundaries ?? []), seed 11")
            }
        }
    }

    @Test("even shares give the same rows at every number of ranks")
    func evenShares() throws {
        var random = SeededRandom(seed: 12)
        var text = "id,word,value,day\n"
        for id in 0..<500 {
            let word =
                ["plain", "\"two\nlines\"", "\"a \"\"b\"\"\"", "", "5\" disk"]
                .randomElement(using: &random) ?? ""
            let value = id < 400 ? "\(id)" : "\(Double(id) / 3)"
            text += "\(id),\(word),\(value),2013-0\(1 + id % 9)-1\(id % 10)\n"
        }
        let folder = try TemporaryFolder()
        let path = try folder.file(text)
        let expected = try readOutcome(path, ranks: 1)
        guard case .rows(let schema, let rows) = expected else {
            Issue.record("\(expected)")
            return
        }
        #expect(schema == "id: int64, word: string, value: float64, day: date")
        #expect(rows.count == 500)
        for size in 2...5 {
            var options = CSVOptions()
            options.blockSize = 64
            #expect(try readOutcome(path, ranks: size, options) == expected, "\(size) ranks")
        }
    }

    @Test("the fields are those that pandas finds")
    func pandas() throws {
        struct Case: Decodable {
            let text: String
            let rows: [[String]]?
        }
        let vectors = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Vectors/csv-expected.json")
        let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: vectors))
        #expect(cases.count > 100)
        var random = SeededRandom(seed: 13)
        for (index, example) in cases.enumerated() {
            let folder = try TemporaryFolder()
            let path = try folder.file(example.text)
            for size in 1...3 {
                var options = CSVOptions(
                    types: ["a": .string, "b": .string, "c": .string], nullSpellings: [])
                options.blockSize = Int.random(in: 1...40, using: &random)
                let found = try readOutcome(path, ranks: size, options)
                switch (found, example.rows) {
                case (.failed(let error), nil):
                    #expect(
                        error.contains("raggedRow") || error.contains("malformedValue"),
                        "case \(index), \(size) ranks: \(error)")
                case (.rows(_, let rows), let expected?):
                    #expect(rows == expected, "case \(index), \(size) ranks: \(example.text)")
                default:
                    Issue.record("case \(index), \(size) ranks: \(found) of \(example)")
                }
            }
        }
    }
}
