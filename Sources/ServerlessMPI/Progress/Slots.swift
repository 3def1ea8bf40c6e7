// What the engine remembers of each operation: a request of the program, a message that came
// before its receive, a frame that is being written. All trivial, all in slabs.

/// A send, receive or nonblocking collective of the program.
struct RequestSlot: SlabSlot {
    enum Kind: UInt8 { case send, receive, collective }

    enum Phase: UInt8 {
        /// A receive that no message has matched; a send in a link's queue.
        case pending
        /// A send whose receiver has not asked for the payload yet.
        case announced
        /// A receive that has asked for its payload.
        case granted
        /// A receive whose message has begun to arrive or waits complete in memory.
        case matched
        case done
        /// A receive that no message can match yet.
        case unposted
    }

    var generation: UInt32 = 0
    var next: UInt32 = noSlot
    var kind = Kind.send
    var phase = Phase.pending
    /// World rank at the other end; -1 for any.
    var peer: Int32 = -1
    /// Number of the communicator in the engine.
    var communicator: Int32 = 0
    /// The peer's rank in the communicator, -1 for any; and the tag, -1 for any. Of the message,
    /// once a receive is matched.
    var source: Int32 = -1
    var tag: Int32 = -1
    var buffer: UnsafeMutableRawPointer?
    /// Bytes of the buffer.
    var capacity = 0
    /// Bytes of the message.
    var byteCount = 0
    var call: UInt64 = 0
    /// A thread moves the payload between `buffer` and a store.
    var isTransferring = false

    /// Bytes of the message that fit.
    var acceptedByteCount: Int { min(capacity, byteCount) }
}

/// A message that no receive has matched yet, or that a matched probe has claimed.
struct MessageSlot: SlabSlot {
    enum Kind: UInt8 {
        /// The payload is in `buffer`, or on its way there.
        case buffered
        /// The payload is with the peer, under the name `reply`.
        case announced
        /// The payload is in the memory of this rank's own send, request number `reply`.
        case ownSend
        /// The payload is, or will be, in store number `store` under number `reply`.
        case stored
    }

    var generation: UInt32 = 0
    var next: UInt32 = noSlot
    var kind = Kind.buffered
    /// Has a buffered payload arrived in full?
    var isComplete = false
    /// World rank of the sender.
    var peer: Int32 = 0
    /// Number of the communicator in the engine.
    var communicator: Int32 = 0
    /// The sender's rank in the communicator.
    var source: Int32 = 0
    var tag: Int32 = 0
    var byteCount = 0
    var buffer: UnsafeMutableRawPointer?
    var reply: UInt64 = 0
    var store: UInt8 = 0
    /// The receive that waits for the rest of a buffered payload.
    var receiver = noSlot
}

/// A frame to be written, in the order of its link's queue.
struct OutgoingFrame: SlabSlot {
    typealias Words = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    var generation: UInt32 = 0
    var next: UInt32 = noSlot
    /// The encoded header.
    var header: Words = (0, 0, 0, 0, 0, 0, 0, 0)
    var payload: UnsafeRawPointer?
    var payloadByteCount = 0
    /// Bytes of header and payload already written.
    var written = 0
    /// The send that is complete once this frame is written, or acknowledged where links survive.
    var request = noSlot
    var isEager = false
    /// Has it a number, and is it sent again over another connection?
    var isCounted = true
    /// Bytes of the link's ring that its payload occupies.
    var ringExtent = 0

    var remaining: Int { FrameHeader.byteCount + payloadByteCount - written }
}
