// A rank's connection to the rendezvous server, from the first attempt to the last message. Its
// local port is the one every connection to a peer will leave from, because that is the port a
// NAT has opened.

import Glibc
import MessagePassing

final class ServerConnection {
    /// How long a server that refuses connections is given to come up.
    private static let patience = Duration.seconds(3)
    private static let retryInterval = Duration.milliseconds(50)
    private static let attemptTimeout = Duration.seconds(3)
    /// Of a server that was there a moment ago: TCP by itself would wait ever longer before it tries
    /// again, beyond the end of a black-out.
    private static let repeatedAttemptTimeout = Duration.milliseconds(1200)
    /// Nothing has been acknowledged for so long.
    private static let answerTimeout = Duration.milliseconds(1500)
    private static let handshakeTimeout = Duration.seconds(10)

    private enum Phase {
        case idle
        case connecting(Int32)
        case open(MessageStream)
        case closed
    }

    private let configuration: JoinConfiguration
    private let addresses: [SocketAddress]
    private let poll: EventPoll
    private let token: UInt64
    private let observationToken: UInt64
    /// The port to leave from, if it is free; 0: any.
    private let preferredPort: UInt16
    private var dials = 0
    /// nil where the join URL names no observer port.
    private(set) var observation: MappingObservation?
    private var phase = Phase.idle
    private var nextAddress = 0
    private var giveUpAt = ContinuousClock.now
    private var retryAt: ContinuousClock.Instant?
    private var attemptDeadline: ContinuousClock.Instant?
    private var watchesWrites = false
    private var lastCause = "no address"
    private var hasJustConnected = false
    private var failure: MPIError?

    init(
        _ configuration: JoinConfiguration, _ addresses: [SocketAddress], poll: EventPoll,
        token: UInt64, observationToken: UInt64, preferredPort: UInt16 = 0
    ) {
        self.preferredPort = preferredPort
        self.configuration = configuration
        self.addresses = addresses
        self.poll = poll
        self.token = token
        self.observationToken = observationToken
    }

    var isOpen: Bool { if case .open = phase { true } else { false } }

    private(set) var localAddress: SocketAddress?
    var localPort: UInt16? { localAddress?.port }
    /// The server's, as this rank reaches it.
    private(set) var address: SocketAddress?

    var roundTripTime: Duration {
        if case .open(let stream) = phase { Socket.roundTripTime(stream.descriptor) } else { .zero }
    }

    /// True once, when the TCP connection stands: the time to send the join request.
    func takeConnected() -> Bool {
        defer { hasJustConnected = false }
        return hasJustConnected
    }

    /// Why there is no connection any more; once.
    func takeFailure() -> MPIError? {
        defer { failure = nil }
        return failure
    }

    var wakeTime: ContinuousClock.Instant? {
        [retryAt, attemptDeadline].compactMap(\.self).min()
    }

    func start(_ now: ContinuousClock.Instant) {
        giveUpAt = now + Self.patience
        dial(now)
    }

    /// True if something happened.
    func passTime(_ now: ContinuousClock.Instant) -> Bool {
        if let retryAt, now >= retryAt {
            self.retryAt = nil
            dial(now)
            return true
        }
        guard let deadline = attemptDeadline, now >= deadline else { return false }
        attemptDeadline = nil
        switch phase {
        case .connecting(let descriptor):
            abandon(descriptor, "no answer", now)
        case .open(let stream) where !stream.isHandshaken:
            end(
                .connectFailed,
                "it accepts connections but does not answer: is it a rendezvous server?")
        default: return false
        }
        return true
    }

    /// Ends a connection that nothing gets through any more, so that the server is called again. A
    /// server that is only slow acknowledges by its kernel.
    func endIfUnanswered() {
        guard case .open(let stream) = phase, stream.isHandshaken,
            let health = Socket.health(stream.descriptor),
            health.unacknowledged > 0, health.silence >= Self.answerTimeout
        else { return }
        end(.connectFailed, "nothing gets through to it")
    }

    func send(_ message: ClientMessage) {
        guard case .open(let stream) = phase else { return }
        settle(stream.send(message.encoded), stream)
    }

    func advance(_ now: ContinuousClock.Instant, _ receive: (ServerMessage) -> Void) {
        switch phase {
        case .idle, .closed: break
        case .connecting(let descriptor):
            let number = Socket.pendingError(descriptor)
            if number != 0 {
                abandon(descriptor, String(cString: strerror(number)), now)
            } else if Socket.remoteAddress(descriptor) != nil {
                open(descriptor, now)
            }
        case .open(let stream):
            // Closing waits until the stream has let go of its descriptor, which may be reused.
            var malformed: MalformedMessage?
            let status = stream.advance { bytes in
                guard malformed == nil else { return }
                do throws(MalformedMessage) {
                    receive(try ServerMessage(decoding: bytes))
                } catch {
                    malformed = error
                }
            }
            if let malformed {
                return end(
                    .connectFailed, "it sent what this release does not know: \(malformed.reason)")
            }
            if stream.isHandshaken { attemptDeadline = nil }
            settle(status, stream)
        }
    }

