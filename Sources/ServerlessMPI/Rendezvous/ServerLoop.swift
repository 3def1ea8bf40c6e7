// The rendezvous server's body: one thread, one epoll set, nonblocking connections. It accepts,
// shakes hands, frames messages, and does what JobTable decides. Strangers cost a bounded amount
// of memory and time, and are counted.

import Glibc
import Logging
import Synchronization

final class ServerLoop {
    /// What the thread that started the server keeps: how to stop it and what it has counted.
    final class Handle: Sendable {
        let address: SocketAddress
        let secret: Secret
        let limits: RendezvousLimits
        let logger: Logger
        let poll: EventPoll
        fileprivate let listener: Int32
        private let isStopping = Atomic(false)
        private let shared = Mutex(RendezvousCounters())

        init(
            _ address: SocketAddress, secret: Secret, limits: RendezvousLimits, logger: Logger
        ) throws(SystemFailure) {
            poll = try EventPoll()
            listener = try Socket.open(address.ip)
            do throws(SystemFailure) {
                Socket.setOption(listener, SOL_SOCKET, SO_REUSEADDR, 1)
                try Socket.bind(listener, to: address)
                try Socket.listen(listener, backlog: 4096)
            } catch {
                close(listener)
                throw error
            }
            self.address = Socket.localAddress(listener) ?? address
            self.secret = secret
            self.limits = limits
            self.logger = logger
        }

        var counters: RendezvousCounters { shared.withLock { $0 } }

        func stop() {
            isStopping.store(true, ordering: .releasing)
            poll.wake()
        }

        fileprivate var mustStop: Bool { isStopping.load(ordering: .acquiring) }

        fileprivate func publish(_ counters: RendezvousCounters) {
            shared.withLock { $0 = counters }
        }
    }

    private final class Connection {
        let id: ConnectionID
        let stream: MessageStream
        let observed: SocketAddress
        /// The job it has proven to belong to.
        var job: String?
        var hasJoined = false
        /// Everything has been said; waiting for the other end to close, so that nothing is lost.
        var isClosing = false
        var watchesWrites = false

        init(id: ConnectionID, stream: MessageStream, observed: SocketAddress) {
            self.id = id
            self.stream = stream
            self.observed = observed
        }
    }

    private static let listenerToken = UInt64(0)
    private static let tick = Duration.milliseconds(100)
    private static let lingerTimeout = Duration.seconds(2)

    private let handle: Handle
    private var table: JobTable
    private var connections: [UInt64: Connection] = [:]
    private var nextNumber = UInt64(1)
    /// Connections that must join, or close, by a deadline; oldest first.
    private var notJoined = DeadlineQueue()
    private var notJoinedCount = 0
    private var closing = DeadlineQueue()
    private var listenAgain: ContinuousClock.Instant?
    private var nextTick = ContinuousClock.now
    private var counters = RendezvousCounters()
    private var logger: Logger

    init(_ handle: Handle) {
        self.handle = handle
        logger = handle.logger
        let secret = handle.secret
        table = JobTable(limits: handle.limits) { ServerKeys(operatorSecret: secret, job: $0) }
        handle.poll.watch(handle.listener, Self.listenerToken, reads: true, writes: false)
    }

    func run() {
        logger.info("listening", metadata: ["address": "\(handle.address)"])
        while !handle.mustStop {
            for event in handle.poll.wait(until: wakeTime) {
                switch event.token {
                case EventPoll.wakeToken: break
                case Self.listenerToken: acceptAll()
                default: if let found = connections[event.token] { advance(found) }
                }
            }
            passTime()
            counters.openConnections = connections.count
            counters.activeJobs = table.activeJobCount
            handle.publish(counters)
        }
        for connection in connections.values { connection.stream.close() }
        close(handle.listener)
        logger.info("stopped")
    }

    private var wakeTime: ContinuousClock.Instant? {
        let tick = table.needsAdvance ? nextTick : nil
        return [tick, notJoined.first, closing.first, listenAgain].compactMap(\.self).min()
    }

    private func passTime() {
        let now = ContinuousClock.now
        if table.needsAdvance, now >= nextTick {
            table.advance(to: now)
            nextTick = now + Self.tick
            apply()
        }
        while let number = notJoined.popDue(now) {
            guard let connection = connections[number], !connection.hasJoined else { continue }
            end(connection, reason: "it did not join in time")
        }
        while let number = closing.popDue(now) {
            if let connection = connections[number] { end(connection, reason: "closed") }
        }
        if let again = listenAgain, now >= again {
            listenAgain = nil
            handle.poll.watch(handle.listener, Self.listenerToken, reads: true, writes: false)
        }
    }
}

// MARK: Connections

extension ServerLoop {
    private func acceptAll() {
        while true {
            do throws(SystemFailure) {
                guard let (descriptor, address) = try Socket.accept(handle.listener) else { return }
                open(descriptor, address)
            } catch {
                // Out of descriptors: a stranger makes room, or everyone waits a little.
                logger.warning("cannot accept", metadata: ["cause": "\(error)"])
                if !shedOldest() {
                    handle.poll.forget(handle.listener)
                    listenAgain = .now + Self.tick
                    return
                }
            }
        }
    }

