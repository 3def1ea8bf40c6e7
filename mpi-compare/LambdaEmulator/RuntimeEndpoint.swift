// The Runtime API of one sandbox, as its process sees it.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
@preconcurrency import Glibc
import CompactHTTP
import CompactJSON

struct RuntimeEndpoint: Sendable {
    let sandbox: Sandbox
    let functionARN: String

    private static let prefix = "/2018-06-01/runtime/"
    private static let timeout = Duration.seconds(10)

    /// One connection, until either side closes it.
    func serve(_ descriptor: Int32) {
        HTTPService.serve(descriptor, timeout: Self.timeout, refusal: Self.refusal, answer)
    }

    private static func refusal(_ fault: HTTPFault) -> HTTPMessage? {
        switch fault {
        case .malformed(let reason): error("400 Bad Request", "InvalidRequest", reason)
        case .tooLarge: error("413 Payload Too Large", "RequestEntityTooLarge", "")
        default: nil
        }
    }

    /// Nil if the sandbox ends.
    private func answer(_ message: HTTPMessage) -> HTTPMessage? {
        guard let request = message.request, request.target.hasPrefix(Self.prefix) else {
            return Self.error("404 Not Found", "NotFound", "no such path")
        }
        let parts = request.target.dropFirst(Self.prefix.count).split(separator: "/")
        switch (request.method, parts.count) {
        case ("GET", 2) where parts == ["invocation", "next"]: return next()
        case ("POST", 2) where parts == ["init", "error"]:
            sandbox.state.with { $0.outcome = .failed(message.body) }
            return Self.accepted
        case ("POST", 3) where parts[0] == "invocation" && parts[2] == "response":
            guard message.body.count <= FunctionSettings.synchronousPayloadByteCountMax else {
                return Self.error(
                    "413 Payload Too Large", "RequestEntityTooLarge",
                    "Exceeded maximum allowed payload size (6291556 bytes).")
            }
            return end(parts[1], .response(message.body))
        case ("POST", 3) where parts[0] == "invocation" && parts[2] == "error":
            return end(parts[1], .failed(message.body))
        default: return Self.error("404 Not Found", "NotFound", "no such call")
        }
    }

    /// Waits for an event; the sandbox is frozen meanwhile.
    private func next() -> HTTPMessage? {
        let state = sandbox.state
        state.with {
            if $0.readyTime == nil { $0.readyTime = .now }
            $0.isIdle = true
            if $0.pending == nil { sandbox.setFrozen(true, &$0) }
        }
        while true {
            let delivery = state.wait(until: .now + .seconds(3600)) {
                state -> Result<Sandbox.Delivery, Ended>? in
                if state.end != nil { return .failure(Ended()) }
                guard let delivery = state.pending else { return nil }
                state.pending = nil
                state.current = delivery
                state.started = .now
                state.isIdle = false
                return .success(delivery)
            }
            switch delivery {
            case .success(let delivery): return message(delivery)
            case .failure: return nil
            case nil: continue
            }
        }
    }

    private struct Ended: Error {}

    private func message(_ delivery: Sandbox.Delivery) -> HTTPMessage {
        func field(_ name: String, _ value: String) -> HTTPMessage.Field {
            HTTPMessage.Field(name: name, value: value)
        }
        let deadline = epochMilliseconds() + delivery.timeout.milliseconds
        return HTTPMessage(
            startLine: "HTTP/1.1 200 OK",
            fields: [
                field("Content-Type", "application/json"),
                field("Lambda-Runtime-Aws-Request-Id", delivery.requestID),
                field("Lambda-Runtime-Deadline-Ms", "\(deadline)"),
                field("Lambda-Runtime-Invoked-Function-Arn", functionARN),
                field("Lambda-Runtime-Trace-Id", traceID(delivery.requestID)),
            ], body: delivery.payload)
    }

    private func end(_ id: Substring, _ outcome: Sandbox.Outcome) -> HTTPMessage {
        let isCurrent = sandbox.state.with { state in
            guard state.current?.requestID == String(id) else { return false }
            state.current = nil
            state.outcome = outcome
            return true
        }
        return isCurrent
            ? Self.accepted
            : Self.error(
                "400 Bad Request", "InvalidRequestID", "the request id is not that of the event")
    }

    private static let accepted = HTTPMessage(
        startLine: "HTTP/1.1 202 Accepted",
        fields: [HTTPMessage.Field(name: "Content-Type", value: "application/json")],
        body: Array("{\"status\":\"OK\"}\n".utf8))

    private static func error(_ status: String, _ type: String, _ text: String) -> HTTPMessage {
        HTTPMessage(
            startLine: "HTTP/1.1 \(status)",
            fields: [HTTPMessage.Field(name: "Content-Type", value: "application/json")],
            body: Array(
                JSONValue.object([
                    JSONField("errorType", .string(type)), JSONField("errorMessage", .string(text)),
                ]).description.utf8))
    }
}

/// `Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0`, made from the request id.
private func traceID(_ requestID: String) -> String {
    let digits = requestID.filter { $0 != "-" }.padding(to: 24)
    return "Root=1-\(String(time(nil), radix: 16))-\(digits);Sampled=0"
}

extension String {
    fileprivate func padding(to count: Int) -> String {
        String(prefix(count)) + String(repeating: "0", count: Swift.max(0, count - self.count))
    }
}

func epochMilliseconds() -> Int {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

extension Duration {
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }

    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
