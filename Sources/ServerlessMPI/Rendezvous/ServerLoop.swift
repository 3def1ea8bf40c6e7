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
    static let tick = Duration.milliseconds(100)
    static let lingerTimeout = Duration.seconds(2)

    let handle: Handle
    var table: JobTable
    var connections: [UInt64: Connection] = [:]
    var newcomers: [UInt64: Newcomer] = [:]
    let relays: RelayHall
    let observer: ObserverPort
    var nextNumber = UInt64(1)
    /// Connections that must join, or close, by a deadline; oldest first.
    var notJoined = DeadlineQueue()
    var waiting = NewcomerCount()
    var closing = DeadlineQueue()
    var listenAgain: ContinuousClock.Instant?
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
        while !handle.mustStop, !hasDrained {
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
        handle.end()
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

    func saw(_ id: [UInt8], _ address: SocketAddress) {
        counters.observations += 1
        table.observed(id, at: address, now: .now)
    }

    private func publish() {
        counters.openConnections =
            connections.count + newcomers.count + relays.connectionCount
            + observer.connectionCount
        counters.activeJobs = table.activeJobCount
        counters.joinedRanks = table.joinedRankCount
        counters.startedJobs = table.tally.started
        counters.finishedJobs = table.tally.finished
        counters.failedJobs = table.tally.failed
        counters.refusedJobs = table.tally.refused
        counters.relayedPairs = relays.pairCount
        counters.activeRelayedPairs = relays.activePairCount
        counters.relayedBytes = relays.byteCount
        counters.refusedObservations = observer.refusedCount
        handle.publish(counters)
    }

    private var wakeTime: ContinuousClock.Instant? {
        let tick = table.needsAdvance ? nextTick : nil
        return [
            tick, notJoined.first, closing.first, observer.wakeTime, listenAgain,
            handle.drainDeadline,
        ]
        .compactMap(\.self).min()
    }

    /// Every job that was here when draining began is over and has been told so, or time is up.
    private var hasDrained: Bool {
        guard let deadline = handle.drainDeadline else { return false }
        return .now >= deadline
            || table.activeJobCount == 0 && !connections.values.contains(where: \.hasJoined)
    }

    private func beginDraining() {
        table.isDraining = true
        logger.notice("draining", metadata: ["jobs": "\(table.activeJobCount)"])
    }

    private func passTime() {
        let now = ContinuousClock.now
        if handle.drainDeadline != nil, !table.isDraining { beginDraining() }
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