    private func open(_ descriptor: Int32, _ address: SocketAddress) {
        if notJoinedCount >= handle.limits.connectionsNotJoined { _ = shedOldest() }
        Socket.tune(descriptor)
        let secret = handle.secret
        let credentials = PSKCredentials { identity in
            ServerKeys.job(identity: identity).map {
                ServerKeys(operatorSecret: secret, job: $0).serverKey
            }
        }
        do throws(IOFailure) {
            let stream = try MessageStream(
                descriptor: descriptor, role: .server, credentials: credentials,
                maximumMessageByteCount: ClientMessage.maximumByteCount,
                maximumOutputByteCount: handle.limits.outputByteCount)
            let id = ConnectionID(number: nextNumber)
            nextNumber += 1
            connections[id.number] = Connection(id: id, stream: stream, observed: address)
            notJoined.append(id.number, deadline: .now + handle.limits.handshakeTimeout)
            handle.poll.watch(descriptor, id.number, reads: true, writes: false)
            counters.connections += 1
            notJoinedCount += 1
        } catch {
            close(descriptor)
        }
    }

    /// Closes the connection that has waited longest without joining.
    private func shedOldest() -> Bool {
        while let number = notJoined.popFirst() {
            guard let connection = connections[number], !connection.hasJoined else { continue }
            end(connection, reason: "it made room for others")
            return true
        }
        return false
    }

    private func advance(_ connection: Connection) {
        let status = connection.stream.advance { bytes in receive(bytes, connection) }
        apply()
        settle(connection, status)
    }

    private func settle(_ connection: Connection, _ status: MessageStream.Status) {
        guard connections[connection.id.number] != nil else { return }
        switch status {
        case .open:
            if connection.stream.wantsWrite != connection.watchesWrites {
                connection.watchesWrites = connection.stream.wantsWrite
                handle.poll.change(
                    connection.stream.descriptor, connection.id.number, reads: true,
                    writes: connection.watchesWrites)
            }
            if connection.isClosing, !connection.stream.wantsWrite {
                connection.stream.finishWriting()
            }
        case .ended: end(connection, reason: "closed by its process")
        case .failed(let failure): end(connection, reason: failure.reason)
        }
    }

    private func receive(_ bytes: ArraySlice<UInt8>, _ connection: Connection) {
        guard !connection.isClosing else { return }
        if connection.job == nil {
            connection.job = connection.stream.provenIdentity.flatMap { identity in
                identity.withUnsafeBufferPointer { ServerKeys.job(identity: $0) }
            }
        }
        guard let job = connection.job else { return }
        do throws(MalformedMessage) {
            let message = try ClientMessage(decoding: bytes)
            if case .join = message, !connection.hasJoined {
                connection.hasJoined = true
                notJoinedCount -= 1
            }
            table.receive(
                message, from: connection.id, job: job, observed: connection.observed, now: .now)
        } catch {
            counters.malformedMessages += 1
            logger.notice(
                "malformed message", metadata: ["job": "\(job)", "cause": "\(error.reason)"])
            refuse(connection, error)
        }
    }

    /// A member that does not speak the protocol, most likely another release.
    private func refuse(_ connection: Connection, _ cause: MalformedMessage) {
        let error = ServerMessage.refused(
            .invalidArgument("join", "the rendezvous server refused a message: \(cause.reason)"))
        _ = connection.stream.send(error.encoded)
        beginClosing(connection)
        table.ended(connection.id, reason: cause.reason, now: .now)
    }

    private func beginClosing(_ connection: Connection) {
        connection.isClosing = true
        closing.append(connection.id.number, deadline: .now + Self.lingerTimeout)
    }

    private func end(_ connection: Connection, reason: String) {
        guard connections.removeValue(forKey: connection.id.number) != nil else { return }
        if !connection.hasJoined {
            counters.failedHandshakes += 1
            notJoinedCount -= 1
            logger.debug(
                "refused a connection",
                metadata: ["from": "\(connection.observed)", "cause": "\(reason)"])
        }
        handle.poll.forget(connection.stream.descriptor)
        connection.stream.close()
        table.ended(connection.id, reason: reason, now: .now)
        apply()
    }

    /// Does what the table decided.
    private func apply() {
        for effect in table.takeEffects() {
            switch effect {
            case .send(let message, let id):
                guard let connection = connections[id.number] else { continue }
                settle(connection, connection.stream.send(message))
            case .close(let id):
                guard let connection = connections[id.number], !connection.isClosing else {
                    continue
                }
                beginClosing(connection)
                settle(connection, .open)
            case .note(let job, let epoch, let text):
                logger.info(
                    "\(text)", metadata: ["job": "\(job)", "epoch": "\(epoch)"])
            }
        }
    }
}

/// Connections with a deadline each, all with the same time to live: first in, first due.
struct DeadlineQueue {
    private var entries: [(number: UInt64, deadline: ContinuousClock.Instant)] = []
    private var head = 0

    var first: ContinuousClock.Instant? { head < entries.count ? entries[head].deadline : nil }

    mutating func append(_ number: UInt64, deadline: ContinuousClock.Instant) {
        entries.append((number, deadline))
    }

    mutating func popFirst() -> UInt64? {
        guard head < entries.count else { return nil }
        defer {
            head += 1
            if head > 1024, head * 2 > entries.count {
                entries.removeFirst(head)
                head = 0
            }
        }
        return entries[head].number
    }

    mutating func popDue(_ now: ContinuousClock.Instant) -> UInt64? {
        guard let first, first <= now else { return nil }
        return popFirst()
    }
}
