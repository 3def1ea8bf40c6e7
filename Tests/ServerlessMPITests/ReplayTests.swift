// What a link remembers of what it has sent, as values without a connection: random schedules of
// loss, acknowledgement and resumption, each from a seed.

import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite("Replay")
struct ReplayTests {
    @Test("pieces of a ring never overlap and are given back in order", arguments: 0..<20)
    func ring(seed: Int) {
        var random = Seeded(UInt64(seed))
        var ring = ReplayRing(capacity: 1000)
        var taken: [(piece: ReplayRing.Piece, byteCount: Int)] = []
        var refused = 0
        for _ in 0..<20_000 {
            let byteCount = Int.random(in: 0...400, using: &random)
            if Bool.random(using: &random), let piece = ring.take(byteCount) {
                let range = piece.offset..<piece.offset + byteCount
                let overlaps = taken.contains {
                    range.overlaps($0.piece.offset..<$0.piece.offset + $0.byteCount)
                }
                #expect(!overlaps && range.upperBound <= 1000, "seed \(seed)")
                taken.append((piece, byteCount))
            } else if !taken.isEmpty {
                refused += 1
                ring.giveBack(extent: taken.removeFirst().piece.extent)
            }
        }
        #expect(refused > 0)
        for (piece, _) in taken { ring.giveBack(extent: piece.extent) }
        #expect(ring.occupied == 0)
        #expect(ring.take(1000) == ReplayRing.Piece(offset: 0, extent: 1000))
    }

    @Test("a full ring refuses, and takes again once half of it is acknowledged")
    func fullRing() {
        var ring = ReplayRing(capacity: 100)
        #expect(ring.take(101) == nil)
        let first = ring.take(50)
        let second = ring.take(50)
        #expect(first?.offset == 0 && second?.offset == 50 && ring.take(1) == nil)
        ring.giveBack(extent: 50)
        #expect(ring.take(51) == nil && ring.take(50)?.offset == 0)
    }

    @Test("frames are counted past 2^32, one at a time")
    func receipts() {
        var receipts = Receipts()
        let results = [
            receipts.begin(1, byteCount: 0), receipts.begin(3, byteCount: 0),
            receipts.begin(2, byteCount: 10), receipts.begin(3, byteCount: 0),
        ]
        #expect(results == [true, false, true, false])
        #expect(receipts.completed == 1 && receipts.tell() == 1)
        receipts.complete()
        #expect(receipts.completed == 2 && receipts.isUntold)
        #expect(receipts.isDue(ringByteCount: 20) && !receipts.isDue(ringByteCount: 22))
        for number in UInt32(3)...258 { _ = receipts.begin(number, byteCount: 0) }
        #expect(receipts.isDue(ringByteCount: 1 << 20))
    }

    @Test("every byte comes once, in order, whatever breaks when", arguments: 0..<40)
    func schedule(seed: Int) {
        var bench = ReplayBench(seed: UInt64(seed))
        for _ in 0..<3000 { bench.step() }
        bench.finish()
        #expect(bench.fault == nil, "seed \(seed): \(bench.fault ?? "")")
        #expect(bench.breaks > 50 && bench.arrived == bench.appended, "seed \(seed)")
        #expect(bench.queue.isEmpty && bench.frames.inUse == 0, "seed \(seed)")
        #expect(bench.done == bench.requests, "seed \(seed): every send ends once")
        bench.destroy()
    }

    @Test("positions and acknowledgements that cannot be are refused")
    func lies() {
        var bench = ReplayBench(seed: 1)
        let payload = bench.append(byteCount: 100)
        #expect(payload > 0)
        let early = bench.queue.acknowledge(1, bench.frames) { _ in }
        #expect(!early, "nothing is written yet")
        let held = bench.queue.resume(after: 0, remaining: 0, bench.frames) { _ in }
        #expect(!held, "the connection has not broken")
        bench.queue.cut(bench.frames)
        let future = bench.queue.resume(after: 9, remaining: 0, bench.frames) { _ in }
        let long = bench.queue.resume(after: 0, remaining: 101, bench.frames) { _ in }
        #expect(!future && !long)
        bench.destroy()
    }
}

