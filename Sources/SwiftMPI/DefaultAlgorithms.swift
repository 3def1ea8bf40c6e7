// A view of an MPICommunicator whose collectives are MessagePassing's default algorithms. A type
// that overrides a default cannot call it, one that does not can.

import MessagePassing

/// The same ranks and messages; collectives travel on the communicator's duplicate.
final class DefaultAlgorithms: Communicator {
    private let base: MPICommunicator

    init(_ base: MPICommunicator) { self.base = base }

    var rank: Int { base.rank }
    var size: Int { base.size }
    var timeout: Duration? { base.timeout }

    func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try base.beginCollective(operation, root: root)
    }

    func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try base.isend(bytes, to: destination, tag: tag, context: context)
    }

    func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try base.irecv(into: buffer, from: source, tag: tag, context: context)
    }

    func wait(_ request: RequestHandle) throws(MPIError) -> Status { try base.wait(request) }

    func test(_ request: RequestHandle) throws(MPIError) -> Status? { try base.test(request) }

    func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        try base.waitAny(requests, index: &index)
    }

    func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        try base.waitAll(requests, statuses: statuses)
    }

    func cancel(_ request: RequestHandle) -> Bool { base.cancel(request) }

    func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        try base.iprobe(from: source, tag: tag)
    }

    func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        try base.probe(from: source, tag: tag)
    }

    func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        try base.improbeHandle(from: source, tag: tag)
    }

    func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        try base.mprobeHandle(from: source, tag: tag)
    }

    func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        try base.imrecv(message, into: buffer)
    }

    func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        try base.split(color: color, key: key)
    }

    func dup() throws(MPIError) -> any Communicator { try base.dup() }

    func abort(_ reason: MPIError) throws(MPIError) -> Never { try base.abort(reason) }
}
