// The Communicator through a store: how serverless programs talk where ranks cannot reach each
// other, and the baseline that direct connections are compared with.

import MessagePassing

/// A communicator whose messages lie in Redis or S3 until their receiver takes them.
///
/// `withWorld` makes the world when the join URL begins with `redis://` or `s3://`. A send is
/// complete when the store has the message. Costs: see `StoreTraffic`.
public final class StorageCommunicator: StoreBacked {
    public let rank: Int
    public var size: Int { space.group.count }
    public var timeout: Duration? { engine.timeout }

    let engine: StorageEngine
    let space: StorageSpace

    /// What this rank has asked of the store until now, for all its communicators.
    public var traffic: StoreTraffic { engine.store.meter.traffic }

    init(engine: StorageEngine, space: StorageSpace) {
        self.engine = engine
        self.space = space
        rank = space.rank
    }

    deinit {
        if space.contextID != worldContextID { engine.closeSpace(space) }
    }

    // MARK: Point-to-point

    public func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        if destination == .none { return .completed }
        try checkDestination(destination, tag, "send")
        return try engine.isend(
            bytes, in: space, to: destination.rawValue, tag: tag, call: context.packedCall)
    }

    public func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        if source == .none { return .completed }
        try checkSource(source, tag, "recv")
        return try engine.irecv(
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
        return try engine.waitAny(requests, index: &index)
    }

    public func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        try checkStatuses(statuses, of: requests)
        for index in statuses.indices { statuses[index] = .empty }
        try engine.waitAll(requests, statuses: statuses)
    }

    public func cancel(_ request: RequestHandle) -> Bool {
        request == .completed ? false : engine.cancel(request)
    }

    // MARK: Probes

    public func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        if source == .none { return .empty }
        try checkSource(source, tag, "iprobe")
        return try engine.poll(probing: senders(source)) { engine.probe(in: space, source, tag) }
    }

    public func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        if source == .none { return .empty }
        try checkSource(source, tag, "probe")
        return try engine.block(
            "probe", probing: senders(source), { engine.probe(in: space, source, tag) },
            awaited: { "a message from rank \(source) with tag \(tag)" })
    }

    public func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        if source == .none { return (.nothing, .empty) }
        try checkSource(source, tag, "improbe")
        return try engine.poll(probing: senders(source)) { engine.claim(in: space, source, tag) }
    }

    public func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        if source == .none { return (.nothing, .empty) }
        try checkSource(source, tag, "mprobe")
        return try engine.block(
            "mprobe", probing: senders(source), { engine.claim(in: space, source, tag) },
            awaited: { "a message from rank \(source) with tag \(tag)" })
    }

    public func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        message == .nothing ? .completed : try engine.imrecv(message, into: buffer)
    }

    // MARK: Communicators

    public func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        guard let plan = try planSplit(color: color, key: key, contextID: space.contextID) else {
            return nil
        }
        return child(plan)
    }

    public func dup() throws(MPIError) -> any Communicator {
        child(try planDup(contextID: space.contextID))
    }

    private func child(_ plan: SplitPlan) -> StorageCommunicator {
        StorageCommunicator(
            engine: engine,
            space: engine.openSpace(
                contextID: plan.contextID, rank: plan.rank,
                group: plan.members.map { space.group[$0] }))
    }

    public func abort(_ reason: MPIError) throws(MPIError) -> Never {
        throw engine.fail(reason)
    }

    public func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try engine.beginCollective(in: space, operation, root: root)
    }

    private func senders(_ source: Source) -> PollInterest {
        var ranks = source == .any ? Set(space.group) : [space.group[source.rawValue]]
        ranks.remove(engine.store.rank)
        return PollInterest(ranks: ranks)
    }
}
