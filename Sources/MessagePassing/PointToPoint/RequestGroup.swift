// Many pending operations at once. `[Request]` cannot exist (a request borrows its buffer), so a
// group collects them and borrows all their buffers.

/// A set of pending sends and receives, completed together or one by one.
///
///     var group = world.requests()
///     try group.irecv(into: a.mutableSpan, from: 0)
///     try group.isend(b.span, to: 1)
///     try group.waitAll()
///
/// Operations keep the index they were added at, from 0. Dropping the group finishes what is
/// pending as dropping a `Request` does.
public struct RequestGroup: ~Copyable, ~Escapable {
    @usableFromInline let communicator: any Communicator
    @usableFromInline var pending: [RequestHandle] = []
    /// The index each pending request was added at.
    @usableFromInline var indices: [Int] = []
    @usableFromInline var added = 0

    @inlinable @_lifetime(immortal)
    init(_ communicator: any Communicator) {
        self.communicator = communicator
    }

    /// Operations not yet completed.
    @inlinable public var pendingCount: Int { pending.count }

    @usableFromInline
    mutating func add(_ handle: RequestHandle) {
        pending.append(handle)
        indices.append(added)
        added += 1
    }

    @usableFromInline
    mutating func finish(at position: Int) -> Int {
        pending.swapAt(position, pending.count - 1)
        indices.swapAt(position, indices.count - 1)
        pending.removeLast()
        return indices.removeLast()
    }

    /// Adds a send; see `Communicator.isend`.
    @inlinable @_lifetime(self: copy self, copy elements)
    public mutating func isend<Element: BitwiseCopyable>(
        _ elements: Span<Element>, to destination: Destination, tag: Tag = .zero
    ) throws(MPIError) {
        try checkSendTag(tag, "isend")
        let handle = try elements.withUnsafeBytes { (bytes) throws(MPIError) in
            try communicator.isend(bytes, to: destination, tag: tag, context: .pointToPoint)
        }
        add(handle)
    }

    /// Adds a receive; see `Communicator.irecv`.
    @inlinable @_lifetime(self: copy self, copy elements)
    public mutating func irecv<Element: BitwiseCopyable>(
        into elements: consuming MutableSpan<Element>, from source: Source, tag: Tag = .zero
    ) throws(MPIError) {
        let handle = try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try communicator.irecv(into: bytes, from: source, tag: tag, context: .pointToPoint)
        }
        add(handle)
    }

    /// Adds a request that has been started by itself, such as a nonblocking collective.
    @inlinable @_lifetime(self: copy self, copy request)
    public mutating func add(_ request: consuming Request) {
        precondition(
            request.communicator === communicator, "a request of another communicator")
        add(request.handOver())
    }

    /// Blocks until all are complete; their statuses in the order of addition (MPI_Waitall), of
    /// those still pending.
    @discardableResult
    public mutating func waitAll() throws(MPIError) -> [Status] {
        var statuses = Array(repeating: Status.empty, count: pending.count)
        let handles = pending
        let order = indices
        pending.removeAll(keepingCapacity: true)
        indices.removeAll(keepingCapacity: true)
        if handles.isEmpty { return [] }
        var result = statuses.mutableSpan
        try result.withUnsafeMutableBufferPointer { (statuses) throws(MPIError) in
            try handles.span.withUnsafeBufferPointer { (handles) throws(MPIError) in
                try communicator.waitAll(handles, statuses: statuses)
            }
        }
        return zip(order, statuses).sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// Blocks until one is complete and removes it; nil if none is pending (MPI_Waitany).
    public mutating func waitAny() throws(MPIError) -> (index: Int, status: Status)? {
        if pending.isEmpty { return nil }
        var position = -1
        do throws(MPIError) {
            let status = try pending.span.withUnsafeBufferPointer { (handles) throws(MPIError) in
                try communicator.waitAny(handles, index: &position)
            }
            return (finish(at: position), status)
        } catch {
            if position >= 0 { _ = finish(at: position) }
            throw error
        }
    }

    /// Blocks until at least one is complete; removes and returns all that are (MPI_Waitsome).
    /// Empty if none is pending.
    public mutating func waitSome() throws(MPIError) -> [(index: Int, status: Status)] {
        guard let first = try waitAny() else { return [] }
        return [first] + (try testSome())
    }

    /// Makes progress; removes and returns all that are complete (MPI_Testsome).
    public mutating func testSome() throws(MPIError) -> [(index: Int, status: Status)] {
        var completed: [(index: Int, status: Status)] = []
        var position = 0
        while position < pending.count {
            if let status = try test(at: position) {
                completed.append((finish(at: position), status))
            } else {
                position += 1
            }
        }
        return completed.sorted { $0.index < $1.index }
    }

    /// Makes progress; removes and returns one that is complete, if there is one (MPI_Testany).
    public mutating func testAny() throws(MPIError) -> (index: Int, status: Status)? {
        for position in pending.indices {
            if let status = try test(at: position) {
                return (finish(at: position), status)
            }
        }
        return nil
    }

    /// Makes progress; true once nothing is pending (MPI_Testall, without its statuses).
    public mutating func test() throws(MPIError) -> Bool {
        _ = try testSome()
        return pending.isEmpty
    }

    /// A failed request is freed by the transport, so it leaves the group before its error does.
    private mutating func test(at position: Int) throws(MPIError) -> Status? {
        do throws(MPIError) {
            return try communicator.test(pending[position])
        } catch {
            _ = finish(at: position)
            throw error
        }
    }

    deinit {
        for handle in pending { communicator.abandon(handle) }
    }
}

extension Communicator {
    /// An empty group of requests. Local.
    @_lifetime(immortal)
    public func requests() -> RequestGroup { RequestGroup(self) }
}
