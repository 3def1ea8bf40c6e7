// Attackers that speak TLS: a member that frames its messages as it likes, TLS without the key,
// and what a client writes, recorded.

import COpenSSL
import Glibc
import MessagePassing

@testable import ServerlessMPI

/// A TLS connection to the server with a job's key, and nothing that keeps it to the protocol.
final class RawMember {
    enum End { case open, closed, failed }

    let descriptor: Int32
    private let tls: TLSSession
    private(set) var messages: [ServerMessage] = []
    private var input: [UInt8] = []
    private var isHandshaken = false
    private(set) var end = End.open

    init(_ world: HostileWorld, job: String = "liars", key: Secret? = nil) throws {
        descriptor = try world.connect(world.serverPort)
        Socket.tune(descriptor)
        tls = try TLSSession(
            role: .client, fileDescriptor: descriptor,
            credentials: PSKCredentials(
                identity: ServerKeys.identity(job: job),
                key: key ?? world.server.mintTokens(job: job).serverKey))
    }

    deinit { close(descriptor) }

    /// Bytes as they are; with a length before them they are a message.
    func write(_ bytes: [UInt8]) {
        run { $0.isHandshaken }
        var sent = 0
        for _ in 0..<2000 where sent < bytes.count && end == .open {
            switch bytes[sent...].withUnsafeBytes({ tls.write($0) }) {
            case .bytes(let count): sent += count
            case .wouldBlock: usleep(1000)
            case .endOfStream, .failed: end = .closed
            }
        }
    }

    func send(_ message: [UInt8], claiming length: Int? = nil) {
        let length = UInt32(truncatingIfNeeded: length ?? message.count)
        write((0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * UInt32($0))) } + message)
    }

    func send(_ message: ClientMessage) { send(message.encoded) }

    /// Goes on until the condition holds, the server closes, or five seconds have passed.
    @discardableResult
    func run(until condition: (RawMember) -> Bool) -> End {
        for _ in 0..<5000 where end == .open && !condition(self) {
            advance()
            if end == .open, !condition(self) { usleep(1000) }
        }
        return end
    }

    func advance() {
        if !isHandshaken {
            switch tls.handshake() {
            case nil: isHandshaken = true
            case .wouldBlock, .bytes: return
            case .endOfStream, .failed:
                end = .failed
                return
            }
        }
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        switch buffer.withUnsafeMutableBytes({ tls.read(into: $0) }) {
        case .bytes(let count): input += buffer.prefix(count)
        case .wouldBlock: return
        case .endOfStream: end = .closed
        // The alert to a wrong key comes after the client's own part of the handshake.
        case .failed: end = .failed
        }
        while input.count >= 4 {
            let length = input[0..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
            guard input.count >= 4 + length else { break }
            if let message = try? ServerMessage(decoding: input[4..<4 + length]) {
                messages.append(message)
            }
            input.removeFirst(4 + length)
        }
    }

    /// The cause of a refusal among what the server said.
    var refusal: MPIError? {
        for case .refused(let cause) in messages { return cause }
        return nil
    }
}

