// First in, first due: connections that must have done something by a time, cheap to add and to
// take, however many there are.

/// Connections with a deadline each, all with the same time to live: first in, first due.
struct DeadlineQueue {
    private var entries: [(number: UInt64, deadline: ContinuousClock.Instant)] = []
    private var head = 0

    var first: ContinuousClock.Instant? { head < entries.count ? entries[head].deadline : nil }

    mutating func append(_ number: UInt64, deadline: ContinuousClock.Instant) {
        entries.append((number, deadline))
    }

    mutating func popFirst() -> UInt64? {
        guard head < entries.count else { return nil }
        defer {
            head += 1
            if head > 1024, head * 2 > entries.count {
                entries.removeFirst(head)
                head = 0
            }
        }
        return entries[head].number
    }

    mutating func popDue(_ now: ContinuousClock.Instant) -> UInt64? {
        guard let first, first <= now else { return nil }
        return popFirst()
    }
}
