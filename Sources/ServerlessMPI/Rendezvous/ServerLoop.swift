// The rendezvous server's body: one thread, one epoll set, nonblocking connections. It accepts,
// shakes hands, frames messages, and does what JobTable decides. Strangers cost a bounded amount
// of memory and time, and are counted.

import Glibc
import Logging

final class ServerLoop {
    final class Connection {
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

    /// A connection that has not sent its first byte yet, or is in the middle of a preamble.
    struct Newcomer {
        let descriptor: Int32
        let observed: SocketAddress
        var preamble: [UInt8] = []
    }

    private static let listenerToken = UInt64(0)
    private static let observerToken = UInt64.max - 1
    private static let tick = Duration.milliseconds(100)
    private static let lingerTimeout = Duration.seconds(2)

    let handle: Handle
    var table: JobTable
    var connections: [UInt64: Connection] = [:]
    var newcomers: [UInt64: Newcomer] = [:]
    let relays: RelayHall
    private let observer: ObserverPort
    private var nextNumber = UInt64(1)
    /// Connections that must join, or close, by a deadline; oldest first.
    private var notJoined = DeadlineQueue()
    var notJoinedCount = 0
    private var closing = DeadlineQueue()
    private var listenAgain: ContinuousClock.Instant?
    private var nextTick = ContinuousClock.now
    var counters = RendezvousCounters()
    var logger: Logger

    init(_ handle: Handle) {
        self.handle = handle
        logger = handle.logger
        let secret = handle.secret
        table = JobTable(limits: handle.limits) { ServerKeys(operatorSecret: secret, job: $0) }
        relays = RelayHall(
            poll: handle.poll, bufferByteCount: handle.limits.relayBufferByteCount)
        observer = ObserverPort(
            listener: handle.observer, poll: handle.poll, limits: handle.limits)
        watchListeners()
    }

    private func watchListeners() {
        handle.poll.watch(handle.listener, Self.listenerToken, reads: true, writes: false)
        handle.poll.watch(handle.observer, Self.observerToken, reads: true, writes: false)
    }

    func run() {
        logger.info("listening", metadata: ["address": "\(handle.address)"])
        while !handle.mustStop {
            for event in handle.poll.wait(until: wakeTime) {
                switch event.token {
                case EventPoll.wakeToken: break
                case Self.listenerToken: acceptAll()
                case Self.observerToken: acceptObservations()
                default: dispatch(event)
                }
            }
            passTime()
            publish()
        }
        for connection in connections.values { connection.stream.close() }
        for newcomer in newcomers.values { close(newcomer.descriptor) }
        relays.closeAll()
        observer.closeAll()
        close(handle.listener)
        logger.info("stopped")
    }

    private func dispatch(_ event: PollEvent) {
        if let found = connections[event.token] {
            advance(found)
        } else if newcomers[event.token] != nil {
            advanceNewcomer(event.token)
        } else if let pair = relays.advance(event) {
            table.relays.end(pair)
        } else {
            observer.advance(event.token, saw)
        }
    }

    private func saw(_ id: [UInt8], _ address: SocketAddress) {
        counters.observations += 1
        table.observed(id, at: address, now: .now)
    }

    private func publish() {
        counters.openConnections =
            connections.count + newcomers.count + relays.connectionCount
            + observer.connectionCount
        counters.activeJobs = table.activeJobCount
        counters.relayedPairs = relays.pairCount
        counters.relayedBytes = relays.byteCount
        counters.refusedObservations = observer.refusedCount
        handle.publish(counters)
    }

    private var wakeTime: ContinuousClock.Instant? {
        let tick = table.needsAdvance ? nextTick : nil
        return [tick, notJoined.first, closing.first, observer.wakeTime, listenAgain]
            .compactMap(\.self).min()
    }

    private func passTime() {
        let now = ContinuousClock.now
        if table.needsAdvance, now >= nextTick {
            table.advance(to: now)
            nextTick = now + Self.tick
            apply()
        }
        while let number = notJoined.popDue(now) {
            endUnlessJoined(number, reason: "it did not join in time")
        }
        observer.passTime(now)
        while let number = closing.popDue(now) {
            if let connection = connections[number] { end(connection, reason: "closed") }
        }
        if let again = listenAgain, now >= again {
            listenAgain = nil
            watchListeners()
        }
    }
}

// MARK: Connections

extension ServerLoop {
    private func acceptAll() {
        while true {
            do throws(SystemFailure) {
                guard let (descriptor, address) = try Socket.accept(handle.listener) else { return }
                welcome(descriptor, address)
            } catch {
                // Out of descriptors: a stranger makes room, or everyone waits a little.
                if !shedOldest() { return pauseListening(error) }
            }
        }
    }

    private func acceptObservations() {
        do throws(SystemFailure) {
            try observer.acceptAll(takeNumber, saw)
        } catch {
            pauseListening(error)
        }
    }

    private func pauseListening(_ failure: SystemFailure) {
        logger.warning("cannot accept", metadata: ["cause": "\(failure)"])
        handle.poll.forget(handle.listener)
        handle.poll.forget(handle.observer)
        listenAgain = .now + Self.tick
    }

    private func takeNumber() -> UInt64 {
        defer { nextNumber += 1 }
        return nextNumber
    }

    private func welcome(_ descriptor: Int32, _ address: SocketAddress) {
        if notJoinedCount >= handle.limits.connectionsNotJoined { _ = shedOldest() }
        Socket.tune(descriptor)
        let number = takeNumber()
        newcomers[number] = Newcomer(descriptor: descriptor, observed: address)
        notJoined.append(number, deadline: .now + handle.limits.handshakeTimeout)
        handle.poll.watch(descriptor, number, reads: true, writes: false)
        counters.connections += 1
        notJoinedCount += 1
    }

    /// Closes the connection that has waited longest without joining.
    private func shedOldest() -> Bool {
        while let number = notJoined.popFirst() {
            if endUnlessJoined(number, reason: "it made room for others") { return true }
        }
        return false
    }

    @discardableResult
    private func endUnlessJoined(_ number: UInt64, reason: String) -> Bool {
        if newcomers[number] != nil {
            endNewcomer(number, reason: reason)
            return true
        }
        guard let connection = connections[number], !connection.hasJoined else { return false }
        end(connection, reason: reason)
        return true
    }

    func advance(_ connection: Connection) {
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

    func end(_ connection: Connection, reason: String) {
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
    func apply() {
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
            case .endRelays(let pairs, let waiting):
                for pair in pairs { relays.end(pair) }
                for connection in waiting { relays.end(waiting: connection.number) }
            case .note(let job, let epoch, let text):
                logger.info(
                    "\(text)", metadata: ["job": "\(job)", "epoch": "\(epoch)"])
            }
        }
    }
}
