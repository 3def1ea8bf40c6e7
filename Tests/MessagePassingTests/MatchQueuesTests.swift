// Matching against a model that is too simple to be wrong: two arrays, searched from the front.

import MessagePassing
import Testing

/// Swift Testing has tags of its own.
private typealias Tag = MessagePassing.Tag

/// What MPI 4.1 §3.5 says, as directly as possible.
private struct Model {
    struct Receive {
        var id: UInt32
        var source: Source
        var tag: Tag
        var call: UInt64

        func takes(_ message: Envelope) -> Bool {
            if call != message.call { return false }
            if source != .any && source.rawValue != message.source { return false }
            return tag == .any || tag == message.tag
        }
    }

    var receives: [Receive] = []
    var messages: [(id: UInt32, envelope: Envelope)] = []

    mutating func post(_ receive: Receive) -> UInt32? {
        guard let index = messages.firstIndex(where: { receive.takes($0.envelope) }) else {
            receives.append(receive)
            return nil
        }
        return messages.remove(at: index).id
    }

    mutating func arrive(_ envelope: Envelope, id: UInt32) -> UInt32? {
        guard let index = receives.firstIndex(where: { $0.takes(envelope) }) else {
            messages.append((id, envelope))
            return nil
        }
        return receives.remove(at: index).id
    }

    func find(source: Source, tag: Tag) -> Int? {
        let wanted = Receive(id: 0, source: source, tag: tag, call: 0)
        return messages.firstIndex { wanted.takes($0.envelope) }
    }
}

/// Random operations, applied to the queues and to the model.
private struct Run: ~Copyable {
    var random: SeededGenerator
    var queues = MatchQueues()
    var model = Model()
    var nextID: UInt32 = 0

    /// What disagrees; nil if nothing does.
    mutating func step() -> String? {
        nextID += 1
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3: return post()
        case 3..<7: return arrive()
        case 7: return probe(claims: false)
        case 8: return probe(claims: true)
        default: return withdraw()
        }
    }

    private mutating func anyOr<Value>(_ any: Value, _ make: (Int) -> Value) -> Value {
        let number = Int.random(in: -1..<3, using: &random)
        return number < 0 ? any : make(number)
    }

    private mutating func call() -> UInt64 {
        let number = UInt32.random(in: 0..<4, using: &random)
        if number < 2 { return 0 }
        return CollectiveCall(sequence: number, operation: .bcast, root: 1).packed
    }

    private mutating func post() -> String? {
        let receive = Model.Receive(
            id: nextID, source: anyOr(.any) { .rank($0) }, tag: anyOr(.any) { Tag($0) },
            call: call())
        let got = queues.post(
            receive: nextID, source: receive.source, tag: receive.tag, call: receive.call)
        let expected = model.post(receive)
        return got == expected ? nil : "post took \(got as Any), not \(expected as Any)"
    }

    private mutating func arrive() -> String? {
        let envelope = Envelope(
            contextID: 1, source: Int.random(in: 0..<3, using: &random),
            tag: Tag(Int.random(in: 0..<3, using: &random)), call: call(), byteCount: Int(nextID))
        let got = queues.arrive(envelope, message: nextID)
        let expected = model.arrive(envelope, id: nextID)
        return got == expected ? nil : "arrive met \(got as Any), not \(expected as Any)"
    }

    private mutating func probe(claims: Bool) -> String? {
        let source: Source = anyOr(.any) { .rank($0) }
        let tag: Tag = anyOr(.any) { Tag($0) }
        let got =
            claims
            ? queues.claim(source: source, tag: tag) : queues.probe(source: source, tag: tag)
        let index = model.find(source: source, tag: tag)
        let expected = index.map { model.messages[$0] }
        if claims, let index { model.messages.remove(at: index) }
        let agrees = got?.message == expected?.id && got?.status == expected?.envelope.status
        return agrees ? nil : "probe found \(got as Any), not \(expected as Any)"
    }

    private mutating func withdraw() -> String? {
        let id = UInt32.random(in: 1...nextID, using: &random)
        let isReceive = Bool.random(using: &random)
        let got = isReceive ? queues.withdraw(receive: id) : queues.withdraw(message: id)
        let before = model.receives.count + model.messages.count
        if isReceive {
            model.receives.removeAll { $0.id == id }
        } else {
            model.messages.removeAll { $0.id == id }
        }
        let expected = model.receives.count + model.messages.count < before
        return got == expected ? nil : "withdraw said \(got), not \(expected)"
    }
}

