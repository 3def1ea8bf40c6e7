// The two ends of a job on S3: a rank is claimed by an object that only one process can make, and
// the last one to leave removes the folder.

import AWSClient
import Glibc
import MessagePassing

extension S3Store {
    static func claim(
        _ rank: Int?, of size: Int, _ requestID: RequestID, _ bucket: S3Client, _ folder: String,
        _ deadline: ContinuousClock.Instant
    ) throws(MPIError) -> Int {
        let name = Array(hexDigits(requestID.bytes).utf8)
        for candidate in rank.map({ [$0] }) ?? Array(0..<size) {
            let key = "\(folder)member/\(candidate)"
            let owner = try translated("join") { () throws(AWSError) -> [UInt8]? in
                let isMine = try name.span.withUnsafeBytes { (name) throws(AWSError) in
                    try bucket.put(key, name, onlyIfAbsent: true, deadline: deadline)
                }
                // Read also after success: a server that ignores the condition has overwritten.
                let object = try bucket.get(key, deadline: deadline)
                return object?.bytes ?? (isMine ? name : nil)
            }
            if owner == name { return candidate }
        }
        throw MPIError(
            .duplicateRank, operation: "join",
            reason: rank == nil
                ? "all \(size) ranks of this job and epoch are taken"
                : "another process holds this rank of this job and epoch; start the job under the "
                    + "next epoch", peer: rank)
    }

    func awaitAll(_ deadline: ContinuousClock.Instant) throws(MPIError) {
        let prefix = "\(folder)member/"
        var pauseMicroseconds: UInt32 = 2000
        var present: Set<Int> = []
        while true {
            let listed = try translated("join") { () throws(AWSError) in
                try bucket.list(prefix, deadline: .now + .seconds(30))
            }
            present = Set(listed.keys.compactMap { Int($0.dropFirst(prefix.count)) })
            if present.count >= size { return }
            if ContinuousClock.now >= deadline { break }
            usleep(pauseMicroseconds)
            pauseMicroseconds = min(2 * pauseMicroseconds, 100_000)
        }
        throw StorageURL.absent((0..<size).filter { !present.contains($0) }, of: size)
    }

    private var causeKey: String { "\(folder)cause" }

    /// The first PUT with a condition decides whose cause is the first.
    func publish(cause: MPIError) -> MPIError {
        let deadline = ContinuousClock.now + min(timeout, .seconds(5))
        let bytes = AbortCause.encode(cause)
        do throws(AWSError) {
            let isFirst = try bytes.span.withUnsafeBytes { (bytes) throws(AWSError) in
                try bucket.put(causeKey, bytes, onlyIfAbsent: true, deadline: deadline)
            }
            if isFirst { return cause }
            let object = try bucket.get(causeKey, deadline: deadline)
            return object.flatMap { $0.bytes.withUnsafeBytes { AbortCause.decode($0) } } ?? cause
        } catch {
            return cause
        }
    }

    /// The job's cause, looked for now and then, as if a rank had sent it.
    func causeIfDue() throws(MPIError) -> Arrival? {
        guard watchesCause else { return nil }
        let isDue = monitor.withLock {
            guard ContinuousClock.now >= nextCauseCheck else { return false }
            nextCauseCheck = .now + Self.causeInterval
            return true
        }
        if !isDue { return nil }
        meter.read()
        let object = try translated("poll") { () throws(AWSError) in
            try bucket.get(causeKey, deadline: .now + timeout)
        }
        guard let object else { return nil }
        var frame = StoredFrame()
        frame.place = .abort
        frame.payloadByteCount = object.byteCount
        return Arrival(frame: frame, bytes: object.bytes)
    }

    /// Throws the job's cause if there is one and it is time to look.
    func checkCause(_ engine: StorageEngine) throws(MPIError) {
        guard let arrival = try causeIfDue() else { return }
        let cause = arrival.bytes.withUnsafeBytes { AbortCause.decode($0) }
        throw engine.fail(
            cause ?? MPIError(.aborted, operation: "poll", reason: "a rank has failed"))
    }

    func leave(deadline: ContinuousClock.Instant) throws(MPIError) {
        pool.stop()
        endLease(deadline)
        let prefix = "\(folder)left/"
        let isLast = try translated("leave") { () throws(AWSError) in
            let mark: [UInt8] = [1]
            try mark.span.withUnsafeBytes { (mark) throws(AWSError) in
                _ = try bucket.put("\(prefix)\(rank)", mark, deadline: deadline)
            }
            return try bucket.list(prefix, deadline: deadline).keys.count >= size
        }
        meter.write(1)
        meter.write()
        if isLast { try removeAll(deadline) }
    }

    /// Two ranks may both be the last; removing twice does no harm.
    private func removeAll(_ deadline: ContinuousClock.Instant) throws(MPIError) {
        let keys = try translated("leave") { () throws(AWSError) in
            try bucket.list(folder, deadline: deadline).keys
        }
        meter.write()
        let sweepers = TransferPool()
        for key in keys {
            meter.removal()
            sweepers.submit { [bucket] in try? bucket.delete(key, deadline: deadline) }
        }
        sweepers.stop()
    }
}
