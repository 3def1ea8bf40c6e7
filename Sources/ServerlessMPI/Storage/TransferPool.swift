// Threads that make blocking transfers, so that several of them, and the program, go on at once.

import Glibc
import MessagePassing

/// Up to 16 threads, made when there is work for them.
final class TransferPool: @unchecked Sendable {
    static let threadCountMax = 16

    private let monitor = Monitor()
    // Under the lock.
    private var queue: [@Sendable () -> Void] = []
    private var head = 0
    private var threads: [DedicatedThread] = []
    private var idleCount = 0
    private var isStopping = false

    /// Runs `transfer` on some thread, after those submitted before it have begun.
    func submit(_ transfer: @escaping @Sendable () -> Void) {
        let runsHere = monitor.withLock {
            queue.append(transfer)
            if idleCount >= queue.count - head || threads.count == Self.threadCountMax {
                monitor.broadcast()
                return false
            }
            if let thread = try? DedicatedThread({ [self] in serve() }) {
                threads.append(thread)
                return false
            }
            monitor.broadcast()
            return threads.isEmpty
        }
        // The system gives no thread at all: slower, but no less right.
        if runsHere { serveOne() }
    }

    /// Runs all and returns when they are done.
    func runAll(_ transfers: [@Sendable () -> Void]) {
        if transfers.count == 1 { return transfers[0]() }
        let done = Monitor()
        let left = Counter(transfers.count)
        for transfer in transfers {
            submit {
                transfer()
                done.withLock {
                    left.value -= 1
                    done.broadcast()
                }
            }
        }
        done.withLock { while left.value > 0 { done.wait(until: nil) } }
    }

    /// Makes what is still queued, and ends the threads.
    func stop() {
        let all = monitor.withLock {
            isStopping = true
            monitor.broadcast()
            return threads
        }
        for thread in all { thread.join() }
    }

    /// Lets the threads end when their transfers have, and does not wait for that.
    func dismiss() {
        monitor.withLock {
            isStopping = true
            monitor.broadcast()
        }
    }

    private func serve() {
        monitor.lock()
        while true {
            if let transfer = next() {
                monitor.unlock()
                transfer()
                monitor.lock()
            } else if isStopping {
                break
            } else {
                idleCount += 1
                monitor.wait(until: nil)
                idleCount -= 1
            }
        }
        monitor.unlock()
    }

    private func serveOne() {
        monitor.withLock { next() }?()
    }

    private func next() -> (@Sendable () -> Void)? {
        guard head < queue.count else { return nil }
        defer {
            head += 1
            if head == queue.count {
                queue.removeAll(keepingCapacity: true)
                head = 0
            }
        }
        return queue[head]
    }

    /// Guarded by a monitor.
    private final class Counter: @unchecked Sendable {
        var value: Int
        init(_ value: Int) { self.value = value }
    }
}
