// A thread with a closure: ranks, servers and waits are threads here, never tasks, whose threads are
// few and may not block.
@preconcurrency import Glibc

/// Runs `body` on a new thread.
///
/// - Returns: the thread, to be joined or detached.
public func startThread(_ body: @escaping @Sendable () -> Void) throws(LaunchError) -> pthread_t {
    final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let job = Unmanaged.passRetained(Job(body))
    let status = pthread_create(
        &thread, nil,
        { context in
            if let context { Unmanaged<Job>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, job.toOpaque())
    guard status == 0 else {
        job.release()
        throw LaunchError("cannot start a thread: \(String(cString: strerror(status)))")
    }
    return thread
}
