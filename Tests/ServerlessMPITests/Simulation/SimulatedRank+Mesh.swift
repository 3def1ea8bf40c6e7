// The connections of a simulated rank: what MeshConnector and PeerConnection make of the machine's
// actions and of what comes, without the cryptography.

import CLinux
import Glibc
import MessagePassing

@testable import ServerlessMPI

extension SimulatedRank {
    func perform() {
        while let actions = machine?.takeActions(), !actions.isEmpty {
            for action in actions { perform(action) }
        }
        setAlarm()
        handOverIfComplete()
    }

    private func perform(_ action: MeshMachine.Action) {
        switch action {
        case .dial(let number, let peer, let candidate):
            dial(number, peer, candidate.address, isAfresh: false)
        case .dialAfresh(let number, let peer, let candidate):
            dial(number, peer, candidate.address, isAfresh: true)
        case .dialRelayed(let number, let peer, let token):
            let end = WireEnd(
                rank: rank, local: network.hosts[rank].address, remote: SimulatedNetwork.server,
                isDialled: true, isRelayed: true)
            prepare(end, number, peer)
            network.ends[rank].append(end)
            clock.after(network.delay() * 3) { [server] in server.meet(end, token) }
        case .requestRelay(let peer):
            note("rank \(rank) asks for a relay to \(peer)")
            if call?.isOpenAtRank == true {
                say(.relay(peer: peer))
            } else {
                machine?.relayRefused(to: peer, "the server is gone", now: clock.now)
            }
        case .nominate(let number):
            guard let end = end(number) else { return }
            network.send(.nomination(incarnation: end.incarnation), from: end)
            machine?.nominationSent(number)
        case .adopt(let number, let peer):
            if let end = end(number) { adopt(end, peer) }
        case .close(let number):
            if let end = end(number) { network.hangUp(end) }
        }
    }

    private func end(_ number: MeshMachine.Connection) -> WireEnd? {
        network.ends[rank].first { $0.number == number && $0.socket < 0 }
    }

    private func prepare(_ end: WireEnd, _ number: MeshMachine.Connection, _ peer: Int) {
        end.number = number
        end.peer = peer
        end.incarnation = nextIncarnation[peer]
    }

    private func dial(
        _ number: MeshMachine.Connection, _ peer: Int, _ address: SocketAddress, isAfresh: Bool
    ) {
        guard let end = network.makeEnd(rank, to: address, isAfresh: isAfresh) else {
            machine?.broke(number, .taken, now: clock.now)
            return
        }
        prepare(end, number, peer)
        network.dial(end)
    }

    private func adopt(_ end: WireEnd, _ peer: Int) {
        nextIncarnation[peer] = end.incarnation + 1
        note(
            "rank \(rank) has link \(end.incarnation) to \(peer)\(end.isRelayed ? ", relayed" : "")"
        )
        if end.isRelayed, plans[peer]?.hasDirectCandidates == true, peer > rank {
            upgrades.add(peer, now: clock.now)
        } else {
            upgrades.remove(peer)
        }
        let link = EstablishedLink(
            peer: peer, fileDescriptor: end.adopt(), tls: nil,
            path: LinkPath(
                candidate: end.isRelayed ? .relayed : .host, localAddress: "", remoteAddress: "",
                isSameHost: false, isDialled: end.isDialled, roundTripTime: .zero,
                connectTime: .zero),
            incarnation: end.incarnation, isResumable: true)
        demands.remove(peer)
        if let engine {
            engine.handOver(link)
        } else {
            EstablishedLink.close([links[peer]])
            links[peer] = link
        }
    }

    private func handOverIfComplete() {
        guard engine == nil, let machine, machine.isComplete, firstCause == nil else { return }
        do throws(MPIError) {
            let engine = try Engine(
                rank: rank, links: links,
                settings: EngineSettings(
                    eagerByteCountMax: 8 << 10, unexpectedByteCountMax: 512 << 10,
                    verdictTimeout: .zero),
                ranksOnHost: 1)
            self.engine = engine
            engine.setReporter { [news] in news.report($0) }
            engine.setResumer { [news] in news.broke($0, $1) }
            program.start(engine)
        } catch {
            fail(error)
        }
        links = []
    }

    // MARK: What comes

    func drain(_ end: WireEnd) {
        while !end.inbox.isEmpty, end.state != .closed {
            let item = end.inbox.removeFirst()
            switch item {
            case .reset: broke(end, .refused("reset"))
            case .end:
                if end.socket < 0 {
                    broke(end, .refused("closed by the other end"))
                } else {
                    note("rank \(rank)'s connection \(end.incarnation) to \(end.peer ?? -1) ends")
                    end.hasPeerEnded = true
                }
            case .bytes(let bytes): end.unread += bytes
            case .connected:
                if let number = end.number { machine?.connected(number) }
                network.send(hello(end), from: end)
            case .hello(let sender, let receiver, let incarnation):
                end.incarnation = max(end.incarnation, incarnation)
                hear(helloFrom: sender, to: receiver, on: end)
            case .proof: hearProof(end)
            case .nomination(let incarnation):
                guard let number = end.number else { continue }
                guard incarnation == end.incarnation else {
                    drop(end, .hopeless("it broke the protocol"))
                    continue
                }
                machine?.nominationReceived(number)
            }
            perform()
        }
        if end.socket >= 0, !end.writeUnread() { network.hangUp(end) }
    }

    private func hello(_ end: WireEnd) -> WireItem {
        .hello(from: rank, to: end.peer ?? 0, incarnation: end.incarnation)
    }

