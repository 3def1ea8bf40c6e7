// One connection to a Redis server: commands go out in a pipeline, replies come back in order, and
// every wait has a deadline.

import CHiredis
import Glibc
import MessagePassing

/// A reply in hiredis's memory, gone with this object.
final class RedisReply {
    private let pointer: UnsafeMutableRawPointer
    private let library: RedisLibrary

    fileprivate init(_ pointer: UnsafeMutableRawPointer, _ library: RedisLibrary) {
        self.pointer = pointer
        self.library = library
    }

    deinit { library.freeReply(pointer) }

    var value: RedisValue { RedisValue(owner: self, pointer: UnsafeRawPointer(pointer)) }
}

/// A reply or a part of one; keeps the whole of it.
struct RedisValue {
    private let owner: RedisReply
    private let pointer: UnsafeRawPointer

    fileprivate init(owner: RedisReply, pointer: UnsafeRawPointer) {
        self.owner = owner
        self.pointer = pointer
    }

    private func read<Result>(_ body: (UnsafeRawPointer) -> Result) -> Result {
        withExtendedLifetime(owner) { body(pointer) }
    }

    private var type: Int { read { Int(chiredis_type($0)) } }

    var integer: Int? { type == chiredis_number ? read { Int(chiredis_integer($0)) } : nil }

    /// Calls `body` with the bytes of a string; nil for anything else.
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard type == chiredis_string else { return nil }
        defer { withExtendedLifetime(owner) {} }
        return try body(
            UnsafeRawBufferPointer(
                start: chiredis_bytes(pointer), count: chiredis_length(pointer)))
    }

    var text: String? { withBytes { String(decoding: $0, as: UTF8.self) } }

    var elements: [RedisValue] {
        guard type == chiredis_array else { return [] }
        return read { pointer in
            (0..<chiredis_count(pointer)).compactMap { index in
                chiredis_element(pointer, index).map { RedisValue(owner: owner, pointer: $0) }
            }
        }
    }

    fileprivate var failure: String? {
        guard type == chiredis_failure else { return nil }
        return read { pointer in
            String(
                decoding: UnsafeRawBufferPointer(
                    start: chiredis_bytes(pointer), count: chiredis_length(pointer)),
                as: UTF8.self)
        }
    }
}

/// Used by one thread at a time.
final class RedisConnection: @unchecked Sendable {
    private let library: RedisLibrary
    private let context: UnsafeMutableRawPointer
    private let address: String
    /// Replies that are still to come.
    private(set) var owed = 0

    init(
        host: String, port: UInt16, password: String?, deadline: ContinuousClock.Instant,
        writeTimeout: Duration
    ) throws(MPIError) {
        library = try RedisLibrary.loaded()
        address = "\(host):\(port)"
        let left = max(deadline - .now, .milliseconds(1))
        guard let context = library.connect(host, port, left) else {
            throw MPIError(
                .connectFailed, operation: "redis", reason: "\(address): there is no memory")
        }
        self.context = context
        if chiredis_error(context) != 0 { throw broken("cannot be reached") }
        library.setTimeout(context, writeTimeout)
        if let password {
            _ = try call(["AUTH", password], deadline: deadline)
        }
    }

    deinit { library.free(context) }

    var descriptor: Int32 { chiredis_descriptor(context) }

    /// Adds a command to the pipeline; `payload`, if any, is its last word. All is copied.
    func append(
        _ words: [String], _ payload: UnsafeRawBufferPointer? = nil
    ) throws(MPIError) {
        var texts: [UInt8] = []
        var lengths: [Int] = []
        for word in words {
            texts += Array(word.utf8)
            lengths.append(word.utf8.count)
        }
        let isTaken = texts.withUnsafeBytes { texts in
            // A word without bytes still wants an address.
            let base = texts.baseAddress ?? UnsafeRawPointer(context)
            var pointers: [UnsafePointer<CChar>?] = []
            var offset = 0
            for length in lengths {
                pointers.append((base + offset).assumingMemoryBound(to: CChar.self))
                offset += length
            }
            if let payload {
                pointers.append(
                    (payload.baseAddress ?? base).assumingMemoryBound(to: CChar.self))
                lengths.append(payload.count)
            }
            return library.append(context, &pointers, lengths)
        }
        guard isTaken else { throw broken("a command could not be made") }
        owed += 1
    }

    /// Sends the pipeline; takes replies that have come meanwhile.
    func flush() throws(MPIError) {
        var done: Int32 = 0
        while done == 0 {
            guard library.write(context, &done) else { throw broken("a command was not taken") }
        }
    }

    /// The next reply in order, or nil when the deadline has passed or `interrupt` is readable.
    /// - Errors: `system` with the server's words if it refused the command.
    func reply(
        deadline: ContinuousClock.Instant, interrupt: Int32 = -1
    ) throws(MPIError) -> RedisReply? {
        while true {
            var pointer: UnsafeMutableRawPointer?
            guard library.reply(context, &pointer) else { throw broken("a reply is damaged") }
            if let pointer {
                owed -= 1
                let reply = RedisReply(pointer, library)
                if let words = reply.value.failure {
                    throw MPIError(
                        .system, operation: "redis", reason: "\(address) refused: \(words)")
                }
                return reply
            }
            var watched = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
            ]
            let left = max(deadline - .now, .zero).components
            let milliseconds = min(
                left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
                    + (left.attoseconds % 1_000_000_000_000_000 > 0 ? 1 : 0), 3_600_000)
            let count = Glibc.poll(&watched, 2, Int32(milliseconds))
            if count < 0 && errno != EINTR {
                throw MPIError(
                    .system, operation: "redis", reason: "poll failed", underlying: errno)
            }
            if watched[0].revents != 0 {
                guard library.read(context) else { throw broken("the connection ended") }
            } else if watched[1].revents != 0 || ContinuousClock.now >= deadline {
                return nil
            }
        }
    }

    /// The next reply, which must come in time.
    func require(deadline: ContinuousClock.Instant) throws(MPIError) -> RedisReply {
        guard let reply = try reply(deadline: deadline) else {
            throw MPIError(
                .timedOut, operation: "redis", reason: "\(address) does not answer")
        }
        return reply
    }

    /// Takes all replies to commands whose outcome nobody waits for.
    func settle(deadline: ContinuousClock.Instant) throws(MPIError) {
        while owed > 0 { _ = try require(deadline: deadline) }
    }

    /// Takes those that are there already.
    func takeSettled() throws(MPIError) {
        while owed > 0, try reply(deadline: .now) != nil {}
    }

    /// One command and its reply.
    func call(
        _ words: [String], _ payload: UnsafeRawBufferPointer? = nil,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) -> RedisReply {
        try append(words, payload)
        try flush()
        while owed > 1 { _ = try require(deadline: deadline) }
        return try require(deadline: deadline)
    }

    private func broken(_ what: String) -> MPIError {
        let words = chiredis_error_text(context).map { String(cString: $0) } ?? ""
        return MPIError(
            .connectFailed, operation: "redis",
            reason: "\(address): \(what)" + (words.isEmpty ? "" : " (\(words))")
                + "; is the server running and reachable?")
    }
}
