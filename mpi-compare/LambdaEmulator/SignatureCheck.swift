// Is a request signed by whom it says? The same signer that clients use computes what the signature
// must be.
import AWSClient
@preconcurrency import Glibc
import CompactHTTP

struct SignatureCheck {
    struct Refusal {
        var type: String
        var reason: String
    }

    private let credentials: Credentials
    private static let skewSecondsMax = 300

    init(_ credentials: Credentials) { self.credentials = credentials }

    /// Nil if the request is signed as it must be.
    func refusal(_ message: HTTPMessage) -> Refusal? {
        guard let request = message.request, let given = message["authorization"],
            let date = message["x-amz-date"], let host = message["host"]
        else {
            return Refusal(
                type: "MissingAuthenticationTokenException",
                reason: "Missing Authentication Token: sign the request, Signature Version 4")
        }
        guard given.contains("Credential=\(credentials.accessKeyID)/") else {
            return Refusal(
                type: "UnrecognizedClientException",
                reason: "The security token included in the request is invalid.")
        }
        guard let time = seconds(date), abs(time - Glibc.time(nil)) <= Self.skewSecondsMax,
            let names = parameter("SignedHeaders", given)?.split(separator: ";"),
            let endpoint = try? Endpoint(parsing: "http://\(host)"),
            let region = parameter("Credential", given)?.split(separator: "/").dropFirst(2).first
        else {
            return Refusal(
                type: "InvalidSignatureException",
                reason: "the date is more than 5 minutes off, or the signature is incomplete")
        }
        let headers = message.fields.filter { field in
            names.contains { $0 == field.name } && field.name != "host"
        }
        let isValid = message.body.withUnsafeBytes { body in
            let (path, query) = target(request.target)
            var expected = HTTPRequest(
                request.method, endpoint, path: path, query: query,
                headers: headers.map { ($0.name, $0.value) }, body: body)
            RequestSigner(credentials: credentials, region: String(region), service: "lambda")
                .sign(&expected, at: Timestamp(secondsSinceEpoch: time))
            let authorization = expected.headers.last { $0.name == "authorization" }?.value
            return authorization.flatMap { parameter("Signature", $0) }
                == parameter("Signature", given)
        }
        return isValid
            ? nil
            : Refusal(
                type: "InvalidSignatureException",
                reason: "The request signature we calculated does not match the signature you"
                    + " provided. Check your AWS Secret Access Key and signing method.")
    }

    private func parameter(_ name: String, _ text: String) -> String? {
        for part in text.split(whereSeparator: { $0 == "," || $0 == " " })
        where part.hasPrefix("\(name)=") {
            return String(part.dropFirst(name.count + 1))
        }
        return nil
    }

    /// Path and query, decoded.
    private func target(_ text: String) -> (String, [(name: String, value: String)]) {
        let parts = text.split(separator: "?", maxSplits: 1)
        let query = (parts.count > 1 ? parts[1] : "").split(separator: "&").map { pair in
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (
                name: percentDecoded(String(sides[0])),
                value: percentDecoded(sides.count > 1 ? String(sides[1]) : "")
            )
        }
        return (percentDecoded(parts.first.map(String.init) ?? "/"), query)
    }

    /// `20261126T031500Z` in seconds of the epoch.
    private func seconds(_ date: String) -> Int? {
        let digits = date.utf8.filter { (0x30...0x39).contains($0) }.map { Int32($0) - 0x30 }
        guard date.utf8.count == 16, digits.count == 14 else { return nil }
        func number(_ range: Range<Int>) -> Int32 { digits[range].reduce(0) { $0 * 10 + $1 } }
        var parts = tm()
        parts.tm_year = number(0..<4) - 1900
        parts.tm_mon = number(4..<6) - 1
        parts.tm_mday = number(6..<8)
        parts.tm_hour = number(8..<10)
        parts.tm_min = number(10..<12)
        parts.tm_sec = number(12..<14)
        return timegm(&parts)
    }
}
