// One allocation at a TURN server that relays TCP (RFC 8656, RFC 6062) as a state machine: bytes
// and time go in, bytes and wishes come out of `takeActions`. Pure, so that a test can play the
// server; Join/TURNConnector has the sockets.
//
// Allocate (unsigned, then signed as the 401 says) gives the relayed address. Permissions say
// which IP addresses may connect to it. When one does, the server announces it
// (ConnectionAttempt), this rank opens a second connection to the server and claims the stranger
// with ConnectionBind; from then on that connection carries the peer's bytes and nothing else.

struct TURNMachine {
    typealias Instant = ContinuousClock.Instant
    /// The machine's name for one data connection; never reused.
    typealias DataConnection = Int

    enum Action: Equatable {
        /// Write these bytes to the control connection.
        case send([UInt8])
        /// Connect to the server once more, then call `dataConnected`.
        case openData(DataConnection)
        case sendData(DataConnection, [UInt8])
        /// The connection is the peer's now.
        case handOver(DataConnection)
        case closeData(DataConnection)
        /// Nothing more comes of the control connection.
        case closeControl
    }

    /// A rank without a relayed address by then joins without.
    static let allocationTimeout = Duration.seconds(3)
    /// From a request of a standing allocation to its answer.
    static let answerTimeout = Duration.seconds(10)
    /// From the announcement of a peer until its connection is bound; servers wait for 30 s.
    static let bindTimeout = Duration.seconds(10)
    /// RFC 8656 §9: a permission lasts five minutes.
    static let permissionRefresh = Duration.seconds(240)
    /// Peers per CreatePermission; a refusal then splits the list.
    static let peersPerRequest = 64
    private static let defaultLifetime: UInt32 = 600

    private enum Purpose: Equatable {
        case allocate
        case refresh
        case release
        case permit([IPAddress])

        var method: STUNMessage.Method {
            switch self {
            case .allocate: .allocate
            case .refresh, .release: .refresh
            case .permit: .createPermission
            }
        }
    }

    private struct Pending {
        let purpose: Purpose
        let challenges: Int
        let deadline: Instant
    }

    private let configuration: TURNConfiguration
    /// The server is reached by IPv6, so the peers are asked to do the same.
    private let isV6: Bool
    /// Data connections in the making; more are not answered.
    let dataLimit: Int
    private var random: JitterGenerator
    private(set) var session: TURNSession
    private var framing = STUNFraming()
    private var pending: [[UInt8]: Pending] = [:]
    var data: [DataConnection: Data] = [:]
    var nextData: DataConnection = 1
    private var refreshAt: Instant?
    private var permitAt: Instant?
    private var permitted: [IPAddress] = []
    var actions: [Action] = []

    /// Where peers may dial, while the allocation stands.
    private(set) var relayedAddress: SocketAddress?
    /// Why there is no allocation, or no more.
    private(set) var fault: TURNFault?
    /// Peers' addresses to which the server will not relay.
    private(set) var denied: [IPAddress: TURNFault] = [:]
    private(set) var isReleased = false
    private var allocationDeadline: Instant?

    /// - Parameter deadline: give up on the allocation then.
    init(
        _ configuration: TURNConfiguration, isV6: Bool, dataLimit: Int, seed: UInt64,
        deadline: Instant
    ) {
        self.configuration = configuration
        self.isV6 = isV6
        self.dataLimit = dataLimit
        random = JitterGenerator(state: seed)
        session = TURNSession(
            username: configuration.username, password: configuration.password)
        allocationDeadline = deadline
    }

    /// Is it known whether there will be a relayed address?
    var isSettled: Bool { relayedAddress != nil || fault != nil || isReleased }

    mutating func takeActions() -> [Action] {
        defer { actions.removeAll() }
        return actions
    }

    /// When `advance` must be called next.
    var nextDeadline: Instant? {
        guard fault == nil else { return nil }
        let times = [allocationDeadline, refreshAt, permitAt]
        return
            (times.compactMap(\.self) + pending.values.map(\.deadline)
            + data.values.map(\.deadline)).min()
    }
}

// MARK: Time and wishes

extension TURNMachine {
    /// The control connection stands.
    mutating func connected(now: Instant) {
        guard fault == nil, !isReleased else { return }
        ask(.allocate, now)
    }

    /// The control connection is gone, or never came about.
    mutating func lost(_ reason: String) {
        guard !isReleased else { return }
        fail(TURNFault(reason: reason))
    }

    mutating func advance(to now: Instant) {
        guard fault == nil else { return }
        if let deadline = allocationDeadline, now >= deadline { return fail(.noAnswer) }
        if pending.values.contains(where: { now >= $0.deadline }) { return fail(.noAnswer) }
        for (number, connection) in data where now >= connection.deadline { drop(number) }
        if let due = refreshAt, now >= due {
            refreshAt = nil
            ask(.refresh, now)
        }
        if let due = permitAt, now >= due { askForPermissions(now) }
    }

