// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE when the peer has gone. A
// library may not change its host's signal handling, so this BIO sends with MSG_NOSIGNAL instead.

import COpenSSL
import Glibc

enum SocketBIO {
    private static let method: TLSPointer = {
        guard let method = BIO_meth_new(BIO_get_new_index() | 0x0400, "socket, no SIGPIPE") else {
            fatalError("OpenSSL cannot make a BIO method")
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            BIO_clear_flags(bio, retryFlags)
            let flags = BIO_test_flags(bio, corked) == 0 ? MSG_NOSIGNAL : MSG_NOSIGNAL | MSG_MORE
            let sent = send(SocketBIO.descriptor(bio), bytes, Int(count), Int32(flags))
            if sent < 0, isTransient(errno) { BIO_set_flags(bio, BIO_FLAGS_WRITE | shouldRetry) }
            return Int32(sent)
        }
        BIO_meth_set_read(method) { bio, bytes, count in
            BIO_clear_flags(bio, retryFlags)
            if BIO_test_flags(bio, heldBack) != 0 {
                BIO_set_flags(bio, BIO_FLAGS_READ | shouldRetry)
                return -1
            }
            let received = recv(SocketBIO.descriptor(bio), bytes, Int(count), 0)
            if received < 0, isTransient(errno) { BIO_set_flags(bio, BIO_FLAGS_READ | shouldRetry) }
            if received == 0 { BIO_set_flags(bio, endOfFile) }
            return Int32(received)
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_FLUSH: 1
            case BIO_CTRL_EOF: BIO_test_flags(bio, endOfFile) == 0 ? 0 : 1
            default: 0
            }
        }
        return TLSPointer(method)
    }()

    private static let shouldRetry = BIO_FLAGS_SHOULD_RETRY
    private static let retryFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY
    private static let endOfFile = BIO_FLAGS_IN_EOF
    /// A bit OpenSSL leaves alone: reads wait, because the socket's next bytes are not TLS's.
    private static let heldBack: Int32 = 0x4000

    /// Another one: what is written waits for what follows, to share its segment.
    private static let corked: Int32 = 0x2000

    private static func isTransient(_ number: Int32) -> Bool {
        number == EAGAIN || number == EINTR
    }

    private static func descriptor(_ bio: OpaquePointer?) -> Int32 {
        Int32(Int(bitPattern: BIO_get_data(bio)))
    }

    static func holdReads(_ bio: OpaquePointer?, _ isHeld: Bool) {
        if isHeld { BIO_set_flags(bio, heldBack) } else { BIO_clear_flags(bio, heldBack) }
    }

    static func cork(_ bio: OpaquePointer?, _ isCorked: Bool) {
        if isCorked { BIO_set_flags(bio, corked) } else { BIO_clear_flags(bio, corked) }
    }

    /// A BIO over a descriptor it does not own; nil when OpenSSL is out of memory.
    static func make(_ descriptor: Int32) -> OpaquePointer? {
        guard let bio = BIO_new(method.pointer) else { return nil }
        // Descriptors are not negative, and 0 would read back as nil's pattern, which is 0 too.
        BIO_set_data(bio, UnsafeMutableRawPointer(bitPattern: Int(descriptor)))
        BIO_set_init(bio, 1)
        return bio
    }
}
