// Which pairs of ranks may meet at this server, and which do: tokens are made for both ends of a
// pair, each is good for one connection and a while, and every job has its limit. Pure: time and
// randomness are passed in, connections are names.

struct RelayTable {
    /// One pair of ranks, between the offer and the end of its relay.
    struct PairID: Hashable, Sendable { let number: UInt64 }

    enum Claim: Equatable {
        /// No such token, or used, or too old.
        case refused
        /// The other end has not come yet.
        case waiting
        case paired(PairID, with: ConnectionID)
    }

    private struct Ranks: Hashable {
        let job: String
        let low: Int
        let high: Int
    }

    private struct Pair {
        let ranks: Ranks
        var deadline: ContinuousClock.Instant?
        /// Those that nobody has shown yet.
        var low: RelayToken?
        var high: RelayToken?
        var waiting: ConnectionID?
    }

    private let limits: RendezvousLimits
    private let makeToken: () -> RelayToken
    private var pairs: [PairID: Pair] = [:]
    private var tokens: [RelayToken: PairID] = [:]
    /// Offered and not complete; a new offer to the same ranks replaces it.
    private var offers: [Ranks: PairID] = [:]
    /// In the order of their deadlines; those that have been claimed are skipped.
    private var expiries: [(pair: PairID, deadline: ContinuousClock.Instant)] = []
    private var countOfJob: [String: Int] = [:]
    private var nextNumber = UInt64(1)

    init(limits: RendezvousLimits, makeToken: @escaping () -> RelayToken) {
        self.limits = limits
        self.makeToken = makeToken
    }

    var pairCount: Int { pairs.count }

    /// Makes a relay for two ranks: a token for the lower one and one for the higher. nil if the
    /// job, or the server, has as many as it may. `replaced` is a connection to close: it waits
    /// with a token of an earlier offer.
    mutating func offer(
        job: String, low: Int, high: Int, now: ContinuousClock.Instant
    ) -> (low: RelayToken, high: RelayToken, replaced: ConnectionID?)? {
        let ranks = Ranks(job: job, low: low, high: high)
        let replaced = offers[ranks].flatMap { end($0) }
        guard countOfJob[job, default: 0] < limits.relayedPairsPerJob,
            pairs.count < limits.relayedPairs
        else { return nil }
        let pair = PairID(number: nextNumber)
        nextNumber += 1
        let (one, other) = (makeToken(), makeToken())
        let deadline = now + limits.relayTokenLifetime
        pairs[pair] = Pair(ranks: ranks, deadline: deadline, low: one, high: other)
        tokens[one] = pair
        tokens[other] = pair
        offers[ranks] = pair
        // Offers that were replaced are still in line.
        if expiries.count > 4 * limits.relayedPairs {
            expiries.removeAll { pairs[$0.pair]?.deadline == nil }
        }
        expiries.append((pair, deadline))
        countOfJob[job, default: 0] += 1
        return (one, other, replaced)
    }

    /// What this rank has been offered and has not come for, by peer. It may not have heard of it.
    func openOffers(job: String, rank: Int) -> [(peer: Int, token: RelayToken)] {
        offers.compactMap { ranks, id in
            guard ranks.job == job, let pair = pairs[id] else { return nil }
            if ranks.low == rank { return pair.low.map { (ranks.high, $0) } }
            if ranks.high == rank { return pair.high.map { (ranks.low, $0) } }
            return nil
        }.sorted { $0.0 < $1.0 }
    }

    /// A connection shows a token.
    mutating func claim(
        _ token: RelayToken, by connection: ConnectionID, now: ContinuousClock.Instant
    ) -> Claim {
        guard let id = tokens[token], let deadline = pairs[id]?.deadline, now < deadline else {
            return .refused
        }
        tokens[token] = nil
        if pairs[id]?.low == token { pairs[id]?.low = nil } else { pairs[id]?.high = nil }
        guard let other = pairs[id]?.waiting else {
            pairs[id]?.waiting = connection
            return .waiting
        }
        if let ranks = pairs[id]?.ranks { offers[ranks] = nil }
        pairs[id]?.waiting = nil
        pairs[id]?.deadline = nil
        return .paired(id, with: other)
    }

    /// The relay has ended, or one end went away while it waited. The connection that waited.
    @discardableResult
    mutating func end(_ id: PairID) -> ConnectionID? {
        guard let pair = pairs.removeValue(forKey: id) else { return nil }
        for token in [pair.low, pair.high].compactMap(\.self) { tokens[token] = nil }
        if offers[pair.ranks] == id { offers[pair.ranks] = nil }
        let count = countOfJob[pair.ranks.job, default: 1] - 1
        countOfJob[pair.ranks.job] = count > 0 ? count : nil
        return pair.waiting
    }

    /// The job is over: its pairs, and the connections that waited.
    mutating func end(job: String) -> (pairs: [PairID], waiting: [ConnectionID]) {
        guard countOfJob[job] != nil else { return ([], []) }
        let ended = pairs.filter { $0.value.ranks.job == job }.keys.sorted { $0.number < $1.number }
        return (ended, ended.compactMap { end($0) })
    }

    /// Offers whose time is up: the connections that waited in vain.
    mutating func expire(_ now: ContinuousClock.Instant) -> [ConnectionID] {
        let due = expiries.prefix { $0.deadline <= now }
        expiries.removeFirst(due.count)
        return due.compactMap { pairs[$0.pair]?.deadline == nil ? nil : end($0.pair) }
    }
}
