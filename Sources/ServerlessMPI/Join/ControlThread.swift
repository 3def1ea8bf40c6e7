// The one control thread of a rank: it sleeps in epoll and owns the rendezvous connection, the
// listener, the making of connections, the heartbeats and the failure notices. Payload never
// passes through it.

import MessagePassing

/// A rank's membership in its job: made by `join`, ended by `leave`.
///
/// The calls are made by the thread that runs the rank's program; the failure handler is called
/// on the control thread.
final class ControlThread: Sendable {
    let configuration: JoinConfiguration
    /// This process's rank: the one asked for, or the one the server gave.
    let rank: Int
    var size: Int { configuration.url.size }

    /// Joins the job: registers at the rendezvous server and waits until every rank is there.
    ///
    /// Collective. Cost: one connection, one message each way, one roster.
    /// Errors: `connectFailed` (no server), `unauthorized` (wrong key), `duplicateRank`,
    /// `staleEpoch`, `invalidArgument` (ranks disagree on size), `timedOut` naming the ranks that
    /// never came, or the first cause if the job failed meanwhile.
    static func join(
        _ configuration: JoinConfiguration, deadline: ContinuousClock.Instant
    ) throws(MPIError) -> ControlThread {
        throw MPIError(.unsupported, operation: "join", reason: "not in this build")
    }

    /// Connects to all peers in parallel; indexed by rank, nil at this rank's own place.
    ///
    /// Collective; once. Cost: one authenticated connection per pair, all at once.
    /// Errors: `connectFailed` naming the peer and every candidate tried, or the first cause.
    func connectMesh(deadline: ContinuousClock.Instant) throws(MPIError) -> [EstablishedLink?] {
        throw MPIError(.unsupported, operation: "connect", reason: "not in this build")
    }

    /// Sets what to call with the job's first cause of failure: on the control thread, once; at
    /// once, on the calling thread, if the job has failed already. It must not block.
    func setFailureHandler(_ handler: @escaping @Sendable (MPIError) -> Void) {}

    /// Says that this rank saw evidence of failure: a link that ended without *bye*, `abort`, a
    /// missed deadline. Returns at once. The server fixes the first cause and tells every rank;
    /// the handler is called with that verdict, or with `cause` itself if no verdict comes within
    /// `verdictTimeout` or the server is gone. Later reports of a failed job change nothing.
    func report(_ cause: MPIError) {}

    /// How long a report waits for the server's verdict before its own cause stands.
    static let verdictTimeout = Duration.seconds(1)

    /// Leaves the job: says *bye* to the server, ends the thread, closes everything it owns.
    /// The established links belong to the engine and stay. May be called after a failure and
    /// more than once; afterwards the failure handler is not called any more.
    func leave(deadline: ContinuousClock.Instant) {}

    private init(configuration: JoinConfiguration, rank: Int) {
        self.configuration = configuration
        self.rank = rank
    }
}
