// The Runtime API client against a real server: what it sends, and what it makes of every answer.
import Glibc
import CompactJSON
import LambdaRuntime
import Testing

@Suite("Runtime API client")
struct RuntimeClientTests {
    @Test("next gives the invocation with its deadline, name and trace")
    func next() throws {
        let server = ScriptedServer([.answer(invocation("{\"a\":1}", deadlineIn: 60_000))])
        let invocation = try RuntimeClient(address: server.address).next()
        #expect(invocation.requestID == "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        #expect(invocation.functionARN == "arn:aws:lambda:us-east-1:123456789012:function:mpi")
        #expect(invocation.traceID == "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1")
        #expect(invocation.payload == Array("{\"a\":1}".utf8))
        let left = invocation.deadline - .now
        #expect(left > .seconds(50) && left <= .seconds(61), "\(left)")
        let line = try #require(server.requests.first).startLine
        #expect(line == "GET /2018-06-01/runtime/invocation/next HTTP/1.1")
    }

    @Test("a response, an error and the next call share one connection")
    func keepAlive() throws {
        let server = ScriptedServer([
            .answer(invocation("1")), .answer(accepted), .answer(invocation("2")),
            .answer(accepted), .answer(accepted),
        ])
        let client = RuntimeClient(address: server.address)
        let first = try client.next()
        try client.respond(to: first, with: Array("[1,2]".utf8))
        let second = try client.next()
        try client.fail(second, type: "MPI.peerLost", message: "rank 3: \"gone\"\n")
        try client.failInitialization(type: "no data", message: "x")
        #expect(server.connections == 1)
        let sent = server.requests
        #expect(sent[1].startLine.contains("/invocation/\(first.requestID)/response "))
        #expect(sent[1].body == Array("[1,2]".utf8))
        #expect(sent[3].startLine.contains("/invocation/\(second.requestID)/error "))
        #expect(sent[3]["lambda-runtime-function-error-type"] == "MPI.peerLost")
        let error = try #require(JSONValue(parsing: sent[3].body))
        #expect(error["errorMessage"] == .string("rank 3: \"gone\"\n"))
        #expect(error["errorType"] == .string("MPI.peerLost"))
        #expect(sent[4].startLine.contains("/runtime/init/error "))
        #expect(sent[4]["lambda-runtime-function-error-type"] == "no_data")
    }

    @Test("an answer may come in chunks, and in any pieces", arguments: [1, 2, 3, 7, 50, 1000])
    func chunked(byteCount: Int) throws {
        let head = invocation("", deadlineIn: 1000).replacing("content-length: 0\r\n", with: "")
            .dropLast()
        let chunks =
            "Transfer-Encoding: Chunked\r\n\r\n4;x=y\r\n[1,2\r\n00a\r\n,3,4,5,67]\r\n0\r\nT: 1\r\n\r\n"
        let server = ScriptedServer([
            .answerInPieces(head + chunks, byteCount: byteCount), .answer(accepted),
        ])
        let client = RuntimeClient(address: server.address)
        let invocation = try client.next()
        #expect(String(decoding: invocation.payload, as: UTF8.self) == "[1,2,3,4,5,67]")
        // Nothing of it is left over for the next answer.
        try client.respond(to: invocation, with: [])
    }

    @Test("a connection that the server closed between two calls is replaced, once")
    func staleConnection() throws {
        let server = ScriptedServer([
            .answerAndClose(invocation("1")), .answer(accepted), .close, .close,
        ])
        let client = RuntimeClient(address: server.address)
        let first = try client.next()
        try client.respond(to: first, with: [])
        #expect(server.connections == 2)
        let error = #expect(throws: RuntimeError.self) { try client.next() }
        #expect(error?.code == .unreachable)
    }

