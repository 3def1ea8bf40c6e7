// Helpers of the CSV tests: temporary files, and what a frame holds, as texts to compare.
import Foundation
import Frames
import MessagePassing
import Synchronization
import ThreadMPI

/// A folder of its own for one test, removed with its last reference.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "frames-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ text: String, name: String = "data.csv") throws -> String {
        try file(bytes: Array(text.utf8), name: name)
    }

    func file(bytes: [UInt8], name: String = "data.csv") throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(filePath: file))
        return file
    }

    var contents: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? []
    }
}

/// What reading a file gave: the rows of all ranks as texts, or the error.
enum CSVOutcome: Equatable, CustomStringConvertible {
    case rows(schema: String, [[String?]])
    case failed(String)

    var description: String {
        switch self {
        case .rows(let schema, let rows):
            schema
                + rows.map { row in "\n" + row.map { $0 ?? "null" }.joined(separator: "|") }
                .joined()
        case .failed(let error): error
        }
    }
}

/// A table's cells, exactly: floats by their shortest form, times as numbers.
func texts(_ table: Table) -> [[String?]] {
    (0..<table.rowCount).map { row in
        table.columns.map { column in
            switch column.type {
            case .uint64: column.uint64(at: row).map { "\($0)" }
            case .float32: column.float64(at: row).map { "\(Float($0))" }
            case .float64: column.float64(at: row).map { "\($0)" }
            case .bool: column.bool(at: row).map { "\($0)" }
            case .string, .category: column.string(at: row)
            default: column.int64(at: row).map { "\($0)" }
            }
        }
    }
}

/// Reads a file on `size` ranks; all must agree on schema or error. Location is left out of errors.
func readOutcome(
    _ path: String, ranks size: Int, _ options: CSVOptions = CSVOptions()
) throws -> CSVOutcome {
    let parts = Mutex<[CSVOutcome]>(Array(repeating: .failed("no answer"), count: size))
    try ThreadMPI.run(size: size) { world in
        let outcome: CSVOutcome
        do throws(FrameError) {
            let table = try Frame.readCSV(path, on: world, options).table
            outcome = .rows(schema: "\(table.schema)", texts(table))
        } catch {
            var error = error
            error.location = nil
            error.path = error.path.map { URL(filePath: $0).lastPathComponent }
            outcome = .failed("\(error)")
        }
        parts.withLock { $0[world.rank] = outcome }
    }
    let outcomes = parts.withLock { $0 }
    var all: [[String?]] = []
    for outcome in outcomes {
        switch (outcome, outcomes[0]) {
        case (.rows(let schema, let rows), .rows(let first, _)) where schema == first:
            all += rows
        case (.failed, .failed) where outcome == outcomes[0]: break
        default: return .failed("ranks disagree: \(outcomes)")
        }
    }
    if case .rows(let schema, _) = outcomes[0] { return .rows(schema: schema, all) }
    return outcomes[0]
}
