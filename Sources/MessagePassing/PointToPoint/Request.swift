// A pending operation that the compiler keeps honest: it borrows its buffers, so they cannot be
// read, written or freed before the request is finished.

/// One pending send, receive or collective.
///
/// `let pending = try world.irecv(into: next.mutableSpan, from: left)` forbids touching `next`
/// until `pending.wait()`. Dropping an unfinished request cancels a receive that no message has
/// matched, and waits for anything else: otherwise the transport would write into memory that is
/// no longer yours.
public struct Request: ~Copyable, ~Escapable {
    @usableFromInline let communicator: any Communicator
    @usableFromInline let handle: RequestHandle
    @usableFromInline var isFinished = false

    @inlinable @_lifetime(copy buffer)
    init<Element: BitwiseCopyable>(
        _ communicator: any Communicator, _ handle: RequestHandle,
        borrowing buffer: borrowing MutableSpan<Element>
    ) {
        self.communicator = communicator
        self.handle = handle
    }

    @inlinable @_lifetime(copy buffer)
    init<Element: BitwiseCopyable>(
        _ communicator: any Communicator, _ handle: RequestHandle, borrowing buffer: Span<Element>
    ) {
        self.communicator = communicator
        self.handle = handle
    }

    @inlinable @_lifetime(copy source, copy target)
    init<Source: BitwiseCopyable, Target: BitwiseCopyable>(
        _ communicator: any Communicator, _ handle: RequestHandle,
        borrowing source: Span<Source>, and target: borrowing MutableSpan<Target>
    ) {
        self.communicator = communicator
        self.handle = handle
    }

    @inlinable @_lifetime(immortal)
    init(withoutBuffer handle: RequestHandle, of communicator: any Communicator) {
        self.communicator = communicator
        self.handle = handle
    }

    /// Blocks until the operation is complete (MPI_Wait). Local.
    /// - Throws: `truncated`, `timedOut`, or the cause of the communicator's failure.
    @discardableResult @inlinable
    public consuming func wait() throws(MPIError) -> Status {
        isFinished = true
        return try communicator.wait(handle)
    }

    /// Makes progress and tells whether the operation is complete (MPI_Test); its status once it
    /// is, nil before. Local. After completion it must not be called again.
    @inlinable
    public mutating func test() throws(MPIError) -> Status? {
        precondition(!isFinished, "test() on a request that is already complete")
        do throws(MPIError) {
            let status = try communicator.test(handle)
            isFinished = status != nil
            return status
        } catch {
            isFinished = true
            throw error
        }
    }

    /// Withdraws a receive that nothing has matched yet: true. Otherwise completes it: false
    /// (MPI_Cancel followed by MPI_Wait). Local.
    @inlinable
    public consuming func cancel() throws(MPIError) -> Bool {
        isFinished = true
        if communicator.cancel(handle) { return true }
        _ = try communicator.wait(handle)
        return false
    }

    /// Leaves the operation to another owner.
    @usableFromInline
    consuming func handOver() -> RequestHandle {
        isFinished = true
        return handle
    }

    @inlinable
    deinit {
        if !isFinished { communicator.abandon(handle) }
    }
}

extension Communicator {
    /// Ends a request nobody will wait for: cancelled if possible, else completed.
    @inlinable
    func abandon(_ request: RequestHandle) {
        if !cancel(request) { _ = try? wait(request) }
    }
}
