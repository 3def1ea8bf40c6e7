// Typed point-to-point calls: what users write. Elements are any bitwise-copyable type; counts
// are in elements, statuses in bytes.

extension Communicator {
    /// Sends `elements` and blocks until the buffer may be reused (MPI_Send, MPI 4.1 §3.2.1).
    /// Local. Short messages return before they are received, long ones wait for the receiver, so
    /// two ranks that both send first need `sendrecv` or nonblocking calls.
    /// - Throws: `invalidArgument` for a rank or tag out of range; `timedOut`; the cause of the
    ///   communicator's failure.
    @inlinable
    public func send<Element: BitwiseCopyable>(
        _ elements: Span<Element>, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) {
        try checkSendTag(tag, "send")
        try elements.withUnsafeBytes { (bytes) throws(MPIError) in
            try send(bytes, to: destination, tag: tag, context: .pointToPoint)
        }
    }

    /// Sends one value; see `send(_:to:tag:)` of a span.
    @inlinable
    public func send<Element: BitwiseCopyable>(
        _ value: Element, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) {
        try checkSendTag(tag, "send")
        try withBytes(of: value) { (bytes) throws(MPIError) in
            try send(bytes, to: destination, tag: tag, context: .pointToPoint)
        }
    }

    /// Receives into `elements`, which may be longer than the message, and blocks until it is
    /// there (MPI_Recv, MPI 4.1 §3.2.4). Local.
    /// - Returns: who sent it, its tag, and its length in bytes.
    /// - Throws: `truncated` if the message is longer than `elements`; `timedOut`; the cause of
    ///   the communicator's failure.
    @discardableResult @inlinable
    public func recv<Element: BitwiseCopyable>(
        into elements: consuming MutableSpan<Element>, from source: Source, tag: Tag = .zero
    ) throws(MPIError) -> Status {
        try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try recv(into: bytes, from: source, tag: tag, context: .pointToPoint)
        }
    }

    /// Receives a message of any length as a new array (a matched probe, then a receive). Local,
    /// blocking. Empty for `.none`.
    @inlinable
    public func recv<Element: BitwiseCopyable>(
        _ type: Element.Type, from source: Source, tag: Tag = .zero
    ) throws(MPIError) -> [Element] {
        if source == .none { return [] }
        return try mprobe(from: source, tag: tag).recv(type)
    }

    /// Starts a send; `elements` is borrowed until the request is finished (MPI_Isend). Local.
    @inlinable @_lifetime(copy elements)
    public func isend<Element: BitwiseCopyable>(
        _ elements: Span<Element>, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) -> Request {
        try checkSendTag(tag, "isend")
        let handle = try elements.withUnsafeBytes { (bytes) throws(MPIError) in
            try isend(bytes, to: destination, tag: tag, context: .pointToPoint)
        }
        return Request(self, handle, borrowing: elements)
    }

    /// Starts a send that completes only when its receive has begun (MPI_Issend). Local.
    @inlinable @_lifetime(copy elements)
    public func issend<Element: BitwiseCopyable>(
        _ elements: Span<Element>, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) -> Request {
        try checkSendTag(tag, "issend")
        let handle = try elements.withUnsafeBytes { (bytes) throws(MPIError) in
            try issend(bytes, to: destination, tag: tag)
        }
        return Request(self, handle, borrowing: elements)
    }

    /// Sends, and returns once the receive has begun (MPI_Ssend, MPI 4.1 §3.4): one round trip at
    /// least. Local, blocking.
    @inlinable
    public func ssend<Element: BitwiseCopyable>(
        _ elements: Span<Element>, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) {
        try checkSendTag(tag, "ssend")
        try elements.withUnsafeBytes { (bytes) throws(MPIError) in
            _ = try wait(try issend(bytes, to: destination, tag: tag))
        }
    }

    /// Starts a receive; `elements` cannot be touched until the request is finished (MPI_Irecv).
    /// Local.
    @inlinable @_lifetime(copy elements)
    public func irecv<Element: BitwiseCopyable>(
        into elements: consuming MutableSpan<Element>, from source: Source, tag: Tag = .zero
    ) throws(MPIError) -> Request {
        let handle = try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try irecv(into: bytes, from: source, tag: tag, context: .pointToPoint)
        }
        return Request(self, handle, borrowing: elements)
    }

    /// Sends and receives at once, without the deadlock of two blocking sends (MPI_Sendrecv,
    /// MPI 4.1 §3.10). Local, blocking.
    /// - Returns: the status of the receive.
    @discardableResult @inlinable
    public func sendrecv<Element: BitwiseCopyable, Received: BitwiseCopyable>(
        _ elements: Span<Element>, to destination: Destination, tag sendTag: Tag = .zero,
        into received: consuming MutableSpan<Received>, from source: Source,
        tag recvTag: Tag = .zero
    ) throws(MPIError) -> Status {
        try checkSendTag(sendTag, "sendrecv")
        return try received.withUnsafeMutableBytes { (target) throws(MPIError) in
            try elements.withUnsafeBytes { (bytes) throws(MPIError) in
                try exchange(
                    bytes, to: destination, sendTag: sendTag, into: target, from: source,
                    recvTag: recvTag, context: .pointToPoint)
            }
        }
    }

    /// Blocks until a message from `source` with `tag` is there, without receiving it
    /// (MPI_Probe). Local.
    @inlinable
    public func probe(from source: Source) throws(MPIError) -> Status {
        try probe(from: source, tag: .zero)
    }

    /// Is a message from `source` with tag 0 there (MPI_Iprobe)? Local.
    @inlinable
    public func iprobe(from source: Source) throws(MPIError) -> Status? {
        try iprobe(from: source, tag: .zero)
    }
}

extension Communicator {
    public func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) {
        _ = try wait(try isend(bytes, to: destination, tag: tag, context: context))
    }

    public func recv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> Status {
        try wait(try irecv(into: buffer, from: source, tag: tag, context: context))
    }

    /// A send and a receive under way together; the receive's status. The step that pairwise and
    /// recursive algorithms are made of.
    @inlinable
    package func exchange(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, sendTag: Tag,
        into target: UnsafeMutableRawBufferPointer, from source: Source, recvTag: Tag,
        context: Context
    ) throws(MPIError) -> Status {
        let receive = try irecv(into: target, from: source, tag: recvTag, context: context)
        let send: RequestHandle
        do throws(MPIError) {
            send = try isend(bytes, to: destination, tag: sendTag, context: context)
        } catch {
            abandon(receive)
            throw error
        }
        let status: Status
        do throws(MPIError) {
            status = try wait(receive)
        } catch {
            _ = try? wait(send)
            throw error
        }
        _ = try wait(send)
        return status
    }
}

/// `.any` and negative tags select receives only.
@inlinable
func checkSendTag(_ tag: Tag, _ operation: String) throws(MPIError) {
    if tag.rawValue < 0 {
        throw .invalidArgument(operation, "tag \(tag) cannot be sent; use 0 ... \(Tag.upperBound)")
    }
}
