// Synchronous sends (MPI 4.1 §3.4): complete only when the receive has begun.

import MessagePassing

let synchronousChecks: [Check] = [
    Check("a backend without synchronous sends says so") { world, expect in
        if expect.backend.hasSynchronousSends { return }
        expect.failing(.unsupported, "issend") {
            try world.ssend([1].span, to: .rank(world.next))
        }
    },
    Check("a synchronous send is complete only when it is received") { world, expect in
        guard expect.backend.hasSynchronousSends else { return }
        for count in [0, 1, 1000, 100_000] {
            let message: [Int] = expect.values.elements(count, stream: world.rank)
            var send = try world.issend(message.span, to: .rank(world.next), tag: 3)
            var isEarly = false
            for _ in 0..<20 where try send.test() != nil {
                isEarly = true
                break
            }
            expect(!isEarly, "complete before the receive, \(count) elements")
            // The receive follows only after this barrier.
            try world.barrier()
            let received = try world.recv(Int.self, from: .rank(world.previous), tag: 3)
            if !isEarly { try send.wait() }
            let expected: [Int] = expect.values.elements(count, stream: world.previous)
            expect.equalBytes(received, expected, "\(count) elements")
        }
    },
    Check("a synchronous send to a posted receive") { world, expect in
        guard expect.backend.hasSynchronousSends else { return }
        var received = [0]
        let receive = try world.irecv(into: received.mutableSpan, from: .rank(world.previous))
        try world.barrier()
        if world.size > 1 {
            try world.ssend([world.rank].span, to: .rank(world.next))
        } else {
            try world.issend([world.rank].span, to: .rank(0)).wait()
        }
        try receive.wait()
        expect.equal(received, [world.previous], "message")
    },
    Check("standard and synchronous sends do not overtake each other") { world, expect in
        guard expect.backend.hasSynchronousSends else { return }
        let rounds = 30
        let messages = Array(0..<rounds)
        var sends = world.requests()
        for round in 0..<rounds {
            let message = messages.span.extracting(round..<round + 1)
            if round % 3 == 0 {
                sends.add(try world.issend(message, to: .rank(world.next)))
            } else {
                sends.add(try world.isend(message, to: .rank(world.next)))
            }
        }
        for round in 0..<rounds {
            let message = try world.recv(Int.self, from: .rank(world.previous))
            expect.equal(message, [round], "round \(round)")
        }
        try sends.waitAll()
    },
]
