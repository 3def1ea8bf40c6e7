// `mpi-compare bench`: the ladder with real workers, its turns, and its figures.
import CompactJSON
import Foundation
import Ladder
import Records
import Report
import Testing

extension ProcessTests {
    @Suite("The ladder")
    struct BenchTests {
        @Test("every rung is climbed in every environment as often as asked for, data verified")
        func climbs() throws {
            let file = FileManager.default.temporaryDirectory
                .appendingPathComponent("bench-\(UUID().uuidString).jsonl")
            defer { try? FileManager.default.removeItem(at: file) }
            let tool = try Tool([
                "bench", "--environments", "threads,serverless", "--against", "raw", "--ranks",
                "3", "--sizes", "1,6,40K", "--repetitions", "2", "--milliseconds", "1", "--json",
                file.path,
            ])
            #expect(try tool.wait() == 0, "\(tool.errorOutput)")
            #expect(tool.output.contains("alltoallv · 3 ranks"), "\(tool.output)")
            #expect(tool.output.contains("40 KiB"), "\(tool.output)")
            #expect(tool.errorOutput.contains("[25/25]"), "\(tool.errorOutput)")
            let records = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
                .map { try #require(JSONValue(parsing: String($0)), "\($0)") }
            // Three lengths of eight operations, and the barrier.
            #expect(records.count == 3 * 25)
            for record in records {
                #expect(record["repetitions"] == .integer(2), "\(record)")
                guard case .number(let median)? = record["us_median"] else {
                    Issue.record("no median: \(record)")
                    continue
                }
                #expect(median > 0 && median < 1e6, "\(record)")
            }
            #expect(tool.processesLeft() == 0)
        }

        @Test(
            "an option that makes no sense is refused in one line",
            arguments: [
                (["--sizes", "0"], "--sizes 0: give lengths such as"),
                (["--sizes", "9999G"], "--sizes 9999G"),
                (["--operations", "gossip"], "--operations gossip: choose from pingpong"),
                (["--against", "smoke"], "--against smoke: choose from raw"),
                (["--repetitions", "0"], "--repetitions 0"),
            ])
        func refused(_ options: [String], _ complaint: String) throws {
            let tool = try Tool(["bench"] + options)
            #expect(try tool.wait() == 2)
            #expect(tool.errorOutput.contains(complaint), "\(tool.errorOutput)")
            #expect(tool.errorOutput.split(separator: "\n").count == 1)
        }
    }
}

@Suite("Turns and figures of the ladder")
struct LadderTests {
    @Test("a turn survives its line, and what is none is refused")
    func turns() {
        let turn = LadderTurn(operation: .alltoallv, byteCount: 65_536, microseconds: 20_000)
        #expect(LadderTurn(line: Substring(turn.line)) == turn)
        for line in ["", "alltoallv", "gossip 1 1", "bcast -1 1", "bcast 1", "bcast 1 1 1"] {
            #expect(LadderTurn(line: Substring(line)) == nil, "\(line)")
        }
        #expect(LadderTurn(line: "bcast 99999999999 1") == nil, "more than any buffer")
    }

    @Test("a figure survives its line")
    func figures() {
        let figure = LadderFigure(operation: "bcast", byteCount: 8, microseconds: 1.5)
        #expect(LadderFigure(line: "\(figure.json)") == figure)
        #expect(LadderFigure(line: "{\"message\":\"iteration\"}") == nil)
    }

    @Test("the table shows medians, spreads, and how many times as fast, and their mean")
    func table() {
        func record(_ environment: String, _ bytes: Int, _ times: [Double]) -> LadderRecord {
            var record = LadderRecord(
                operation: "bcast", environment: environment, ranks: 2, byteCount: bytes)
            record.microseconds = times
            return record
        }
        let text = renderLadder([
            record("slow", 1, [8, 9, 8, 7, 8]), record("slow", 1024, [90, 90, 90, 90, 90]),
            record("fast", 1, [4, 4, 4, 4, 100]), record("fast", 1024, [11.25, 11.25]),
        ]).joined(separator: "\n")
        #expect(text.contains("bcast · 2 ranks"))
        #expect(text.contains("1 KiB"))
        #expect(text.contains("2.00") && text.contains("8.00"), "\(text)")
        #expect(text.contains("fast is 4.00 times as fast as slow"), "\(text)")
    }
}
