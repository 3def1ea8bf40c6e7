// Links that break after they were handed over: asked for again through the server, which tells the
// peer to dial too, or without a server by the addresses that led to the peer before; given up
// when time is up or when it is certain that the peer is gone.

import Glibc
import MessagePassing

extension ControlLoop {
    /// How often connections in use are looked at, although nobody has complained.
    static let checkInterval = Duration.seconds(1)

    /// The engine has found a connection broken.
    func broken(_ peer: Int, incarnation: Int) {
        guard let mesh, mesh.isStarted, state.firstCause == nil,
            mesh.nextIncarnation.indices.contains(peer),
            mesh.nextIncarnation[peer] == incarnation + 1, !lostPeers.contains(peer)
        else { return }
        let now = ContinuousClock.now
        if !mesh.unlink(peer, incarnation: incarnation, now: now) { mesh.need(peer, now: now) }
        seek(peer, mesh, now)
    }

    /// The peer's control thread says, through the server, that it needs connection `incarnation`.
    func peerGaveUp(_ peer: Int, _ incarnation: Int, _ mesh: MeshConnector) {
        guard incarnation > 0, incarnation == mesh.nextIncarnation[peer],
            mesh.unlink(peer, incarnation: incarnation - 1, now: .now)
        else { return }
        demands.add(peer, deadline: .now + configuration.url.resumeTimeout)
        state.linkKeeper?.abandon(peer, incarnation - 1)
    }

    private func seek(_ peer: Int, _ mesh: MeshConnector, _ now: ContinuousClock.Instant) {
        demands.add(peer, deadline: now + configuration.url.resumeTimeout)
        signal(peer, mesh)
    }

    /// There will be no other connection. The engine knows whether the peer had said bye.
    func lose(_ peer: Int, _ mesh: MeshConnector, hasDeparted: Bool) {
        guard lostPeers.insert(peer).inserted else { return }
        demands.remove(peer)
        let limit = JoinURL.seconds(configuration.url.resumeTimeout)
        var cause = MPIError(
            .peerLost, operation: "resume",
            reason: hasDeparted
                ? "it has left the job, and the connection to it broke before all was said"
                : "the connection to it broke and could not be made again within \(limit) s",
            peer: peer)
        if let missing = mesh.missingNeededPeer(peer) {
            cause.candidates = unreachable(missing, "").candidates
        }
        mesh.giveUpWholly(peer)
        state.linkKeeper?.lose(peer, cause, hasDeparted)
    }

    /// Called about once a second: what is dead without having said so, and who is gone for good.
    func checkLinks(_ now: ContinuousClock.Instant) {
        guard let mesh, mesh.isStarted, state.firstCause == nil,
            mesh.hasResumableLinks || configuration.url.isLazy
        else {
            nextCheck = nil
            return
        }
        nextCheck = now + Self.checkInterval
        for peer in mesh.takeBrokenBeforeUse() {
            // The peer may have noticed before, and be about to connect again.
            if !mesh.unlinkLatest(peer, now: now) { mesh.need(peer, now: now) }
        }
        state.linkKeeper?.check()
        if server.isOpen {
            // Who asked before the peer left, or while it was away, has got no answer.
            for peer in demands.peers { signal(peer, mesh) }
            tellDepartures()
            for peer in mesh.upgrades.takeDue(now) {
                server.send(.upgrade(peer: peer))
                mesh.upgrade(peer, now: now)
            }
            serverMoved()
            return
        }
        // With a server its word counts, which also tells the others.
        for peer in demands.peers where mesh.isPeerGone(peer) {
            lose(peer, mesh, hasDeparted: false)
        }
    }
}
