// What a simulated rank computes: sends and receives in a random order, small and large, whose bytes
// tell who sent them, with which tag, and as which of that pair and tag. Then it leaves.

import Glibc
import MessagePassing

@testable import ServerlessMPI

/// The messages of a job: who sends how many bytes to whom.
struct SimulatedTraffic {
    struct Message {
        let source: Int
        let destination: Int
        let tag: Int32
        /// Which one of this pair and tag.
        let number: Int
        let byteCount: Int
        let isSynchronous: Bool
    }

    var messages: [Message] = []

    init(ranks: Int, _ random: inout Seeded) {
        var counts: [[Int]: Int] = [:]
        for _ in 0..<Int.random(in: 10...60, using: &random) {
            let source = Int.random(in: 0..<ranks, using: &random)
            let destination = (source + Int.random(in: 1..<ranks, using: &random)) % ranks
            let tag = Int.random(in: 0..<3, using: &random)
            let limit = [1, 100, 8 << 10, 60 << 10].randomElement(using: &random) ?? 1
            messages.append(
                Message(
                    source: source, destination: destination, tag: Int32(tag),
                    number: counts[[source, destination, tag], default: 0],
                    byteCount: Int.random(in: 0...limit, using: &random),
                    isSynchronous: Int.random(in: 0..<10, using: &random) == 0))
            counts[[source, destination, tag], default: 0] += 1
        }
    }
}

extension SimulatedTraffic.Message {
    private var mark: UInt64 {
        UInt64(source) << 48 | UInt64(destination) << 40 | UInt64(tag) << 32 | UInt64(number)
    }

    /// Words that no other message has.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        var random = Seeded(mark)
        var offset = 0
        while offset < byteCount {
            withUnsafeBytes(of: random.next()) { word in
                let count = min(8, byteCount - offset)
                for index in 0..<count { buffer[offset + index] = word[index] }
            }
            offset += 64
        }
        // The last byte differs, too: a message cut short is noticed.
        if byteCount > 0 { buffer[byteCount - 1] = UInt8(truncatingIfNeeded: number &+ 1) }
    }

    var what: String {
        "message \(number) of \(byteCount) bytes, \(source) to \(destination), tag \(tag)"
    }
}

final class SimulatedProgram {
    enum Phase { case waiting, working, leaving, lingering, left }

    private struct Operation {
        let message: SimulatedTraffic.Message
        let isSend: Bool
        let buffer: UnsafeMutableRawBufferPointer
        var handle: RequestHandle?
    }

    private let rank: Int
    private let clock: SimulationClock
    private var random: Seeded
    private var operations: [Operation] = []
    private var started = 0
    private var pending: [Int] = []
    private var engine: Engine?
    private(set) var phase = Phase.waiting
    private var lingering: Engine.Lingering?
    private(set) var fault: String?
    var wake: () -> Void = {}
    /// Are bytes to this peer under way that its kernel has not acknowledged?
    var isUnacknowledged: (Int) -> Bool = { _ in false }

