// Runs one command to its end and keeps what it says, so that a failure can be told in one line.
@preconcurrency import Glibc

public struct CommandResult: Sendable {
    /// 128 + n if signal n ended it.
    public var exitCode: Int32
    /// Both of its outputs, at most the first 64 KiB.
    public var output: String
}

/// Runs a command and waits for its end.
///
/// - Parameter arguments: the first is a path, or the name of a program in PATH or where Debian
///   keeps those for administrators.
/// - Throws: `LaunchError` if it cannot be started.
public func runCommand(
    _ arguments: [String], input text: String = ""
) throws(LaunchError) -> CommandResult {
    let name = arguments[0]
    guard let executable = findSystemProgram(name) else {
        throw LaunchError("there is no \(name) in PATH")
    }
    let input = try makePipe()
    _ = fcntl(input.read, F_SETFL, 0)
    let output: (read: Int32, write: Int32)
    do throws(LaunchError) {
        output = try makePipe()
    } catch {
        close(input.read)
        close(input.write)
        throw error
    }
    defer { close(output.read) }
    let process: pid_t
    do throws(LaunchError) {
        defer {
            close(input.read)
            close(output.write)
        }
        process = try spawn(
            executable, Array(arguments.dropFirst()), [:], input: input.read,
            output: output.write, error: output.write)
    } catch {
        close(input.write)
        throw error
    }
    let said = converse(input.write, Array(text.utf8), output.read)
    var status: Int32 = 0
    while waitpid(process, &status, 0) == -1 && errno == EINTR {}
    let exitCode = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    return CommandResult(exitCode: exitCode, output: said)
}

/// Writes all input while reading all output, so that neither side can wait for the other.
private func converse(_ input: Int32, _ bytes: [UInt8], _ output: Int32) -> String {
    _ = fcntl(input, F_SETFL, O_NONBLOCK)
    var rest = bytes[...]
    var isWriting = true
    var collected: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        if isWriting && rest.isEmpty {
            close(input)
            isWriting = false
        }
        var descriptors = [
            pollfd(fd: output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isWriting ? input : -1, events: Int16(POLLOUT), revents: 0),
        ]
        guard poll(&descriptors, 2, -1) > 0 else { continue }
        if descriptors[1].revents != 0 {
            let count = rest.withUnsafeBytes { writeWithoutSignal(input, $0) }
            // A command that has ended no longer reads.
            rest = count < 0 && errno != EAGAIN ? [] : rest.dropFirst(max(0, count))
        }
        if descriptors[0].revents != 0 {
            let count = read(output, &buffer, buffer.count)
            if count == 0 { break }
            if count > 0 && collected.count < 65_536 { collected += buffer[..<count] }
        }
    }
    if isWriting { close(input) }
    return String(decoding: collected, as: UTF8.self)
}

/// A pipe nobody reads would end this process by SIGPIPE.
private func writeWithoutSignal(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    var broken = sigset_t()
    sigemptyset(&broken)
    sigaddset(&broken, SIGPIPE)
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, &broken, &before)
    let count = write(descriptor, bytes.baseAddress, bytes.count)
    let reason = errno
    if count < 0 && reason == EPIPE {
        var none = timespec()
        _ = sigtimedwait(&broken, nil, &none)
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    errno = reason
    return count
}

/// In PATH, or where Debian keeps programs for administrators, which not every PATH has.
public func findSystemProgram(_ name: String) -> String? {
    findExecutable(name) ?? ["/usr/sbin/\(name)", "/sbin/\(name)"].first { access($0, X_OK) == 0 }
}
