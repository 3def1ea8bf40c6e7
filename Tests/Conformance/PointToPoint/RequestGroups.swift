// Many pending operations: waitAll, waitAny, waitSome, and their test forms.

import MessagePassing

let requestGroupChecks: [Check] = [
    Check("waitAll returns the statuses in the order of addition") { world, expect in
        let sent = [1, 2, 3]
        var a = [0]
        var b = [0, 0]
        var c = [0, 0, 0]
        var group = world.requests()
        try group.irecv(into: c.mutableSpan, from: .rank(world.previous), tag: 3)
        try group.isend(sent.span.extracting(0..<1), to: .rank(world.next), tag: 1)
        try group.irecv(into: a.mutableSpan, from: .rank(world.previous), tag: 1)
        try group.isend(sent.span.extracting(0..<2), to: .rank(world.next), tag: 2)
        try group.irecv(into: b.mutableSpan, from: .rank(world.previous), tag: 2)
        try group.isend(sent.span, to: .rank(world.next), tag: 3)
        let statuses = try group.waitAll()
        expect.equal(statuses.map(\.byteCount), [24, 0, 8, 0, 16, 0], "lengths")
        expect.equal(statuses.map(\.tag), [3, .any, 1, .any, 2, .any], "tags")
        expect.equal(group.pendingCount, 0, "pending")
        expect.equal([a, b, c], [[1], [1, 2], [1, 2, 3]], "buffers")
    },
    Check("a group of nothing is complete") { world, expect in
        var group = world.requests()
        expect.equal(try group.waitAll().count, 0, "waitAll")
        expect(try group.waitAny() == nil, "waitAny")
        expect.equal(try group.waitSome().count, 0, "waitSome")
        expect.equal(try group.testSome().count, 0, "testSome")
        expect(try group.testAny() == nil, "testAny")
        expect(try group.test(), "test")
    },
    Check("a group may hold operations with .none, as at the edge of a halo exchange") {
        world, expect in
        let isFirst = world.rank == 0
        let isLast = world.rank == world.size - 1
        let mine = [world.rank]
        for usesWaitAny in [false, true] {
            var left = [-1]
            var group = world.requests()
            try group.irecv(
                into: left.mutableSpan, from: isFirst ? .none : .rank(world.rank - 1), tag: 8)
            try group.isend(
                mine.span, to: isLast ? .none : .rank(world.rank + 1), tag: 8)
            if usesWaitAny {
                while try group.waitAny() != nil {}
            } else {
                let statuses = try group.waitAll()
                expect.equal(statuses[0].source, isFirst ? nil : world.rank - 1, "source")
            }
            expect.equal(left, [isFirst ? -1 : world.rank - 1], "left, by any: \(usesWaitAny)")
        }
    },
    Check("waitAny gives every operation once") { world, expect in
        let peers = world.size
        let mine = [world.rank]
        var received = [Int](repeating: -1, count: peers)
        try received.withUnsafeMutableBytes { buffer in
            var handles: [RequestHandle] = []
            for source in 0..<peers {
                handles.append(
                    try world.irecv(
                        into: UnsafeMutableRawBufferPointer(
                            rebasing: buffer[8 * source..<8 * source + 8]),
                        from: .rank(source), tag: 0, context: .pointToPoint))
            }
            var sends = world.requests()
            for peer in 0..<peers { try sends.isend(mine.span, to: .rank(peer)) }
            while !handles.isEmpty {
                var index = -1
                let status = try handles.withUnsafeBufferPointer {
                    try world.waitAny($0, index: &index)
                }
                expect.equal(status.byteCount, 8, "length")
                handles.remove(at: index)
            }
            try sends.waitAll()
        }
        expect.equal(received, Array(0..<peers), "buffers")
    },
    Check("waitAny on a group tells the index it was added at") { world, expect in
        var late = [0]
        var soon = [0]
        var group = world.requests()
        try group.irecv(into: late.mutableSpan, from: .rank(world.previous), tag: 1)
        try group.irecv(into: soon.mutableSpan, from: .rank(world.previous), tag: 2)
        let first = try world.isend([22].span, to: .rank(world.next), tag: 2)
        let one = try group.waitAny()
        expect.equal(one?.index, 1, "the one that is complete")
        try first.wait()
        try world.barrier()
        let second = try world.isend([11].span, to: .rank(world.next), tag: 1)
        let other = try group.waitAny()
        expect.equal(other?.index, 0, "the other one")
        expect.equal(other?.status.tag, 1, "its tag")
        try second.wait()
        expect(try group.waitAny() == nil, "a third one")
        expect.equal([late, soon], [[11], [22]], "buffers")
    },
    Check("waitSome returns at least one, and all in the end") { world, expect in
        let sent = Array(0..<10)
        var first = Array(repeating: 0, count: 5)
        var second = Array(repeating: 0, count: 5)
        var group = world.requests()
        try group.irecv(into: first.mutableSpan, from: .rank(world.previous), tag: 1)
        try group.irecv(into: second.mutableSpan, from: .rank(world.previous), tag: 2)
        try group.isend(sent.span.extracting(0..<5), to: .rank(world.next), tag: 1)
        try group.isend(sent.span.extracting(5..<10), to: .rank(world.next), tag: 2)
        var indices: [Int] = []
        while group.pendingCount > 0 {
            let some = try group.waitSome()
            expect(!some.isEmpty, "waitSome returned nothing")
            if some.isEmpty { break }
            indices += some.map(\.index)
        }
        expect.equal(indices.sorted(), [0, 1, 2, 3], "indices")
        expect.equal(first + second, sent, "buffers")
    },
    Check("testSome, testAny and test complete a group without blocking") { world, expect in
        var a = [0]
        var b = [0]
        var c = [0]
        var group = world.requests()
        try group.irecv(into: a.mutableSpan, from: .rank(world.previous), tag: 1)
        try group.irecv(into: b.mutableSpan, from: .rank(world.previous), tag: 2)
        try group.irecv(into: c.mutableSpan, from: .rank(world.previous), tag: 3)
        expect.equal(try group.testSome().count, 0, "testSome before anything was sent")
        expect(try group.testAny() == nil, "testAny before anything was sent")
        expect(try !group.test(), "test before anything was sent")
        try world.barrier()
        let sends = [1, 2, 3]
        var sending = world.requests()
        try sending.isend(sends.span.extracting(1..<2), to: .rank(world.next), tag: 2)
        var any: (index: Int, status: Status)?
        while any == nil { any = try group.testAny() }
        expect.equal(any?.index, 1, "testAny")
        try world.barrier()
        try sending.isend(sends.span.extracting(2..<3), to: .rank(world.next), tag: 3)
        var some: [(index: Int, status: Status)] = []
        while some.isEmpty { some = try group.testSome() }
        expect.equal(some.map(\.index), [2], "testSome")
        try world.barrier()
        try sending.isend(sends.span.extracting(0..<1), to: .rank(world.next), tag: 1)
        while try !group.test() {}
        try sending.waitAll()
        expect.equal([a, b, c], [[1], [2], [3]], "buffers")
    },
    Check("waitAll with one truncated receive finishes the others and throws") { world, expect in
        let sent = [1, 2, 3]
        var good = [0, 0, 0]
        var short = [0]
        var group = world.requests()
        try group.isend(sent.span, to: .rank(world.next), tag: 1)
        try group.isend(sent.span, to: .rank(world.next), tag: 2)
        try group.irecv(into: short.mutableSpan, from: .rank(world.previous), tag: 1)
        try group.irecv(into: good.mutableSpan, from: .rank(world.previous), tag: 2)
        do throws(MPIError) {
            try group.waitAll()
            expect.fail("no error")
        } catch {
            expect.equal(error.code, .truncated, "code")
        }
        expect.equal(group.pendingCount, 0, "pending")
        // The second receive was completed, or withdrawn and its message can still be received.
        if good != sent { good = try world.recv(Int.self, from: .rank(world.previous), tag: 2) }
        expect.equal(good, sent, "the other message")
        expect.equal(try world.allreduce(1, .sum), world.size, "a collective afterwards")
    },
    Check("waitAny removes an operation that failed") { world, expect in
        var short = [0]
        let send = try world.isend([1, 2].span, to: .rank(world.next))
        var group = world.requests()
        try group.irecv(into: short.mutableSpan, from: .rank(world.previous))
        do throws(MPIError) {
            _ = try group.waitAny()
            expect.fail("no error")
        } catch {
            expect.equal(error.code, .truncated, "code")
        }
        expect.equal(group.pendingCount, 0, "pending")
        try send.wait()
    },
    Check("dropping a group withdraws its receives and delivers its sends") { world, expect in
        var abandoned = [7]
        var received = [0]
        let receive = try world.irecv(
            into: received.mutableSpan, from: .rank(world.previous), tag: 2)
        do {
            var group = world.requests()
            try group.irecv(into: abandoned.mutableSpan, from: .rank(world.previous), tag: 1)
            try group.isend([5].span, to: .rank(world.next), tag: 2)
            _ = consume group
        }
        try receive.wait()
        expect.equal(received, [5], "the message")
        try world.barrier()
        let send = try world.isend([8].span, to: .rank(world.next), tag: 1)
        expect.equal(
            try world.recv(Int.self, from: .rank(world.previous), tag: 1), [8], "the next one")
        try send.wait()
        expect.equal(abandoned, [7], "the dropped receive's buffer")
    },
    Check("a thousand operations may be pending at once") { world, expect in
        let count = 1000
        let sent = expect.values.elements(Int.self, count, stream: world.rank)
        var received = [Int](repeating: 0, count: count)
        try received.withUnsafeMutableBytes { buffer in
            var handles: [RequestHandle] = []
            for index in (0..<count).reversed() {
                let place = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[8 * index..<8 * index + 8])
                handles.append(
                    try world.irecv(
                        into: place, from: .rank(world.previous), tag: Tag(index),
                        context: .pointToPoint))
            }
            var sends = world.requests()
            for index in 0..<count {
                try sends.isend(
                    sent.span.extracting(index..<index + 1), to: .rank(world.next),
                    tag: Tag(index))
            }
            var statuses = Array(repeating: Status.empty, count: count)
            try statuses.withUnsafeMutableBufferPointer { statuses in
                try handles.withUnsafeBufferPointer { try world.waitAll($0, statuses: statuses) }
            }
            expect.equal(
                statuses.map(\.tag), (0..<count).reversed().map { Tag($0) }, "tags")
            try sends.waitAll()
        }
        expect.equalBytes(
            received, expect.values.elements(count, stream: world.previous), "buffers")
    },
]
