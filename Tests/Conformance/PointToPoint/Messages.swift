// Messages arrive, whole and unchanged, whatever their type and length.

import MessagePassing

extension Communicator {
    /// The neighbours in a ring of all ranks; oneself in a world of one.
    var next: Int { (rank + 1) % size }
    var previous: Int { (rank + size - 1) % size }
}

let pointToPointChecks: [Check] = [
    Check("a message to oneself arrives") { world, expect in
        let sent = [1, 2, 3]
        let pending = try world.isend(sent.span, to: .rank(world.rank), tag: 5)
        var received = [0, 0, 0]
        let status = try world.recv(into: received.mutableSpan, from: .rank(world.rank), tag: 5)
        try pending.wait()
        expect.equal(received, sent, "elements")
        expect.equal(status, Status(source: world.rank, tag: 5, byteCount: 24), "status")
    },
    Check("a message goes once around all ranks") { world, expect in
        if world.size == 1 { return }
        if world.rank == 0 {
            try world.send(100, to: .rank(world.next))
            let back = try world.recv(Int.self, from: .rank(world.previous))
            expect.equal(back, [100 + world.size - 1], "what came back")
        } else {
            let passed = try world.recv(Int.self, from: .rank(world.previous))
            try world.send(passed[0] + 1, to: .rank(world.next))
        }
    },
    Check("every element type arrives unchanged") { world, expect in
        try ring(Int8.self, world, expect)
        try ring(UInt16.self, world, expect)
        try ring(Int32.self, world, expect)
        try ring(UInt64.self, world, expect)
        try ring(Float.self, world, expect)
        try ring(Double.self, world, expect)
        try ring(ThreeBytes.self, world, expect)
        try ring(TwelveBytes.self, world, expect)
        try ring(SixteenBytes.self, world, expect)
    },
    Check("every length arrives, to every rank") { world, expect in
        for length in lengths {
            for shift in 0..<world.size {
                let to = (world.rank + shift) % world.size
                let from = (world.rank + world.size - shift) % world.size
                let sent = expect.values.elements(UInt8.self, length, stream: world.rank)
                let pending = try world.isend(sent.span, to: .rank(to))
                let received: [UInt8] = try guarded(length, expect, "\(length) bytes") {
                    let request = try world.irecv(
                        into: $0, from: .rank(from), tag: 0, context: .pointToPoint)
                    let status = try world.wait(request)
                    expect.equal(status.byteCount, length, "length from rank \(from)")
                }
                try pending.wait()
                expect.equalBytes(
                    received, expect.values.elements(length, stream: from),
                    "\(length) bytes from rank \(from)")
            }
        }
    },
    Check("a message of no elements is a message") { world, expect in
        let nothing: [Double] = []
        let pending = try world.isend(nothing.span, to: .rank(world.next), tag: 9)
        var received: [Double] = [4]
        let status = try world.recv(
            into: received.mutableSpan, from: .rank(world.previous), tag: 9)
        try pending.wait()
        expect.equal(
            status, Status(source: world.previous, tag: 9, byteCount: 0), "status")
        expect.equal(received, [4], "the buffer")
    },
    Check("a message shorter than its buffer leaves the rest untouched") { world, expect in
        for length in [1, 100, 100_000] {
            let sent = expect.values.elements(UInt8.self, length, stream: world.rank)
            let pending = try world.isend(sent.span, to: .rank(world.next))
            var received = Array(repeating: poison(UInt8.self), count: length + 1000)
            let status = try world.recv(into: received.mutableSpan, from: .rank(world.previous))
            try pending.wait()
            expect.equal(status.byteCount, length, "length")
            let expected: [UInt8] = expect.values.elements(length, stream: world.previous)
            expect.equalBytes(
                received, expected + Array(repeating: poison(), count: 1000), "buffer")
        }
    },
    Check("a message longer than its buffer is a truncation error, and only that") {
        world, expect in
        for length in expect.backend.truncatesLongMessages ? [10, 5000, 500_000] : [10, 500] {
            let sent = expect.values.elements(UInt8.self, length, stream: world.rank)
            let long = try world.isend(sent.span, to: .rank(world.next), tag: 1)
            let after = try world.isend(sent.span.extracting(0..<3), to: .rank(world.next), tag: 1)
            _ = guarded(4, of: UInt8.self, expect, "short buffer") { buffer in
                expect.failing(.truncated, "\(length) bytes into 4") {
                    let request = try world.irecv(
                        into: buffer, from: .rank(world.previous), tag: 1, context: .pointToPoint)
                    _ = try world.wait(request)
                }
            }
            try long.wait()
            let next = try world.recv(UInt8.self, from: .rank(world.previous), tag: 1)
            try after.wait()
            expect.equalBytes(
                next, expect.values.elements(length, stream: world.previous).prefix(3).map { $0 },
                "the message after it")
        }
    },
    Check("a truncation error tells sender, tag and length") { world, expect in
        let sent = [UInt8](repeating: 1, count: 100)
        let pending = try world.isend(sent.span, to: .rank(world.next), tag: 77)
        var buffer = [UInt8](repeating: 0, count: 10)
        do throws(MPIError) {
            try world.recv(into: buffer.mutableSpan, from: .any, tag: .any)
            expect.fail("no error")
        } catch {
            expect.equal(error.code, .truncated, "code")
            expect.equal(error.peer, world.previous, "peer")
            expect.equal(error.tag, 77, "tag")
            expect.equal(error.actualByteCount, 100, "actual bytes")
        }
        try pending.wait()
    },
    Check("recv of an unknown length returns exactly the message") { world, expect in
        for length in lengths {
            let sent = expect.values.elements(TwelveBytes.self, length, stream: world.rank)
            let pending = try world.isend(sent.span, to: .rank(world.next))
            let received = try world.recv(TwelveBytes.self, from: .rank(world.previous))
            try pending.wait()
            expect.equalBytes(
                received, expect.values.elements(length, stream: world.previous), "message")
        }
    },
    Check("a message that is no whole number of elements is refused, and gone") { world, expect in
        let sent: [UInt8] = [1, 2, 3, 4, 5]
        let pending = try world.isend(sent.span, to: .rank(world.next))
        expect.failing(.invalidArgument, "5 bytes as Int32") {
            _ = try world.recv(Int32.self, from: .rank(world.previous))
        }
        try pending.wait()
        _ = try world.barrier()
        expect(try world.iprobe(from: .any, tag: .any) == nil, "the message is still there")
    },
    Check("a send and a receive with none complete at once and empty") { world, expect in
        let sent = [1, 2]
        try world.send(sent.span, to: .none, tag: 3)
        var buffer = [7, 8]
        let status = try world.recv(into: buffer.mutableSpan, from: .none, tag: 3)
        expect.equal(status, .empty, "status")
        expect.equal(buffer, [7, 8], "buffer")
        expect.equal(try world.recv(Int.self, from: .none), [], "elements")
    },
    Check("both of a pair may send a long message first, if nonblocking") { world, expect in
        let sent = expect.values.elements(UInt8.self, 1 << 20, stream: world.rank)
        let peer = world.rank ^ 1
        if peer >= world.size { return }
        let pending = try world.isend(sent.span, to: .rank(peer))
        let received = try world.recv(UInt8.self, from: .rank(peer))
        try pending.wait()
        expect.equalBytes(received, expect.values.elements(1 << 20, stream: peer), "message")
    },
    Check("thousands of messages that nobody waits for yet are all delivered, in order") {
        world, expect in
        // Rank 0's receivers first wait for the message after the flood.
        let count = expect.backend.isSlow ? 200 : 10_000
        if world.rank == 0 {
            for receiver in 1..<max(world.size, 2) {
                let to = receiver % world.size
                var group = world.requests()
                let numbers = Array(0..<count)
                for index in 0..<count {
                    let part = numbers.span.extracting(index..<index + 1)
                    try group.isend(part, to: .rank(to), tag: 1)
                }
                try group.isend(numbers.span.extracting(0..<0), to: .rank(to), tag: 2)
                if to == 0 { try drain(count, world, expect) }
                try group.waitAll()
            }
        } else {
            try drain(count, world, expect)
        }
    },
]

