// Relayed links that look for something better. A path that was not there when the ranks joined may
// be there later: a firewall was opened, a NAT has a mapping now, an attempt was lost. While the
// relayed link goes on, both ranks dial every direct candidate for a moment; a connection that is
// authenticated becomes the next one of the link, as if the relayed one had broken.

extension MeshMachine {
    /// How long both dial. They begin within a round trip through the server.
    static let upgradeWindow = Duration.seconds(3)
    /// A connection that is nearly there at the end of the window gets a little longer.
    static let upgradePatience = Duration.seconds(2)

    /// Begins to look for a direct path to this peer, to which there is a link.
    mutating func upgrade(_ index: Int, now: Instant) {
        clock = now
        guard isLinked(index), var peer = peers[index], peer.upgradeEnds == nil else { return }
        peer.addFreshAttempts()
        peer.forgetCauses()
        peer.nominated = nil
        // The link there is fails nothing while this goes on.
        peer.need = .nobody
        peer.hopelessSince = nil
        for number in peer.attempts.indices where peer.attempts[number].candidate.kind != .relayed {
            peer.attempts[number].dialAt = now
        }
        peer.upgradeEnds = now + Self.upgradeWindow
        peers[index] = peer
        beginDialling(index)
        advance(to: now)
    }

    /// The time is up: nothing is tried any more, and the link stays as it is.
    mutating func endUpgradeIfDue(_ index: Int, _ now: Instant) {
        guard let peer = peers[index], let ends = peer.upgradeEnds, ends <= now else { return }
        // The nomination may be on its way: to close now would cost the link, not the attempt.
        let isNearlyThere = !peer.authenticated.isEmpty
        guard !isNearlyThere || now >= ends + Self.upgradePatience else { return }
        for connection in peer.connections.sorted() {
            owner[connection] = nil
            actions.append(.close(connection))
        }
        peers[index]?.endAttempts()
        wanted.removeAll { $0 == index }
    }

    /// When `endUpgradeIfDue` has something to do.
    func upgradeDeadline(_ peer: Peer) -> Instant? {
        guard let ends = peer.upgradeEnds else { return nil }
        return clock < ends ? ends : ends + Self.upgradePatience
    }
}

extension MeshMachine.Peer {
    /// Every direct candidate from a port of its own as well.
    mutating func addFreshAttempts() {
        guard !attempts.contains(where: \.isAfresh) else { return }
        let direct = attempts.filter { $0.candidate.kind != .relayed }
        attempts += direct.map { MeshMachine.Attempt(candidate: $0.candidate, isAfresh: true) }
    }

    mutating func forgetCauses() {
        for number in attempts.indices {
            attempts[number].dials = 0
            attempts[number].cause = nil
            attempts[number].isHopeless = false
        }
    }

    /// No connection is in the making any more.
    mutating func endAttempts() {
        upgradeEnds = nil
        connections = []
        handshaking = []
        authenticated = []
        relay = nil
        for number in attempts.indices {
            attempts[number].dialAt = nil
            attempts[number].connection = nil
        }
    }
}
