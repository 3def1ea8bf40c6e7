// The client of AWS Lambda's Runtime API: what turns an executable named `bootstrap` into a
// function. Four calls over one kept connection to the sandbox's own loopback address.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01.

import Glibc
import CompactHTTP
import CompactJSON

/// Takes invocations and gives back answers, one at a time, from one thread.
public final class RuntimeClient {
    /// The largest answer of a synchronous call, in bytes; larger ones belong into S3.
    public static let payloadByteCountMax = 6 << 20

    private let address: String
    private let limits: HTTPLimits
    private var connection: HTTPSocket?

    private static let timeout = Duration.seconds(10)
    private static let version = "/2018-06-01/runtime"

    /// - Parameter address: `HOST:PORT`, as in `AWS_LAMBDA_RUNTIME_API`.
    public init(address: String) {
        self.address = address
        // 6 MiB of payload, and room for the platform to be generous.
        limits = HTTPLimits(bodyByteCountMax: RuntimeClient.payloadByteCountMax + (1 << 20))
    }

    /// The Runtime API of the sandbox this process runs in; nil outside of Lambda.
    public static func ofThisSandbox() -> RuntimeClient? {
        guard let address = getenv("AWS_LAMBDA_RUNTIME_API") else { return nil }
        return RuntimeClient(address: String(cString: address))
    }

    /// Waits for the next invocation, for as long as it takes: the platform freezes the process
    /// in here.
    public func next() throws(RuntimeError) -> Invocation {
        let answer = try exchange("next", "GET", "/invocation/next", [], [], timeout: nil)
        guard answer.status == 200 else { throw refusal("next", answer) }
        return try Invocation(answer)
    }

    /// Gives back the result of an invocation.
    ///
    /// - Errors: `payloadTooLarge` (HTTP 413); then the invocation still awaits `fail`.
    public func respond(to invocation: Invocation, with body: [UInt8]) throws(RuntimeError) {
        let path = "/invocation/\(invocation.requestID)/response"
        let answer = try exchange("response", "POST", path, [], body, timeout: Self.timeout)
        if answer.status == 413 {
            throw RuntimeError(
                code: .payloadTooLarge, operation: "response",
                reason: "\(body.count) bytes are more than the platform takes"
                    + " (\(Self.payloadByteCountMax) bytes from a synchronous call)")
        }
        guard answer.status == 202 else { throw refusal("response", answer) }
    }

    /// Says that an invocation failed.
    ///
    /// - Parameters:
    ///   - type: a word for programs, such as `MPI.peerLost`.
    ///   - message: a line for people.
    public func fail(
        _ invocation: Invocation, type: String, message: String
    ) throws(RuntimeError) {
        try report("error", "/invocation/\(invocation.requestID)/error", type, message)
    }

    /// Says that the function cannot be started at all; the process should exit afterwards.
    public func failInitialization(type: String, message: String) throws(RuntimeError) {
        try report("init error", "/init/error", type, message)
    }

    private func report(
        _ operation: String, _ path: String, _ type: String, _ message: String
    ) throws(RuntimeError) {
        let body = JSONValue.object([
            JSONField("errorMessage", .string(message)), JSONField("errorType", .string(type)),
            JSONField("stackTrace", .array([])),
        ])
        let word = String(decoding: type.utf8.map { isTokenByte($0) ? $0 : 0x5F }, as: UTF8.self)
        let field = HTTPMessage.Field(name: "Lambda-Runtime-Function-Error-Type", value: word)
        let answer = try exchange(
            operation, "POST", path, [field], Array(body.description.utf8), timeout: Self.timeout)
        guard answer.status == 202 else { throw refusal(operation, answer) }
    }

    // MARK: Exchange

    /// One request and its answer. If a kept connection turns out to be closed, which the server
    /// may do at any time between two requests, the request goes out once more on a new one.
    private func exchange(
        _ operation: String, _ method: String, _ path: String, _ fields: [HTTPMessage.Field],
        _ body: [UInt8], timeout: Duration?
    ) throws(RuntimeError) -> HTTPMessage {
        let message = HTTPMessage(
            startLine: "\(method) \(Self.version)\(path) HTTP/1.1",
            fields: [HTTPMessage.Field(name: "host", value: address)] + fields
                + (body.isEmpty
                    ? [] : [HTTPMessage.Field(name: "content-type", value: "application/json")]),
            body: body)
        while true {
            let wasUsed = connection?.isUsed ?? false
            do throws(HTTPFault) {
                return try attempt(message, timeout)
            } catch {
                connection = nil
                if wasUsed, Self.isStaleConnection(error) { continue }
                throw Self.error(operation, error)
            }
        }
    }

    private func attempt(
        _ message: HTTPMessage, _ timeout: Duration?
    ) throws(HTTPFault) -> HTTPMessage {
        let connection: HTTPSocket
        if let kept = self.connection {
            connection = kept
        } else {
            connection = try .connect(address, timeout: Self.timeout, limits: limits)
            self.connection = connection
        }
        do throws(HTTPFault) {
            try connection.send(message.bytes, timeout: Self.timeout)
        } catch .broken {
            // A server that refuses a large body may answer and close before it has read all.
        }
        let answer = try connection.receive(timeout: timeout)
        if !answer.keepsAlive { self.connection = nil }
        return answer
    }

    private static func isStaleConnection(_ fault: HTTPFault) -> Bool {
        switch fault {
        case .closed, .broken: true
        default: false
        }
    }

    private static func error(_ operation: String, _ fault: HTTPFault) -> RuntimeError {
        let (code, reason): (RuntimeError.Code, String) =
            switch fault {
            case .closed: (.unreachable, "the connection was closed without an answer")
            case .broken(let reason): (.unreachable, reason)
            case .timedOut: (.unreachable, "no answer within \(timeout)")
            case .malformed(let reason): (.malformed, "no HTTP/1.1: \(reason)")
            case .tooLarge(let what, let limit): (.malformed, "its \(what) is beyond \(limit)")
            }
        return RuntimeError(code: code, operation: operation, reason: reason)
    }

    private func refusal(_ operation: String, _ answer: HTTPMessage) -> RuntimeError {
        let words = excerpt(String(decoding: answer.body.prefix(200), as: UTF8.self))
        return RuntimeError(
            code: .refused, operation: operation,
            reason: "status \(answer.status ?? 0), \(words)")
    }
}
