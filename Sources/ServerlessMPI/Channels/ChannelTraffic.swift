// Counts what went over which channel, so that a user can see what a plan came to.

import MessagePassing
import Synchronization

/// What one rank sent over one channel, and the collectives it took part in there.
public struct ChannelTraffic: Sendable, Equatable {
    /// Messages sent, those of collectives that are made of messages included.
    public var messages = 0
    /// Collectives that a store carried as a whole.
    public var collectives = 0
    /// Payload of both: of a message its length, of a collective this rank's contribution.
    public var byteCount = 0
}

/// The counters of one rank, for all its communicators.
final class ChannelCounters: Sendable {
    private final class Counter: Sendable {
        let messages = Atomic<Int>(0)
        let collectives = Atomic<Int>(0)
        let byteCount = Atomic<Int>(0)
    }

    private let counters = Channel.allCases.map { _ in Counter() }

    private func counter(_ channel: Channel) -> Counter {
        switch channel {
        case .direct: counters[0]
        case .relayed: counters[1]
        case .redis: counters[2]
        case .s3: counters[3]
        }
    }

    func message(_ byteCount: Int, over channel: Channel) {
        counter(channel).messages.add(1, ordering: .relaxed)
        counter(channel).byteCount.add(byteCount, ordering: .relaxed)
    }

    func collective(_ byteCount: Int, over channel: Channel) {
        counter(channel).collectives.add(1, ordering: .relaxed)
        counter(channel).byteCount.add(byteCount, ordering: .relaxed)
    }

    subscript(channel: Channel) -> ChannelTraffic {
        let counter = counter(channel)
        return ChannelTraffic(
            messages: counter.messages.load(ordering: .relaxed),
            collectives: counter.collectives.load(ordering: .relaxed),
            byteCount: counter.byteCount.load(ordering: .relaxed))
    }
}
