// Messages of one pair, tag and communicator never overtake each other (MPI 4.1 §3.5).

import MessagePassing

let orderChecks: [Check] = [
    Check("long messages do not fall behind short ones") { world, expect in
        // Lengths on both sides of every eager limit, alternating.
        let sizes = (0..<120).map { [8, 70_000, 16, 300_000, 24, 5000][$0 % 6] }
        let longest = expect.values.elements(UInt8.self, 300_000, stream: world.rank)
        var group = world.requests()
        for (index, size) in sizes.enumerated() {
            let start = index * 7
            try group.isend(
                longest.span.extracting(start..<start + min(size, 290_000)),
                to: .rank(world.next))
        }
        let expected = expect.values.elements(UInt8.self, 300_000, stream: world.previous)
        for (index, size) in sizes.enumerated() {
            let received = try world.recv(UInt8.self, from: .rank(world.previous))
            let start = index * 7
            expect.equalBytes(
                received, Array(expected[start..<start + min(size, 290_000)]), "message \(index)")
        }
        try group.waitAll()
    },
    Check("receives posted before the messages are filled in the order posted") {
        world, expect in
        let count = 200
        var received = Array(repeating: -1, count: count)
        let sent = Array(0..<count)
        try received.withUnsafeMutableBytes { buffer in
            var receives: [RequestHandle] = []
            for index in 0..<count {
                let place = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[8 * index..<8 * index + 8])
                receives.append(
                    try world.irecv(
                        into: place, from: .rank(world.previous), tag: 0, context: .pointToPoint))
            }
            try world.barrier()
            var sends = world.requests()
            for index in sent {
                try sends.isend(sent.span.extracting(index..<index + 1), to: .rank(world.next))
            }
            for receive in receives { _ = try world.wait(receive) }
            try sends.waitAll()
        }
        expect.equal(received, sent, "buffers")
    },
    Check("messages before and after the receive is posted keep their order") { world, expect in
        var group = world.requests()
        let sent = Array(0..<100)
        for index in 0..<50 {
            try group.isend(sent.span.extracting(index..<index + 1), to: .rank(world.next))
        }
        try world.barrier()
        var received: [Int] = []
        for _ in 0..<25 { received += try world.recv(Int.self, from: .any) }
        for index in 50..<100 {
            try group.isend(sent.span.extracting(index..<index + 1), to: .rank(world.next))
        }
        for _ in 25..<100 { received += try world.recv(Int.self, from: .any) }
        try group.waitAll()
        expect.equal(received, sent, "messages")
    },
    Check("messages of several senders interleave, each sender's in order") { world, expect in
        let count = 300
        let mine = (0..<count).map { world.rank * count + $0 }
        var group = world.requests()
        for index in 0..<count {
            try group.isend(mine.span.extracting(index..<index + 1), to: 0, tag: 2)
        }
        if world.rank == 0 {
            var nextOf = Array(repeating: 0, count: world.size)
            for _ in 0..<count * world.size {
                var value = [0]
                let status = try world.recv(into: value.mutableSpan, from: .any, tag: 2)
                guard let source = status.source else {
                    expect.fail("a status without a source")
                    continue
                }
                expect(
                    value[0] == source * count + nextOf[source],
                    "rank \(source): message \(value[0] % count), not \(nextOf[source])")
                nextOf[source] += 1
            }
        }
        try group.waitAll()
    },
]
