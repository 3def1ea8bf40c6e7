// Blocking HTTP/1.1 over libcurl: one request per calling thread, connections kept alive between
// requests. Who wants several transfers at once uses several threads.

import CCurl
import Glibc
import Synchronization

/// A pool of connections. Any thread may call it; each call has a transfer of its own.
package final class HTTPClient: Sendable {
    /// Idle libcurl handles, each with the connections it keeps alive.
    private let idle = Mutex<[UInt]>([])
    private static let idleCountMax = 64

    package init() {}

    deinit {
        guard let library = try? CurlLibrary.loaded() else { return }
        for address in idle.withLock({ $0 }) {
            if let handle = UnsafeMutableRawPointer(bitPattern: address) {
                library.easyCleanup(handle)
            }
        }
    }

    /// Sends a request and waits for its response. Never retries, never follows redirects.
    ///
    /// - Parameters:
    ///   - deadline: when it must be done, connecting included.
    ///   - bodyByteCountMax: a longer response is an error (`tooLarge`).
    /// - Errors: `connectFailed`, `timedOut`, `tooLarge`, `libraryMissing`. A status that is no
    ///   success is a response, not an error.
    package func perform(
        _ request: HTTPRequest, deadline: ContinuousClock.Instant,
        bodyByteCountMax: Int = 8 << 20
    ) throws(AWSError) -> HTTPResponse {
        try perform(request, deadline: deadline, Reception(byteCountMax: bodyByteCountMax))
    }

    /// The same; the body of a successful response is written to `buffer`, any other is kept.
    package func perform(
        _ request: HTTPRequest, into buffer: UnsafeMutableRawBufferPointer,
        deadline: ContinuousClock.Instant
    ) throws(AWSError) -> HTTPResponse {
        try perform(request, deadline: deadline, Reception(byteCountMax: 1 << 20, buffer: buffer))
    }

    private func perform(
        _ request: HTTPRequest, deadline: ContinuousClock.Instant, _ reception: Reception
    ) throws(AWSError) -> HTTPResponse {
        let library = try CurlLibrary.loaded()
        let left = deadline - .now
        guard left > .zero else {
            throw AWSError(
                .timedOut, operation: request.summary, reason: "there was no time left to send it")
        }
        let kept = idle.withLock { $0.popLast() }.flatMap {
            UnsafeMutableRawPointer(bitPattern: $0)
        }
        guard let handle = kept ?? library.easyInit() else {
            throw AWSError(
                .connectFailed, operation: request.summary, reason: "libcurl has no memory")
        }
        var transfer = CurlTransfer(library: library, handle: handle)
        defer {
            transfer.end()
            keep(handle, library)
        }
        let seconds = left.components
        let milliseconds = seconds.seconds * 1000 + seconds.attoseconds / 1_000_000_000_000_000
        return try transfer.run(
            request, timeoutMilliseconds: Int(max(1, milliseconds)), reception)
    }

    private func keep(_ handle: UnsafeMutableRawPointer, _ library: CurlLibrary) {
        let isKept = idle.withLock { idle in
            guard idle.count < Self.idleCountMax else { return false }
            idle.append(UInt(bitPattern: handle))
            return true
        }
        if !isKept { library.easyCleanup(handle) }
    }
}
