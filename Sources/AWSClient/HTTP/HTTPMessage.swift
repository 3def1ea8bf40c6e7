// One HTTP request and its response, as far as AWS's services need them.

/// A request. Its body is the caller's memory, which must stay valid until the response is there.
package struct HTTPRequest {
    package var method: String
    package var endpoint: Endpoint
    /// Decoded; segments are separated by `/`, everything else is percent-encoded when sent.
    package var path: String
    /// Decoded, in the order in which it is sent.
    package var query: [(name: String, value: String)]
    package var headers: [(name: String, value: String)]
    package var body: UnsafeRawBufferPointer

    package init(
        _ method: String, _ endpoint: Endpoint, path: String,
        query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [],
        body: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        self.method = method
        self.endpoint = endpoint
        self.path = path.hasPrefix("/") ? path : "/" + path
        self.query = query
        self.headers = headers
        self.body = body
    }

    package var encodedPath: String { uriEncoded(path, keepsSlash: true) }

    var url: String {
        let text = query.map { "\(uriEncoded($0.name))=\(uriEncoded($0.value))" }
        return "\(endpoint)\(encodedPath)" + (text.isEmpty ? "" : "?" + text.joined(separator: "&"))
    }

    /// For errors and logs: no query, no headers.
    package var summary: String { "\(method) \(endpoint)\(encodedPath)" }
}

/// A response: whatever the status, it is one.
package struct HTTPResponse: Sendable {
    package var status: Int
    /// In order of arrival, names in lower case.
    package var headers: [(name: String, value: String)]
    /// Empty where the body went into the caller's memory.
    package var body: [UInt8]
    /// Length of the body, wherever it is.
    package var byteCount: Int

    /// The first header of that name, in whatever case.
    package func header(_ name: String) -> String? {
        let name = name.lowercased()
        return headers.first { $0.name == name }?.value
    }

    package var isSuccess: Bool { (200..<300).contains(status) }
}
