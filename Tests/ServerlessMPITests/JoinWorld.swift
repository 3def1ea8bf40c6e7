// N ranks in one process, each joining through a real server over loopback, on threads of their
// own: what the join tests stand on.

import Glibc
import Logging
import MessagePassing
import Synchronization

@testable import ServerlessMPI

/// What one rank got out of joining and connecting.
struct JoinOutcome: Sendable {
    var control: ControlThread?
    var links: [EstablishedLink?] = []
    var error: MPIError?

    /// Leaves and closes everything.
    func end() {
        control?.leave(deadline: .now + .seconds(2))
        EstablishedLink.close(links)
    }
}

struct JoinWorld: Sendable {
    static let operatorSecret = Secret([UInt8](repeating: 7, count: 32))

    let server: RendezvousServer
    let tokens: JobTokens
    var url: JoinURL

    init(
        size: Int, job: String = "test", encryption: EncryptionMode = .on,
        joinTimeout: Duration = .seconds(20), limits: RendezvousLimits = RendezvousLimits(),
        listen: String = "127.0.0.1:0", logger: Logger? = nil
    ) throws {
        server = try RendezvousServer.start(
            listen: listen, secret: Self.operatorSecret, limits: limits, logger: logger)
        tokens = server.mintTokens(job: job)
        url = JoinURL(
            host: server.host, port: server.port, job: job, size: size, encryption: encryption,
            joinTimeout: joinTimeout, observerPort: server.observerPort)
    }

    func configuration(_ rank: Int?) -> JoinConfiguration {
        JoinConfiguration(
            url: url, rank: rank, serverKey: tokens.serverKey, peerSecret: tokens.peerSecret)
    }

    /// Joins and connects each configuration on a thread of its own.
    func run(_ configurations: [JoinConfiguration]) -> [JoinOutcome] {
        let outcomes = Mutex([JoinOutcome](repeating: JoinOutcome(), count: configurations.count))
        let threads = configurations.indices.compactMap { index in
            try? DedicatedThread {
                let outcome = Self.joinAndConnect(configurations[index])
                outcomes.withLock { $0[index] = outcome }
            }
        }
        for thread in threads { thread.join() }
        return outcomes.withLock { $0 }
    }

    func run() -> [JoinOutcome] { run((0..<url.size).map { configuration($0) }) }

    static func joinAndConnect(_ configuration: JoinConfiguration) -> JoinOutcome {
        var outcome = JoinOutcome()
        let deadline = ContinuousClock.now + configuration.url.joinTimeout
        do throws(MPIError) {
            outcome.control = try ControlThread.join(configuration, deadline: deadline)
            outcome.links = try outcome.control?.connectMesh(deadline: deadline) ?? []
        } catch {
            outcome.error = error
        }
        return outcome
    }

    func end(_ outcomes: [JoinOutcome]) {
        for outcome in outcomes { outcome.end() }
        server.stop()
    }
}

extension EstablishedLink {
    /// Writes these few bytes and waits for as many; nil if that does not work within a second.
    func exchange(_ bytes: [UInt8]) -> [UInt8]? {
        guard case .bytes(bytes.count) = bytes.withUnsafeBytes({ write($0) }) else { return nil }
        var buffer = [UInt8](repeating: 0, count: bytes.count)
        for _ in 0..<1000 {
            switch buffer.withUnsafeMutableBytes({ read(into: $0) }) {
            case .bytes(let count): return count == bytes.count ? buffer : nil
            case .wouldBlock: usleep(1000)
            case .endOfStream, .failed: return nil
            }
        }
        return nil
    }

    private func write(_ bytes: UnsafeRawBufferPointer) -> IOResult {
        tls?.write(bytes) ?? Socket.write(fileDescriptor, bytes)
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        tls?.read(into: buffer) ?? Socket.read(fileDescriptor, buffer)
    }
}
