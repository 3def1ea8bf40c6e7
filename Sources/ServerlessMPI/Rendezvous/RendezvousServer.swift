// The rendezvous server as programs use it: start, address, tokens, stop. The loop behind it is
// ServerLoop, the decisions are JobTable's.

import Glibc
import Logging
import MessagePassing
import Synchronization

/// The two secrets of one job, as its ranks need them in their environment.
public struct JobTokens: Sendable {
    public let serverKey: Secret
    public let peerSecret: Secret

    /// The server key of `job`, which only the operator's secret can make, and a fresh peer
    /// secret, which the server never learns.
    public init(operatorSecret: Secret, job: String) {
        serverKey = ServerKeys(operatorSecret: operatorSecret, job: job).serverKey
        peerSecret = .random()
    }

    /// The environment of the job's ranks, without `SERVERLESS_MPI_RANK`, which each may add.
    public func environment(_ url: JoinURL) -> [String: String] {
        [
            JoinConfiguration.Variable.url: url.description,
            JoinConfiguration.Variable.serverKey: serverKey.hex,
            JoinConfiguration.Variable.peerSecret: peerSecret.hex,
        ]
    }
}

/// What a server has seen, for tests, logs and monitoring.
public struct RendezvousCounters: Sendable, Equatable {
    public var connections = 0
    /// Connections that ended or were closed before their TLS handshake was done: strangers,
    /// wrong keys, silence, garbage.
    public var failedHandshakes = 0
    /// Messages of members that were no messages.
    public var malformedMessages = 0
    /// Pairs of ranks that have met at this server, and the bytes it has forwarded for them.
    public var relayedPairs = 0
    public var relayedBytes = 0
    /// Connections with a relay token that was unknown, used or too old.
    public var refusedRelays = 0
    /// Ranks seen at the observer port, and visitors there that were none.
    public var observations = 0
    public var refusedObservations = 0
    /// Connections closed at once because their address had too many that had not joined.
    public var refusedByAddress = 0
    public var startedJobs = 0
    public var finishedJobs = 0
    public var failedJobs = 0
    /// Jobs that were not admitted: too large, too many, or while the server drains.
    public var refusedJobs = 0

    // What there is at this moment.
    public var openConnections = 0
    public var activeJobs = 0
    public var joinedRanks = 0
    public var activeRelayedPairs = 0
}

/// A rendezvous server on a thread of its own.
public final class RendezvousServer: Sendable {
    /// Where it listens, with the port the system gave.
    public let host: String
    public let port: UInt16
    /// Where ranks show a second sight of themselves; for `observer=` in the join URL.
    public let observerPort: UInt16
    private let secret: Secret
    private let loop: Mutex<ServerLoop.Handle>
    private let thread: DedicatedThread

    /// `host:port`, an IPv6 host in brackets.
    public var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Starts a server.
    ///
    /// - Parameters:
    ///   - listen: `HOST:PORT`; the host is a numeric address, port 0 means any.
    ///   - observerPort: a second port on the same address; 0 means any.
    ///   - secret: the operator's secret, from which every job's server key derives.
    ///   - logger: where it logs; nil for silence. Secrets are never logged.
    /// - Errors: `invalidArgument`; `connectFailed` if the port is in use or not allowed.
    public static func start(
        listen: String = "127.0.0.1:0", observerPort: UInt16 = 0, secret: Secret,
        limits: RendezvousLimits = RendezvousLimits(), logger: Logger? = nil
    ) throws(MPIError) -> RendezvousServer {
        let place = try ListenAddress(listen)
        let quiet = Logger(label: "rendezvous", factory: { _ in SwiftLogNoOpLogHandler() })
        do throws(SystemFailure) {
            return try RendezvousServer(
                place.address, observerPort, secret, limits, logger ?? quiet)
        } catch {
            throw ListenAddress.error(
                error, observerPort == 0 ? listen : "\(listen), observer port \(observerPort)")
        }
    }

    private init(
        _ address: SocketAddress, _ observerPort: UInt16, _ secret: Secret,
        _ limits: RendezvousLimits, _ logger: Logger
    ) throws(SystemFailure) {
        let handle = try ServerLoop.Handle(
            address, observerPort: observerPort, secret: secret, limits: limits, logger: logger)
        self.secret = secret
        host = handle.address.ip.description
        port = handle.address.port
        self.observerPort = handle.observerAddress.port
        thread = try DedicatedThread { ServerLoop(handle).run() }
        loop = Mutex(handle)
    }

    /// The secrets of a new job.
    public func mintTokens(job: String) -> JobTokens {
        JobTokens(operatorSecret: secret, job: job)
    }

    /// What it has seen until now.
    public var counters: RendezvousCounters { loop.withLock { $0.counters } }

    /// Takes no new jobs from now on, and ends by itself once those that are here are over: their
    /// last rank has left, or they failed. Returns at once; `hasEnded` tells when.
    ///
    /// - Parameter limit: after so long it ends all the same; running jobs go on without it.
    public func drain(limit: Duration) {
        loop.withLock { $0.drain(until: .now + limit) }
    }

    public var hasEnded: Bool { loop.withLock(\.hasEnded) }
    public var isDraining: Bool { loop.withLock { $0.drainDeadline != nil } }

    /// Does the server's thread still come round? It is woken and must answer in time.
    public func isResponsive(within limit: Duration = .seconds(1)) -> Bool {
        let handle = loop.withLock { $0 }
        let before = handle.rounds
        let deadline = ContinuousClock.now + limit
        handle.poll.wake()
        while handle.rounds == before {
            guard .now < deadline else { return false }
            usleep(1000)
        }
        return true
    }

    /// Ends the server and closes every connection; ranks of running jobs go on without it.
    public func stop() {
        loop.withLock { $0.stop() }
        thread.join()
    }
}
