// What can go wrong with one invocation, on purpose: the accidents of the real service, made to
// happen to a chosen rank.
import CompactJSON
import Processes

/// An accident that an emulator arranges.
public struct Fault: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// The sandbox dies so long after it got the event, without an answer.
        case crashBeforeResponse(after: Duration)
        /// The sandbox dies as soon as it has answered.
        case crashAfterResponse
        /// The sandbox stands still for a while, so long after it got the event.
        case freeze(after: Duration, lasting: Duration)
        /// A second sandbox gets the same event, with the same request id.
        case duplicateEvent
        /// The event comes late.
        case lateEvent(by: Duration)
        /// The function answers, but its caller's connection breaks.
        case lostResponse
        /// The invocation is refused: too many requests.
        case throttle
    }

    public var kind: Kind
    /// Whose invocation: the one whose event names this rank; nil for any.
    public var rank: Int?
    /// How many invocations it happens to.
    public var count = 1

    public init(_ kind: Kind, rank: Int? = nil, count: Int = 1) {
        self.kind = kind
        self.rank = rank
        self.count = count
    }

    /// `crash`, `crash-after`, `freeze`, `duplicate`, `late`, `lost`, `throttle`; then, as needed,
    /// `,rank=R`, `,count=N`, `,after=MS`, `,lasting=MS`.
    public init(parsing text: String) throws(LaunchError) {
        let parts = text.split(separator: ",")
        var numbers = ["rank": -1, "count": 1, "after": 100, "lasting": 1000]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, numbers[String(pair[0])] != nil, let value = Int(pair[1]),
                value >= 0, value <= 1_000_000
            else {
                throw LaunchError(
                    "the fault \(text): after its name come rank=, count=, after= and lasting=")
            }
            numbers[String(pair[0])] = value
        }
        let after = Duration.milliseconds(numbers["after"] ?? 0)
        let lasting = Duration.milliseconds(numbers["lasting"] ?? 0)
        switch parts.first ?? "" {
        case "crash": kind = .crashBeforeResponse(after: after)
        case "crash-after": kind = .crashAfterResponse
        case "freeze": kind = .freeze(after: after, lasting: lasting)
        case "duplicate": kind = .duplicateEvent
        case "late": kind = .lateEvent(by: lasting)
        case "lost": kind = .lostResponse
        case "throttle": kind = .throttle
        default:
            throw LaunchError(
                "there is no fault \(text); choose from crash, crash-after, freeze, duplicate, late,"
                    + " lost and throttle")
        }
        rank = numbers["rank"].flatMap { $0 >= 0 ? $0 : nil }
        count = numbers["count"] ?? 1
    }

    func concerns(_ payload: [UInt8]) -> Bool {
        guard let rank else { return true }
        return JSONValue(parsing: payload)?["ranks"]?.array?.contains(.integer(rank)) ?? false
    }
}

extension [Fault] {
    /// Takes those that happen to this invocation; each has happened once more then.
    mutating func take(for payload: [UInt8]) -> [Fault.Kind] {
        var taken: [Fault.Kind] = []
        for index in indices where self[index].count > 0 && self[index].concerns(payload) {
            self[index].count -= 1
            taken.append(self[index].kind)
        }
        removeAll { $0.count == 0 }
        return taken
    }
}
