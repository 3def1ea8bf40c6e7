// Redis as a message store. Every rank has one list, its inbox: a send is RPUSH, a receive a
// blocking pop of whatever comes, so that any source costs no more than a known one and order per
// pair is the list's. Long payloads lie under keys of their own and are read once they are wanted.

import CLinux
import Glibc
import MessagePassing
import Synchronization

final class RedisStore: MessageStore, @unchecked Sendable {
    /// Longer payloads lie apart: a message nobody asks for yet costs its receiver no memory.
    static let inlineByteCountMax = 64 << 10
    /// One key holds so much; Redis itself allows 512 MiB.
    static let partByteCount = 8 << 20
    private static let popCountMax = 16
    private static let owedMax = 256

    let rank: Int
    let size: Int
    let transfersAtOnce = true
    let pollsBySender = false
    let meter = StoreMeter()
    let prefix: String
    let expiryMilliseconds: String
    let timeout: Duration
    let monitor = Monitor()
    /// Under the monitor's lock.
    let commands: RedisConnection
    /// The poller's own.
    private let inbox: RedisConnection
    private var isPopOutstanding = false
    private let interrupt: Int32
    /// The lease's own connection: the others may be busy with payload for long.
    let leases: Mutex<RedisConnection?>
    /// When this rank last showed itself.
    let renewals = Mutex<(latest: ContinuousClock.Instant?, previous: ContinuousClock.Instant?)>(
        (nil, nil))
    private let lastNumber = Atomic<UInt64>(0)
    /// The latest board of each communicator on which this rank met all others: once the next
    /// meeting is over, nobody needs it. Under the monitor's lock.
    var metBoards: [UInt64: String] = [:]

    init(_ url: StorageURL, _ seat: StoreSeat) throws(MPIError) {
        guard case .redis(let host, let port) = url.place else {
            throw .invalidArgument("join", "this is no redis:// URL")
        }
        let deadline = ContinuousClock.now + url.joinTimeout
        let password = getenv(StorageURL.Variable.redisPassword).map { String(cString: $0) }
        func connect() throws(MPIError) -> RedisConnection {
            try RedisConnection(
                host: host, port: port, password: password, deadline: deadline,
                writeTimeout: url.timeout)
        }
        prefix = "swift-mpi:{\(url.job)}:\(url.epoch):"
        let seconds = url.expiry.components.seconds
        expiryMilliseconds = String(seconds * 1000)
        commands = try connect()
        inbox = try connect()
        interrupt = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        timeout = url.timeout
        size = url.size
        switch seat {
        case .claim(let wanted, let requestID):
            leases = Mutex(try connect())
            rank = try Self.claim(
                wanted, of: size, requestID, prefix, expiryMilliseconds, commands, deadline)
            try awaitAll(deadline)
        case .member(let rank):
            leases = Mutex(nil)
            self.rank = rank
        }
    }

    deinit { close(interrupt) }

    func inboxKey(_ rank: Int) -> String { "\(prefix)inbox:\(rank)" }

    // MARK: Messages

    func number(to destination: Int) -> UInt64 {
        lastNumber.add(1, ordering: .relaxed).newValue
    }

    func put(
        _ frame: StoredFrame, _ payload: UnsafeRawBufferPointer, to destination: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        try monitor.withLock { () throws(MPIError) in
            var frame = frame
            if payload.count > Self.inlineByteCountMax {
                frame.place = .apart
                try appendParts(payload) { partKey(sender: rank, frame.number, $0) }
            }
            try append(frame, payload, to: destination)
            try send(deadline)
        }
    }

    /// Under the lock.
    func append(
        _ frame: StoredFrame, _ payload: UnsafeRawBufferPointer, to destination: Int
    ) throws(MPIError) {
        var bytes = frame.encoded()
        if frame.place == .inline || frame.place == .abort { bytes.append(contentsOf: payload) }
        let key = inboxKey(destination)
        try bytes.span.withUnsafeBytes { (bytes) throws(MPIError) in
            try commands.append(["RPUSH", key], bytes)
        }
        try commands.append(["PEXPIRE", key, expiryMilliseconds])
        meter.write(frame.place == .inline ? payload.count : 0)
    }

    /// Leaves a payload in parts under keys of their own. Under the lock.
    func appendParts(
        _ payload: UnsafeRawBufferPointer, key: (_ index: Int) -> String
    ) throws(MPIError) {
        for (index, start) in stride(
            from: 0, to: payload.count, by: Self.partByteCount
        ).enumerated() {
            let part = payload.part(start, min(Self.partByteCount, payload.count - start))
            try commands.append(["PSETEX", key(index), expiryMilliseconds], part)
            try commands.flush()
            meter.write(part.count)
        }
    }

