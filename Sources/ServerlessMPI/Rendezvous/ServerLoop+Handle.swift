// What the thread that started a rendezvous server shares with the server's own thread: the
// listeners, how to stop it, and what it has counted.

import Glibc
import Logging
import Synchronization

extension ServerLoop {
    /// What the thread that started the server keeps: how to stop it and what it has counted.
    final class Handle: Sendable {
        let address: SocketAddress
        let secret: Secret
        let limits: RendezvousLimits
        let logger: Logger
        let poll: EventPoll
        let observerAddress: SocketAddress
        let listener: Int32
        let observer: Int32
        private let isStopping = Atomic(false)
        private let isOver = Atomic(false)
        private let draining = Mutex<ContinuousClock.Instant?>(nil)
        private let shared = Mutex((counters: RendezvousCounters(), rounds: 0))

        init(
            _ address: SocketAddress, observerPort: UInt16, secret: Secret,
            limits: RendezvousLimits, logger: Logger
        ) throws(SystemFailure) {
            poll = try EventPoll()
            listener = try ListenAddress(address).open(backlog: 4096)
            let second = SocketAddress(ip: address.ip, port: observerPort)
            do throws(SystemFailure) {
                observer = try ListenAddress(second).open(backlog: 4096)
            } catch {
                close(listener)
                throw error
            }
            self.address = Socket.localAddress(listener) ?? address
            observerAddress = Socket.localAddress(observer) ?? second
            self.secret = secret
            self.limits = limits
            self.logger = logger
        }

        var counters: RendezvousCounters { shared.withLock(\.counters) }
        /// How often the server's thread has come round.
        var rounds: Int { shared.withLock(\.rounds) }

        func stop() {
            isStopping.store(true, ordering: .releasing)
            poll.wake()
        }

        /// The server's thread is about to end.
        var hasEnded: Bool { isOver.load(ordering: .acquiring) }
        func end() { isOver.store(true, ordering: .releasing) }

        var mustStop: Bool { isStopping.load(ordering: .acquiring) }

        func publish(_ counters: RendezvousCounters) {
            shared.withLock { $0 = (counters, $0.rounds + 1) }
        }

        /// When a server that drains ends at the latest; nil while it does not.
        var drainDeadline: ContinuousClock.Instant? { draining.withLock { $0 } }

        func drain(until deadline: ContinuousClock.Instant) {
            draining.withLock { $0 = $0 ?? deadline }
            poll.wake()
        }
    }
}
