// What becomes of connections: who turns out to be at the other end, which one is nominated, and
// what follows when one breaks.

extension MeshMachine {
    /// A stranger has connected; who it is will be seen.
    mutating func accepted() -> Connection { newConnection() }

    mutating func newConnection() -> Connection {
        defer { nextConnection += 1 }
        return nextConnection
    }

    /// A dial has been answered: somebody is there, and the handshake begins.
    mutating func connected(_ connection: Connection) {
        guard let index = owner[connection], peers[index]?.relay?.connection != connection
        else { return }
        peers[index]?.handshaking.insert(connection)
        peers[index]?.isReached = true
    }

    /// An accepted connection has shown a hello that only this peer could make. False if there is
    /// a link to it already: the connection is to be closed.
    ///
    /// - Parameter isNewer: it would follow the link there is, which the peer has given up.
    mutating func identified(
        _ connection: Connection, as peer: Int, isNewer: Bool = false
    ) -> Bool {
        guard peers.indices.contains(peer), let found = peers[peer], !found.isLinked || isNewer
        else { return false }
        owner[connection] = peer
        peers[peer]?.connections.insert(connection)
        peers[peer]?.handshaking.insert(connection)
        peers[peer]?.isReached = true
        peers[peer]?.hopelessSince = nil
        return true
    }

    /// Both ends have proven themselves. On the lower rank, the first such connection wins.
    mutating func authenticated(_ connection: Connection) {
        guard let index = owner[connection], let peer = peers[index] else { return }
        if peer.isLinked, peer.upgradeEnds == nil {
            // The peer has proven that it is at the other end, and no longer at the link's.
            reopen(index)
            want(index, .peer, clock + Self.fallbackDelay)
        }
        peers[index]?.handshaking.remove(connection)
        peers[index]?.authenticated.append(connection)
        nominateNext(index)
    }

    mutating func nominateNext(_ index: Int) {
        guard rank < index, peers[index]?.nominated == nil, let first = choose(index)
        else { return }
        peers[index]?.nominated = first
        actions.append(.nominate(first))
    }

    /// The lower rank's nomination is on its way.
    mutating func nominationSent(_ connection: Connection) { link(connection) }

    /// The higher rank has received a nomination.
    mutating func nominationReceived(_ connection: Connection) { link(connection) }

    mutating func link(_ connection: Connection) {
        guard let index = owner[connection], let peer = peers[index] else { return }
        guard !peer.isLinked || peer.upgradeEnds != nil else {
            actions.append(.close(connection))
            return
        }
        peers[index]?.isLinked = true
        peers[index]?.hopelessSince = nil
        wanted.removeAll { $0 == index }
        actions.append(.adopt(connection, peer: index))
        for other in peer.connections.sorted() where other != connection {
            actions.append(.close(other))
            owner[other] = nil
        }
        owner[connection] = nil
        peers[index]?.endAttempts()
    }

    /// A connection, at whatever stage, is gone.
    mutating func broke(_ connection: Connection, _ failure: DialFailure, now: Instant) {
        clock = now
        guard let index = owner.removeValue(forKey: connection), let peer = peers[index] else {
            return
        }
        peers[index]?.connections.remove(connection)
        peers[index]?.handshaking.remove(connection)
        guard !peer.isLinked || peer.upgradeEnds != nil else { return }
        peers[index]?.authenticated.removeAll { $0 == connection }
        if peer.nominated == connection { peers[index]?.nominated = nil }
        if peer.relay?.connection == connection {
            peers[index]?.relay?.broke(failure, now: now)
        } else if let number = peer.attempts.firstIndex(where: { $0.connection == connection }) {
            retry(index, number, failure, now)
        }
        nominateNext(index)
        reconsider(index, now)
    }

    mutating func retry(
        _ index: Int, _ number: Int, _ failure: DialFailure, _ now: Instant
    ) {
        guard var attempt = peers[index]?.attempts[number] else { return }
        attempt.connection = nil
        switch failure {
        case .refused(let cause):
            attempt.cause = cause
            attempt.dialAt = now + retryDelay(attempt)
        case .taken:
            attempt.cause = "waiting for the peer's own connection"
            attempt.dialAt = now + Self.takenDelay
            peers[index]?.isReached = true
        case .hopeless(let cause):
            attempt.cause = cause
            attempt.isHopeless = true
            // Whoever was reached was somebody else.
            let isElsewhere = peers[index]?.handshaking.isEmpty == false
            peers[index]?.isReached = isElsewhere
        }
        peers[index]?.attempts[number] = attempt
    }

    /// Half a round trip, give or take half of it: two sides that keep meeting each other's
    /// resets fall out of step.
    mutating func retryDelay(_ attempt: Attempt) -> Duration {
        let shortest = attempt.candidate.kind == .relayed ? Self.relayRetry : Self.shortestRetry
        let base = max(roundTripTime / 2, shortest)
        let slowed = attempt.dials > Self.quickRetries ? base * 10 : base
        return slowed * Double.random(in: 0.5...1.5, using: &jitter)
    }
}
