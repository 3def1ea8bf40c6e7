// Finds out what ranks can expect at this place of the network, by being some: a job of one rank
// tells how the server sees it, a job of two that may meet at the relay only tells what the relay
// is worth, and one whose ranks know each other's outside only tells whether the NAT leads back
// inside. All ranks are threads of this process, so it works where nobody can be dialled, and it
// needs nothing of the server that jobs do not.

import Glibc
import MessagePassing
import Synchronization

/// A look at this place of the network from a rendezvous server.
public struct NetworkProbe: Sendable {
    /// What the relay of the rendezvous server is worth from here.
    public struct Relay: Sendable, Equatable {
        /// From one rank to another and back, the median of many; twice that to the server.
        public var roundTripTime: Duration
        /// Of one rank that sends to another; both halves of the way are this place's.
        public var bytesPerSecond: Double

        public init(roundTripTime: Duration, bytesPerSecond: Double) {
            self.roundTripTime = roundTripTime
            self.bytesPerSecond = bytesPerSecond
        }
    }

    public struct Findings: Sendable {
        public var attachment: NetworkAttachment
        public var relay: Result<Relay, MPIError>
        /// Do two ranks behind this NAT reach each other by their outside addresses? Nil where
        /// there is no NAT, or it could not be found out.
        public var hairpins: Bool?

        public init(
            attachment: NetworkAttachment, relay: Result<Relay, MPIError>, hairpins: Bool? = nil
        ) {
            self.attachment = attachment
            self.relay = relay
            self.hairpins = hairpins
        }
    }

    private let url: JoinURL
    private let serverKey: Secret
    var turn: TURNConfiguration?

    /// Joining and connecting may go on for so long after their deadline, for the server's verdict.
    /// No thread is left at work when time is up, because it may be the end of the process.
    private static let tidyingTime = Duration.seconds(3)
    private static let hairpinTimeout = Duration.seconds(5)

    /// - Parameters:
    ///   - url: host, port and observer port of the server, and the name of a job that is used for
    ///     probing only: every probe ends what is left of an earlier one, or of any other job of
    ///     that name. The rest of it is ignored.
    ///   - serverKey: of that job.
    /// - Errors: `invalidArgument` if the environment describes a TURN server, and does so wrongly.
    public init(url: JoinURL, serverKey: Secret) throws(MPIError) {
        self.url = url
        self.serverKey = serverKey
        turn = try TURNConfiguration.from { name in
            guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else {
                return nil
            }
            return text
        }
    }

    /// Probes within `timeout`, or three seconds if that is more.
    ///
    /// Local, blocking. Cost: three short jobs at the server; at most 32 MiB through its relay.
    /// Errors: those of joining a job, if not even the first answer is there: `connectFailed`,
    /// `unauthorized`, `staleEpoch` (another probe has taken the job's name), `timedOut`.
    public func run(timeout: Duration) throws(MPIError) -> Findings {
        let deadline = ContinuousClock.now + max(timeout - Self.tidyingTime, timeout / 2)
        let first = Promise<Result<NetworkAttachment, MPIError>>()
        let last = Promise<Findings>()
        do throws(SystemFailure) {
            // Resolving names knows no deadline, so it happens on a thread that can be left alone.
            _ = try DedicatedThread {
                do throws(MPIError) {
                    let attachment = try attach(deadline)
                    first.fulfil(.success(attachment))
                    last.fulfil(explore(attachment, deadline))
                } catch {
                    first.fulfil(.failure(error))
                }
            }
        } catch {
            throw MPIError(
                .system, operation: "probe", reason: error.description,
                underlying: error.errorNumber)
        }
        let limit = deadline + Self.tidyingTime + .milliseconds(500)
        switch first.wait(until: limit) {
        case .failure(let cause)?: throw cause
        case .success(let attachment)?:
            let findings =
                last.wait(until: limit)
                ?? Findings(attachment: attachment, relay: .failure(Self.late))
            // That says nothing about the network.
            if case .failure(let cause) = findings.relay, cause.code == .staleEpoch { throw cause }
            return findings
        case nil: throw Self.late
        }
    }

    private static let late = MPIError(
        .timedOut, operation: "probe", reason: "not done within the time for it; allow more")

    // MARK: The jobs

    /// The clock, in microseconds, so that every job is newer than all before it.
    private static func nextEpoch() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec / 1000)
    }

    /// A job of one rank. It is done as soon as it has begun.
    private func attach(_ deadline: ContinuousClock.Instant) throws(MPIError) -> NetworkAttachment {
        var configuration = configuration(size: 1, rank: 0, Self.nextEpoch(), deadline)
        configuration.turn = turn
        configuration.awaitsObservation = true
        let control = try ControlThread.join(configuration, deadline: deadline)
        control.leave(deadline: min(deadline, .now + .seconds(2)))
        return control.attachment
    }

    private func explore(
        _ attachment: NetworkAttachment, _ deadline: ContinuousClock.Instant
    ) -> Findings {
        var findings = Findings(
            attachment: attachment,
            relay: RelayMeasurement.run(pair(deadline) { $0.url.candidates = .relayed }, deadline))
        if attachment.natClass != .open {
            let until = min(deadline, .now + Self.hairpinTimeout)
            findings.hairpins = hairpins(pair(until) { $0.announcesHostAddresses = false }, until)
        }
        return findings
    }

    private func configuration(
        size: Int, rank: Int, _ epoch: UInt64, _ deadline: ContinuousClock.Instant
    ) -> JoinConfiguration {
        var url = url
        url.size = size
        url.epoch = epoch
        url.encryption = .on
        url.candidates = .all
        url.mesh = JoinURL.defaultMesh
        url.joinTimeout = max(deadline - .now, .milliseconds(1))
        url.timeout = url.joinTimeout
        // The ranks are all in this process, so their secret need not leave it.
        return JoinConfiguration(
            url: url, rank: rank, serverKey: serverKey, peerSecret: .random())
    }

    /// Two ranks of one job that do not take each other for neighbours.
    private func pair(
        _ deadline: ContinuousClock.Instant, _ adjust: (inout JoinConfiguration) -> Void
    ) -> [JoinConfiguration] {
        var low = configuration(size: 2, rank: 0, Self.nextEpoch(), deadline)
        adjust(&low)
        var high = low
        high.rank = 1
        high.requestID = .random()
        low.hostTag = RequestID.random().bytes
        high.hostTag = RequestID.random().bytes
        return [low, high]
    }

    /// Is the link between two ranks direct, though neither has said where it is inside?
    private func hairpins(
        _ pair: [JoinConfiguration], _ deadline: ContinuousClock.Instant
    ) -> Bool? {
        let other = try? DedicatedThread { _ = Self.meet(pair[1], deadline) }
        defer { other?.join() }
        return Self.meet(pair[0], deadline).map { $0 != .relayed }
    }

    /// The kind of the peer's address that worked; nil if none did.
    private static func meet(
        _ configuration: JoinConfiguration, _ deadline: ContinuousClock.Instant
    ) -> CandidateKind? {
        guard let control = try? ControlThread.join(configuration, deadline: deadline) else {
            return nil
        }
        let links = (try? control.connectMesh(deadline: deadline)) ?? []
        control.leave(deadline: min(deadline, .now + .seconds(2)))
        EstablishedLink.close(links)
        return links.lazy.compactMap { $0?.path.candidate }.first
    }
}
