// Leases on Redis: a sorted set holds when each rank was last heard of, by the server's own clock,
// so that the ranks' clocks do not matter and one short command tells who is overdue.

import MessagePassing

extension RedisStore {
    /// KEYS[1] leases; ARGV: rank, expiry.
    private static let renewScript = """
        local now = redis.call('TIME')
        redis.call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return 1
        """

    /// KEYS[1] leases; ARGV: lease in milliseconds. Returns the rank that is overdue, or -1.
    private static let overdueScript = """
        local now = redis.call('TIME')
        local due = now[1] * 1000 + math.floor(now[2] / 1000) - tonumber(ARGV[1])
        local lost = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', due, 'LIMIT', 0, 1)
        if lost[1] then return tonumber(lost[1]) end
        return -1
        """

    private var leaseKey: String { "\(prefix)leases" }
    /// For one command on an idle connection.
    private static let patience = Duration.seconds(5)

    func renewLease() throws(MPIError) {
        let now = ContinuousClock.now
        try leases.withLock { (connection) throws(MPIError) in
            _ = try connection?.call(
                [
                    "EVAL", Self.renewScript, "1", leaseKey, String(rank), expiryMilliseconds,
                ], deadline: now + Self.patience)
        }
        meter.write()
        renewals.withLock { renewals in
            renewals.previous = renewals.latest
            renewals.latest = now
        }
    }

    /// Free of charge, so it looks whether or not anybody waits. If this rank's own signs were late,
    /// the server or the network stood still for all: then the others get time to show themselves.
    func lostRank(_ lease: Lease, isWaitedFor: Bool) throws(MPIError) -> Int? {
        let isPunctual = renewals.withLock { renewals in
            guard let latest = renewals.latest, let previous = renewals.previous else {
                return false
            }
            return latest - previous < lease.time / 2
        }
        if !isPunctual { return nil }
        let milliseconds = String(lease.time.milliseconds)
        let reply = try leases.withLock { (connection) throws(MPIError) in
            try connection?.call(
                ["EVAL", Self.overdueScript, "1", leaseKey, milliseconds],
                deadline: .now + Self.patience
            ).value.integer
        }
        meter.read()
        guard let reply, reply >= 0, reply != rank else { return nil }
        return reply
    }

    /// Once this rank has left, nobody misses it. Under the lock of `commands`.
    func endLease(_ deadline: ContinuousClock.Instant) throws(MPIError) {
        _ = try commands.call(["ZREM", leaseKey, String(rank)], deadline: deadline)
    }
}
