// When relayed links look for a direct path. The lower rank of each pair decides, and tells the
// other through the server.

/// Relayed links, each with the time of its next attempt: often at first, then ever more rarely.
struct UpgradeSchedule {
    static let firstDelay = Duration.seconds(5)
    static let longestDelay = Duration.seconds(300)

    private var due: [Int: (at: ContinuousClock.Instant, delay: Duration)] = [:]

    mutating func add(_ peer: Int, now: ContinuousClock.Instant) {
        due[peer] = (now + Self.firstDelay, Self.firstDelay)
    }

    mutating func remove(_ peer: Int) { due[peer] = nil }

    /// Those whose time has come, lowest peer first; each is due again after twice as long.
    mutating func takeDue(_ now: ContinuousClock.Instant) -> [Int] {
        let peers = due.filter { $0.value.at <= now }.keys.sorted()
        for peer in peers {
            guard let delay = due[peer]?.delay else { continue }
            let next = min(delay * 2, Self.longestDelay)
            due[peer] = (now + next, next)
        }
        return peers
    }
}

extension MeshConnector {
    /// Looks for a direct path to this peer for a while, if the link to it may change its connection.
    func upgrade(_ peer: Int, now: ContinuousClock.Instant) {
        guard plans.indices.contains(peer), let plan = plans[peer], isResumable(plan),
            plan.hasDirectCandidates, hasHandedOver
        else { return }
        startTimes[peer] = now
        machine?.upgrade(peer, now: now)
        perform()
    }
}
