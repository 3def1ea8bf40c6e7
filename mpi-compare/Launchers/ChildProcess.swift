// One started process, its two pipes, and the certainty that its number stays its own until the
// whole job is over.
//
// posix_spawn rather than swift-subprocess: a job needs a session per process, one poll loop over
// all pipes, and children that stay zombies until all are done (so that a signal to their group can
// never hit a stranger who inherited the number). That is below what the package offers, and it
// would be the slowest dependency to build.
@preconcurrency import Glibc

/// A child with its output pipes. Reap it last.
struct ChildProcess {
    let identifier: pid_t
    let rank: Int?
    var standardOutput: OutputPipe
    var standardError: OutputPipe
    /// The exit code, 128 + n after signal n; nil while it runs.
    private(set) var exitCode: Int32?
    private(set) var wasKilledBySignal = false

    /// Starts `plan` in a session of its own, without a terminal and with nothing on its input.
    init(_ plan: ProcessPlan) throws(LaunchError) {
        let output = try makePipe()
        let error: (read: Int32, write: Int32)
        do throws(LaunchError) {
            error = try makePipe()
        } catch let failure {
            close(output.read)
            close(output.write)
            throw failure
        }
        defer {
            close(output.write)
            close(error.write)
        }
        do throws(LaunchError) {
            identifier = try spawn(
                plan.executable, plan.arguments, plan.environment, input: nil,
                output: output.write, error: error.write)
        } catch let failure {
            close(output.read)
            close(error.read)
            throw failure
        }
        rank = plan.rank
        standardOutput = OutputPipe(output.read, .standardOutput, plan)
        standardError = OutputPipe(error.read, .standardError, plan)
    }

    /// Has it ended? Leaves it a zombie, so that its number cannot be given to another process.
    mutating func checkExit() {
        if exitCode != nil { return }
        var info = siginfo_t()
        let result = waitid(P_PID, id_t(identifier), &info, WEXITED | WNOWAIT | WNOHANG)
        guard result == 0, info.si_signo == SIGCHLD else { return }
        let status = info._sifields._sigchld.si_status
        wasKilledBySignal = info.si_code != Int32(CLD_EXITED)
        exitCode = wasKilledBySignal ? 128 + status : status
    }

    /// To the process and everything it started that stayed in its group.
    func signal(_ number: Int32) {
        kill(-identifier, number)
    }

    /// Gives the number back.
    func reap() {
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) == -1 && errno == EINTR {}
    }
}

/// The reading end of a child's output, with the lines that are not complete yet.
struct OutputPipe {
    private(set) var descriptor: Int32
    let stream: OutputStream
    private let rank: Int?
    private var lines = LineSplitter()
    private var tagged: TaggedOutput?

    init(_ descriptor: Int32, _ stream: OutputStream, _ plan: ProcessPlan) {
        self.descriptor = descriptor
        self.stream = stream
        rank = plan.rank
        tagged = plan.tagsItsOutput ? TaggedOutput() : nil
    }

    var isOpen: Bool { descriptor >= 0 }

    /// Reads what is there, once; closes the pipe at its end.
    mutating func read(into buffer: inout [UInt8]) -> [OutputLine] {
        let count = buffer.withUnsafeMutableBytes { bytes in
            Glibc.read(descriptor, bytes.baseAddress, bytes.count)
        }
        if count > 0 {
            let bytes = buffer[..<count]
            if let found = tagged?.add(bytes) {
                return found.map { OutputLine(rank: $0.rank, stream: stream, text: $0.text) }
            }
            return lines.add(bytes).map { OutputLine(rank: rank, stream: stream, text: $0) }
        }
        if count < 0 && (errno == EINTR || errno == EAGAIN) { return [] }
        return end()
    }

    /// Closes the pipe and hands over what had no newline.
    mutating func end() -> [OutputLine] {
        if !isOpen { return [] }
        close(descriptor)
        descriptor = -1
        if let found = tagged?.finish() {
            return found.map { OutputLine(rank: $0.rank, stream: stream, text: $0.text) }
        }
        return lines.finish().map { [OutputLine(rank: rank, stream: stream, text: $0)] } ?? []
    }
}

/// A pipe that no other child inherits; its reading end does not block.
func makePipe() throws(LaunchError) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw LaunchError("cannot make a pipe: \(lastSystemError())") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    return (ends[0], ends[1])
}

/// Starts a program as the leader of a new session; `input` nil means /dev/null.
func spawn(
    _ executable: String, _ arguments: [String], _ variables: [String: String], input: Int32?,
    output: Int32, error: Int32
) throws(LaunchError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
        posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, error, 2)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // The launcher ignores or handles signals that a rank must see in their default form.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    let newSession: Int32 = 0x80  // POSIX_SPAWN_SETSID, which Glibc's module hides
    posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | newSession))

    var identifier: pid_t = 0
    let result = withCStrings([executable] + arguments) { argumentPointers in
        withCStrings(mergedEnvironment(variables)) { environmentPointers in
            posix_spawn(
                &identifier, executable, &actions, &attributes, argumentPointers,
                environmentPointers)
        }
    }
    guard result == 0 else {
        throw LaunchError("cannot start \(executable): \(String(cString: strerror(result)))")
    }
    return identifier
}

/// The launcher's environment with `variables` set.
private func mergedEnvironment(_ variables: [String: String]) -> [String] {
    var merged: [String] = []
    var entry = environ
    while let text = entry.pointee {
        let line = String(cString: text)
        let name = String(line.prefix { $0 != "=" })
        if variables[name] == nil { merged.append(line) }
        entry += 1
    }
    for (name, value) in variables.sorted(by: { $0.key < $1.key }) {
        merged.append("\(name)=\(value)")
    }
    return merged
}

private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let pointers = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
}

/// The text of errno.
func lastSystemError() -> String { String(cString: strerror(errno)) }
