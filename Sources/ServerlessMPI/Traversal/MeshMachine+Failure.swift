// Which peer the mesh lacks, and why: each of its candidates with its own cause.

extension MeshMachine {
    /// A peer that cannot be reached any more, with every candidate's own cause; nil while there
    /// is hope.
    func hopelessPeer(now: Instant) -> UnreachedPeer? {
        for index in wanted {
            if let peer = peers[index], let at = givingUpTime(peer), now >= at {
                return explanation(peer)
            }
        }
        return nil
    }

    /// Until then the peer may still dial us, or a relay be offered; nil while there is hope, or if
    /// this rank does not need the link.
    func givingUpTime(_ peer: Peer) -> Instant? {
        guard peer.need == .thisRank, let since = peer.hopelessSince else { return nil }
        let mayBeOffered = peer.relay.map { !$0.isHopeless } ?? false
        return since + (mayBeOffered ? Self.offerGrace : Self.hopelessGrace)
    }

    /// Is there anything left that could lead to this peer? If not, it is given up after a while;
    /// if only the relay is left, it is asked for at once.
    mutating func reconsider(_ index: Int, _ now: Instant) {
        guard let peer = peers[index], !peer.isLinked else { return }
        guard peer.connections.isEmpty, peer.attempts.allSatisfy(\.isHopeless) else {
            peers[index]?.hopelessSince = nil
            return
        }
        if let relay = peer.relay, relay.asks, !relay.isHopeless {
            if relay.requests == 0 { peers[index]?.relay?.askAt = now }
        } else {
            peers[index]?.hopelessSince = peer.hopelessSince ?? now
        }
    }

    /// The lowest peer that is needed and has no link, once time is up.
    func missingPeer() -> UnreachedPeer? {
        for index in wanted {
            if let peer = peers[index], peer.need == .thisRank { return explanation(peer) }
        }
        return nil
    }

    /// What was tried to reach this peer; nil if there is a link to it, or nobody here needs one.
    func missingNeededPeer(_ index: Int) -> UnreachedPeer? {
        guard wanted.contains(index), let peer = peers[index], peer.need == .thisRank else {
            return nil
        }
        return explanation(peer)
    }

    /// Whom the mesh lacks, and what was tried.
    struct UnreachedPeer: Equatable {
        let peer: Int
        let attempts: [(candidate: Candidate, cause: String)]

        static func == (a: Self, b: Self) -> Bool {
            a.peer == b.peer && a.attempts.map(\.candidate) == b.attempts.map(\.candidate)
        }
    }

    private func explanation(_ peer: Peer) -> UnreachedPeer {
        var attempts = peer.attempts.map { attempt in
            let pending = attempt.dials == 0 ? "not tried yet" : "no answer"
            return (attempt.candidate, attempt.cause ?? pending)
        }
        if let address = relayAddress, let cause = peer.relay?.explanation {
            attempts.append((Candidate(kind: .relayed, address: address), cause))
        }
        return UnreachedPeer(peer: peer.rank, attempts: attempts)
    }
}
