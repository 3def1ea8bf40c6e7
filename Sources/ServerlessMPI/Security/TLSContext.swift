// OpenSSL set up once per process for the only thing it may do here: TLS 1.3 with an external
// pre-shared key, one cipher suite, no certificates, no tickets, no early data (RFC 8446 §2.2).

import COpenSSL
import Glibc

/// The credentials of one session: found by the callbacks through the SSL's application data.
final class PSKCredentials {
    /// What a TLS client announces in clear, and a server looks the key up by. At a stable
    /// address, because OpenSSL is handed a pointer to it.
    let identity: UnsafeMutableBufferPointer<UInt8>
    /// A server that keeps no keys derives one from the identity it is shown; nil refuses.
    let keyForIdentity: (UnsafeBufferPointer<UInt8>) -> Secret?
    /// The identity a server was shown and had a key for.
    private(set) var provenIdentity: [UInt8]?

    /// Both ends know identity and key.
    init(identity: [UInt8], key: Secret) {
        self.identity = .allocate(capacity: identity.count)
        _ = self.identity.initialize(from: identity)
        keyForIdentity = { shown in shown.elementsEqual(identity) ? key : nil }
    }

    /// A server for many identities.
    init(keyForIdentity: @escaping (UnsafeBufferPointer<UInt8>) -> Secret?) {
        identity = .allocate(capacity: 0)
        self.keyForIdentity = keyForIdentity
    }

    deinit { identity.deallocate() }

    fileprivate func find(_ shown: UnsafeBufferPointer<UInt8>) -> Secret? {
        guard let key = keyForIdentity(shown) else { return nil }
        provenIdentity = Array(shown)
        return key
    }
}

/// The one context of both roles, because making one costs 3 ms: OpenSSL looks up every cipher it
/// knows. Contexts are reference-counted and internally locked by OpenSSL.
enum TLSContext {
    static let shared = TLSPointer(make(TLS_method()))

    /// The macros of ssl.h that Swift does not see.
    private enum Control {
        static let mode: Int32 = 33  // SSL_CTRL_MODE
        static let readAhead: Int32 = 41  // SSL_CTRL_SET_READ_AHEAD
        static let sessionCacheMode: Int32 = 44  // SSL_CTRL_SET_SESS_CACHE_MODE
        static let groupsList: Int32 = 92  // SSL_CTRL_SET_GROUPS_LIST
        static let minimumVersion: Int32 = 123  // SSL_CTRL_SET_MIN_PROTO_VERSION
        static let maximumVersion: Int32 = 124  // SSL_CTRL_SET_MAX_PROTO_VERSION
    }

    fileprivate static let sessionContext = Array("smpi".utf8)
    fileprivate static let sessionContextLength = UInt32(4)

    private static func make(_ method: OpaquePointer?) -> OpaquePointer {
        guard let context = SSL_CTX_new(method) else {
            fatalError("OpenSSL cannot make a TLS context")
        }
        let tls13 = Int(TLS1_3_VERSION)
        var isSet = SSL_CTX_ctrl(context, Control.minimumVersion, tls13, nil) == 1
        isSet = SSL_CTX_ctrl(context, Control.maximumVersion, tls13, nil) == 1 && isSet
        isSet = SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1 && isSet
        isSet = SSL_CTX_set_num_tickets(context, 0) == 1 && isSet
        isSet =
            "X25519".withCString {
                SSL_CTX_ctrl(context, Control.groupsList, 0, UnsafeMutableRawPointer(mutating: $0))
            } == 1 && isSet
        precondition(isSet, "this OpenSSL has no TLS 1.3 with AES-128-GCM and X25519")
        // Partial writes, and buffers that may move between the attempts of one write.
        _ = SSL_CTX_ctrl(context, Control.mode, 1 | 2, nil)
        _ = SSL_CTX_ctrl(context, Control.sessionCacheMode, 0, nil)
        SSL_CTX_set_options(context, 1 << 30 /* SSL_OP_NO_RENEGOTIATION */)
        // A certificate never verifies: the trust store is empty and stays so.
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        // A server that verifies takes a session, and a key is one, only with a context named.
        isSet = SSL_CTX_set_session_id_context(context, sessionContext, sessionContextLength) == 1
        precondition(isSet, "OpenSSL refuses a session id context")
        // One read fetches a whole record and more, where the default asks for its header first.
        _ = SSL_CTX_ctrl(context, Control.readAhead, 1, nil)
        SSL_CTX_set_psk_use_session_callback(context, usePSK)
        SSL_CTX_set_psk_find_session_callback(context, findPSK)
        return context
    }
}

/// An OpenSSL object that may be shared between threads.
struct TLSPointer: @unchecked Sendable {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
}

private func credentials(of ssl: OpaquePointer?) -> PSKCredentials? {
    guard let data = SSL_get_ex_data(ssl, 0) else { return nil }
    return Unmanaged<PSKCredentials>.fromOpaque(data).takeUnretainedValue()
}

/// A TLS 1.3 session that stands for an external key.
private func session(for key: Secret, _ ssl: OpaquePointer?) -> OpaquePointer? {
    let suite: [UInt8] = [0x13, 0x01]  // TLS_AES_128_GCM_SHA256
    guard let session = SSL_SESSION_new() else { return nil }
    let isSet = key.withBytes { bytes in
        SSL_SESSION_set1_master_key(
            session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) == 1
            && SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, suite)) == 1
            && SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1
            && SSL_SESSION_set1_id_context(
                session, TLSContext.sessionContext, TLSContext.sessionContextLength) == 1
    }
    guard isSet else {
        SSL_SESSION_free(session)
        return nil
    }
    return session
}

private func usePSK(
    ssl: OpaquePointer?, digest: OpaquePointer?,
    identity: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    identityLength: UnsafeMutablePointer<Int>?,
    sessionOut: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    guard let credentials = credentials(of: ssl),
        let key = credentials.find(UnsafeBufferPointer(credentials.identity)),
        let made = session(for: key, ssl)
    else { return 0 }
    identity?.pointee = UnsafePointer(credentials.identity.baseAddress)
    identityLength?.pointee = credentials.identity.count
    sessionOut?.pointee = made
    return 1
}

private func findPSK(
    ssl: OpaquePointer?, identity: UnsafePointer<UInt8>?, identityLength: Int,
    sessionOut: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    sessionOut?.pointee = nil
    guard let credentials = credentials(of: ssl),
        let key = credentials.find(UnsafeBufferPointer(start: identity, count: identityLength))
    else { return 1 }  // no such identity: without certificates the handshake then fails
    sessionOut?.pointee = session(for: key, ssl)
    return 1
}
