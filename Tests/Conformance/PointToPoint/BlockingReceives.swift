// Blocking receives, which a transport may carry out without posting a receive: what stands in front
// of their message, behind it, or waits for it already, must not be noticed.

import MessagePassing

let blockingReceiveChecks: [Check] = [
    Check("short messages one behind the other fill buffers that are too long, each its own") {
        world, expect in
        let lengths = [0, 1, 64, 1000, 5, 16_319, 16_320, 16_384, 16_385, 3, 70_000, 0, 262_144, 9]
        let longest = expect.values.elements(UInt8.self, 262_144, stream: world.rank)
        let expected = expect.values.elements(UInt8.self, 262_144, stream: world.previous)
        for excess in [0, 1, 100, 20_000] {
            var sends = world.requests()
            for length in lengths {
                try sends.isend(longest.span.extracting(0..<length), to: .rank(world.next), tag: 1)
            }
            for length in lengths {
                let label = "\(length) bytes into \(length + excess)"
                let received = guarded(length + excess, of: UInt8.self, expect, label) { buffer in
                    do throws(MPIError) {
                        let status = try world.recv(
                            into: buffer, from: .rank(world.previous), tag: 1,
                            context: .pointToPoint)
                        expect.equal(status.byteCount, length, "length, \(label)")
                        expect.equal(status.source, world.previous, "source, \(label)")
                        expect.equal(status.tag, 1, "tag, \(label)")
                    } catch {
                        expect.fail("\(label): \(error)")
                    }
                }
                expect.equalBytes(
                    received,
                    expected.prefix(length) + Array(repeating: poison(), count: excess), label)
            }
            try sends.waitAll()
        }
    },
    Check("a receive started before takes the first message") { world, expect in
        for length in [8, 30_000, 600_000] {
            for isSurelyFirst in [true, false] {
                let both = expect.values.elements(UInt8.self, 2 * length, stream: world.rank)
                var first = Array(repeating: UInt8(0), count: length)
                var second = first
                if !isSurelyFirst { try world.barrier() }
                let receive = try world.irecv(
                    into: first.mutableSpan, from: .rank(world.previous), tag: 2)
                if isSurelyFirst { try world.barrier() }
                var sends = world.requests()
                for part in [0..<length, length..<2 * length] {
                    try sends.isend(both.span.extracting(part), to: .rank(world.next), tag: 2)
                }
                try world.recv(into: second.mutableSpan, from: .rank(world.previous), tag: 2)
                _ = try receive.wait()
                try sends.waitAll()
                expect.equalBytes(
                    first + second,
                    expect.values.elements(UInt8.self, 2 * length, stream: world.previous),
                    "two messages of \(length) bytes")
            }
        }
    },
    Check("a message that has come is received before another of its tag that comes") {
        world, expect in
        for length in [4, 40_000] {
            let mine = expect.values.elements(UInt8.self, 3 * length, stream: world.rank)
            var sends = world.requests()
            for (part, tag) in [(0, 1), (1, 2), (2, 1)] as [(Int, Tag)] {
                try sends.isend(
                    mine.span.extracting(part * length..<(part + 1) * length),
                    to: .rank(world.next), tag: tag)
            }
            var received: [UInt8] = []
            for tag in [2, 1, 1] as [Tag] {
                var part = Array(repeating: UInt8(0), count: length)
                try world.recv(into: part.mutableSpan, from: .rank(world.previous), tag: tag)
                received += part
            }
            try sends.waitAll()
            let theirs = expect.values.elements(UInt8.self, 3 * length, stream: world.previous)
            let inTurn = theirs[length..<2 * length] + theirs[..<length] + theirs[(2 * length)...]
            expect.equalBytes(received, Array(inTurn), "messages of \(length) bytes")
        }
    },
    Check("messages of other tags, communicators and collectives may stand in front") {
        world, expect in
        let other = try world.dup()
        for (round, length) in [1, 2000, 20_000, 300_000].enumerated() {
            let mine = expect.values.elements(UInt8.self, length, stream: world.rank)
            let theirs = expect.values.elements(UInt8.self, length, stream: world.previous)
            var sends = world.requests()
            var otherSends = other.requests()
            try sends.isend(mine.span, to: .rank(world.next), tag: 3)
            try otherSends.isend(mine.span, to: .rank(world.next), tag: 4)
            var sum = [round]
            let summing = try world.iallreduce(inPlace: sum.mutableSpan, .sum)
            try sends.isend(mine.span, to: .rank(world.next), tag: 4)
            var buffers = Array(repeating: Array(repeating: UInt8(0), count: length), count: 3)
            try world.recv(into: buffers[0].mutableSpan, from: .rank(world.previous), tag: 4)
            try other.recv(into: buffers[1].mutableSpan, from: .rank(world.previous), tag: 4)
            try world.recv(into: buffers[2].mutableSpan, from: .rank(world.previous), tag: 3)
            for (place, buffer) in buffers.enumerated() {
                expect.equalBytes(buffer, theirs, "message \(place) of \(length) bytes")
            }
            _ = try summing.wait()
            try sends.waitAll()
            try otherSends.waitAll()
            expect.equal(sum, [round * world.size], "sum")
        }
    },
    Check("a message too long for its buffer is refused, and what is behind it arrives") {
        world, expect in
        for length in expect.backend.truncatesLongMessages ? [20, 30_000, 400_000] : [20, 500] {
            let mine = expect.values.elements(UInt8.self, length, stream: world.rank)
            var sends = world.requests()
            try sends.isend(mine.span, to: .rank(world.next), tag: 5)
            try sends.isend(mine.span.extracting(0..<7), to: .rank(world.next), tag: 5)
            _ = guarded(length - 1, of: UInt8.self, expect, "\(length) bytes") { buffer in
                expect.failing(.truncated, "\(length) bytes into one less") {
                    _ = try world.recv(
                        into: buffer, from: .rank(world.previous), tag: 5, context: .pointToPoint)
                }
            }
            var rest = Array(repeating: UInt8(0), count: 7)
            try world.recv(into: rest.mutableSpan, from: .rank(world.previous), tag: 5)
            try sends.waitAll()
            let theirs = expect.values.elements(UInt8.self, length, stream: world.previous)
            expect.equalBytes(rest, Array(theirs.prefix(7)), "behind \(length) bytes")
        }
    },
    Check("a long message goes on while two other ranks exchange short ones") { world, expect in
        // Ranks 0 and 1 exchange until the last one's message, which nobody waits for, is received.
        guard world.size > 2 else { return }
        let last = world.size - 1
        let expected = expect.values.elements(UInt8.self, 2_000_000, stream: 11)
        var theirs = Array(repeating: UInt8(0), count: expected.count)
        if world.rank == last {
            try world.send(expected.span, to: 0, tag: 6)
            try world.send(1, to: 1, tag: 7)
        } else if world.rank == 0 {
            let long = try world.irecv(into: theirs.mutableSpan, from: .rank(last), tag: 6)
            var word = [0]
            var exchanges = 0
            while word == [0] {
                try world.send(0, to: 1, tag: 8)
                try world.recv(into: word.mutableSpan, from: 1, tag: 8)
                exchanges += 1
                guard exchanges < 1_000_000 else {
                    throw MPIError(
                        .programFailed, operation: "recv",
                        reason: "the long message makes no progress meanwhile")
                }
            }
            _ = try long.wait()
            expect.equalBytes(theirs, expected, "the long message")
        } else if world.rank == 1 {
            var word = [0]
            var isOver = 0
            while isOver == 0 {
                try world.recv(into: word.mutableSpan, from: 0, tag: 8)
                if try world.iprobe(from: .rank(last), tag: 7) != nil {
                    isOver = try world.recv(Int.self, from: .rank(last), tag: 7)[0]
                }
                try world.send(isOver, to: 0, tag: 8)
            }
        }
    },
    Check("threads that receive from one rank at once get each their own messages") {
        world, expect in
        let receivers = 3
        let messages = expect.backend.isSlow ? 20 : 400
        let ended = onThreads(receivers + 1) { thread in
            guard thread < receivers else {
                for number in 0..<messages {
                    for tag in 0..<receivers {
                        try world.send(
                            1000 * tag + number, to: .rank(world.next), tag: Tag(20 + tag))
                    }
                }
                return "all"
            }
            var word = [0]
            for number in 0..<messages {
                let source: Source = thread == 2 ? .any : .rank(world.previous)
                try world.recv(into: word.mutableSpan, from: source, tag: Tag(20 + thread))
                guard word == [1000 * thread + number] else { return "\(word) for \(number)" }
            }
            return "all"
        }
        expect.equal(ended, Array(repeating: "all", count: receivers + 1), "threads")
    },
    Check("a thread sends to its own rank what another thread of it waits or probes for") {
        world, expect in
        let exchanges = expect.backend.isSlow ? 20 : 200
        let ended = onThreads(2) { thread in
            let own = Source.rank(world.rank)
            for number in 0..<exchanges {
                if thread == 0 { try world.send(number, to: .rank(world.rank), tag: 30) }
                if number % 2 == 1 {
                    let status = try world.probe(from: own, tag: Tag(31 - thread))
                    guard status.byteCount == 8 else { return "\(status) for \(number)" }
                }
                let word = try world.recv(Int.self, from: own, tag: Tag(31 - thread))
                guard word == [number] else { return "\(word) for \(number)" }
                if thread == 1 { try world.send(number, to: .rank(world.rank), tag: 31) }
            }
            return "all"
        }
        expect.equal(ended, ["all", "all"], "threads")
    },
    Check("many exchanges in turn, of lengths that change, arrive unchanged") { world, expect in
        guard world.size > 1 else { return }
        let longest = expect.values.elements(UInt8.self, 20_000, stream: 12)
        var buffer = Array(repeating: UInt8(0), count: 20_000)
        for round in 0..<(expect.backend.isSlow ? 20 : 1000) {
            let length = expect.values.number(below: round % 10 == 0 ? 20_000 : 200, 13, round)
            if world.rank == 0 {
                for peer in 1..<world.size {
                    try world.send(longest.span.extracting(0..<length), to: .rank(peer), tag: 9)
                }
            }
            let source = Source.rank(world.rank == 0 ? world.size - 1 : 0)
            let tag = Tag(world.rank == 0 ? 10 : 9)
            let status = try world.recv(into: buffer.mutableSpan, from: source, tag: tag)
            expect.equal(status.byteCount, length, "length in round \(round)")
            expect.equalBytes(
                Array(buffer.prefix(length)), Array(longest.prefix(length)), "round \(round)")
            if world.rank == world.size - 1 {
                try world.send(buffer.span.extracting(0..<length), to: 0, tag: 10)
            }
        }
    },
]
