// Running a few lines inside another network namespace. Sockets stay in the namespace in which they
// were made, so this process can serve in the laboratory without living there.
import CLinux
@preconcurrency import Glibc
import Processes

/// Runs `body` on a thread of its own in a network namespace, and waits for it.
///
/// Threads that it starts live there too; sockets that it makes stay there.
func inNetworkNamespace<Value: Sendable>(
    _ path: String, _ body: @escaping @Sendable () throws(LaunchError) -> Value
) throws(LaunchError) -> Value {
    let outcome = Outcome<Value>()
    let thread = try startThread {
        do throws(LaunchError) {
            try enter(path)
            outcome.value = .success(try body())
        } catch {
            outcome.value = .failure(error)
        }
    }
    pthread_join(thread, nil)
    guard let result = outcome.value else { throw LaunchError("a thread ended without a result") }
    return try result.get()
}

/// Written by the thread, read after it has ended.
private final class Outcome<Value>: @unchecked Sendable {
    var value: Result<Value, LaunchError>?
}

private func enter(_ path: String) throws(LaunchError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LaunchError("cannot open \(path): \(lastSystemError())") }
    defer { close(descriptor) }
    let network: Int32 = 0x4000_0000  // CLONE_NEWNET, a macro that Swift cannot read
    guard setns(descriptor, network) == 0 else {
        throw LaunchError("cannot enter \(path): \(lastSystemError())")
    }
}
