// Random traffic against a model: two threads per rank, each with communicators of its own, send
// and receive what a seed drew, in every mode and by every way of receiving. Every rank draws the
// whole plan, so it knows what must come, and in which order.

import MessagePassing

/// Runs until all ranks together have exchanged `messageCount` messages, and reports the seed.
func stress(_ world: any Communicator, messageCount: Int, seed: UInt64) throws {
    if world.rank == 0 { report("stress: seed \(seed)") }
    let threads = 2
    // Made by one thread: creation is collective.
    let communicators = try (0..<threads).map { _ in try world.dup() }
    let perRound = StressRound.messagesPerRank * world.size
    let rounds = max(1, messageCount / (perRound * threads))
    let outcomes = onThreads(threads) { thread in
        let values = Values(seed: seed &+ UInt64(thread) &* 0x9E37)
        var received = 0
        for number in 0..<rounds {
            let round = StressRound(number, size: communicators[thread].size, values)
            received += try round.run(communicators[thread])
        }
        return received
    }
    let counts = outcomes.map { Int($0) }
    guard !counts.contains(nil) else {
        throw MPIError(
            .programFailed, operation: "stress",
            reason: "seed \(seed): \(outcomes.joined(separator: "; "))")
    }
    let total = try world.allreduce(counts.reduce(0) { $0 + ($1 ?? 0) }, .sum)
    guard total == rounds * perRound * threads else {
        throw MPIError(
            .programFailed, operation: "stress",
            reason: "seed \(seed): \(total) of \(rounds * perRound * threads) messages")
    }
    if world.rank == 0 { report("stress: \(total) messages arrived as they were sent") }
}

/// The messages of one round on one communicator. They are over before the next round begins.
private struct StressRound {
    static let messagesPerRank = 32
    private static let tags = 3
    /// Nobody sends with it.
    private static let unusedTag = Tag(77)

    struct Message {
        let from: Int
        let to: Int
        let tag: Int
        let length: Int
        let isSynchronous: Bool
        let number: Int
    }

    let number: Int
    let values: Values
    let messages: [Message]

    init(_ number: Int, size: Int, _ values: Values) {
        self.number = number
        self.values = values
        messages = (0..<(size * Self.messagesPerRank)).map { index in
            let word = values.word(number, index)
            // Mostly short, some beyond the eager limit.
            let length =
                switch word >> 8 & 63 {
                case 0: 300_000 + Int(word >> 20 & 0xFFFF)
                case 1..<4: 5000 + Int(word >> 20 & 0xFFFF)
                default: Int(word >> 20 & 0x3FF)
                }
            return Message(
                from: index / Self.messagesPerRank, to: Int(word >> 40) % size,
                tag: Int(word >> 16 & 0xF) % Self.tags, length: length,
                isSynchronous: word >> 4 & 7 == 0, number: index)
        }
    }

