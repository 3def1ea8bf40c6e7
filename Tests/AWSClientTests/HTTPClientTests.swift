// The HTTP client against servers that answer what a test wants, on sockets of the test's own.

import Foundation
import Testing

@testable import AWSClient

@Suite(.serialized) struct HTTPClientTests {
    private func endpoint(_ server: CannedServer) throws -> Endpoint {
        try Endpoint(parsing: "http://127.0.0.1:\(server.port)")
    }

    private var soon: ContinuousClock.Instant { .now + .seconds(10) }

    @Test func `a request arrives as it was meant, and its answer comes back`() throws {
        let server = try CannedServer(
            answers: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Amz-Meta-A:  b \r\n\r\nhello"])
        let body = Array("payload".utf8)
        let response = try body.withUnsafeBytes { body in
            try HTTPClient().perform(
                HTTPRequest(
                    "POST", try endpoint(server), path: "/a b/../ü", query: [("q", "1&2")],
                    headers: [("X-Empty", ""), ("X-Amz-Meta-C", "d")], body: body),
                deadline: soon)
        }
        #expect(response.status == 200 && response.body == Array("hello".utf8))
        #expect(response.header("x-AMZ-meta-a") == "b")
        let seen = server.requests[0]
        #expect(seen.hasPrefix("POST /a%20b/../%C3%BC?q=1%262 HTTP/1.1\r\n"), "\(seen)")
        #expect(seen.contains("\r\nX-Amz-Meta-C: d\r\n") && seen.contains("\r\nX-Empty:\r\n"))
        #expect(seen.contains("\r\nContent-Length: 7\r\n") && seen.hasSuffix("\r\n\r\npayload"))
        #expect(!seen.lowercased().contains("expect"))
        #expect(!seen.contains("x-www-form-urlencoded"))
    }

    @Test func `requests of one client share a connection`() throws {
        let server = try CannedServer(answers: Array(repeating: CannedServer.empty, count: 3))
        let client = HTTPClient()
        for method in ["GET", "PUT", "DELETE"] {
            let response = try client.perform(
                HTTPRequest(method, try endpoint(server), path: "/k"), deadline: soon)
            #expect(response.status == 200)
        }
        #expect(server.requests.map { $0.split(separator: " ")[0] } == ["GET", "PUT", "DELETE"])
        #expect(server.connectionCount == 1)
    }

    @Test func `a status that is no success is a response, with its body`() throws {
        let server = try CannedServer(
            answers: ["HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"])
        var target = [UInt8](repeating: 7, count: 2)
        let response = try target.withUnsafeMutableBytes { target in
            try HTTPClient().perform(
                HTTPRequest("GET", try endpoint(server), path: "/k"), into: target, deadline: soon)
        }
        #expect(response.status == 404 && response.body == Array("gone".utf8))
        #expect(target == [7, 7])
    }

    @Test func `a body goes straight into the caller's memory, and never past its end`() throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        let server = try CannedServer(answers: [answer, answer])
        let client = HTTPClient()
        let request = HTTPRequest("GET", try endpoint(server), path: "/k")
        var target = [UInt8](repeating: 7, count: 6)
        let response = try target.withUnsafeMutableBytes {
            try client.perform(request, into: $0, deadline: soon)
        }
        #expect(response.byteCount == 5 && target == Array("hello".utf8) + [7])
        var short = [UInt8](repeating: 7, count: 6)
        let error = #expect(throws: AWSError.self) {
            try short.withUnsafeMutableBytes { bytes in
                _ = try client.perform(
                    request, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<4]),
                    deadline: soon)
            }
        }
        #expect(error?.code == .tooLarge && short[4...] == [7, 7])
    }

    @Test func `a response longer than allowed is refused`() throws {
        let server = try CannedServer(
            answers: ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\n"])
        let error = #expect(throws: AWSError.self) {
            try HTTPClient().perform(
                HTTPRequest("GET", try endpoint(server), path: "/k"), deadline: soon,
                bodyByteCountMax: 4)
        }
        #expect(error?.code == .tooLarge, "\(error!)")
    }

    @Test func `a server that says nothing is given up at the deadline`() throws {
        let server = try CannedServer(answers: [])
        let start = ContinuousClock.now
        let error = #expect(throws: AWSError.self) {
            try HTTPClient().perform(
                HTTPRequest("GET", try endpoint(server), path: "/k"),
                deadline: .now + .milliseconds(300))
        }
        #expect(error?.code == .timedOut, "\(error!)")
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test func `no server is a failure that names the address and not the query`() throws {
        let server = try CannedServer(answers: [])
        let port = server.port
        server.close()
        let error = #expect(throws: AWSError.self) {
            try HTTPClient().perform(
                HTTPRequest(
                    "GET", try Endpoint(parsing: "http://127.0.0.1:\(port)"), path: "/k",
                    query: [("token", "hush")]), deadline: soon)
        }
        #expect(error?.code == .connectFailed)
        #expect("\(error!)".contains("127.0.0.1:\(port)/k") && !"\(error!)".contains("hush"))
    }

    @Test(arguments: [
        "127.0.0.1", "ftp://host", "http://", "http://host:0", "http://host:99999",
        "http://user@host", "http://host/path",
    ])
    func `what is no endpoint is refused`(text: String) {
        let error = #expect(throws: AWSError.self) { try Endpoint(parsing: text) }
        #expect(error?.code == .invalidArgument)
    }
}
