// A built program, started as a user starts it: output in files, a private temporary folder, and a
// mark in its environment by which everything that it starts is found again.

import Foundation

/// One started program. Whatever still bears its mark is killed with this object.
final class StartedProgram {
    let process: pid_t
    let mark: String
    /// Its TMPDIR.
    let temporaryFolder: URL
    private let folder: URL
    private let ownsMark: Bool
    private var status: Int32?

    /// - Parameters:
    ///   - program: a path, or the name of one of our programs.
    ///   - mark: of the job it belongs to; its own if none is given.
    init(
        _ program: String, _ arguments: [String], variables: [String: String] = [:],
        mark: String? = nil
    ) throws {
        self.mark = mark ?? "fault-test-\(UUID().uuidString)"
        ownsMark = mark == nil
        folder = URL(fileURLWithPath: "/tmp/fault-test-\(UUID().uuidString)")
        temporaryFolder = folder.appendingPathComponent("tmp")
        try FileManager.default.createDirectory(
            at: temporaryFolder, withIntermediateDirectories: true)
        let path = program.contains("/") ? program : Machine.path(program)
        var environment = ProcessInfo.processInfo.environment
        // A crash must end at once, without minutes of symbolication on every rank.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        environment["TMPDIR"] = temporaryFolder.path
        environment[Machine.markVariable] = self.mark
        environment.merge(variables) { $1 }
        process = try spawn(
            [path] + arguments, environment, output: folder.appendingPathComponent("out").path,
            errors: folder.appendingPathComponent("err").path)
    }

    deinit {
        if status == nil {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        if ownsMark { Machine.killAll(marked: mark) }
        try? FileManager.default.removeItem(at: folder)
    }

    var output: String { text("out") }
    var errors: String { text("err") }
    var errorLines: [Substring] { errors.split(separator: "\n") }

    /// Everything a failing test wants to show.
    var report: String {
        let code = status.map { "\(Self.code($0))" } ?? "none yet"
        let text =
            "exit code \(code); output: \(output.suffix(1500)); errors: \(errors.suffix(1500))"
        return text.split(separator: "\n").joined(separator: " | ")
    }

    func send(_ signal: Int32) { kill(process, signal) }

    /// The exit code, 128 + n after signal n.
    func end(withinSeconds limit: Double = 40) throws -> Int32 {
        try wait("the end of the program", limit) { hasEnded }
        return Self.code(status ?? -1)
    }

    var hasEnded: Bool {
        if status == nil {
            var status: Int32 = 0
            if waitpid(process, &status, WNOHANG) == process { self.status = status }
        }
        return status != nil
    }

    func waitForOutput(_ text: String, times: Int = 1, seconds: Double = 40) throws {
        try wait("\(times) × “\(text)”", seconds) {
            output.components(separatedBy: text).count > times || hasEnded
        }
        if output.components(separatedBy: text).count <= times {
            throw Unexpected("ended without \(times) × “\(text)”: \(report)")
        }
    }

    private func wait(_ what: String, _ seconds: Double, _ condition: () -> Bool) throws {
        if !eventually(seconds, condition) {
            throw Unexpected("waited \(seconds) s for \(what): \(report)")
        }
    }

    private static func code(_ status: Int32) -> Int32 {
        status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    }

    private func text(_ name: String) -> String {
        let data = FileManager.default.contents(atPath: folder.appendingPathComponent(name).path)
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
}

/// What a test did not foresee, in one line.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) {
        self.description = description
    }
}

/// Polls until it holds; false if it never did.
func eventually(_ seconds: Double, _ condition: () -> Bool) -> Bool {
    let limit = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        if ContinuousClock.now > limit { return false }
        usleep(5_000)
    }
    return true
}

/// A figure for whoever reads the log; tests assert nothing so fine about time.
func note(_ what: String, since start: ContinuousClock.Instant) {
    let time = ContinuousClock.now - start
    print("measured: \(what): \(Double(time / .milliseconds(1)).rounded() / 1000) s")
}

/// Starts a program in a session of its own, as a launcher does, with default signals.
private func spawn(
    _ command: [String], _ variables: [String: String], output: String, errors: String
) throws -> pid_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    let newSession: Int32 = 0x80  // POSIX_SPAWN_SETSID, which Glibc's module hides
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | newSession))

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_APPEND
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, flags, 0o600)

    let arguments = command.map { strdup($0) } + [nil]
    let environment = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + environment { free(text) } }
    var process = pid_t()
    let code = posix_spawn(&process, command[0], &actions, &attributes, arguments, environment)
    if code != 0 {
        throw Unexpected("cannot start \(command[0]): \(String(cString: strerror(code)))")
    }
    return process
}
