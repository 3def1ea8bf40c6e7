// The part of Lambda's own API that invokes a function, and says how it is set.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
import AWSClient
import COpenSSL
@preconcurrency import Glibc
import CompactHTTP
import CompactJSON

struct InvokeEndpoint: Sendable {
    let emulator: Emulator

    private static let prefix = "/2015-03-31/functions/"
    private static let timeout = Duration.seconds(60)

    /// One connection, until either side closes it.
    func serve(_ descriptor: Int32) {
        HTTPService.serve(descriptor, timeout: Self.timeout, refusal: Self.refusal) { request in
            let id = requestID()
            guard var answer = answer(request, id) else { return nil }
            answer.fields.append(HTTPMessage.Field(name: "x-amzn-RequestId", value: id))
            return answer
        }
    }

    private static func refusal(_ fault: HTTPFault) -> HTTPMessage? {
        switch fault {
        case .malformed(let reason): error(400, "InvalidRequestContentException", reason)
        case .tooLarge: tooLarge(6 << 20)
        default: nil
        }
    }

    /// Nil for an answer that gets lost.
    private func answer(_ message: HTTPMessage, _ id: String) -> HTTPMessage? {
        if let credentials = emulator.credentials {
            if let refusal = SignatureCheck(credentials).refusal(message) {
                return Self.error(403, refusal.type, refusal.reason)
            }
        }
        guard let request = message.request, request.target.hasPrefix(Self.prefix) else {
            return Self.error(404, "ResourceNotFoundException", "no such path")
        }
        let path = request.target.prefix { $0 != "?" }.dropFirst(Self.prefix.count)
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.first.map({ percentDecoded(String($0)) }),
            name == emulator.settings.name || name == emulator.settings.functionARN
        else {
            return Self.error(
                404, "ResourceNotFoundException",
                "Function not found: \(parts.first.map(String.init) ?? "")")
        }
        switch (request.method, parts.dropFirst().first) {
        case ("POST", "invocations"): return invoke(message, id)
        case ("GET", "configuration"): return configuration
        default: return Self.error(404, "ResourceNotFoundException", "no such call")
        }
    }

    private func invoke(_ message: HTTPMessage, _ id: String) -> HTTPMessage? {
        let type = message["x-amz-invocation-type"] ?? "RequestResponse"
        let payload = message.body.isEmpty ? Array("{}".utf8) : message.body
        let limit =
            type == "Event"
            ? FunctionSettings.asynchronousPayloadByteCountMax
            : FunctionSettings.synchronousPayloadByteCountMax
        guard payload.count <= limit else { return Self.tooLarge(limit) }
        guard JSONValue(parsing: payload) != nil else {
            return Self.error(
                400, "InvalidRequestContentException",
                "Could not parse request body into json: no JSON")
        }
        let faults = type == "DryRun" ? [] : emulator.takeFaults(for: payload)
        if faults.contains(.throttle) { return Self.throttled }
        switch type {
        case "DryRun": return HTTPMessage(startLine: Self.statusLine(204))
        case "Event":
            emulator.enqueue(payload, requestID: id, faults)
            return HTTPMessage(startLine: Self.statusLine(202))
        case "RequestResponse":
            guard let ended = emulator.perform(payload, requestID: id, faults) else {
                return Self.throttled
            }
            return faults.contains(.lostResponse) ? nil : result(ended, message)
        default:
            return Self.error(
                400, "InvalidParameterValueException", "there is no invocation type \(type)")
        }
    }

    private func result(_ ended: Emulator.Ended, _ request: HTTPMessage) -> HTTPMessage {
        var answer = HTTPMessage(
            startLine: Self.statusLine(200),
            fields: [
                HTTPMessage.Field(name: "Content-Type", value: "application/json"),
                HTTPMessage.Field(name: "X-Amz-Executed-Version", value: "$LATEST"),
            ])
        switch ended.outcome {
        case .response(let body): answer.body = body
        case .failed(let body):
            answer.body = body
            answer.fields.append(
                HTTPMessage.Field(name: "X-Amz-Function-Error", value: "Unhandled"))
        }
        if request["x-amz-log-type"] == "Tail" {
            answer.fields.append(
                HTTPMessage.Field(name: "X-Amz-Log-Result", value: base64(ended.logTail)))
        }
        return answer
    }

    /// What GetFunctionConfiguration says, as far as a launcher asks.
    private var configuration: HTTPMessage {
        let settings = emulator.settings
        return HTTPMessage(
            startLine: Self.statusLine(200),
            fields: [HTTPMessage.Field(name: "Content-Type", value: "application/json")],
            body: Array(
                JSONValue.object([
                    JSONField("FunctionName", .string(settings.name)),
                    JSONField("FunctionArn", .string(settings.functionARN)),
                    JSONField("MemorySize", .integer(settings.memoryMegabytes)),
                    JSONField("Timeout", .integer(settings.timeout.milliseconds / 1000)),
                    JSONField("Runtime", .string("provided.al2023")),
                    JSONField("State", .string("Active")),
                ]).description.utf8))
    }

    // MARK: Errors

    private static func statusLine(_ status: Int) -> String {
        let words = [
            200: "OK", 202: "Accepted", 204: "No Content", 400: "Bad Request", 403: "Forbidden",
            404: "Not Found", 413: "Content Too Large", 429: "Too Many Requests",
        ]
        return "HTTP/1.1 \(status) \(words[status] ?? "")"
    }

    private static func error(_ status: Int, _ type: String, _ reason: String) -> HTTPMessage {
        HTTPMessage(
            startLine: statusLine(status),
            fields: [
                HTTPMessage.Field(name: "Content-Type", value: "application/json"),
                HTTPMessage.Field(name: "x-amzn-ErrorType", value: type),
            ],
            body: Array(
                JSONValue.object([
                    JSONField("Type", .string("User")), JSONField("message", .string(reason)),
                ]).description.utf8))
    }

    private static let throttled = error(429, "TooManyRequestsException", "Rate Exceeded.")

    private static func tooLarge(_ limit: Int) -> HTTPMessage {
        error(
            413, "RequestTooLargeException",
            "Request must be smaller than \(limit) bytes for the InvokeFunction operation")
    }
}

/// A version 4 UUID.
private func requestID() -> String {
    var digits = Array(
        (0..<4).map { _ in
            let word = String(UInt32.random(in: 0...UInt32.max), radix: 16)
            return String(repeating: "0", count: 8 - word.count) + word
        }.joined())
    digits[12] = "4"
    digits[16] = ["8", "9", "a", "b"][Int.random(in: 0..<4)]
    for position in [20, 16, 12, 8] { digits.insert("-", at: position) }
    return String(digits)
}

func percentDecoded(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%"), rest.count >= 2,
            let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
        {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

private func base64(_ bytes: [UInt8]) -> String {
    var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let count = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
    return String(decoding: text[..<Int(count)], as: UTF8.self)
}
