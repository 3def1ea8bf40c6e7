// One rank's part in one job, for programs that outlive the job: a warm AWS Lambda function runs
// job after job in one process, and may hold several ranks at once. `withWorld` is for programs
// that are one rank of one job.

import Glibc
import MessagePassing

/// Until when a rank must be done, and who says so.
public struct RankLimit: Sendable {
    /// The platform ends the process then.
    public var deadline: ContinuousClock.Instant
    /// How long before the deadline the job is made to fail, so that every rank can still say why.
    public var margin: Duration
    /// Whose limit it is, as the error shall name it: `the time limit of its function`.
    public var origin: String

    public init(deadline: ContinuousClock.Instant, margin: Duration, origin: String) {
        self.deadline = deadline
        self.margin = margin
        self.origin = origin
    }

    var failTime: ContinuousClock.Instant { deadline - margin }
    /// A program that does not notice the failure by then is left alone.
    var abandonTime: ContinuousClock.Instant { deadline - margin / 4 }
}

/// How a job ended for a rank that did not finish.
public struct RankFailure: Error, Sendable, CustomStringConvertible {
    /// Nil if it had none yet.
    public var rank: Int?
    /// The job's first cause, the same on all ranks.
    public var cause: MPIError
    /// Did the failure begin at this rank?
    public var isOwn: Bool
    /// One line; it says so if this rank only suffers from another's failure.
    public var description: String
    /// The program still runs, deaf to the failure: the process is of no use to another job.
    public var isProgramStuck = false
}

/// Runs `body` as one rank of the job that `configuration` names (nil: alone), and returns what it returned
/// after the rank has left in order. Nothing is left of the job afterwards: no thread, no
/// descriptor, no memory.
///
/// Collective: every rank of the job calls it, or `withWorld`. It may be called again for the
/// next job, and from several threads at once for several ranks in one process.
/// - Parameters:
///   - limit: when the platform ends this process. The join timeout and the timeout of calls are
///     cut to what is left, and shortly before it the job fails on every rank with a cause that
///     names this rank and the limit.
///   - body: the program; it runs on a thread of its own with a 16 MiB stack. An error it throws
///     fails the job on every rank.
/// - Throws: `RankFailure`; never later than the limit.
public func runRank<Value: Sendable>(
    of configuration: JoinConfiguration?, before limit: RankLimit? = nil,
    _ body: @escaping @Sendable (any ServerlessWorld) throws -> Value
) throws(RankFailure) -> Value {
    let membership: Membership
    do throws(MPIError) {
        membership = try Membership(try cut(configuration, to: limit))
    } catch {
        throw RankFailure(
            rank: configuration?.rank, cause: error, isOwn: true, description: "\(error)")
    }
    let outcome = Promise<Result<Value, any Error>>()
    let world = membership.programWorld
    guard
        let thread = startProgramThread({
            outcome.fulfil(Result { try body(world) })
        })
    else {
        throw membership.fail(
            MPIError(.system, operation: "start", reason: "no thread for the program"))
    }
    guard let result = membership.result(of: outcome, limit) else {
        pthread_detach(thread)
        var failure = membership.fail(membership.overdue(limit))
        failure.isProgramStuck = true
        throw failure
    }
    pthread_join(thread, nil)
    switch result {
    case .failure(let error): throw membership.fail(error)
    case .success(let value):
        do throws(MPIError) {
            try membership.end()
        } catch {
            throw membership.fail(error)
        }
        return value
    }
}

/// With no wait longer than the limit leaves time for.
private func cut(
    _ configuration: JoinConfiguration?, to limit: RankLimit?
) throws(MPIError) -> JoinConfiguration? {
    guard let limit, var configuration else { return configuration }
    let left = limit.failTime - .now
    guard left > .zero else {
        throw MPIError(
            .timedOut, operation: "join",
            reason: "\(limit.origin) leaves no time to join the job")
    }
    configuration.url.joinTimeout = min(configuration.url.joinTimeout, left)
    configuration.url.timeout = min(configuration.url.timeout, left)
    return configuration
}

extension Membership {
    /// What the program came to; fails the job when the limit is near, and gives up the program
    /// if it does not even notice that: nil.
    fileprivate func result<Value>(
        of outcome: Promise<Result<Value, any Error>>, _ limit: RankLimit?
    ) -> Result<Value, any Error>? {
        guard let limit else {
            while true {
                if let result = outcome.wait(until: .now + .seconds(3600)) { return result }
            }
        }
        if let result = outcome.wait(until: limit.failTime) { return result }
        _ = engine.abort(overdue(limit))
        return outcome.wait(until: limit.abandonTime)
    }

    fileprivate func overdue(_ limit: RankLimit?) -> MPIError {
        MPIError(
            .timedOut, operation: "deadline",
            reason: "rank \(world.rank) is not done, and \(limit?.origin ?? "its limit") is near:"
                + " give it more time, or less to do",
            peer: world.rank)
    }
}

/// Runs several ranks of a job in this process, each as `runRank` does, and waits for all.
///
/// - Returns: in the order of `configurations`, which name different ranks of one job.
public func runRanks<Value: Sendable>(
    of configurations: [JoinConfiguration?], before limit: RankLimit? = nil,
    _ body: @escaping @Sendable (any ServerlessWorld) throws -> Value
) -> [Result<Value, RankFailure>] {
    let outcomes = configurations.map { _ in Promise<Result<Value, RankFailure>>() }
    let threads = zip(configurations, outcomes).map { configuration, outcome in
        startProgramThread {
            do throws(RankFailure) {
                outcome.fulfil(.success(try runRank(of: configuration, before: limit, body)))
            } catch {
                outcome.fulfil(.failure(error))
            }
        }
    }
    for case let thread? in threads { pthread_join(thread, nil) }
    return zip(configurations, outcomes).map { configuration, outcome in
        outcome.wait(until: .now)
            ?? .failure(
                RankFailure(
                    rank: configuration?.rank,
                    cause: MPIError(.system, operation: "start", reason: "no thread for the rank"),
                    isOwn: true, description: "no thread for the rank"))
    }
}
