// The operator's port: `/health` (does the server's thread still come round?), `/ready` (does it
// take new jobs?) and `/metrics`, over plain HTTP. It tells no job's name and no secret, and is
// meant for a private address all the same.

import CompactHTTP
import Glibc
import MessagePassing
import ServerlessMPI
import Synchronization

/// A listener with a thread, and a short-lived thread per connection.
final class StatusPort: Sendable {
    /// At once; the oldest makes room for a new one.
    private static let connectionCountMax = 16
    private static let timeout = Duration.seconds(2)

    /// Where it listens, with the port the system gave.
    let address: String
    private let server: RendezvousServer
    private let listener: Int32
    private let connections = Mutex<[Int32]>([])

    /// - Parameter address: `HOST:PORT` with a numeric host.
    init(_ address: String, _ server: RendezvousServer) throws(MPIError) {
        (listener, self.address) = try ListenAddress(address).listen()
        self.server = server
    }

    /// Serves until the process ends.
    func start() throws(MPIError) {
        do throws(SystemFailure) {
            _ = try DedicatedThread { self.acceptAll() }
        } catch {
            throw MPIError(.system, operation: "rendezvous", reason: "\(error)")
        }
    }

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else {
                // Out of descriptors, or a connection that has gone already.
                usleep(10_000)
                continue
            }
            connections.withLock { open in
                if open.count == Self.connectionCountMax {
                    shutdown(open.removeFirst(), Int32(SHUT_RDWR))
                }
                open.append(descriptor)
            }
            let thread = try? DedicatedThread { self.serve(descriptor) }
            if thread == nil { forget(descriptor); close(descriptor) }
        }
    }

    private func serve(_ descriptor: Int32) {
        var limits = HTTPLimits(bodyByteCountMax: 0)
        limits.headByteCountMax = 8192
        let connection = HTTPSocket(descriptor, .request, limits: limits)
        do throws(HTTPFault) {
            var goesOn = true
            while goesOn {
                let request = try connection.receive(timeout: Self.timeout)
                goesOn = request.keepsAlive
                try connection.send(answer(request), timeout: Self.timeout)
            }
        } catch {
            let answer = Self.message(400, "Bad Request", "no request\n").bytes
            if case .malformed = error { try? connection.send(answer, timeout: Self.timeout) }
        }
        // Before the descriptor's number can belong to another.
        forget(descriptor)
    }

    private func forget(_ descriptor: Int32) {
        connections.withLock { $0.removeAll { $0 == descriptor } }
    }

    private func answer(_ message: HTTPMessage) -> [UInt8] {
        guard let (method, target) = message.request, ["GET", "HEAD"].contains(method) else {
            return Self.message(405, "Method Not Allowed", "GET and HEAD only\n").bytes
        }
        let path = target.prefix { $0 != "?" }
        let answer =
            switch path {
            case "/health":
                server.isResponsive()
                    ? Self.message(200, "OK", "ok\n")
                    : Self.message(503, "Service Unavailable", "the server does not answer\n")
            case "/ready":
                server.isDraining
                    ? Self.message(503, "Service Unavailable", "draining\n")
                    : Self.message(200, "OK", "ready\n")
            case "/metrics":
                Self.message(
                    200, "OK", Metrics.text(server.counters, isDraining: server.isDraining),
                    type: Metrics.contentType)
            default: Self.message(404, "Not Found", "there are /health, /ready and /metrics\n")
            }
        return method == "HEAD" ? Array(answer.bytes.dropLast(answer.body.count)) : answer.bytes
    }

    private static func message(
        _ status: Int, _ reason: String, _ text: String, type: String = "text/plain"
    ) -> HTTPMessage {
        HTTPMessage(
            startLine: "HTTP/1.1 \(status) \(reason)",
            fields: [HTTPMessage.Field(name: "content-type", value: type)], body: Array(text.utf8))
    }
}
