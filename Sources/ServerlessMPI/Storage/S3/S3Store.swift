// S3 as a message store. A message is one object under its receiver's, its sender's and its own
// number; the receiver asks for the next number of the sender it waits for, or lists its folder when
// it waits for several, less and less often the longer nothing comes.

import AWSClient
import Glibc
import MessagePassing
import Synchronization

final class S3Store: MessageStore, @unchecked Sendable {
    /// The first read of a message brings so much; the rest is read once it is wanted.
    static let firstReadByteCount = 8 << 20
    /// S3 takes no more in one PUT.
    static let objectByteCountMax = 5 << 30
    static let pauseMin = Duration.milliseconds(1)
    static let pauseMax = Duration.milliseconds(100)
    /// How often a waiting rank looks whether the job has failed.
    static let causeInterval = Duration.milliseconds(500)
    /// Messages of one sender that one look brings.
    private static let takenCountMax = 8
    private static let headTries = 50
    /// For one request of the lease.
    static let leasePatience = Duration.seconds(10)

    let rank: Int
    let size: Int
    let transfersAtOnce = false
    let pollsBySender = true
    let meter = StoreMeter()
    let bucket: S3Client
    let folder: String
    let timeout: Duration
    /// Is it by the store that this rank hears of failures?
    let watchesCause: Bool
    /// For the reads of one look, removals, and meetings.
    let pool = TransferPool()
    let monitor = Monitor()

    struct Leases {
        /// How often this rank has shown itself.
        var signCount = 0
        var lastLook: ContinuousClock.Instant?
        /// The latest sign of each other rank, and since when it is the latest.
        var seen: [Int: (count: Int, since: ContinuousClock.Instant)] = [:]
    }

    let leases = Mutex(Leases())

    // Under the monitor's lock.
    private var sentCounts: [UInt64]
    private var isWoken = false
    var nextCauseCheck = ContinuousClock.now + causeInterval
    /// Objects to remove after the next meeting of their communicator.
    var metObjects: [UInt64: [String]] = [:]

    // The poller's own.
    private var nextNumbers: [UInt64]
    private var lastInterest = PollInterest()
    private var pause = pauseMin
    private var nextLook = ContinuousClock.now

    init(_ url: StorageURL, _ seat: StoreSeat) throws(MPIError) {
        guard case .s3(let name, let folder, let region, let endpoint) = url.place else {
            throw .invalidArgument("join", "this is no s3:// URL")
        }
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        bucket = try translated("join") { () throws(AWSError) in
            var place: Endpoint?
            if let endpoint { place = try Endpoint(parsing: endpoint) }
            return S3Client(
                bucket: name,
                region: region ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION")
                    ?? "us-east-1",
                endpoint: place, credentials: try Credentials.fromEnvironment())
        }
        self.folder = "\(folder)\(url.job)/\(url.epoch)/"
        timeout = url.timeout
        size = url.size
        sentCounts = Array(repeating: 0, count: url.size)
        nextNumbers = Array(repeating: 1, count: url.size)
        let deadline = ContinuousClock.now + url.joinTimeout
        switch seat {
        case .claim(let wanted, let requestID):
            watchesCause = true
            rank = try Self.claim(wanted, of: size, requestID, bucket, self.folder, deadline)
            try awaitAll(deadline)
        case .member(let rank):
            watchesCause = false
            self.rank = rank
        }
    }

    func messageKey(to receiver: Int, from sender: Int, _ number: UInt64) -> String {
        "\(folder)message/\(receiver)/\(sender)/\(number)"
    }

    // MARK: Messages

    func number(to destination: Int) -> UInt64 {
        monitor.withLock {
            sentCounts[destination] += 1
            return sentCounts[destination]
        }
    }

    /// One PUT. The envelope is the object's metadata, so the payload goes as it lies in memory.
    func put(
        _ frame: StoredFrame, _ payload: UnsafeRawBufferPointer, to destination: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        guard payload.count <= Self.objectByteCountMax else {
            throw MPIError(
                .unsupported, operation: "send",
                reason: "\(payload.count) bytes in one message; S3 takes \(Self.objectByteCountMax)"
                    + " in one PUT: send parts")
        }
        try write(
            messageKey(to: destination, from: rank, frame.number), payload, frame.hex,
            deadline: deadline)
    }

    func write(
        _ key: String, _ payload: UnsafeRawBufferPointer, _ head: String,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        meter.write(payload.count)
        try translated("send") { () throws(AWSError) in
            // Of an empty object no range can be read.
            let filler: [UInt8] = [0]
            try filler.span.withUnsafeBytes { (filler) throws(AWSError) in
                _ = try bucket.put(
                    key, payload.isEmpty ? filler : payload, metadata: [("head", head)],
                    deadline: deadline)
            }
        }
    }

    func poll(
        _ interest: PollInterest, deadline: ContinuousClock.Instant
    ) throws(MPIError) -> [Arrival] {
        if interest != lastInterest {
            lastInterest = interest
            pause = Self.pauseMin
            nextLook = .now
        }
        while true {
            let wasWoken = monitor.withLock { () -> Bool in
                while !isWoken && ContinuousClock.now < min(nextLook, deadline) {
                    monitor.wait(until: min(nextLook, deadline))
                }
                defer { isWoken = false }
                return isWoken
            }
            if wasWoken || ContinuousClock.now < nextLook { return [] }
            let arrivals = try look(for: interest)
            if !arrivals.isEmpty {
                pause = Self.pauseMin
                nextLook = .now
                return arrivals
            }
            if let arrival = try causeIfDue() { return [arrival] }
            nextLook = ContinuousClock.now + pause
            pause = min(pause * 2, Self.pauseMax)
            if ContinuousClock.now >= deadline { return [] }
        }
    }

