// The rendezvous server of a simulation: a real job table whose connections are messages on virtual
// time, in their real bytes, and which can be started again.

import MessagePassing

@testable import ServerlessMPI

/// One rank's connection to the server.
final class ServerCall {
    let rank: Int
    let id: ConnectionID
    let observed: SocketAddress
    /// As each side sees it.
    var isOpenAtRank = true
    var isOpenAtServer = true
    private var latestUp: ContinuousClock.Instant?
    private var latestDown: ContinuousClock.Instant?

    init(rank: Int, id: ConnectionID, observed: SocketAddress) {
        self.rank = rank
        self.id = id
        self.observed = observed
    }

    func upAt(_ at: ContinuousClock.Instant) -> ContinuousClock.Instant {
        latestUp = max(at, latestUp ?? at)
        return latestUp ?? at
    }

    func downAt(_ at: ContinuousClock.Instant) -> ContinuousClock.Instant {
        latestDown = max(at, latestDown ?? at)
        return latestDown ?? at
    }
}

final class SimulatedServer {
    static let job = "job"

    let clock: SimulationClock
    let network: SimulatedNetwork
    private(set) var table: JobTable?
    private var tokens: JitterGenerator
    private var calls: [ServerCall] = []
    private var nextID = UInt64(1)
    /// Ends that wait at the relay for their other end.
    private var waiting: [ConnectionID: WireEnd] = [:]
    private var spliced: [(pair: RelayTable.PairID, end: WireEnd)] = []
    private var incarnation = 0

    var deliver: (ServerMessage, ServerCall) -> Void = { _, _ in }
    var lost: (ServerCall) -> Void = { _ in }
    var note: (String) -> Void = { _ in }
    private(set) var fault: String?

    init(_ clock: SimulationClock, _ network: SimulatedNetwork, seed: UInt64) {
        self.clock = clock
        self.network = network
        tokens = JitterGenerator(state: seed)
    }

    var isUp: Bool { table != nil }
    /// Has it fixed the cause of the job's failure?
    var hasVerdict: Bool {
        if case .failed = table?.jobs[Self.job]?.phase { true } else { false }
    }

    func start() {
        incarnation += 1
        var tokens = tokens
        self.tokens.state &+= 1
        table = JobTable(
            limits: RendezvousLimits(),
            makeToken: {
                var writer = ByteWriter()
                writer.write(tokens.next())
                writer.write(tokens.next())
                return RelayToken(writer.bytes) ?? .random()
            },
            keysForJob: {
                ServerKeys(operatorSecret: Secret([UInt8](repeating: 1, count: 32)), job: $0)
            })
        tick(incarnation)
    }

    /// The process is gone, and with it all that it knew and relayed.
    func stop() {
        table = nil
        for call in calls { end(call, isKnownToServer: false) }
        for (_, end) in spliced { network.breakWire(end, noticedWithin: network.oneWay * 2) }
        for end in waiting.values.sorted(by: { $0.rank < $1.rank }) { refuse(end) }
        (calls, spliced, waiting) = ([], [], [:])
    }

    private func tick(_ number: Int) {
        clock.after(.milliseconds(250)) { [self] in
            guard table != nil, number == incarnation else { return }
            table?.advance(to: clock.now)
            perform()
            tick(number)
        }
    }

    // MARK: Connections

    /// A rank connects; nil: nobody listens.
    func connect(_ rank: Int) -> ServerCall? {
        guard isUp, !network.isDark(rank) else { return nil }
        let call = ServerCall(
            rank: rank, id: ConnectionID(number: nextID),
            observed: network.observed(rank, at: SimulatedNetwork.server))
        nextID += 1
        calls.append(call)
        return call
    }

    func say(_ message: ClientMessage, on call: ServerCall) {
        let bytes = message.encoded
        let at = max(
            clock.now + network.delay(), network.hosts[call.rank].darkUntil + network.oneWay)
        clock.at(call.upAt(at)) { [self] in
            guard call.isOpenAtServer else { return }
            do throws(MalformedMessage) {
                let message = try ClientMessage(decoding: bytes[...])
                if case .join(let request) = message, request.ticket.isEmpty {
                    let second = network.observed(call.rank, at: SimulatedNetwork.observer)
                    table?.observed(request.observationID, at: second, now: clock.now)
                }
                table?.receive(
                    message, from: call.id, job: Self.job, observed: call.observed,
                    now: clock.now)
                perform()
            } catch {
                fault = "the server cannot read a rank's message: \(error.reason)"
            }
        }
    }

