// withLambdaWorld: a program as an AWS Lambda function. The process waits for invocations, is the
// ranks that each event names for as long as its job lasts, and gives back what the program returns.

import AWSClient
import CompactJSON
import Glibc
import LambdaRuntime
import MessagePassing
import ServerlessMPI

/// Runs `body` as one rank of a job, again for each invocation of the function; returns only
/// outside of Lambda.
///
/// Collective: every rank of a job calls it. In Lambda (`AWS_LAMBDA_RUNTIME_API` is set) each
/// event says how to join and which ranks to be: docs/OPERATING.md, "AWS Lambda"; several ranks of
/// one function are threads of this process. Elsewhere it is `withWorld`, with the command line's
/// arguments in the event, and prints what `body` returns, unless that is null.
/// - Parameter body: the program; its result, of all ranks of a function at most 6 MiB as JSON, is
///   in the function's answer. An error that it throws fails the job on every rank, and the
///   invocation.
/// - Errors: an invocation that fails answers with `errorType` `MPI.` and the code, and with
///   `errorMessage` `rank 3: …`; the function lives on. The time limit of the function becomes the
///   communicator's: shortly before it the job fails on all ranks, with a cause that says so.
public func withLambdaWorld(
    _ body: @escaping @Sendable (any Communicator, LambdaEvent) throws -> JSONValue
) {
    guard let runtime = RuntimeClient.ofThisSandbox() else {
        let event = LambdaEvent.ofCommandLine
        withWorld { world in
            let result = try body(world, event)
            if result != .null { print(result) }
        }
        return
    }
    do throws(RuntimeError) {
        while true {
            let invocation = try runtime.next()
            try serve(invocation, on: runtime, body)
        }
    } catch {
        // Without the Runtime API there is nobody to tell but the log.
        _ = Array("\(error)\n".utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        exit(1)
    }
}

/// One invocation from event to answer.
private func serve(
    _ invocation: Invocation, on runtime: RuntimeClient,
    _ body: @escaping @Sendable (any Communicator, LambdaEvent) throws -> JSONValue
) throws(RuntimeError) {
    let received = ContinuousClock.now
    let request: RankEvent
    do throws(MPIError) {
        request = try RankEvent(invocation, received: received)
    } catch {
        try runtime.fail(invocation, type: "MPI.\(error.code)", message: error.description)
        return
    }
    let event = request.event
    let limit = RankLimit(
        deadline: invocation.deadline, margin: margin(invocation.deadline - received),
        origin: "the time limit of its function")
    let outcomes = runRanks(of: request.configurations, before: limit) { world in
        let entered = ContinuousClock.now
        let value = try body(world, event)
        return RankResult(
            rank: world.rank, setUp: world.setUp, bodyTime: .now - entered, value: value)
    }
    let failures = outcomes.compactMap { outcome in
        if case .failure(let failure) = outcome { failure } else { nil }
    }
    // Of several ranks that of the cause speaks; the others only suffer from it.
    if let failure = failures.first(where: \.isOwn) ?? failures.first {
        let rank = failure.rank.map(String.init) ?? "?"
        try runtime.fail(
            invocation, type: "MPI.\(failure.cause.code)", message: "rank \(rank): \(failure)")
        if failures.contains(where: \.isProgramStuck) { exit(1) }
        return
    }
    let results = outcomes.compactMap { try? $0.get() }
    var fields = head(request)
    fields.append(JSONField("ranks", .array(results.map(\.json))))
    let answer = Array(JSONValue.object(fields).description.utf8)
    do throws(RuntimeError) {
        if answer.count > RuntimeClient.payloadByteCountMax, let store = request.results {
            try runtime.respond(to: invocation, with: stored(answer, store, request, invocation))
        } else {
            try runtime.respond(to: invocation, with: answer)
        }
    } catch  where error.code == .payloadTooLarge {
        try runtime.fail(invocation, type: "MPI.resultTooLarge", message: error.description)
    }
}

/// The answer that names the stored one.
private func stored(
    _ answer: [UInt8], _ store: ResultStore, _ request: RankEvent, _ invocation: Invocation
) throws(RuntimeError) -> [UInt8] {
    let url = request.configurations.first??.url
    let rank = request.configurations.first??.rank ?? 0
    let name = "\(url?.job ?? invocation.requestID)/\(url?.epoch ?? 0)/\(rank).json"
    var fields = head(request)
    do throws(AWSError) {
        let place = try store.put(answer, name: name, deadline: invocation.deadline)
        fields.append(JSONField("stored", .string(place)))
    } catch {
        throw RuntimeError(
            code: .payloadTooLarge, operation: "response",
            reason: "\(answer.count) bytes are too many for an answer, and S3 did not take them:"
                + " \(error)")
    }
    return Array(JSONValue.object(fields).description.utf8)
}

/// Time enough for the cause to reach all ranks, but no more than a quarter of what there is.
private func margin(_ left: Duration) -> Duration { min(.seconds(3), left / 4) }

/// What one rank has to tell.
private struct RankResult: Sendable {
    var rank: Int
    var setUp: SetUp
    var bodyTime: Duration
    var value: JSONValue

    var json: JSONValue {
        .object([
            JSONField("rank", .integer(rank)),
            JSONField("join", .number(seconds(setUp.joinTime))),
            JSONField("connect", .number(seconds(setUp.connectTime))),
            JSONField("body", .number(seconds(bodyTime))),
            JSONField(
                "paths",
                .array(setUp.paths.map { $0.map { .string($0.candidate.description) } ?? .null })),
            JSONField("value", value),
        ])
    }
}

/// Job and epoch tell the caller that it is the answer to its own event.
private func head(_ request: RankEvent) -> [JSONField] {
    let url = request.configurations.first??.url
    return [
        JSONField("requestID", .string(request.event.requestID)),
        JSONField("job", url.map { .string($0.job) } ?? .null),
        JSONField("epoch", url.map { .integer(Int(clamping: $0.epoch)) } ?? .null),
    ]
}

private func seconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return Double(seconds) + Double(attoseconds) / 1e18
}
