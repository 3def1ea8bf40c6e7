// Who may come in: every connection to either port is taken, counted, and bounded in number and
// in time; when there is no room the oldest that has not joined makes it.

import Glibc
import Logging

extension ServerLoop {
    func acceptAll() {
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

    func acceptObservations() {
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
        counters.connections += 1
        guard waiting.count(from: address) < handle.limits.connectionsNotJoinedPerAddress else {
            counters.refusedByAddress += 1
            logger.debug(
                "refused a connection",
                metadata: ["from": "\(address)", "cause": "its address has too many already"])
            close(descriptor)
            return
        }
        if waiting.total >= handle.limits.connectionsNotJoined { _ = shedOldest() }
        Socket.tune(descriptor)
        let number = takeNumber()
        newcomers[number] = Newcomer(descriptor: descriptor, observed: address)
        notJoined.append(number, deadline: .now + handle.limits.handshakeTimeout)
        handle.poll.watch(descriptor, number, reads: true, writes: false)
        waiting.enter(address)
    }

    /// Closes the connection that has waited longest without joining.
    private func shedOldest() -> Bool {
        while let number = notJoined.popFirst() {
            if endUnlessJoined(number, reason: "it made room for others") { return true }
        }
        return false
    }

    @discardableResult
    func endUnlessJoined(_ number: UInt64, reason: String) -> Bool {
        if newcomers[number] != nil {
            endNewcomer(number, reason: reason)
            return true
        }
        guard let connection = connections[number], !connection.hasJoined else { return false }
        end(connection, reason: reason)
        return true
    }
}
