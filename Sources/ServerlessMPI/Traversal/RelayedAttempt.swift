// The relayed candidate of one peer: when to ask the rendezvous server for it, and what became of
// it. A value inside MeshMachine; time is passed in.

/// What admits one end of a pair to its relay, once.
struct RelayToken: Hashable, Sendable {
    static let byteCount = 16
    let bytes: [UInt8]

    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    static func random() -> RelayToken { RelayToken(unchecked: RequestID.random().bytes) }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }
}

struct RelayedAttempt {
    /// Direct connections get this long, or three round trips, before a relay is asked for.
    static let shortestDelay = Duration.milliseconds(150)
    /// A large mesh on a slow processor is late without being out of reach.
    static let delayPerPeer = Duration.milliseconds(5)
    /// A peer that has been reached, but not yet authenticated, holds the request back no longer.
    static let patience = Duration.seconds(1)
    /// A request without an answer is repeated; one whose relay the peer does not come to, later
    /// each time, as both may just be slow.
    static let answerTimeout = Duration.seconds(3)
    static let longestRetry = Duration.seconds(1)
    private static let maximumBreaks = 8

    /// The lower rank asks at this time; nil on the higher one.
    var askAt: ContinuousClock.Instant?
    /// Until then a request waits for a peer that can be reached, but is slow to shake hands.
    var patienceEnds: ContinuousClock.Instant
    /// Authenticated while a direct connection was about to be: nominated then, unless that came.
    var nominateAt: ContinuousClock.Instant?
    /// Shall this rank ask? The lower one of the pair does.
    let asks: Bool
    let delay: Duration
    var connection: MeshMachine.Connection?
    /// Which token it shows.
    private(set) var token: RelayToken?
    /// The peer has come to it, too.
    var hasMet = false
    var requests = 0
    private var breaks = 0
    var cause: String?
    var isHopeless = false

    /// - Parameters:
    ///   - isDirectHopeless: nothing else has a chance: ask at once.
    ///   - start: when the direct attempts begin.
    init(
        asks: Bool, isDirectHopeless: Bool, roundTripTime: Duration, peerCount: Int,
        start: ContinuousClock.Instant
    ) {
        self.asks = asks
        delay = Self.delay(roundTripTime, peerCount: peerCount)
        patienceEnds = start + delay + Self.patience
        if asks { askAt = isDirectHopeless ? start : start + delay }
    }

    /// How long direct attempts are given before relays of any kind are tried.
    static func delay(_ roundTripTime: Duration, peerCount: Int) -> Duration {
        max(shortestDelay, roundTripTime * 3) + delayPerPeer * peerCount
    }

    /// A relay is offered and dialled. The peer may never come: what it was told, or its connection to
    /// the relay, may be lost.
    mutating func offered(
        _ token: RelayToken, _ connection: MeshMachine.Connection, _ now: ContinuousClock.Instant
    ) {
        self.token = token
        self.connection = connection
        hasMet = false
        askAt = asks ? now + Self.answerTimeout * max(requests, 1) : nil
    }

    /// The relayed connection broke before it was chosen.
    mutating func broke(_ failure: MeshMachine.DialFailure, now: ContinuousClock.Instant) {
        connection = nil
        nominateAt = nil
        breaks += 1
        switch failure {
        case .hopeless(let cause):
            self.cause = cause
            isHopeless = true
        case .refused(let cause):
            self.cause = cause
        case .taken:
            cause = "no local port is free"
        }
        isHopeless = isHopeless || breaks >= Self.maximumBreaks
        askAt =
            asks && !isHopeless ? now + min(delay * max(requests, 1), Self.longestRetry) : nil
    }

    /// What a user reads if all was in vain; nil if it never came to that.
    var explanation: String? {
        if let cause { return cause }
        if connection != nil { return "the other rank has not come to the relay" }
        return requests > 0 ? "asked for, no answer from the rendezvous server" : nil
    }
}
