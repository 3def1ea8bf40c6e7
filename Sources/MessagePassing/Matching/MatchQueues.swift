// Matching (MPI 4.1 §3.5): which message goes to which receive. Pure: no sockets, no clock, no
// lock; ThreadMPI and ServerlessMPI keep one of these per communicator and rank.

/// The posted-receive and unexpected-message queues of one communicator on one rank.
///
/// Receives and messages are known by ids of the caller's choice. Messages of one sender must be
/// given to `arrive` in the order they were sent; then matching never overtakes: of several
/// candidates the oldest wins, on both sides. The user's messages and collectives' live in
/// separate queues, so that `.any` never sees a collective. Not copyable, as a copy of its four lists
/// costs more than most calls.
package struct MatchQueues: ~Copyable {
    private var posted = Queues()
    private var unexpected = Queues()

    private struct Queues {
        var pointToPoint = MatchList()
        var collective = MatchList()
    }

    package init() {}

    /// Does a message of a collective wait for its receive?
    package var holdsCollective: Bool { unexpected.collective.count > 0 }

    /// Does no receive of the user's wait for a message, and no message for its receive?
    package var isIdleForUser: Bool {
        posted.pointToPoint.count == 0 && unexpected.pointToPoint.count == 0
    }

    /// Receives waiting for a message.
    package var postedCount: Int { posted.pointToPoint.count + posted.collective.count }
    /// Messages waiting for a receive.
    package var unexpectedCount: Int {
        unexpected.pointToPoint.count + unexpected.collective.count
    }

    /// A receive is posted: the id of the unexpected message it takes, or nil: it waits.
    package mutating func post(
        receive id: UInt32, source: Source, tag: Tag, call: UInt64
    ) -> UInt32? {
        let entry = MatchList.Entry(
            id: id, source: source.rawValue, tag: tag.rawValue, call: call, byteCount: 0)
        if call == 0 {
            if let message = unexpected.pointToPoint.take(for: entry) { return message.id }
            posted.pointToPoint.append(entry)
        } else {
            if let message = unexpected.collective.take(for: entry) { return message.id }
            posted.collective.append(entry)
        }
        return nil
    }

    /// A message arrived: the id of the receive that takes it, or nil: it waits.
    package mutating func arrive(_ envelope: Envelope, message id: UInt32) -> UInt32? {
        if let receive = takeReceive(for: envelope) { return receive }
        hold(envelope, message: id)
        return nil
    }

    /// The first half of `arrive`: the receive that takes the message, if there is one.
    package mutating func takeReceive(for envelope: Envelope) -> UInt32? {
        let entry = MatchList.Entry(envelope, id: 0)
        return envelope.call == 0
            ? posted.pointToPoint.takeReceive(of: entry)?.id
            : posted.collective.takeReceive(of: entry)?.id
    }

    /// The second half: the message waits.
    package mutating func hold(_ envelope: Envelope, message id: UInt32) {
        let entry = MatchList.Entry(envelope, id: id)
        if envelope.call == 0 {
            unexpected.pointToPoint.append(entry)
        } else {
            unexpected.collective.append(entry)
        }
    }

    /// The oldest unexpected message of the user's that a receive would take.
    package func probe(source: Source, tag: Tag) -> (message: UInt32, status: Status)? {
        let wanted = MatchList.Entry(
            id: 0, source: source.rawValue, tag: tag.rawValue, call: 0, byteCount: 0)
        return unexpected.pointToPoint.find(for: wanted).map(Self.describe)
    }

    /// Takes that message out of matching (a matched probe).
    package mutating func claim(
        source: Source, tag: Tag
    ) -> (message: UInt32, status: Status)? {
        let wanted = MatchList.Entry(
            id: 0, source: source.rawValue, tag: tag.rawValue, call: 0, byteCount: 0)
        return unexpected.pointToPoint.take(for: wanted).map(Self.describe)
    }

    /// Withdraws a posted receive; false if it is not waiting any more.
    package mutating func withdraw(receive id: UInt32) -> Bool {
        posted.pointToPoint.removeFirst { $0.id == id } != nil
            || posted.collective.removeFirst { $0.id == id } != nil
    }

    /// Withdraws an unexpected message, whose sender gave up; false if it does not wait any more.
    package mutating func withdraw(message id: UInt32) -> Bool {
        unexpected.pointToPoint.removeFirst { $0.id == id } != nil
            || unexpected.collective.removeFirst { $0.id == id } != nil
    }

    /// The oldest unexpected collective message that has this sequence number but is not of
    /// `call`: its call and who sent it. For a rank that begins `call`, proof that the ranks
    /// disagree; messages of peers that agree may have come before it.
    package func unexpectedCall(
        sequence: UInt32, otherThan call: UInt64
    ) -> (call: UInt64, source: Int)? {
        unexpected.collective.first { UInt32($0.call >> 32) == sequence && $0.call != call }
            .map { ($0.call, $0.source) }
    }

    /// The waiting receives in words, for the error of a missed deadline.
    package var unmatchedReceives: String {
        let waiting = (posted.pointToPoint.oldest(4) + posted.collective.oldest(4)).prefix(4).map {
            entry in
            let source = entry.source == Source.any.rawValue ? "any rank" : "rank \(entry.source)"
            if let call = CollectiveCall(packed: entry.call) {
                return "a message of \(call) from \(source)"
            }
            let tag = entry.tag == Tag.any.rawValue ? "any tag" : "tag \(entry.tag)"
            return "a message from \(source) with \(tag)"
        }
        let rest = postedCount - waiting.count
        return waiting.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }

    private static func describe(_ entry: MatchList.Entry) -> (message: UInt32, status: Status) {
        let status = Status(
            source: entry.source, tag: Tag(rawValue: entry.tag), byteCount: entry.byteCount)
        return (entry.id, status)
    }
}

extension MatchList.Entry {
    @inline(__always)
    fileprivate init(_ envelope: Envelope, id: UInt32) {
        self.init(
            id: id, source: envelope.source, tag: envelope.tag.rawValue, call: envelope.call,
            byteCount: envelope.byteCount)
    }
}

extension MatchList {
    /// Removes the oldest message that this receive takes.
    @inline(__always)
    fileprivate mutating func take(for receive: Entry) -> Entry? {
        receive.source == Source.any.rawValue
            ? removeFirst { accepts(receive, $0) }
            : removeFirst(of: receive.source) { accepts(receive, $0) }
    }

    @inline(__always)
    fileprivate func find(for receive: Entry) -> Entry? {
        receive.source == Source.any.rawValue
            ? first { accepts(receive, $0) } : first(of: receive.source) { accepts(receive, $0) }
    }

    /// Removes the oldest receive that takes this message.
    @inline(__always)
    fileprivate mutating func takeReceive(of message: Entry) -> Entry? {
        removeFirst(of: message.source, or: Source.any.rawValue) { accepts($0, message) }
    }
}

/// Would `receive` take `message`, if it is of the right source? Both are of the same space.
@inline(__always)
private func accepts(_ receive: MatchList.Entry, _ message: MatchList.Entry) -> Bool {
    (receive.tag == message.tag || receive.tag == Tag.any.rawValue) && receive.call == message.call
}
