// AWS Signature Version 4: what a request says is put into canonical form, hashed, and signed with
// a key derived from the secret, the day, the region and the service.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

/// How the payload takes part in a signature.
package enum PayloadHash: Sendable, Equatable {
    /// SHA-256 of the body.
    case signed
    /// S3 only: the body is not hashed; TLS, where it is used, protects it.
    case unsigned
}

/// Signs requests for one service in one region.
package struct RequestSigner: Sendable {
    package let credentials: Credentials
    package let region: String
    /// `s3`, `lambda`, `cloudformation` …
    package let service: String

    package init(credentials: Credentials, region: String, service: String) {
        self.credentials = credentials
        self.region = region
        self.service = service
    }

    /// Adds `x-amz-date`, for temporary credentials `x-amz-security-token`, for S3
    /// `x-amz-content-sha256`, and `authorization` to the headers of `request`.
    ///
    /// All headers there are get signed but those that proxies change. Local; two SHA-256 of the
    /// request's text, one of its body if it is `signed`, five HMACs.
    package func sign(
        _ request: inout HTTPRequest, payload: PayloadHash = .signed, at time: Timestamp = .now
    ) {
        let payloadHash =
            payload == .unsigned ? "UNSIGNED-PAYLOAD" : Digest.hex(Digest.sha256(request.body))
        request.headers.removeAll {
            ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"]
                .contains($0.name.lowercased())
        }
        request.headers.append(("x-amz-date", time.text))
        if let token = credentials.sessionToken {
            request.headers.append(("x-amz-security-token", token))
        }
        if service == "s3" { request.headers.append(("x-amz-content-sha256", payloadHash)) }

        let canonical = CanonicalRequest(request, isS3: service == "s3", payloadHash: payloadHash)
        let scope = "\(time.day)/\(region)/\(service)/aws4_request"
        let text =
            "AWS4-HMAC-SHA256\n\(time.text)\n\(scope)\n"
            + Digest.hex(Digest.sha256(canonical.text))
        let signature = Digest.hex(Digest.hmac(signingKey(day: time.day), text))
        request.headers.append(
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), "
                    + "SignedHeaders=\(canonical.signedHeaders), Signature=\(signature)"
            ))
    }

    private func signingKey(day: String) -> [UInt8] {
        let secret = Array(("AWS4" + credentials.secretAccessKey).utf8)
        return [region, service, "aws4_request"].reduce(Digest.hmac(secret, day)) {
            Digest.hmac($0, $1)
        }
    }
}

/// A request as Signature Version 4 sees it.
struct CanonicalRequest {
    let text: String
    /// `host;x-amz-date`.
    let signedHeaders: String

    /// Headers that proxies and clients change on the way.
    private static let unsignedHeaders: Set<String> = [
        "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
        "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
    ]

    init(_ request: HTTPRequest, isS3: Bool, payloadHash: String) {
        let path = request.encodedPath
        // S3 signs the path as it is sent; all others sign its normal form, encoded once more.
        let canonicalPath = isS3 ? path : uriEncoded(Self.normalized(path), keepsSlash: true)
        let query =
            request.query.map { (uriEncoded($0.name), uriEncoded($0.value)) }
            .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
        var values: [String: [String]] = ["host": [request.endpoint.hostHeader]]
        for (name, value) in request.headers {
            let name = name.lowercased()
            if Self.unsignedHeaders.contains(name) { continue }
            if name == "host" {
                values[name] = [Self.trimmed(value)]
            } else {
                values[name, default: []].append(Self.trimmed(value))
            }
        }
        let names = values.keys.sorted { Array($0.utf8).lexicographicallyPrecedes($1.utf8) }
        signedHeaders = names.joined(separator: ";")
        text =
            "\(request.method)\n\(canonicalPath)\n\(query)\n"
            + names.map { "\($0):\(values[$0, default: []].joined(separator: ","))\n" }.joined()
            + "\n\(signedHeaders)\n\(payloadHash)"
    }

    /// Runs of white space become one space, none at the ends.
    private static func trimmed(_ value: String) -> String {
        value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }

    /// Without dot segments (RFC 3986 §5.2.4) and, as AWS wants it, without repeated slashes.
    static func normalized(_ path: String) -> String {
        var kept: [Substring] = []
        for segment in path.split(separator: "/") where segment != "." {
            if segment == ".." {
                _ = kept.popLast()
            } else {
                kept.append(segment)
            }
        }
        return "/" + kept.joined(separator: "/") + (path.hasSuffix("/") && !kept.isEmpty ? "/" : "")
    }
}
