// Matching over a store: what the program's requests are, which messages were found, and who looks
// for more. One lock, held for bookkeeping only; no request to the store is made under it.

import MessagePassing
import Synchronization

/// One communicator on this rank. Its variables are guarded by its engine's lock.
final class StorageSpace: @unchecked Sendable {
    let contextID: UInt64
    let rank: Int
    /// World ranks of its members.
    let group: [Int]
    var queues = MatchQueues()
    var ledger = CollectiveLedger()
    /// The latest calls, latest first.
    var history = [UInt64](repeating: 0, count: BoardEntry.historyCount)

    init(contextID: UInt64, rank: Int, group: [Int]) {
        self.contextID = contextID
        self.rank = rank
        self.group = group
    }
}

/// The state of one rank's job over a store.
final class StorageEngine: @unchecked Sendable {
    struct Operation {
        enum Phase { case waiting, transferring, done }

        var phase = Phase.waiting
        var isSend = false
        var contextID: UInt64 = 0
        /// Rank in the communicator, -1 for any.
        var source = -1
        var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        var status = Status.empty
        var error: MPIError?
    }

    let store: any MessageStore
    let timeout: Duration
    /// Finds the job's first cause where the store does not: links have a server for that.
    private let arbiter: (@Sendable (MPIError) -> MPIError)?
    let monitor = Monitor()
    private(set) var pool: TransferPool?

    private let waiters = Atomic<Int>(0)
    /// Threads that wait for other ranks.
    var waiterCount: Int { waiters.load(ordering: .relaxed) }

    // Under the monitor's lock.
    var spaces: [UInt64: StorageSpace] = [:]
    /// Messages of communicators that this rank has not made yet.
    var early: [UInt64: [Arrival]] = [:]
    var operations: [UInt32: Operation] = [:]
    var messages: [UInt32: Arrival] = [:]
    /// Transfers that matching has found, to be made without the lock.
    var transfers: [@Sendable () -> Void] = []
    var failure: MPIError?
    /// Did this rank find the cause, rather than hear of it?
    var foundCause = false
    var isPolling = false
    /// Transfers under way in the pool.
    var transferCount = 0
    /// Does a thread advance the collectives, with the lock released?
    private var isAdvancing = false
    private let collectives = CollectivesUnderWay()
    private var nextID: UInt32 = 1

    init(
        store: any MessageStore, timeout: Duration,
        arbiter: (@Sendable (MPIError) -> MPIError)? = nil
    ) {
        self.store = store
        self.timeout = timeout
        self.arbiter = arbiter
        if !store.transfersAtOnce { pool = TransferPool() }
    }

    func newID() -> UInt32 {
        defer { nextID = nextID == .max ? 1 : nextID + 1 }
        return nextID
    }

    // MARK: Communicators

    func openSpace(contextID: UInt64, rank: Int, group: [Int]) -> StorageSpace {
        let space = StorageSpace(contextID: contextID, rank: rank, group: group)
        let found = monitor.withLock {
            spaces[contextID] = space
            for arrival in early.removeValue(forKey: contextID) ?? [] { arrive(arrival) }
            return takeTransfers()
        }
        run(found)
        return space
    }

    func closeSpace(_ space: StorageSpace) {
        monitor.withLock { spaces[space.contextID] = nil }
    }

    // MARK: Failure

    func checkAlive() throws(MPIError) {
        if let failure = monitor.withLock({ failure }) { throw failure }
    }

    /// Fails the job with `cause`, unless it has failed already; the first cause. Never under the
    /// lock: it talks to the store.
    @discardableResult
    func fail(_ cause: MPIError) -> MPIError {
        if let failure = monitor.withLock({ failure }) { return failure }
        let first = arbiter?(cause) ?? store.publish(cause: cause)
        let settled = monitor.withLock {
            if failure == nil {
                failure = first
                foundCause = first == cause
            }
            monitor.broadcast()
            return failure ?? first
        }
        store.wake()
        return settled
    }

    /// The job has failed elsewhere.
    func jobFailed(_ cause: MPIError) {
        monitor.withLock {
            if failure == nil { failure = cause }
            monitor.broadcast()
        }
        store.wake()
    }

    func missedDeadline(_ operation: String, _ awaited: String) -> MPIError {
        MPIError(
            .timedOut, operation: operation,
            reason: "rank \(store.rank) of \(store.size) waited \(timeout) for \(awaited); check "
                + "that every send has its receive and every rank is alive, or allow more time")
    }

    /// Counts the caller among those who wait for other ranks.
    func waiting<Result>(_ body: () throws(MPIError) -> Result) throws(MPIError) -> Result {
        waiters.add(1, ordering: .relaxed)
        defer { waiters.subtract(1, ordering: .relaxed) }
        return try body()
    }

    // MARK: Collectives

    func beginCollective(
        in space: StorageSpace, _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try checkAlive()
        let (call, error) = monitor.withLock {
            let call = space.ledger.begin(operation, root: root)
            space.history = [call.packed] + space.history.dropLast()
            let other = space.queues.unexpectedCall(
                sequence: call.sequence, otherThan: call.packed)
            let error = other.flatMap {
                space.ledger.mismatch(arrived: $0.call, from: $0.source)
            }
            return (call, error)
        }
        if let error { throw fail(error) }
        return call
    }

    /// What this rank puts on the board for its latest call.
    func entry(in space: StorageSpace, _ call: CollectiveCall) -> BoardEntry {
        let before = monitor.withLock { space.history }.drop { $0 == call.packed }
        return BoardEntry(
            contextID: space.contextID, rank: space.rank, call: call.packed,
            history: before
                + Array(
                    repeating: 0, count: BoardEntry.historyCount - before.count))
    }

    /// The error that another rank's calls prove.
    func mismatch(in space: StorageSpace, _ calls: [UInt64], from rank: Int) -> MPIError? {
        monitor.withLock {
            // The oldest disagreement is the cause of the others.
            for call in calls.reversed() where call != 0 {
                if let error = space.ledger.mismatch(arrived: call, from: rank) { return error }
            }
            return nil
        }
    }

    /// Begins a recorded collective, made of messages; waits and tests carry it on.
    func start(_ schedule: CollectiveSchedule) throws(MPIError) -> RequestHandle {
        try checkAlive()
        let id = monitor.withLock {
            let id = newID()
            operations[id] = Operation(phase: .transferring)
            return id
        }
        collectives.add(schedule) { [unowned self] error in
            monitor.withLock {
                operations[id]?.phase = .done
                operations[id]?.error = error
                monitor.broadcast()
            }
        }
        monitor.withLock { advanceCollectives() }
        return RequestHandle(rawValue: UInt64(id))
    }

    /// Called and left with the lock, which is released meanwhile.
    func advanceCollectives() {
        if isAdvancing || collectives.isEmpty { return }
        isAdvancing = true
        monitor.unlock()
        collectives.advance()
        monitor.lock()
        isAdvancing = false
    }
}
