// A second sight of this rank for the rendezvous server: one short connection to its observer
// port, from the local port that everything else leaves from. It costs no round trip, because it
// runs beside the TLS handshake, and nothing depends on its success.

import Glibc

final class MappingObservation {
    /// Sixteen random bytes that travel here and in the join request.
    let id = RequestID.random().bytes
    private let poll: EventPoll
    private let token: UInt64
    private var descriptor: Int32?
    private var output: [UInt8]
    /// When nobody waits for it any longer.
    private(set) var deadline = ContinuousClock.now

    init(poll: EventPoll, token: UInt64) {
        self.poll = poll
        self.token = token
        output = Preamble(.observation, id: id).encoded
    }

    /// Has the server got it, or most likely never will?
    func isSettled(_ now: ContinuousClock.Instant) -> Bool { descriptor == nil || now >= deadline }

    func start(from port: UInt16, to address: SocketAddress, timeout: Duration) {
        deadline = .now + timeout
        guard let opened = try? Socket.open(address.ip) else { return }
        descriptor = opened
        Socket.sharePort(opened)
        let any = address.ip.isV4 ? IPAddress.any4 : .any6
        poll.watch(opened, token, reads: false, writes: true)
        do throws(SystemFailure) {
            try Socket.bind(opened, to: SocketAddress(ip: any, port: port))
            _ = try Socket.connect(opened, to: address)
        } catch {
            stop()
        }
    }

    /// Its socket can move: connected, or refused.
    func advance() {
        guard let descriptor else { return }
        guard Socket.pendingError(descriptor) == 0 else { return stop() }
        if !output.isEmpty {
            switch output.withUnsafeBytes({ Socket.write(descriptor, $0) }) {
            case .wouldBlock: return
            case .bytes(let count): output.removeFirst(count)
            case .endOfStream, .failed: return stop()
            }
            if output.isEmpty { poll.change(descriptor, token, reads: true, writes: false) }
            return
        }
        // The server closes first, when it has everything.
        stop()
    }

    func stop() {
        guard let descriptor else { return }
        poll.forget(descriptor)
        close(descriptor)
        self.descriptor = nil
    }
}
