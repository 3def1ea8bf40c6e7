// What the control thread runs: one epoll loop over the rendezvous connection, the listeners and
// the connections in the making. Other threads talk to it through the mailbox of ControlState.

import Glibc
import MessagePassing

final class ControlLoop {
    static let serverToken = UInt64(1)
    static let observationToken = UInt64(4)

    let configuration: JoinConfiguration
    let state: ControlState
    var server: ServerConnection
    var mesh: MeshConnector?
    private let turn: TURNConnector?
    private var hasJoined = false
    private(set) var rank: Int?
    let addresses: [SocketAddress]
    var rejoining = Rejoining()
    private var heartbeatInterval = Duration.seconds(1)
    private var nextHeartbeat: ContinuousClock.Instant?
    private var connectDeadline: ContinuousClock.Instant?
    var demands = LinkDemands()
    /// Peers to which no other connection will be made.
    var lostPeers: Set<Int> = []
    /// When the connections in use are looked at; nil where none can be made again.
    var nextCheck: ContinuousClock.Instant?
    /// Evidence the server has been told of, and when it stands for want of a verdict.
    private var reported: (cause: MPIError, deadline: ContinuousClock.Instant)?
    private var leaveDeadline: ContinuousClock.Instant?
    var isDone = false

    init(_ configuration: JoinConfiguration, _ addresses: [SocketAddress], _ state: ControlState) {
        self.configuration = configuration
        self.state = state
        self.addresses = addresses
        server = ServerConnection(
            configuration, addresses, poll: state.poll, token: Self.serverToken,
            observationToken: Self.observationToken)
        turn = configuration.turn.map {
            TURNConnector(
                $0, poll: state.poll,
                dataLimit: configuration.url.size + TURNConnector.strangerAllowance)
        }
    }

    func run() {
        // A third of the time leaves the rest for joining without a relayed address.
        turn?.start(timeout: configuration.url.joinTimeout / 3)
        server.start(.now)
        serverMoved()
        while !isDone {
            for event in state.poll.wait(until: wakeTime) {
                if event.token == Self.serverToken {
                    server.advance(.now) { receive($0) }
                    serverMoved()
                } else if event.token == Self.observationToken {
                    server.observation?.advance()
                } else if turn?.handle(event) != true {
                    _ = mesh?.handle(event)
                }
            }
            for command in state.takeCommands() { obey(command) }
            passTime(.now)
            turnMoved()
            meshMoved()
        }
        mesh?.stop()
        turn?.stop(.now)
        server.close()
    }

    private var wakeTime: ContinuousClock.Instant? {
        [
            server.wakeTime, mesh?.wakeTime, turn?.wakeTime, nextHeartbeat, reported?.deadline,
            leaveDeadline, demands.wakeTime, nextCheck, rejoining.at,
            isAwaitingObservation ? server.observation?.deadline : nil,
            mesh?.isComplete == true ? nil : connectDeadline,
        ].compactMap(\.self).min()
    }

    private func passTime(_ now: ContinuousClock.Instant) {
        if server.passTime(now) { serverMoved() }
        mesh?.passTime(now)
        turn?.passTime(now)
        if !hasJoined { serverMoved() }
        if let due = nextHeartbeat, now >= due {
            nextHeartbeat = now + heartbeatInterval
            // While a verdict is awaited, the call that may bring it is kept.
            if reported == nil, mesh?.isStarted == true, rejoining.isPossible {
                server.endIfUnanswered()
            }
            server.send(.heartbeat)
            serverMoved()
        }
        if let nextCheck, now >= nextCheck { checkLinks(now) }
        if let at = rejoining.at, now >= at { callAgain(now) }
        if let reported, now >= reported.deadline { fail(reported.cause) }
        if let leaveDeadline, now >= leaveDeadline { isDone = true }
    }

    var isLeaving: Bool { leaveDeadline != nil }

