// The Communicator over TCP connections between ranks. It checks arguments, names the space and
// group, and leaves the work to the engine; collectives are MessagePassing's default algorithms.

import MessagePassing

/// The communicator of a job that joined through a rendezvous server.
public protocol ServerlessWorld: Communicator {
    /// How this rank joined, and its connections; the same on every communicator of a job.
    var setUp: SetUp { get }
    /// This rank's connections there are now, by rank of the world; nil where there is none.
    var paths: [LinkPath?] { get }
}

/// A communicator whose ranks are processes anywhere, connected by TCP, one connection per pair.
///
/// `withWorld` makes the world; `split` and `dup` make others. All share one engine, so a failure
/// in one is a failure of the job.
public final class ServerlessCommunicator: ServerlessWorld, IdleTimed {
    public let rank: Int
    public var size: Int { space.group.count }
    public var timeout: Duration? { engine.settings.timeout }
    public let setUp: SetUp
    public let algorithmChoice: AlgorithmChoice

    public var paths: [LinkPath?] { engine.currentPaths }

    let engine: Engine
    let space: MessageSpace

    static let scratchByteCount = 8 << 10
    /// Memory for a blocking collective; there is one at a time.
    nonisolated(unsafe) let scratch: UnsafeMutableRawBufferPointer

    init(engine: Engine, space: MessageSpace, setUp: SetUp) {
        self.engine = engine
        self.space = space
        self.setUp = setUp
        rank = space.rank
        algorithmChoice = engine.algorithmChoice
        scratch = .allocate(byteCount: Self.scratchByteCount, alignment: 64)
    }

    deinit {
        scratch.deallocate()
        if space.number != 0 { engine.closeSpace(space) }
    }

    // MARK: Point-to-point

    public func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try isend(bytes, to: destination, tag: tag, context: context, store: 0)
    }

    /// - Parameter store: the engine's number of the store that the payload goes through.
    func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context,
        store: UInt8
    ) throws(MPIError) -> RequestHandle {
        if destination == .none { return .completed }
        try checkDestination(destination, tag, "send")
        return try engine.isend(
            bytes, in: space, to: destination.rawValue, tag: tag, call: context.packedCall,
            store: store)
    }

    public func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        if destination == .none { return .completed }
        try checkDestination(destination, tag, "ssend")
        return try engine.isend(
            bytes, in: space, to: destination.rawValue, tag: tag, call: 0, isSynchronous: true)
    }

    public func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        if source == .none { return .completed }
        try checkSource(source, tag, "recv")
        return try engine.irecv(
            into: buffer, in: space, from: source, tag: tag, call: context.packedCall)
    }

    public func recv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> Status {
        if source == .none { return .empty }
        try checkSource(source, tag, "recv")
        return try engine.recv(
            into: buffer, in: space, from: source, tag: tag, call: context.packedCall)
    }

    public func wait(_ request: RequestHandle) throws(MPIError) -> Status {
        request == .completed ? .empty : try engine.wait(request)
    }

    public func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        request == .completed ? .empty : try engine.test(request)
    }

    public func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        index = -1
        try checkNotEmpty(requests)
        if let position = requests.firstIndex(of: .completed) {
            index = position
            return .empty
        }
        return try engine.waitAny(requests, index: &index)
    }

    public func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        try checkStatuses(statuses, of: requests)
        try engine.waitAll(requests, statuses: statuses)
    }

    public func cancel(_ request: RequestHandle) -> Bool {
        request == .completed ? false : engine.cancel(request)
    }

    // MARK: Probes

    public func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        if source == .none { return .empty }
        try checkSource(source, tag, "iprobe")
        return try engine.poll { engine.probe(in: space, from: source, tag: tag)?.status }
    }

    public func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        if source == .none { return .empty }
        try checkSource(source, tag, "probe")
        return try engine.block(awaiting: awaited(source, tag)) {
            engine.probe(in: space, from: source, tag: tag)?.status
        }
    }

    public func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        if source == .none { return (.nothing, .empty) }
        try checkSource(source, tag, "improbe")
        return try engine.poll { engine.claim(in: space, from: source, tag: tag) }
    }

    public func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        if source == .none { return (.nothing, .empty) }
        try checkSource(source, tag, "mprobe")
        return try engine.block(awaiting: awaited(source, tag)) {
            engine.claim(in: space, from: source, tag: tag)
        }
    }

    public func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        message == .nothing ? .completed : try engine.imrecv(message, into: buffer)
    }

    // MARK: Collectives

    public func run(_ collective: Collective) throws(MPIError) {
        try checkArguments(of: collective)
        try LinkSteps.run(collective, on: self)
    }

    public func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        try engine.start(try schedule(collective))
    }

    // MARK: Communicators

    public func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        try splitDirect(color: color, key: key)
    }

    func splitDirect(color: Int?, key: Int) throws(MPIError) -> ServerlessCommunicator? {
        guard let plan = try planSplit(color: color, key: key, contextID: space.contextID) else {
            return nil
        }
        return try child(plan)
    }

    public func dup() throws(MPIError) -> any Communicator { try dupDirect() }

    func dupDirect() throws(MPIError) -> ServerlessCommunicator {
        try child(try planDup(contextID: space.contextID))
    }

    private func child(_ plan: SplitPlan) throws(MPIError) -> ServerlessCommunicator {
        ServerlessCommunicator(
            engine: engine,
            space: try engine.openSpace(
                contextID: plan.contextID, rank: plan.rank,
                group: plan.members.map { space.group[$0] }),
            setUp: setUp)
    }

    public func abort(_ reason: MPIError) throws(MPIError) -> Never {
        throw engine.abort(reason)
    }

    public func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try engine.beginCollective(in: space, operation, root: root)
    }

    // MARK: Profiling

    public func measureIdleTime() { engine.measureIdleTime() }
    public var idleNanoseconds: Int { engine.idleNanoseconds }

    private func awaited(_ source: Source, _ tag: Tag) -> Awaited {
        .message(from: source == .any ? -1 : space.group[source.rawValue], tag: tag)
    }
}
