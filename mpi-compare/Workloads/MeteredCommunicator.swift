// A communicator that measures another one. Every requirement is forwarded, so that a transport's
// own algorithms run unchanged; only the clock and a byte count are added.
//
// Bytes are payload that the operation must move to *other* ranks, by MPI's definition of it, and
// not what an algorithm happens to send: hence the same on every transport.
import MessagePassing

/// Forwards to `base`, adding durations and bytes to `meter`. Communicators made from it by `split`
/// and `dup` add to the same meter.
final class MeteredCommunicator: Communicator {
    let base: any Communicator
    let meter: Meter
    let rank: Int
    let size: Int

    init(_ base: any Communicator, _ meter: Meter) {
        self.base = base
        self.meter = meter
        rank = base.rank
        size = base.size
    }

    var timeout: Duration? { base.timeout }
    var channelCosts: ChannelCosts { base.channelCosts }
    var algorithmChoice: AlgorithmChoice { base.algorithmChoice }

    // MARK: Point-to-point

    private func count(_ bytes: UnsafeRawBufferPointer, to destination: Destination) {
        if destination != .none && destination.rawValue != rank { meter.count(bytes: bytes.count) }
    }

    func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        count(bytes, to: destination)
        return try meter.time { () throws(MPIError) in
            try base.isend(bytes, to: destination, tag: tag, context: context)
        }
    }

    func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        count(bytes, to: destination)
        return try meter.time { () throws(MPIError) in
            try base.issend(bytes, to: destination, tag: tag)
        }
    }

    func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try meter.time { () throws(MPIError) in
            try base.irecv(into: buffer, from: source, tag: tag, context: context)
        }
    }

    func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) {
        count(bytes, to: destination)
        try meter.time { () throws(MPIError) in
            try base.send(bytes, to: destination, tag: tag, context: context)
        }
    }

    func recv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> Status {
        try meter.time { () throws(MPIError) in
            try base.recv(into: buffer, from: source, tag: tag, context: context)
        }
    }

    func wait(_ request: RequestHandle) throws(MPIError) -> Status {
        try meter.time { () throws(MPIError) in try base.wait(request) }
    }

    func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        try meter.time { () throws(MPIError) in try base.test(request) }
    }

    func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        try meter.time { () throws(MPIError) in try base.waitAny(requests, index: &index) }
    }

    func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        try meter.time { () throws(MPIError) in try base.waitAll(requests, statuses: statuses) }
    }

    func cancel(_ request: RequestHandle) -> Bool {
        meter.time { base.cancel(request) }
    }

    func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        try meter.time { () throws(MPIError) in try base.iprobe(from: source, tag: tag) }
    }

    func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        try meter.time { () throws(MPIError) in try base.probe(from: source, tag: tag) }
    }

    func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        try meter.time { () throws(MPIError) -> (message: MessageHandle, status: Status)? in
            try base.improbeHandle(from: source, tag: tag)
        }
    }

    func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        try meter.time { () throws(MPIError) -> (message: MessageHandle, status: Status) in
            try base.mprobeHandle(from: source, tag: tag)
        }
    }

    func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        try meter.time { () throws(MPIError) in try base.imrecv(message, into: buffer) }
    }

    // MARK: Communicators

    func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        let part = try meter.time { () throws(MPIError) in try base.split(color: color, key: key) }
        guard let part else { return nil }
        return MeteredCommunicator(part, meter)
    }

    func dup() throws(MPIError) -> any Communicator {
        let copy = try meter.time { () throws(MPIError) in try base.dup() }
        return MeteredCommunicator(copy, meter)
    }

    func abort(_ reason: MPIError) throws(MPIError) -> Never {
        try base.abort(reason)
    }

    func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try base.beginCollective(operation, root: root)
    }
}