    private func hear(helloFrom sender: Int, to receiver: Int, on end: WireEnd) {
        guard receiver == rank, end.peer == nil || end.peer == sender else {
            return drop(end, .hopeless("another rank is at this address"))
        }
        end.peer = sender
        end.gotHello = true
        if !end.isDialled {
            guard let number = machine?.accepted() else { return drop(end, .refused("")) }
            end.number = number
            let isNewer = end.incarnation >= nextIncarnation[sender]
            guard machine?.identified(number, as: sender, isNewer: isNewer) == true else {
                return drop(end, .refused("there is a link already"))
            }
            end.incarnation = max(end.incarnation, nextIncarnation[sender])
            network.send(hello(end), from: end)
        }
        if end.isDialled, let number = end.number { machine?.met(number) }
        if rank < sender { network.send(.proof, from: end) }
    }

    private func hearProof(_ end: WireEnd) {
        guard let peer = end.peer, end.gotHello, let number = end.number else { return }
        if rank > peer { network.send(.proof, from: end) }
        machine?.authenticated(number)
    }

    private func broke(_ end: WireEnd, _ failure: MeshMachine.DialFailure) {
        server.relayEnded(end)
        if end.socket >= 0 {
            note("rank \(rank)'s connection \(end.incarnation) to \(end.peer ?? -1) is reset")
            end.isReset = true
            return network.collect(end)
        }
        let number = end.number
        network.remove(end)
        if let number { machine?.broke(number, failure, now: clock.now) }
    }

    private func drop(_ end: WireEnd, _ failure: MeshMachine.DialFailure) {
        network.send(.reset, from: end)
        broke(end, failure)
    }
}

// MARK: Links that break

extension SimulatedRank {
    /// As ControlLoop.broken.
    func broken(_ peer: Int, _ incarnation: Int) {
        guard machine != nil, firstCause == nil, nextIncarnation[peer] == incarnation + 1,
            !lostPeers.contains(peer)
        else { return }
        note("rank \(rank) has lost link \(incarnation) to \(peer)")
        if !unlink(peer, incarnation) { machine?.need(peer, now: clock.now) }
        demand(peer)
        signal(peer)
        perform()
    }

    private func unlink(_ peer: Int, _ incarnation: Int) -> Bool {
        guard nextIncarnation[peer] == incarnation + 1, machine?.isLinked(peer) == true else {
            return false
        }
        machine?.unlink(peer, now: clock.now)
        return true
    }

    private func demand(_ peer: Int) {
        demands.add(peer, deadline: clock.now + Self.resumeTimeout)
        setAlarm()
    }

    func signal(_ peer: Int) {
        say(.connect(peer: peer, incarnation: nextIncarnation[peer]))
    }

    /// As ControlLoop.signalled.
    func signalled(_ peer: Int, _ incarnation: Int) {
        guard let machine, peer < size else { return }
        guard !machine.isLinked(peer) else {
            guard incarnation > 0, incarnation == nextIncarnation[peer],
                unlink(peer, incarnation - 1)
            else { return }
            demand(peer)
            engine?.abandonLink(to: peer, incarnation: incarnation - 1)
            return
        }
        let limit = nextIncarnation[peer] > 0 ? Self.resumeTimeout : Self.joinTimeout
        demands.addIfNew(peer, deadline: clock.now + limit)
        setAlarm()
        self.machine?.signalled(peer, now: clock.now)
    }

    /// As ControlLoop.departed.
    func departed(_ peer: Int) {
        guard let machine, !machine.isLinked(peer) else { return }
        if nextIncarnation[peer] > 0 { return lose(peer, hasDeparted: true) }
        report(
            MPIError(
                .peerLost, operation: "connect",
                reason: "it has left the job, and there was no connection to it before",
                peer: peer))
    }

    func lose(_ peer: Int, hasDeparted: Bool) {
        guard lostPeers.insert(peer).inserted else { return }
        note("rank \(rank) gives up rank \(peer)\(hasDeparted ? ", which has left" : "")")
        demands.remove(peer)
        machine?.abandonNeed(peer)
        perform()
        engine?.linkIsLost(
            to: peer,
            cause: MPIError(
                .peerLost, operation: "resume",
                reason: hasDeparted ? "it has left the job" : "the connection to it broke",
                peer: peer),
            hasDeparted: hasDeparted)
    }

    func upgrade(_ peer: Int) {
        guard engine != nil, plans[peer]?.hasDirectCandidates == true else { return }
        machine?.upgrade(peer, now: clock.now)
        perform()
    }

    /// As ControlLoop.checkLinks, about once a second.
    func checkLinks() {
        guard machine != nil, firstCause == nil else { return }
        if engine == nil { dropBrokenBeforeUse() }
        guard call?.isOpenAtRank == true else { return }
        for peer in demands.peers { signal(peer) }
        tellDepartures()
        for peer in upgrades.takeDue(clock.now) {
            say(.upgrade(peer: peer))
            upgrade(peer)
        }
    }

    private func dropBrokenBeforeUse() {
        for peer in links.indices {
            guard let link = links[peer] else { continue }
            var byte: UInt8 = 0
            let count = recv(link.fileDescriptor, &byte, 1, Int32(MSG_PEEK))
            guard count == 0 || count < 0 && errno != EAGAIN else { continue }
            EstablishedLink.close([link])
            links[peer] = nil
            if !unlink(peer, nextIncarnation[peer] - 1) { machine?.need(peer, now: clock.now) }
            perform()
        }
    }
}
