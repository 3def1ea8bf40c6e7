// Joining: a rank is claimed once per job and epoch, and nobody starts before all have come.

import Glibc
import MessagePassing

extension RedisStore {
    /// KEYS[1] members; ARGV: request id, size, expiry, rank or "". Returns the rank, or -1 - rank
    /// if another process has it, or -1000000 if all are taken.
    private static let claimScript = """
        local first, last = 0, tonumber(ARGV[2]) - 1
        if ARGV[4] ~= '' then first = tonumber(ARGV[4]); last = first end
        for rank = first, last do
          redis.call('HSETNX', KEYS[1], rank, ARGV[1])
          if redis.call('HGET', KEYS[1], rank) == ARGV[1] then
            redis.call('PEXPIRE', KEYS[1], ARGV[3])
            return rank
          end
          if ARGV[4] ~= '' then return -1 - rank end
        end
        return -1000000
        """

    static func claim(
        _ rank: Int?, of size: Int, _ requestID: RequestID, _ prefix: String, _ expiry: String,
        _ commands: RedisConnection, _ deadline: ContinuousClock.Instant
    ) throws(MPIError) -> Int {
        let reply = try commands.call(
            [
                "EVAL", claimScript, "1", "\(prefix)members", hexDigits(requestID.bytes),
                String(size), expiry, rank.map(String.init) ?? "",
            ], deadline: deadline)
        guard let claimed = reply.value.integer, claimed >= 0 else {
            throw MPIError(
                .duplicateRank, operation: "join",
                reason: rank == nil
                    ? "all \(size) ranks of this job and epoch are taken"
                    : "another process holds this rank of this job and epoch; start the job under "
                        + "the next epoch", peer: rank)
        }
        return claimed
    }

    func awaitAll(_ deadline: ContinuousClock.Instant) throws(MPIError) {
        let key = "\(prefix)members"
        var pause: UInt32 = 500
        while true {
            let count = try commands.call(["HLEN", key], deadline: .now + .seconds(5)).value.integer
            if count == size { return }
            if ContinuousClock.now >= deadline { break }
            usleep(pause)
            pause = min(2 * pause, 50_000)
        }
        let reply = try commands.call(["HKEYS", key], deadline: .now + .seconds(5))
        let present = Set(reply.value.elements.compactMap(\.text).compactMap { Int($0) })
        throw StorageURL.absent((0..<size).filter { !present.contains($0) }, of: size)
    }
}
