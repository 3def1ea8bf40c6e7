// Programs drawn from the seed: every rank draws the same program, runs its part, and knows what
// must come out. A failure names the seed, and `--seed` runs it again.

import MessagePassing

let randomChecks: [Check] = [
    Check("random messages arrive where and in the order they were sent") { world, expect in
        for round in 0..<(expect.backend.isSlow ? 2 : 20) {
            try RandomMessages(round, world.size, expect.values).run(world, expect)
        }
    },
    Check("random collectives give what the serial program gives") { world, expect in
        for step in 0..<(expect.backend.isSlow ? 40 : 300) {
            try randomCollective(step, world, expect)
        }
    },
    Check("random collectives in random groups") { world, expect in
        for round in 0..<(expect.backend.isSlow ? 3 : 15) {
            let colors = expect.values.number(below: world.size, 70, round) + 1
            let color = expect.values.number(below: colors, 71 + round, world.rank)
            let key = expect.values.number(below: 100, 171 + round, world.rank)
            guard let group = try world.split(color: color, key: key) else {
                expect.fail("no communicator in round \(round)")
                continue
            }
            for step in 0..<10 {
                try randomCollective(1000 * round + 10 * color + step, group, expect)
            }
        }
    },
]

/// A set of messages between all ranks, all under way together.
private struct RandomMessages {
    struct Message {
        var from: Int
        var to: Int
        var tag: Int
        var length: Int
        var stream: Int
    }

    let round: Int
    let messages: [Message]

    init(_ round: Int, _ size: Int, _ values: Values) {
        self.round = round
        let base = 1000 * (round + 1)
        messages = (0..<40).map { index in
            Message(
                from: values.number(below: size, base, 4 * index),
                to: values.number(below: size, base, 4 * index + 1),
                tag: values.number(below: 3, base, 4 * index + 2),
                length: lengths[values.number(below: lengths.count, base, 4 * index + 3)],
                stream: base + index)
        }
    }

    /// Sends mine, receives those for me: some by (source, tag), some by source and any tag.
    func run(_ world: any Communicator, _ expect: Expectations) throws {
        let mine = messages.filter { $0.from == world.rank }
        let payloads = mine.map {
            expect.values.elements(UInt8.self, $0.length, stream: $0.stream)
        }
        var handles: [RequestHandle] = []
        for (message, payload) in zip(mine, payloads) {
            // The payloads outlive the requests: they are waited for below.
            try payload.withUnsafeBytes {
                handles.append(
                    try world.isend(
                        $0, to: .rank(message.to), tag: Tag(message.tag), context: .pointToPoint))
            }
        }
        try receive(world, expect)
        for handle in handles { _ = try world.wait(handle) }
        withExtendedLifetime(payloads) {}
    }

    private func receive(_ world: any Communicator, _ expect: Expectations) throws {
        let forMe = messages.filter { $0.to == world.rank }
        // Sources in another order on every rank; from each, in its order of sending, by exact
        // tag or, for odd sources, by any.
        for shift in 0..<world.size {
            let source = (world.rank + shift) % world.size
            for message in forMe where message.from == source {
                let tag: Tag = source % 2 == 1 ? .any : Tag(message.tag)
                let claimed = try world.mprobe(from: .rank(source), tag: tag)
                expect.equal(
                    claimed.status.tag, Tag(message.tag), "round \(round), tag from \(source)")
                expect.equalBytes(
                    try claimed.recv(UInt8.self),
                    expect.values.elements(message.length, stream: message.stream),
                    "round \(round), message from \(source)")
            }
        }
    }
}

/// One collective, drawn by `step`: every rank of `group` draws the same.
private func randomCollective(
    _ step: Int, _ group: any Communicator, _ expect: Expectations
) throws {
    let values = expect.values
    let stream = 1_000_000 + 100 * step
    let root = values.number(below: group.size, stream, 0)
    let length = [0, 1, 3, 64, 1000, 9000][values.number(below: 6, stream, 1)]
    let counts = (0..<group.size).map { values.number(below: 2, stream, 10 + $0) * (length + $0) }
    let mine = values.elements(Int.self, length, stream: stream + 1 + group.rank)
    let what = "step \(step), length \(length), root \(root)"
    func all(_ rank: Int) -> [Int] { values.elements(length, stream: stream + 1 + rank) }

    switch values.number(below: 8, stream, 2) {
    case 0:
        var elements = mine
        try group.bcast(elements.mutableSpan, root: root)
        expect.equalBytes(elements, all(root), "bcast, \(what)")
    case 1:
        expect.equalBytes(
            try group.allgather(mine.span), (0..<group.size).flatMap(all), "allgather, \(what)")
    case 2:
        let part = values.elements(
            TwelveBytes.self, counts[group.rank], stream: stream + 1 + group.rank)
        let gathered = try group.gatherv(part.span, root: root)
        if group.rank == root {
            let expected = counts.indices.flatMap {
                values.elements(TwelveBytes.self, counts[$0], stream: stream + 1 + $0)
            }
            expect.equalBytes(gathered.elements, expected, "gatherv, \(what)")
        }
    case 3:
        var sums = all(0)
        for rank in 1..<max(group.size, 1) {
            for (index, element) in all(rank).enumerated() { sums[index] &+= element }
        }
        expect.equalBytes(try group.allreduce(mine.span, .sum), sums, "allreduce, \(what)")
    case 4:
        let sends = (0..<group.size).map { (counts[$0] + group.rank) % 500 }
        let sent = (0..<group.size).flatMap {
            Array(repeating: 1000 * group.rank + $0, count: sends[$0])
        }
        let received = try group.alltoallv(sent.span, counts: sends)
        let expected = (0..<group.size).flatMap {
            Array(repeating: 1000 * $0 + group.rank, count: (counts[group.rank] + $0) % 500)
        }
        expect.equalBytes(received.elements, expected, "alltoallv, \(what)")
    case 5:
        let word = try group.scan(Word(group.rank), Word.concatenation)
        expect.equal(word, Word(ranks: 0..<group.rank + 1), "scan, \(what)")
    case 6:
        let isRoot = group.rank == root
        let whole = isRoot ? counts.indices.flatMap { Array(repeating: $0, count: counts[$0]) } : []
        let part = try group.scatterv(whole.span, counts: isRoot ? counts : [], root: root)
        expect.equal(
            part, Array(repeating: group.rank, count: counts[group.rank]), "scatterv, \(what)")
    default:
        let sums = try group.reduce(
            Affine(scale: 3, shift: UInt64(group.rank)), Affine.composition, root: root)
        let expected = (1..<max(group.size, 1)).reduce(Affine(scale: 3, shift: 0)) {
            Affine(scale: $0.scale &* 3, shift: $0.shift &* 3 &+ UInt64($1))
        }
        expect.equal(sums, group.rank == root ? expected : nil, "reduce, \(what)")
    }
}
