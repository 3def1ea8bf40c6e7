// One rank's time in a job: joined and connected at the start, left in order or failed at the end.

import Glibc
import MessagePassing

/// One rank's time in a job.
struct Membership {
    let world: ServerlessCommunicator
    /// Over several channels, if the configuration names any.
    let channels: MultichannelCommunicator?
    let control: ControlThread?

    /// How long a rank of a failed job tries to tell the server that it goes.
    private static let failedLeaveTimeout: Duration = .milliseconds(500)

    /// Joins and connects; without a configuration this rank is alone.
    init(_ configuration: JoinConfiguration?) throws(MPIError) {
        let settings = try EngineSettings(for: configuration)
        guard let configuration else {
            let engine = try Engine(rank: 0, links: [nil], settings: settings)
            world = ServerlessCommunicator(
                engine: engine, space: engine.world, setUp: .alone)
            channels = nil
            control = nil
            return
        }
        let start = ContinuousClock.now
        let deadline = start + configuration.url.joinTimeout
        let control = try ControlThread.join(configuration, deadline: deadline)
        let joined = ContinuousClock.now
        let setUp: SetUp
        let engine: Engine
        do throws(MPIError) {
            let links = try control.connectMesh(deadline: deadline)
            setUp = SetUp(
                joinTime: joined - start, connectTime: ContinuousClock.now - joined,
                encryption: configuration.url.encryption, paths: links.map { $0?.path },
                attachment: control.attachment)
            engine = try Engine(
                rank: control.rank, links: links, settings: settings,
                ranksOnHost: control.ranksOnHost, connector: { control.need($0) })
        } catch {
            control.leave(deadline: ContinuousClock.now + Self.failedLeaveTimeout)
            throw error
        }
        engine.setResumer { control.resume($0, incarnation: $1) }
        control.setLinkKeeper(
            LinkKeeper(
                abandon: { engine.abandonLink(to: $0, incarnation: $1) },
                lose: { engine.linkIsLost(to: $0, cause: $1, hasDeparted: $2) },
                check: { engine.checkLinks() }, departed: { engine.departedPeers }))
        control.setLinkHandler { engine.handOver($0) }
        engine.setReporter { control.report($0) }
        control.setFailureHandler { engine.jobFailed($0) }
        self.control = control
        world = ServerlessCommunicator(engine: engine, space: engine.world, setUp: setUp)
        do throws(MPIError) {
            channels = try Self.openChannels(of: configuration, over: world, control)
        } catch {
            let first = engine.abort(error)
            control.leave(deadline: ContinuousClock.now + Self.failedLeaveTimeout)
            throw first
        }
    }

    private static func openChannels(
        of configuration: JoinConfiguration, over direct: ServerlessCommunicator,
        _ control: ControlThread
    ) throws(MPIError) -> MultichannelCommunicator? {
        guard let plan = configuration.url.channels else { return nil }
        let job = try MultichannelJob(
            plan, configuration.stores, configuration.url, costModel: configuration.costModel,
            over: direct)
        let engine = direct.engine
        control.setFailureHandler {
            engine.jobFailed($0)
            job.failed($0)
        }
        return MultichannelCommunicator(direct, job)
    }

    /// What the program sees.
    var programWorld: any ServerlessWorld { channels ?? world }
    var engine: Engine { world.engine }

    /// Leaves in order, once the peers have what was sent to them.
    func end() throws(MPIError) {
        try channels?.job.leave(deadline: .now + (engine.settings.timeout ?? .seconds(300)))
        engine.storeTransfers.stop()
        try engine.leave()
        control?.leave(deadline: ContinuousClock.now + .seconds(2))
    }

    /// Fails the job with what the program threw, unless it has failed already.
    func fail(_ error: any Error) -> RankFailure {
        let own =
            error as? MPIError
            ?? MPIError(
                .programFailed, operation: "program",
                reason: "rank \(world.rank) threw: \(error)", peer: world.rank)
        let first = engine.abort(own)
        channels?.job.leaveAfterFailure(first, within: Self.failedLeaveTimeout)
        engine.storeTransfers.dismiss()
        // The process may exit next: OpenSSL's clean-up must not meet the control thread at work.
        control?.leave(deadline: ContinuousClock.now + Self.failedLeaveTimeout)
        guard first == own && engine.foundCause else {
            return RankFailure(
                rank: world.rank, cause: first, isOwn: false,
                description: "stopped, as the job failed: \(first)")
        }
        return RankFailure(
            rank: world.rank, cause: first, isOwn: true, description: "\(error)")
    }
}

extension EngineSettings {
    /// The memory for messages that come before their receive, in bytes per rank.
    private static let unexpectedVariable = "SERVERLESS_MPI_UNEXPECTED_BYTES"

    /// Settings of the join URL and the environment.
    init(for configuration: JoinConfiguration?) throws(MPIError) {
        self.init()
        if let configuration { timeout = configuration.url.timeout }
        if let text = getenv(Self.unexpectedVariable).map({ String(cString: $0) }) {
            guard let count = Int(text), count > 0, count <= 1 << 40 else {
                throw .invalidArgument(
                    "join", "\(Self.unexpectedVariable) must be a number of bytes, such as 67108864"
                )
            }
            unexpectedByteCountMax = count
        }
    }
}
