// What the Runtime API says of one call of a function, and what can go wrong with it.

import CompactHTTP
import Glibc

/// One call of the function.
public struct Invocation: Sendable {
    /// The name AWS gives the call; a retried asynchronous call keeps it.
    public var requestID: String
    /// When the platform kills this process, on this machine's monotonic clock.
    public var deadline: ContinuousClock.Instant
    /// The function's Amazon resource name; empty if the platform did not say.
    public var functionARN: String
    /// The X-Ray trace header, if the call is traced.
    public var traceID: String?
    /// The bytes given to the call, by default a JSON document.
    public var payload: [UInt8]
}

/// Why a call of the Runtime API failed.
public struct RuntimeError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure; more may come.
    public struct Code: Sendable, Hashable {
        private let name: String
        private init(_ name: String) { self.name = name }
        /// `AWS_LAMBDA_RUNTIME_API` is missing or no `HOST:PORT`.
        public static let notInLambda = Code("notInLambda")
        /// The Runtime API could not be reached, or the connection broke.
        public static let unreachable = Code("unreachable")
        /// What came back is not what the Runtime API sends.
        public static let malformed = Code("malformed")
        /// The payload is larger than the platform takes.
        public static let payloadTooLarge = Code("payloadTooLarge")
        /// The Runtime API refused the call.
        public static let refused = Code("refused")
    }

    public var code: Code
    /// `next`, `response`, `error` or `init error`.
    public var operation: String
    public var reason: String

    package init(code: Code, operation: String, reason: String) {
        self.code = code
        self.operation = operation
        self.reason = reason
    }

    public var description: String { "Lambda Runtime API, \(operation): \(reason)" }
}

extension Invocation {
    /// Reads the answer of `next`.
    init(_ message: HTTPMessage) throws(RuntimeError) {
        func missing(_ name: String) -> RuntimeError {
            RuntimeError(
                code: .malformed, operation: "next",
                reason: "the header \(name) is missing or wrong")
        }
        // It becomes a part of later requests' paths.
        guard let id = message["lambda-runtime-aws-request-id"], (1...128).contains(id.utf8.count),
            id.utf8.allSatisfy(isTokenByte)
        else { throw missing("Lambda-Runtime-Aws-Request-Id") }
        guard let text = message["lambda-runtime-deadline-ms"], let milliseconds = Int64(text),
            milliseconds > 0, milliseconds < 1 << 50
        else { throw missing("Lambda-Runtime-Deadline-Ms") }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let left = milliseconds - Int64(now.tv_sec) * 1000 - Int64(now.tv_nsec) / 1_000_000
        requestID = id
        deadline = .now + .milliseconds(left)
        functionARN = message["lambda-runtime-invoked-function-arn"] ?? ""
        traceID = message["lambda-runtime-trace-id"]
        payload = message.body
    }
}
