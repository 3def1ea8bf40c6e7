// Signals as bytes in a pipe, so that the launcher's loop handles them where it handles everything
// else. A handler may do almost nothing; writing one byte is allowed.
@preconcurrency import Glibc
import Processes
import Synchronization

/// The writing end, for the handler; -1 while no job is watching.
private let signalPipeEnd = Atomic<Int32>(-1)

/// While it is open, INT, TERM and HUP do not end the launcher but can be read from `descriptor`.
public struct SignalPipe {
    static let watched = [SIGINT, SIGTERM, SIGHUP]

    let descriptor: Int32
    private let writeEnd: Int32
    private var previous: [sigaction] = []

    public init() throws(LaunchError) {
        (descriptor, writeEnd) = try makePipe()
        signalPipeEnd.store(writeEnd, ordering: .sequentiallyConsistent)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(signalPipeEnd.load(ordering: .relaxed), &byte, 1)
            errno = saved
        }
        action.sa_flags = SA_RESTART
        for number in SignalPipe.watched {
            var old = sigaction()
            sigaction(number, &action, &old)
            // nohup(1) asks that HUP stay ignored.
            if SignalPipe.isIgnored(old) { sigaction(number, &old, nil) }
            previous.append(old)
        }
        // Whoever started the launcher may have done so from a thread that blocks signals.
        var watched = sigset_t()
        sigemptyset(&watched)
        for number in SignalPipe.watched { sigaddset(&watched, number) }
        pthread_sigmask(SIG_UNBLOCK, &watched, nil)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        let handler = action.__sigaction_handler.sa_handler
        return unsafeBitCast(handler, to: Int.self) == 1
    }

    /// The signals that arrived since the last call.
    func take() -> [Int32] {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? bytes[..<count].map { Int32($0) } : []
    }

    /// Sleeps until one arrives, and says which.
    public func wait() -> Int32 {
        while true {
            if let number = take().first { return number }
            var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&item, 1, -1)
        }
    }

    /// Gives the signals back to whoever handled them before.
    public func close() {
        for (number, action) in zip(SignalPipe.watched, previous) {
            var action = action
            sigaction(number, &action, nil)
        }
        signalPipeEnd.store(-1, ordering: .sequentiallyConsistent)
        Glibc.close(descriptor)
        Glibc.close(writeEnd)
    }
}