    private func payload(_ message: Message) -> [UInt8] {
        var bytes = values.elements(
            UInt8.self, message.length, stream: number &* 4096 &+ message.number)
        withUnsafeBytes(of: UInt32(message.number)) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Sends and receives this rank's part; how many messages came. Half of the rounds have a sum
    /// under way meanwhile, half a receive that nothing matches.
    func run(_ world: any Communicator) throws -> Int {
        let amidReceive = {
            number & 1 == 0 ? try besideReceive(world) { try exchange(world) } : try exchange(world)
        }
        let received = number & 2 == 0 ? try besideSum(world, amidReceive) : try amidReceive()
        // Who is ahead may not send to receives from anyone of this round.
        try world.barrier()
        return received
    }

    private func besideSum(_ world: any Communicator, _ body: () throws -> Int) throws -> Int {
        var sum = [world.rank]
        let pending = try world.iallreduce(inPlace: sum.mutableSpan, .sum)
        let received = try body()
        try pending.wait()
        guard sum == [world.size * (world.size - 1) / 2] else { throw failed("the sum is \(sum)") }
        return received
    }

    private func besideReceive(
        _ world: any Communicator, _ body: () throws -> Int
    ) throws -> Int {
        var withdrawn = [0]
        let unused = try world.irecv(
            into: withdrawn.mutableSpan, from: .any, tag: Self.unusedTag)
        let received = try body()
        guard try unused.cancel() else { throw failed("a receive that nothing matches took one") }
        return received
    }

    private func exchange(_ world: any Communicator) throws -> Int {
        let mine = messages.filter { $0.from == world.rank }
        let payloads = mine.map(payload)
        var requests: [RequestHandle] = []
        for (message, payload) in zip(mine, payloads) {
            // The payloads outlive the requests: they are waited for below.
            let request = try payload.withUnsafeBytes { bytes in
                message.isSynchronous
                    ? try world.issend(bytes, to: .rank(message.to), tag: Tag(message.tag))
                    : try world.isend(
                        bytes, to: .rank(message.to), tag: Tag(message.tag),
                        context: .pointToPoint)
            }
            requests.append(request)
        }
        var received = 0
        for tag in 0..<Self.tags { received += try receive(world, tag) }
        for request in requests { _ = try world.wait(request) }
        withExtendedLifetime(payloads) {}
        return received
    }

    /// Receives all messages of a tag: from anyone as they come, or in an order drawn.
    private func receive(_ world: any Communicator, _ tag: Int) throws -> Int {
        let expected = messages.filter { $0.to == world.rank && $0.tag == tag }
        /// Per sender the messages still to come, in the order they were sent.
        var waiting = Dictionary(grouping: expected, by: \.from)
        let way = values.number(below: 5, 1_000_000 + world.rank, number * Self.tags + tag)
        for step in expected.indices {
            let sources = waiting.keys.filter { waiting[$0]?.isEmpty == false }.sorted()
            let source = sources[
                values.number(below: sources.count, 2_000_000 + number, step + 64 * tag)]
            let isFromAny = way == 0 || way == 1
            let selection = isFromAny ? Source.any : .rank(source)
            let (bytes, sender) =
                way == 4
                ? try receiveUnseen(world, source, Tag(tag), step)
                : try receiveOne(world, selection, Tag(tag), probing: way % 2 == 0)
            guard let next = waiting[sender]?.first else {
                throw failed("rank \(sender) sent a message too many with tag \(tag)")
            }
            waiting[sender]?.removeFirst()
            guard bytes == payload(next) else {
                throw failed(
                    "message \(next.number) from rank \(sender) with tag \(tag) has other bytes, "
                        + "or another overtook it")
            }
        }
        return expected.count
    }

    private func receiveOne(
        _ world: any Communicator, _ source: Source, _ tag: Tag, probing: Bool
    ) throws -> (bytes: [UInt8], sender: Int) {
        if probing {
            let message = try world.mprobe(from: source, tag: tag)
            let sender = message.status.source ?? -1
            return (try message.recv(UInt8.self), sender)
        }
        let status = try world.probe(from: source, tag: tag)
        guard let sender = status.source else { throw failed("a message from nobody") }
        return (try world.recv(UInt8.self, from: .rank(sender), tag: tag), sender)
    }

    /// Into a buffer that is long enough for any of the tag, without a look at what has come.
    private func receiveUnseen(
        _ world: any Communicator, _ source: Int, _ tag: Tag, _ step: Int
    ) throws -> (bytes: [UInt8], sender: Int) {
        let sent = messages.filter {
            $0.from == source && $0.to == world.rank && $0.tag == Int(tag.rawValue)
        }
        let longest = (sent.map(\.length).max() ?? 0) + 4
        let rest = UInt8(truncatingIfNeeded: step)
        var buffer = Array(repeating: rest, count: longest)
        let status = try world.recv(into: buffer.mutableSpan, from: .rank(source), tag: tag)
        guard buffer.dropFirst(status.byteCount).allSatisfy({ $0 == rest }) else {
            throw failed("a message of \(status.byteCount) bytes changed what is behind it")
        }
        return (Array(buffer.prefix(status.byteCount)), status.source ?? -1)
    }

    private func failed(_ reason: String) -> MPIError {
        MPIError(.programFailed, operation: "stress", reason: "round \(number): \(reason)")
    }
}
