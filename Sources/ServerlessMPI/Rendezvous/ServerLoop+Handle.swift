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
        private let shared = Mutex(RendezvousCounters())

        init(
            _ address: SocketAddress, observerPort: UInt16, secret: Secret,
            limits: RendezvousLimits, logger: Logger
        ) throws(SystemFailure) {
            poll = try EventPoll()
            listener = try Self.listen(address)
            let second = SocketAddress(ip: address.ip, port: observerPort)
            do throws(SystemFailure) {
                observer = try Self.listen(second)
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

        private static func listen(_ address: SocketAddress) throws(SystemFailure) -> Int32 {
            let listener = try Socket.open(address.ip)
            do throws(SystemFailure) {
                Socket.setOption(listener, SOL_SOCKET, SO_REUSEADDR, 1)
                try Socket.bind(listener, to: address)
                try Socket.listen(listener, backlog: 4096)
                return listener
            } catch {
                close(listener)
                throw error
            }
        }

        var counters: RendezvousCounters { shared.withLock { $0 } }

        func stop() {
            isStopping.store(true, ordering: .releasing)
            poll.wake()
        }

        var mustStop: Bool { isStopping.load(ordering: .acquiring) }

        func publish(_ counters: RendezvousCounters) {
            shared.withLock { $0 = counters }
        }
    }
}
