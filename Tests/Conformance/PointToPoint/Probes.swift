// Probes: what would be received? And matched probes: this message is mine (MPI 4.1 §3.8).

import MessagePassing

let probeChecks: [Check] = [
    Check("iprobe finds nothing where nothing was sent") { world, expect in
        expect(try world.iprobe(from: .any, tag: .any) == nil, "a message from nowhere")
        expect(try world.iprobe(from: .rank(world.previous), tag: 3) == nil, "from the left")
        try world.barrier()
    },
    Check("a probe tells sender, tag and length, and leaves the message there") { world, expect in
        let sent = expect.values.elements(UInt8.self, 777, stream: world.rank)
        let send = try world.isend(sent.span, to: .rank(world.next), tag: 12)
        let expected = Status(source: world.previous, tag: 12, byteCount: 777)
        expect.equal(try world.probe(from: .any, tag: .any), expected, "probe of any")
        expect.equal(
            try world.probe(from: .rank(world.previous), tag: 12), expected, "specific probe")
        expect.equal(try world.iprobe(from: .any, tag: 12), expected, "iprobe")
        expect(try world.iprobe(from: .any, tag: 13) == nil, "iprobe of another tag")
        let received = try world.recv(UInt8.self, from: .rank(world.previous), tag: 12)
        try send.wait()
        expect.equalBytes(
            received, expect.values.elements(777, stream: world.previous), "message")
        expect(try world.iprobe(from: .any, tag: 12) == nil, "the message is still there")
    },
    Check("a probe knows the length of a long message before it is received") { world, expect in
        let sent = expect.values.elements(UInt8.self, 2_000_000, stream: world.rank)
        let send = try world.isend(sent.span, to: .rank(world.next))
        expect.equal(try world.probe(from: .any).byteCount, 2_000_000, "length")
        let received = try world.recv(UInt8.self, from: .any)
        try send.wait()
        expect.equalBytes(
            received, expect.values.elements(2_000_000, stream: world.previous), "message")
    },
    Check("a probe of any returns the first message of a sender") { world, expect in
        let sends = [1, 2]
        var group = world.requests()
        try group.isend(sends.span.extracting(0..<1), to: .rank(world.next), tag: 7)
        try group.isend(sends.span, to: .rank(world.next), tag: 6)
        let status = try world.probe(from: .rank(world.previous), tag: .any)
        expect.equal(status.tag, 7, "tag")
        _ = try world.recv(Int.self, from: .any, tag: 6)
        _ = try world.recv(Int.self, from: .any, tag: 7)
        try group.waitAll()
    },
    Check("a claimed message is no one else's") { world, expect in
        let sends = [1, 2]
        var group = world.requests()
        try group.isend(sends.span.extracting(0..<1), to: .rank(world.next), tag: 4)
        try group.isend(sends.span.extracting(1..<2), to: .rank(world.next), tag: 4)
        let message = try world.mprobe(from: .rank(world.previous), tag: 4)
        expect.equal(
            message.status, Status(source: world.previous, tag: 4, byteCount: 8), "status")
        let second = try world.recv(Int.self, from: .any, tag: .any)
        expect.equal(second, [2], "what a receive gets meanwhile")
        expect(try world.iprobe(from: .any, tag: .any) == nil, "a probe sees the claimed message")
        expect.equal(try message.recv(Int.self), [1], "the claimed message")
        try group.waitAll()
    },
    Check("improbe claims a message once it is there") { world, expect in
        if try world.improbe(from: .any, tag: .any) != nil { expect.fail("claimed nothing") }
        try world.barrier()
        let sent = expect.values.elements(TwelveBytes.self, 100_000, stream: world.rank)
        let send = try world.isend(sent.span, to: .rank(world.next), tag: 1)
        var isClaimed = false
        while !isClaimed {
            if let message = try world.improbe(from: .any, tag: 1) {
                expect.equal(message.status.count(of: TwelveBytes.self), 100_000, "length")
                let received = try message.recv(TwelveBytes.self)
                expect.equalBytes(
                    received, expect.values.elements(100_000, stream: world.previous), "message")
                isClaimed = true
            }
        }
        try send.wait()
    },
    Check("claimed messages may be received in any order") { world, expect in
        let sends = Array(0..<3)
        var group = world.requests()
        for index in 0..<3 {
            try group.isend(
                sends.span.extracting(index..<index + 1), to: .rank(world.next), tag: 2)
        }
        let first = try world.mprobe(from: .any, tag: 2)
        let second = try world.mprobe(from: .any, tag: 2)
        let third = try world.mprobe(from: .any, tag: 2)
        expect.equal(try third.recv(Int.self), [2], "third")
        expect.equal(try first.recv(Int.self), [0], "first")
        expect.equal(try second.recv(Int.self), [1], "second")
        try group.waitAll()
    },
    Check("a claimed message received into a short buffer is a truncation error") {
        world, expect in
        let send = try world.isend([1, 2, 3].span, to: .rank(world.next))
        let message = try world.mprobe(from: .any)
        var short = [0]
        do throws(MPIError) {
            try message.recv(into: short.mutableSpan)
            expect.fail("no error")
        } catch {
            expect.equal(error.code, .truncated, "code")
        }
        try send.wait()
    },
    Check("a claimed empty message is received empty") { world, expect in
        let nothing: [Int] = []
        let send = try world.isend(nothing.span, to: .rank(world.next), tag: 5)
        let message = try world.mprobe(from: .rank(world.previous), tag: 5)
        expect.equal(try message.recv(Int.self), [], "elements")
        try send.wait()
    },
    Check("probes of none are empty at once") { world, expect in
        expect.equal(try world.probe(from: .none, tag: 1), .empty, "probe")
        expect.equal(try world.iprobe(from: .none, tag: 1), .empty, "iprobe")
        let message = try world.mprobe(from: .none, tag: 1)
        expect.equal(message.status, .empty, "mprobe")
        expect.equal(try message.recv(Int.self), [], "its message")
    },
]
