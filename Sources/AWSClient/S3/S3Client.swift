// Objects of one bucket, by the five requests a message channel needs. Blocking; retries what may
// be retried until the deadline.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html

import Glibc

/// An S3 bucket, or one of a server that speaks its protocol.
package struct S3Client: Sendable {
    package struct Object: Sendable {
        /// User metadata by name, without `x-amz-meta-`, in lower case.
        package var metadata: [(name: String, value: String)]
        /// The bytes asked for; empty where they went into the caller's memory.
        package var bytes: [UInt8]
        /// Length of what was sent.
        package var byteCount: Int
        /// Length of the whole object.
        package var totalByteCount: Int

        package func metadata(_ name: String) -> String? {
            metadata.first { $0.name == name }?.value
        }
    }

    package let bucket: String
    private let endpoint: Endpoint
    /// Path-style: the bucket is the path's first segment. AWS wants it in the host's name.
    private let isPathStyle: Bool
    private let signer: RequestSigner
    private let client: HTTPClient
    /// Longer bodies are not hashed where TLS protects them.
    private static let signedByteCountMax = 1 << 20

    /// - Parameter endpoint: nil for AWS's own.
    package init(
        bucket: String, region: String, endpoint: Endpoint?, credentials: Credentials,
        client: HTTPClient = HTTPClient()
    ) {
        self.bucket = bucket
        self.endpoint =
            endpoint
            ?? Endpoint(isSecure: true, host: "\(bucket).s3.\(region).amazonaws.com")
        isPathStyle = endpoint != nil
        signer = RequestSigner(credentials: credentials, region: region, service: "s3")
        self.client = client
    }

    private func request(
        _ method: String, _ key: String, query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [],
        body: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) -> HTTPRequest {
        HTTPRequest(
            method, endpoint, path: isPathStyle ? "/\(bucket)/\(key)" : "/\(key)", query: query,
            headers: headers, body: body)
    }

    /// Writes an object.
    /// - Parameter onlyIfAbsent: leaves one that is there (`If-None-Match: *`).
    /// - Returns: false if there was one and it was left.
    @discardableResult
    package func put(
        _ key: String, _ bytes: UnsafeRawBufferPointer,
        metadata: [(name: String, value: String)] = [], onlyIfAbsent: Bool = false,
        deadline: ContinuousClock.Instant
    ) throws(AWSError) -> Bool {
        var headers = metadata.map { (name: "x-amz-meta-\($0.name)", value: $0.value) }
        if onlyIfAbsent { headers.append(("if-none-match", "*")) }
        let response = try perform(
            request("PUT", key, headers: headers, body: bytes), deadline: deadline)
        if onlyIfAbsent, response.status == 412 || response.status == 409 { return false }
        guard response.isSuccess else { throw refusal("PUT", key, response) }
        return true
    }

    /// Reads an object, or `range` of it; nil if there is none.
    /// - Parameters:
    ///   - range: bytes that may go beyond the end; of an object that ends before they begin come
    ///     neither bytes nor metadata.
    ///   - buffer: where they go, if not into `Object.bytes`.
    package func get(
        _ key: String, range: Range<Int>? = nil,
        into buffer: UnsafeMutableRawBufferPointer? = nil, byteCountMax: Int = 16 << 20,
        deadline: ContinuousClock.Instant
    ) throws(AWSError) -> Object? {
        let headers = range.map {
            [(name: "range", value: "bytes=\($0.lowerBound)-\($0.upperBound - 1)")]
        }
        let response = try perform(
            request("GET", key, headers: headers ?? []), into: buffer,
            byteCountMax: byteCountMax, deadline: deadline)
        if response.status == 404 { return nil }
        if response.status == 416 {
            return Object(metadata: [], bytes: [], byteCount: 0, totalByteCount: 0)
        }
        guard response.isSuccess else { throw refusal("GET", key, response) }
        var total = response.byteCount
        if let text = response.header("content-range"), let slash = text.lastIndex(of: "/"),
            let length = Int(text[text.index(after: slash)...])
        {
            total = length
        }
        let prefix = "x-amz-meta-"
        return Object(
            metadata: response.headers.filter { $0.name.hasPrefix(prefix) }
                .map { (String($0.name.dropFirst(prefix.count)), $0.value) },
            bytes: response.body, byteCount: response.byteCount, totalByteCount: total)
    }

    /// All keys that begin with `prefix`, in order; one request per thousand of them.
    package func list(
        _ prefix: String, deadline: ContinuousClock.Instant
    ) throws(AWSError) -> (keys: [String], requestCount: Int) {
        var keys: [String] = []
        var token: String?
        var count = 0
        repeat {
            var query = [(name: "list-type", value: "2"), (name: "prefix", value: prefix)]
            if let token { query.append(("continuation-token", token)) }
            let response = try perform(request("GET", "", query: query), deadline: deadline)
            count += 1
            guard response.isSuccess else { throw refusal("LIST", prefix, response) }
            let text = String(decoding: response.body, as: UTF8.self)
            keys += XMLText.values(of: "Key", in: text)
            let isTruncated = XMLText.values(of: "IsTruncated", in: text).first == "true"
            token =
                isTruncated ? XMLText.values(of: "NextContinuationToken", in: text).first : nil
        } while token != nil
        return (keys, count)
    }

    /// Removes an object, if it is there.
    package func delete(_ key: String, deadline: ContinuousClock.Instant) throws(AWSError) {
        let response = try perform(request("DELETE", key), deadline: deadline)
        guard response.isSuccess || response.status == 404 else {
            throw refusal("DELETE", key, response)
        }
    }

    /// Makes the bucket in the client's region, if it is not there.
    package func createBucket(deadline: ContinuousClock.Instant) throws(AWSError) {
        // The one region that may not be named.
        let isDefault = signer.region == "us-east-1"
        let text =
            isDefault
            ? ""
            : "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                + "<LocationConstraint>\(signer.region)</LocationConstraint>"
                + "</CreateBucketConfiguration>"
        let body = Array(text.utf8)
        let response = try body.span.withUnsafeBytes { (body) throws(AWSError) in
            try perform(request("PUT", "", body: body), deadline: deadline)
        }
        let name = XMLText.values(
            of: "Code", in: String(decoding: response.body.prefix(4096), as: UTF8.self)
        ).first
        guard response.isSuccess || name == "BucketAlreadyOwnedByYou" else {
            throw refusal("PUT", "", response)
        }
    }

    /// Removes the bucket, which must be empty, if it is there.
    package func deleteBucket(deadline: ContinuousClock.Instant) throws(AWSError) {
        let response = try perform(request("DELETE", ""), deadline: deadline)
        guard response.isSuccess || response.status == 404 else {
            throw refusal("DELETE", "", response)
        }
    }

    /// Signs, sends, and sends again what the server or the network refused for the moment. All
    /// requests here may be repeated: they write the same bytes to the same key.
    private func perform(
        _ request: HTTPRequest, into buffer: UnsafeMutableRawBufferPointer? = nil,
        byteCountMax: Int = 16 << 20, deadline: ContinuousClock.Instant
    ) throws(AWSError) -> HTTPResponse {
        var pauseMilliseconds: UInt32 = 20
        var attempt = 0
        while true {
            attempt += 1
            var signed = request
            let isHashed =
                !endpoint.isSecure || request.body.count <= Self.signedByteCountMax
            signer.sign(&signed, payload: isHashed ? .signed : .unsigned)
            let isLast = attempt == 6 || ContinuousClock.now >= deadline
            do throws(AWSError) {
                let response: HTTPResponse
                if let buffer {
                    response = try client.perform(signed, into: buffer, deadline: deadline)
                } else {
                    response = try client.perform(
                        signed, deadline: deadline, bodyByteCountMax: byteCountMax)
                }
                let isPassing = response.status == 429 || (500...599).contains(response.status)
                if !isPassing || isLast { return response }
            } catch {
                if error.code != .connectFailed || isLast { throw error }
            }
            // Full jitter: clients that were refused together come back apart.
            usleep(UInt32.random(in: 1...pauseMilliseconds) * 1000)
            pauseMilliseconds = min(2 * pauseMilliseconds, 1000)
        }
    }

    private func refusal(_ method: String, _ key: String, _ response: HTTPResponse) -> AWSError {
        let text = String(decoding: response.body.prefix(4096), as: UTF8.self)
        let name = XMLText.values(of: "Code", in: text).first
        let words = XMLText.values(of: "Message", in: text).first
        return AWSError(
            .refused, operation: "\(method) s3://\(bucket)/\(key)",
            reason: words ?? "the server refused", status: response.status, name: name)
    }
}
