// The few system calls on TCP sockets that joining needs, each answering with errno instead of a
// global. Every socket is nonblocking and close-on-exec from birth.

import CLinux
import Glibc

/// errno of a failed system call, with the call's name for the error text.
package struct SystemFailure: Error, Equatable, CustomStringConvertible {
    var call: String
    var errorNumber: Int32

    var reason: String { String(cString: strerror(errorNumber)) }
    package var description: String { "\(call): \(reason)" }
}

enum Socket {
    private static let streamType = Int32(SOCK_STREAM.rawValue)
    private static let tcp = Int32(IPPROTO_TCP)

    static func open(_ ip: IPAddress) throws(SystemFailure) -> Int32 {
        let family = ip.isV4 ? AF_INET : AF_INET6
        let type = streamType | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw SystemFailure(call: "socket", errorNumber: errno) }
        if !ip.isV4 { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        return descriptor
    }

    static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Lets the listener, the rendezvous connection and every punching socket share one port.
    static func sharePort(_ descriptor: Int32) {
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        setOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)
    }

    static func bind(_ descriptor: Int32, to address: SocketAddress) throws(SystemFailure) {
        let status = address.withSockaddr { Glibc.bind(descriptor, $0, $1) }
        guard status == 0 else { throw SystemFailure(call: "bind", errorNumber: errno) }
    }

    static func listen(_ descriptor: Int32, backlog: Int32) throws(SystemFailure) {
        guard Glibc.listen(descriptor, backlog) == 0 else {
            throw SystemFailure(call: "listen", errorNumber: errno)
        }
    }

    /// Begins to connect; true if it is done already.
    static func connect(
        _ descriptor: Int32, to address: SocketAddress
    ) throws(SystemFailure) -> Bool {
        let status = address.withSockaddr { Glibc.connect(descriptor, $0, $1) }
        if status == 0 { return true }
        guard errno == EINPROGRESS || errno == EINTR else {
            throw SystemFailure(call: "connect", errorNumber: errno)
        }
        return false
    }

    /// The outcome of a nonblocking connect, once the descriptor has become writable.
    static func pendingError(_ descriptor: Int32) -> Int32 {
        var number: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let status = getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length)
        return status == 0 ? number : errno
    }

    /// The next connection that waits; nil if none does.
    static func accept(_ listener: Int32) throws(SystemFailure) -> (Int32, SocketAddress)? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let descriptor = withUnsafeMutableBytes(of: &storage) { bytes in
            // Close-on-exec in the same call: a child started in between would keep a copy.
            accept4(
                listener, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length,
                Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
        }
        if descriptor >= 0 {
            guard let address = SocketAddress(storage) else {
                close(descriptor)
                return nil
            }
            return (descriptor, address)
        }
        switch errno {
        case EAGAIN, EINTR, ECONNABORTED, EPROTO: return nil
        default: throw SystemFailure(call: "accept", errorNumber: errno)
        }
    }

    static func localAddress(_ descriptor: Int32) -> SocketAddress? {
        name { getsockname(descriptor, $0, $1) }
    }

    static func remoteAddress(_ descriptor: Int32) -> SocketAddress? {
        name { getpeername(descriptor, $0, $1) }
    }

    private static func name(
        _ call: (UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutableBytes(of: &storage) { bytes in
            call(bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return status == 0 ? SocketAddress(storage) : nil
    }

    /// Small messages leave at once; large ones grow their window as fast as cubic may.
    static func tune(_ descriptor: Int32) {
        setOption(descriptor, tcp, TCP_NODELAY, 1)
        // A plain user may not be allowed cubic: the default then stays.
        _ = setsockopt(descriptor, tcp, TCP_CONGESTION, "cubic", 5)
    }

    /// An idle connection sends a sign of life that often, so that no NAT on the way forgets it. One
    /// that is lost is repeated sooner than the next would be due.
    static func keepAlive(_ descriptor: Int32, every interval: Duration) {
        let seconds = Int32(clamping: interval.components.seconds)
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor, tcp, TCP_KEEPIDLE, max(seconds, 1))
        setOption(descriptor, tcp, TCP_KEEPINTVL, min(max(seconds, 1), longestProbeSeconds))
    }

    private static let longestProbeSeconds: Int32 = 15

    /// The kernel's smoothed round-trip time of a connection.
    static func roundTripTime(_ descriptor: Int32) -> Duration {
        var information = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        let status = getsockopt(descriptor, tcp, TCP_INFO, &information, &length)
        return status == 0 ? .microseconds(Int64(information.tcpi_rtt)) : .zero
    }
}

extension Socket {
    static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        guard buffer.count > 0 else { return .bytes(0) }
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        return count == 0 ? .endOfStream : outcome(count)
    }

    /// The same bytes will be read again.
    static func peek(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_PEEK))
        return count == 0 ? .endOfStream : outcome(count)
    }

    /// With `moreFollows` the last segment waits, 200 ms at most, for what is written next.
    static func write(
        _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, moreFollows: Bool = false
    ) -> IOResult {
        let flags = moreFollows ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL
        return outcome(send(descriptor, bytes.baseAddress, bytes.count, Int32(flags)))
    }

    private static func outcome(_ count: Int) -> IOResult {
        if count >= 0 { return .bytes(count) }
        let number = errno
        if number == EAGAIN || number == EINTR { return .wouldBlock }
        return .failed(
            IOFailure(reason: String(cString: strerror(number)), errorNumber: number))
    }
}

extension SocketAddress {
    func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> R) -> R {
        switch ip {
        case .v4(let address):
            var value = sockaddr_in()
            value.sin_family = sa_family_t(AF_INET)
            value.sin_port = port.bigEndian
            value.sin_addr.s_addr = address.bigEndian
            return withUnsafeBytes(of: &value) {
                body($0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
            }
        case .v6(let high, let low):
            var value = sockaddr_in6()
            value.sin6_family = sa_family_t(AF_INET6)
            value.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &value.sin6_addr) {
                $0.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return withUnsafeBytes(of: &value) {
                body($0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
            }
        }
    }

    /// nil for families other than IPv4 and IPv6.
    init?(_ storage: sockaddr_storage) {
        self = .init(ip: .any4, port: 0)
        guard let address = withUnsafeBytes(of: storage, { SocketAddress(sockaddrBytes: $0) })
        else { return nil }
        self = address
    }

    init?(sockaddrBytes bytes: UnsafeRawBufferPointer) {
        switch Int32(bytes.load(as: sa_family_t.self)) {
        case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
            let value = bytes.loadUnaligned(as: sockaddr_in.self)
            self.init(
                ip: .v4(UInt32(bigEndian: value.sin_addr.s_addr)),
                port: UInt16(bigEndian: value.sin_port))
        case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
            let value = bytes.loadUnaligned(as: sockaddr_in6.self)
            let (high, low) = withUnsafeBytes(of: value.sin6_addr) {
                (
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            self.init(
                ip: IPAddress(high: high, low: low), port: UInt16(bigEndian: value.sin6_port))
        default:
            return nil
        }
    }
}

extension IPAddress {
    /// A dotted quad or an IPv6 address in text; nil for names.
    init?(numeric text: String) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .v4(UInt32(bigEndian: four.s_addr))
            return
        }
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        guard inet_pton(AF_INET6, text, &six.sin6_addr) == 1,
            let address = withUnsafeBytes(of: six, { SocketAddress(sockaddrBytes: $0) })
        else { return nil }
        self = address.ip
    }
}
