// Which message a receive takes: by source, by tag, by both, or any.

import MessagePassing

let selectionChecks: [Check] = [
    Check("tags select messages, whatever the order of arrival") { world, expect in
        let sent = [10, 20, 30]
        var group = world.requests()
        for index in 0..<3 {
            try group.isend(
                sent.span.extracting(index..<index + 1), to: .rank(world.next),
                tag: Tag(index + 1))
        }
        for index in [2, 0, 1] {
            let value = try world.recv(Int.self, from: .rank(world.previous), tag: Tag(index + 1))
            expect.equal(value, [sent[index]], "tag \(index + 1)")
        }
        try group.waitAll()
    },
    Check("the largest tag is a tag") { world, expect in
        let pending = try world.isend([1].span, to: .rank(world.next), tag: .upperBound)
        let status = try world.probe(from: .any, tag: .any)
        expect.equal(status.tag, .upperBound, "tag")
        let value = try world.recv(Int.self, from: .rank(world.previous), tag: .upperBound)
        try pending.wait()
        expect.equal(value, [1], "value")
    },
    Check("a receive from any source gets every rank's message once") { world, expect in
        let pending = try world.isend([world.rank].span, to: 0, tag: 4)
        if world.rank == 0 {
            var seen = Set<Int>()
            for _ in 0..<world.size {
                var value = [-1]
                let status = try world.recv(into: value.mutableSpan, from: .any, tag: 4)
                expect.equal(status.source, value[0], "source in the status")
                seen.insert(value[0])
            }
            expect.equal(seen, Set(0..<world.size), "senders")
        }
        try pending.wait()
    },
    Check("a receive with any tag gets the messages of one sender in order") { world, expect in
        let sent = Array(0..<20)
        var group = world.requests()
        for index in sent {
            try group.isend(
                sent.span.extracting(index..<index + 1), to: .rank(world.next),
                tag: Tag((index * 7) % 5))
        }
        for index in sent {
            var value = [-1]
            let status = try world.recv(
                into: value.mutableSpan, from: .rank(world.previous), tag: .any)
            expect.equal(value[0], index, "message")
            expect.equal(status.tag, Tag((index * 7) % 5), "tag")
        }
        try group.waitAll()
    },
    Check("posted receives with and without a source share messages as posted") {
        world, expect in
        // From the last rank come 1 then 2: the specific receive, posted first, gets 1.
        let last = world.size - 1
        if world.rank == 0 {
            var specific = [0]
            var wild = [0]
            let first = try world.irecv(
                into: specific.mutableSpan, from: .rank(last), tag: 6)
            let second = try world.irecv(into: wild.mutableSpan, from: .any, tag: .any)
            try signalReady(world, last)
            let status = try first.wait()
            let wildStatus = try second.wait()
            expect.equal(specific, [1], "the specific receive")
            expect.equal(wild, [2], "the receive from any")
            expect.equal(status.source, last, "source")
            expect.equal(wildStatus.source, last, "source of any")
            expect.equal(wildStatus.tag, 6, "tag of any")
        }
        if world.rank == last && last > 0 {
            try awaitReady(world)
            try world.send(1, to: 0, tag: 6)
            try world.send(2, to: 0, tag: 6)
        }
    },
    Check("a receive from any, posted first, goes before a specific one") { world, expect in
        let last = world.size - 1
        if world.rank == 0 {
            var wild = [0]
            var specific = [0]
            let first = try world.irecv(into: wild.mutableSpan, from: .any, tag: 6)
            let second = try world.irecv(
                into: specific.mutableSpan, from: .rank(last), tag: 6)
            try signalReady(world, last)
            try first.wait()
            try second.wait()
            expect.equal(wild, [1], "the receive from any")
            expect.equal(specific, [2], "the specific receive")
        }
        if world.rank == last && last > 0 {
            try awaitReady(world)
            try world.send(1, to: 0, tag: 6)
            try world.send(2, to: 0, tag: 6)
        }
    },
    Check("a receive passes by messages of other tags and sources") { world, expect in
        // Everyone sends rank 0 two tags; it asks for them source by source, backwards.
        let sent = [world.rank, world.rank + 1000]
        var group = world.requests()
        try group.isend(sent.span.extracting(0..<1), to: 0, tag: 1)
        try group.isend(sent.span.extracting(1..<2), to: 0, tag: 2)
        if world.rank == 0 {
            for source in (0..<world.size).reversed() {
                let second = try world.recv(Int.self, from: .rank(source), tag: 2)
                let first = try world.recv(Int.self, from: .rank(source), tag: 1)
                expect.equal(first, [source], "tag 1 of rank \(source)")
                expect.equal(second, [source + 1000], "tag 2 of rank \(source)")
            }
        }
        try group.waitAll()
    },
]

/// Rank 0 has posted its receives. A message to oneself is in order anyway.
private func signalReady(_ world: any Communicator, _ last: Int) throws {
    if last != 0 {
        try world.send(0, to: .rank(last), tag: 99)
    } else {
        for value in [1, 2] { try world.send(value, to: 0, tag: 6) }
    }
}

private func awaitReady(_ world: any Communicator) throws {
    _ = try world.recv(Int.self, from: 0, tag: 99)
}
