// A job without a rendezvous server: engines of one process, one thread each, connected by TCP
// pairs over loopback. What the progress engine does is tested here, apart from how links come
// about.

import CLinux
import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

/// How the ranks of a test are connected.
struct EngineWorld: Sendable {
    var size: Int
    var settings = EngineSettings(timeout: .seconds(20), verdictTimeout: .milliseconds(200))
    /// Bytes of each socket's send buffer; nil leaves it to the kernel.
    var sendBufferByteCount: Int32?
    var isEncrypted = false
    /// How the links are said to have come about.
    var candidate = CandidateKind.host
    /// Do links survive their connections?
    var isResumable = false

    /// Runs `body` on every rank; then leaves, or aborts with what it threw.
    /// - Returns: each rank's error.
    func run(
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) throws -> [MPIError?] {
        Self.run(try makeEngines(), body)
    }

    /// The same for engines made elsewhere.
    static func run(
        _ engines: [Engine], _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) -> [MPIError?] {
        let errors = Mutex([MPIError?](repeating: nil, count: engines.count))
        let threads = engines.map { engine in
            RankThread {
                let error = perform(body, on: engine)
                errors.withLock { $0[engine.rank] = error }
            }
        }
        for thread in threads { thread.join() }
        return errors.withLock { $0 }
    }

    /// The same for bodies that must not fail.
    func check(
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (rank, error) in try run(body).enumerated() {
            if let error {
                Issue.record("size \(size), rank \(rank): \(error)", sourceLocation: sourceLocation)
            }
        }
    }

    private static func perform(
        _ body: (ServerlessCommunicator) throws -> Void, on engine: Engine
    ) -> MPIError? {
        do {
            try body(
                ServerlessCommunicator(
                    engine: engine, space: engine.world, setUp: .alone))
            try engine.leave()
            return nil
        } catch {
            let cause =
                error as? MPIError
                ?? MPIError(.programFailed, operation: "program", reason: "\(error)")
            let first = engine.abort(cause)
            engine.closeLinks()
            return first
        }
    }

    func makeEngines() throws -> [Engine] {
        var endpoints = [[EstablishedLink?]](
            repeating: Array(repeating: nil, count: size), count: size)
        for low in 0..<size {
            for high in low + 1..<max(size, low + 1) {
                for end in try connectedEnds(low, high) {
                    endpoints[end.rank][end.link.peer] = end.link
                }
            }
        }
        return try endpoints.enumerated().map {
            try Engine(rank: $0.offset, links: $0.element, settings: settings)
        }
    }

    /// Both ends of a new link.
    func connectedEnds(_ low: Int, _ high: Int) throws -> [(rank: Int, link: EstablishedLink)] {
        let pair = try connectedPair()
        let sessions = isEncrypted ? try handshake(pair) : (nil, nil)
        return [
            (low, link(to: high, pair.0, sessions.0)), (high, link(to: low, pair.1, sessions.1)),
        ]
    }

    func link(to peer: Int, _ socket: Int32, _ tls: TLSSession?) -> EstablishedLink {
        if var bytes = sendBufferByteCount {
            setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, 4)
        }
        let path = LinkPath(
            candidate: candidate, localAddress: "127.0.0.1", remoteAddress: "127.0.0.1",
            isSameHost: true, isDialled: true, roundTripTime: .zero, connectTime: .zero)
        return EstablishedLink(
            peer: peer, fileDescriptor: socket, tls: tls, path: path, isResumable: isResumable)
    }

    /// A TLS session at both ends; the first is the client.
    private func handshake(_ pair: (Int32, Int32)) throws -> (TLSSession, TLSSession) {
        let identity = Array("pair".utf8)
        let key = Secret.random()
        let client = try TLSSession(
            role: .client, fileDescriptor: pair.0,
            credentials: PSKCredentials(identity: identity, key: key))
        let server = try TLSSession(
            role: .server, fileDescriptor: pair.1,
            credentials: PSKCredentials(identity: identity, key: key))
        for _ in 0..<1000 {
            let left = client.handshake()
            let right = server.handshake()
            if left == nil && right == nil { return (client, server) }
            if case .failed(let failure)? = left { throw failure }
            if case .failed(let failure)? = right { throw failure }
        }
        throw IOFailure(reason: "the handshake does not come to an end")
    }
}

/// Two nonblocking TCP sockets connected over loopback.
func connectedPair() throws -> (Int32, Int32) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let left = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let connected = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, length) == 0 && listen(listener, 1) == 0
                && getsockname(listener, $0, &length) == 0 && connect(left, $0, length) == 0
        }
    }
    try #require(connected, "loopback TCP must work for these tests")
    let right = accept(listener, nil, nil)
    for socket in [left, right] {
        _ = fcntl(socket, F_SETFL, O_NONBLOCK)
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }
    return (left, right)
}

/// A thread of one rank. Joining it is bounded, so that a deadlock ends the test run.
final class RankThread: @unchecked Sendable {
    private var thread = pthread_t()
    private let body: @Sendable () -> Void
    private let isFinished = Atomic(false)

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
        let this = Unmanaged.passRetained(self).toOpaque()
        pthread_create(&thread, nil, runRank, this)
    }

    func join() {
        let deadline = ContinuousClock.now + .seconds(120)
        while !isFinished.load(ordering: .acquiring) {
            if ContinuousClock.now > deadline { fatalError("a rank does not come to an end") }
            usleep(1000)
        }
        pthread_join(thread, nil)
    }

    fileprivate func run() {
        body()
        isFinished.store(true, ordering: .releasing)
    }
}

private func runRank(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let context { Unmanaged<RankThread>.fromOpaque(context).takeRetainedValue().run() }
    return nil
}

/// What a message of this length from this rank under this number contains.
func pattern(_ count: Int, from rank: Int, number: Int) -> [UInt8] {
    var random = Seeded(UInt64(rank) << 32 ^ UInt64(number))
    let start = Int(random.next() % 4096)
    return Array(noise[start..<start + count])
}

/// Records one line if these bytes are not those. `#expect(a == b)` would search for the smallest
/// difference between them, which takes minutes for large messages.
func expectSame<Element: Equatable>(
    _ received: [Element], _ expected: [Element], _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    if received == expected { return }
    let first = zip(received, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    Issue.record(
        "\(what): \(received.count) elements where \(expected.count) were sent, wrong from \(first ?? 0)",
        sourceLocation: sourceLocation)
}

/// Random bytes that messages are cut out of; made once, as debug builds are slow at it.
private let noise: [UInt8] = {
    var random = Seeded(1)
    let words = (0..<(5_200_000 / 8)).map { _ in random.next() }
    return words.withUnsafeBytes { Array($0) }
}()
