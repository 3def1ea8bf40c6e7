// Turns a hang into a named failure: without it a deadlocked check is a test that times out and
// says nothing.

import Glibc
import Synchronization

final class Watchdog: Sendable {
    private struct Watch {
        var report: String?
        var secondsLeft: Int
    }

    private let limitSeconds: Int
    private let watch: Mutex<Watch>

    init(limitSeconds: Int) {
        self.limitSeconds = limitSeconds
        watch = Mutex(Watch(report: nil, secondsLeft: limitSeconds))
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument {
                    Unmanaged<Watchdog>.fromOpaque(argument).takeRetainedValue().observe()
                }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }

    /// A check begins; `report` is what to print if it does not end.
    func begin(_ report: String) {
        watch.withLock { $0 = Watch(report: report, secondsLeft: limitSeconds) }
    }

    func end() { watch.withLock { $0.report = nil } }

    /// Counts seconds down; ends the process when they run out, and with it the job.
    private func observe() {
        while true {
            sleep(1)
            let report: String? = watch.withLock { watch in
                watch.secondsLeft -= 1
                return watch.secondsLeft <= 0 ? watch.report : nil
            }
            if let report {
                print(report)
                fflush(nil)
                _exit(1)
            }
        }
    }
}
