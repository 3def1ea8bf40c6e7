// One suite for every backend: what a Communicator promises, as named checks. Open MPI is the
// oracle: a check that fails there is wrong, one that fails elsewhere has found a bug.

import MessagePassing

/// How a backend differs where MPI leaves it open.
public struct BackendTraits: Sendable {
    /// As printed: `threads`, `openmpi`, `serverless`.
    public var name: String
    /// Does it tell ranks that call different collectives so, instead of hanging?
    public var detectsMismatch: Bool
    /// Is a message that is longer than its buffer always an error that harms nothing? Open MPI
    /// 4.1 writes past the buffer unless the message is short; SwiftMPI ends the job then.
    public var truncatesLongMessages: Bool
    /// Can a send wait until it is received? A store does not tell.
    public var hasSynchronousSends = true
    /// Does a message take milliseconds? Then checks that send thousands send hundreds.
    public var isSlow: Bool

    public init(
        name: String, detectsMismatch: Bool, truncatesLongMessages: Bool, isSlow: Bool = false,
        hasSynchronousSends: Bool = true
    ) {
        self.hasSynchronousSends = hasSynchronousSends
        self.isSlow = isSlow
        self.name = name
        self.detectsMismatch = detectsMismatch
        self.truncatesLongMessages = truncatesLongMessages
    }
}

/// Every check, by topic, in the order in which they build on each other.
let topics: [(name: String, checks: [Check])] = [
    ("point-to-point", pointToPointChecks),
    ("selection", selectionChecks),
    ("order", orderChecks),
    ("blocking receives", blockingReceiveChecks),
    ("sendrecv", sendrecvChecks),
    ("requests", requestChecks),
    ("request groups", requestGroupChecks),
    ("synchronous sends", synchronousChecks),
    ("persistent requests", persistentChecks),
    ("probes", probeChecks),
    ("broadcast", broadcastChecks),
    ("gather", gatherChecks),
    ("scatter", scatterChecks),
    ("all-to-all", alltoallChecks),
    ("predefined reductions", reductionChecks),
    ("user-defined reductions", userReductionChecks),
    ("prefix reductions", prefixChecks),
    ("nonblocking collectives", nonblockingChecks),
    ("communicators", communicatorChecks),
    ("collectives among other traffic", crossingChecks),
    ("arguments", argumentChecks),
    ("large messages", largeMessageChecks),
    ("random programs", randomChecks),
]

/// Runs what `arguments` ask for on this rank: the whole suite, or one scenario.
///
///     conformance-threads [--only TEXT] [--seed N]     checks whose topic or name contains TEXT
///     conformance-threads early-exit                   a scenario; see Scenarios/
///
/// Collective. Rank 0 prints a line per failed check and then `N passed, N failed`.
/// - Throws: `programFailed` on rank 0 if a check failed, or none ran; `invalidArgument` on every
///   rank for arguments that make no sense.
public func runConformance(
    _ world: any Communicator, backend: BackendTraits, arguments: [String]
) throws {
    let options = try Options(arguments)
    if let scenario = options.scenario {
        return try scenario.run(world, backend)
    }
    let suite = Suite(world, backend, options)
    try suite.run()
}
