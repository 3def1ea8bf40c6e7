// The internet of a simulation: hosts behind NATs or none, packets that are late or lost, TCP's
// handshake with simultaneous opens, blackouts, and connections that break. What a segment's loss
// does to an established connection is delay, so bytes are only ever late, or lost with all that
// follow.

import MessagePassing

@testable import ServerlessMPI

final class SimulatedNetwork {
    typealias Instant = ContinuousClock.Instant

    struct Host {
        let address: SocketAddress
        /// Index of the box around it; nil on the internet.
        let box: Int?
        /// Packets from and to it are lost until then.
        var darkUntil: Instant
    }

    static let server = SocketAddress(ip: .v4(0x0101_0101), port: 7000)
    static let observer = SocketAddress(ip: server.ip, port: 7001)
    /// Bytes of one direction under way at once.
    static let windowByteCount = 48 << 10

    let clock: SimulationClock
    var random: Seeded
    var hosts: [Host] = []
    var boxes: [NATBox] = []
    let oneWay: Duration
    /// Of a hundred first packets.
    let lossPercent: Int
    private var freshPort: UInt16 = 50_000
    /// All ends there are, by rank.
    var ends: [[WireEnd]] = []

    // MARK: What ranks do with what comes
    var hear: (WireEnd) -> Void = { _ in }
    /// Does a process listen there?
    var listens: (Int) -> Bool = { _ in false }
    var isAlive: (Int) -> Bool = { _ in true }
    /// Has the rank closed its links because it leaves, rather than one because that is broken?
    var hasLeft: (Int) -> Bool = { _ in false }

    init(_ clock: SimulationClock, ranks: Int, seed: UInt64) {
        self.clock = clock
        random = Seeded(seed)
        oneWay = .milliseconds([1, 10, 60].randomElement(using: &random) ?? 1)
        lossPercent = [0, 5, 25].randomElement(using: &random) ?? 0
        ends = Array(repeating: [], count: ranks)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            boxes.append(Self.makeBox(boxes.count, &random))
        }
        for rank in 0..<ranks {
            let box =
                Bool.random(using: &random) ? boxes.indices.randomElement(using: &random) : nil
            let network = box.map { UInt32(0x0a00_0000 + ($0 << 8)) } ?? 0x0505_0500
            hosts.append(
                Host(
                    address: SocketAddress(
                        ip: .v4(network + UInt32(rank + 1)), port: UInt16(4000 + rank)),
                    box: box, darkUntil: clock.now))
        }
    }

    private static func makeBox(_ index: Int, _ random: inout Seeded) -> NATBox {
        let behaviour = NATBehaviour(
            mapping: Bool.random(using: &random) ? .endpointIndependent : .addressAndPortDependent,
            filtering: Bool.random(using: &random) ? .none : .addressAndPortDependent,
            answer: Bool.random(using: &random) ? .drop : .reset)
        return NATBox(behaviour, outer: .v4(UInt32(0x0606_0601 + index)))
    }

    func delay() -> Duration { oneWay * Double.random(in: 0.8...1.6, using: &random) }

    func isDark(_ rank: Int) -> Bool { hosts[rank].darkUntil > clock.now }

    /// Where that address sees this host.
    func observed(_ rank: Int, at destination: SocketAddress) -> SocketAddress {
        guard let box = hosts[rank].box else { return hosts[rank].address }
        return boxes[box].translate(hosts[rank].address, to: destination)
    }

    // MARK: Connecting

    func makeEnd(_ rank: Int, to remote: SocketAddress, isAfresh: Bool) -> WireEnd? {
        var local = hosts[rank].address
        if isAfresh {
            local.port = freshPort
            freshPort += 1
        }
        if ends[rank].contains(where: { $0.remote == remote && $0.local == local }) { return nil }
        let end = WireEnd(rank: rank, local: local, remote: remote, isDialled: true)
        ends[rank].append(end)
        return end
    }

    /// Sends the first packet, and again while there is no answer.
    func dial(_ end: WireEnd, again count: Int = 0) {
        guard end.state == .connecting else { return }
        guard count < 4 else { return fail(end) }
        transmit(end)
        clock.after(.seconds(1) * (1 << count)) { [self] in dial(end, again: count + 1) }
    }

    private func fail(_ end: WireEnd) {
        end.inbox.append(.reset)
        hear(end)
    }

    private func transmit(_ end: WireEnd) {
        let host = hosts[end.rank]
        var source = end.local
        var isInside = false
        if let box = host.box {
            isInside = hosts.contains { $0.box == box && $0.address.ip == end.remote.ip }
            if !isInside { source = boxes[box].translate(end.local, to: end.remote) }
        }
        guard !isDark(end.rank), Int.random(in: 0..<100, using: &random) >= lossPercent else {
            return
        }
        let realm = isInside ? host.box : nil
        clock.after(delay()) { [self] in arrive(end, from: source, in: realm) }
    }

    private func arrive(_ end: WireEnd, from source: SocketAddress, in realm: Int?) {
        guard end.state == .connecting else { return }
        var destination = end.remote
        var inner = realm
        if realm == nil, let box = boxes.firstIndex(where: { $0.outer == destination.ip }) {
            guard let address = boxes[box].admit(source, to: destination) else {
                if boxes[box].behaviour.answer == .reset { refuse(end) }
                return
            }
            destination = address
            inner = box
        }
        guard
            let rank = hosts.firstIndex(where: {
                $0.box == inner && $0.address.ip == destination.ip
            }), !isDark(rank)
        else { return }
        let found = ends[rank].first {
            $0.local == destination && $0.remote == source && $0.state != .closed
        }
        if let found {
            meet(end, found)
        } else if !isAlive(rank) || destination.port != hosts[rank].address.port {
            refuse(end)
        } else if listens(rank) {
            let accepted = WireEnd(
                rank: rank, local: destination, remote: source, isDialled: false)
            accepted.state = .open
            ends[rank].append(accepted)
            join(end, accepted)
            answer(end)
        }
    }

    /// There is an end with this four-tuple: a simultaneous open, or a connection of the past.
    private func meet(_ end: WireEnd, _ found: WireEnd) {
        if found.other === end {
            answer(end)
        } else if found.other == nil, found.state == .connecting {
            join(end, found)
            establish(found)
            answer(end)
        } else {
            found.inbox.append(.reset)
            hear(found)
        }
    }

    private func join(_ one: WireEnd, _ two: WireEnd) {
        one.other = two
        two.other = one
    }

    private func answer(_ end: WireEnd) {
        clock.after(delay()) { [self] in establish(end) }
    }

    private func establish(_ end: WireEnd) {
        guard end.state == .connecting else { return }
        end.state = .open
        end.inbox.insert(.connected, at: 0)
        hear(end)
    }

    private func refuse(_ end: WireEnd) {
        clock.after(delay()) { [self] in if end.state == .connecting { fail(end) } }
    }

    /// Both have come to the relay.
    func splice(_ one: WireEnd, _ two: WireEnd, _ pair: RelayTable.PairID) {
        for end in [one, two] { end.pair = pair }
        join(one, two)
        for end in [one, two] { answer(end) }
    }
}

