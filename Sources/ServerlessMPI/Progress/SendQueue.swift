// The frames of one link on their way out: those to be written, and, on a link that can be made
// again, those that are written and not acknowledged. No sockets and no clock: a connection is
// something that takes bytes, until it does not.

import MessagePassing

/// Frames in order of their numbers. On a link that survives its connection (`keeps`) a frame stays
/// here until the peer has acknowledged it; else it is gone once it is written.
struct SendQueue {
    /// The frame to be written next, and the last one.
    private(set) var head = noSlot
    private var tail = noSlot
    /// Written and not acknowledged; while the queue is held, everything.
    private var keptHead = noSlot
    private var keptTail = noSlot
    /// There is no connection, or the peer has not yet said where it stands.
    private(set) var isHeld = false
    private(set) var keeps = false
    private(set) var sent: UInt32 = 0
    private(set) var acknowledged: UInt32 = 0
    private var ring = ReplayRing(capacity: 1)
    private var memory: UnsafeMutableRawPointer?

    func destroy() { memory?.deallocate() }

    /// Is there anything that the peer may not have?
    var isEmpty: Bool { head == noSlot && keptHead == noSlot }

    // MARK: Copies

    /// From now on frames stay until they are acknowledged, and payloads of eager ones are copied.
    mutating func keep(ringByteCount: Int) {
        keeps = true
        ring = ReplayRing(capacity: ringByteCount)
    }

    /// Room for the copy of an eager payload; nil while too much is not acknowledged.
    mutating func takeRoom(_ byteCount: Int) -> ReplayRing.Piece? {
        if memory == nil { memory = .allocate(byteCount: ring.capacity, alignment: 64) }
        return ring.take(byteCount)
    }

    /// Copies the payload of a frame to the piece taken for it.
    func copy(
        _ payload: UnsafeRawPointer, to piece: ReplayRing.Piece,
        of frame: UnsafeMutablePointer<OutgoingFrame>
    ) {
        guard let memory else { return }
        let place = memory + piece.offset
        place.copyMemory(from: payload, byteCount: frame.pointee.payloadByteCount)
        frame.pointee.payload = UnsafeRawPointer(place)
    }

    /// What waited for its first connection is copied before anything is written. The requests
    /// that are thereby done go to `done`.
    mutating func keepWaiting(_ frames: Slab<OutgoingFrame>, done: (UInt32) -> Void) {
        var index = head
        while index != noSlot {
            let frame = frames.pointer(index)
            if frame.pointee.isEager, let piece = takeRoom(frame.pointee.payloadByteCount) {
                frame.pointee.ringExtent = piece.extent
                // An empty message has no payload, and is done as well.
                if let payload = frame.pointee.payload { copy(payload, to: piece, of: frame) }
                if frame.pointee.request != noSlot { done(frame.pointee.request) }
                frame.pointee.request = noSlot
            }
            index = frame.pointee.next
        }
    }

    // MARK: In and out

    mutating func nextNumber() -> UInt32 {
        sent &+= 1
        return sent
    }

    mutating func append(_ index: UInt32, _ frames: Slab<OutgoingFrame>) {
        if isHeld, frames[index].isCounted {
            Self.append(index, to: &keptHead, &keptTail, frames)
        } else {
            Self.append(index, to: &head, &tail, frames)
        }
    }

    private static func append(
        _ index: UInt32, to head: inout UInt32, _ tail: inout UInt32, _ frames: Slab<OutgoingFrame>
    ) {
        frames[index].next = noSlot
        if tail == noSlot { head = index } else { frames[tail].next = index }
        tail = index
    }

    private static func takeFirst(
        _ head: inout UInt32, _ tail: inout UInt32, _ frames: Slab<OutgoingFrame>
    ) -> UInt32 {
        let index = head
        head = frames[index].next
        if head == noSlot { tail = noSlot }
        return index
    }

    /// The first frame is written in full.
    /// - Returns: the request that is done thereby, if any.
    mutating func finishHead(_ frames: Slab<OutgoingFrame>) -> UInt32 {
        let index = Self.takeFirst(&head, &tail, frames)
        if keeps, frames[index].isCounted {
            Self.append(index, to: &keptHead, &keptTail, frames)
            return noSlot
        }
        let request = frames[index].request
        frames.giveBack(index)
        return request
    }

    /// Nobody will read what is to be written.
    mutating func drop(_ frames: Slab<OutgoingFrame>) {
        while head != noSlot { frames.giveBack(Self.takeFirst(&head, &tail, frames)) }
    }

    // MARK: Acknowledgement and another connection

    /// The peer has everything up to frame `number`. The requests that are done thereby go to
    /// `done`. False if it cannot have.
    mutating func acknowledge(
        _ number: UInt32, _ frames: Slab<OutgoingFrame>, done: (UInt32) -> Void
    ) -> Bool {
        // What is sent again says again what was true then.
        if Int32(bitPattern: number &- acknowledged) < 0 { return true }
        guard number &- acknowledged <= sent &- acknowledged else { return false }
        while acknowledged != number {
            guard keptHead != noSlot else { return false }
            let index = Self.takeFirst(&keptHead, &keptTail, frames)
            acknowledged &+= 1
            ring.giveBack(extent: frames[index].ringExtent)
            if frames[index].request != noSlot { done(frames[index].request) }
            frames.giveBack(index)
        }
        return true
    }

    /// The connection is gone: everything waits for the next one and for the peer's position.
    mutating func cut(_ frames: Slab<OutgoingFrame>) {
        isHeld = true
        while head != noSlot {
            let index = Self.takeFirst(&head, &tail, frames)
            if frames[index].isCounted {
                Self.append(index, to: &keptHead, &keptTail, frames)
            } else {
                frames.giveBack(index)
            }
        }
    }

    /// The peer has everything up to frame `number`, and of the next one all but `remaining` bytes
    /// (0: nothing). The rest is to be written. False if that cannot be.
    mutating func resume(
        after number: UInt32, remaining: Int, _ frames: Slab<OutgoingFrame>,
        done: (UInt32) -> Void
    ) -> Bool {
        guard isHeld, Int32(bitPattern: number &- acknowledged) >= 0,
            acknowledge(number, frames, done: done)
        else { return false }
        isHeld = false
        var index = keptHead
        while index != noSlot {
            frames[index].written = 0
            index = frames[index].next
        }
        if remaining > 0 {
            guard keptHead != noSlot, remaining <= frames[keptHead].payloadByteCount else {
                return false
            }
            frames[keptHead].written =
                FrameHeader.byteCount + frames[keptHead].payloadByteCount - remaining
        }
        while keptHead != noSlot {
            let index = Self.takeFirst(&keptHead, &keptTail, frames)
            Self.append(index, to: &head, &tail, frames)
        }
        return true
    }
}
