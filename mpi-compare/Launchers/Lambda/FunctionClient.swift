// Invokes one function of AWS Lambda, or of something that speaks its API: signed requests, one
// connection each, never sent twice except where the service said that it did nothing.
import AWSClient
import COpenSSL
@preconcurrency import Glibc
import CompactJSON
import Processes

/// A function and whoever may invoke it.
struct FunctionClient: Sendable {
    let endpoint: Endpoint
    let function: String
    private let signer: RequestSigner
    private let http = HTTPClient()

    /// - Parameter function: a name or an ARN.
    init(endpoint: Endpoint, region: String, credentials: Credentials, function: String) {
        self.endpoint = endpoint
        self.function = function
        signer = RequestSigner(credentials: credentials, region: region, service: "lambda")
    }

    /// What one invocation came to, as the service tells it.
    struct Answer: Sendable {
        var requestID: String
        /// `Unhandled` if the function failed.
        var functionError: String?
        var payload: [UInt8]
        /// The last 4 KiB of what the function and the platform wrote.
        var log: String
        /// How often the service had refused it before: too many requests.
        var throttles: Int
    }

    private static let answerByteCountMax = 8 << 20
    private static let firstPause = Duration.milliseconds(50)
    private static let longestPause = Duration.seconds(5)

    /// Invokes and waits for the answer. A throttled request is sent again, after pauses that grow;
    /// any other failure is an error, because the function may have run.
    func invoke(
        _ payload: [UInt8], deadline: ContinuousClock.Instant
    ) throws(AWSError) -> Answer {
        var throttles = 0
        var pause = Self.firstPause
        while true {
            let response = try send(
                "POST", "invocations", payload, deadline,
                headers: [
                    ("content-type", "application/json"),
                    ("x-amz-invocation-type", "RequestResponse"), ("x-amz-log-type", "Tail"),
                ])
            if response.status == 200 { return Self.answer(response, throttles) }
            guard response.status == 429, ContinuousClock.now + pause < deadline else {
                throw refusal(response)
            }
            throttles += 1
            // Half of it at random, so that ranks that were refused together do not come together.
            Self.sleep(pause / 2 + pause / 2 * Double.random(in: 0...1))
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// Memory in MB and time limit of the function.
    func settings(
        deadline: ContinuousClock.Instant
    ) throws(AWSError) -> (memoryMegabytes: Int, timeout: Duration) {
        let response = try send("GET", "configuration", [], deadline)
        guard response.status == 200 else { throw refusal(response) }
        guard let json = JSONValue(parsing: response.body),
            let memory = json["MemorySize"]?.integer, let seconds = json["Timeout"]?.integer
        else {
            throw AWSError(
                .malformed, operation: "configuration of \(function)",
                reason: "MemorySize or Timeout is missing")
        }
        return (memory, .seconds(seconds))
    }

    private func send(
        _ method: String, _ call: String, _ body: [UInt8], _ deadline: ContinuousClock.Instant,
        headers: [(name: String, value: String)] = []
    ) throws(AWSError) -> HTTPResponse {
        let result = body.withUnsafeBytes { bytes -> Result<HTTPResponse, AWSError> in
            var request = HTTPRequest(
                method, endpoint, path: "/2015-03-31/functions/\(function)/\(call)",
                headers: headers, body: bytes)
            signer.sign(&request)
            do throws(AWSError) {
                return .success(
                    try http.perform(
                        request, deadline: deadline, bodyByteCountMax: Self.answerByteCountMax))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func refusal(_ response: HTTPResponse) -> AWSError {
        let json = JSONValue(parsing: response.body)
        let words = json?["message"]?.string ?? json?["Message"]?.string ?? "no words"
        return AWSError(
            .refused, operation: "invoke \(function)", reason: String(words.prefix(300)),
            status: response.status,
            name: response.header("x-amzn-errortype")?.split(separator: ":").first.map(String.init))
    }

    private static func answer(_ response: HTTPResponse, _ throttles: Int) -> Answer {
        Answer(
            requestID: response.header("x-amzn-requestid") ?? "",
            functionError: response.header("x-amz-function-error"), payload: response.body,
            log: response.header("x-amz-log-result").flatMap(base64Decoded) ?? "",
            throttles: throttles)
    }

    private static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        usleep(UInt32(seconds * 1_000_000 + attoseconds / 1_000_000_000_000))
    }
}

/// Nil if it is not Base64.
private func base64Decoded(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    guard bytes.count % 4 == 0 else { return nil }
    var decoded = [UInt8](repeating: 0, count: bytes.count / 4 * 3 + 1)
    let count = EVP_DecodeBlock(&decoded, bytes, Int32(bytes.count))
    guard count >= 0 else { return nil }
    let padding = bytes.suffix(2).count { $0 == UInt8(ascii: "=") }
    return String(decoding: decoded[..<(Int(count) - padding)], as: UTF8.self)
}
