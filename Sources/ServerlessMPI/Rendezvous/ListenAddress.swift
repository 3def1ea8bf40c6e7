// An address that an operator wants to listen on, and the advice when that is not possible.

import Glibc
import MessagePassing

/// `HOST:PORT` with a numeric host; port 0 means any.
package struct ListenAddress {
    let address: SocketAddress

    package init(_ text: String) throws(MPIError) {
        let (host, port) = try JoinURL.parseAuthority(text[...])
        guard let ip = IPAddress(numeric: host) else {
            throw .invalidArgument(
                "rendezvous", "\(printable(host)) is no numeric address to listen on")
        }
        address = SocketAddress(ip: ip, port: port)
    }

    /// A listening socket whose `accept` waits, and where it listens.
    package func listen() throws(MPIError) -> (descriptor: Int32, address: String) {
        do throws(SystemFailure) {
            let listener = try open(backlog: 64)
            let flags = fcntl(listener, F_GETFL)
            _ = fcntl(listener, F_SETFL, flags & ~O_NONBLOCK)
            return (listener, "\(Socket.localAddress(listener) ?? address)")
        } catch {
            throw Self.error(error, "\(address)")
        }
    }

    /// A nonblocking listening socket.
    func open(backlog: Int32) throws(SystemFailure) -> Int32 {
        let listener = try Socket.open(address.ip)
        do throws(SystemFailure) {
            Socket.setOption(listener, SOL_SOCKET, SO_REUSEADDR, 1)
            try Socket.bind(listener, to: address)
            try Socket.listen(listener, backlog: backlog)
            return listener
        } catch {
            close(listener)
            throw error
        }
    }

    static func error(_ failure: SystemFailure, _ place: String) -> MPIError {
        let advice =
            switch failure.errorNumber {
            case EADDRINUSE: "the port is in use: stop what uses it or choose another, 0 for any"
            case EACCES: "a port below 1024 needs more rights: choose another"
            case EADDRNOTAVAIL: "this machine does not have that address"
            default: failure.description
            }
        return MPIError(
            .connectFailed, operation: "rendezvous",
            reason: "cannot listen on \(printable(place)): \(advice)",
            underlying: failure.errorNumber)
    }
}

extension ListenAddress {
    init(_ address: SocketAddress) { self.address = address }
}
