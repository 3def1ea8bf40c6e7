// Links that are made again: the one there was has broken, or the peer has proven that it needs
// another. The rules are those of the first time, with two differences:
// - Every direct candidate is dialled from the shared port, which NATs know, and from a port of its
//   own, for which nobody on the way remembers the connection that broke.
// - A connection that comes while there is a link counts only once the peer has proven itself on
//   it: a hello alone may be a replay.

extension MeshMachine {
    /// The link to this peer is no more, and is needed.
    mutating func unlink(_ index: Int, now: Instant) {
        guard isLinked(index) else { return }
        reopen(index)
        want(index, .thisRank, now)
        advance(to: now)
    }

    mutating func reopen(_ index: Int) {
        guard var peer = peers[index] else { return }
        peer.isLinked = false
        peer.need = .nobody
        peer.nominated = nil
        peer.isReached = false
        peer.hopelessSince = nil
        peer.upgradeEnds = nil
        peer.addFreshAttempts()
        peer.forgetCauses()
        peers[index] = peer
    }

    /// Nothing is tried any more.
    mutating func abandonNeed(_ index: Int) {
        guard let peer = peers[index], !peer.isLinked else { return }
        for connection in peer.connections.sorted() {
            owner[connection] = nil
            actions.append(.close(connection))
        }
        peers[index]?.endAttempts()
        peers[index]?.need = .nobody
        wanted.removeAll { $0 == index }
    }

    /// Does somebody at this address say that nobody listens there, whatever else is tried?
    func isRefused(_ index: Int, at ip: IPAddress, with cause: String) -> Bool {
        guard peers.indices.contains(index), let peer = peers[index], !peer.isLinked else {
            return false
        }
        return peer.connections.isDisjoint(with: peer.handshaking)
            && peer.attempts.contains {
                $0.candidate.kind == .host && $0.candidate.address.ip == ip && $0.cause == cause
            }
    }
}
