// Links that are made after the start, in a job with lazy links: who gets them, which of them this
// rank waits for, and until when.

import MessagePassing
import Synchronization

/// Passes finished links from the control thread to their handler; keeps those that come before
/// there is one.
final class LateLinks: Sendable {
    private struct State {
        var handler: (@Sendable (EstablishedLink) -> Void)?
        var waiting: [EstablishedLink] = []
        var isClosed = false
    }

    private let state = Mutex(State())

    func setHandler(_ handler: @escaping @Sendable (EstablishedLink) -> Void) {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.handler = handler
            return state.waiting
        }
        for link in waiting { handler(link) }
    }

    func deliver(_ link: EstablishedLink) {
        let (handler, isClosed) = state.withLock { state in
            if state.handler == nil, !state.isClosed { state.waiting.append(link) }
            return (state.handler, state.isClosed)
        }
        if let handler { handler(link) } else if isClosed { EstablishedLink.close([link]) }
    }

    /// Nobody takes links any more.
    func close() {
        let waiting = state.withLock { state in
            defer { state = State(isClosed: true) }
            return state.waiting
        }
        EstablishedLink.close(waiting)
    }
}

/// Links in the making, each with the time at which it is given up.
struct LinkDemands {
    private var deadlines: [Int: ContinuousClock.Instant] = [:]

    var wakeTime: ContinuousClock.Instant? { deadlines.values.min() }
    var peers: [Int] { deadlines.keys.sorted() }

    mutating func add(_ peer: Int, deadline: ContinuousClock.Instant) {
        deadlines[peer] = deadline
    }

    /// The peer's need gives this rank's own no more time.
    mutating func addIfNew(_ peer: Int, deadline: ContinuousClock.Instant) {
        if deadlines[peer] == nil { deadlines[peer] = deadline }
    }

    mutating func remove(_ peer: Int) { deadlines[peer] = nil }

    /// Removes those whose time has come, lowest peer first.
    mutating func takeOverdue(_ now: ContinuousClock.Instant) -> [Int] {
        let overdue = deadlines.filter { $0.value <= now }.keys.sorted()
        for peer in overdue { deadlines[peer] = nil }
        return overdue
    }
}

extension ControlLoop {
    /// The program needs a link. The server is asked to tell the peer, and both dial.
    func need(_ peer: Int) {
        guard let mesh, mesh.isStarted, !mesh.isLinked(peer) else { return }
        let now = ContinuousClock.now
        demands.add(peer, deadline: now + configuration.url.joinTimeout)
        mesh.need(peer, now: now)
        // Without a server only the peer's open addresses are left to try.
        signal(peer, mesh)
    }

    func signal(_ peer: Int, _ mesh: MeshConnector) {
        server.send(.connect(peer: peer, incarnation: mesh.nextIncarnation[peer]))
        serverMoved()
    }

    /// The server says that a peer needs a link to this rank.
    func signalled(_ peer: Int, incarnation: Int) {
        guard let mesh, mesh.isStarted, peer < configuration.url.size else { return }
        guard !mesh.isLinked(peer) else { return peerGaveUp(peer, incarnation, mesh) }
        let now = ContinuousClock.now
        let limit =
            mesh.nextIncarnation[peer] > 0
            ? configuration.url.resumeTimeout : configuration.url.joinTimeout
        demands.addIfNew(peer, deadline: now + limit)
        mesh.signalled(peer, now: now)
    }

    /// The server says that a rank this one needs a link to has left. A link that was made in the
    /// meantime carries what it said before.
    func departed(_ peer: Int) {
        guard let mesh, mesh.isStarted, !mesh.isLinked(peer) else { return }
        if mesh.nextIncarnation[peer] > 0 { return lose(peer, mesh, hasDeparted: true) }
        // Not from within the reading of the server's messages: to report is to write, and may end
        // the connection.
        state.post(
            .report(
                MPIError(
                    .peerLost, operation: "connect",
                    reason: "it has left the job, and there was no connection to it before",
                    peer: peer)))
    }

    /// Hands over what is finished; fails the job over a link that could not be made in time.
    func lateLinksMoved(_ mesh: MeshConnector, _ now: ContinuousClock.Instant) {
        for link in mesh.takeLateLinks() {
            demands.remove(link.peer)
            state.lateLinks.deliver(link)
        }
        for peer in demands.takeOverdue(now) {
            mesh.giveUp(peer)
            if mesh.nextIncarnation[peer] > 0 {
                lose(peer, mesh, hasDeparted: false)
                continue
            }
            if let missing = mesh.missingNeededPeer(peer) {
                report(unreachable(missing, "no connection before the deadline"))
            }
        }
    }
}
