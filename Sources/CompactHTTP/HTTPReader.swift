// Cuts the bytes of a connection into HTTP/1.1 messages (RFC 9112). It knows no socket: bytes are
// pulled from a closure, so that every split and every kind of garbage can be tested.

/// Reads messages of one connection, one after the other.
package struct HTTPReader {
    /// Puts at least one byte into the buffer and says how many; 0 at the end of the stream.
    package typealias Source = (UnsafeMutableRawBufferPointer) throws(HTTPFault) -> Int

    /// How a response's body ends when no length is told depends on what was asked.
    package enum Kind: Sendable { case request, response }

    private let kind: Kind
    private let limits: HTTPLimits
    private var buffer: [UInt8] = []
    /// Where the unread bytes of the buffer begin.
    private var start = 0
    private static let pieceByteCount = 64 << 10
    private static let chunkLineByteCountMax = 1024

    package init(_ kind: Kind, limits: HTTPLimits) {
        self.kind = kind
        self.limits = limits
    }

    /// The next message; responses 1xx, which announce another, are passed over.
    ///
    /// - Errors: `closed` at an orderly end; anything else, and the connection is of no more use.
    package mutating func next(_ source: Source) throws(HTTPFault) -> HTTPMessage {
        while true {
            var message = try head(source)
            if kind == .response {
                guard let status = message.status else {
                    throw .malformed("the status line is \(excerpt(message.startLine))")
                }
                if status < 200 { continue }
                if status == 204 || status == 304 { return message }
            } else if message.request == nil {
                throw .malformed("the request line is \(excerpt(message.startLine))")
            }
            message.body = try body(of: message, source)
            return message
        }
    }

    // MARK: Head

    private mutating func head(_ source: Source) throws(HTTPFault) -> HTTPMessage {
        var left = limits.headByteCountMax
        var line = try headLine(&left, source, isFirst: true)
        // A robust reader forgives an empty line before a message (RFC 9112 §2.2).
        if line.isEmpty { line = try headLine(&left, source, isFirst: true) }
        var message = HTTPMessage(startLine: line)
        while true {
            let line = try headLine(&left, source, isFirst: false)
            if line.isEmpty { return message }
            guard message.fields.count < limits.fieldCountMax else {
                throw .tooLarge(what: "number of header fields", limit: limits.fieldCountMax)
            }
            message.fields.append(try field(line))
        }
    }

    private mutating func headLine(
        _ left: inout Int, _ source: Source, isFirst: Bool
    ) throws(HTTPFault) -> String {
        do {
            let line = try self.line(limit: left, source)
            left -= line.utf8.count + 2
            return line
        } catch .tooLarge {
            throw .tooLarge(what: "header", limit: limits.headByteCountMax)
        } catch .closed where !isFirst {
            throw .broken("the connection ended in the middle of a header")
        } catch {
            throw error
        }
    }

    private func field(_ line: String) throws(HTTPFault) -> HTTPMessage.Field {
        guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
            line[..<colon].utf8.allSatisfy(isTokenByte)
        else { throw .malformed("a header field is \(excerpt(line))") }
        return HTTPMessage.Field(
            name: line[..<colon].lowercased(),
            value: String(trimmed(line[line.index(after: colon)...])))
    }

    // MARK: Body

    private mutating func body(
        of message: HTTPMessage, _ source: Source
    ) throws(HTTPFault) -> [UInt8] {
        let lengths = message.fields.filter { $0.name == "content-length" }.map(\.value)
        let encodings = message.fields.filter { $0.name == "transfer-encoding" }.map(\.value)
        if !encodings.isEmpty {
            guard lengths.isEmpty else {
                throw .malformed("both Content-Length and Transfer-Encoding are given")
            }
            guard encodings.count == 1, encodings[0].lowercased() == "chunked" else {
                throw .malformed("Transfer-Encoding is \(excerpt(encodings[0])), not chunked")
            }
            return try chunks(source)
        }
        if let text = lengths.first {
            guard lengths.allSatisfy({ $0 == text }), (1...18).contains(text.utf8.count),
                text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                let length = Int(text)
            else { throw .malformed("Content-Length is \(excerpt(text))") }
            guard length <= limits.bodyByteCountMax else { throw bodyTooLarge }
            var body: [UInt8] = []
            try take(length, into: &body, source)
            return body
        }
        return kind == .request ? [] : try rest(source)
    }

    private var bodyTooLarge: HTTPFault {
        .tooLarge(what: "body", limit: limits.bodyByteCountMax)
    }

    /// RFC 9112 §7.1. Chunk extensions and trailers are read and forgotten.
    private mutating func chunks(_ source: Source) throws(HTTPFault) -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let line = try chunkLine(source)
            let digits = trimmed(line[..<(line.firstIndex(of: ";") ?? line.endIndex)])
            guard (1...8).contains(digits.utf8.count), digits.first != "+",
                let size = Int(digits, radix: 16), size >= 0
            else { throw .malformed("a chunk's size is \(excerpt(line))") }
            if size == 0 { break }
            guard size <= limits.bodyByteCountMax - body.count else { throw bodyTooLarge }
            try take(size, into: &body, source)
            guard try chunkLine(source).isEmpty else {
                throw .malformed("a chunk is longer than its size says")
            }
        }
        for _ in 0..<limits.fieldCountMax where try chunkLine(source).isEmpty { return body }
        throw .tooLarge(what: "number of trailer fields", limit: limits.fieldCountMax)
    }

    private mutating func chunkLine(_ source: Source) throws(HTTPFault) -> String {
        do {
            return try line(limit: Self.chunkLineByteCountMax, source)
        } catch .closed {
            throw .broken("the connection ended in the middle of a body")
        } catch {
            throw error
        }
    }

    /// A response without a length ends with its connection.
    private mutating func rest(_ source: Source) throws(HTTPFault) -> [UInt8] {
        var body: [UInt8] = []
        while true {
            body += buffer[start...]
            buffer.removeAll(keepingCapacity: true)
            start = 0
            guard body.count <= limits.bodyByteCountMax else { throw bodyTooLarge }
            if try fill(source) == 0 { return body }
        }
    }

    // MARK: Bytes

    /// A line without its end.
    private mutating func line(limit: Int, _ source: Source) throws(HTTPFault) -> String {
        var searched = 0
        while true {
            if let end = buffer[(start + searched)...].firstIndex(of: UInt8(ascii: "\n")) {
                guard end - start <= limit else { throw .tooLarge(what: "line", limit: limit) }
                let hasReturn = end > start && buffer[end - 1] == UInt8(ascii: "\r")
                let bytes = buffer[start..<(hasReturn ? end - 1 : end)]
                guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }),
                    let line = String(validating: bytes, as: UTF8.self)
                else { throw .malformed("a line holds bytes that are no text") }
                start = end + 1
                return line
            }
            searched = buffer.count - start
            guard searched <= limit else { throw .tooLarge(what: "line", limit: limit) }
            if try fill(source) == 0 {
                if searched == 0 { throw .closed }
                throw .broken("the connection ended in the middle of a line")
            }
        }
    }

    private mutating func take(
        _ count: Int, into body: inout [UInt8], _ source: Source
    ) throws(HTTPFault) {
        var left = count
        while left > 0 {
            if start == buffer.count, try fill(source) == 0 {
                throw .broken("the connection ended \(left) bytes before the body did")
            }
            let piece = min(left, buffer.count - start)
            body += buffer[start..<start + piece]
            start += piece
            left -= piece
        }
    }

    private mutating func fill(_ source: Source) throws(HTTPFault) -> Int {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        let before = buffer.count
        buffer += [UInt8](repeating: 0, count: Self.pieceByteCount)
        var count = 0
        var fault: HTTPFault?
        buffer.withUnsafeMutableBytes { bytes in
            do throws(HTTPFault) {
                count = try source(UnsafeMutableRawBufferPointer(rebasing: bytes[before...]))
            } catch {
                fault = error
            }
        }
        buffer.removeLast(Self.pieceByteCount - count)
        if let fault { throw fault }
        return count
    }
}

/// At most 48 printable characters of what a stranger sent, in quotes.
package func excerpt(_ text: some StringProtocol) -> String {
    let scalars = text.unicodeScalars.prefix(48).map { (0x20...0x7E).contains($0.value) ? $0 : "?" }
    return "\"" + String(String.UnicodeScalarView(scalars)) + "\""
}