private func drain(
    _ count: Int, _ world: any Communicator, _ expect: Expectations
) throws {
    _ = try world.recv(Int.self, from: 0, tag: 2)
    var wrong: Int?
    var number = [0]
    for index in 0..<count {
        try world.recv(into: number.mutableSpan, from: 0, tag: 1)
        if number[0] != index && wrong == nil { wrong = index }
    }
    expect(wrong == nil, "message \(wrong ?? 0) is another one")
}

private func ring<Element: BitwiseCopyable>(
    _ type: Element.Type, _ world: any Communicator, _ expect: Expectations
) throws {
    let sent = expect.values.elements(type, 1000, stream: world.rank)
    let expected = expect.values.elements(type, 1000, stream: world.previous)
    let pending = try world.isend(sent.span, to: .rank(world.next))
    var received = Array(repeating: poison(type), count: 1000)
    let status = try world.recv(into: received.mutableSpan, from: .rank(world.previous))
    try pending.wait()
    expect.equalBytes(received, expected, "\(type)")
    expect.equal(status.count(of: type), 1000, "count of \(type)")

    // One value travels without its padding becoming part of the message's length.
    let single = try world.isend(sent.span.extracting(0..<1), to: .rank(world.next))
    let value = try world.recv(type, from: .rank(world.previous))
    try single.wait()
    expect.equalBytes(value, Array(expected.prefix(1)), "one \(type)")
}
