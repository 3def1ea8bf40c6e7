// A TCP server that records requests and gives one prepared answer to each.

import Foundation
import Synchronization

final class CannedServer: Sendable {
    static let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    let port: UInt16
    private let listener: Int32
    private struct State {
        var answers: [String]
        var requests: [String] = []
        var connectionCount = 0
        var isClosed = false
    }
    private let state: Mutex<State>

    var requests: [String] { state.withLock { $0.requests } }
    var connectionCount: Int { state.withLock { $0.connectionCount } }

    /// Once the answers are used up, it reads and says nothing more.
    init(answers: [String]) throws {
        state = Mutex(State(answers: answers))
        // Programs that other tests start meanwhile must not inherit it.
        let listener = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 8) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isListening else { throw CocoaError(.fileNoSuchFile) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in serve() }
    }

    /// Stops listening; connections there are end when their client goes.
    func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        if isFirst {
            shutdown(listener, Int32(SHUT_RDWR))
            Glibc.close(listener)
        }
    }

    private func serve() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { return }
            state.withLock { $0.connectionCount += 1 }
            Thread.detachNewThread { [self] in converse(connection) }
        }
    }

    private func converse(_ connection: Int32) {
        defer { Glibc.close(connection) }
        while let request = read(connection) {
            let answer = state.withLock { state in
                state.requests.append(request)
                return state.answers.isEmpty ? nil : state.answers.removeFirst()
            }
            if let answer {
                _ = send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// One request with its body; nil when the client has gone.
    private func read(_ connection: Int32) -> String? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let length =
                    text.range(of: "Content-Length: ").flatMap { field in
                        Int(text[field.upperBound...].prefix(while: \.isNumber))
                    } ?? 0
                if text[end.upperBound...].utf8.count >= length { return text }
            }
            let count = recv(connection, &chunk, chunk.count, 0)
            if count <= 0 { return nil }
            bytes += chunk[..<count]
        }
    }
}
