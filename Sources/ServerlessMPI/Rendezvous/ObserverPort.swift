// The rendezvous server's second port: it sees from which address a rank comes when it connects
// elsewhere, which tells one kind of NAT from another. A connection to it brings 24 bytes and is
// closed; there are few of them, for a short time.

import Glibc

final class ObserverPort {
    private struct Visitor {
        let descriptor: Int32
        let address: SocketAddress
        var bytes: [UInt8] = []
    }

    let listener: Int32
    private let poll: EventPoll
    private let limits: RendezvousLimits
    private var visitors: [UInt64: Visitor] = [:]
    private var deadlines = DeadlineQueue()
    /// Visitors that brought something else, or nothing in time.
    private(set) var refusedCount = 0

    init(listener: Int32, poll: EventPoll, limits: RendezvousLimits) {
        self.listener = listener
        self.poll = poll
        self.limits = limits
    }

    var connectionCount: Int { visitors.count }
    var wakeTime: ContinuousClock.Instant? { deadlines.first }

    /// Takes everyone who waits; throws when the system has no descriptors left.
    func acceptAll(
        _ nextToken: () -> UInt64, _ saw: (_ id: [UInt8], _ address: SocketAddress) -> Void
    ) throws(SystemFailure) {
        while let (descriptor, address) = try Socket.accept(listener) {
            if visitors.count >= limits.observerConnections { refuseOldest() }
            let token = nextToken()
            visitors[token] = Visitor(descriptor: descriptor, address: address)
            deadlines.append(token, deadline: .now + limits.observerTimeout)
            poll.watch(descriptor, token, reads: true, writes: false)
            advance(token, saw)
        }
    }

    /// True if the token is one of its own.
    @discardableResult
    func advance(
        _ token: UInt64, _ saw: (_ id: [UInt8], _ address: SocketAddress) -> Void
    ) -> Bool {
        guard var visitor = visitors[token] else { return false }
        var buffer = [UInt8](repeating: 0, count: Preamble.byteCount - visitor.bytes.count)
        switch buffer.withUnsafeMutableBytes({ Socket.read(visitor.descriptor, $0) }) {
        case .wouldBlock: return true
        case .endOfStream, .failed: refuse(token)
        case .bytes(let count):
            visitor.bytes += buffer.prefix(count)
            visitors[token] = visitor
            guard Preamble.mayBegin(visitor.bytes, .observation) else {
                refuse(token)
                return true
            }
            guard visitor.bytes.count == Preamble.byteCount else { return true }
            do throws(MalformedMessage) {
                let preamble = try Preamble(decoding: visitor.bytes)
                saw(preamble.id, visitor.address)
                leave(token)
            } catch {
                refuse(token)
            }
        }
        return true
    }

    func passTime(_ now: ContinuousClock.Instant) {
        while let token = deadlines.popDue(now) {
            if visitors[token] != nil { refuse(token) }
        }
    }

    private func refuseOldest() {
        while let token = deadlines.popFirst() {
            guard visitors[token] != nil else { continue }
            refuse(token)
            return
        }
    }

    private func refuse(_ token: UInt64) {
        refusedCount += 1
        leave(token)
    }

    private func leave(_ token: UInt64) {
        guard let visitor = visitors.removeValue(forKey: token) else { return }
        poll.forget(visitor.descriptor)
        close(visitor.descriptor)
    }

    func closeAll() {
        for token in Array(visitors.keys) { leave(token) }
        close(listener)
    }
}
