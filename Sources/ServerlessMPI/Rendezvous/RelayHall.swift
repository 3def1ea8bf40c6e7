// The connections at the rendezvous server that relay: those that wait for their other end, and
// the pairs at work. RelayTable has decided who belongs to whom; here are the descriptors.

import Glibc

final class RelayHall {
    private let poll: EventPoll
    /// One buffer for all: what a receiver does not take at once is copied out of it.
    private let scratch: UnsafeMutableRawBufferPointer
    private var waiting: [UInt64: Int32] = [:]
    private var splices: [RelayTable.PairID: RelaySplice] = [:]
    private var pairOfToken: [UInt64: RelayTable.PairID] = [:]
    /// Pairs that have met here.
    private(set) var pairCount = 0
    /// Bytes received from either end of any pair.
    private(set) var byteCount = 0

    init(poll: EventPoll, bufferByteCount: Int) {
        self.poll = poll
        scratch = .allocate(byteCount: max(bufferByteCount, 1), alignment: 64)
    }

    deinit { scratch.deallocate() }

    var activePairCount: Int { splices.count }
    var connectionCount: Int { waiting.count + pairOfToken.count }

    /// The first end of a pair: nothing is read from it until the other has come.
    func wait(_ token: UInt64, _ descriptor: Int32) {
        poll.forget(descriptor)
        waiting[token] = descriptor
    }

    /// The second end; false if the first has gone.
    func pair(
        _ pair: RelayTable.PairID, _ token: UInt64, _ descriptor: Int32, with other: UInt64
    ) -> Bool {
        poll.forget(descriptor)
        guard let first = waiting.removeValue(forKey: other) else {
            close(descriptor)
            return false
        }
        splices[pair] = RelaySplice(pair, poll: poll, (first, other), (descriptor, token))
        pairOfToken[other] = pair
        pairOfToken[token] = pair
        pairCount += 1
        return true
    }

    /// The pair that is over after this event, if it is.
    func advance(_ event: PollEvent) -> RelayTable.PairID? {
        guard let pair = pairOfToken[event.token], let splice = splices[pair] else { return nil }
        byteCount += splice.advance(event, scratch: scratch)
        guard splice.hasEnded else { return nil }
        end(pair)
        return pair
    }

    func end(_ pair: RelayTable.PairID) {
        guard let splice = splices.removeValue(forKey: pair) else { return }
        for token in splice.tokens { pairOfToken[token] = nil }
        splice.close()
    }

    func end(waiting token: UInt64) {
        if let descriptor = waiting.removeValue(forKey: token) { close(descriptor) }
    }

    func closeAll() {
        for pair in Array(splices.keys) { end(pair) }
        for token in Array(waiting.keys) { end(waiting: token) }
    }
}
