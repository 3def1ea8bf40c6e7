// One HTTP/1.1 message, as the Runtime API's two ends exchange it: a start line, fields, a body.

/// A request or a response.
package struct HTTPMessage: Sendable, Equatable {
    /// `GET /path HTTP/1.1` or `HTTP/1.1 200 OK`.
    package var startLine: String
    /// Names in lower case, in the order of arrival.
    package var fields: [Field]
    package var body: [UInt8]

    package struct Field: Sendable, Equatable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(startLine: String, fields: [Field] = [], body: [UInt8] = []) {
        self.startLine = startLine
        self.fields = fields
        self.body = body
    }

    /// The first value of a field.
    ///
    /// - Parameter name: in lower case.
    package subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// Does the sender allow another message on this connection (RFC 9112 §9.3)?
    package var keepsAlive: Bool {
        let options = (self["connection"] ?? "").lowercased()
        if options.split(separator: ",").contains(where: { trimmed($0) == "close" }) {
            return false
        }
        let isOld = startLine.hasPrefix("HTTP/1.0") || startLine.hasSuffix("HTTP/1.0")
        return !isOld || options.contains("keep-alive")
    }

    /// The status code of a response; nil if this is none.
    package var status: Int? {
        let parts = startLine.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), parts[1].utf8.count == 3,
            let status = Int(parts[1]), (100..<600).contains(status)
        else { return nil }
        return status
    }

    /// Method and target of a request; nil if this is none.
    package var request: (method: String, target: String)? {
        let parts = startLine.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2] == "HTTP/1.1" || parts[2] == "HTTP/1.0",
            !parts[0].isEmpty, parts[0].utf8.allSatisfy(isTokenByte), parts[1].hasPrefix("/")
        else { return nil }
        return (String(parts[0]), String(parts[1]))
    }

    /// The bytes on the wire; the body's length is told.
    package var bytes: [UInt8] {
        var text = startLine + "\r\n"
        for field in fields { text += "\(field.name): \(field.value)\r\n" }
        text += "content-length: \(body.count)\r\n\r\n"
        return Array(text.utf8) + body
    }
}

/// What two peers of a connection may ask of each other's memory.
package struct HTTPLimits: Sendable {
    /// Start line and all fields, in bytes.
    package var headByteCountMax = 64 << 10
    package var fieldCountMax = 128
    package var bodyByteCountMax: Int

    package init(bodyByteCountMax: Int) { self.bodyByteCountMax = bodyByteCountMax }
}

/// Why no message could be had.
package enum HTTPFault: Error, Equatable, Sendable {
    /// The peer closed the connection before the first byte of a message.
    case closed
    /// The peer closed it, or the system broke it, in the middle of a message.
    case broken(String)
    /// What came is no HTTP/1.1.
    case malformed(String)
    case tooLarge(what: String, limit: Int)
    case timedOut
}

package func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}

func trimmed(_ text: Substring) -> Substring {
    func isSpace(_ character: Character) -> Bool { character == " " || character == "\t" }
    var rest = text.drop(while: isSpace)
    while let last = rest.last, isSpace(last) { rest.removeLast() }
    return rest
}