    private func obey(_ command: ControlState.Command) {
        switch command {
        case .connect(let deadline):
            // After a failure nothing looks at it, and it would keep the loop awake.
            if state.firstCause == nil { connectDeadline = deadline }
        case .need(let peer): need(peer)
        case .broken(let peer, let incarnation): broken(peer, incarnation: incarnation)
        case .report(let cause): report(cause)
        case .leave(let deadline):
            leaveDeadline = deadline
            sayBye()
        }
    }
}

// MARK: The server

extension ControlLoop {
    func serverMoved() {
        if server.takeConnected(), let port = server.localPort {
            if mesh == nil { mesh = MeshConnector(poll: state.poll, port: port) }
            joinAgain()
        }
        joinWhenReady()
        guard let cause = server.takeFailure() else { return }
        nextHeartbeat = nil
        if isLeaving {
            if !mayCallAgain { isDone = true }
        } else if mesh?.isStarted != true {
            fail(cause)
        } else if let reported {
            // Nobody is left to give a verdict.
            fail(reported.cause)
        }
        // Otherwise the job goes on without the server: the ranks have each other.
        rejoining.lost(.now)
    }

    private var isAwaitingObservation: Bool {
        !hasJoined && configuration.awaitsObservation
            && server.observation?.isSettled(.now) == false
    }

    /// Joins once the addresses to announce are known: the relayed one comes last.
    private func joinWhenReady() {
        guard !hasJoined, server.isOpen, let mesh, turn?.isSettled != false, !isAwaitingObservation
        else { return }
        hasJoined = true
        let relayed = [turn?.candidate].compactMap(\.self)
        let url = configuration.url
        let isDirect = url.candidates == .all && configuration.announcesHostAddresses
        let direct = isDirect ? mesh.hostCandidates : []
        server.send(
            .join(
                JoinRequest(
                    encryption: url.encryption, epoch: url.epoch, size: url.size,
                    rank: configuration.rank, joinTimeout: url.joinTimeout,
                    requestID: configuration.requestID, hostTag: configuration.hostTag,
                    candidates: direct.prefix(Candidate.maximumCount - relayed.count) + relayed,
                    observationID: server.observation?.id ?? JoinRequest.noObservation)))
    }

    /// A server may deny service, but not make a rank do what its user did not ask for.
    private func misfit(_ what: String) -> MPIError {
        MPIError(
            .connectFailed, operation: "join",
            reason: "the rendezvous server \(what), which does not fit the join URL")
    }

    private func receive(_ message: ServerMessage) {
        switch message {
        case .welcome(let welcome):
            if rejoining.isWelcomed(welcome) {
                nextHeartbeat = .now + heartbeatInterval
                mesh?.relayIsBack()
                return
            }
            guard welcome.rank < configuration.url.size,
                configuration.rank == nil || configuration.rank == welcome.rank
            else { return fail(misfit("gave this process rank \(welcome.rank)")) }
            rank = welcome.rank
            heartbeatInterval = welcome.heartbeatInterval
            nextHeartbeat = .now + heartbeatInterval
        case .roster(let roster):
            guard let rank, let mesh, !mesh.isStarted, state.firstCause == nil else { return }
            guard roster.count == configuration.url.size else {
                return fail(misfit("sent a roster of \(roster.count) ranks"))
            }
            turn?.permit(roster.map(\.observed.ip), now: .now)
            mesh.start(
                PeerIdentity(configuration, rank: rank), roster: roster,
                policy: configuration.url.candidates, roundTripTime: server.roundTripTime,
                relayAddress: configuration.url.candidates == .turn ? nil : server.address,
                isOnDemand: configuration.url.isLazy, keepAlive: configuration.url.keepAlive,
                resume: configuration.url.resume, now: .now)
            checkLinks(.now)
            server.observation?.stop()
            state.joined.fulfil(
                .success(
                    ControlState.Seat(
                        rank: rank, ranksOnHost: mesh.ranksOnHost,
                        attachment: attachment(mesh, roster[rank]))))
        case .connect(let peer, let incarnation): signalled(peer, incarnation: incarnation)
        case .departed(let peer): departed(peer)
        case .upgrade(let peer): mesh?.upgrade(peer, now: .now)
        case .refused(let cause):
            if !rejoining.isRefused(cause) {
                fail(cause)
            } else if isLeaving {
                // The bye that had no answer was heard.
                isDone = true
            }
        case .failed(let cause): fail(cause)
        case .relay(let peer, let token): mesh?.relayOffered(to: peer, token)
        case .relayRefused(let peer, let cause): mesh?.relayRefused(to: peer, cause.reason)
        case .farewell: isDone = true
        }
    }
}

