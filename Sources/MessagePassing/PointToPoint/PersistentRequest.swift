// Operations that are started again and again with the same buffer and peer (MPI 4.1 §3.9): an
// exchange of halos says once who sends what to whom.

/// A send or receive that can be started many times. Between a completion and the next start its
/// elements are yours, through `withElements`; during an operation they are the transport's.
///
///     var left = try world.persistentRecv(into: halo.mutableSpan, from: .rank(rank - 1))
///     for _ in steps {
///         try left.start()
///         computeTheInside()
///         try left.wait()
///         left.withElements { edge in … }
///     }
///
/// Cost of a start: as of `isend` or `irecv`, without their checks. Dropping one that is under way
/// cancels a receive that nothing has matched, and waits for anything else.
public struct PersistentRequest<Element: BitwiseCopyable>: ~Copyable, ~Escapable {
    @usableFromInline
    enum Operation {
        case send(Destination)
        case synchronousSend(Destination)
        case receive(Source)
    }

    @usableFromInline let communicator: any Communicator
    @usableFromInline let operation: Operation
    @usableFromInline let tag: Tag
    @usableFromInline let elements: UnsafeMutableBufferPointer<Element>
    @usableFromInline var pending: RequestHandle?

    @inlinable @_lifetime(copy buffer)
    init(
        _ communicator: any Communicator, _ operation: Operation, _ tag: Tag,
        borrowing buffer: consuming MutableSpan<Element>
    ) {
        self.communicator = communicator
        self.operation = operation
        self.tag = tag
        elements = buffer.withUnsafeMutableBufferPointer { $0 }
    }

    /// Is the operation under way?
    @inlinable public var isActive: Bool { pending != nil }

    /// Begins the operation (MPI_Start). Local.
    /// - Throws: `invalidArgument` if it is under way already.
    @inlinable
    public mutating func start() throws(MPIError) {
        guard pending == nil else {
            throw .invalidArgument("start", "the request is active; wait for it first")
        }
        switch operation {
        case .send(let destination):
            pending = try communicator.isend(
                UnsafeRawBufferPointer(elements), to: destination, tag: tag,
                context: .pointToPoint)
        case .synchronousSend(let destination):
            pending = try communicator.issend(
                UnsafeRawBufferPointer(elements), to: destination, tag: tag)
        case .receive(let source):
            pending = try communicator.irecv(
                into: UnsafeMutableRawBufferPointer(elements), from: source, tag: tag,
                context: .pointToPoint)
        }
    }

    /// Blocks until the operation is complete (MPI_Wait); at once, with an empty status, if it is
    /// not under way. Local.
    @discardableResult @inlinable
    public mutating func wait() throws(MPIError) -> Status {
        guard let handle = pending else { return .empty }
        pending = nil
        return try communicator.wait(handle)
    }

    /// Makes progress; the status once the operation is complete, nil before (MPI_Test). Local.
    @inlinable
    public mutating func test() throws(MPIError) -> Status? {
        guard let handle = pending else { return .empty }
        do throws(MPIError) {
            let status = try communicator.test(handle)
            if status != nil { pending = nil }
            return status
        } catch {
            pending = nil
            throw error
        }
    }

    /// Withdraws a receive that nothing has matched: true. Otherwise completes it: false
    /// (MPI_Cancel followed by MPI_Wait). Local.
    @inlinable
    public mutating func cancel() throws(MPIError) -> Bool {
        guard let handle = pending else { return false }
        pending = nil
        if communicator.cancel(handle) { return true }
        _ = try communicator.wait(handle)
        return false
    }

    /// The elements, to be read or written between two operations. Local.
    /// - Throws: what `body` throws.
    /// - Precondition: the operation is not under way.
    @inlinable
    public mutating func withElements<Result, Failure: Error>(
        _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(pending == nil, "the elements of an active request are the transport's")
        var span = MutableSpan(_unsafeElements: elements)
        return try body(&span)
    }

    @inlinable
    deinit {
        if let pending { communicator.abandon(pending) }
    }
}

extension Communicator {
    /// A send that can be started many times (MPI_Send_init). Local; sends nothing yet.
    @inlinable @_lifetime(copy elements)
    public func persistentSend<Element: BitwiseCopyable>(
        _ elements: consuming MutableSpan<Element>, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) -> PersistentRequest<Element> {
        try checkSendTag(tag, "persistentSend")
        return PersistentRequest(self, .send(destination), tag, borrowing: elements)
    }

    /// As `persistentSend`, complete only when the receive has begun (MPI_Ssend_init). Local.
    @inlinable @_lifetime(copy elements)
    public func persistentSynchronousSend<Element: BitwiseCopyable>(
        _ elements: consuming MutableSpan<Element>, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) -> PersistentRequest<Element> {
        try checkSendTag(tag, "persistentSynchronousSend")
        return PersistentRequest(self, .synchronousSend(destination), tag, borrowing: elements)
    }

    /// A receive that can be started many times (MPI_Recv_init). Local; posts nothing yet.
    @inlinable @_lifetime(copy elements)
    public func persistentRecv<Element: BitwiseCopyable>(
        into elements: consuming MutableSpan<Element>, from source: Source, tag: Tag = .zero
    ) throws(MPIError) -> PersistentRequest<Element> {
        PersistentRequest(self, .receive(source), tag, borrowing: elements)
    }
}
