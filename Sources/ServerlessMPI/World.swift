// withWorld: the one line of a program that differs between transports. It joins, connects, runs
// the program on a thread of its own, agrees on errors, leaves, and sets the exit code.

import Glibc
import MessagePassing

/// Runs `body` as one rank of the job that the environment describes, and returns when all is
/// done.
///
/// Collective: every rank of the job calls it, once. Without a join URL in the environment
/// (`SERVERLESS_MPI_URL`, see docs/OPERATING.md) the world has size 1 and needs no server.
/// - Parameter body: the program; it runs on a thread of its own with a 16 MiB stack. An error it
///   throws fails the job on every rank.
/// - Errors: printed as one line on standard error, `rank 3: …`; then the process exits with code
///   1, or 2 if the environment is wrong.
///
/// MPI 4.1 §11.2 (MPI_Init, MPI_Finalize).
public func withWorld(_ body: @escaping @Sendable (any Communicator) throws -> Void) {
    let membership: Membership
    do throws(MPIError) {
        membership = try Membership.begin()
    } catch {
        let rank = getenv(JoinConfiguration.Variable.rank).map { String(cString: $0) } ?? "?"
        exitWithLine("rank \(rank): \(error)", code: error.code == .invalidArgument ? 2 : 1)
    }
    let outcome = ProgramOutcome()
    runOnThread {
        do {
            try body(membership.world)
        } catch {
            outcome.error = error
        }
    }
    if let error = outcome.error { membership.fail(error) }
    do throws(MPIError) {
        try membership.end()
    } catch {
        membership.fail(error)
    }
}

/// What the program's thread leaves behind; read after the thread has ended.
private final class ProgramOutcome: @unchecked Sendable {
    var error: (any Error)?
}

/// One rank's time in a job.
private struct Membership {
    let world: ServerlessCommunicator
    let control: ControlThread?
    let joinTimeout: Duration

    static func begin() throws(MPIError) -> Membership {
        guard let configuration = try JoinConfiguration.fromEnvironment() else {
            let engine = try Engine(rank: 0, links: [nil], settings: try .fromEnvironment(nil))
            let world = ServerlessCommunicator(
                engine: engine, space: engine.latestSpace, setUp: .alone)
            return Membership(world: world, control: nil, joinTimeout: .zero)
        }
        let settings = try EngineSettings.fromEnvironment(configuration)
        let start = ContinuousClock.now
        let deadline = start + configuration.url.joinTimeout
        let control = try ControlThread.join(configuration, deadline: deadline)
        let joined = ContinuousClock.now
        let links = try control.connectMesh(deadline: deadline)
        let setUp = SetUp(
            joinTime: joined - start, connectTime: ContinuousClock.now - joined,
            encryption: configuration.url.encryption, paths: links.map { $0?.path })
        let engine = try Engine(rank: control.rank, links: links, settings: settings)
        engine.reporter = { control.report($0) }
        control.setFailureHandler { engine.jobFailed($0) }
        let world = ServerlessCommunicator(
            engine: engine, space: engine.latestSpace, setUp: setUp)
        return Membership(
            world: world, control: control, joinTimeout: configuration.url.joinTimeout)
    }

    /// Leaves in order, once the peers have what was sent to them.
    func end() throws(MPIError) {
        try world.engine.leave()
        control?.leave(deadline: ContinuousClock.now + .seconds(2))
    }

    /// Fails the job with what the program threw, unless it has failed already, and exits. A rank
    /// that only suffers from another's failure says so.
    func fail(_ error: any Error) -> Never {
        let own =
            error as? MPIError
            ?? MPIError(
                .programFailed, operation: "program",
                reason: "rank \(world.rank) threw: \(error)", peer: world.rank)
        let first = world.engine.abort(own)
        let isFirst = first == own && world.engine.foundCause
        let text =
            isFirst
            ? (error is MPIError ? "\(own)" : "\(error)") : "stopped, as the job failed: \(first)"
        exitWithLine("rank \(world.rank): \(text)", code: 1)
    }
}

extension EngineSettings {
    /// The memory for messages that come before their receive, in bytes per rank.
    private static let unexpectedVariable = "SERVERLESS_MPI_UNEXPECTED_BYTES"

    /// Settings of the join URL and the environment.
    fileprivate static func fromEnvironment(
        _ configuration: JoinConfiguration?
    ) throws(MPIError) -> EngineSettings {
        var settings = EngineSettings()
        if let configuration { settings.timeout = configuration.url.timeout }
        if let text = getenv(unexpectedVariable).map({ String(cString: $0) }) {
            guard let count = Int(text), count > 0, count <= 1 << 40 else {
                throw .invalidArgument(
                    "join", "\(unexpectedVariable) must be a number of bytes, such as 67108864")
            }
            settings.unexpectedByteCountMax = count
        }
        return settings
    }
}

/// One line on standard error, in one write, so that lines of several ranks do not mix.
private func exitWithLine(_ line: String, code: Int32) -> Never {
    let flat = String(line.map { $0.isNewline ? " " : $0 }) + "\n"
    _ = Array(flat.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    exit(code)
}

/// Runs `body` on a new thread with a large stack, and waits for it to end.
private func runOnThread(_ body: @escaping @Sendable () -> Void) {
    final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, 16 << 20)
    var thread = pthread_t()
    let job = Unmanaged.passRetained(Job(body))
    let status = pthread_create(
        &thread, &attributes,
        { context in
            if let context { Unmanaged<Job>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, job.toOpaque())
    pthread_attr_destroy(&attributes)
    guard status == 0 else { exitWithLine("rank ?: no thread for the program", code: 1) }
    pthread_join(thread, nil)
}
