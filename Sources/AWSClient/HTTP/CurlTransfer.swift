// One request on one libcurl handle: options in, callbacks during, status out.

import CCurl
import Glibc

/// Collects a response as libcurl hands it over, within bounds.
final class Reception {
    let byteCountMax: Int
    let buffer: UnsafeMutableRawBufferPointer?
    var status = 0
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    var byteCount = 0
    var isTooLarge = false
    private var headerByteCount = 0

    private static let headerByteCountMax = 256 << 10

    init(byteCountMax: Int, buffer: UnsafeMutableRawBufferPointer? = nil) {
        self.byteCountMax = byteCountMax
        self.buffer = buffer
    }

    /// False stops the transfer.
    func take(header line: UnsafeRawBufferPointer) -> Bool {
        headerByteCount += line.count
        guard headerByteCount <= Self.headerByteCountMax else {
            isTooLarge = true
            return false
        }
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            // A new response: the one before was an interim one.
            headers = []
            let words = text.split(separator: " ", maxSplits: 2)
            status = words.count > 1 ? Int(words[1].filter(\.isNumber)) ?? 0 : 0
        } else if let colon = text.firstIndex(of: ":") {
            var value = text[text.index(after: colon)...].drop { $0.isWhitespace }
            while value.last?.isWhitespace == true { value.removeLast() }
            headers.append((text[..<colon].lowercased(), String(value)))
        }
        return true
    }

    func take(body bytes: UnsafeRawBufferPointer) -> Bool {
        if let buffer, (200..<300).contains(status) {
            guard bytes.count <= buffer.count - byteCount else {
                isTooLarge = true
                return false
            }
            UnsafeMutableRawBufferPointer(
                rebasing: buffer[byteCount..<byteCount + bytes.count]
            ).copyMemory(from: bytes)
        } else {
            guard bytes.count <= byteCountMax - byteCount else {
                isTooLarge = true
                return false
            }
            body.append(contentsOf: bytes)
        }
        byteCount += bytes.count
        return true
    }
}

struct CurlTransfer {
    let library: CurlLibrary
    let handle: UnsafeMutableRawPointer
    private var headerList: UnsafeMutableRawPointer?

    init(library: CurlLibrary, handle: UnsafeMutableRawPointer) {
        self.library = library
        self.handle = handle
    }

    /// Gives the handle back as it was, but for its connections.
    mutating func end() {
        library.easyReset(handle)
        library.listFree(headerList)
        headerList = nil
    }

    mutating func run(
        _ request: HTTPRequest, timeoutMilliseconds: Int, _ reception: Reception
    ) throws(AWSError) -> HTTPResponse {
        var complaint = [CChar](repeating: 0, count: Int(ccurl_error_size))
        let code = complaint.withUnsafeMutableBufferPointer { complaint in
            configure(request, timeoutMilliseconds, reception, complaint)
            return request.url.withCString { url in
                set(ccurl_opt_url, url)
                return library.easyPerform(handle)
            }
        }
        if code != Int32(ccurl_ok) {
            let text = String(
                decoding: complaint.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
                as: UTF8.self)
            throw failure(code, text, request, reception)
        }
        return HTTPResponse(
            status: reception.status, headers: reception.headers, body: reception.body,
            byteCount: reception.byteCount)
    }

