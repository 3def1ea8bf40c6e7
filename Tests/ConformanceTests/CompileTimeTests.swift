// Mistakes that must not compile: a buffer touched while a request holds it, and elements that
// are references.

import Glibc
import Testing

@Suite("The compiler")
struct CompileTimeTests {
    @Test("accepts a correct program: what the others are told from")
    func control() throws {
        try expectCompiles(
            """
            var next = [0, 0, 0]
            let mine = [1, 2, 3]
            let pending = try world.irecv(into: next.mutableSpan, from: 0)
            try world.send(mine.span, to: 0)
            try pending.wait()
            var group = world.requests()
            try group.isend(next.span, to: 0)
            try group.waitAll()
            next[0] = 4
            print(next)
            """)
    }

    @Test(
        "refuses to touch a buffer while a request is pending",
        arguments: [
            // Reading what is being received.
            """
            var next = [0, 0, 0]
            let pending = try world.irecv(into: next.mutableSpan, from: 0)
            print(next)
            try pending.wait()
            """,
            // Writing what is being sent.
            """
            var mine = [0, 0, 0]
            let pending = try world.isend(mine.span, to: 0)
            mine[1] = 7
            try pending.wait()
            """,
            // The same with a group of requests.
            """
            var next = [0, 0, 0]
            var group = world.requests()
            try group.irecv(into: next.mutableSpan, from: 0)
            next[0] = 1
            try group.waitAll()
            """,
        ])
    func pendingBuffer(_ program: String) throws {
        try expectRefused(program, "overlapping accesses")
    }

    @Test("refuses to let a request outlive its buffer")
    func escapingRequest() throws {
        try expectRefused(
            """
            func start() throws -> Request {
                var next = [0, 0, 0]
                return try world.irecv(into: next.mutableSpan, from: 0)
            }
            _ = try start()
            """, "~Escapable")
    }

    @Test("refuses to wait twice for one request")
    func waitTwice() throws {
        try expectRefused(
            """
            let mine = [1]
            let pending = try world.isend(mine.span, to: 0)
            try pending.wait()
            try pending.wait()
            """, "consumed more than once")
    }

    @Test(
        "refuses to send references",
        arguments: [
            "try world.send([Row()].span, to: 0)",
            "try world.send(Row(), to: 0)",
            "try world.send([\"text\"].span, to: 0)",
            "try world.send([[1], [2]].span, to: 0)",
            "_ = try world.recv(Row.self, from: 0)",
            "_ = try world.allreduce(\"text\", Reduction { $0 + $1 })",
        ])
    func references(_ program: String) throws {
        try expectRefused(program, "BitwiseCopyable")
    }
}

private func expectCompiles(
    _ program: String, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let outcome = try compile(program)
    #expect(outcome.exitCode == 0, "\(outcome.report)", sourceLocation: sourceLocation)
}

/// Does not compile, for this reason.
private func expectRefused(
    _ program: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let outcome = try compile(program)
    #expect(
        outcome.exitCode != 0 && outcome.errors.contains(reason), "\(program)\n\(outcome.report)",
        sourceLocation: sourceLocation)
}

/// Compiles the body of a function of a world, as a client of MessagePassing would; -typecheck
/// alone would not check lifetimes.
private func compile(_ body: String) throws -> Outcome {
    var directory = Array("/tmp/compile-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&directory).map { String(cString: $0) })
    let file = "\(path)/program.swift"
    defer {
        unlink(file)
        rmdir(path)
    }
    let source = """
        import MessagePassing
        final class Row { var x = 0 }
        func program(_ world: any Communicator) throws {
        \(body)
        }
        """
    let stream = try #require(fopen(file, "w"))
    fputs(source, stream)
    fclose(stream)
    return run(
        [
            "swiftc", "-emit-sil", "-o", "/dev/null", "-swift-version", "6", "-parse-as-library",
            "-I", Installation.path("Modules"), file,
        ], timeoutSeconds: 120)
}