/// TLS as a browser or a scanner speaks it: with certificates, or without anything.
enum PlainTLS {
    static func expectRefusal(
        by port: UInt16, version: Int32, hasCertificate: Bool = false
    ) throws {
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw HostileWorld.Unrefused("no TLS context")
        }
        defer { SSL_CTX_free(context) }
        // SSL_CTRL_SET_MAX_PROTO_VERSION
        _ = SSL_CTX_ctrl(context, 124, Int(version), nil)
        if hasCertificate { try useCertificate(context) }
        guard let ssl = SSL_new(context) else { throw HostileWorld.Unrefused("no TLS session") }
        defer { SSL_free(ssl) }
        let socket = try HostileTests.stranger(port)
        defer { close(socket) }
        guard waitsFor(socket, Int16(POLLOUT)) else {
            throw HostileWorld.Unrefused("no connection")
        }
        SSL_set_fd(ssl, socket)
        for _ in 0..<2000 {
            let status = SSL_connect(ssl)
            if status == 1 { throw HostileWorld.Unrefused("the handshake came about") }
            let error = SSL_get_error(ssl, status)
            ERR_clear_error()
            guard error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE else { return }
            usleep(1000)
        }
        throw HostileWorld.Unrefused("neither accepted nor refused within 2 s")
    }

    /// A self-signed certificate of this moment.
    static func useCertificate(_ context: OpaquePointer) throws {
        var key: OpaquePointer?
        let maker = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil)
        defer { EVP_PKEY_CTX_free(maker) }
        guard EVP_PKEY_keygen_init(maker) == 1, EVP_PKEY_keygen(maker, &key) == 1,
            let certificate = X509_new()
        else { throw HostileWorld.Unrefused("no certificate") }
        defer {
            EVP_PKEY_free(key)
            X509_free(certificate)
        }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1)
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600)
        let name = X509_get_subject_name(certificate)
        // MBSTRING_ASC
        X509_NAME_add_entry_by_txt(name, "CN", 0x1001, "127.0.0.1", -1, -1, 0)
        X509_set_issuer_name(certificate, name)
        guard X509_set_pubkey(certificate, key) == 1, X509_sign(certificate, key, nil) > 0,
            SSL_CTX_use_certificate(context, certificate) == 1,
            SSL_CTX_use_PrivateKey(context, key) == 1
        else { throw HostileWorld.Unrefused("no certificate") }
    }

    static func waitsFor(_ socket: Int32, _ events: Int16, milliseconds: Int32 = 2000) -> Bool {
        var entry = pollfd(fd: socket, events: events, revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }
}

/// A listener in the middle that writes down what a client says.
enum Recorder {
    /// The bytes of a good client's TLS and join of a job of its own, as they go over the wire.
    static func recordJoin(_ world: HostileWorld) throws -> [UInt8] {
        let listener = try Socket.open(.loopback4)
        defer { close(listener) }
        try Socket.bind(listener, to: SocketAddress(ip: .loopback4, port: 0))
        try Socket.listen(listener, backlog: 1)
        guard let port = Socket.localAddress(listener)?.port else {
            throw HostileWorld.Unrefused("no listener")
        }
        let client = try world.connect(port)
        defer { close(client) }
        guard PlainTLS.waitsFor(listener, Int16(POLLIN)),
            let (inner, _) = try Socket.accept(listener)
        else { throw HostileWorld.Unrefused("nobody came") }
        defer { close(inner) }
        let outer = try world.connect(world.serverPort)
        defer { close(outer) }
        let stream = try MessageStream(
            descriptor: client, role: .client,
            credentials: PSKCredentials(
                identity: ServerKeys.identity(job: "recorded"),
                key: world.server.mintTokens(job: "recorded").serverKey),
            maximumMessageByteCount: ServerMessage.maximumByteCount,
            maximumOutputByteCount: 1 << 20)
        _ = stream.send(ClientMessage.join(world.joinRequest(rank: 0)).encoded)
        var recording: [UInt8] = []
        var hasAnswer = false
        for _ in 0..<3000 where !hasAnswer {
            _ = stream.advance { _ in hasAnswer = true }
            recording += pass(inner, outer)
            _ = pass(outer, inner)
            usleep(1000)
        }
        guard hasAnswer else { throw HostileWorld.Unrefused("the server did not answer") }
        return recording
    }

    private static func pass(_ from: Int32, _ to: Int32) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        guard case .bytes(let count) = buffer.withUnsafeMutableBytes({ Socket.read(from, $0) })
        else { return [] }
        let bytes = Array(buffer.prefix(count))
        _ = bytes.withUnsafeBytes { Socket.write(to, $0) }
        return bytes
    }
}
