// Hand-over between threads: what is buffered, what waits, what both ends copy together.

import MessagePassing
import Testing
import ThreadMPI

@Suite struct PointToPointTests {
    /// Around every limit: nothing, buffered, waiting for its receive, copied by both ends.
    static let lengths = [0, 1, 255, 4097, 65536, 65537, 524_288, 524_289, 3_000_001]

    @Test("a message arrives whole when its receive is posted first", arguments: lengths)
    func receiveFirst(byteCount: Int) throws {
        try ThreadMPI.run(size: 2, timeout: patience) { world in
            if world.rank == 0 {
                _ = try world.recv(Int.self, from: 1, tag: 1)
                try world.send(pattern(byteCount, 3).span, to: 1)
            } else {
                var buffer = Array(repeating: UInt8(0xAA), count: byteCount + 16)
                let pending = try world.irecv(into: buffer.mutableSpan, from: 0)
                try world.send(1, to: 0, tag: 1)
                let status = try pending.wait()
                try check(status.byteCount == byteCount, "\(status)")
                try check(
                    areEqual(Array(buffer[..<byteCount]), pattern(byteCount, 3)), "other bytes")
                try check(buffer[byteCount...].allSatisfy { $0 == 0xAA }, "wrote past the end")
            }
        }
    }

    @Test("a message arrives whole when it is sent first", arguments: lengths)
    func sendFirst(byteCount: Int) throws {
        try ThreadMPI.run(size: 2, timeout: patience) { world in
            if world.rank == 0 {
                let bytes = pattern(byteCount, 5)
                let pending = try world.isend(bytes.span, to: 1)
                try world.send(1, to: 1, tag: 1)
                try pending.wait()
            } else {
                _ = try world.recv(Int.self, from: 0, tag: 1)
                var buffer = Array(repeating: UInt8(0xAA), count: byteCount + 16)
                let status = try world.recv(into: buffer.mutableSpan, from: 0)
                try check(status.byteCount == byteCount, "\(status)")
                try check(
                    areEqual(Array(buffer[..<byteCount]), pattern(byteCount, 5)), "other bytes")
                try check(buffer[byteCount...].allSatisfy { $0 == 0xAA }, "wrote past the end")
            }
        }
    }

    @Test("a short message to oneself is buffered, a long one meets its receive")
    func selfSends() throws {
        try ThreadMPI.run(size: 1, timeout: patience) { world in
            try world.send(pattern(65536, 1).span, to: 0)
            try check(areEqual(try world.recv(UInt8.self, from: 0), pattern(65536, 1)), "short")
            let long = pattern(2_000_000, 2)
            var received = Array(repeating: UInt8(0), count: long.count)
            try world.sendrecv(long.span, to: 0, into: received.mutableSpan, from: 0)
            try check(areEqual(received, long), "long")
        }
    }

    @Test(
        "a message longer than the buffer is an error of the receiver alone",
        arguments: [8, 65536, 100_000, 4_000_000])
    func truncation(byteCount: Int) throws {
        try ThreadMPI.run(size: 2, timeout: patience) { world in
            if world.rank == 0 {
                try world.send(pattern(byteCount, 0).span, to: 1, tag: 5)
                try check(try world.recv(UInt8.self, from: 1) == [42], "the answer")
            } else {
                var buffer = Array(repeating: UInt8(0), count: byteCount - 1)
                let error = try errorOf { () throws(MPIError) in
                    try world.recv(into: buffer.mutableSpan, from: 0, tag: 5)
                }
                let expected = MPIError.truncated(
                    "recv", from: 0, tag: 5, capacity: byteCount - 1, actual: byteCount)
                try check(error == expected, "\(error)")
                try world.send(UInt8(42), to: 0)
            }
        }
    }

    @Test("operations with none complete at once and move nothing")
    func noneIsNobody() throws {
        let traffic = try ThreadMPI.run(size: 1, timeout: patience) { world in
            var value = [7]
            try world.send(1, to: .none)
            let status = try world.recv(into: value.mutableSpan, from: .none)
            try check(status == .empty && value == [7], "\(status) \(value)")
            try check(try world.probe(from: .none) == .empty, "probe")
            try check(try world.mprobe(from: .none).recv(Int.self).isEmpty, "mprobe")
        }
        #expect(traffic.messages == [0] && traffic.bytes == [0])
    }

    @Test("wrong ranks and tags are errors that name the range, and disturb nothing")
    func wrongArguments() throws {
        try ThreadMPI.run(size: 2, timeout: patience) { world in
            var buffer = [0]
            let errors = [
                try errorOf { () throws(MPIError) in try world.send(1, to: 2) },
                try errorOf { () throws(MPIError) in try world.send(1, to: 0, tag: .any) },
                try errorOf { () throws(MPIError) in
                    try world.recv(into: buffer.mutableSpan, from: 2)
                },
                try errorOf { () throws(MPIError) in
                    try world.recv(into: buffer.mutableSpan, from: 0, tag: -7)
                },
                try errorOf { () throws(MPIError) in try world.probe(from: 9) },
            ]
            for error in errors { try check(error.code == .invalidArgument, "\(error)") }
            try check(errors[0].reason.contains("0 ..< 2"), "\(errors[0])")
            try world.barrier()
        }
    }

    @Test("waitAny completes what is ready and keeps the rest")
    func waitAny() throws {
        try ThreadMPI.run(size: 3, timeout: patience) { world in
            switch world.rank {
            case 0:
                var fromOne = [0]
                var fromTwo = [0]
                var group = world.requests()
                try group.irecv(into: fromOne.mutableSpan, from: 1)
                try group.irecv(into: fromTwo.mutableSpan, from: 2)
                let first = try group.waitAny()
                try check(first?.index == 1, "\(String(describing: first))")
                try world.send(1, to: 1)
                let second = try group.waitAny()
                try check(second?.index == 0, "\(String(describing: second))")
                try check(try group.waitAny() == nil, "a third")
            case 1:
                _ = try world.recv(Int.self, from: 0)
                try world.send(11, to: 0)
            default: try world.send(22, to: 0)
            }
        }
    }

    @Test("a matched probe takes the message away from every other receive")
    func matchedProbe() throws {
        try ThreadMPI.run(size: 2, timeout: patience) { world in
            if world.rank == 0 {
                let long = pattern(900_000, 1)
                let pending = try world.isend(long.span, to: 1, tag: 4)
                try world.send(77, to: 1, tag: 4)
                try pending.wait()
            } else {
                let message: Message = try world.mprobe(from: .any, tag: 4)
                try check(message.status.byteCount == 900_000, "\(message.status)")
                try check(try world.recv(Int.self, from: 0, tag: 4) == [77], "the second")
                try check(try world.iprobe(from: 0, tag: 4) == nil, "probed again")
                try check(
                    areEqual(try message.recv(UInt8.self), pattern(900_000, 1)), "other bytes")
            }
        }
    }

    @Test("a dropped receive is withdrawn, so that a later one gets the message")
    func droppedReceive() throws {
        try ThreadMPI.run(size: 2, timeout: patience) { world in
            if world.rank == 1 {
                var first = [0]
                do {
                    let pending = try world.irecv(into: first.mutableSpan, from: 0)
                    _ = consume pending
                }
                try world.send(1, to: 0)
                try check(try world.recv(Int.self, from: 0) == [5], "the message")
                try check(first == [0], "\(first)")
            } else {
                _ = try world.recv(Int.self, from: 1)
                try world.send(5, to: 1)
            }
        }
    }
}
