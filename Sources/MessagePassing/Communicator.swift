// The Communicator: what a transport must provide, and what it may override. Everything is bytes
// here, so that one implementation serves every element type; users call the typed methods in
// PointToPoint/ and Collectives/, which are extensions of this protocol.

/// A group of ranks that exchange messages (MPI 4.1 §7.2).
///
/// **Threads.** Point-to-point calls may come from several threads at once. Collectives of one
/// communicator come from one thread at a time, and *every* rank must call them in the same order:
/// a collective is an agreement, and a rank that calls another one leaves its peers waiting for a
/// message that never comes. ThreadMPI and ServerlessMPI detect that and throw
/// `mismatchedCollective` on every rank; under MPI the program hangs.
///
/// **Errors.** Wrong arguments throw `invalidArgument` on the calling rank before anything is
/// sent. A transport failure (`peerLost`, `timedOut`, `aborted`, `mismatchedCollective`) fails the
/// communicator: each later call on any rank throws the same first cause.
public protocol Communicator: AnyObject, Sendable {
    /// This process's number in the communicator, 0 ..< size. Local.
    var rank: Int { get }
    /// Number of ranks. Local.
    var size: Int { get }
    /// How long one wait may last before it throws `timedOut`; nil waits for ever. Local.
    var timeout: Duration? { get }
    /// What its messages cost, for decisions that depend on it (a dataframe's joins): defaults unless
    /// a transport knows better, and best the same on all ranks. Local.
    var channelCosts: ChannelCosts { get }

    // MARK: Point-to-point: a transport writes these

    /// Starts a send (MPI_Isend). Local. `bytes` must stay valid and unchanged until the request
    /// completes, which may be before a receive is posted. Completes at once for `.none`.
    func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle

    /// Starts a send that completes only when its receive has begun (MPI_Issend, MPI 4.1 §3.4), in
    /// the user's context. Local. Otherwise as `isend`.
    func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle

    /// Starts a receive (MPI_Irecv). Local. `buffer` must not be touched until the request
    /// completes. Messages of one pair, tag and context match in the order they were sent.
    func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle

    /// Blocks until the request completes and frees it, also when it throws (MPI_Wait).
    func wait(_ request: RequestHandle) throws(MPIError) -> Status
    /// Makes progress; if the request is complete, frees it and returns its status or throws
    /// its error (MPI_Test).
    func test(_ request: RequestHandle) throws(MPIError) -> Status?
    /// Blocks until one of the requests, which must not be empty, completes and frees that one
    /// (MPI_Waitany). `index` is which, also when its error is thrown; it is -1 when the error is
    /// no request's own (`timedOut`), and then none is freed.
    func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status
    /// Blocks until all are complete and frees them; `statuses` is empty or as long as `requests`
    /// (MPI_Waitall). When one fails, all are finished or cancelled before the error is thrown:
    /// no buffer is in use any more.
    func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError)
    /// Withdraws a receive that no message has matched yet and frees it: true. Else (a send, or a
    /// matched receive) false: wait for it (MPI_Cancel).
    func cancel(_ request: RequestHandle) -> Bool

    /// Is there a message to receive? Makes progress, receives nothing (MPI_Iprobe).
    func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status?
    /// Blocks until there is one (MPI_Probe).
    func probe(from source: Source, tag: Tag) throws(MPIError) -> Status
    /// Takes a message out of matching without receiving it (MPI_Improbe), so that no other
    /// thread's receive can match it; it must then be received by `imrecv`. Users call the typed
    /// form, which returns a `Message`.
    func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)?
    /// Blocks until there is one (MPI_Mprobe).
    func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)
    /// Starts receiving a message that a matched probe returned (MPI_Imrecv).
    func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle

    // MARK: Point-to-point: defaults in PointToPoint/, a transport may do better

    /// Sends, and blocks until `bytes` may be reused (MPI_Send). Local. By default `isend` and `wait`.
    func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError)
    /// Blocks until a message is received (MPI_Recv). Local. By default `irecv` and `wait`.
    func recv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> Status

    // MARK: Communicators

    /// Collective. Ranks of equal `color` form a new communicator, ordered by `key`, then by rank
    /// here; `nil` (MPI_UNDEFINED) joins none and returns nil (MPI_Comm_split).
    func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)?
    /// Collective. The same group with message spaces of its own (MPI_Comm_dup).
    func dup() throws(MPIError) -> any Communicator
    /// Local. Fails the communicator on every rank with `reason` as cause, then throws it
    /// (MPI_Abort).
    func abort(_ reason: MPIError) throws(MPIError) -> Never

    // MARK: Collectives: defaults in Algorithms/, a transport may do better

    /// Numbers the next collective call of this communicator; default algorithms start with it.
    /// Throws `mismatchedCollective` if peers are known to be in another call. Local.
    func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall
    /// Runs a collective to its end. Users call the typed forms (`allreduce` and so on), or the raw
    /// forms on bytes, all of which come here.
    func run(_ collective: Collective) throws(MPIError)
    /// By what default algorithms are chosen; the same on all ranks. By `channelCosts` unless the
    /// transport knows better.
    var algorithmChoice: AlgorithmChoice { get }
    /// How `run` and `start` carry a collective out. Local.
    func algorithm(of collective: Collective) -> CollectiveAlgorithm
    /// Starts a collective (MPI 4.1 §6.12): complete once the request is. All ranks start the same
    /// collectives, blocking ones included, in the same order; several may be under way. Every
    /// call that makes progress makes it for them, too. Users call the typed forms (`iallreduce`
    /// and so on), which keep the memory in place.
    func start(_ collective: Collective) throws(MPIError) -> RequestHandle
}

/// A communicator that can tell waiting from working.
public protocol IdleTimed: Communicator {
    /// From now on: two looks at the clock per fruitless look at the connections.
    func measureIdleTime()
    /// How long calls of this rank, on all its communicators, have had nothing to do but wait.
    var idleNanoseconds: Int { get }
}
