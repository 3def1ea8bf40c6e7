// The executable as a user meets it: wrong options, exit codes, signals.
import Foundation
import Testing

extension ProcessTests {
    @Suite("Command line")
    struct CommandLineTests {
        @Test(
            "a wrong option is one line that says what to do, and exit code 2",
            arguments: [
                ("run --ranks 0", "--ranks 0"),
                ("run --ranks 1,x", "--ranks x"),
                ("run --environments threads,foo", "there is no environment foo; choose from"),
                ("run --workload nothing", "choose one of"),
                ("run --mode sideways", "use strong or weak"),
                ("run --rows 0", "--rows 0"),
                ("run --rows many", "--rows"),
                ("run --iterations -3", "--iterations"),
                ("run --json /nonexistent/folder/file", "/nonexistent/folder/file"),
                ("run --no-such-option", "--no-such-option"),
                ("launch -n 2", "no program given"),
                ("launch -n 0 --environment threads -- true", "at least 1 rank"),
                ("launch -n 100000 --environment threads -- true", "at most"),
                ("launch -n 100000 --environment serverless -- true", "at most"),
                ("launch --environment nowhere -- true", "choose from"),
                (
                    "launch --environment threads -- ./no/such/program",
                    "no program ./no/such/program"
                ),
                ("launch --environment threads -- no-such-program", "in PATH"),
                ("launch --timeout 0 -- true", "--timeout"),
                ("fly", "fly"),
            ])
        func wrongOptions(command: String, expected: String) throws {
            let tool = try Tool(command.split(separator: " ").map(String.init))
            let code = try tool.wait()
            let complaint = tool.errorOutput
            #expect(code == 2, "\(complaint)")
            #expect(complaint.split(separator: "\n").count == 1, "\(complaint)")
            #expect(complaint.hasPrefix("mpi-compare: "), "\(complaint)")
            #expect(complaint.contains(expected), "\(complaint)")
            #expect(tool.output.isEmpty)
        }

        @Test("without mpirun the packages to install are named")
        func missingMPIRun() throws {
            let tool = try Tool(
                ["launch", "-n", "2", "--environment", "openmpi", "--", "/bin/true"],
                variables: ["PATH": "/nonexistent"])
            #expect(try tool.wait() == 2)
            #expect(tool.errorOutput.contains("openmpi-bin libopenmpi-dev"))
            #expect(tool.errorOutput.split(separator: "\n").count == 1)
        }

        @Test("help is no error")
        func help() throws {
            for command in [["--help"], ["run", "--help"], ["launch", "--help"]] {
                let tool = try Tool(command)
                #expect(try tool.wait() == 0)
                #expect(tool.output.contains("USAGE"))
            }
        }

        @Test("launch returns the program's exit code and its output, each stream apart")
        func exitCode() throws {
            let tool = try launchShell("echo out; echo err >&2; exit 17")
            #expect(try tool.wait() == 17)
            #expect(tool.output == "[0] out\n")
            #expect(tool.errorOutput == "[0] err\n")
        }

        @Test("launch passes TERM and INT on and ends when the program has", arguments: [15, 2])
        func forwardedSignal(number: Int32) throws {
            let name = number == 15 ? "TERM" : "INT"
            let tool = try launchShell(
                "trap 'echo caught; exit 0' \(name); echo ready; while :; do sleep 0.1; done")
            try tool.waitForOutput("ready")
            tool.send(number)
            #expect(try tool.wait() == 128 + number)
            #expect(tool.output.contains("caught"))
            #expect(tool.processesLeft() == 0)
        }

        @Test("when launch itself is killed, its program ends too")
        func killedLauncher() throws {
            let tool = try launchShell("echo ready; sleep 60; sleep 60")
            try tool.waitForOutput("ready")
            tool.send(SIGKILL)
            _ = try tool.wait()
            let limit = ContinuousClock.now + .seconds(10)
            while tool.processesLeft() > 0 && ContinuousClock.now < limit { usleep(50_000) }
            #expect(tool.processesLeft() == 0)
        }

        @Test("launch ends a job at its time limit with exit code 124")
        func timeLimit() throws {
            let tool = try Tool([
                "launch", "--environment", "threads", "--timeout", "0.3", "--", "/bin/sleep", "60",
            ])
            #expect(try tool.wait() == 124)
            #expect(tool.errorOutput.contains("--timeout"))
            #expect(tool.processesLeft() == 0)
        }

        private func launchShell(_ script: String) throws -> Tool {
            try Tool(["launch", "--environment", "threads", "--", "/bin/sh", "-c", script])
        }
    }
}

/// A run of the mpi-compare executable that was built beside this test.
final class Tool {
    private let process = Process()
    private let folder: URL
    private let mark = "compare-tool-\(UUID().uuidString)"

    static var executable: URL {
        if let folder = ProcessInfo.processInfo.environment["COMPARE_BIN_DIR"] {
            return URL(fileURLWithPath: folder).appendingPathComponent("mpi-compare")
        }
        // …/debug/swift-mpiPackageTests.xctest: the executables lie beside it.
        return URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("mpi-compare")
    }

    init(_ arguments: [String], variables: [String: String] = [:]) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(mark)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        process.executableURL = Tool.executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .merging(["COMPARE_TEST_MARK": mark]) { $1 }.merging(variables) { $1 }
        process.standardOutput = try Tool.file(folder, "out")
        process.standardError = try Tool.file(folder, "err")
        process.standardInput = FileHandle.nullDevice
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    /// The exit code, or minus the signal that ended it; at most a minute.
    func wait() throws -> Int32 {
        let limit = ContinuousClock.now + .seconds(60)
        while process.isRunning {
            if ContinuousClock.now > limit { throw TestTimeout() }
            usleep(5_000)
        }
        let status = process.terminationStatus
        return process.terminationReason == .exit ? status : -status
    }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    func waitForOutput(_ text: String) throws {
        let limit = ContinuousClock.now + .seconds(30)
        while !output.contains(text) {
            if ContinuousClock.now > limit { throw TestTimeout() }
            usleep(5_000)
        }
    }

    var output: String { text("out") }
    var errorOutput: String { text("err") }

    /// Processes it started that live on, itself not counted once it ended.
    func processesLeft() -> Int { countProcesses(marked: mark) }

    private func text(_ name: String) -> String {
        let data = FileManager.default.contents(atPath: folder.appendingPathComponent(name).path)
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    private static func file(_ folder: URL, _ name: String) throws -> FileHandle {
        let url = folder.appendingPathComponent(name)
        try Data().write(to: url)
        return try FileHandle(forWritingTo: url)
    }
}

struct TestTimeout: Error {}