    /// Peers from these addresses may connect from now on, until `stopPermitting`.
    mutating func permit(_ peers: [IPAddress], now: Instant) {
        guard let relayedAddress else { return }
        for peer in peers where peer.isV4 == relayedAddress.ip.isV4 && !permitted.contains(peer) {
            permitted.append(peer)
        }
        askForPermissions(now)
    }

    /// No further peer will come; the connections that stand are not affected (RFC 6062 §5.4).
    mutating func stopPermitting() {
        permitted = []
        permitAt = nil
    }

    /// The allocation is not needed any more.
    mutating func release(now: Instant) {
        guard fault == nil, !isReleased else { return }
        for number in data.keys { drop(number) }
        if relayedAddress != nil { ask(.release, now) }
        isReleased = true
        relayedAddress = nil
        stop()
    }

    private mutating func askForPermissions(_ now: Instant) {
        let peers = permitted.filter { denied[$0] == nil }
        permitAt = peers.isEmpty ? nil : now + Self.permissionRefresh
        for start in stride(from: 0, to: peers.count, by: Self.peersPerRequest) {
            ask(.permit(Array(peers[start..<min(start + Self.peersPerRequest, peers.count)])), now)
        }
    }

    private mutating func ask(_ purpose: Purpose, _ now: Instant, challenges: Int = 0) {
        let transaction = newTransaction()
        var request = STUNMessage(.request, purpose.method, transaction: transaction)
        switch purpose {
        case .allocate:
            request.attributes = [.tcpTransport] + (isV6 ? [.ipv6Family] : [])
        case .refresh: break
        case .release: request.attributes = [.lifetime(0)]
        case .permit(let peers):
            request.attributes = peers.map {
                .address(
                    .xorPeerAddress, SocketAddress(ip: $0, port: 0), transaction: transaction)
            }
        }
        pending[transaction] = Pending(
            purpose: purpose, challenges: challenges, deadline: now + Self.answerTimeout)
        actions.append(.send(session.encode(request)))
    }

    mutating func newTransaction() -> [UInt8] {
        (0..<STUNMessage.transactionByteCount).map { _ in
            UInt8.random(in: 0 ... .max, using: &random)
        }
    }

    private mutating func fail(_ fault: TURNFault) {
        guard self.fault == nil else { return }
        for number in data.keys { drop(number) }
        self.fault = fault
        relayedAddress = nil
        stop()
    }

    private mutating func stop() {
        allocationDeadline = nil
        refreshAt = nil
        permitAt = nil
        pending = [:]
        actions.append(.closeControl)
    }
}

// MARK: The control connection

extension TURNMachine {
    /// Bytes from the control connection, cut anywhere.
    mutating func received(_ bytes: some Sequence<UInt8>, now: Instant) {
        framing.append(bytes)
        do throws(MalformedMessage) {
            while fault == nil, !isReleased, let next = try framing.next() {
                let message = try Self.decode(next)
                if message.kind == .indication {
                    announced(message, now)
                } else {
                    answered(message, next, now)
                }
            }
        } catch {
            fail(.broken(error.reason))
        }
    }

    static func decode(_ bytes: [UInt8]) throws(MalformedMessage) -> STUNMessage {
        let message = try STUNMessage(decoding: bytes)
        guard STUNMessage.hasSoundFingerprint(bytes) else {
            throw MalformedMessage(reason: "a wrong fingerprint")
        }
        return message
    }

    private mutating func answered(_ answer: STUNMessage, _ bytes: [UInt8], _ now: Instant) {
        guard let request = pending.removeValue(forKey: answer.transaction),
            answer.method == request.purpose.method, answer.kind != .request
        else { return fail(.broken("an answer to nothing")) }
        switch session.judge(answer, bytes, challenges: request.challenges) {
        case .again: ask(request.purpose, now, challenges: request.challenges + 1)
        case .failure(let fault): failed(request.purpose, fault, now)
        case .success: succeeded(request.purpose, answer, now)
        }
    }

    private mutating func succeeded(_ purpose: Purpose, _ answer: STUNMessage, _ now: Instant) {
        switch purpose {
        case .allocate:
            guard let address = answer.address(.xorRelayedAddress), address.port != 0 else {
                return fail(.broken("an allocation without an address"))
            }
            relayedAddress = address
            allocationDeadline = nil
            planRefresh(answer, now)
        case .refresh: planRefresh(answer, now)
        case .permit, .release: break
        }
    }

    /// A minute before the end; half-way where the server grants little.
    private mutating func planRefresh(_ answer: STUNMessage, _ now: Instant) {
        let seconds = Int64(answer.number(.lifetime) ?? Self.defaultLifetime)
        refreshAt = now + .seconds(max(seconds > 120 ? seconds - 60 : seconds / 2, 1))
    }

    private mutating func failed(_ purpose: Purpose, _ fault: TURNFault, _ now: Instant) {
        guard case .permit(let peers) = purpose, let code = fault.code, code != 401, code != 437
        else { return fail(fault) }
        // One forbidden address among many spoils the request for all: find it.
        guard peers.count > 1 else {
            for peer in peers { denied[peer] = fault }
            return
        }
        let half = peers.count / 2
        ask(.permit(Array(peers[..<half])), now)
        ask(.permit(Array(peers[half...])), now)
    }
}
