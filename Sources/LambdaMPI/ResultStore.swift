// Where answers go that are too large for Lambda's: an object in S3, which the answer names instead.
// libcurl is loaded only then.

import AWSClient
import CompactJSON
import Glibc
import LambdaRuntime
import MessagePassing

/// `s3://BUCKET/FOLDER`, the event's field `results`. The function's role must allow to put objects
/// there.
struct ResultStore: Sendable {
    let bucket: String
    let folder: String

    /// nil where the event names none. Errors: `invalidArgument`.
    init?(_ field: JSONValue?) throws(MPIError) {
        guard let field else { return nil }
        let scheme = "s3://"
        guard let text = field.string, text.hasPrefix(scheme) else { throw ResultStore.wrong }
        let parts = text.dropFirst(scheme.count).split(
            separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        bucket = String(parts[0])
        folder = parts.count > 1 ? String(parts[1]) : ""
        guard (3...63).contains(bucket.utf8.count) else { throw ResultStore.wrong }
    }

    private static let wrong = MPIError.invalidArgument(
        "event", "the function's event: results must be s3://BUCKET/FOLDER")

    /// Stores an answer.
    ///
    /// - Parameter name: of the object, below the folder.
    /// - Returns: its URL.
    func put(
        _ answer: [UInt8], name: String, deadline: ContinuousClock.Instant
    ) throws(AWSError) -> String {
        func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        let key = folder.isEmpty || folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
        let region = value("AWS_REGION") ?? value("AWS_DEFAULT_REGION") ?? "us-east-1"
        let own = value("AWS_ENDPOINT_URL_S3") ?? value("AWS_ENDPOINT_URL")
        let client = S3Client(
            bucket: bucket, region: region,
            endpoint: try own.map { text throws(AWSError) in try Endpoint(parsing: text) },
            credentials: try .fromEnvironment())
        let result = answer.withUnsafeBytes { bytes -> Result<Bool, AWSError> in
            do throws(AWSError) {
                return .success(try client.put(key, bytes, deadline: deadline))
            } catch {
                return .failure(error)
            }
        }
        _ = try result.get()
        return "s3://\(bucket)/\(key)"
    }
}
