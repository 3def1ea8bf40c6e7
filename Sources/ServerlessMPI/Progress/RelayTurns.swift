// Large payloads on a relayed link go one way at a time. A relay forwards with little memory, and
// coturn's flow control (4.6) stops for ever when both of its directions are full at once; with at
// most one that can fill, it does not. The lower rank of the pair keeps the order.

/// A rendezvous payload that this rank is to send or to ask for.
struct RelayedPayload: Equatable {
    /// Seen from the rank that keeps the order.
    enum Direction { case out, back }

    let direction: Direction
    /// The request of this rank.
    let slot: UInt32
    let byteCount: Int
    /// The peer's name for its request.
    let reply: UInt64
}

/// Which payloads are under way on one link, and which wait for the other direction to be empty.
struct RelayTurns {
    private struct Lane {
        var running = 0
        var waiting: [RelayedPayload] = []
    }

    private var out = Lane()
    private var back = Lane()

    /// Nothing is under way and nothing waits.
    var isIdle: Bool {
        [out, back].allSatisfy { $0.running == 0 && $0.waiting.isEmpty }
    }

    /// May it start now? If not, it is among those that an end lets start.
    mutating func admits(_ payload: RelayedPayload) -> Bool {
        switch payload.direction {
        case .out: Self.admit(payload, to: &out, against: back)
        case .back: Self.admit(payload, to: &back, against: out)
        }
    }

    private static func admit(
        _ payload: RelayedPayload, to lane: inout Lane, against other: Lane
    ) -> Bool {
        // Those who wait go first, or one direction could keep the link.
        guard other.running == 0, other.waiting.isEmpty else {
            lane.waiting.append(payload)
            return false
        }
        lane.running += 1
        return true
    }

    /// A payload has arrived at its end. Those that may start now; nil if none was under way.
    mutating func ended(_ direction: RelayedPayload.Direction) -> [RelayedPayload]? {
        switch direction {
        case .out: Self.end(&out, &back)
        case .back: Self.end(&back, &out)
        }
    }

    private static func end(_ lane: inout Lane, _ other: inout Lane) -> [RelayedPayload]? {
        guard lane.running > 0 else { return nil }
        lane.running -= 1
        guard lane.running == 0 else { return [] }
        return other.waiting.isEmpty ? start(&lane) : start(&other)
    }

    private static func start(_ lane: inout Lane) -> [RelayedPayload] {
        defer { lane.waiting = [] }
        lane.running += lane.waiting.count
        return lane.waiting
    }
}

extension Engine {
    /// May this payload start, or must it wait for its turn? Always, where nobody keeps an order.
    func isItsTurn(_ payload: RelayedPayload, on link: LinkPointer) -> Bool {
        // A link that has moved to a direct path needs no order any more.
        if !link.pointee.isRelayed, link.pointee.turns?.isIdle == true { link.pointee.turns = nil }
        return link.pointee.turns?.admits(payload) ?? true
    }

    /// A rendezvous payload is here in full.
    func payloadArrived(on link: LinkPointer) {
        if link.pointee.turns != nil {
            startNext(link.pointee.turns?.ended(.back), on: link)
        } else if link.pointee.isRelayed, !link.pointee.isResumable, !link.pointee.hasLeft,
            !isLeaving
        {
            enqueue(FrameHeader(type: .receipt), on: link)
            if !link.pointee.isWriteBlocked { flush(link) }
        }
    }

    /// The peer has a rendezvous payload of this rank in full. False if there was none.
    func payloadDelivered(on link: LinkPointer) -> Bool {
        guard let next = link.pointee.turns?.ended(.out) else { return false }
        startNext(next, on: link)
        return true
    }

    private func startNext(_ payloads: [RelayedPayload]?, on link: LinkPointer) {
        for payload in payloads ?? [] {
            switch payload.direction {
            case .out:
                writePayload(payload.slot, payload.byteCount, to: payload.reply, on: link)
            case .back: writeGrant(payload.slot, reply: payload.reply, on: link)
            }
        }
    }
}
