// One TLS 1.3 session over a nonblocking socket, keyed by a secret both ends hold. It answers in
// IOResult like a plain socket, so that the code above does not know which of the two it has.

import COpenSSL
import Glibc

/// One TLS 1.3 session with an external pre-shared key over a nonblocking descriptor.
///
/// Not thread-safe: one thread at a time, reading and writing alike (OpenSSL's rule).
///
/// A read takes whole records from the socket and keeps what the caller has no room for yet, so
/// **read until `.wouldBlock` before waiting for the descriptor**: bytes may already be here.
///
/// After a write said `.wouldBlock`, the next write must begin with the same bytes (at whatever
/// address; more may follow them), because they may already be encrypted.
final class TLSSession: @unchecked Sendable {
    enum Role { case client, server }

    /// What the session waits for after `.wouldBlock`. TLS 1.3 updates keys in band, so that a
    /// write may wait for readability and a read for writability: rare, but not never.
    enum Interest { case read, write }

    private let ssl: OpaquePointer
    private let credentials: PSKCredentials
    private let role: Role
    private(set) var interest = Interest.read
    private(set) var isEstablished = false
    /// The first flight is made.
    private var hasGreeted = false

    /// A session over `fileDescriptor`, which the caller owns and closes after this object is gone.
    init(role: Role, fileDescriptor: Int32, credentials: PSKCredentials) throws(IOFailure) {
        guard let ssl = SSL_new(TLSContext.shared.pointer) else {
            throw IOFailure(reason: "out of memory for a TLS session")
        }
        guard let bio = SocketBIO.make(fileDescriptor) else {
            SSL_free(ssl)
            throw IOFailure(reason: "out of memory for a TLS session")
        }
        self.ssl = ssl
        self.role = role
        self.credentials = credentials
        SSL_set_bio(ssl, bio, bio)
        _ = SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(credentials).toOpaque())
        if role == .client { SSL_set_connect_state(ssl) } else { SSL_set_accept_state(ssl) }
    }

    deinit { SSL_free(ssl) }

    /// Gives the record buffers back whenever they are empty: for connections that mostly idle.
    func releaseIdleBuffers() { _ = SSL_ctrl(ssl, 33, 0x10, nil) }

    /// Who the client proved to be: on a server, once the handshake is done.
    var provenIdentity: [UInt8]? { isEstablished ? credentials.provenIdentity : nil }

    /// While held, the handshake may write its first flight but takes nothing from the socket,
    /// because the next bytes there belong to the hello that goes before TLS.
    func holdReads(_ isHeld: Bool) { SocketBIO.holdReads(SSL_get_rbio(ssl), isHeld) }

    /// Goes on with the handshake: nil once it is done, else `.wouldBlock` or `.failed`.
    ///
    /// With `writesNext` the caller promises to write as soon as it is done: a client's last flight
    /// then travels with these bytes in one segment (and 200 ms late, if they do not come).
    func handshake(writesNext: Bool = false) -> IOResult? {
        if isEstablished { return nil }
        clearErrors()
        let isLastFlight = role == .client && hasGreeted
        hasGreeted = true
        if writesNext && isLastFlight { SocketBIO.cork(SSL_get_wbio(ssl), true) }
        let status = SSL_do_handshake(ssl)
        if writesNext && isLastFlight { SocketBIO.cork(SSL_get_wbio(ssl), false) }
        guard status == 1 else {
            let result = outcome(status, during: "TLS handshake")
            if case .endOfStream = result {
                return .failed(IOFailure(reason: "the connection ended during the TLS handshake"))
            }
            return result
        }
        // Only a session made from our key counts: anything else would be an unknown peer.
        guard SSL_session_reused(ssl) == 1 else {
            return .failed(IOFailure(reason: "the peer did not use the pre-shared key"))
        }
        isEstablished = true
        return nil
    }

    /// Reads up to `buffer.count` bytes.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        guard buffer.count > 0 else { return .bytes(0) }
        clearErrors()
        var count = 0
        let status = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
        return status == 1 ? .bytes(count) : outcome(status, during: "TLS read")
    }

    /// Writes some of these bytes: at most one record of 16 KiB at a time is accepted.
    func write(_ bytes: UnsafeRawBufferPointer) -> IOResult {
        guard bytes.count > 0 else { return .bytes(0) }
        clearErrors()
        var count = 0
        let status = SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count)
        return status == 1 ? .bytes(count) : outcome(status, during: "TLS write")
    }

    /// Decrypted or still encrypted bytes are held here, so a read need not wait for the socket.
    var hasBufferedBytes: Bool { SSL_has_pending(ssl) == 1 }

    /// Tells the peer that nothing more will be written (close_notify); best effort.
    func closeForWriting() {
        guard isEstablished else { return }
        clearErrors()
        _ = SSL_shutdown(ssl)
        clearErrors()
    }

    /// OpenSSL judges an outcome by its error queue, too. Emptying it costs more than a look at it.
    private func clearErrors() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    private func outcome(_ status: Int32, during step: String) -> IOResult {
        let number = errno
        switch SSL_get_error(ssl, status) {
        case SSL_ERROR_WANT_READ:
            interest = .read
            return .wouldBlock
        case SSL_ERROR_WANT_WRITE:
            interest = .write
            return .wouldBlock
        case SSL_ERROR_ZERO_RETURN:
            return .endOfStream
        case SSL_ERROR_SYSCALL where number != 0:
            return .failed(
                IOFailure(reason: String(cString: strerror(number)), errorNumber: number))
        default:
            return failure(during: step)
        }
    }

    private func failure(during step: String) -> IOResult {
        let code = ERR_get_error()
        ERR_clear_error()
        // Library ERR_LIB_SSL, reason "unexpected eof": the peer's socket ended without goodbye.
        let reason = Int32(truncatingIfNeeded: code & 0x7f_ffff)
        if code == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING { return .endOfStream }
        let text = ERR_reason_error_string(code).map { String(cString: $0) } ?? "unknown error"
        // Reasons from 1000 are alerts: the other end refused us and said so.
        return .failed(IOFailure(reason: "\(step): \(text)", isRefusal: reason >= 1000))
    }
}
