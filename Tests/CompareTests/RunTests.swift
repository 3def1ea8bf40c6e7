// `mpi-compare run` and `launch` with the real workers, on little data.
import Foundation
import CompactJSON
import Records
import Testing

extension ProcessTests {
    @Suite("Real workers")
    struct RunTests {
        @Test("run compares environments, writes the table and the JSON lines")
        func run() throws {
            let file = FileManager.default.temporaryDirectory
                .appendingPathComponent("compare-\(UUID().uuidString).jsonl")
            defer { try? FileManager.default.removeItem(at: file) }
            let tool = try Tool([
                "run", "--workload", "join", "--rows", "100000", "--ranks", "2,1", "--iterations",
                "2", "--environments", "threads,serverless,serverless-tls", "--json", file.path,
            ])
            #expect(try tool.wait() == 0, "\(tool.errorOutput)")
            #expect(tool.output.contains("all 6 runs agree"), "\(tool.output)")
            #expect(tool.errorOutput.contains("[12/12]"), "progress: \(tool.errorOutput)")
            let records = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
                .map { try #require(JSONValue(parsing: String($0)), "\($0)") }
            let labels = records.map { "\($0["environment"] ?? .null) \($0["ranks"] ?? .null)" }
            #expect(
                labels == [
                    "\"threads\" 1", "\"threads\" 2", "\"serverless\" 1", "\"serverless\" 2",
                    "\"serverless-tls\" 1", "\"serverless-tls\" 2",
                ])
            #expect(Set(records.map { "\($0["checksum"] ?? .null)" }).count == 1)
            #expect(records.map { $0["encryption"] }.suffix(2) == [.string("on"), .string("on")])
            for record in records where record["ranks"] == .integer(2) {
                // About half of both frames moves, in two int32 a row.
                guard case .integer(let bytes)? = record["bytes"] else {
                    Issue.record("no bytes: \(record)")
                    continue
                }
                #expect((780_000...840_000).contains(bytes), "\(bytes)")
            }
            #expect(tool.processesLeft() == 0)
        }

        @Test("weak scaling gives each rank as many rows")
        func weak() throws {
            let tool = try Tool([
                "run", "--workload", "sort", "--rows", "1000", "--ranks", "1,3", "--mode", "weak",
                "--environments", "threads", "--iterations", "1",
            ])
            #expect(try tool.wait() == 0, "\(tool.errorOutput)")
            #expect(tool.output.contains("1 000 ✓"))
            #expect(tool.output.contains("3 000 ✓"))
        }

        @Test("a failing worker is reported by name with its own words, the others still run")
        func failingWorker() throws {
            let tool = try Tool([
                "run", "--workload", "flights", "--data", "/nonexistent", "--ranks", "1",
                "--environments", "threads,serverless", "--iterations", "1",
            ])
            #expect(try tool.wait() == 1)
            let failures = tool.errorOutput.split(separator: "\n").filter {
                $0.hasPrefix("FAILED")
            }
            #expect(failures.count == 2, "\(tool.errorOutput)")
            #expect(failures.allSatisfy { $0.contains("/nonexistent") }, "\(failures)")
        }

        @Test("a program of another library than the environment's is warned about")
        func wrongLibrary() throws {
            let worker = Tool.executable.deletingLastPathComponent()
                .appendingPathComponent("worker-threads").path
            let tool = try Tool([
                "launch", "-n", "2", "--environment", "serverless", "--", worker, "--rows", "100",
            ])
            #expect(try tool.wait() == 0)
            #expect(tool.errorOutput.contains("linked to ThreadMPI, not to ServerlessMPI"))
            #expect(tool.output.contains("\"ranks\":1"))
        }

        @Test("launch runs ranks that find each other, encrypted unless told otherwise")
        func serverless() throws {
            let worker = Tool.executable.deletingLastPathComponent()
                .appendingPathComponent("worker-serverless").path
            let tool = try Tool(["launch", "-n", "3", "--", worker, "--rows", "100"])
            #expect(try tool.wait() == 0, "\(tool.errorOutput)")
            #expect(tool.output.contains("[0] {\"message\":\"started\",\"ranks\":3"))
            #expect(tool.errorOutput.isEmpty, "\(tool.errorOutput)")
            let probe = try Tool(["launch", "--", "/bin/sh", "-c", "echo $SERVERLESS_MPI_URL"])
            #expect(try probe.wait() == 0)
            #expect(probe.output.contains("encryption=on"))
        }

        @Test("ranks that wait for each other end when launch is killed")
        func killedLauncher() throws {
            let tool = try Tool([
                "launch", "-n", "2", "--environment", "serverless", "--", "/bin/sh", "-c",
                "echo ready; sleep 60; sleep 60",
            ])
            try tool.waitForOutput("[1] ready")
            tool.send(SIGKILL)
            _ = try tool.wait()
            let limit = ContinuousClock.now + .seconds(10)
            while tool.processesLeft() > 0 && ContinuousClock.now < limit { usleep(50_000) }
            #expect(tool.processesLeft() == 0)
        }
    }
}
