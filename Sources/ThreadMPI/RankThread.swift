// A thread for a rank. Ranks block, so they never run in Swift's cooperative pool, whose few
// threads they would take away from everyone.

import Glibc
import MessagePassing

private final class ThreadBody: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// A running thread, to be joined once.
struct RankThread {
    /// Enough for deep recursion in user code; only touched pages cost memory.
    static let stackByteCount = 16 << 20

    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) throws(MPIError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, Self.stackByteCount)
        defer { pthread_attr_destroy(&attributes) }
        let start = Unmanaged.passRetained(ThreadBody(body))
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                if let argument {
                    Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().body()
                }
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw MPIError(
                .system, operation: "withWorld",
                reason: "no thread for a rank; use fewer ranks or allow more threads and memory",
                underlying: code)
        }
    }

    func join() { pthread_join(thread, nil) }
}
