// The one error type of every communicator. A struct with an extensible code, as in swift-system:
// a new transport can add a cause without breaking the switch statements of its users.

/// What went wrong in a message-passing call, and where.
///
/// `description` is one line that names the operation, the peer, and what to do about it.
public struct MPIError: Error, Sendable, Equatable {
    /// The kind of failure: compare with `==`, the set may grow.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let name: String
        public init(_ name: String) { self.name = name }
        public var description: String { name }

        /// A message was longer than the buffer it was received into (MPI_ERR_TRUNCATE).
        public static let truncated = Code("truncated")
        /// A rank died, or its connection ended without a *bye*.
        public static let peerLost = Code("peerLost")
        /// An operation did not complete before its deadline.
        public static let timedOut = Code("timedOut")
        /// Some rank called `abort`.
        public static let aborted = Code("aborted")
        /// A peer or the rendezvous server could not be reached; `candidates` tells each attempt.
        public static let connectFailed = Code("connectFailed")
        /// Ranks called different collectives, or the same one with arguments that disagree.
        public static let mismatchedCollective = Code("mismatchedCollective")
        /// An argument is wrong on this rank alone: rank out of range, negative count …
        public static let invalidArgument = Code("invalidArgument")
        /// The transport, or this build of it, cannot do that.
        public static let unsupported = Code("unsupported")
        /// A peer or server failed to prove that it belongs to the job.
        public static let unauthorized = Code("unauthorized")
        /// Another process already holds this (job, epoch, rank).
        public static let duplicateRank = Code("duplicateRank")
        /// This process belongs to an epoch of the job that is over.
        public static let staleEpoch = Code("staleEpoch")
        /// The receive was cancelled before a message matched it.
        public static let cancelled = Code("cancelled")
        /// The MPI library or the operating system reported an error of its own.
        public static let system = Code("system")
        /// The user's program threw an error of its own on some rank.
        public static let programFailed = Code("programFailed")
    }

    /// One way of reaching a peer that was tried, and why it did not work.
    public struct Candidate: Sendable, Equatable {
        /// host, server-reflexive or relayed, with the address: `host 10.0.0.7:41233`.
        public let name: String
        public let cause: String
        public init(name: String, cause: String) {
            self.name = name
            self.cause = cause
        }
    }

    public var code: Code
    /// The call that failed, in MPI's words: `recv`, `alltoallv`, `join`.
    public var operation: String
    /// What happened and what to do, without the parts that have fields of their own.
    public var reason: String
    /// The rank concerned, if one is.
    public var peer: Int?
    public var tag: Int?
    public var expectedByteCount: Int?
    public var actualByteCount: Int?
    /// errno, or the MPI error class for code `system` on SwiftMPI.
    public var underlying: Int32?
    public var candidates: [Candidate]

    public init(
        _ code: Code, operation: String, reason: String, peer: Int? = nil, tag: Int? = nil,
        expectedByteCount: Int? = nil, actualByteCount: Int? = nil, underlying: Int32? = nil,
        candidates: [Candidate] = []
    ) {
        self.code = code
        self.operation = operation
        self.reason = reason
        self.peer = peer
        self.tag = tag
        self.expectedByteCount = expectedByteCount
        self.actualByteCount = actualByteCount
        self.underlying = underlying
        self.candidates = candidates
    }
}

extension MPIError: CustomStringConvertible {
    public var description: String {
        var text = "\(operation): \(code)"
        if let peer { text += ", rank \(peer)" }
        if let tag { text += ", tag \(tag)" }
        if let expectedByteCount, let actualByteCount {
            text += ", \(actualByteCount) bytes where \(expectedByteCount) were expected"
        }
        text += ": \(reason)"
        if let underlying { text += " (code \(underlying))" }
        for candidate in candidates { text += "; \(candidate.name): \(candidate.cause)" }
        return text
    }
}

extension MPIError {
    /// A wrong argument on this rank; nothing was sent.
    @inlinable
    public static func invalidArgument(_ operation: String, _ reason: String) -> MPIError {
        MPIError(.invalidArgument, operation: operation, reason: reason)
    }

    /// A message of `actual` bytes met a buffer of `capacity` bytes.
    @inlinable
    public static func truncated(
        _ operation: String, from source: Int, tag: Int?, capacity: Int, actual: Int
    ) -> MPIError {
        MPIError(
            .truncated, operation: operation,
            reason: "the message is longer than the receive buffer; probe first or enlarge it",
            peer: source, tag: tag, expectedByteCount: capacity, actualByteCount: actual)
    }
}