/// A sender's queue, a receiver's count, and between them a pipe that loses what is in it.
struct ReplayBench {
    var queue = SendQueue()
    let frames = Slab<OutgoingFrame>()
    var random: Seeded
    var receipts = Receipts()
    /// Bytes under way: number of the frame and offset in it.
    private var pipe: [(number: UInt32, offset: Int)] = []
    private var lengths: [UInt32: Int] = [:]
    private var missing = 0
    private(set) var appended: UInt32 = 0
    private(set) var arrived: UInt32 = 0
    private(set) var breaks = 0
    private(set) var requests: [UInt32] = []
    private(set) var done: [UInt32] = []
    private(set) var fault: String?

    init(seed: UInt64) {
        random = Seeded(seed)
        queue.keep(ringByteCount: 400)
    }

    func destroy() {
        queue.destroy()
        frames.destroy()
    }

    /// A copied payload, a borrowed one, or a frame that does not count.
    @discardableResult
    mutating func append(byteCount: Int, isCounted: Bool = true) -> UInt32 {
        let index = frames.take()
        frames[index].payloadByteCount = byteCount
        frames[index].isCounted = isCounted
        if isCounted {
            appended = queue.nextNumber()
            lengths[appended] = byteCount
            if let piece = queue.takeRoom(byteCount) {
                frames[index].ringExtent = piece.extent
            } else {
                frames[index].request = appended
                requests.append(appended)
            }
        }
        // The number travels in the header.
        frames[index].header.0 = isCounted ? UInt64(appended) : 0
        queue.append(index, frames)
        return appended
    }

    mutating func step() {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<6:
            append(
                byteCount: Int.random(in: 0...120, using: &random),
                isCounted: Int.random(in: 0..<5, using: &random) > 0)
        case 6..<11: write(Int.random(in: 1...200, using: &random))
        case 11..<16: read(Int.random(in: 1...200, using: &random))
        case 16..<19:
            if !queue.isHeld {
                let isPossible = queue.acknowledge(receipts.tell(), frames) { done.append($0) }
                if !isPossible { fault = "an acknowledgement was refused" }
            }
        default: breakConnection()
        }
    }

    mutating func finish() {
        if queue.isHeld { breakConnection() }
        while queue.head != noSlot || !pipe.isEmpty {
            write(1000)
            read(1000)
        }
        _ = queue.acknowledge(receipts.tell(), frames) { done.append($0) }
    }

    private mutating func write(_ count: Int) {
        var left = count
        while left > 0, queue.head != noSlot {
            let index = queue.head
            let number = UInt32(frames[index].header.0)
            if number > 0 { pipe.append((number, frames[index].written)) }
            frames[index].written += 1
            left -= 1
            guard frames[index].remaining == 0 else { continue }
            let request = queue.finishHead(frames)
            if request != noSlot { fault = "a send ended before it was acknowledged" }
        }
    }

    private mutating func read(_ count: Int) {
        for (number, offset) in pipe.prefix(count) {
            let length = FrameHeader.byteCount + (lengths[number] ?? 0)
            if offset == FrameHeader.byteCount - 1 {
                guard receipts.begin(number, byteCount: lengths[number] ?? 0) else {
                    fault = "frame \(number) is out of turn after \(receipts.begun)"
                    return
                }
                missing = length - offset - 1
            } else if offset >= FrameHeader.byteCount {
                if missing != length - offset { fault = "frame \(number) goes on elsewhere" }
                missing -= 1
                if missing == 0 { receipts.complete() }
            }
        }
        pipe.removeFirst(min(count, pipe.count))
        arrived = receipts.completed
    }

    /// What is under way is lost; headers that have come in part are forgotten.
    private mutating func breakConnection() {
        breaks += 1
        pipe = []
        queue.cut(frames)
        if Bool.random(using: &random) { append(byteCount: 5) }
        let isPossible = queue.resume(
            after: receipts.tell(), remaining: missing, frames
        ) { done.append($0) }
        if !isPossible { fault = "a position was refused" }
    }
}