    @Test("too large a result is told apart, and the invocation can still be failed")
    func tooLarge() throws {
        let server = ScriptedServer([
            .answer(invocation("1")),
            .answer("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n"),
            .answer(accepted),
        ])
        let client = RuntimeClient(address: server.address)
        let call = try client.next()
        let error = #expect(throws: RuntimeError.self) {
            try client.respond(to: call, with: [UInt8](repeating: 0x20, count: 7 << 20))
        }
        #expect(error?.code == .payloadTooLarge)
        try client.fail(call, type: "MPI.resultTooLarge", message: "")
        #expect(server.connections == 1)
    }

    @Test("a refusal names the status and the words")
    func refused() throws {
        let server = ScriptedServer([
            .answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 14\r\n\r\nnot in state X")
        ])
        let error = #expect(throws: RuntimeError.self) {
            try RuntimeClient(address: server.address).next()
        }
        #expect(error?.code == .refused)
        #expect(error?.description.contains("403") == true)
        #expect(error?.description.contains("not in state X") == true)
    }

    @Test(
        "what is no answer of a Runtime API is an error that says what is wrong",
        arguments: [
            ("220 smtp.example ready\r\n\r\n", "status line"),
            ("HTTP/1.1 abc\r\n\r\n", "status line"),
            ("HTTP/2 200\r\n\r\n", "status line"),
            ("\u{0}\u{1}\u{2}\u{3}\r\n\r\n", "no text"),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "no colon"),
            ("HTTP/1.1 200 OK\r\nsp ace: 1\r\n\r\n", "sp ace"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
                "Content-Length"
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "Content-Length"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "gzip"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "xyz"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "-1"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n12\r\n", "longer"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "Request-Id"),
            (
                "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a/../b\r\nContent-Length: 0\r\n\r\n",
                "Request-Id"
            ),
            (
                "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 0\r\n\r\n",
                "Deadline-Ms"
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n", "beyond"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", "beyond"),
            ("HTTP/1.1 200 OK\r\nA: \(String(repeating: "b", count: 70_000))\r\n\r\n", "beyond"),
            ("HTTP/1.1 200 OK\r\n\(String(repeating: "A: b\r\n", count: 200))\r\n", "beyond"),
            (String(repeating: "x", count: 200_000), "beyond"),
        ])
    func garbage(answer: String, words: String) {
        let server = ScriptedServer([.answerAndClose(answer)])
        let error = #expect(throws: RuntimeError.self) {
            try RuntimeClient(address: server.address).next()
        }
        #expect(error?.code == .malformed)
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test("an answer that ends early is a broken connection", arguments: [20, 60, 200, 330])
    func cut(byteCount: Int) {
        let whole = invocation(String(repeating: "7", count: 100))
        let server = ScriptedServer([.answerAndClose(String(whole.prefix(byteCount)))])
        let error = #expect(throws: RuntimeError.self) {
            try RuntimeClient(address: server.address).next()
        }
        #expect(error?.code == .unreachable)
        #expect(error?.description.contains("ended") == true, "\(error?.description ?? "")")
    }

    @Test("without a server, or with a wrong address, the error says so")
    func nobodyThere() {
        for address in ["127.0.0.1:1", "127.0.0.1", ":80", "127.0.0.1:http"] {
            let error = #expect(throws: RuntimeError.self) {
                try RuntimeClient(address: address).next()
            }
            #expect(error?.description.contains(address) == true, "\(address)")
        }
    }

    private let accepted =
        "HTTP/1.1 202 Accepted\r\ncontent-length: 16\r\n\r\n{\"status\":\"OK\"}\n"

    private func invocation(_ payload: String, deadlineIn milliseconds: Int = 3000) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let deadline = now.tv_sec * 1000 + now.tv_nsec / 1_000_000 + milliseconds
        return """
            HTTP/1.1 200 OK\r
            Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r
            Lambda-Runtime-Deadline-Ms: \(deadline)\r
            Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:mpi\r
            Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1\r
            content-length: \(payload.utf8.count)\r
            \r
            \(payload)
            """
    }
}
