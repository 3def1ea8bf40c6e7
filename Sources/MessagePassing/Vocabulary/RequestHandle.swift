// The raw, copyable names of pending operations, below the safe `Request` and `RequestGroup`.

/// A pending send or receive. Only the communicator that made it can interpret it; `wait`, a
/// successful `test` and a successful `cancel` end its life.
public struct RequestHandle: Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A message taken out of matching by a matched probe, not yet received.
public struct MessageHandle: Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
}
