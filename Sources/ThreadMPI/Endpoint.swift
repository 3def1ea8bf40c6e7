// One rank of the world as the others see it: where it sleeps, how it is woken, whether it has
// left, and what it has sent.

import Glibc
import MessagePassing
import Synchronization

typealias EndpointPointer = UnsafeMutablePointer<Endpoint>

/// Where the threads of one rank wait.
///
/// Not a class: every message touches its receiver's endpoint and mailbox, and reference counts
/// that two ranks change would travel between their cores each time.
///
/// A waiter announces itself in `sleepers` before it looks a last time; whoever makes something
/// ready does so before it looks at `sleepers`. Both steps are sequentially consistent, so one of
/// the two sees the other, and a wake-up that nobody waits for costs one load.
struct Endpoint: ~Copyable {
    /// The rank in the world.
    let worldRank: Int
    let patience: Patience
    /// Counts what waiters must look at beyond the operation they wait for: a transfer begun on
    /// another of their operations, a rank that left, or a message of a collective under way.
    let notices = Atomic<UInt32>(0)
    /// Has this rank's program returned? Then it sends and receives nothing any more.
    let hasLeft = Atomic(false)
    let sentMessages = Atomic<Int>(0)
    let sentBytes = Atomic<Int>(0)

    /// The nonblocking collectives of this rank, on all its communicators.
    let collectives = CollectivesUnderWay()
    /// How many those are.
    let collectiveCount = Atomic<Int>(0)
    /// Does a thread advance them?
    let isAdvancing = Atomic(false)
    /// Errors of those that are complete, by request.
    let collectiveErrors = Mutex<[UInt64: MPIError]>([:])

    private let sleepers = Atomic<Int>(0)
    /// Keeps the next endpoint's counters off this one's cache lines.
    private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
        (0, 0, 0, 0, 0, 0, 0, 0)
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    init(worldRank: Int, patience: Patience) {
        self.worldRank = worldRank
        self.patience = patience
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Wakes this rank's sleeping threads, which then look again.
    @inline(__always)
    func wake() {
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wakeSleepers() }
    }

    @inline(never)
    private func wakeSleepers() {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Makes waiters look at all they wait for.
    func notify() {
        notices.add(1, ordering: .sequentiallyConsistent)
        wake()
    }

    /// Waits until `ready`, which must only look and must load sequentially consistent: first
    /// spinning, then letting others run, then asleep. False if the patience ran out.
    @inline(__always)
    func block(until ready: () -> Bool) -> Bool {
        for _ in 0..<patience.spins where ready() { return true }
        for _ in 0..<patience.yields {
            sched_yield()
            if ready() { return true }
        }
        return sleep(until: patience.timeout.map(MonotonicTime.init(after:)), ready)
    }

    /// Sleeps until `ready`; false if it is not by `deadline`.
    func sleep(until deadline: MonotonicTime?, _ ready: () -> Bool) -> Bool {
        pthread_mutex_lock(mutex)
        sleepers.add(1, ordering: .sequentiallyConsistent)
        defer {
            sleepers.subtract(1, ordering: .sequentiallyConsistent)
            pthread_mutex_unlock(mutex)
        }
        while !ready() {
            guard let deadline else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            var time = deadline.time
            if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return ready() }
        }
        return true
    }
}

/// The endpoints of a world, for as long as anyone may use one.
final class Endpoints: @unchecked Sendable {
    private let first: EndpointPointer
    let count: Int

    init(count: Int, patience: Patience) {
        self.count = count
        first = .allocate(capacity: count)
        for rank in 0..<count {
            (first + rank).initialize(to: Endpoint(worldRank: rank, patience: patience))
        }
    }

    deinit {
        first.deinitialize(count: count)
        first.deallocate()
    }

    subscript(rank: Int) -> EndpointPointer { first + rank }
    var all: [EndpointPointer] { (0..<count).map { first + $0 } }
}

/// How a rank waits, which depends on whether its peers have cores of their own to run on.
struct Patience: Sendable {
    /// Looks without giving up the core: a message between two running threads takes about as
    /// long as one such look.
    var spins: Int
    /// Looks between which other threads may run.
    var yields: Int
    /// How long one wait may last; nil waits for ever.
    var timeout: Duration?
    /// Do ranks share cores? Then a rank that polls must let the others run.
    var isOversubscribed: Bool

    init(ranks: Int, timeout: Duration?) {
        isOversubscribed = ranks > sysconf(Int32(_SC_NPROCESSORS_ONLN))
        spins = isOversubscribed ? 1 : 2000
        yields = 50
        self.timeout = timeout
    }
}

/// A point on the clock that sleeping threads are woken by.
struct MonotonicTime {
    var time = timespec()

    /// A duration from now.
    init(after duration: Duration) {
        clock_gettime(CLOCK_MONOTONIC, &time)
        let (seconds, attoseconds) = duration.components
        let nanoseconds = time.tv_nsec + Int(attoseconds / 1_000_000_000)
        time.tv_sec += Int(clamping: min(seconds, 1 << 32)) + nanoseconds / 1_000_000_000
        time.tv_nsec = nanoseconds % 1_000_000_000
    }
}
