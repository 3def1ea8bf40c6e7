// Starting programs: pipes, posix_spawn, and where a program is. What jobs and laboratories share.
//
// posix_spawn rather than swift-subprocess: a job needs a group per process, one poll loop over
// all pipes, and children that stay zombies until all are done (so that a signal to their group can
// never hit a stranger who inherited the number). That is below what the package offers, and it
// would be the slowest dependency to build.
@preconcurrency import Glibc

/// A pipe that no other child inherits; its reading end does not block.
public func makePipe() throws(LaunchError) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw LaunchError("cannot make a pipe: \(lastSystemError())") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    return (ends[0], ends[1])
}

/// What a new process leads.
public enum ProcessLead: Sendable {
    /// A session, and so a group: nothing that happens to the launcher's terminal reaches it.
    case session
    /// A group in the launcher's session. Linux gives each session its share of the processors
    /// (sched_autogroup), so that sched_yield between sessions yields nothing: ranks that take
    /// turns on a processor must share one.
    case group
}

/// Starts a program; `input` nil means /dev/null.
public func spawn(
    _ executable: String, _ arguments: [String], _ variables: [String: String], input: Int32?,
    output: Int32, error: Int32, leading lead: ProcessLead = .session
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
    let leading =
        switch lead {
        case .session: newSession
        case .group: Int32(POSIX_SPAWN_SETPGROUP)
        }
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | leading))

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
public func lastSystemError() -> String { String(cString: strerror(errno)) }

/// The path of a program: as given if it holds a slash, else the first match in PATH.
public func findExecutable(_ name: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
    for folder in path.split(separator: ":") {
        let candidate = "\(folder)/\(name)"
        if access(candidate, X_OK) == 0 { return candidate }
    }
    return nil
}
