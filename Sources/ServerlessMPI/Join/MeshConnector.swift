// MeshMachine's hands: opens, accepts, watches and closes the sockets of connections in the
// making, lets each go through its handshake, and collects the finished links. It belongs to the
// control thread.

import Glibc

final class MeshConnector {
    /// Tokens from here on belong to connections; listeners have the two below.
    static let firstConnectionToken = UInt64(16)
    private static let listenerTokens = [UInt64(2), UInt64(3)]
    /// From the TCP connection until the key is proven.
    private static let handshakeTimeout = Duration.seconds(10)
    /// Strangers that have connected and not yet proven anything, beyond one per rank.
    private static let strangerAllowance = 64

    /// How long a listener rests when the system has no descriptors left.
    private static let acceptPause = Duration.milliseconds(100)

    private let poll: EventPoll
    private let port: UInt16
    private var relayAddress: SocketAddress?
    private var relayRequests: [Int] = []
    private var listenAgain: ContinuousClock.Instant?
    private var listeners: [(token: UInt64, descriptor: Int32)] = []
    private var identity: PeerIdentity?
    private var machine: MeshMachine?
    private var plans: [PeerPlan?] = []
    private var startTime = ContinuousClock.now
    /// Since when links made after the start are in the making.
    private var startTimes: [Int: ContinuousClock.Instant] = [:]
    private var connections: [MeshMachine.Connection: PeerConnection] = [:]
    private var watchesWrites: Set<MeshMachine.Connection> = []
    private var handshakes = DeadlineQueue()
    private var links: [EstablishedLink?] = []
    /// Finished after the others were handed over.
    private var lateLinks: [EstablishedLink] = []
    private(set) var hasHandedOver = false
    /// Connections refused because they could not prove to belong here.
    private(set) var refusedCount = 0

    /// Opens the listeners at once, so that no peer that is told of us finds the port closed.
    init(poll: EventPoll, port: UInt16) {
        self.poll = poll
        self.port = port
        for (token, ip) in zip(Self.listenerTokens, [IPAddress.any4, .any6]) {
            guard let listener = Self.listen(SocketAddress(ip: ip, port: port)) else { continue }
            listeners.append((token, listener))
            poll.watch(listener, token, reads: false, writes: false)
        }
    }

    private static func listen(_ address: SocketAddress) -> Int32? {
        guard let descriptor = try? Socket.open(address.ip) else { return nil }
        Socket.sharePort(descriptor)
        do throws(SystemFailure) {
            try Socket.bind(descriptor, to: address)
            try Socket.listen(descriptor, backlog: 4096)
            return descriptor
        } catch {
            close(descriptor)
            return nil
        }
    }

    /// This rank's own addresses, for the others to dial.
    var hostCandidates: [Candidate] {
        HostIdentity.addresses().prefix(Candidate.maximumCount).map {
            Candidate(kind: .host, address: SocketAddress(ip: $0, port: port))
        }
    }

    /// Hands the links over that are needed at the start; nil until all are finished, and ever
    /// after.
    func takeLinks() -> [EstablishedLink?]? {
        guard isComplete, !hasHandedOver else { return nil }
        hasHandedOver = true
        defer { links = [] }
        return links
    }

    /// Hands over what was finished later.
    func takeLateLinks() -> [EstablishedLink] {
        defer { lateLinks = [] }
        return lateLinks
    }

    /// How many ranks share this host, this one included.
    var ranksOnHost: Int { 1 + plans.count { $0?.isSameHost == true } }

    var isStarted: Bool { machine != nil }
    var isComplete: Bool { machine?.isComplete == true }

    /// Begins to connect to everyone, or to wait for who is needed.
    ///
    /// - Parameter relayAddress: the rendezvous server's address: where its relays are.
    func start(
        _ identity: PeerIdentity, roster: [RosterEntry], policy: CandidatePolicy = .all,
        roundTripTime: Duration, relayAddress: SocketAddress?, isOnDemand: Bool,
        now: ContinuousClock.Instant
    ) {
        self.identity = identity
        self.relayAddress = relayAddress
        plans = PeerPlan.plans(
            roster: roster, rank: identity.rank, port: port, policy: policy)
        links = Array(repeating: nil, count: plans.count)
        startTime = now
        machine = MeshMachine(
            rank: identity.rank, plans: plans, roundTripTime: roundTripTime,
            relayAddress: relayAddress, isOnDemand: isOnDemand,
            seed: UInt64.random(in: 0 ... .max), now: now)
        // Only now is it known who may come.
        watchListeners(true)
        perform()
    }

    private func watchListeners(_ isWanted: Bool) {
        for listener in listeners {
            poll.change(listener.descriptor, listener.token, reads: isWanted, writes: false)
        }
    }

    /// When `passTime` is due.
    var wakeTime: ContinuousClock.Instant? {
        [machine?.nextDeadline, handshakes.first, listenAgain].compactMap(\.self).min()
    }

