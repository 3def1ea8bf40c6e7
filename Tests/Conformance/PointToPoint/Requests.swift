// One pending operation: wait, test, cancel, and what happens when it is dropped.

import MessagePassing

let requestChecks: [Check] = [
    Check("wait returns the status of the receive") { world, expect in
        var received = [0.0, 0.0]
        let receive = try world.irecv(
            into: received.mutableSpan, from: .any, tag: .any)
        let send = try world.isend([2.5].span, to: .rank(world.next), tag: 8)
        let status = try receive.wait()
        try send.wait()
        expect.equal(status, Status(source: world.previous, tag: 8, byteCount: 8), "status")
        expect.equal(received, [2.5, 0], "buffer")
    },
    Check("test is nil until the message is there, then its status") { world, expect in
        var received = [0]
        var receive = try world.irecv(into: received.mutableSpan, from: .rank(world.previous))
        if try receive.test() != nil { expect.fail("complete before anything was sent") }
        try world.barrier()
        let send = try world.isend([5].span, to: .rank(world.next))
        var status: Status?
        while status == nil { status = try receive.test() }
        try send.wait()
        expect.equal(status?.source, world.previous, "source")
        expect.equal(received, [5], "buffer")
    },
    Check("the status of a send is empty") { world, expect in
        let send = try world.isend([5].span, to: .rank(world.next), tag: 3)
        let received = try world.recv(Int.self, from: .rank(world.previous), tag: 3)
        let status = try send.wait()
        expect.equal(status, .empty, "status")
        expect.equal(received, [5], "message")
    },
    Check("a receive that nothing matched can be cancelled, and then takes no message") {
        world, expect in
        var abandoned = [7]
        let receive = try world.irecv(
            into: abandoned.mutableSpan, from: .rank(world.previous), tag: 1)
        let wasCancelled = try receive.cancel()
        expect(wasCancelled, "not cancelled")
        try world.barrier()
        let send = try world.isend([8].span, to: .rank(world.next), tag: 1)
        let received = try world.recv(Int.self, from: .rank(world.previous), tag: 1)
        try send.wait()
        expect.equal(received, [8], "the next receive")
        expect.equal(abandoned, [7], "the cancelled receive's buffer")
    },
    Check("a receive that has its message cannot be cancelled") { world, expect in
        let send = try world.isend([9].span, to: .rank(world.rank), tag: 1)
        _ = try world.probe(from: .rank(world.rank), tag: 1)
        var received = [0]
        let receive = try world.irecv(into: received.mutableSpan, from: .rank(world.rank), tag: 1)
        let wasCancelled = try receive.cancel()
        try send.wait()
        expect(!wasCancelled, "cancelled though matched")
        expect.equal(received, [9], "buffer")
    },
    Check("a send is not cancelled but completed") { world, expect in
        var received = [0]
        let receive = try world.irecv(into: received.mutableSpan, from: .rank(world.previous))
        let send = try world.isend([4].span, to: .rank(world.next))
        let wasCancelled = try send.cancel()
        try receive.wait()
        expect(!wasCancelled, "a send said it was cancelled")
        expect.equal(received, [4], "the message")
    },
    Check("dropping a receive that nothing matched withdraws it") { world, expect in
        var abandoned = [7]
        do {
            let receive = try world.irecv(
                into: abandoned.mutableSpan, from: .rank(world.previous), tag: 1)
            _ = consume receive
        }
        try world.barrier()
        let send = try world.isend([8].span, to: .rank(world.next), tag: 1)
        let received = try world.recv(Int.self, from: .rank(world.previous), tag: 1)
        try send.wait()
        expect.equal(received, [8], "the next receive")
        expect.equal(abandoned, [7], "the dropped receive's buffer")
    },
    Check("dropping a send still delivers it") { world, expect in
        for length in [1, 100_000] {
            let sent = expect.values.elements(Int.self, length, stream: world.rank)
            var received = Array(repeating: 0, count: length)
            let receive = try world.irecv(into: received.mutableSpan, from: .rank(world.previous))
            do {
                let send = try world.isend(sent.span, to: .rank(world.next))
                _ = consume send
            }
            try receive.wait()
            expect.equalBytes(
                received, expect.values.elements(length, stream: world.previous), "message")
        }
    },
    Check("dropping a request that failed in test is harmless") { world, expect in
        var short: [UInt8] = [0]
        let send = try world.isend([UInt8(1), 2, 3].span, to: .rank(world.next))
        do {
            var receive = try world.irecv(
                into: short.mutableSpan, from: .rank(world.previous))
            expect.failing(.truncated, "test") {
                while try receive.test() == nil {}
            }
        }
        try send.wait()
        expect.equal(try world.allreduce(1, .sum), world.size, "a collective afterwards")
    },
    Check("a request with none is complete at once") { world, expect in
        var buffer = [3]
        var receive = try world.irecv(into: buffer.mutableSpan, from: .none)
        let status = try receive.test()
        expect.equal(status, .empty, "status of the receive")
        let sent = try world.isend([1].span, to: .none).wait()
        expect.equal(sent, .empty, "status of the send")
    },
]
