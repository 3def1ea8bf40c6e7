// MeshMachine's hands: opens, accepts, watches and closes the sockets of connections in the
// making, lets each go through its handshake, and collects the finished links. It belongs to the
// control thread.

import Glibc

final class MeshConnector {
    /// Tokens from here on belong to connections; listeners have the two below.
    static let firstConnectionToken = UInt64(16)
    static let listenerTokens = [UInt64(2), UInt64(3)]
    /// From the TCP connection until the key is proven.
    static let handshakeTimeout = Duration.seconds(10)
    /// Strangers that have connected and not yet proven anything, beyond one per rank.
    static let strangerAllowance = 64

    /// How long a listener rests when the system has no descriptors left.
    static let acceptPause = Duration.milliseconds(100)

    let poll: EventPoll
    let port: UInt16
    var relayAddress: SocketAddress?
    /// How often idle links show a sign of life.
    var keepAlive = JoinURL.defaultKeepAlive
    var relayRequests: [Int] = []
    var listenAgain: ContinuousClock.Instant?
    var listeners: [(token: UInt64, descriptor: Int32)] = []
    var identity: PeerIdentity?
    var machine: MeshMachine?
    var plans: [PeerPlan?] = []
    var startTime = ContinuousClock.now
    /// Since when links made after the start are in the making.
    var startTimes: [Int: ContinuousClock.Instant] = [:]
    var connections: [MeshMachine.Connection: PeerConnection] = [:]
    var watchesWrites: Set<MeshMachine.Connection> = []
    var handshakes = DeadlineQueue()
    var links: [EstablishedLink?] = []
    /// Which links are made again.
    var resume = ResumePolicy.auto
    /// By rank: the number of the next connection, which is how many there have been.
    var nextIncarnation: [Int] = []
    /// By rank: where the latest connection led.
    var lastRemote: [SocketAddress?] = []
    /// Which relayed links look for a direct path next.
    var upgrades = UpgradeSchedule()
    /// Finished after the others were handed over.
    var lateLinks: [EstablishedLink] = []
    private(set) var hasHandedOver = false
    /// Connections refused because they could not prove to belong here.
    var refusedCount = 0

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

    static func listen(_ address: SocketAddress) -> Int32? {
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
        keepAlive: Duration = JoinURL.defaultKeepAlive, resume: ResumePolicy = .auto,
        now: ContinuousClock.Instant
    ) {
        self.resume = resume
        self.identity = identity
        self.relayAddress = relayAddress
        self.keepAlive = keepAlive
        plans = PeerPlan.plans(
            roster: roster, rank: identity.rank, port: port, policy: policy)
        links = Array(repeating: nil, count: plans.count)
        nextIncarnation = Array(repeating: 0, count: plans.count)
        lastRemote = Array(repeating: nil, count: plans.count)
        startTime = now
        machine = MeshMachine(
            rank: identity.rank, plans: plans, roundTripTime: roundTripTime,
            relayAddress: relayAddress, isOnDemand: isOnDemand,
            seed: UInt64.random(in: 0 ... .max), now: now)
        // Only now is it known who may come.
        watchListeners(true)
        perform()
    }

    func watchListeners(_ isWanted: Bool) {
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
