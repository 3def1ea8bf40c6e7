// The relay through the rendezvous server as MeshMachine uses it. The rules:
// - The lower rank asks: at once where nothing direct can succeed, else after the direct attempts
//   have had their time, and not while one of them is through or about to be.
// - Both ranks dial the relay with the token they were given; from there on it is a connection
//   like any other, except that a direct one is preferred if it is a moment late.

extension MeshMachine {
    /// The server has made a relay to this peer and given this rank its token.
    mutating func relayOffered(to peer: Int, _ token: RelayToken, now: Instant) {
        clock = now
        // The server's word that the peer needs the link may be on its way yet.
        want(peer, .peer, now)
        guard peers.indices.contains(peer), let found = peers[peer], !found.isLinked,
            let relay = found.relay, !relay.isHopeless,
            relay.connection == nil || relay.token != token
        else { return }
        // An older connection on which the peer has come may be nominated yet.
        if let older = relay.connection, !relay.hasMet, !found.authenticated.contains(older) {
            abandon(older, of: peer)
        }
        let connection = newConnection()
        owner[connection] = peer
        peers[peer]?.relay?.offered(token, connection, now)
        peers[peer]?.connections.insert(connection)
        peers[peer]?.hopelessSince = nil
        actions.append(.dialRelayed(connection, peer: peer, token))
    }

    /// The peer has come to the relay, too, and shown a hello that only it could make.
    mutating func met(_ connection: Connection) {
        guard let index = owner[connection], peers[index]?.relay?.connection == connection
        else { return }
        peers[index]?.relay?.hasMet = true
        peers[index]?.relay?.askAt = nil
    }

    /// The server makes no relay to this peer, and says why.
    mutating func relayRefused(to peer: Int, _ cause: String, now: Instant) {
        clock = now
        guard peers.indices.contains(peer), peers[peer]?.isLinked == false,
            peers[peer]?.relay?.connection == nil
        else { return }
        peers[peer]?.relay?.cause = cause
        peers[peer]?.relay?.askAt = nil
        peers[peer]?.relay?.isHopeless = true
        reconsider(peer, now)
    }

    /// The server is there again: what it could not relay while it was away it may relay now.
    mutating func relayIsBack(now: Instant) {
        for index in wanted {
            guard let peer = peers[index], !peer.isLinked, let relay = peer.relay, relay.isHopeless
            else { continue }
            let again = RelayedAttempt(
                asks: relay.asks, isDirectHopeless: true, roundTripTime: roundTripTime,
                peerCount: peers.count, start: now)
            peers[index]?.relay = again
            peers[index]?.hopelessSince = nil
        }
        advance(to: now)
    }

    private mutating func abandon(_ connection: Connection, of peer: Int) {
        owner[connection] = nil
        peers[peer]?.connections.remove(connection)
        peers[peer]?.authenticated.removeAll { $0 == connection }
        if peers[peer]?.nominated == connection { peers[peer]?.nominated = nil }
        actions.append(.close(connection))
    }

    /// Asks for relays that are due, and nominates those that waited for something better.
    mutating func advanceRelay(_ index: Int, _ now: Instant) {
        guard let peer = peers[index], let relay = peer.relay else { return }
        if let at = relay.nominateAt, at <= now {
            peers[index]?.relay?.nominateAt = nil
            peers[index]?.handshaking = []
            nominateNext(index)
        }
        guard let at = relay.askAt, at <= now else { return }
        let isNearlyThere = peer.isReached && now < relay.patienceEnds
        if !peer.authenticated.isEmpty || isNearlyThere {
            peers[index]?.relay?.askAt = now + relay.delay
        } else {
            peers[index]?.relay?.requests += 1
            peers[index]?.relay?.askAt = now + RelayedAttempt.answerTimeout
            actions.append(.requestRelay(peer: index))
        }
    }

    /// The connection to nominate; nil while there is none, or something better is about to come.
    mutating func choose(_ index: Int) -> Connection? {
        guard let peer = peers[index] else { return nil }
        if let direct = peer.authenticated.first(where: { $0 != peer.relay?.connection }) {
            return direct
        }
        guard let relayed = peer.authenticated.first else { return nil }
        if peer.handshaking.isEmpty { return relayed }
        if peer.relay?.nominateAt == nil {
            let at = clock + max(roundTripTime, Self.directPreference)
            peers[index]?.relay?.nominateAt = at
        }
        return nil
    }
}