    private mutating func configure(
        _ request: HTTPRequest, _ timeoutMilliseconds: Int, _ reception: Reception,
        _ complaint: UnsafeMutableBufferPointer<CChar>
    ) {
        set(ccurl_opt_error_buffer, complaint.baseAddress)
        set(ccurl_opt_no_signal, 1)
        set(ccurl_opt_path_as_is, 1)
        set(ccurl_opt_follow_location, 0)
        set(ccurl_opt_tcp_no_delay, 1)
        set(ccurl_opt_http_version, Int(ccurl_http_version_1_1))
        set(ccurl_opt_buffer_size, 256 << 10)
        set(ccurl_opt_upload_buffer_size, 1 << 20)
        set(ccurl_opt_timeout_ms, timeoutMilliseconds)
        set(ccurl_opt_connect_timeout_ms, timeoutMilliseconds)
        "http,https".withCString { set(ccurl_opt_protocols_str, $0) }
        // A proxy of the environment is for the world outside, not for servers of this machine.
        if ["127.0.0.1", "localhost", "[::1]"].contains(request.endpoint.host) {
            "".withCString { set(ccurl_opt_proxy, $0) }
        }
        if let file = TrustStore.file { file.withCString { set(ccurl_opt_ca_info, $0) } }
        setMethod(request)
        for line in Self.headerLines(request) {
            headerList = line.withCString { library.listAppend(headerList, $0) }
        }
        set(ccurl_opt_http_header, headerList)
        let context = Unmanaged.passUnretained(reception).toOpaque()
        set(ccurl_opt_header_data, context)
        set(ccurl_opt_write_data, context)
        _ = ccurl_set_callback(library.setopt, handle, Int32(ccurl_opt_header_function)) {
            bytes, size, count, context in
            CurlTransfer.reception(context).take(
                header: UnsafeRawBufferPointer(start: bytes, count: size * count))
                ? size * count : 0
        }
        _ = ccurl_set_callback(library.setopt, handle, Int32(ccurl_opt_write_function)) {
            bytes, size, count, context in
            CurlTransfer.reception(context).take(
                body: UnsafeRawBufferPointer(start: bytes, count: size * count))
                ? size * count : 0
        }
    }

    private func setMethod(_ request: HTTPRequest) {
        switch request.method {
        case "GET" where request.body.isEmpty: set(ccurl_opt_http_get, 1)
        case "HEAD": set(ccurl_opt_no_body, 1)
        default:
            set(ccurl_opt_post_field_size, size: request.body.count)
            // libcurl takes a null pointer for "ask for the body by callback".
            if request.body.isEmpty {
                "".withCString { set(ccurl_opt_post_fields, $0) }
            } else {
                set(ccurl_opt_post_fields, request.body.baseAddress)
            }
            // Copied by libcurl.
            request.method.withCString { set(ccurl_opt_custom_request, $0) }
        }
    }

    /// In libcurl's spelling `Name;` is a header without a value, and `Name:` one that it shall not
    /// make up.
    private static func headerLines(_ request: HTTPRequest) -> [String] {
        var lines = request.headers.map { name, value in
            value.isEmpty ? "\(name);" : "\(name): \(value)"
        }
        lines.append("Expect:")
        if !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            lines.append(
                request.body.isEmpty ? "Content-Type:" : "Content-Type: application/octet-stream")
        }
        return lines
    }

    private static func reception(_ context: UnsafeMutableRawPointer?) -> Reception {
        guard let context else { fatalError("libcurl lost its context") }
        return Unmanaged<Reception>.fromOpaque(context).takeUnretainedValue()
    }

    private func failure(
        _ code: Int32, _ complaint: String, _ request: HTTPRequest, _ reception: Reception
    ) -> AWSError {
        if reception.isTooLarge {
            let limit = reception.buffer?.count ?? reception.byteCountMax
            return AWSError(
                .tooLarge, operation: request.summary,
                reason: "the response is longer than the \(limit) bytes allowed for it")
        }
        let words =
            complaint.isEmpty
            ? library.easyStrerror(code).map { String(cString: $0) } ?? "libcurl error \(code)"
            : complaint
        return AWSError(
            code == Int32(ccurl_operation_timed_out) ? .timedOut : .connectFailed,
            operation: request.summary, reason: words)
    }

    // MARK: Options. They cannot fail: libcurl is new enough, as `loaded` has checked.

    private func set(_ option: some BinaryInteger, _ value: Int) {
        _ = ccurl_set_long(library.setopt, handle, Int32(option), value)
    }

    private func set(_ option: some BinaryInteger, size value: Int) {
        _ = ccurl_set_size(library.setopt, handle, Int32(option), Int64(value))
    }

    private func set(_ option: some BinaryInteger, _ value: UnsafeRawPointer?) {
        _ = ccurl_set_pointer(library.setopt, handle, Int32(option), value)
    }
}
