// Threads that nobody waits for, and listeners on them: the emulator serves each connection on a
// thread of its own, which is what a few hundred connections of one machine ask for.
@preconcurrency import Glibc
import Processes

/// - Returns: false if the system has no thread left.
@discardableResult
func runOnThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    guard let thread = try? startThread(body) else { return false }
    pthread_detach(thread)
    return true
}

/// A listening TCP socket; made in the network namespace of the thread that makes it.
struct Listener: Sendable {
    let descriptor: Int32
    let port: UInt16

    /// - Parameter port: 0 for any.
    init(_ address: String, port: UInt16) throws(LaunchError) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(
            listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        place.sin_addr.s_addr = inet_addr(address)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 ? getsockname(listener, $0, &length) : -1
            }
        }
        guard listener >= 0, status == 0, listen(listener, 1024) == 0 else {
            let reason = lastSystemError()
            Glibc.close(listener)
            throw LaunchError("cannot listen on \(address):\(port): \(reason)")
        }
        descriptor = listener
        self.port = UInt16(bigEndian: place.sin_port)
    }

    /// Calls `body` on a new thread with every connection, until `stop`.
    func serve(_ body: @escaping @Sendable (Int32) -> Void) {
        let descriptor = descriptor
        runOnThread {
            while true {
                let connection = accept(descriptor, nil, nil)
                if connection >= 0 {
                    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                    if !runOnThread({ body(connection) }) { Glibc.close(connection) }
                } else if errno != EINTR && errno != ECONNABORTED {
                    // `stop` has shut it down.
                    Glibc.close(descriptor)
                    return
                }
            }
        }
    }

    /// Nobody is accepted any more; the accepting thread closes the socket.
    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
