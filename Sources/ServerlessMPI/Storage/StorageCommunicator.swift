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
        guard (0..<size).contains(destination.rawValue) else {
            throw .invalidArgument(
                "send", "there is no rank \(destination); use 0 ... \(size - 1)")
        }
        guard tag.rawValue >= 0 else {
            throw .invalidArgument(
                "send", "tag \(tag) cannot be sent; use 0 ... \(Tag.upperBound)")
        }
        return try engine.isend(
            bytes, in: space, to: destination.rawValue, tag: tag, call: context.packedCall)
    }

    public func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        if source == .none { return .completed }
        try check(source, tag, "recv")
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
        if requests.isEmpty {
            throw .invalidArgument("waitany", "there is no request to wait for")
        }
        return try engine.waitAny(requests, index: &index)
    }

    public func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        if !statuses.isEmpty && statuses.count != requests.count {
            throw .invalidArgument("waitall", "one status per request, or none at all")
        }
        for index in statuses.indices { statuses[index] = .empty }
        try engine.waitAll(requests, statuses: statuses)
    }

    public func cancel(_ request: RequestHandle) -> Bool {
        request == .completed ? false : engine.cancel(request)
    }

    // MARK: Probes

    public func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        if source == .none { return .empty }
        try check(source, tag, "iprobe")
        return try engine.poll(probing: senders(source)) { engine.probe(in: space, source, tag) }
    }

    public func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        if source == .none { return .empty }
        try check(source, tag, "probe")
        return try engine.block(
            "probe", probing: senders(source), { engine.probe(in: space, source, tag) },
            awaited: { "a message from rank \(source) with tag \(tag)" })
    }

    public func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        if source == .none { return (.nothing, .empty) }
        try check(source, tag, "improbe")
        return try engine.poll(probing: senders(source)) { engine.claim(in: space, source, tag) }
    }

    public func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        if source == .none { return (.nothing, .empty) }
        try check(source, tag, "mprobe")
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
        return child(plan.contextID, rank: plan.rank, group: plan.members)
    }

    public func dup() throws(MPIError) -> any Communicator {
        let call = try beginCollective(.dup, root: nil)
        let id = childContextID(parent: space.contextID, sequence: call.sequence, color: 0)
        return child(id, rank: rank, group: Array(0..<size))
    }

    private func child(_ contextID: UInt64, rank: Int, group: [Int]) -> StorageCommunicator {
        let worldRanks = group.map { space.group[$0] }
        return StorageCommunicator(
            engine: engine,
            space: engine.openSpace(contextID: contextID, rank: rank, group: worldRanks))
    }

    public func abort(_ reason: MPIError) throws(MPIError) -> Never {
        throw engine.fail(reason)
    }

    public func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try engine.beginCollective(in: space, operation, root: root)
    }

    private func check(_ source: Source, _ tag: Tag, _ operation: String) throws(MPIError) {
        guard source == .any || (0..<size).contains(source.rawValue) else {
            throw .invalidArgument(
                operation, "there is no rank \(source); use 0 ... \(size - 1), or .any")
        }
        guard tag.rawValue >= 0 || tag == .any else {
            throw .invalidArgument(
                operation, "tag \(tag) matches nothing; use 0 ... \(Tag.upperBound), or .any")
        }
    }

    private func senders(_ source: Source) -> PollInterest {
        var ranks = source == .any ? Set(space.group) : [space.group[source.rawValue]]
        ranks.remove(engine.store.rank)
        return PollInterest(ranks: ranks)
    }
}

extension MessageHandle {
    /// The message that a probe of `.none` claims.
    fileprivate static let nothing = MessageHandle(rawValue: 0)
}
