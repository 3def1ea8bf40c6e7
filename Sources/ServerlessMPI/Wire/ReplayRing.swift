// Where copies of eager payloads wait until the peer has acknowledged them, so that they can be
// sent again over another connection. Pure bookkeeping of offsets: the memory itself is the
// link's, so that random schedules can be tested without any.

/// A ring of bytes, given out in contiguous pieces and given back in the order they were taken.
struct ReplayRing {
    /// A piece of the ring.
    struct Piece: Equatable {
        var offset: Int
        /// Bytes it occupies, with those skipped at the end of the ring to stay contiguous.
        var extent: Int
    }

    let capacity: Int
    private(set) var occupied = 0
    private var oldest = 0
    private var next = 0

    init(capacity: Int) { self.capacity = capacity }

    /// A piece of `byteCount` bytes; nil while there is no room.
    mutating func take(_ byteCount: Int) -> Piece? {
        guard byteCount <= capacity - occupied else { return nil }
        guard byteCount > 0 else { return Piece(offset: 0, extent: 0) }
        var piece = Piece(offset: next, extent: byteCount)
        if next < oldest {
            guard byteCount <= oldest - next else { return nil }
        } else if byteCount > capacity - next {
            guard byteCount <= oldest else { return nil }
            piece = Piece(offset: 0, extent: capacity - next + byteCount)
        }
        next = piece.offset + byteCount == capacity ? 0 : piece.offset + byteCount
        occupied += piece.extent
        return piece
    }

    /// The oldest piece is not needed any more.
    mutating func giveBack(extent: Int) {
        assert(extent <= occupied, "more given back than was taken")
        occupied -= extent
        oldest = (oldest + extent) % capacity
        // A ring that is empty between messages uses the same, cached bytes again and again.
        if occupied == 0 { (oldest, next) = (0, 0) }
    }

    /// Bytes of one rank for all its links together, and what one link gets of them at least and
    /// at most. Both ends of a link reckon with the same capacity.
    static func capacity(ranks: Int, total: Int) -> Int {
        max(128 << 10, min(4 << 20, total / max(1, ranks)))
    }
}
