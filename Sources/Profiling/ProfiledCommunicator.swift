// A communicator that notes every call of another one: what MPI calls its profiling interface
// (MPI 4.1 §15.2), for every transport.

import MessagePassing

/// Forwards every call to `base` and notes how long it took, what it moved and how.
///
/// Communicators made from it by `split` and `dup` are profiled together with it. Cost: two looks at
/// the clock and one lock per call, about 0.1 µs. `MPI_STATISTICS` and `MPI_TRACE` profile any
/// program without a change; see docs/OPERATING.md.
public final class ProfiledCommunicator: Communicator {
    public let base: any Communicator
    public let rank: Int
    public let size: Int
    public var timeout: Duration? { base.timeout }
    public var channelCosts: ChannelCosts { base.channelCosts }
    public var algorithmChoice: AlgorithmChoice { base.algorithmChoice }
    let recorder: Recorder
    private let number: Int32
    private let idleTimed: (any IdleTimed)?

    /// - Parameter keepsEvents: keep each call for a timeline, not only the sums.
    public convenience init(_ base: any Communicator, keepsEvents: Bool = false) {
        self.init(base, Recorder(keepsEvents: keepsEvents))
        idleTimed?.measureIdleTime()
    }

    private init(_ base: any Communicator, _ recorder: Recorder) {
        self.base = base
        self.recorder = recorder
        rank = base.rank
        size = base.size
        number = recorder.nextCommunicator()
        idleTimed = base as? any IdleTimed
    }

    /// This rank's calls so far, on this communicator and those it was made with. Local.
    public var statistics: [OperationStatistics] { recorder.statistics }

    /// Runs `body` and notes it.
    private func note<Result>(
        _ operation: ProfiledOperation, peer: Int = -1, bytes: Int = 0,
        _ algorithm: CollectiveAlgorithm? = nil, _ body: () throws(MPIError) -> Result
    ) throws(MPIError) -> Result {
        let begin = Recorder.now()
        let idleBefore = idleTimed?.idleNanoseconds
        defer {
            let idle = idleTimed.map { Int64($0.idleNanoseconds - (idleBefore ?? 0)) }
            recorder.note(
                Event(
                    begin: begin, duration: Recorder.now() - begin, idle: idle ?? -1,
                    byteCount: Int64(bytes), communicator: number,
                    peer: Int32(truncatingIfNeeded: max(peer, -1)), operation: operation,
                    algorithm: algorithm?.rawValue ?? UInt8.max))
        }
        return try body()
    }

    /// Bytes that leave for another rank.
    private func outgoing(_ bytes: UnsafeRawBufferPointer, _ destination: Destination) -> Int {
        destination == .none || destination.rawValue == rank ? 0 : bytes.count
    }

    // MARK: Point-to-point

    public func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try note(.isend, peer: destination.rawValue, bytes: outgoing(bytes, destination)) {
            () throws(MPIError) in
            try base.isend(bytes, to: destination, tag: tag, context: context)
        }
    }

    public func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        try note(.issend, peer: destination.rawValue, bytes: outgoing(bytes, destination)) {
            () throws(MPIError) in try base.issend(bytes, to: destination, tag: tag)
        }
    }

    public func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try note(.irecv, peer: source.rawValue) { () throws(MPIError) in
            try base.irecv(into: buffer, from: source, tag: tag, context: context)
        }
    }

    public func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) {
        try note(.send, peer: destination.rawValue, bytes: outgoing(bytes, destination)) {
            () throws(MPIError) in
            try base.send(bytes, to: destination, tag: tag, context: context)
        }
    }

    public func recv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> Status {
        try note(.recv, peer: source.rawValue) { () throws(MPIError) in
            try base.recv(into: buffer, from: source, tag: tag, context: context)
        }
    }

    public func wait(_ request: RequestHandle) throws(MPIError) -> Status {
        try note(.wait) { () throws(MPIError) in try base.wait(request) }
    }

    public func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        try note(.test) { () throws(MPIError) in try base.test(request) }
    }

    public func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        try note(.waitAny) { () throws(MPIError) in
            try base.waitAny(requests, index: &index)
        }
    }

    public func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        try note(.waitAll) { () throws(MPIError) in
            try base.waitAll(requests, statuses: statuses)
        }
    }

    public func cancel(_ request: RequestHandle) -> Bool { base.cancel(request) }

    public func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        try note(.probe, peer: source.rawValue) { () throws(MPIError) in
            try base.iprobe(from: source, tag: tag)
        }
    }

    public func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        try note(.probe, peer: source.rawValue) { () throws(MPIError) in
            try base.probe(from: source, tag: tag)
        }
    }

    public func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        try note(.probe, peer: source.rawValue) {
            () throws(MPIError) -> (message: MessageHandle, status: Status)? in
            try base.improbeHandle(from: source, tag: tag)
        }
    }

    public func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        try note(.probe, peer: source.rawValue) {
            () throws(MPIError) -> (message: MessageHandle, status: Status) in
            try base.mprobeHandle(from: source, tag: tag)
        }
    }

    public func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        try note(.imrecv) { () throws(MPIError) in try base.imrecv(message, into: buffer) }
    }

    // MARK: Collectives

    public func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try base.beginCollective(operation, root: root)
    }

    public func run(_ collective: Collective) throws(MPIError) {
        try note(
            .run(collective.operation), peer: collective.root ?? -1,
            bytes: collective.payloadToOthers(rank: rank, size: size),
            base.algorithm(of: collective)
        ) { () throws(MPIError) in try base.run(collective) }
    }

    public func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        try note(
            .start(collective.operation), peer: collective.root ?? -1,
            bytes: collective.payloadToOthers(rank: rank, size: size),
            base.algorithm(of: collective)
        ) { () throws(MPIError) in try base.start(collective) }
    }

    public func algorithm(of collective: Collective) -> CollectiveAlgorithm {
        base.algorithm(of: collective)
    }

    // MARK: Communicators

    public func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        let child = try note(.run(.split), .native) {
            () throws(MPIError) in try base.split(color: color, key: key)
        }
        return child.map { ProfiledCommunicator($0, recorder) }
    }

    public func dup() throws(MPIError) -> any Communicator {
        let child = try note(.run(.dup), .native) { () throws(MPIError) in try base.dup() }
        return ProfiledCommunicator(child, recorder)
    }

    public func abort(_ reason: MPIError) throws(MPIError) -> Never { try base.abort(reason) }
}