    func wake() {
        monitor.withLock {
            isWoken = true
            monitor.broadcast()
        }
    }

    /// One read if one sender is waited for; else a listing, and reads of what is there. Nothing is
    /// asked, nor billed, if nobody is.
    private func look(for interest: PollInterest) throws(MPIError) -> [Arrival] {
        if interest.ranks.isEmpty { return [] }
        let limit = ContinuousClock.now + timeout
        if interest.ranks.count == 1, let sender = interest.ranks.first {
            guard let arrival = try read(from: sender, nextNumbers[sender], limit) else {
                return []
            }
            nextNumbers[sender] += 1
            return [arrival]
        }
        let prefix = "\(folder)message/\(rank)/"
        let listed = try translated("poll") { () throws(AWSError) in
            try bucket.list(prefix, deadline: limit)
        }
        for _ in 0..<listed.requestCount { meter.write() }
        let keys = Set(listed.keys)
        var wanted: [(sender: Int, number: UInt64)] = []
        for sender in interest.ranks.sorted() {
            var number = nextNumbers[sender]
            let end = number + UInt64(Self.takenCountMax)
            while number < end, keys.contains(messageKey(to: rank, from: sender, number)) {
                wanted.append((sender, number))
                number += 1
            }
            nextNumbers[sender] = number
        }
        return try readAll(wanted, limit)
    }

    private func readAll(
        _ wanted: [(sender: Int, number: UInt64)], _ limit: ContinuousClock.Instant
    ) throws(MPIError) -> [Arrival] {
        let results = ResultSlots<Result<Arrival?, MPIError>>(wanted.count)
        pool.runAll(
            wanted.enumerated().map { index, message in
                { @Sendable [self] in
                    results[index] = Result { () throws(MPIError) in
                        try read(from: message.sender, message.number, limit)
                    }
                }
            })
        var arrivals: [Arrival] = []
        for index in wanted.indices {
            guard let result = results[index] else { continue }
            if let arrival = try result.get() { arrivals.append(arrival) }
        }
        return arrivals
    }

    private func read(
        from sender: Int, _ number: UInt64, _ limit: ContinuousClock.Instant
    ) throws(MPIError) -> Arrival? {
        let key = messageKey(to: rank, from: sender, number)
        let object = try withHead { () throws(MPIError) in
            meter.read()
            return try translated("poll") { () throws(AWSError) in
                try bucket.get(key, range: 0..<Self.firstReadByteCount, deadline: limit)
            }
        }
        guard let object else { return nil }
        do throws(MalformedMessage) {
            var frame = try StoredFrame(hex: object.metadata("head") ?? "")
            var bytes = object.bytes
            if frame.payloadByteCount == 0 { bytes = [] }
            guard object.totalByteCount == max(1, frame.payloadByteCount),
                bytes.count <= frame.payloadByteCount
            else { throw MalformedMessage(reason: "a payload of another length") }
            meter.readBytes(bytes.count)
            if bytes.count < frame.payloadByteCount {
                frame.place = .apart
            } else {
                remove([key])
            }
            return Arrival(frame: frame, bytes: bytes)
        } catch {
            throw MPIError(
                .system, operation: "poll",
                reason: "\(key) is no message: \(error.reason); does something else write to this "
                    + "job's folder?", peer: sender)
        }
    }

    /// Reads an object of a job, again for a while if it has no envelope: S3 shows an object whole or
    /// not at all, but moto for a moment without its metadata, and while it hashes it, empty.
    func withHead(
        _ read: () throws(MPIError) -> S3Client.Object?
    ) throws(MPIError) -> S3Client.Object? {
        var object = try read()
        var triesLeft = Self.headTries
        while let found = object, found.metadata("head") == nil, triesLeft > 0 {
            triesLeft -= 1
            usleep(20_000)
            object = try read()
        }
        return object
    }

    func fetch(
        _ arrival: Arrival, into buffer: UnsafeMutableRawBufferPointer,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        let start = arrival.bytes.count
        buffer.part(0, start).copyBytes(from: arrival.bytes)
        let rest = buffer.part(start, buffer.count - start)
        let key = messageKey(to: rank, from: arrival.frame.sender, arrival.frame.number)
        meter.read(rest.count)
        let object = try translated("recv") { () throws(AWSError) in
            try bucket.get(key, range: start..<buffer.count, into: rest, deadline: deadline)
        }
        guard object?.byteCount == rest.count else {
            throw MPIError(
                .system, operation: "recv", reason: "the payload of \(key) is gone",
                peer: arrival.frame.sender)
        }
        remove([key])
    }

    // MARK: What is not needed any more

    func discard(_ arrival: Arrival) {
        remove([messageKey(to: rank, from: arrival.frame.sender, arrival.frame.number)])
    }

    /// In the background; what stays, the last rank or the bucket's lifecycle rule removes.
    func remove(_ keys: [String]) {
        for key in keys {
            meter.removal()
            pool.submit { [bucket, timeout] in
                try? bucket.delete(key, deadline: .now + timeout)
            }
        }
    }
}