// MARK: Bytes, and their end

extension SimulatedNetwork {
    func send(_ item: WireItem, from end: WireEnd) {
        var count = 0
        if case .bytes(let bytes) = item { count = bytes.count }
        end.bytesUnderWay += count
        guard !end.isBlackHole else { return }
        var at = clock.now + delay() * (end.isRelayed ? 2 : 1)
        // TCP sends again what a blackout has swallowed.
        at = max(at, hosts[end.rank].darkUntil + oneWay, end.latestArrival ?? at)
        if let other = end.other { at = max(at, hosts[other.rank].darkUntil + oneWay) }
        end.latestArrival = at
        clock.at(at) { [self] in
            // What does not get through is never acknowledged.
            guard !end.isBlackHole else { return }
            guard let other = end.other, other.state != .closed else { return reject(item, end) }
            end.bytesUnderWay -= count
            other.inbox.append(item)
            hear(other)
        }
    }

    /// Bytes for a connection that the other end does not have any more.
    private func reject(_ item: WireItem, _ end: WireEnd) {
        guard case .bytes = item, !end.hasPeerEnded else { return }
        clock.after(delay()) { [self] in
            guard end.state != .closed else { return }
            end.inbox.append(.reset)
            hear(end)
        }
    }

    /// What the engine has written goes on its way, in pieces of any size.
    func collect(_ end: WireEnd) {
        guard end.socket >= 0 else { return }
        if !end.writeUnread() { return hangUp(end) }
        if end.isReset {
            if end.unread.isEmpty { remove(end) }
            return
        }
        while !end.hasEnded, end.bytesUnderWay < Self.windowByteCount {
            let isTiny = Int.random(in: 0..<8, using: &random) == 0
            let limit = isTiny ? Int.random(in: 1...80, using: &random) : 16 << 10
            switch end.readEngine(limit) {
            case .bytes(let bytes): send(.bytes(bytes), from: end)
            case .nothing: return
            case .closed:
                guard hasLeft(end.rank) else { return hangUp(end) }
                end.hasEnded = true
                send(.end, from: end)
                if end.hasPeerEnded { remove(end) }
            }
        }
    }

    /// This rank's side is closed with a reset.
    func hangUp(_ end: WireEnd) {
        if end.state != .closed { send(.reset, from: end) }
        remove(end)
    }

    func remove(_ end: WireEnd) {
        end.shut()
        ends[end.rank].removeAll { $0 === end }
    }

    /// Nothing gets through any more; each end notices in its own time.
    func breakWire(_ end: WireEnd, noticedWithin limit: Duration) {
        // The other end may not have heard yet that the connection stands.
        for side in [end, end.other].compactMap(\.self) where side.state != .closed {
            side.isBlackHole = true
            let delay = limit * Double.random(in: 0...1, using: &random)
            clock.after(delay) { [self] in
                guard side.state != .closed else { return }
                side.inbox.append(.reset)
                hear(side)
            }
        }
    }

    /// The box forgets all it has mapped, and with it every connection through it.
    func forgetMappings(of box: Int, noticedWithin limit: Duration) {
        boxes[box] = NATBox(boxes[box].behaviour, outer: boxes[box].outer)
        for rank in hosts.indices where hosts[rank].box == box {
            for end in ends[rank] where end.state == .open {
                let isInside = end.other.map { hosts[$0.rank].box == box } ?? false
                if !isInside || end.isRelayed { breakWire(end, noticedWithin: limit) }
            }
        }
    }
}
