// split and dup (MPI 4.1 §7.4): groups, and message spaces that never mix.

import MessagePassing

let communicatorChecks: [Check] = [
    Check("dup has the same ranks") { world, expect in
        let twin = try world.dup()
        expect.equal(twin.rank, world.rank, "rank")
        expect.equal(twin.size, world.size, "size")
        expect.equal(try twin.allgather(twin.rank), Array(0..<world.size), "ranks")
    },
    Check("the same tag on a communicator and its dup does not mix") { world, expect in
        let twin = try world.dup()
        let first = try world.isend([1].span, to: .rank(world.next), tag: 5)
        let second = try twin.isend([2].span, to: .rank(world.next), tag: 5)
        expect.equal(try twin.recv(Int.self, from: .any, tag: .any), [2], "on the dup")
        expect(try twin.iprobe(from: .any, tag: .any) == nil, "the dup sees a message too many")
        expect.equal(try world.recv(Int.self, from: .any, tag: .any), [1], "on the original")
        try first.wait()
        try second.wait()
    },
    Check("receives of any never see the messages of collectives") { world, expect in
        var received = [-1]
        let receive = try world.irecv(into: received.mutableSpan, from: .any, tag: .any)
        try world.barrier()
        _ = try world.allreduce(world.rank, .sum)
        _ = try world.allreduce(Word(world.rank), Word.concatenation)
        _ = try world.scan(Word(world.rank), Word.concatenation)
        _ = try world.bcast(3, root: 0)
        _ = try world.alltoallv([1].span, counts: (0..<world.size).map { $0 == 0 ? 1 : 0 })
        _ = try world.split(color: 0, key: 0)
        expect(try world.iprobe(from: .any, tag: .any) == nil, "a probe sees a collective")
        // Nobody has sent yet: who passes this barrier still has its receive pending.
        try world.barrier()
        let send = try world.isend([world.rank].span, to: .rank(world.next), tag: 2)
        let status = try receive.wait()
        try send.wait()
        expect.equal(received, [world.previous], "the receive")
        expect.equal(status.tag, 2, "its tag")
    },
    Check("split groups by colour and keeps the order of ranks") { world, expect in
        guard let half = try world.split(color: world.rank % 2, key: 0) else {
            return expect.fail("no communicator")
        }
        let members = (0..<world.size).filter { $0 % 2 == world.rank % 2 }
        expect.equal(half.size, members.count, "size")
        expect.equal(half.rank, world.rank / 2, "rank")
        expect.equal(try half.allgather(world.rank), members, "members")
        let sum = try half.allreduce(world.rank, .sum)
        expect.equal(sum, members.reduce(0, +), "sum over the group")
    },
    Check("keys order the ranks of a split") { world, expect in
        guard let reversed = try world.split(color: 7, key: -world.rank) else {
            return expect.fail("no communicator")
        }
        expect.equal(reversed.rank, world.size - 1 - world.rank, "rank")
        expect.equal(
            try reversed.allgather(world.rank), Array((0..<world.size).reversed()), "members")
        let word = try reversed.allreduce(Word(world.rank), Word.concatenation)
        let expected = (0..<world.size).reversed().map { Character(UnicodeScalar(97 + UInt8($0))) }
        expect.equal(word.description, String(expected), "order of operands")
    },
    Check("without a colour a rank gets no communicator") { world, expect in
        let child = try world.split(color: world.rank == 0 ? nil : 1, key: 0)
        if world.rank == 0 {
            expect(child == nil, "rank 0 is in a group of \(child?.size ?? 0)")
        } else {
            expect.equal(child?.size, world.size - 1, "size")
            expect.equal(try child?.allgather(world.rank), Array(1..<world.size), "members")
        }
    },
    Check("nobody with a colour is an empty split") { world, expect in
        expect(try world.split(color: nil, key: 0) == nil, "a communicator")
        try world.barrier()
    },
    Check("colours and keys may be any Int") { world, expect in
        let color = world.rank % 2 == 0 ? Int.min : Int.max
        let key = world.rank % 2 == 0 ? Int.max - world.rank : Int.min + world.rank
        let child = try world.split(color: color, key: key)
        var members = (0..<world.size).filter { $0 % 2 == world.rank % 2 }
        if world.rank % 2 == 0 { members.reverse() }
        expect.equal(try child?.allgather(world.rank), members, "members")
    },
    Check("a message to a rank of a group reaches that member") { world, expect in
        guard let reversed = try world.split(color: 0, key: -world.rank) else {
            return expect.fail("no communicator")
        }
        let send = try reversed.isend([world.rank].span, to: .rank(reversed.next), tag: 1)
        let status = try reversed.probe(from: .any, tag: 1)
        expect.equal(status.source, reversed.previous, "source, in the group's numbers")
        let received = try reversed.recv(Int.self, from: .rank(reversed.previous), tag: 1)
        try send.wait()
        expect.equal(received, [world.size - 1 - reversed.previous], "sender's number in the world")
    },
    Check("groups of a split work at their own pace") { world, expect in
        guard let half = try world.split(color: world.rank % 2, key: 0) else {
            return expect.fail("no communicator")
        }
        // Odd ranks do more collectives than even ones.
        let rounds = world.rank % 2 == 0 ? 3 : 50
        for round in 0..<rounds {
            let sum = try half.allreduce(round, .sum)
            expect.equal(sum, round * half.size, "round \(round)")
        }
        try world.barrier()
    },
    Check("a split of a split, and a dup of it") { world, expect in
        guard let half = try world.split(color: world.rank / 2, key: 0),
            let alone = try half.split(color: half.rank, key: 0)
        else { return expect.fail("no communicator") }
        expect.equal(alone.size, 1, "size of the inner group")
        let twin = try alone.dup()
        expect.equal(try twin.allreduce(world.rank, .sum), world.rank, "alone")
        expect.equal(
            try half.dup().allgather(world.rank),
            (0..<world.size).filter { $0 / 2 == world.rank / 2 }, "dup of the outer group")
    },
    Check("hundreds of communicators may be made and dropped") { world, expect in
        for round in 0..<300 {
            let twin = try world.dup()
            expect.equal(try twin.allreduce(1, .sum), world.size, "round \(round)")
        }
    },
    Check("a message sent in a group before its peer has made the group arrives") {
        world, expect in
        guard let group = try world.split(color: 1, key: 0) else {
            return expect.fail("no communicator")
        }
        // Ranks leave the split at their own time: some send before others are out of it.
        let send = try group.isend([world.rank].span, to: .rank(group.next), tag: 3)
        let received = try group.recv(Int.self, from: .rank(group.previous), tag: 3)
        try send.wait()
        expect.equal(received, [world.previous], "message")
    },
    Check("two threads of a rank may exchange messages at once") { world, expect in
        let received = onThreads(2) { thread in
            var sum = 0
            for round in 0..<500 {
                let sent = [thread * 1000 + round]
                var buffer = [0]
                try world.sendrecv(
                    sent.span, to: .rank(world.next), tag: Tag(thread),
                    into: buffer.mutableSpan, from: .rank(world.previous), tag: Tag(thread))
                sum += buffer[0]
            }
            return sum
        }
        let expected = (0..<2).map { thread in (0..<500).reduce(0) { $0 + thread * 1000 + $1 } }
        expect.equal(received, expected.map { "\($0)" }, "sums per thread")
    },
]