    /// The connection breaks; both sides notice in a while.
    func cut(_ call: ServerCall) { end(call, isKnownToServer: true) }

    /// The rank's process has ended.
    func hangUp(_ call: ServerCall) {
        call.isOpenAtRank = false
        clock.at(call.upAt(clock.now + network.delay())) { [self] in endAtServer(call) }
    }

    func openCalls() -> [ServerCall] { calls.filter { $0.isOpenAtServer && $0.isOpenAtRank } }

    private func end(_ call: ServerCall, isKnownToServer: Bool) {
        clock.after(network.delay()) { [self] in
            guard call.isOpenAtRank else { return }
            call.isOpenAtRank = false
            lost(call)
        }
        if isKnownToServer {
            clock.after(network.delay()) { [self] in endAtServer(call) }
        } else {
            call.isOpenAtServer = false
        }
    }

    private func endAtServer(_ call: ServerCall) {
        guard call.isOpenAtServer else { return }
        call.isOpenAtServer = false
        calls.removeAll { $0 === call }
        table?.ended(call.id, reason: "reset", now: clock.now)
        perform()
    }

    // MARK: Effects

    private func perform() {
        for effect in table?.takeEffects() ?? [] {
            switch effect {
            case .send(let bytes, let id): send(bytes, to: id)
            case .close(let id): close(id)
            case .note(_, _, let text): note("server: \(text)")
            case .endRelays(let pairs, let ids):
                for (_, end) in spliced.filter({ pairs.contains($0.pair) }) {
                    network.breakWire(end, noticedWithin: network.oneWay)
                }
                spliced.removeAll { pairs.contains($0.pair) }
                for id in ids { if let end = waiting.removeValue(forKey: id) { refuse(end) } }
            }
        }
    }

    private func send(_ bytes: [UInt8], to id: ConnectionID) {
        guard let call = calls.first(where: { $0.id == id }) else { return }
        let at = max(
            clock.now + network.delay(), network.hosts[call.rank].darkUntil + network.oneWay)
        clock.at(call.downAt(at)) { [self] in
            guard call.isOpenAtRank else { return }
            do throws(MalformedMessage) {
                deliver(try ServerMessage(decoding: bytes[...]), call)
            } catch {
                fault = "a rank cannot read the server's message: \(error.reason)"
            }
        }
    }

    private func close(_ id: ConnectionID) {
        guard let call = calls.first(where: { $0.id == id }) else { return }
        call.isOpenAtServer = false
        calls.removeAll { $0 === call }
        clock.at(call.downAt(clock.now + network.delay())) { [self] in
            guard call.isOpenAtRank else { return }
            call.isOpenAtRank = false
            lost(call)
        }
    }

    // MARK: The relay

    /// A rank has connected to the relay and shows its token.
    func meet(_ end: WireEnd, _ token: RelayToken) {
        guard end.state == .connecting else { return }
        guard isUp, !network.isDark(end.rank) else { return refuse(end) }
        let id = ConnectionID(number: nextID)
        nextID += 1
        switch table?.relays.claim(token, by: id, now: clock.now) {
        case .refused, nil: refuse(end)
        case .waiting: waiting[id] = end
        case .paired(let pair, let first):
            guard let other = waiting.removeValue(forKey: first), other.state == .connecting else {
                table?.relays.end(pair)
                return refuse(end)
            }
            network.splice(other, end, pair)
            spliced.append((pair, end))
        }
    }

    /// A relayed connection has ended at one of its ends.
    func relayEnded(_ end: WireEnd) {
        guard let pair = end.pair, spliced.contains(where: { $0.pair == pair }) else { return }
        spliced.removeAll { $0.pair == pair }
        table?.relays.end(pair)
    }

    private func refuse(_ end: WireEnd) {
        clock.after(network.delay()) { [self] in
            guard end.state == .connecting else { return }
            end.inbox.append(.reset)
            network.hear(end)
        }
    }
}