    init(_ traffic: SimulatedTraffic, rank: Int, _ clock: SimulationClock, seed: UInt64) {
        self.rank = rank
        self.clock = clock
        random = Seeded(seed)
        // Messages of one pair and tag are started in their order, everything else anyhow.
        for message in traffic.messages where message.source == rank || message.destination == rank
        {
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: message.byteCount, alignment: 8)
            let isSend = message.source == rank
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            if isSend { message.fill(buffer) }
            let operation = Operation(message: message, isSend: isSend, buffer: buffer)
            let lowest = operations.lastIndex {
                $0.isSend == isSend && $0.message.tag == message.tag
                    && $0.message.source == message.source
                    && $0.message.destination == message.destination
            }
            let place = Int.random(
                in: (lowest.map { $0 + 1 } ?? 0)...operations.count, using: &random)
            operations.insert(operation, at: place)
        }
    }

    deinit { for operation in operations { operation.buffer.deallocate() } }

    func start(_ engine: Engine) {
        self.engine = engine
        phase = .working
        startNext()
    }

    private func startNext() {
        let pause = [0, 0, 5, 100].randomElement(using: &random) ?? 0
        clock.after(.milliseconds(pause) + .microseconds(10)) { [weak self] in
            guard let self, let engine, phase == .working, started < operations.count else {
                return
            }
            if !engine.state.pointee.isTroubled, !engine.isClosed {
                begin(started, engine)
                started += 1
            }
            wake()
            startNext()
        }
    }

    private func begin(_ index: Int, _ engine: Engine) {
        let operation = operations[index]
        let message = operation.message
        let tag = Tag(rawValue: message.tag)
        do throws(MPIError) {
            operations[index].handle =
                operation.isSend
                ? try engine.isend(
                    UnsafeRawBufferPointer(operation.buffer), in: engine.world,
                    to: message.destination, tag: tag, call: 0,
                    isSynchronous: message.isSynchronous)
                : try engine.irecv(
                    into: operation.buffer, in: engine.world,
                    from: .rank(message.source), tag: tag, call: 0)
            pending.append(index)
        } catch {
            // The engine has reported it.
        }
    }

    /// Looks what is done; true once the rank has left.
    func advance() -> Bool {
        guard let engine, !engine.state.pointee.isTroubled else { return false }
        pending.removeAll { isDone($0, engine) }
        if phase == .working, started == operations.count, pending.isEmpty {
            phase = .leaving
            engine.lock()
            engine.isLeaving = true
            for case let link? in engine.links where !link.pointee.isWriteClosed {
                engine.sayBye(link)
            }
            engine.unlock()
        }
        if phase == .leaving || phase == .lingering { leave(engine) }
        if let first = pending.first { checkAbandoned(first, engine) }
        return phase == .left
    }

    private func isDone(_ index: Int, _ engine: Engine) -> Bool {
        let operation = operations[index]
        guard let handle = operation.handle,
            let slot = engine.requests.find(handle.rawValue), engine.requests[slot].phase == .done
        else { return false }
        do throws(MPIError) {
            guard let status = try engine.test(handle) else { return false }
            if !operation.isSend { check(operation, status) }
        } catch {
            fault = "\(operation.message.what): \(error)"
        }
        return true
    }

    /// As a call that waits for this operation would: can it still come?
    private func checkAbandoned(_ index: Int, _ engine: Engine) {
        guard let handle = operations[index].handle,
            let slot = engine.requests.find(handle.rawValue)
        else { return }
        engine.lock()
        defer { engine.unlock() }
        do throws(MPIError) {
            try engine.checkAbandoned(.request(slot))
        } catch {
            // The engine has reported it.
        }
    }

    private func check(_ operation: Operation, _ status: Status) {
        let message = operation.message
        let expected = UnsafeMutableRawBufferPointer.allocate(
            byteCount: message.byteCount, alignment: 8)
        defer { expected.deallocate() }
        expected.initializeMemory(as: UInt8.self, repeating: 0)
        message.fill(expected)
        let isSame = UnsafeRawBufferPointer(expected)
            .elementsEqual(UnsafeRawBufferPointer(operation.buffer))
        if status.byteCount != message.byteCount || !isSame {
            fault = "\(message.what) has come as \(status.byteCount) other bytes"
        }
    }

    /// As Engine.leave, which blocks.
    private func leave(_ engine: Engine) {
        engine.lock()
        defer { engine.unlock() }
        if phase == .leaving {
            guard engine.links.allSatisfy(Engine.isWritten) else { return }
            for case let link? in engine.links { engine.shutDownIfWritten(link) }
            let isDelivered = engine.links.allSatisfy { link in
                guard let link, !link.pointee.hasLeft else { return true }
                return Engine.isDelivered(link) && !isUnacknowledged(Int(link.pointee.peer))
            }
            guard isDelivered else { return }
            phase = .lingering
            lingering = Engine.Lingering(clock.now, engine.settings.lingerTimeout)
        }
        if lingering?.isOver(engine.links, clock.now) == true {
            engine.closeLinks()
            phase = .left
        } else if let deadline = lingering?.deadline, deadline > clock.now {
            clock.at(deadline) { [weak self] in self?.wake() }
        }
    }

    /// Did a message come that nobody was to receive?
    var hasSurplus: Bool { (engine?.world.queues.unexpectedCount ?? 0) > 0 }

    var state: String {
        "\(phase), \(started) of \(operations.count) begun, waits for "
            + pending.prefix(3).map {
                (operations[$0].isSend ? "sending " : "receiving ") + operations[$0].message.what
            }.joined(separator: "; ")
    }
}
