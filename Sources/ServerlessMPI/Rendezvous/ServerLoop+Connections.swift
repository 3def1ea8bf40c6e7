// What happens on a connection that speaks TLS: its messages go to the JobTable, what the table
// decides comes back, and its end is told once everything queued has been said.

import Glibc
import Logging

extension ServerLoop {
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
                waiting.leave(connection.observed)
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
        table.violated(connection.id, reason: cause.reason, now: .now)
    }

    private func beginClosing(_ connection: Connection) {
        connection.isClosing = true
        closing.append(connection.id.number, deadline: .now + Self.lingerTimeout)
    }

    func end(_ connection: Connection, reason: String) {
        guard connections.removeValue(forKey: connection.id.number) != nil else { return }
        if !connection.hasJoined {
            counters.failedHandshakes += 1
            waiting.leave(connection.observed)
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
