// What one nonblocking read or write came to. The same four answers for a plain socket and for a
// TLS session, so that everything above is written once.

/// The outcome of one nonblocking read or write.
enum IOResult: Sendable {
    /// This many bytes moved; at least one, unless none were asked for.
    case bytes(Int)
    /// Nothing can move now: wait for the descriptor (`TLSSession.interest` says for which side).
    case wouldBlock
    /// The peer has closed its direction; nothing will come any more.
    case endOfStream
    /// The connection is broken.
    case failed(IOFailure)
}

/// Why a connection broke: the operating system's error, or TLS's.
struct IOFailure: Error, Sendable, Equatable {
    var reason: String
    /// errno, where the operating system reported one.
    var errorNumber: Int32?
    /// The other end refused us by a TLS alert.
    var isRefusal = false
}
