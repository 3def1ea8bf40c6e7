// A thread with a stack of chosen size. Ranks never run in Swift's cooperative pool: a blocked
// MPI call would take one of its few threads away from everyone.

import Glibc
import MessagePassing

private final class Job: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Runs `body` on a new thread and waits for its end.
func runOnDedicatedThread(
    stackByteCount: Int, _ body: @escaping @Sendable () -> Void
) throws(MPIError) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, stackByteCount)
    defer { pthread_attr_destroy(&attributes) }
    let job = Unmanaged.passRetained(Job(body))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, &attributes,
        { argument in
            if let argument {
                Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body()
            }
            return nil
        }, job.toOpaque())
    guard code == 0 else {
        job.release()
        throw MPIError(
            .system, operation: "init",
            reason: "no thread for the rank; allow more threads or memory", underlying: code)
    }
    pthread_join(thread, nil)
}