@Suite struct MatchQueuesTests {
    @Test(.timeLimit(.minutes(1)))
    func `a flood is received sender by sender without a search through all of it`() {
        let senders = 8
        let count = 50_000
        var queues = MatchQueues()
        for number in 0..<count {
            for sender in 0..<senders {
                let id = UInt32(number * senders + sender)
                let envelope = Envelope(
                    contextID: 0, source: sender, tag: 1, call: 0, byteCount: 8)
                guard queues.arrive(envelope, message: id) == nil else {
                    Issue.record("message \(id) has found a receive")
                    return
                }
            }
        }
        for sender in (0..<senders).reversed() {
            for number in 0..<count {
                let taken = queues.post(receive: 0, source: .rank(sender), tag: 1, call: 0)
                guard taken == UInt32(number * senders + sender) else {
                    Issue.record("message \(number) of rank \(sender): \(taken ?? 0)")
                    return
                }
            }
        }
        #expect(queues.unexpectedCount == 0)
    }

    @Test("any sequence of operations matches as the model does", arguments: 1...40)
    func agreesWithModel(seed: Int) {
        var run = Run(random: SeededGenerator(seed: UInt64(seed)))
        for step in 0..<1500 {
            if let wrong = run.step() {
                Issue.record("seed \(seed), step \(step): \(wrong)")
                return
            }
            let counts = (run.queues.postedCount, run.queues.unexpectedCount)
            let expected = (run.model.receives.count, run.model.messages.count)
            if counts != expected {
                Issue.record("seed \(seed), step \(step): \(counts) wait, not \(expected)")
                return
            }
        }
    }

    private func envelope(source: Int = 0, tag: Tag = 0, call: UInt64 = 0) -> Envelope {
        Envelope(contextID: 1, source: source, tag: tag, call: call, byteCount: 8)
    }

    @Test("messages of one sender and tag are taken in the order they were sent")
    func neverOvertakes() {
        var queues = MatchQueues()
        for id in 0..<5 as Range<UInt32> {
            #expect(queues.arrive(envelope(source: 3, tag: 2), message: id) == nil)
        }
        let taken = (0..<5 as Range<UInt32>).map { id in
            queues.post(
                receive: id, source: id % 2 == 0 ? .any : 3, tag: id % 3 == 0 ? .any : 2, call: 0)
        }
        #expect(taken == [0, 1, 2, 3, 4])
    }

    @Test("a receive from any rank with any tag never sees a collective's message")
    func separateSpaces() {
        let call = CollectiveCall(sequence: 1, operation: .barrier, root: nil).packed
        var queues = MatchQueues()
        #expect(queues.arrive(envelope(call: call), message: 1) == nil)
        #expect(queues.post(receive: 2, source: .any, tag: .any, call: 0) == nil)
        #expect(queues.probe(source: .any, tag: .any) == nil)
        #expect(queues.post(receive: 3, source: 0, tag: 0, call: call) == 1)
    }

    @Test("a collective's receive takes messages of its own call only")
    func callsAreApart() {
        let first = CollectiveCall(sequence: 1, operation: .bcast, root: 0).packed
        let second = CollectiveCall(sequence: 2, operation: .bcast, root: 0).packed
        var queues = MatchQueues()
        #expect(queues.arrive(envelope(call: second), message: 1) == nil)
        #expect(queues.post(receive: 1, source: 0, tag: 0, call: first) == nil)
        #expect(queues.post(receive: 2, source: 0, tag: 0, call: second) == 1)
    }

    @Test("waiting receives are described, the first four of them")
    func descriptions() {
        var queues = MatchQueues()
        let call = CollectiveCall(sequence: 7, operation: .reduce, root: 2).packed
        _ = queues.post(receive: 1, source: 4, tag: 9, call: 0)
        _ = queues.post(receive: 2, source: .any, tag: .any, call: 0)
        _ = queues.post(receive: 3, source: 1, tag: 0, call: call)
        let text = queues.unmatchedReceives
        #expect(text.contains("a message from rank 4 with tag 9"))
        #expect(text.contains("a message from any rank with any tag"))
        #expect(text.contains("reduce(root: 2)"))
        for id in 4..<8 as Range<UInt32> {
            _ = queues.post(receive: id, source: 0, tag: 0, call: 0)
        }
        #expect(queues.unmatchedReceives.hasSuffix("and 3 more"))
    }
}

/// SplitMix64, so that a failing seed can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
