// Runs a program for a test: output kept, time bounded, and nothing left behind.

import Glibc
import Processes
import Synchronization

/// How a program ended.
struct Outcome: Sendable {
    /// The exit code, or 128 + the signal that ended it.
    var exitCode: Int32
    var output: String
    var errors: String
    var timedOut: Bool

    /// Everything a failing test wants to show.
    var report: String {
        let time = timedOut ? ", killed at its deadline" : ""
        return "exit code \(exitCode)\(time)\n\(output.suffix(4000))\n\(errors.suffix(4000))"
    }
}

/// Runs `command` in a process group of its own. At the deadline the group gets SIGTERM, which
/// mpirun and our launcher hand on to their ranks, and five seconds later SIGKILL.
/// - Parameter lastingLineCount: the deadline is a second after so many lines of output, if that is
///   sooner: for programs that run for ever.
func run(
    _ command: [String], environment: [String: String] = [:], timeoutSeconds: Int,
    lastingLineCount: Int? = nil
) -> Outcome {
    guard let output = TemporaryFile(), let errors = TemporaryFile() else {
        return Outcome(exitCode: 127, output: "", errors: "no temporary file", timedOut: false)
    }
    var process = pid_t()
    let code = spawn(command, environment, output.descriptor, errors.descriptor, &process)
    guard code == 0 else {
        let reason = "\(command[0]): \(String(cString: strerror(code)))"
        return Outcome(exitCode: 127, output: "", errors: reason, timedOut: false)
    }
    var status: Int32 = 0
    var timedOut = !waitFor(process, &status, seconds: timeoutSeconds) {
        guard let lastingLineCount else { return false }
        return output.text.count { $0 == "\n" } >= lastingLineCount
    }
    if timedOut && lastingLineCount != nil {
        timedOut = !waitFor(process, &status, seconds: 1)
    }
    if timedOut {
        kill(-process, SIGTERM)
        let ended = waitFor(process, &status, seconds: 5)
        kill(-process, SIGKILL)
        if !ended { waitpid(process, &status, 0) }
    }
    let exitCode = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    return Outcome(
        exitCode: exitCode, output: output.text, errors: errors.text, timedOut: timedOut)
}

private final class Outcomes: Sendable {
    let byNumber = Mutex<[Int: Outcome]>([:])
}

/// What `body` returns for each case, all at once: for programs that mostly wait.
func together<Case: Sendable>(
    _ cases: [Case], _ body: @escaping @Sendable (Case) -> Outcome
) -> [(Case, Outcome)] {
    let results = Outcomes()
    let threads = cases.enumerated().map { number, item in
        try? startThread {
            let outcome = body(item)
            results.byNumber.withLock { $0[number] = outcome }
        }
    }
    for case let thread? in threads { pthread_join(thread, nil) }
    let none = Outcome(exitCode: 127, output: "", errors: "no thread", timedOut: false)
    return cases.enumerated().map { number, item in
        (item, results.byNumber.withLock { $0[number] } ?? none)
    }
}

/// False if the process has not ended within that time, or before `isEnough`.
private func waitFor(
    _ process: pid_t, _ status: inout Int32, seconds: Int, or isEnough: () -> Bool = { false }
) -> Bool {
    for _ in 0..<seconds * 100 {
        if waitpid(process, &status, WNOHANG) == process { return true }
        if isEnough() { return false }
        usleep(10_000)
    }
    return false
}

private func spawn(
    _ command: [String], _ variables: [String: String], _ output: Int32, _ errors: Int32,
    _ process: inout pid_t
) -> Int32 {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    defer { posix_spawnattr_destroy(&attributes) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, errors, 2)
    defer { posix_spawn_file_actions_destroy(&actions) }

    var all = inheritedEnvironment()
    // A crash must end at once, without minutes of symbolication on every rank.
    all["SWIFT_BACKTRACE"] = "enable=no"
    all.merge(variables) { $1 }
    let arguments = command.map { strdup($0) } + [nil]
    let environment = all.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + environment { free(text) } }
    return posix_spawnp(&process, command[0], &actions, &attributes, arguments, environment)
}

private func inheritedEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
        let text = String(cString: entry)
        if let separator = text.firstIndex(of: "=") {
            variables[String(text[..<separator])] = String(
                text[text.index(after: separator)...])
        }
        next += 1
    }
    return variables
}

/// A file without a name, gone with this object.
private final class TemporaryFile {
    let descriptor: Int32

    init?() {
        var path = Array("/tmp/conformance-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        if descriptor < 0 { return nil }
        unlink(path)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }

    var text: String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            // The program shares the file's position, and may still write.
            let count = pread(descriptor, &chunk, chunk.count, bytes.count)
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }
}

/// Has the process ended? It gets five seconds to do so.
func isGone(_ process: pid_t) -> Bool {
    for _ in 0..<500 {
        if kill(process, 0) != 0 { return true }
        usleep(10_000)
    }
    return false
}
