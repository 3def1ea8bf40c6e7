// A thread for one loop, and a value that one thread waits for and another sets. Loops that sleep
// in epoll may not run in Swift's cooperative pool, whose threads are few.

import Glibc
import Synchronization

/// A running thread; `join` waits for its end, once.
package final class DedicatedThread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private let thread: pthread_t
    private let isJoined = Atomic(false)

    package init(_ run: @escaping @Sendable () -> Void) throws(SystemFailure) {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(Body(run))
        // Signals are the program's business: its own threads handle them.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let status = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
        guard status == 0 else {
            body.release()
            throw SystemFailure(call: "pthread_create", errorNumber: status)
        }
        self.thread = thread
    }

    var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Waits until the thread has ended.
    func join() {
        guard !isJoined.exchange(true, ordering: .acquiringAndReleasing) else { return }
        pthread_join(thread, nil)
    }

    deinit {
        if !isJoined.load(ordering: .acquiring) { pthread_detach(thread) }
    }
}

/// A value that is set once and waited for with a bound.
final class Promise<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let isSet = EventFlag()

    /// The first value stays.
    func fulfil(_ new: Value) {
        let isFirst = value.withLock { value in
            defer { if value == nil { value = new } }
            return value == nil
        }
        if isFirst { isSet.raise() }
    }

    /// nil if the deadline passes first.
    func wait(until deadline: ContinuousClock.Instant) -> Value? {
        isSet.wait(until: deadline)
        return value.withLock { $0 }
    }
}

/// A flag that threads can sleep on.
private final class EventFlag: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func raise() { sem_post(semaphore) }

    /// Passes the flag on, so that every waiter sees it.
    func wait(until deadline: ContinuousClock.Instant) {
        while true {
            let left = deadline - .now
            guard left > .zero else { break }
            var until = timespec()
            clock_gettime(CLOCK_REALTIME, &until)
            // In slices, so that a jump of the wall clock delays nothing for long.
            let slice = min(left, .seconds(1)).components
            let nanoseconds = until.tv_nsec + Int(slice.attoseconds / 1_000_000_000)
            until.tv_sec += Int(slice.seconds) + nanoseconds / 1_000_000_000
            until.tv_nsec = nanoseconds % 1_000_000_000
            if sem_timedwait(semaphore, &until) == 0 {
                sem_post(semaphore)
                return
            }
        }
    }
}
