// Where one rank's calls are noted: all in the sums, and the first so many one by one.

import Glibc
import MessagePassing
import Synchronization

/// The calls of one rank on all its communicators.
final class Recorder: Sendable {
    /// Events kept for the timeline, 56 bytes each; later ones are only counted.
    static let eventLimit = 1 << 20

    private struct Key: Hashable {
        let communicator: Int32
        let operation: ProfiledOperation
        let algorithm: UInt8
    }
    private struct State {
        var events: [Event] = []
        var dropped = 0
        var statistics: [Key: OperationStatistics] = [:]
        var communicatorCount: Int32 = 0
    }
    private let state = Mutex(State())
    private let keepsEvents: Bool

    init(keepsEvents: Bool) { self.keepsEvents = keepsEvents }

    func nextCommunicator() -> Int32 {
        state.withLock { state in
            state.communicatorCount += 1
            return state.communicatorCount - 1
        }
    }

    func note(_ event: Event) {
        let key = Key(
            communicator: event.communicator, operation: event.operation,
            algorithm: event.algorithm)
        state.withLock { state in
            state.statistics[key, default: OperationStatistics(event)].add(event)
            guard keepsEvents else { return }
            if state.events.count < Self.eventLimit {
                state.events.append(event)
            } else {
                state.dropped += 1
            }
        }
    }

    var statistics: [OperationStatistics] { state.withLock { Array($0.statistics.values) } }

    /// What there is for the timeline, and how many events found no room.
    var events: (kept: [Event], dropped: Int) { state.withLock { ($0.events, $0.dropped) } }

    /// Nanoseconds of the monotonic clock.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
