// A real server on the loopback interface that answers each request with bytes the test has chosen,
// in pieces of the test's size, and keeps what it was sent.
import CompactHTTP
import Glibc
import Synchronization

final class ScriptedServer: Sendable {
    /// What to do once a whole request is there.
    enum Step: Sendable {
        case answer(String)
        case answerInPieces(String, byteCount: Int)
        /// The bytes, then the end of the connection.
        case answerAndClose(String)
        case close
        /// Nothing, for as long as the client waits.
        case silence
    }

    let address: String
    private let listener: Int32
    private let requestsSeen = Mutex<[HTTPMessage]>([])
    private let connectionsSeen = Mutex(0)

    var requests: [HTTPMessage] { requestsSeen.withLock { $0 } }
    var connections: Int { connectionsSeen.withLock { $0 } }

    init(_ steps: [Step]) {
        // Programs that other tests start meanwhile must not inherit it.
        let listener = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(listener, $0, length) == 0 && listen(listener, 16) == 0)
                getsockname(listener, $0, &length)
            }
        }
        self.listener = listener
        self.address = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        var thread = pthread_t()
        let play = Unmanaged.passRetained(Script(server: self, steps: steps))
        pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Script>.fromOpaque(context).takeRetainedValue().play() }
                return nil
            }, play.toOpaque())
        pthread_detach(thread)
    }

    private final class Script: Sendable {
        let server: ScriptedServer
        let steps: [Step]
        init(server: ScriptedServer, steps: [Step]) {
            self.server = server
            self.steps = steps
        }

        func play() {
            var rest = steps[...]
            while !rest.isEmpty {
                let descriptor = accept(server.listener, nil, nil)
                guard descriptor >= 0 else { return }
                server.connectionsSeen.withLock { $0 += 1 }
                serve(
                    HTTPSocket(descriptor, .request, limits: .init(bodyByteCountMax: 64 << 20)),
                    &rest)
            }
            close(server.listener)
        }

        private func serve(_ connection: HTTPSocket, _ rest: inout ArraySlice<Step>) {
            while !rest.isEmpty {
                guard let request = try? connection.receive(timeout: .seconds(10)) else { return }
                server.requestsSeen.withLock { $0.append(request) }
                switch rest.removeFirst() {
                case .answer(let text): try? connection.send(Array(text.utf8), timeout: .seconds(5))
                case .answerInPieces(let text, let byteCount):
                    let bytes = Array(text.utf8)
                    for start in stride(from: 0, to: bytes.count, by: byteCount) {
                        let piece = bytes[start..<min(bytes.count, start + byteCount)]
                        try? connection.send(Array(piece), timeout: .seconds(5))
                    }
                case .answerAndClose(let text):
                    try? connection.send(Array(text.utf8), timeout: .seconds(5))
                    return
                case .close: return
                case .silence: _ = try? connection.receive(timeout: .seconds(30))
                }
            }
        }
    }
}
