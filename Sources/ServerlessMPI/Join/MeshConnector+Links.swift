// What MeshMachine decides is done here, and what others need of it comes in: links that are wanted
// later, relays, finished links.

import Glibc

// MARK: Links made when they are needed

extension MeshConnector {
    /// This rank's program needs the link.
    func need(_ peer: Int, now: ContinuousClock.Instant) {
        noteStart(peer, now)
        machine?.need(peer, now: now)
        perform()
    }

    /// The peer's program needs it.
    func signalled(_ peer: Int, now: ContinuousClock.Instant) {
        noteStart(peer, now)
        machine?.signalled(peer, now: now)
        perform()
    }

    func noteStart(_ peer: Int, _ now: ContinuousClock.Instant) {
        if hasHandedOver, startTimes[peer] == nil { startTimes[peer] = now }
    }

    func giveUp(_ peer: Int) { machine?.giveUp(peer) }

    func isLinked(_ peer: Int) -> Bool { machine?.isLinked(peer) == true }

    func missingNeededPeer(_ peer: Int) -> MeshMachine.UnreachedPeer? {
        machine?.missingNeededPeer(peer)
    }
}

// MARK: Relays

extension MeshConnector {
    /// The peers for which the server shall be asked for a relay.
    func takeRelayRequests() -> [Int] {
        defer { relayRequests = [] }
        return relayRequests
    }

    func relayOffered(to peer: Int, _ token: RelayToken) {
        machine?.relayOffered(to: peer, token, now: .now)
        perform()
    }

    func relayRefused(to peer: Int, _ cause: String) {
        machine?.relayRefused(to: peer, cause, now: .now)
        perform()
    }

    /// This rank has the server again, which would not relay while it was away.
    func relayIsBack() {
        machine?.relayIsBack(now: .now)
        perform()
    }
}

// MARK: The machine's actions

extension MeshConnector {
    func perform() {
        while let actions = machine?.takeActions(), !actions.isEmpty {
            for action in actions {
                switch action {
                case .dial(let number, let peer, let candidate):
                    dial(
                        number, peer, candidate.address, isRelayed: candidate.kind == .relayed)
                case .dialAfresh(let number, let peer, let candidate):
                    dial(number, peer, candidate.address, isAfresh: true)
                case .dialRelayed(let number, let peer, let token):
                    if let relayAddress { dial(number, peer, relayAddress, token: token) }
                case .requestRelay(let peer): relayRequests.append(peer)
                case .nominate(let number):
                    guard let connection = connections[number] else { continue }
                    report(connection.nominate(), connection)
                    updateWatch(connection)
                case .adopt(let number, let peer): adopt(number, peer)
                case .close(let number):
                    if let connection = connections.removeValue(forKey: number) {
                        closeSocket(connection)
                    }
                }
            }
        }
    }

    func adopt(_ number: MeshMachine.Connection, _ peer: Int) {
        guard let connection = connections.removeValue(forKey: number), let plan = plans[peer]
        else { return }
        watchesWrites.remove(number)
        poll.forget(connection.descriptor)
        Socket.keepAlive(connection.descriptor, every: keepAlive)
        let local = Socket.localAddress(connection.descriptor)
        let remote = Socket.remoteAddress(connection.descriptor)
        let isRelayed = connection.isRelayed
        nextIncarnation[peer] = connection.incarnation + 1
        lastRemote[peer] = remote
        let kind = isRelayed ? .relayed : remote.map { plan.kind(of: $0) } ?? .host
        let link = EstablishedLink(
            peer: peer, fileDescriptor: connection.descriptor, tls: connection.tls,
            path: LinkPath(
                candidate: kind, localAddress: local?.description ?? "?",
                remoteAddress: remote?.description ?? "?",
                isSameHost: plan.isSameHost && !isRelayed,
                isDialled: connection.isDialled,
                roundTripTime: Socket.roundTripTime(connection.descriptor),
                connectTime: .now - (startTimes[peer] ?? startTime)),
            incarnation: connection.incarnation, isResumable: isResumable(plan))
        if isRelayed, isResumable(plan), plan.hasDirectCandidates, peer > identity?.rank ?? peer {
            upgrades.add(peer, now: .now)
        } else {
            upgrades.remove(peer)
        }
        if hasHandedOver {
            lateLinks.append(link)
        } else {
            EstablishedLink.close([links[peer]])
            links[peer] = link
        }
    }
}