    func partKey(sender: Int, _ number: UInt64, _ index: Int) -> String {
        "\(prefix)part:\(sender):\(number):\(index)"
    }

    /// Sends the pipeline. The replies to what this rank leaves are looked at later: they say
    /// only that there was room for it. Under the lock.
    func send(_ deadline: ContinuousClock.Instant) throws(MPIError) {
        try commands.flush()
        try commands.takeSettled()
        if commands.owed > Self.owedMax { try commands.settle(deadline: deadline) }
    }

    func poll(
        _ interest: PollInterest, deadline: ContinuousClock.Instant
    ) throws(MPIError) -> [Arrival] {
        if !isPopOutstanding {
            try inbox.append([
                "BLMPOP", "0", "1", inboxKey(rank), "LEFT", "COUNT", String(Self.popCountMax),
            ])
            try inbox.flush()
            isPopOutstanding = true
        }
        let reply = try inbox.reply(deadline: deadline, interrupt: interrupt)
        var count: eventfd_t = 0
        _ = eventfd_read(interrupt, &count)
        guard let reply else { return [] }
        isPopOutstanding = false
        let parts = reply.value.elements
        guard parts.count == 2 else { return [] }
        var arrivals: [Arrival] = []
        for element in parts[1].elements {
            let arrival = try element.withBytes { (bytes) throws(MPIError) in
                try Self.arrival(bytes)
            }
            guard let arrival else { continue }
            arrivals.append(arrival)
            meter.read(arrival.bytes.count)
        }
        return arrivals
    }

    private static func arrival(_ bytes: UnsafeRawBufferPointer) throws(MPIError) -> Arrival {
        do throws(MalformedMessage) {
            let head = [UInt8](bytes.prefix(StoredFrame.byteCount))
            let frame = try StoredFrame(decoding: head[...])
            let payload = [UInt8](bytes.dropFirst(StoredFrame.byteCount))
            guard frame.place != .inline || payload.count == frame.payloadByteCount else {
                throw MalformedMessage(reason: "a payload of another length")
            }
            return Arrival(frame: frame, bytes: payload)
        } catch {
            throw MPIError(
                .system, operation: "redis",
                reason: "the inbox holds what is no message: \(error.reason); does something else "
                    + "write to this job's keys?")
        }
    }

    func wake() { _ = eventfd_write(interrupt, 1) }

    func fetch(
        _ arrival: Arrival, into buffer: UnsafeMutableRawBufferPointer,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        let frame = arrival.frame
        let command = frame.place == .shared ? "GET" : "GETDEL"
        try fetch(into: buffer, from: frame.sender, deadline) { index, _ in
            [command, partKey(sender: frame.sender, frame.number, index)]
        }
    }

    /// Brings the parts of a payload.
    /// - Parameter command: for a part's number and how many of its bytes are wanted.
    func fetch(
        into buffer: UnsafeMutableRawBufferPointer, from sender: Int,
        _ deadline: ContinuousClock.Instant, command: (Int, Int) -> [String]
    ) throws(MPIError) {
        let starts = Array(stride(from: 0, to: buffer.count, by: Self.partByteCount))
        try monitor.withLock { () throws(MPIError) in
            try commands.settle(deadline: deadline)
            for (index, start) in starts.enumerated() {
                try commands.append(
                    command(index, min(Self.partByteCount, buffer.count - start)))
            }
            try commands.flush()
            for start in starts {
                let part = buffer.part(start, min(Self.partByteCount, buffer.count - start))
                let reply = try commands.require(deadline: deadline)
                let isWhole = reply.value.withBytes { bytes in
                    guard bytes.count == part.count else { return false }
                    part.copyMemory(from: bytes)
                    return true
                }
                guard isWhole == true else {
                    throw MPIError(
                        .system, operation: "redis",
                        reason: "the payload of a message is gone; was it not received before it "
                            + "expired (expiry=SECONDS of the join URL), or does the server evict "
                            + "keys (set maxmemory-policy noeviction)?", peer: sender)
                }
                meter.read(part.count)
            }
        }
    }

    func discard(_ arrival: Arrival) {
        guard arrival.frame.place == .apart else { return }
        unlink(
            (0..<Self.partCount(arrival.frame.payloadByteCount)).map {
                partKey(sender: arrival.frame.sender, arrival.frame.number, $0)
            })
    }

    static func partCount(_ byteCount: Int) -> Int {
        (byteCount + partByteCount - 1) / partByteCount
    }

    func unlink(_ keys: [String]) {
        monitor.withLock {
            // What stays expires.
            try? commands.append(["UNLINK"] + keys)
            try? commands.flush()
        }
        meter.removal()
    }
}
