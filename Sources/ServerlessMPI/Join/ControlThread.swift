// The one control thread of a rank: it sleeps in epoll and owns the rendezvous connection, the
// listener, the making of connections, the heartbeats and the failure notices. Payload never
// passes through it.

import MessagePassing
import Synchronization

/// A rank's membership in its job: made by `join`, ended by `leave`.
///
/// The calls are made by the thread that runs the rank's program; the failure handler is called
/// on the control thread.
final class ControlThread: Sendable {
    let configuration: JoinConfiguration
    /// This process's rank: the one asked for, or the one the server gave.
    let rank: Int
    /// How many ranks share this host, this one included.
    let ranksOnHost: Int
    /// How this rank is attached to the network, as the server saw it.
    let attachment: NetworkAttachment
    var size: Int { configuration.url.size }

    private let state: ControlState
    private let thread: DedicatedThread
    private let hasTakenLinks = Atomic(false)

    /// How long a report waits for the server's verdict before its own cause stands.
    static let verdictTimeout = Duration.seconds(1)
    /// The server knows the deadline too; its verdict, which names who is missing, goes first.
    private static let grace = Duration.seconds(2)

    /// Joins the job: registers at the rendezvous server and waits until every rank is there.
    /// The connections to the others are begun at once, without waiting for `connectMesh`.
    ///
    /// Collective. Cost: one connection, one message each way, one roster.
    /// Errors: `connectFailed` (no server), `unauthorized` (wrong key), `duplicateRank`,
    /// `staleEpoch`, `invalidArgument` (ranks disagree on size), `timedOut` naming the ranks that
    /// never came, or the first cause if the job failed meanwhile.
    static func join(
        _ configuration: JoinConfiguration, deadline: ContinuousClock.Instant
    ) throws(MPIError) -> ControlThread {
        DescriptorLimit.raise()
        let url = configuration.url
        let addresses: [SocketAddress]
        switch HostIdentity.resolve(url.host, port: url.port) {
        case .success(let found): addresses = found
        case .failure(let failure):
            throw MPIError(
                .connectFailed, operation: "join",
                reason: "the rendezvous server's name \(printable(url.host)) is unknown:"
                    + " \(failure.reason)")
        }
        let state: ControlState
        let thread: DedicatedThread
        do throws(SystemFailure) {
            state = ControlState(poll: try EventPoll())
            thread = try DedicatedThread { ControlLoop(configuration, addresses, state).run() }
        } catch {
            throw MPIError(
                .system, operation: "join", reason: error.description,
                underlying: error.errorNumber)
        }
        switch state.joined.wait(until: deadline + grace) {
        case .success(let seat)?:
            return ControlThread(configuration, seat, state, thread)
        case .failure(let cause)?:
            end(state, thread, deadline: .now)
            throw cause
        case nil:
            end(state, thread, deadline: .now)
            throw MPIError(
                .timedOut, operation: "join",
                reason: "the rendezvous server \(url.host):\(url.port) did not say who is there")
        }
    }

    private init(
        _ configuration: JoinConfiguration, _ seat: ControlState.Seat, _ state: ControlState,
        _ thread: DedicatedThread
    ) {
        self.configuration = configuration
        rank = seat.rank
        ranksOnHost = seat.ranksOnHost
        attachment = seat.attachment
        self.state = state
        self.thread = thread
    }

    /// Waits until all peers are connected; indexed by rank, nil at this rank's own place. In a
    /// job with lazy links (`mesh` in the join URL) it waits for nobody, and all are nil.
    ///
    /// Collective; once. Cost: one authenticated connection per pair, all at once.
    /// Errors: `connectFailed` naming the peer and every candidate tried, or the first cause.
    func connectMesh(deadline: ContinuousClock.Instant) throws(MPIError) -> [EstablishedLink?] {
        state.post(.connect(deadline: deadline))
        switch state.connected.wait(until: deadline + Self.grace + Self.verdictTimeout) {
        case .success(let links)?:
            hasTakenLinks.store(true, ordering: .releasing)
            return links
        case .failure(let cause)?: throw cause
        case nil:
            throw MPIError(
                .timedOut, operation: "connect", reason: "the control thread does not answer")
        }
    }

    /// Makes the link to a peer, once per peer; returns at once. The link goes to the handler of
    /// `setLinkHandler`. Cost: one message to the server, one from there to the peer. If it cannot
    /// be made within the join timeout the job fails with `connectFailed`, naming the peer and
    /// every candidate tried, and with `peerLost` if the peer has left the job.
    func need(_ peer: Int) { state.post(.need(peer)) }

    /// Another connection in place of this one, which has broken; returns at once. It goes to the
    /// handler of `setLinkHandler`. If none comes about within the resume timeout, `keeper` is told
    /// that the link is lost, with every candidate tried.
    func resume(_ peer: Int, incarnation: Int) {
        state.post(.broken(peer, incarnation: incarnation))
    }

    /// Sets who looks after the links in use.
    func setLinkKeeper(_ keeper: LinkKeeper) { state.setKeeper(keeper) }

    /// Sets who gets the links that are finished after `connectMesh`, begun by this rank or by the
    /// peer. It is called on the control thread, at once for those that are finished already, and
    /// must not block.
    func setLinkHandler(_ handler: @escaping @Sendable (EstablishedLink) -> Void) {
        state.lateLinks.setHandler(handler)
    }

    /// Sets what to call with the job's first cause of failure: on the control thread, once; at
    /// once, on the calling thread, if the job has failed already. It must not block.
    func setFailureHandler(_ handler: @escaping @Sendable (MPIError) -> Void) {
        state.setHandler(handler)
    }

    /// Says that this rank saw evidence of failure: a link that ended without *bye*, `abort`, a
    /// missed deadline. Returns at once. The server fixes the first cause and tells every rank;
    /// the handler is called with that verdict, or with `cause` itself if no verdict comes within
    /// `verdictTimeout` or the server is gone. Later reports of a failed job change nothing.
    func report(_ cause: MPIError) { state.post(.report(cause)) }

    /// Leaves the job: says *bye* to the server, ends the thread, closes everything it owns.
    /// The established links belong to the engine and stay. May be called after a failure and
    /// more than once, not from the failure handler, which is not called any more afterwards.
    func leave(deadline: ContinuousClock.Instant) {
        state.mute()
        Self.end(state, thread, deadline: deadline)
        state.setKeeper(nil)
        state.lateLinks.close()
        if !hasTakenLinks.exchange(true, ordering: .acquiringAndReleasing),
            case .success(let links)? = state.connected.wait(until: .now)
        {
            EstablishedLink.close(links)
        }
    }

    private static func end(
        _ state: ControlState, _ thread: DedicatedThread, deadline: ContinuousClock.Instant
    ) {
        state.post(.leave(deadline: deadline))
        thread.join()
    }
}
