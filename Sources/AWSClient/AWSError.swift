// The one error type of this module, in the manner of MPIError: a code that can grow, and one line
// that says what, where, and what to do. No secret ever gets into it.

/// What went wrong in a request to AWS or to something that speaks its protocols.
package struct AWSError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure: compare with `==`, the set may grow.
    package struct Code: Sendable, Hashable {
        package let name: String
        package init(_ name: String) { self.name = name }

        /// libcurl is not installed, or too old.
        package static let libraryMissing = Code("libraryMissing")
        /// No credentials in the environment.
        package static let credentialsMissing = Code("credentialsMissing")
        /// A URL or another argument is wrong; nothing was sent.
        package static let invalidArgument = Code("invalidArgument")
        /// The server could not be reached, or the connection broke.
        package static let connectFailed = Code("connectFailed")
        package static let timedOut = Code("timedOut")
        /// The response is longer than the caller allows.
        package static let tooLarge = Code("tooLarge")
        /// The server answered with an HTTP status that is an error; see `status`.
        package static let refused = Code("refused")
        /// The server's answer is not what the protocol says.
        package static let malformed = Code("malformed")
    }

    package var code: Code
    /// What was asked, without query or secrets: `GET http://127.0.0.1:9000/bucket/key`.
    package var operation: String
    package var reason: String
    /// The HTTP status, if there was one.
    package var status: Int?
    /// AWS's own name of the error: `NoSuchKey`, `TooManyRequestsException`.
    package var name: String?

    package init(
        _ code: Code, operation: String, reason: String, status: Int? = nil, name: String? = nil
    ) {
        self.code = code
        self.operation = operation
        self.reason = reason
        self.status = status
        self.name = name
    }

    package var description: String {
        var text = "\(operation): \(code.name)"
        if let status { text += ", HTTP \(status)" }
        if let name { text += ", \(name)" }
        return text + ": \(reason)"
    }
}
