// What is written reads back the same, from any number of ranks to any other.
import Foundation
import Frames
import MessagePassing
import Testing
import ThreadMPI

@Suite("writing CSV files")
struct CSVWriteTests {
    /// Text that a reader gets wrong when a writer is careless.
    static let words = [
        "plain", "", "a,b", "say \"hi\"", "\"", "two\nlines", "cr\r", "\r\n", " lead", "trail ",
        "NA",
        "null", "1", "é", "日本", "\t", "-", "true", "'",
    ]

    static let types: [String: DataType] = [
        "int": .int64, "float": .float64, "bool": .bool, "word": .string, "day": .date,
        "time": .datetime,
    ]

    /// Rows of every type, with nulls, different on each rank.
    static func table(rank: Int, rows: Int, seed: UInt64) throws -> Table {
        var random = SeededRandom(seed: seed &+ UInt64(rank) &* 1000)
        func column<Value>(_ make: (inout SeededRandom) -> Value) -> [Value?] {
            (0..<rows).map { _ in
                Int.random(in: 0..<5, using: &random) == 0 ? nil : make(&random)
            }
        }
        let floats: [Double] = [
            0, -0.0, 1e300, -.leastNonzeroMagnitude, 0.1, .infinity, 1e16, 123_456_789.125,
        ]
        return try Table([
            ("int", Column(column { Int64.random(in: Int64.min...Int64.max, using: &$0) })),
            (
                "float",
                Column(
                    column {
                        Bool.random(using: &$0)
                            ? floats.randomElement(using: &$0) ?? 0
                            : Double.random(in: -1e6...1e6, using: &$0)
                    })
            ),
            ("bool", Column(column { Bool.random(using: &$0) })),
            ("word", Column(column { words.randomElement(using: &$0) ?? "" })),
            ("day", Column(dates: column { Int32.random(in: -719_528...2_932_896, using: &$0) })),
            (
                "time",
                Column(
                    datetimes: column {
                        Int64.random(in: -62_135_596_800...253_402_300_799, using: &$0) * 1_000_000
                            + Int64.random(in: 0...1, using: &$0) * 250_000
                    })
            ),
        ])
    }

    @Test("every type, null and quote comes back, whoever writes and whoever reads")
    func roundTrip() throws {
        for (round, (writers, readers)) in [(1, 1), (1, 3), (2, 1), (3, 2), (5, 4), (4, 5)]
            .enumerated()
        {
            let folder = try TemporaryFolder()
            let path = folder.path + "/out.csv"
            let seed = UInt64(round) + 21
            // Ranks without rows write nothing between those with some.
            @Sendable func rows(_ rank: Int) -> Int { rank == 1 ? 0 : 30 + rank }
            try ThreadMPI.run(size: writers) { world in
                let table = try Self.table(rank: world.rank, rows: rows(world.rank), seed: seed)
                try Frame(table, on: world).writeCSV(path)
            }
            #expect(folder.contents == ["out.csv"])
            var options = CSVOptions(types: Self.types, nullSpellings: [""], quotedNulls: false)
            options.blockSize = 100
            let found = try readOutcome(path, ranks: readers, options)
            let written = try (0..<writers).flatMap {
                texts(try Self.table(rank: $0, rows: rows($0), seed: seed))
            }
            guard case .rows(_, let rows) = found else {
                Issue.record("\(found)")
                return
            }
            #expect(rows == written, "\(writers) writers, \(readers) readers, seed \(seed)")
        }
    }

    @Test("the file is the same whatever the number of ranks, as RFC 4180 has it")
    func golden() throws {
        let expected = #"""
            id,"the ""name""",x,d,t
            1,"a,b",0.1,2013-01-01,2013-01-01T10:00:00Z
            2,,,,
            -3,"",1e+20,1969-12-31,1969-12-31T23:59:59.999999Z

            """#
        for size in 1...3 {
            let folder = try TemporaryFolder()
            let path = folder.path + "/golden.csv"
            try ThreadMPI.run(size: size) { world in
                let whole: Table = [
                    "id": [1, 2, -3], "the \"name\"": Column(["a,b", nil, ""]),
                    "x": Column([0.1, nil, 1e20] as [Double?]),
                    "d": Column(dates: [15_706, nil, -1]),
                    "t": Column(datetimes: [1_357_034_400_000_000, nil, -1]),
                ]
                let partition = Partition(evenly: 3, parts: size)
                try Frame(whole.slice(partition[world.rank]), on: world).writeCSV(path)
            }
            let text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
            #expect(text == expected, "\(size) ranks")
        }
    }

    @Test("options: delimiter, no header, a null spelling, and a lone null")
    func options() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/x.csv"
        func written(_ table: Table, _ options: CSVWriteOptions) throws -> String {
            try Frame(table).writeCSV(path, options)
            return try String(contentsOf: URL(filePath: path), encoding: .utf8)
        }
        let table: Table = ["a": [1, nil], "b": Column(["x;y", "NA"])]
        let found = try written(
            table, CSVWriteOptions(delimiter: ";", hasHeader: false, nullSpelling: "NA"))
        #expect(found == "1;\"x;y\"\nNA;\"NA\"\n")
        #expect(try written(["a": [1, nil]], CSVWriteOptions()) == "a\n1\n\"\"\n")
        #expect(try written(["a": []], CSVWriteOptions()) == "a\n")
    }

    @Test("more text than is written at once")
    func largeParts() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/x.csv"
        let values = (0..<150_000).map { Int64(1_000_000_000 + $0) as Int64? }
        try ThreadMPI.run(size: 2) { world in
            let table: Table = ["a": Column(values)]
            try Frame(world.rank == 0 ? table : table.slice(0..<2), on: world).writeCSV(path)
        }
        let found = try Frame.readCSV(path, CSVOptions(types: ["a": .int64]))
            .table.columns[0].int64s
        #expect(found == values + [1_000_000_000, 1_000_000_001])
    }

    @Test("a replicated frame is written once")
    func replicated() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/x.csv"
        try ThreadMPI.run(size: 3) { world in
            try Frame(["a": [1, 2]], on: world, partitioning: .replicated).writeCSV(path)
        }
        #expect(try String(contentsOf: URL(filePath: path), encoding: .utf8) == "a\n1\n2\n")
    }

    @Test("a folder that does not exist is one error on all ranks, and nothing is left behind")
    func errors() throws {
        let folder = try TemporaryFolder()
        for size in 1...3 {
            try ThreadMPI.run(size: size) { world in
                let frame = Frame(["a": [1]], on: world)
                let error = #expect(throws: FrameError.self) {
                    try frame.writeCSV(folder.path + "/none/x.csv")
                }
                #expect(error?.code == .fileError)
                #expect(error?.description.contains("No such file") == true)
                #expect(error?.location?.contains("CSVWriteTests.swift") == true)
                // A folder in the file's place: the last step fails.
                let inTheWay = #expect(throws: FrameError.self) {
                    try frame.writeCSV(folder.path)
                }
                #expect(inTheWay?.reason.contains("renamed") == true, "\(size) ranks")
            }
        }
        let parent = URL(filePath: folder.path).deletingLastPathComponent().path
        let left = try FileManager.default.contentsOfDirectory(atPath: parent)
            .filter { $0.hasPrefix(URL(filePath: folder.path).lastPathComponent + ".partial") }
        #expect(left.isEmpty)
    }
}
