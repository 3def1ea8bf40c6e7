// A connected TCP socket that carries HTTP: whole messages out, bytes in, every wait bounded where
// the caller wants it bounded.

import Glibc

/// One connection; closes with its last user.
package final class HTTPSocket {
    package let descriptor: Int32
    /// Has a whole message come in on it?
    package private(set) var isUsed = false
    private var reader: HTTPReader

    /// Takes over a connected socket.
    package init(_ descriptor: Int32, _ kind: HTTPReader.Kind, limits: HTTPLimits) {
        self.descriptor = descriptor
        reader = HTTPReader(kind, limits: limits)
        var one: Int32 = 1
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    /// Connects to `HOST:PORT` within `timeout`.
    package static func connect(
        _ address: String, timeout: Duration, limits: HTTPLimits
    ) throws(HTTPFault) -> HTTPSocket {
        guard let colon = address.lastIndex(of: ":"), colon != address.startIndex,
            let port = UInt16(address[colon...].dropFirst()), port > 0
        else { throw .malformed("the address \(excerpt(address)) is not HOST:PORT") }
        var hints = addrinfo()
        hints.ai_family = AF_INET
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(String(address[..<colon]), String(port), &hints, &found) == 0,
            let first = found
        else { throw .broken("the name in \(excerpt(address)) is unknown") }
        defer { freeaddrinfo(found) }
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .broken("socket: \(systemError())") }
        // Linux bounds connect by the timeout for sending.
        setTimeout(descriptor, SO_SNDTIMEO, timeout)
        guard Glibc.connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0
        else {
            let reason = systemError()
            close(descriptor)
            throw .broken("cannot connect to \(address): \(reason)")
        }
        return HTTPSocket(descriptor, .response, limits: limits)
    }

    /// Sends all bytes.
    ///
    /// - Parameter timeout: for each time the peer takes nothing.
    package func send(_ bytes: [UInt8], timeout: Duration) throws(HTTPFault) {
        HTTPSocket.setTimeout(descriptor, SO_SNDTIMEO, timeout)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                throw .timedOut
            } else if errno != EINTR {
                throw .broken("send: \(systemError())")
            }
        }
    }

    /// The next message.
    ///
    /// - Parameter timeout: for each time the peer sends nothing; nil waits for ever.
    package func receive(timeout: Duration?) throws(HTTPFault) -> HTTPMessage {
        HTTPSocket.setTimeout(descriptor, SO_RCVTIMEO, timeout ?? .zero)
        let descriptor = descriptor
        let message = try reader.next { (buffer) throws(HTTPFault) in
            while true {
                let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
                if count >= 0 { return count }
                if errno == EAGAIN { throw .timedOut }
                if errno != EINTR { throw .broken("receive: \(systemError())") }
            }
        }
        isUsed = true
        return message
    }

    /// Zero is no timeout, for the kernel.
    private static func setTimeout(_ descriptor: Int32, _ option: Int32, _ timeout: Duration) {
        let (seconds, attoseconds) = timeout.components
        var value = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        setsockopt(
            descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<timeval>.size))
    }
}

func systemError() -> String { String(cString: strerror(errno)) }