    func passTime(_ now: ContinuousClock.Instant) {
        machine?.advance(to: now)
        while let number = handshakes.popDue(now) {
            guard let connection = connections[MeshMachine.Connection(number)],
                !connection.isAuthenticated, !connection.isConnecting
            else { continue }
            refusedCount += 1
            drop(connection, .refused("it did not finish the handshake in time"))
        }
        if let again = listenAgain, now >= again {
            listenAgain = nil
            watchListeners(true)
        }
        perform()
    }

    /// The peer without which the mesh cannot be, as soon as that is certain.
    func hopelessPeer(_ now: ContinuousClock.Instant) -> MeshMachine.UnreachedPeer? {
        machine?.hopelessPeer(now: now)
    }

    func missingPeer() -> MeshMachine.UnreachedPeer? { machine?.missingPeer() }

    /// Closes whatever is not a finished link, and the listeners.
    func stop() {
        for connection in connections.values { closeSocket(connection) }
        connections = [:]
        for listener in listeners {
            poll.forget(listener.descriptor)
            close(listener.descriptor)
        }
        listeners = []
        EstablishedLink.close(links + lateLinks)
        links = []
        lateLinks = []
        machine = nil
    }
}

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

    private func noteStart(_ peer: Int, _ now: ContinuousClock.Instant) {
        if hasHandedOver, startTimes[peer] == nil { startTimes[peer] = now }
    }

    func giveUp(_ peer: Int) { machine?.giveUp(peer) }

    func isLinked(_ peer: Int) -> Bool { machine?.isLinked(peer) == true }

    func missingNeededPeer(_ peer: Int) -> MeshMachine.UnreachedPeer? {
        machine?.missingNeededPeer(peer)
    }
}

// MARK: Sockets

extension MeshConnector {
    /// True if the event was for a socket of this object.
    func handle(_ event: PollEvent) -> Bool {
        if let listener = listeners.first(where: { $0.token == event.token }) {
            acceptAll(listener.descriptor)
        } else if event.token >= Self.firstConnectionToken, event.token != EventPoll.wakeToken {
            let number = MeshMachine.Connection(event.token - Self.firstConnectionToken)
            if let connection = connections[number] { advance(connection) }
        } else {
            return false
        }
        perform()
        return true
    }

    private func token(_ connection: PeerConnection) -> UInt64 {
        Self.firstConnectionToken + UInt64(connection.number)
    }

    private func acceptAll(_ listener: Int32) {
        guard let identity else { return }
        while let accepted = takeNext(listener) {
            guard let number = machine?.accepted(),
                hasRoom(identity.size + Self.strangerAllowance) || shedStranger()
            else {
                close(accepted.0)
                continue
            }
            admit(accepted.0, number, identity, isRelayed: false)
        }
    }

    private func takeNext(_ listener: Int32) -> (Int32, SocketAddress)? {
        do throws(SystemFailure) {
            return try Socket.accept(listener)
        } catch {
            // Out of descriptors: who waits stays readable, and would keep the loop awake.
            if !shedStranger() {
                watchListeners(false)
                listenAgain = .now + Self.acceptPause
            }
            return nil
        }
    }

    /// A peer has come through this rank's relayed address.
    func acceptRelayed(_ descriptor: Int32) {
        guard let identity, let number = machine?.accepted(),
            hasRoom(identity.size + Self.strangerAllowance) || shedStranger()
        else {
            close(descriptor)
            return
        }
        admit(descriptor, number, identity, isRelayed: true)
        perform()
    }

    private func admit(
        _ descriptor: Int32, _ number: MeshMachine.Connection, _ identity: PeerIdentity,
        isRelayed: Bool
    ) {
        Socket.tune(descriptor)
        let connection = PeerConnection(
            accepted: descriptor, number: number, identity: identity, isRelayed: isRelayed)
        connections[number] = connection
        poll.watch(descriptor, token(connection), reads: true, writes: false)
        handshakes.append(UInt64(number), deadline: .now + Self.handshakeTimeout)
        advance(connection)
    }

    /// Are fewer connections in the making that others have begun? Own dials are not strangers.
    private func hasRoom(_ limit: Int) -> Bool {
        connections.count < limit || connections.values.count { !$0.isDialled } < limit
    }

    /// Closes the accepted connection that has longest not said who it is, or, as a hello may be
    /// a replay, the one that has longest not proven it.
    private func shedStranger() -> Bool {
        let unproven = connections.values.filter { !$0.isDialled && !$0.isAuthenticated }
        let strangers = unproven.filter { $0.peer == nil }
        guard
            let oldest = (strangers.isEmpty ? unproven : strangers)
                .min(by: { $0.number < $1.number })
        else { return false }
        refusedCount += 1
        drop(oldest, .refused("it made room for others"))
        return true
    }

