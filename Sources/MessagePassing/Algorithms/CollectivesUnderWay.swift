// The nonblocking collectives of one rank: transports advance them when requests have completed.

import Synchronization

/// What is under way, in the order it was begun. `add` may be called by any thread, `advance` by one
/// at a time.
package final class CollectivesUnderWay: Sendable {
    package typealias Completion = @Sendable (MPIError?) -> Void

    private struct Entry: Sendable {
        let schedule: CollectiveSchedule
        let completion: Completion
    }
    private let entries = Mutex<[Entry]>([])

    package init() {}

    package var isEmpty: Bool { entries.withLock { $0.isEmpty } }

    /// Adds one; `completion` is called once, by the thread that completes it.
    package func add(_ schedule: CollectiveSchedule, _ completion: @escaping Completion) {
        entries.withLock { $0.append(Entry(schedule: schedule, completion: completion)) }
    }

    /// Advances all; completes those that are done or have failed.
    package func advance() {
        var index = 0
        while let entry = entries.withLock({ index < $0.count ? $0[index] : nil }) {
            let failure: MPIError?
            do throws(MPIError) {
                guard try entry.schedule.advance() else {
                    index += 1
                    continue
                }
                failure = nil
            } catch {
                failure = error
            }
            entries.withLock { entries in
                entries.removeAll { $0.schedule === entry.schedule }
            }
            entry.completion(failure)
        }
    }
}
