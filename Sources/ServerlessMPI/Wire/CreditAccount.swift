// How much eager data may be under way to a rank that is not receiving: the receiver tells a
// cumulative limit in every frame, the sender stays below it. What does not fit is announced by a
// request to send instead, so running out of credit never blocks anybody.

/// What one eager message costs: its payload and the bookkeeping of a message nobody waits for.
func eagerCharge(_ byteCount: Int) -> UInt64 { UInt64(byteCount) + 256 }

/// Every rank may send this much before it has heard of a limit.
let initialCreditByteCount: UInt64 = 64 << 10

/// Limits are told in these.
let creditUnit: UInt64 = 1 << 10

/// The sender's side of one link.
struct SendCredit {
    private(set) var charged: UInt64 = 0
    private(set) var limit = initialCreditByteCount

    func covers(_ charge: UInt64) -> Bool { charge <= limit - charged }

    /// Takes credit for one message; false if there is not enough.
    mutating func take(_ charge: UInt64) -> Bool {
        guard covers(charge) else { return false }
        charged += charge
        return true
    }

    /// Limits only grow: a smaller one is old news. They come in units, modulo 2^32 of them.
    mutating func raise(to newLimit: UInt64) {
        let step =
            UInt32(truncatingIfNeeded: newLimit / creditUnit)
            &- UInt32(truncatingIfNeeded: limit / creditUnit)
        if step <= UInt32(Int32.max) { limit += UInt64(step) * creditUnit }
    }
}

/// The receiver's side of one link.
struct ReceiveCredit {
    /// Eager bytes that may wait here unreceived.
    private(set) var window: UInt64
    private var received: UInt64 = 0
    private var consumed: UInt64 = 0
    private var advertised = initialCreditByteCount

    init(window: UInt64) {
        self.window = max(window, initialCreditByteCount)
    }

    /// More may wait here from now on.
    mutating func widen(to newWindow: UInt64) { window = max(window, newWindow) }

    /// Counts an arriving message; false if the sender had no credit for it.
    mutating func receive(_ charge: UInt64) -> Bool {
        guard charge <= max(advertised, initialCreditByteCount) - received else { return false }
        received += charge
        return true
    }

    /// The message no longer occupies memory of ours.
    mutating func consume(_ charge: UInt64) { consumed += charge }

    /// Worth a frame of its own: half the window could be given back.
    var isDue: Bool { consumed + window - advertised >= window / 2 }

    /// The limit to tell with the frame being written.
    mutating func advertise() -> UInt64 {
        advertised = max(advertised, (consumed + window) / creditUnit * creditUnit)
        return advertised
    }
}
