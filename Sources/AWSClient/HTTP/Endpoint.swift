// Where requests go: a scheme, a host and a port, written as a URL without a path.

/// `https://lambda.eu-central-1.amazonaws.com` or `http://127.0.0.1:4566`.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    package let isSecure: Bool
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    package let host: String
    /// nil for the scheme's own.
    package let port: UInt16?

    package init(isSecure: Bool, host: String, port: UInt16? = nil) {
        self.isSecure = isSecure
        self.host = host
        self.port = port == (isSecure ? 443 : 80) ? nil : port
    }

    /// Errors: `invalidArgument`, one line that says how it must look.
    package init(parsing text: some StringProtocol) throws(AWSError) {
        let isSecure = text.hasPrefix("https://")
        guard isSecure || text.hasPrefix("http://") else { throw Self.wrong }
        var rest = text.dropFirst(isSecure ? 8 : 7)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var port: UInt16?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else {
                throw Self.wrong
            }
            port = number
            rest = rest[..<colon]
        }
        let allowed = rest.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || "-._:[]".utf8.contains(byte)
        }
        guard !rest.isEmpty, rest.utf8.count <= 253, allowed else { throw Self.wrong }
        self.init(isSecure: isSecure, host: String(rest), port: port)
    }

    private static let wrong = AWSError(
        .invalidArgument, operation: "endpoint",
        reason: "an endpoint must look like https://HOST or http://HOST:PORT, without a path")

    /// The endpoint of a service: that of `AWS_ENDPOINT_URL_<SERVICE>` or `AWS_ENDPOINT_URL`, if
    /// one is set, else AWS's own.
    package static func of(
        service: String, region: String, _ lookup: (String) -> String?
    ) throws(AWSError) -> Endpoint {
        for name in ["AWS_ENDPOINT_URL_\(service.uppercased())", "AWS_ENDPOINT_URL"] {
            if let text = lookup(name), !text.isEmpty { return try Endpoint(parsing: text) }
        }
        return Endpoint(isSecure: true, host: "\(service).\(region).amazonaws.com")
    }

    /// What the Host header says.
    package var hostHeader: String { port.map { "\(host):\($0)" } ?? host }
    package var description: String { (isSecure ? "https://" : "http://") + hostHeader }
}
