// A process alone: messages to oneself, and an error instead of an endless wait.
import MessagePassing
import Testing

@Suite struct SelfCommunicatorTests {
    private let alone = SelfCommunicator()

    @Test func `messages to oneself arrive in the order they were sent`() throws {
        try alone.send([1, 2].span, to: 0, tag: 7)
        try alone.send([3, 4].span, to: 0, tag: 7)
        try alone.send([5].span, to: 0, tag: 8)
        var one = [0]
        #expect(try alone.recv(into: one.mutableSpan, from: .any, tag: 8).byteCount == 8)
        var two = [0, 0]
        _ = try alone.recv(into: two.mutableSpan, from: 0, tag: .any)
        #expect(one == [5] && two == [1, 2])
        _ = try alone.recv(into: two.mutableSpan, from: 0, tag: 7)
        #expect(two == [3, 4])
    }

    @Test func `a receive may be posted before its message is sent`() throws {
        var number = [0]
        do {
            var requests = alone.requests()
            try requests.irecv(into: number.mutableSpan, from: 0, tag: 1)
            try requests.isend([42].span, to: 0, tag: 1)
            try requests.waitAll()
        }
        #expect(number == [42])
    }

    @Test func `waiting for what nobody has sent is an error that says so`() {
        var number = [0]
        let error = #expect(throws: MPIError.self) {
            try alone.recv(into: number.mutableSpan, from: .any, tag: 3)
        }
        #expect(error?.code == .timedOut)
        #expect(error?.reason.contains("alone") == true)
    }

    @Test func `a message longer than its buffer is truncated, and the next one is whole`() throws {
        try alone.send([1, 2, 3].span, to: 0, tag: 1)
        try alone.send([4].span, to: 0, tag: 1)
        var number = [0]
        let error = #expect(throws: MPIError.self) {
            try alone.recv(into: number.mutableSpan, from: 0, tag: 1)
        }
        #expect(error?.code == .truncated)
        _ = try alone.recv(into: number.mutableSpan, from: 0, tag: 1)
        #expect(number == [4])
    }

    @Test func `a rank that does not exist is refused`() {
        let error = #expect(throws: MPIError.self) { try alone.send([1].span, to: 1, tag: 0) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func `collectives of one give back what they get`() throws {
        try alone.barrier()
        #expect(try alone.bcast(5, root: 0) == 5)
        #expect(try alone.allreduce(5, .sum) == 5)
        #expect(try alone.allgather(5) == [5])
        #expect(try alone.alltoallv([1, 2, 3].span, counts: [3]).elements == [1, 2, 3])
        #expect(try alone.exscan(5, .sum) == nil)
        #expect(try alone.split(color: nil, key: 0) == nil)
        #expect(try alone.split(color: 1, key: 0)?.size == 1)
    }

    @Test func `after abort every call throws the cause`() throws {
        let alone = SelfCommunicator()
        let cause = MPIError(.aborted, operation: "test", reason: "no more")
        #expect(throws: cause) { try alone.abort(cause) }
        #expect(throws: cause) { try alone.send([1].span, to: 0, tag: 0) }
        #expect(throws: cause) { try alone.barrier() }
    }
}
