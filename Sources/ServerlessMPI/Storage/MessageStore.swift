// What a storage service must offer to carry a job: a way to leave messages for a rank and to find
// one's own, and a board on which all ranks of a collective put what they bring.

import MessagePassing

/// A message that was found in the store.
struct Arrival: Sendable {
    var frame: StoredFrame
    /// All of the payload, or, for one that lies apart, as much as came with the frame.
    var bytes: [UInt8]

    var isComplete: Bool { bytes.count == frame.payloadByteCount }
}

/// Whose messages are looked for: world ranks other than this one. None if only the job's failure
/// would be news.
struct PollInterest: Equatable {
    var ranks: Set<Int> = []
}

/// One rank's contribution to a collective call, and which calls it made before.
struct BoardEntry: Sendable, Equatable {
    /// How many earlier calls an entry names, so that ranks which went separate ways are found out
    /// at their next meeting.
    static let historyCount = 3

    var contextID: UInt64
    var rank: Int
    /// `CollectiveCall.packed`.
    var call: UInt64
    /// The calls before it, latest first; 0 where there was none.
    var history: [UInt64]

    var sequence: UInt32 { UInt32(call >> 32) }
}

/// How a rank comes by its number in a job.
enum StoreSeat {
    /// It claims that number, or any, in the store, and waits until all ranks have come.
    case claim(rank: Int?, RequestID)
    /// It has joined the job elsewhere, where failures are told, too.
    case member(rank: Int)
}

/// A storage service as one rank of one job uses it.
///
/// Everything blocks its caller, at most until the deadline given. `poll` is called by one thread
/// at a time; all else by any thread.
protocol MessageStore: PayloadStore, Sendable {
    var rank: Int { get }
    var size: Int { get }
    /// Does a transfer return as soon as the bytes are on their way? Then the caller makes it
    /// itself, else a thread of the pool.
    var transfersAtOnce: Bool { get }
    /// Does `poll` look for certain senders only?
    var pollsBySender: Bool { get }
    var meter: StoreMeter { get }

    /// A number for a message to `destination`. Messages of one pair are found in this order.
    func number(to destination: Int) -> UInt64
    /// Leaves a message for a rank. `payload` is free when this returns.
    func put(
        _ frame: StoredFrame, _ payload: UnsafeRawBufferPointer, to destination: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError)
    /// Messages for this rank. Blocks until there is one, `wake` is called or the deadline.
    func poll(
        _ interest: PollInterest, deadline: ContinuousClock.Instant
    ) throws(MPIError) -> [Arrival]
    /// Makes a `poll` that is under way, or the next one, return.
    func wake()
    /// Brings the payload of a message that lies apart. `buffer` is as long as the payload.
    func fetch(
        _ arrival: Arrival, into buffer: UnsafeMutableRawBufferPointer,
        deadline: ContinuousClock.Instant
    ) throws(MPIError)
    /// The payload of a message will not be wanted.
    func discard(_ arrival: Arrival)

    /// One rank's bytes to all others.
    func bcast(
        _ entry: BoardEntry, _ buffer: UnsafeMutableRawBufferPointer, root: Int,
        _ meeting: Meeting
    ) throws(MPIError)
    /// Everybody's bytes to everybody: waits until all have come, and then, unless `partition` is
    /// nil, puts part r of `partition` of `whole`, rank r's bytes, in place for every other rank.
    func meet(
        _ entry: BoardEntry, _ part: UnsafeRawBufferPointer,
        into whole: UnsafeMutableRawBufferPointer, _ partition: Partition?,
        _ meeting: Meeting
    ) throws(MPIError)

    /// Shows that this rank lives.
    func renewLease() throws(MPIError)
    /// A rank that has shown no sign of life for the lease's time and has not left, if one is known.
    /// - Parameter isWaitedFor: does this rank wait for others? Where looking has a price, only then.
    func lostRank(_ lease: Lease, isWaitedFor: Bool) throws(MPIError) -> Int?

    /// Makes `cause` the job's first cause unless there is one; the first one.
    func publish(cause: MPIError) -> MPIError
    /// Says that this rank is done; the last one removes what the job left in the store.
    func leave(deadline: ContinuousClock.Instant) throws(MPIError)
}

/// The communicator as a store sees it during a collective.
struct Meeting {
    let communicator: StorageCommunicator
    let call: CollectiveCall
    let deadline: ContinuousClock.Instant

    var size: Int { communicator.size }
    /// For one request: time enough to answer even when the call's own is nearly over, so that what
    /// is reported is who was waited for and not the last request.
    var requestDeadline: ContinuousClock.Instant { max(deadline, .now + .seconds(5)) }

    /// Throws if the job has failed meanwhile, or the deadline has passed.
    func check(missing: @autoclosure () -> [Int]) throws(MPIError) {
        try communicator.engine.checkAlive()
        guard ContinuousClock.now >= deadline else { return }
        throw communicator.engine.fail(
            communicator.engine.missedDeadline(
                call.name,
                "rank \(missing().prefix(8).map(String.init).joined(separator: ", ")) in \(call)"))
    }

    /// Compares another rank's entry with what this rank has called.
    func compare(call theirs: UInt64, history: [UInt64], from rank: Int) throws(MPIError) {
        if let error = communicator.engine.mismatch(
            in: communicator.space, [theirs] + history, from: rank)
        {
            throw communicator.engine.fail(error)
        }
    }
}
