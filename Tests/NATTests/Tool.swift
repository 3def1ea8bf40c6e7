// A started program with its output in files, and what of it is on the machine.
import Foundation
import Processes

@testable import Lab

/// One of our programs, or another by its path; with default signals, whatever the test runner
/// has blocked.
final class Tool {
    let process: pid_t
    private let folder: URL
    private let mark = "nat-test-\(UUID().uuidString)"
    private var status: Int32?

    /// The release build if `CONFORMANCE_BIN_DIR` says so, else what lies beside this test.
    static func path(_ program: String) -> String {
        let folder =
            ProcessInfo.processInfo.environment["CONFORMANCE_BIN_DIR"]
            ?? URL(
                fileURLWithPath: CommandLine.arguments.first { $0.hasSuffix(".xctest") }
                    ?? CommandLine.arguments[0]
            ).deletingLastPathComponent().path
        return "\(folder)/\(program)"
    }

    /// - Parameter path: its PATH; this process's if none is given.
    init(
        _ program: String, _ arguments: [String], path: String? = nil,
        environment: [String: String] = [:]
    ) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(mark)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        self.folder = folder
        let files = ["out", "err"].map { name in
            open(folder.appendingPathComponent(name).path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        }
        defer { for file in files { close(file) } }
        var variables = environment
        variables["NAT_TEST_MARK"] = mark
        if let path { variables["PATH"] = path }
        process = try spawn(
            program.contains("/") ? program : Tool.path(program), arguments, variables, input: nil,
            output: files[0], error: files[1])
    }

    deinit {
        if status == nil {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        try? FileManager.default.removeItem(at: folder)
    }

    private var hasEnded: Bool {
        if status == nil {
            var status: Int32 = 0
            if waitpid(process, &status, WNOHANG) == process { self.status = status }
        }
        return status != nil
    }

    var output: String { text("out") }
    var errors: String { text("err") }
    var report: String { "output: \(output.suffix(2000)); errors: \(errors.suffix(2000))" }

    func send(_ signal: Int32) { kill(process, signal) }

    /// The exit code, or minus the signal that ended it.
    func wait(seconds: Int = 60) throws -> Int32 {
        try waitUntil("it ends", seconds: seconds) { hasEnded }
        let status = status ?? 0
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
    }

    /// Polls for at most a minute, or for as long as is said.
    func waitUntil(_ what: String, seconds: Int = 60, _ condition: () -> Bool) throws {
        let limit = ContinuousClock.now + .seconds(seconds)
        while !condition() {
            if ContinuousClock.now > limit { throw Unexpected("waited until \(what): \(report)") }
            usleep(5_000)
        }
    }

    /// Living processes that it started, directly or not.
    func processesLeft() -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.count { name in
            guard Int(name) != nil,
                let environment = FileManager.default.contents(atPath: "/proc/\(name)/environ")
            else { return false }
            return environment.range(of: Data(mark.utf8)) != nil
        }
    }

    private func text(_ name: String) -> String {
        let data = FileManager.default.contents(atPath: folder.appendingPathComponent(name).path)
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The namespaces of laboratories that a process has built.
func namespaces(of process: pid_t) -> [String] {
    labNamespaces().filter { LabIdentity(namespace: $0)?.process == process }
}

/// What a command line of the shell prints; it must succeed.
func system(_ script: String) throws -> String {
    let tool = try Tool("/bin/sh", ["-c", script])
    let code = try tool.wait()
    if code != 0 { throw Unexpected("\(script): exit code \(code), \(tool.report)") }
    return tool.output
}
