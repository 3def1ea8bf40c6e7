// One communicator over several channels: links between ranks, which carry order and matching, and
// stores, which carry payload where the plan says so. Each operation takes the channel that its
// kind, size and links ask for.

import MessagePassing

/// A communicator that sends each message, and makes each collective, over links, Redis or S3.
///
/// `withWorld` makes the world when the join URL or the environment names channels.
///
/// **Messages** are announced and matched over the link of the two ranks; the payload of those that
/// the plan gives to a store is left there, and fetched by the receive that matches. The sender
/// alone decides, so that any receive, probe or cancel finds what it would find without
/// stores. Gather, scatter, alltoall, their uneven forms and reduce are made of such messages:
/// each is routed by its own size, and ranks need not know each other's counts.
///
/// **Collectives in which all read the same** (bcast, allgather, allgatherv, allreduce, scan,
/// exscan) are made by a store as a whole, if the plan says so for the size that all ranks pass.
/// Before, the ranks meet over the links (a barrier of empty messages): so nobody still
/// waits for a message that a rank inside the store would not serve, and ranks that call different
/// collectives are told so. Barrier, split and dup go over the links.
///
/// **Failure** has one cause, whatever found it: the rendezvous server's verdict.
public final class MultichannelCommunicator: ServerlessWorld {
    /// The same ranks over links alone.
    public let direct: ServerlessCommunicator
    let job: MultichannelJob
    let router: ChannelRouter
    private let stores: [Channel: StorageCommunicator]
    /// The kind of the slowest link among the ranks.
    let slowestLink: Channel

    public var rank: Int { direct.rank }
    public var size: Int { direct.size }
    public var timeout: Duration? { direct.timeout }
    public var setUp: SetUp { direct.setUp }
    public var paths: [LinkPath?] { direct.paths }
    public var plan: ChannelPlan { router.plan }

    init(_ direct: ServerlessCommunicator, _ job: MultichannelJob) {
        self.direct = direct
        self.job = job
        let space = direct.space
        router = ChannelRouter(job.plan, size: space.group.count, costs: job.costs)
        stores = job.engines.mapValues { engine in
            StorageCommunicator(
                engine: engine,
                space: engine.openSpace(
                    contextID: space.contextID, rank: space.rank, group: space.group))
        }
        slowestLink = job.links.hasRelayed(among: space.group) ? .relayed : .direct
    }

    // MARK: What the plan comes to

    /// Which channel an operation takes now, and why: the choice first, then the figures. Local.
    /// - Parameters:
    ///   - byteCount: as `CostModel.estimate` has it.
    ///   - peer: the receiver of a send; of other operations it is not looked at.
    public func explain(
        _ operation: MessageOperation, byteCount: Int, to peer: Int? = nil
    ) -> [String] {
        switch operation {
        case .send:
            return router.explain(operation, byteCount: byteCount, link: link(to: peer ?? rank))
        case .collective(let collective) where collective.isRoutedWhole:
            return router.explain(operation, byteCount: byteCount, link: slowestLink)
        case .collective(let collective) where collective.isRoutedByMessage:
            return router.explain(operation, byteCount: byteCount, link: slowestLink)
                + ["  each message of it by its own size and link"]
        case .collective:
            return ["\(operation) takes \(slowestLink)", "  as it has next to no payload"]
        }
    }

    /// What this rank has sent over one channel until now, for all its communicators. Local.
    public func channelTraffic(over channel: Channel) -> ChannelTraffic { job.counters[channel] }

    /// What this rank has asked of one store until now, for all its communicators. Local.
    public func storeTraffic(of channel: Channel) -> StoreTraffic {
        job.engines[channel]?.store.meter.traffic ?? StoreTraffic()
    }

    // MARK: Point-to-point

    public func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        let channel = channel(bytes.count, to: destination, context)
        let request = try direct.isend(
            bytes, to: destination, tag: tag, context: context, store: job.number(of: channel))
        if destination != .none { job.counters.message(bytes.count, over: channel) }
        return request
    }

    /// Over the link, whatever the plan says: a store does not tell when a message is received.
    public func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        let request = try direct.issend(bytes, to: destination, tag: tag)
        if (0..<size).contains(destination.rawValue) {
            job.counters.message(bytes.count, over: link(to: destination.rawValue))
        }
        return request
    }

    private func channel(
        _ byteCount: Int, to destination: Destination, _ context: Context
    ) -> Channel {
        // Wrong destinations are the link's to refuse; what is for oneself goes nowhere.
        guard (0..<size).contains(destination.rawValue), destination.rawValue != rank else {
            return .direct
        }
        let link = link(to: destination.rawValue)
        let chosen: Channel
        switch context {
        case .pointToPoint:
            chosen = router.route(.send, byteCount: byteCount, link: link)
        case .collective(let call) where call.operation.isRoutedByMessage:
            chosen = router.route(
                .collective(call.operation), byteCount: byteCount, link: link)
        case .collective:
            return link
        }
        return chosen == .s3 && byteCount > S3Store.objectByteCountMax ? link : chosen
    }

    private func link(to peer: Int) -> Channel {
        job.links.isRelayed(rank: direct.space.group[rank], direct.space.group[peer])
            ? .relayed : .direct
    }

    public func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try direct.irecv(into: buffer, from: source, tag: tag, context: context)
    }

    public func recv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> Status {
        try direct.recv(into: buffer, from: source, tag: tag, context: context)
    }

    public func wait(_ request: RequestHandle) throws(MPIError) -> Status {
        try direct.wait(request)
    }

    public func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        try direct.test(request)
    }

    public func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        try direct.waitAny(requests, index: &index)
    }

    public func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        try direct.waitAll(requests, statuses: statuses)
    }

    public func cancel(_ request: RequestHandle) -> Bool { direct.cancel(request) }

    // MARK: Probes

    public func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        try direct.iprobe(from: source, tag: tag)
    }

    public func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        try direct.probe(from: source, tag: tag)
    }

    public func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        try direct.improbeHandle(from: source, tag: tag)
    }

    public func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        try direct.mprobeHandle(from: source, tag: tag)
    }

    public func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        try direct.imrecv(message, into: buffer)
    }

    // MARK: Communicators

    public func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        guard let part = try direct.splitDirect(color: color, key: key) else { return nil }
        return MultichannelCommunicator(part, job)
    }

    public func dup() throws(MPIError) -> any Communicator {
        MultichannelCommunicator(try direct.dupDirect(), job)
    }

    public func abort(_ reason: MPIError) throws(MPIError) -> Never { try direct.abort(reason) }

    public func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try direct.beginCollective(operation, root: root)
    }

    // MARK: Collectives that a store makes as a whole

    /// The store that makes this collective; nil where the links do.
    func store(for operation: CollectiveOperation, _ byteCount: Int) -> StorageCommunicator? {
        let channel = router.route(
            .collective(operation), byteCount: byteCount, link: slowestLink)
        guard let store = stores[channel] else { return nil }
        job.counters.collective(byteCount, over: channel)
        return store
    }
}

extension CollectiveOperation {
    /// Made by a store as a whole: what all need is written once.
    var isRoutedWhole: Bool {
        switch self {
        case .bcast, .allgather, .allgatherv, .allreduce, .scan, .exscan: true
        default: false
        }
    }

    /// Made of messages from rank to rank, each of which is routed.
    var isRoutedByMessage: Bool {
        switch self {
        case .gather, .gatherv, .scatter, .scatterv, .alltoall, .alltoallv, .reduce,
            .reduceScatter:
            true
        default: false
        }
    }
}
