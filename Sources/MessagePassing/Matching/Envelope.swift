// What matching looks at: a message without its bytes.

/// The envelope of a message (MPI 4.1 §3.2.3), as matching and probes see it.
package struct Envelope: Hashable, Sendable, BitwiseCopyable {
    /// Which communicator, on all its ranks.
    package var contextID: UInt64
    /// The sender's rank in that communicator.
    package var source: Int
    package var tag: Tag
    /// `CollectiveCall.packed`; 0 for the user's own messages.
    package var call: UInt64
    package var byteCount: Int

    package init(contextID: UInt64, source: Int, tag: Tag, call: UInt64, byteCount: Int) {
        self.contextID = contextID
        self.source = source
        self.tag = tag
        self.call = call
        self.byteCount = byteCount
    }

    package var status: Status { Status(source: source, tag: tag, byteCount: byteCount) }
}

extension Context {
    /// What `Envelope.call` holds for this context.
    @inlinable
    package var packedCall: UInt64 {
        switch self {
        case .pointToPoint: 0
        case .collective(let call): call.packed
        }
    }
}
