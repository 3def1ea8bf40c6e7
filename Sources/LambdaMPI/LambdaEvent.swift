// The event that makes a function a rank: how to join, which ranks to be, and what the program is
// to do. It is one JSON document, given to the function by whoever invokes it.
//
//   {
//     "environment": {"SERVERLESS_MPI_URL": "rendezvous://…", "SERVERLESS_MPI_SERVER_KEY": "…",
//                     "SERVERLESS_MPI_PEER_SECRET": "…"},
//     "ranks": [4, 5],
//     "arguments": ["--workload", "join"],
//     "input": …,
//     "results": "s3://bucket/folder"
//   }

import Glibc
import CompactJSON
import LambdaRuntime
import MessagePassing
import ServerlessMPI

/// What programs return, and what events hold; users need no other import for it.
public typealias JSONValue = CompactJSON.JSONValue

/// What a function has been asked to do, as its program sees it.
public struct LambdaEvent: Sendable {
    /// The name AWS gives the invocation; empty outside of Lambda.
    public var requestID: String
    /// The arguments of the program: those of the command line, outside of Lambda.
    public var arguments: [String]
    /// Anything else the caller wants to tell the program; null if nothing.
    public var input: JSONValue
    /// When this process got the invocation.
    public var received: ContinuousClock.Instant
    /// When the platform ends the process; nil outside of Lambda.
    public var deadline: ContinuousClock.Instant?

    /// Of a process that is no function.
    static var ofCommandLine: LambdaEvent {
        LambdaEvent(
            requestID: "", arguments: Array(CommandLine.arguments.dropFirst()), input: .null,
            received: .now, deadline: nil)
    }
}

/// An event and the ranks that this function is to be.
struct RankEvent {
    var event: LambdaEvent
    /// One per rank; nil without a join URL: the function is a world of its own.
    var configurations: [JoinConfiguration?]
    /// Where an answer goes that is too large.
    var results: ResultStore?

    /// The most ranks that one function may be.
    static let ranksMax = 64

    /// Errors: `invalidArgument`, one line that names the field and what it must be.
    init(_ invocation: Invocation, received: ContinuousClock.Instant) throws(MPIError) {
        let json = try RankEvent.object(invocation.payload)
        event = LambdaEvent(
            requestID: invocation.requestID, arguments: try RankEvent.arguments(json),
            input: json["input"] ?? .null, received: received, deadline: invocation.deadline)
        configurations = try RankEvent.configurations(json, invocation.requestID)
        results = try ResultStore(json["results"])
    }

    private static func object(_ payload: [UInt8]) throws(MPIError) -> JSONValue {
        guard let json = JSONValue(parsing: payload), case .object(let fields) = json else {
            throw wrong("it must be a JSON object")
        }
        for name in fields.map(\.name)
        where !["environment", "ranks", "arguments", "input", "results"].contains(name) {
            throw wrong(
                "there is no field \(JSONValue.string(String(name.prefix(32)))); use environment,"
                    + " ranks, arguments, input and results")
        }
        return json
    }

    private static func arguments(_ json: JSONValue) throws(MPIError) -> [String] {
        guard let field = json["arguments"] else { return [] }
        guard let values = field.array, values.allSatisfy({ $0.string != nil }) else {
            throw wrong("arguments must be an array of strings")
        }
        return values.compactMap(\.string)
    }

    private static func configurations(
        _ json: JSONValue, _ requestID: String
    ) throws(MPIError) -> [JoinConfiguration?] {
        guard let environment = json["environment"] else { return [nil] }
        guard case .object(let fields) = environment,
            fields.allSatisfy({ $0.value.string != nil })
        else { throw wrong("environment must be an object whose values are strings") }
        func lookUp(_ name: String) -> String? { environment[name]?.string }
        guard var configuration = try JoinConfiguration.from(lookUp) else {
            throw wrong("environment holds no \(JoinConfiguration.Variable.url)")
        }
        // Not the sandbox's, which lives on: this start of the program.
        configuration.requestID = RequestID(naming: requestID)
        guard let ranks = json["ranks"] else { return [configuration] }
        let size = configuration.url.size
        guard let values = ranks.array, (1...ranksMax).contains(values.count),
            values.allSatisfy({ (0..<size).contains($0.integer ?? -1) }),
            Set(values.compactMap(\.integer)).count == values.count
        else {
            throw wrong(
                "ranks must be an array of 1 to \(ranksMax) different numbers from 0 to \(size - 1)"
            )
        }
        return values.map { value in
            var one = configuration
            one.rank = value.integer
            return one
        }
    }

    private static func wrong(_ reason: String) -> MPIError {
        .invalidArgument("event", "the function's event: \(reason)")
    }
}
