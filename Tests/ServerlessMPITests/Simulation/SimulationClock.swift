// Virtual time: what happens next is the earliest of what has been scheduled, and things of the same
// moment happen in the order in which they were scheduled. Nothing else tells the time.

/// A queue of happenings (a binary heap) and the clock that they move.
final class SimulationClock {
    typealias Instant = ContinuousClock.Instant

    private struct Happening {
        let at: Instant
        let order: Int
        let action: () -> Void

        static func < (a: Happening, b: Happening) -> Bool {
            a.at != b.at ? a.at < b.at : a.order < b.order
        }
    }

    let start: Instant
    private(set) var now: Instant
    private var heap: [Happening] = []
    private(set) var count = 0

    init() {
        start = .now
        now = start
    }

    func at(_ instant: Instant, _ action: @escaping () -> Void) {
        count += 1
        heap.append(Happening(at: max(instant, now), order: count, action: action))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    func after(_ delay: Duration, _ action: @escaping () -> Void) { at(now + delay, action) }

    /// Lets the next thing happen; false if nothing is left.
    func step() -> Bool {
        guard !heap.isEmpty else { return false }
        heap.swapAt(0, heap.count - 1)
        let first = heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child] < heap[least] { least = child }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        now = first.at
        first.action()
        return true
    }

    /// Nothing that is scheduled happens any more.
    func stop() { heap = [] }
}
