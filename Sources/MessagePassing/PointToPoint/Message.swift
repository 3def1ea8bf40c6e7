// A message claimed by a matched probe (MPI 4.1 §3.8.2): its size is known, its receive is ours.

/// A message that `mprobe` or `improbe` took out of matching. Receive it once, into a buffer of at
/// least `status.byteCount` bytes; no other receive on any thread can match it.
public struct Message: ~Copyable {
    public let status: Status
    @usableFromInline let communicator: any Communicator
    @usableFromInline let handle: MessageHandle

    @inlinable
    init(_ communicator: any Communicator, _ handle: MessageHandle, _ status: Status) {
        self.communicator = communicator
        self.handle = handle
        self.status = status
    }

    /// Receives the message (MPI_Mrecv). Local, blocking.
    /// - Throws: `truncated` if `elements` is shorter than the message.
    @discardableResult @inlinable
    public consuming func recv<Element: BitwiseCopyable>(
        into elements: consuming MutableSpan<Element>
    ) throws(MPIError) -> Status {
        let communicator = communicator
        let message = handle
        let request = try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try communicator.imrecv(message, into: bytes)
        }
        return try communicator.wait(request)
    }

    /// Receives the message into a new array of exactly its length. Local, blocking.
    /// - Throws: `invalidArgument` if its length is no whole number of elements; `system` if it is
    ///   longer than this machine's memory: such a message is lost.
    @inlinable
    public consuming func recv<Element: BitwiseCopyable>(
        _ type: Element.Type
    ) throws(MPIError) -> [Element] {
        guard let count = status.count(of: type) else {
            let byteCount = status.byteCount
            _ = try recv(UInt8.self)
            throw .invalidArgument(
                "recv", "a message of \(byteCount) bytes is no whole number of \(type)")
        }
        guard status.byteCount <= messageMemoryByteCount else {
            throw MPIError(
                .system, operation: "recv",
                reason: "a message of \(status.byteCount) bytes is longer than this machine's"
                    + " memory: receive it into a buffer, in parts",
                peer: status.source)
        }
        let communicator = communicator
        let message = handle
        return try uninitializedArray(count) { (bytes) throws(MPIError) in
            _ = try communicator.wait(try communicator.imrecv(message, into: bytes))
        }
    }
}

extension Communicator {
    /// Blocks until a message from `source` with `tag` is there, and claims it (MPI_Mprobe). Local.
    @inlinable
    public func mprobe(from source: Source, tag: Tag = .zero) throws(MPIError) -> Message {
        let (message, status) = try mprobeHandle(from: source, tag: tag)
        return Message(self, message, status)
    }

    /// Claims a message from `source` with `tag` if one is there (MPI_Improbe). Local.
    @inlinable
    public func improbe(from source: Source, tag: Tag = .zero) throws(MPIError) -> Message? {
        guard let claimed = try improbeHandle(from: source, tag: tag) else { return nil }
        return Message(self, claimed.message, claimed.status)
    }
}
