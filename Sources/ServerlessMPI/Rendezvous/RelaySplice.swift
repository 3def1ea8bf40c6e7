// Two connections of which each gets what the other sends: one relay at work. It holds at most one
// buffer per direction, and while that is not empty it does not read, so that a slow receiver
// slows its sender and nobody else. The bytes are the ranks' own; it understands none of them.

import CLinux
import Glibc

final class RelaySplice {
    /// From one side to the other.
    private struct Stream {
        var held: [UInt8] = []
        var position = 0
        /// Nothing more can be read.
        var hasEnded = false
        /// Nothing more can be written: the end has been passed on, or the receiver is gone.
        var isFinished = false

        var isHolding: Bool { position < held.count }
    }

    private struct Side {
        let descriptor: Int32
        let token: UInt64
        var watched: (reads: Bool, writes: Bool)?
    }

    let pair: RelayTable.PairID
    private let poll: EventPoll
    private var sides: [Side]
    /// From side 0 to side 1, and back.
    private var streams = [Stream(), Stream()]

    /// Takes over two connected nonblocking descriptors, which `poll` does not watch.
    init(
        _ pair: RelayTable.PairID, poll: EventPoll,
        _ one: (descriptor: Int32, token: UInt64), _ other: (descriptor: Int32, token: UInt64)
    ) {
        self.pair = pair
        self.poll = poll
        sides = [one, other].map { Side(descriptor: $0.descriptor, token: $0.token) }
        watch()
    }

    var tokens: [UInt64] { sides.map(\.token) }

    var hasEnded: Bool { streams.allSatisfy(\.isFinished) }

    /// Moves what can move now: in each direction at most what `scratch` holds, so that others get
    /// their turn. The number of bytes received.
    func advance(_ event: PollEvent, scratch: UnsafeMutableRawBufferPointer) -> Int {
        guard let side = sides.firstIndex(where: { $0.token == event.token }) else { return 0 }
        var count = 0
        if event.isReadable { count += pump(from: side, scratch) }
        if event.isWritable { count += pump(from: 1 - side, scratch) }
        if !hasEnded { watch() }
        return count
    }

    private func pump(from side: Int, _ scratch: UnsafeMutableRawBufferPointer) -> Int {
        guard !streams[side].isFinished, flush(from: side) else { return 0 }
        let count = streams[side].hasEnded ? 0 : fill(from: side, scratch)
        if streams[side].hasEnded, !streams[side].isHolding, !streams[side].isFinished {
            shutdown(sides[1 - side].descriptor, Int32(SHUT_WR))
            streams[side].isFinished = true
        }
        return count
    }

    private func fill(from side: Int, _ scratch: UnsafeMutableRawBufferPointer) -> Int {
        switch Socket.read(sides[side].descriptor, scratch) {
        case .wouldBlock: break
        case .endOfStream: streams[side].hasEnded = true
        case .failed:
            // It takes nothing more, either; what it had sent is still delivered.
            streams[side].hasEnded = true
            streams[1 - side].isFinished = true
        case .bytes(let count):
            let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<count])
            let sent = write(bytes, from: side)
            if sent < count, !streams[side].isFinished {
                streams[side].held = Array(bytes[sent...])
                streams[side].position = 0
            }
            return count
        }
        return 0
    }

    /// True once nothing is held and more may be read.
    private func flush(from side: Int) -> Bool {
        guard streams[side].isHolding else { return true }
        let position = streams[side].position
        streams[side].position += streams[side].held.withUnsafeBytes { bytes in
            write(UnsafeRawBufferPointer(rebasing: bytes[position...]), from: side)
        }
        guard !streams[side].isFinished, !streams[side].isHolding else { return false }
        // Idle relays hold no memory.
        streams[side].held = []
        streams[side].position = 0
        return true
    }

    /// How many bytes the receiver took. A receiver that is gone ends the direction.
    private func write(_ bytes: UnsafeRawBufferPointer, from side: Int) -> Int {
        var sent = 0
        while sent < bytes.count {
            switch Socket.write(
                sides[1 - side].descriptor, UnsafeRawBufferPointer(rebasing: bytes[sent...]))
            {
            case .bytes(let count): sent += count
            case .wouldBlock: return sent
            case .endOfStream, .failed:
                streams[side].hasEnded = true
                streams[side].isFinished = true
                return sent
            }
        }
        return sent
    }

    /// A side of which nothing is wanted is not watched at all: its hang-up would be reported
    /// again and again while nothing can be done about it.
    private func watch() {
        for side in sides.indices {
            let own = streams[side]
            let reads = !own.hasEnded && !own.isHolding
            let writes = streams[1 - side].isHolding && !streams[1 - side].isFinished
            let watched = sides[side].watched
            guard reads || writes else {
                if watched != nil { poll.forget(sides[side].descriptor) }
                sides[side].watched = nil
                continue
            }
            if watched == nil {
                poll.watch(
                    sides[side].descriptor, sides[side].token, reads: reads, writes: writes)
            } else if watched?.reads != reads || watched?.writes != writes {
                poll.change(
                    sides[side].descriptor, sides[side].token, reads: reads, writes: writes)
            }
            sides[side].watched = (reads, writes)
        }
    }

    func close() {
        for side in sides {
            if side.watched != nil { poll.forget(side.descriptor) }
            Glibc.close(side.descriptor)
        }
    }
}