    /// Connects from the shared port, or, with a token, from any port to the relay.
    private func dial(
        _ number: MeshMachine.Connection, _ peer: Int, _ address: SocketAddress,
        isRelayed: Bool = false, token relayToken: RelayToken? = nil
    ) {
        guard let identity else { return }
        do throws(SystemFailure) {
            let descriptor = try Socket.open(address.ip)
            let connection: PeerConnection
            if let relayToken {
                connection = PeerConnection(
                    relayed: descriptor, number: number, peer: peer, identity: identity,
                    token: relayToken)
            } else {
                connection = PeerConnection(
                    dialled: descriptor, number: number, peer: peer, identity: identity,
                    isRelayed: isRelayed)
            }
            connections[number] = connection
            poll.watch(descriptor, token(connection), reads: true, writes: true)
            watchesWrites.insert(number)
            if relayToken == nil {
                Socket.sharePort(descriptor)
                let own = address.ip.isV4 ? IPAddress.any4 : .any6
                try Socket.bind(descriptor, to: SocketAddress(ip: own, port: port))
            }
            if try Socket.connect(descriptor, to: address) { advance(connection) }
        } catch {
            let failure = MeshMachine.DialFailure(errorNumber: error.errorNumber)
            if let connection = connections[number] {
                drop(connection, failure)
            } else {
                machine?.broke(number, failure, now: .now)
            }
        }
    }

    private func advance(_ connection: PeerConnection) {
        let wasConnecting = connection.isConnecting
        let event = connection.advance()
        if wasConnecting, !connection.isConnecting { machine?.connected(connection.number) }
        report(event, connection)
        if wasConnecting, !connection.isConnecting, connections[connection.number] != nil {
            handshakes.append(UInt64(connection.number), deadline: .now + Self.handshakeTimeout)
        }
        updateWatch(connection)
    }

    private func updateWatch(_ connection: PeerConnection) {
        let number = connection.number
        guard connections[number] != nil,
            connection.wantsWrite != watchesWrites.contains(number)
        else { return }
        if connection.wantsWrite {
            watchesWrites.insert(number)
        } else {
            watchesWrites.remove(number)
        }
        poll.change(
            connection.descriptor, token(connection), reads: true, writes: connection.wantsWrite)
    }

    private func report(_ event: PeerConnection.Event?, _ connection: PeerConnection) {
        switch event {
        case nil: break
        case .identified(let peer):
            noteStart(peer, .now)
            if machine?.identified(connection.number, as: peer) == true {
                report(connection.welcome(), connection)
            } else {
                drop(connection, .refused("there is a link already"))
            }
        case .authenticated:
            machine?.authenticated(connection.number)
            perform()
            // What follows the proof may have come in the same record.
            if connections[connection.number] != nil { report(connection.advance(), connection) }
        case .nominated: machine?.nominationReceived(connection.number)
        case .nominationSent: machine?.nominationSent(connection.number)
        case .failed(let failure):
            if !connection.isDialled { refusedCount += 1 }
            drop(connection, failure)
        }
    }

    private func drop(_ connection: PeerConnection, _ failure: MeshMachine.DialFailure) {
        guard connections.removeValue(forKey: connection.number) != nil else { return }
        closeSocket(connection)
        machine?.broke(connection.number, failure, now: .now)
    }

    private func closeSocket(_ connection: PeerConnection) {
        watchesWrites.remove(connection.number)
        poll.forget(connection.descriptor)
        connection.close()
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
}

// MARK: The machine's actions

extension MeshConnector {
    private func perform() {
        while let actions = machine?.takeActions(), !actions.isEmpty {
            for action in actions {
                switch action {
                case .dial(let number, let peer, let candidate):
                    dial(
                        number, peer, candidate.address, isRelayed: candidate.kind == .relayed)
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

    private func adopt(_ number: MeshMachine.Connection, _ peer: Int) {
        guard let connection = connections.removeValue(forKey: number), let plan = plans[peer]
        else { return }
        watchesWrites.remove(number)
        poll.forget(connection.descriptor)
        let local = Socket.localAddress(connection.descriptor)
        let remote = Socket.remoteAddress(connection.descriptor)
        let isRelayed = connection.isRelayed
        let kind = isRelayed ? .relayed : remote.map { plan.kind(of: $0) } ?? .host
        let link = EstablishedLink(
            peer: peer, fileDescriptor: connection.descriptor, tls: connection.tls,
            path: LinkPath(
                candidate: kind, localAddress: local?.description ?? "?",
                remoteAddress: remote?.description ?? "?",
                isSameHost: plan.isSameHost && !isRelayed,
                isDialled: connection.isDialled,
                roundTripTime: Socket.roundTripTime(connection.descriptor),
                connectTime: .now - (startTimes[peer] ?? startTime)))
        if hasHandedOver { lateLinks.append(link) } else { links[peer] = link }
    }
}