// MARK: Mesh and failure

extension ControlLoop {
    private func attachment(_ mesh: MeshConnector, _ own: RosterEntry) -> NetworkAttachment {
        NetworkAttachment(
            serverAddress: server.address, localAddress: server.localAddress,
            observed: own.observed, natClass: own.natClass,
            hostAddresses: mesh.hostCandidates.map(\.address.ip),
            roundTripTime: server.roundTripTime,
            turn: turn.map { turn in
                let address = turn.candidate?.address.description
                return address.map { .address($0) } ?? .failed(turn.trouble ?? "no answer")
            })
    }
}

extension ControlLoop {
    private func turnMoved() {
        guard let turn else { return }
        if !hasJoined { serverMoved() }
        for descriptor in turn.takeBound() {
            if let mesh { mesh.acceptRelayed(descriptor) } else { close(descriptor) }
        }
    }

    private func meshMoved() {
        guard let mesh, mesh.isStarted, state.firstCause == nil else { return }
        if let links = mesh.takeLinks() {
            // In a job with lazy links the allocation may be needed as long as the job lasts.
            if !configuration.url.isLazy { turn?.meshIsComplete(links, now: .now) }
            state.connected.fulfil(.success(links))
        }
        // Links needed later have deadlines of their own.
        if mesh.hasHandedOver { connectDeadline = nil }
        for peer in mesh.takeRelayRequests() {
            if server.isOpen {
                server.send(.relay(peer: peer))
                serverMoved()
            } else {
                mesh.relayRefused(to: peer, "the rendezvous server, which would relay, is gone")
            }
        }
        let now = ContinuousClock.now
        lateLinksMoved(mesh, now)
        guard !mesh.isComplete else { return }
        if let peer = mesh.hopelessPeer(now) {
            // The engine knows whether a link that cannot be made again matters.
            if mesh.nextIncarnation[peer.peer] > 0 {
                return lose(peer.peer, mesh, hasDeparted: false)
            }
            report(unreachable(peer, "none of its addresses can be used"))
        } else if let deadline = connectDeadline, now >= deadline, let peer = mesh.missingPeer() {
            report(unreachable(peer, "no connection before the deadline"))
        }
    }

    func unreachable(_ peer: MeshMachine.UnreachedPeer, _ what: String) -> MPIError {
        var candidates = peer.attempts.map {
            MPIError.Candidate(name: $0.candidate.description, cause: $0.cause)
        }
        if let turn, let trouble = turn.trouble(with: peer.peer) {
            let name = "\(CandidateKind.relayed) \(turn.name)"
            candidates.append(MPIError.Candidate(name: name, cause: trouble))
        }
        return MPIError(
            .connectFailed, operation: "connect",
            reason: "\(what); `join-timeout` in the join URL gives it more time",
            peer: peer.peer, candidates: candidates)
    }

    func report(_ cause: MPIError) {
        guard reported == nil, state.firstCause == nil else { return }
        guard server.isOpen else { return fail(cause) }
        reported = (cause, .now + ControlThread.verdictTimeout)
        connectDeadline = nil
        demands = LinkDemands()
        server.send(.report(cause))
        serverMoved()
    }

    private func fail(_ cause: MPIError) {
        // The evidence this rank reported comes back without what only this rank knows.
        var cause = cause
        if let reported, reported.cause.code == cause.code, reported.cause.peer == cause.peer,
            cause.candidates.isEmpty
        {
            cause.candidates = reported.cause.candidates
        }
        reported = nil
        // A time that has passed and that nothing waits for would keep the loop awake.
        connectDeadline = nil
        demands = LinkDemands()
        nextCheck = nil
        state.fail(cause)
        mesh?.stop()
    }
}
