// One call, as it is kept until the end of the job and sent to rank 0 then.

import MessagePassing

/// A call of one rank. Times are nanoseconds of its host's monotonic clock.
struct Event: BitwiseCopyable {
    var begin: Int64
    var duration: Int64
    /// Of the duration: with nothing to do but wait; −1 if the transport does not tell.
    var idle: Int64
    var byteCount: Int64
    /// Number of the communicator on its rank, in the order they were made; 0 is the world.
    var communicator: Int32
    /// The rank at the other end; −1 for any or none.
    var peer: Int32
    var operation: ProfiledOperation
    var algorithm: UInt8
}
