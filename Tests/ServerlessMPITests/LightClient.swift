// A member of a job that is no whole rank: one TLS connection to the rendezvous server, driven by
// hand, so that one test process can be a thousand of them.

import Glibc
import MessagePassing

@testable import ServerlessMPI

final class LightClient {
    private let stream: MessageStream
    private(set) var messageCount = 0
    private(set) var hasRoster = false
    private(set) var hasFarewell = false

    init(_ server: RendezvousServer, _ job: String, key: Secret? = nil) throws {
        guard let ip = IPAddress(numeric: server.host) else {
            throw MPIError.invalidArgument("test", "the server has no numeric address")
        }
        let socket = try Socket.open(ip)
        _ = try Socket.connect(socket, to: SocketAddress(ip: ip, port: server.port))
        stream = try MessageStream(
            descriptor: socket, role: .client,
            credentials: PSKCredentials(
                identity: ServerKeys.identity(job: job),
                key: key ?? server.mintTokens(job: job).serverKey),
            maximumMessageByteCount: ServerMessage.maximumByteCount,
            maximumOutputByteCount: 1 << 20)
    }

    func send(_ message: ClientMessage) { _ = stream.send(message.encoded) }

    /// Reads what has come.
    func advance(_ receive: (ServerMessage) -> Void = { _ in }) {
        _ = stream.advance { bytes in
            messageCount += 1
            // A thousand rosters of a thousand ranks: their kind tells enough.
            if bytes.first == 0x82 { hasRoster = true }
            if bytes.first == 0x85 { hasFarewell = true }
            if bytes.count < 2000, let message = try? ServerMessage(decoding: bytes) {
                receive(message)
            }
        }
    }

    var descriptor: Int32 { stream.descriptor }

    func close() { stream.close() }
}