    func close() {
        observation?.stop()
        switch phase {
        case .connecting(let descriptor): Glibc.close(descriptor)
        case .open(let stream): stream.close()
        case .idle, .closed: break
        }
        phase = .closed
    }
}

extension ServerConnection {
    private func dial(_ now: ContinuousClock.Instant) {
        guard !addresses.isEmpty else { return end(.connectFailed, lastCause) }
        let address = addresses[nextAddress % addresses.count]
        nextAddress += 1
        do throws(SystemFailure) {
            let descriptor = try Socket.open(address.ip)
            Socket.sharePort(descriptor)
            do throws(SystemFailure) {
                let any = address.ip.isV4 ? IPAddress.any4 : .any6
                // An earlier connection from there may be in the way for a while.
                let port = dials & 1 == 0 ? preferredPort : 0
                dials += 1
                try Socket.bind(descriptor, to: SocketAddress(ip: any, port: port))
                let isConnected = try Socket.connect(descriptor, to: address)
                phase = .connecting(descriptor)
                let isRepeated = preferredPort != 0
                attemptDeadline =
                    now + (isRepeated ? Self.repeatedAttemptTimeout : Self.attemptTimeout)
                watchesWrites = true
                poll.watch(descriptor, token, reads: true, writes: true)
                observe(descriptor, address)
                if isConnected { open(descriptor, now) }
            } catch {
                Glibc.close(descriptor)
                throw error
            }
        } catch {
            retry(error.reason, now)
        }
    }

    /// At the same time from the same port, so that the server sees both before the rank joins.
    private func observe(_ descriptor: Int32, _ address: SocketAddress) {
        guard let port = configuration.url.observerPort,
            let own = Socket.localAddress(descriptor)
        else { return }
        observation?.stop()
        observation = MappingObservation(poll: poll, token: observationToken)
        observation?.start(
            from: own.port, to: SocketAddress(ip: address.ip, port: port),
            timeout: min(Self.attemptTimeout, configuration.url.joinTimeout / 3))
    }

    private func abandon(_ descriptor: Int32, _ cause: String, _ now: ContinuousClock.Instant) {
        poll.forget(descriptor)
        Glibc.close(descriptor)
        phase = .idle
        attemptDeadline = nil
        retry(cause, now)
    }

    /// The next address at once, then all of them again until patience ends.
    private func retry(_ cause: String, _ now: ContinuousClock.Instant) {
        lastCause = cause
        if nextAddress % addresses.count != 0 {
            retryAt = now
        } else if now < giveUpAt {
            retryAt = now + Self.retryInterval
        } else {
            let url = configuration.url
            end(
                .connectFailed,
                "\(cause) at \(url.host):\(url.port); start `rendezvous serve` there or correct"
                    + " \(JoinConfiguration.Variable.url)")
        }
    }

    private func open(_ descriptor: Int32, _ now: ContinuousClock.Instant) {
        Socket.tune(descriptor)
        localAddress = Socket.localAddress(descriptor)
        address = Socket.remoteAddress(descriptor)
        do throws(IOFailure) {
            let stream = try MessageStream(
                descriptor: descriptor, role: .client,
                credentials: PSKCredentials(
                    identity: ServerKeys.identity(job: configuration.url.job),
                    key: configuration.serverKey),
                maximumMessageByteCount: ServerMessage.maximumByteCount,
                maximumOutputByteCount: 1 << 20)
            phase = .open(stream)
            attemptDeadline = now + Self.handshakeTimeout
            hasJustConnected = true
            settle(stream.advance { _ in }, stream)
        } catch {
            Glibc.close(descriptor)
            phase = .closed
            end(.connectFailed, error.reason)
        }
    }

    private func settle(_ status: MessageStream.Status, _ stream: MessageStream) {
        guard case .open = phase else { return }
        switch status {
        case .open:
            guard stream.wantsWrite != watchesWrites else { return }
            watchesWrites = stream.wantsWrite
            poll.change(stream.descriptor, token, reads: true, writes: watchesWrites)
        case .ended:
            end(
                .connectFailed,
                stream.isHandshaken
                    ? "it closed the connection" : "it closed the connection during the handshake")
        case .failed(let failure):
            if failure.isRefusal, !stream.isHandshaken {
                end(
                    .unauthorized,
                    "it refused this rank's key: \(JoinConfiguration.Variable.serverKey) must be"
                        + " what `rendezvous token --job \(configuration.url.job)` prints with"
                        + " the server's own secret")
            } else {
                end(.connectFailed, failure.reason)
            }
        }
    }

    private func end(_ code: MPIError.Code, _ reason: String) {
        if case .open(let stream) = phase { poll.forget(stream.descriptor) }
        close()
        attemptDeadline = nil
        retryAt = nil
        failure = MPIError(code, operation: "join", reason: "rendezvous server: \(reason)")
    }
}
