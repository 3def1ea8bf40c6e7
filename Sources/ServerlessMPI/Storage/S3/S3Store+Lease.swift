// Leases on S3, which has neither expiry nor a cheap way to look: each rank renames a small object
// now and then, and only ranks that wait look whether the others' names still change. By whose clock
// an object was written does not matter; how long one's own clock has seen no change does.

import AWSClient
import MessagePassing

extension S3Store {
    private var alivePrefix: String { "\(folder)alive/" }

    private func aliveKey(_ count: Int) -> String { "\(alivePrefix)\(rank)-\(count)" }

    /// One PUT, and a removal of the name before, which is free.
    func renewLease() throws(MPIError) {
        let count = leases.withLock { leases in
            leases.signCount += 1
            return leases.signCount
        }
        let sign: [UInt8] = [1]
        try translated("lease") { () throws(AWSError) in
            try sign.span.withUnsafeBytes { (sign) throws(AWSError) in
                _ = try bucket.put(
                    aliveKey(count), sign, deadline: .now + Self.leasePatience)
            }
        }
        meter.write(1)
        if count > 1 { remove([aliveKey(count - 1)]) }
    }

    /// One listing, while this rank waits for others; whoever computes does not look.
    func lostRank(_ lease: Lease, isWaitedFor: Bool) throws(MPIError) -> Int? {
        guard isWaitedFor else {
            // What was seen before is too old to judge by.
            leases.withLock { $0.seen = [:] }
            return nil
        }
        let listed = try translated("lease") { () throws(AWSError) in
            try bucket.list(alivePrefix, deadline: .now + Self.leasePatience)
        }
        for _ in 0..<listed.requestCount { meter.write() }
        let now = ContinuousClock.now
        var counts: [Int: Int] = [:]
        for key in listed.keys {
            let words = key.dropFirst(alivePrefix.count).split(separator: "-")
            guard words.count == 2, let peer = Int(words[0]), let count = Int(words[1]) else {
                continue
            }
            counts[peer] = max(counts[peer] ?? 0, count)
        }
        return leases.withLock { leases in
            // After a standstill of this rank or of the store all are judged anew.
            if let last = leases.lastLook, now - last > lease.time / 2 { leases.seen = [:] }
            leases.lastLook = now
            // Who has left has no name any more.
            leases.seen = leases.seen.filter { counts[$0.key] != nil }
            for (peer, count) in counts where peer != rank && leases.seen[peer]?.count != count {
                leases.seen[peer] = (count, now)
            }
            return leases.seen.filter { now - $0.value.since >= lease.time }.keys.min()
        }
    }

    /// Once this rank has left, nobody misses it.
    func endLease(_ deadline: ContinuousClock.Instant) {
        let count = leases.withLock { $0.signCount }
        if count > 0 { try? bucket.delete(aliveKey(count), deadline: deadline) }
    }
}
