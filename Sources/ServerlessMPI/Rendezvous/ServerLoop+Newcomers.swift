// What a fresh connection to the rendezvous server is: its first byte tells a TLS session from the
// preamble of a relay. Until then it costs a descriptor and a few bytes.

import Glibc
import Logging

extension ServerLoop {
    func advanceNewcomer(_ number: UInt64) {
        guard var newcomer = newcomers[number] else { return }
        let isFirst = newcomer.preamble.isEmpty
        var buffer = [UInt8](
            repeating: 0, count: isFirst ? 1 : Preamble.byteCount - newcomer.preamble.count)
        let result = buffer.withUnsafeMutableBytes { bytes in
            // What belongs to TLS is left for it.
            isFirst
                ? Socket.peek(newcomer.descriptor, bytes)
                : Socket.read(newcomer.descriptor, bytes)
        }
        guard case .bytes(let count) = result else {
            if case .wouldBlock = result { return }
            return endNewcomer(number, reason: "it closed the connection")
        }
        if isFirst {
            guard Preamble.mayBegin(buffer, .relay) else { return beginTLS(number, newcomer) }
            _ = buffer.withUnsafeMutableBytes { Socket.read(newcomer.descriptor, $0) }
        }
        newcomer.preamble += buffer.prefix(count)
        newcomers[number] = newcomer
        if !Preamble.mayBegin(newcomer.preamble, .relay) {
            endNewcomer(number, reason: "it spoke neither TLS nor a preamble")
        } else if newcomer.preamble.count == Preamble.byteCount {
            beginRelay(number, newcomer)
        } else if isFirst {
            advanceNewcomer(number)
        }
    }

    private func beginTLS(_ number: UInt64, _ newcomer: Newcomer) {
        let secret = handle.secret
        let credentials = PSKCredentials { identity in
            ServerKeys.job(identity: identity).map {
                ServerKeys(operatorSecret: secret, job: $0).serverKey
            }
        }
        do throws(IOFailure) {
            let stream = try MessageStream(
                descriptor: newcomer.descriptor, role: .server, credentials: credentials,
                maximumMessageByteCount: ClientMessage.maximumByteCount,
                maximumOutputByteCount: handle.limits.outputByteCount)
            newcomers[number] = nil
            let connection = Connection(
                id: ConnectionID(number: number), stream: stream, observed: newcomer.observed)
            connections[number] = connection
            advance(connection)
        } catch {
            endNewcomer(number, reason: error.reason)
        }
    }

    private func beginRelay(_ number: UInt64, _ newcomer: Newcomer) {
        guard let preamble = try? Preamble(decoding: newcomer.preamble),
            let token = RelayToken(preamble.id)
        else { return endNewcomer(number, reason: "its preamble is malformed") }
        let claim = table.relays.claim(token, by: ConnectionID(number: number), now: .now)
        if claim == .refused {
            counters.refusedRelays += 1
            return endNewcomer(number, reason: "its relay token is unknown, used or too old")
        }
        newcomers[number] = nil
        waiting.leave(newcomer.observed)
        switch claim {
        case .refused: break
        case .waiting: relays.wait(number, newcomer.descriptor)
        case .paired(let pair, let other):
            if !relays.pair(pair, number, newcomer.descriptor, with: other.number) {
                table.relays.end(pair)
            }
        }
    }

    func endNewcomer(_ number: UInt64, reason: String) {
        guard let newcomer = newcomers.removeValue(forKey: number) else { return }
        waiting.leave(newcomer.observed)
        counters.failedHandshakes += 1
        logger.debug(
            "refused a connection",
            metadata: ["from": "\(newcomer.observed)", "cause": "\(reason)"])
        handle.poll.forget(newcomer.descriptor)
        close(newcomer.descriptor)
    }
}
