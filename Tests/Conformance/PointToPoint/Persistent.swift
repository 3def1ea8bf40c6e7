// Persistent requests (MPI 4.1 §3.9): the same operation, started again and again.

import MessagePassing

let persistentChecks: [Check] = [
    Check("persistent requests carry what the buffer holds at each start") { world, expect in
        for count in [1, 1000, 70_000] {
            var outgoing = Array(repeating: 0, count: count)
            var incoming = Array(repeating: -1, count: count)
            var send = try world.persistentSend(
                outgoing.mutableSpan, to: .rank(world.next), tag: 4)
            var recv = try world.persistentRecv(
                into: incoming.mutableSpan, from: .rank(world.previous), tag: 4)
            for round in 0..<5 {
                send.withElements { elements in
                    for index in elements.indices {
                        elements[index] = world.rank * 1_000_000 + round * 100_000 + index
                    }
                }
                try recv.start()
                try send.start()
                let status = try recv.wait()
                try send.wait()
                expect.equal(status.source, world.previous, "source")
                let first = world.previous * 1_000_000 + round * 100_000
                let isRight = recv.withElements { elements in
                    elements.indices.allSatisfy { elements[$0] == first + $0 }
                }
                expect(isRight, "round \(round) of \(count) elements")
            }
        }
    },
    Check("a persistent request is inactive until it is started, and after it is complete") {
        world, expect in
        var buffer = [world.rank]
        var request = try world.persistentSend(buffer.mutableSpan, to: .rank(world.next))
        expect.equal(request.isActive, false, "before the start")
        expect.equal(try request.wait(), .empty, "status of an inactive request")
        expect.equal(try request.test(), .empty, "test of an inactive request")
        try request.start()
        expect.equal(request.isActive, true, "after the start")
        let received = try world.recv(Int.self, from: .rank(world.previous))
        try request.wait()
        expect.equal(request.isActive, false, "after the wait")
        expect.equal(received, [world.previous], "message")
    },
    Check("starting an active persistent request is an error that harms nothing") {
        world, expect in
        var buffer = [0]
        var request = try world.persistentRecv(
            into: buffer.mutableSpan, from: .rank(world.previous), tag: 9)
        try request.start()
        do throws(MPIError) {
            try request.start()
            expect.fail("started twice")
        } catch {
            expect.equal(error.code, .invalidArgument, "code")
        }
        try world.send([world.rank].span, to: .rank(world.next), tag: 9)
        try request.wait()
        expect.equal(request.withElements { $0[0] }, world.previous, "message")
    },
    Check("a persistent receive that is cancelled or dropped takes no message") { world, expect in
        var buffer = [0]
        do {
            var request = try world.persistentRecv(
                into: buffer.mutableSpan, from: .rank(world.previous), tag: 2)
            try request.start()
            expect.equal(try request.cancel(), true, "cancelled")
            try request.start()
        }
        // Nobody sends before all receives are gone.
        try world.barrier()
        try world.send([5].span, to: .rank(world.next), tag: 2)
        expect.equal(
            try world.recv(Int.self, from: .rank(world.previous), tag: 2), [5], "message")
        expect.equal(buffer, [0], "buffer")
    },
]
