// Nonblocking collectives (MPI 4.1 §6.12): the same results as the blocking ones, several under way,
// and progress by whatever call the program waits in.

import MessagePassing

let nonblockingChecks: [Check] = [
    Check("nonblocking bcast, gather and scatter give what the blocking ones give") {
        world, expect in
        for (round, count) in nonblockingLengths.enumerated() {
            let root = round % world.size
            let whole: [Int] = expect.values.elements(count * world.size, stream: 7)
            let mine = Array(whole[(count * world.rank)..<(count * (world.rank + 1))])

            var told = world.rank == root ? whole : Array(repeating: 0, count: whole.count)
            try world.ibcast(told.mutableSpan, root: root).wait()
            expect.equalBytes(told, whole, "ibcast \(count)")

            var gathered = Array(repeating: 0, count: whole.count)
            try world.igather(mine.span, into: gathered.mutableSpan, root: root).wait()
            if world.rank == root { expect.equalBytes(gathered, whole, "igather \(count)") }

            var part = Array(repeating: 0, count: count)
            try world.iscatter(whole.span, into: part.mutableSpan, root: root).wait()
            expect.equalBytes(part, mine, "iscatter \(count)")

            var all = Array(repeating: 0, count: whole.count)
            try world.iallgather(mine.span, into: all.mutableSpan).wait()
            expect.equalBytes(all, whole, "iallgather \(count)")
        }
    },
    Check("nonblocking collectives of uneven parts, empty ones among them") { world, expect in
        for base in [0, 1, 1000] {
            let partition = Partition(counts: (0..<world.size).map { $0 % 3 * base + $0 % 2 })
            let whole: [Int] = expect.values.elements(partition.extent, stream: base)
            let mine = Array(whole[partition[world.rank]])
            let root = world.size - 1

            var gathered = Array(repeating: 0, count: whole.count)
            try world.igatherv(
                mine.span, into: gathered.mutableSpan, partition: partition, root: root
            ).wait()
            if world.rank == root { expect.equalBytes(gathered, whole, "igatherv \(base)") }

            var part = Array(repeating: 0, count: mine.count)
            try world.iscatterv(
                whole.span, partition: partition, into: part.mutableSpan, root: root
            ).wait()
            expect.equalBytes(part, mine, "iscatterv \(base)")

            var all = Array(repeating: 0, count: whole.count)
            try world.iallgatherv(mine.span, into: all.mutableSpan, partition: partition).wait()
            expect.equalBytes(all, whole, "iallgatherv \(base)")
        }
    },
    Check("nonblocking exchanges give what the blocking ones give") { world, expect in
        for count in nonblockingLengths {
            let send: [Int] = expect.values.elements(count * world.size, stream: world.rank)
            let expected = try world.alltoall(send.span)
            var recv = Array(repeating: 0, count: send.count)
            try world.ialltoall(send.span, into: recv.mutableSpan).wait()
            expect.equalBytes(recv, expected, "ialltoall \(count)")
        }
        let counts = (0..<world.size).map { (world.rank + $0) % 4 * 500 }
        let sends = Partition(counts: counts)
        let send: [Int] = expect.values.elements(sends.extent, stream: world.rank)
        let expected = try world.alltoallv(send.span, counts: counts)
        var recv = Array(repeating: 0, count: expected.partition.extent)
        try world.ialltoallv(
            send.span, sends, into: recv.mutableSpan, expected.partition
        ).wait()
        expect.equalBytes(recv, expected.elements, "ialltoallv")
    },
    Check("nonblocking reductions give what the blocking ones give") { world, expect in
        for count in nonblockingLengths {
            let mine: [Int] = expect.values.elements(count, stream: world.rank)
            let sum = try world.allreduce(mine.span, .sum)
            var result = Array(repeating: 0, count: count)
            try world.iallreduce(mine.span, into: result.mutableSpan, .sum).wait()
            expect.equalBytes(result, sum, "iallreduce \(count)")

            var inPlace = mine
            try world.iallreduce(inPlace: inPlace.mutableSpan, .sum).wait()
            expect.equalBytes(inPlace, sum, "iallreduce in place \(count)")

            let root = count % world.size
            var rooted = Array(repeating: 0, count: count)
            try world.ireduce(mine.span, into: rooted.mutableSpan, .sum, root: root).wait()
            if world.rank == root { expect.equalBytes(rooted, sum, "ireduce \(count)") }

            var prefix = Array(repeating: 0, count: count)
            var expected = prefix
            try world.scan(mine.span, into: expected.mutableSpan, .sum)
            try world.iscan(mine.span, into: prefix.mutableSpan, .sum).wait()
            expect.equalBytes(prefix, expected, "iscan \(count)")

            try world.exscan(mine.span, into: expected.mutableSpan, .sum)
            try world.iexscan(mine.span, into: prefix.mutableSpan, .sum).wait()
            if world.rank > 0 { expect.equalBytes(prefix, expected, "iexscan \(count)") }
        }
    },
    Check("a nonblocking reduction calls a user's operation in rank order") { world, expect in
        for count in [0, 1, 3, 1000, 30_000] {
            let mine = Affine.operands(world.rank, count, expect)
            var result = Array(repeating: Affine(scale: 0, shift: 0), count: count)
            try world.iallreduce(
                mine.span, into: result.mutableSpan, Affine.composition
            ).wait()
            expect.equalBytes(result, Affine.fold(0..<world.size, count, expect), "\(count)")
        }
    },
    Check("reduceScatter divides the combination, blocking or not") { world, expect in
        for base in [1, 100, 9000] {
            let partition = Partition(counts: (0..<world.size).map { $0 % 3 * base })
            let mine: [Int] = expect.values.elements(partition.extent, stream: world.rank)
            let whole = try world.allreduce(mine.span, .sum)
            let expected = Array(whole[partition[world.rank]])
            var part = Array(repeating: 0, count: expected.count)
            try world.reduceScatter(
                mine.span, into: part.mutableSpan, partition: partition, .sum)
            expect.equalBytes(part, expected, "reduceScatter \(base)")
            part = Array(repeating: 0, count: expected.count)
            try world.ireduceScatter(
                mine.span, into: part.mutableSpan, partition: partition, .sum
            ).wait()
            expect.equalBytes(part, expected, "ireduceScatter \(base)")
        }
        let words = (0..<world.size).map { _ in Word(world.rank) }
        let whole = try world.reduceScatter(words.span, Word.concatenation)
        expect.equalBytes(whole, [Word(ranks: 0..<world.size)], "order of operands")
        expect.failing(.invalidArgument, "parts that are not equal") {
            // One rank alone divides anything.
            if world.size == 1 { throw MPIError.invalidArgument("", "") }
            _ = try world.reduceScatter(Array(repeating: 1, count: world.size + 1).span, .sum)
        }
    },
    Check("reduceScatter takes parts from their displacements, blocking or not") {
        world, expect in
        // Backwards, and with gaps.
        let counts = (0..<world.size).map { $0 % 3 * 700 + 1 }
        let places = (0..<world.size).map { (world.size - 1 - $0) * 1500 + 3 }
        let partition = Partition(counts: counts, displacements: places)
        let mine = Array(repeating: Word(world.rank), count: partition.extent)
        let expected = Array(repeating: Word(ranks: 0..<world.size), count: counts[world.rank])
        for isBlocking in [true, false] {
            var part = Array(repeating: Word(world.rank), count: expected.count)
            if isBlocking {
                try world.reduceScatter(
                    mine.span, into: part.mutableSpan, partition: partition, Word.concatenation)
            } else {
                try world.ireduceScatter(
                    mine.span, into: part.mutableSpan, partition: partition, Word.concatenation
                ).wait()
            }
            expect.equalBytes(part, expected, isBlocking ? "blocking" : "nonblocking")
            var sums = Array(repeating: 0, count: expected.count)
            let numbers = (0..<partition.extent).map { $0 + world.rank }
            if isBlocking {
                try world.reduceScatter(
                    numbers.span, into: sums.mutableSpan, partition: partition, .sum)
            } else {
                try world.ireduceScatter(
                    numbers.span, into: sums.mutableSpan, partition: partition, .sum
                ).wait()
            }
            let ranks = world.size * (world.size - 1) / 2
            expect.equal(
                sums, partition[world.rank].map { $0 * world.size + ranks },
                isBlocking ? "sums, blocking" : "sums, nonblocking")
        }
    },
    Check("several collectives are under way at once, and complete in any order") {
        world, expect in
        let count = 5000
        var sums = (0..<4).map { round in
            (0..<count).map { expect.values.word(world.rank * 4 + round, $0) }
        }
        let expected = (0..<4).map { round in
            (0..<count).map { index in
                (0..<world.size).reduce(UInt64(0)) {
                    $0 &+ expect.values.word($1 * 4 + round, index)
                }
            }
        }
        var first = sums[0]
        var second = sums[1]
        var third = sums[2]
        var fourth = sums[3]
        do {
            var group = world.requests()
            group.add(try world.iallreduce(inPlace: first.mutableSpan, .sum))
            group.add(try world.iallreduce(inPlace: second.mutableSpan, .sum))
            group.add(try world.ibarrier())
            group.add(try world.iallreduce(inPlace: third.mutableSpan, .sum))
            group.add(try world.iallreduce(inPlace: fourth.mutableSpan, .sum))
            var seen: [Int] = []
            while let (index, _) = try group.waitAny() { seen.append(index) }
            expect.equal(seen.sorted(), [0, 1, 2, 3, 4], "completed")
        }
        sums = [first, second, third, fourth]
        for round in 0..<4 { expect.equalBytes(sums[round], expected[round], "sum \(round)") }
    },
    Check("blocking collectives may come between a start and its wait") { world, expect in
        var total = [world.rank]
        let pending = try world.iallreduce(inPlace: total.mutableSpan, .sum)
        for round in 0..<10 {
            let largest = try world.allreduce(world.rank * round, .max)
            expect.equal(largest, (world.size - 1) * round, "round \(round)")
        }
        try pending.wait()
        expect.equal(total, [world.size * (world.size - 1) / 2], "sum")
    },
    Check("ibarrier is complete only when every rank has begun it") { world, expect in
        if world.size == 1 {
            try world.ibarrier().wait()
            return
        }
        let last = world.size - 1
        if world.rank == last {
            for rank in 0..<last { _ = try world.recv(Int.self, from: .rank(rank), tag: 5) }
            try world.ibarrier().wait()
        } else {
            var pending = try world.ibarrier()
            for _ in 0..<20 where try pending.test() != nil {
                expect.fail("complete although rank \(last) has not begun it")
                return
            }
            try world.send([1].span, to: .rank(last), tag: 5)
            try pending.wait()
        }
    },
    Check("a call that waits for something else carries collectives on") { world, expect in
        // Rank 0 waits for a message that the last rank sends only once it has the broadcast, for
        // which it may need rank 0 or others that wait here, too.
        let last = world.size - 1
        var told = Array(repeating: world.rank == 0 ? 3 : 0, count: 2000)
        var sum = [1]
        let bcast = try world.ibcast(told.mutableSpan, root: 0)
        let allreduce = try world.iallreduce(inPlace: sum.mutableSpan, .sum)
        if world.rank == last {
            try bcast.wait()
            try allreduce.wait()
            for rank in 0..<last { try world.send([rank].span, to: .rank(rank), tag: 6) }
        } else {
            let token = try world.recv(Int.self, from: .rank(last), tag: 6)
            expect.equal(token, [world.rank], "token")
            try allreduce.wait()
            try bcast.wait()
        }
        expect.equal(told, Array(repeating: 3, count: 2000), "broadcast")
        expect.equal(sum, [world.size], "sum")
    },
    Check("test completes a collective without a wait") { world, expect in
        var total = Array(repeating: world.rank, count: 20_000)
        var pending = try world.iallreduce(inPlace: total.mutableSpan, .sum)
        while try pending.test() == nil {}
        _ = consume pending
        expect.equal(
            total, Array(repeating: world.size * (world.size - 1) / 2, count: 20_000), "sum")
    },
    Check("dropping the request of a collective completes it") { world, expect in
        var total = [world.rank + 1]
        do { _ = try world.iallreduce(inPlace: total.mutableSpan, .max) }
        expect.equal(total, [world.size], "largest")
    },
    Check("collectives of several communicators are under way at once") { world, expect in
        let half = try world.split(color: world.rank % 2, key: world.rank)
        let copy = try world.dup()
        var (inHalf, inCopy) = ([1], [1])
        guard let half else { return expect.fail("no communicator") }
        let one = try copy.iallreduce(inPlace: inCopy.mutableSpan, .sum)
        let other = try half.iallreduce(inPlace: inHalf.mutableSpan, .sum)
        if world.rank % 2 == 0 {
            try one.wait()
            try other.wait()
        } else {
            try other.wait()
            try one.wait()
        }
        expect.equal(inCopy, [world.size], "all")
        expect.equal(inHalf, [(world.size + 1 - world.rank % 2) / 2], "half")
    },
    Check("wrong arguments of a nonblocking collective throw at the start") { world, expect in
        var whole = Array(repeating: 0, count: world.size + 1)
        expect.failing(.invalidArgument, "a root that is no rank") {
            try world.ibcast(whole.mutableSpan, root: world.size).wait()
        }
        expect.failing(.invalidArgument, "room for another number of parts") {
            try world.iallgather([1].span, into: whole.mutableSpan).wait()
        }
        // Nothing was sent, so nothing is in the way of the next one.
        expect.equal(try world.allreduce(1, .sum), world.size, "sum")
    },
]

/// Elements of 8 bytes: below and above where algorithms change, eager and rendezvous protocol.
private let nonblockingLengths = [0, 1, 500, 5000, 40_000]
