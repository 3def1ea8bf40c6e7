// An internet on fake time: realms separated by NAT boxes, hosts with the kernel's TCP handshake
// (simultaneous open included), and a rendezvous server that relays. The ranks' MeshMachines run
// on it unchanged, so what a test sees here is what traversal does.

import Testing

@testable import ServerlessMPI

/// What travels: TCP's own segments, and what ranks say on a connection.
enum VirtualSegment: Equatable {
    case syn, synAck, ack, reset
    case hello(from: Int, to: Int)
    case proof
    case nomination
}

struct VirtualPacket {
    var source: SocketAddress
    var destination: SocketAddress
    var segment: VirtualSegment
}

/// One rank's host: an address in a realm, which is the inside of a box or the internet.
struct VirtualHost {
    let address: SocketAddress
    /// Index of the box around it, nil on the internet.
    let box: Int?
}

struct VirtualNetwork {
    typealias Instant = ContinuousClock.Instant

    enum Occurrence {
        /// At the door of its destination after `delay`; what becomes of it depends on now.
        case transit(VirtualPacket, realm: Int?, delay: Duration)
        case arrival(VirtualPacket, host: Int)
        case retransmit(host: Int, remote: SocketAddress, after: Duration)
        case start(host: Int)
        case relayRequest(from: Int, to: Int)
        case relayOffer(host: Int, peer: Int, RelayToken)
        case relayConnect(host: Int, connection: Int, RelayToken)
        case relayed(VirtualSegment, host: Int, connection: Int)
    }

    static let server = SocketAddress(ip: .v4(0x0101_0101), port: 7000)
    static let observer = SocketAddress(ip: server.ip, port: 7001)
    static let localDelay = Duration.microseconds(100)

    let hosts: [VirtualHost]
    var boxes: [(box: NATBox, parent: Int?)] = []
    let roundTripTime: Duration
    private(set) var now = ContinuousClock.now
    private var queue: [(at: Instant, order: Int, what: Occurrence)] = []
    private var order = 0

    init(hosts: [VirtualHost], boxes: [(NATBox, Int?)], roundTripTime: Duration) {
        self.hosts = hosts
        self.boxes = boxes.map { (box: $0.0, parent: $0.1) }
        self.roundTripTime = roundTripTime
    }

    var oneWay: Duration { roundTripTime / 2 }

    mutating func schedule(_ what: Occurrence, after delay: Duration) {
        let at = now + delay
        order += 1
        let index = queue.firstIndex { $0.at > at } ?? queue.count
        queue.insert((at, order, what), at: index)
    }

    var nextTime: Instant? { queue.first?.at }

    /// The next occurrence that is due by `limit`; time stands still until it is taken.
    mutating func next(by limit: Instant) -> Occurrence? {
        guard let first = queue.first, first.at <= limit else {
            now = limit
            return nil
        }
        queue.removeFirst()
        now = first.at
        return first.what
    }

    /// Where the server sees this host when it connects to that port.
    mutating func observed(_ host: Int, at destination: SocketAddress) -> SocketAddress {
        var source = hosts[host].address
        var realm = hosts[host].box
        while let index = realm {
            source = boxes[index].box.translate(source, to: destination)
            realm = boxes[index].parent
        }
        return source
    }

    mutating func send(_ segment: VirtualSegment, from host: Int, to remote: SocketAddress) {
        var packet = VirtualPacket(
            source: hosts[host].address, destination: remote, segment: segment)
        var realm = hosts[host].box
        while true {
            if holds(remote.ip, realm) {
                let delay = realm == nil ? oneWay : Self.localDelay
                return schedule(.transit(packet, realm: realm, delay: delay), after: delay)
            }
            guard let index = realm else { return }
            // No box here turns a packet for its own outside back in.
            if boxes[index].box.outer == remote.ip, boxes[index].box.behaviour.mapping != .none {
                return refuse(packet, by: index, towards: index, delay: Self.localDelay)
            }
            packet.source = boxes[index].box.translate(packet.source, to: remote)
            realm = boxes[index].parent
        }
    }

    /// Does this address belong to somebody in this realm?
    private func holds(_ ip: IPAddress, _ realm: Int?) -> Bool {
        hosts.contains { $0.box == realm && $0.address.ip == ip } || box(for: ip, realm) != nil
    }

    private func box(for ip: IPAddress, _ realm: Int?) -> Int? {
        boxes.indices.first { index in
            guard boxes[index].parent == realm else { return false }
            return boxes[index].box.behaviour.mapping == .none
                ? hosts.contains { $0.box == index && $0.address.ip == ip }
                : boxes[index].box.outer == ip
        }
    }

    /// A packet has come to where its destination is: to the host, or to the box before it.
    mutating func arrive(_ packet: VirtualPacket, in realm: Int?, delay: Duration) {
        var packet = packet
        var realm = realm
        while let index = box(for: packet.destination.ip, realm) {
            guard let inner = boxes[index].box.admit(packet.source, to: packet.destination) else {
                return refuse(packet, by: index, towards: realm, delay: delay)
            }
            packet.destination = inner
            realm = index
        }
        let host = hosts.indices.first {
            hosts[$0].box == realm && hosts[$0].address == packet.destination
        }
        if let host { schedule(.arrival(packet, host: host), after: .zero) }
    }

    /// A box that answers resets resets whoever is not let in.
    private mutating func refuse(
        _ packet: VirtualPacket, by index: Int, towards realm: Int?, delay: Duration
    ) {
        guard boxes[index].box.behaviour.answer == .reset, packet.segment == .syn else { return }
        let reset = VirtualPacket(
            source: packet.destination, destination: packet.source, segment: .reset)
        schedule(.transit(reset, realm: realm, delay: delay), after: delay)
    }
}
