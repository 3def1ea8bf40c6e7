// The state of one link: what has been read of the current frame, what is queued to be written,
// what credit there is. The engine keeps these in raw memory and works on them in place.

import Glibc

/// A link in the engine's table.
typealias LinkPointer = UnsafeMutablePointer<Link>

/// A link is *wanted* until `attach` gives it a connection: frames queue on it, and it looks to
/// everyone like one whose socket is full and has nothing to read, so that the paths that messages
/// take need not ask.
struct Link {
    /// Frames up to here are read whole and copied, which costs less than one more read, unless a look
    /// for exactly them (`readFrame`) finds them.
    static let copiedByteCountMax = FrameHeader.byteCount + (16 << 10)

    enum Phase: UInt8 { case header, payload }

    /// Who gets the payload being read.
    enum Sink: UInt8 { case request, message, abort, nobody }

    // MARK: Identity
    let peer: Int32
    /// -1 while the link is wanted.
    private(set) var socket: Int32 = -1
    /// Nil: frames travel as they are.
    var tls: TLSSession?

    // MARK: Reading
    /// Where bytes wait that were read ahead of the frame they belong to: `copiedByteCountMax`, more
    /// only while what a look for another frame has read is there.
    private(set) var staging: UnsafeMutableRawPointer
    private var isStagingLarge = false
    var stagedStart = 0
    var stagedEnd = 0
    var phase = Phase.header
    var sink = Sink.nobody
    /// Slot of the request or message that gets the payload.
    var sinkSlot = noSlot
    /// Where the next payload byte goes, and how many go there.
    var target: UnsafeMutableRawPointer?
    var targetByteCount = 0
    /// Bytes after those that nobody has room for.
    var surplusByteCount = 0
    /// After large frames only a header is read ahead, so that payloads are not copied.
    var readsHeadersOnly = false
    var receipts = Receipts()
    /// A read found the socket empty; nothing more is to be had without waiting.
    var isDrained = false
    /// There is more to read than epoll knows of: others got their turn, or bytes are in our memory.
    var isUnfinished = false

    // MARK: Writing
    var queue = SendQueue()
    /// The socket is full and epoll watches for room, or there is none yet.
    var isWriteBlocked = true
    /// Bytes of frames gathered for the TLS session, not taken by it yet.
    private(set) var gathered: UnsafeMutableRawPointer?
    var gatheredStart = 0
    var gatheredEnd = 0

    // MARK: Surviving
    /// Can another connection take over when this one breaks? Fixed with the first one.
    private(set) var isResumable = false
    /// How many connections came before this one.
    private(set) var incarnation = 0
    /// The connection broke in the middle of a payload: it goes on once the peer's position is read.
    private(set) var isMidPayload = false
    /// A payload that the peer keeps in its program's memory is here in full: it waits to hear so.
    var owesReceipt = false
    /// Nothing can be written any more; what is left to be read will say that the connection broke.
    var isWriteBroken = false
    /// This rank is done with the connection's direction out.
    var isShutDown = false

    // MARK: Credit
    var sendCredit = SendCredit()
    var receiveCredit: ReceiveCredit

    // MARK: End
    /// A relay ends both directions at once and may lose what it has not forwarded yet.
    var isRelayed = false
    /// The order of large payloads on a relayed link, if this rank keeps it.
    var turns: RelayTurns?
    /// The payload being read is one that was asked for.
    var readsRendezvousData = false
    /// The peer has said bye.
    var hasLeft = false
    /// After that it has closed the connection in order: nobody waits there any more.
    var isGone = false
    /// This rank has said bye; it may not be written yet.
    var saidBye = false
    /// Nothing can be read any more, or not yet.
    var isReadClosed = true
    /// Nothing can be written any more.
    var isWriteClosed = false
    /// errno of the read or write that failed.
    var lastError: Int32 = 0
    var watchedEvents: UInt32 = 0

    /// A wanted link. Until it is known whether a relay carries it, its frames promise the least.
    init(peer: Int) {
        self.peer = Int32(peer)
        staging = .allocate(byteCount: Self.copiedByteCountMax, alignment: 64)
        receiveCredit = ReceiveCredit(window: 0)
    }

    var isAttached: Bool { socket >= 0 }

    /// The connection is there.
    mutating func attach(_ established: EstablishedLink, window: UInt64, ringByteCount: Int) {
        socket = established.fileDescriptor
        isRelayed = established.path.candidate == .relayed
        incarnation = established.incarnation
        if established.isResumable, !isResumable {
            isResumable = true
            queue.keep(ringByteCount: ringByteCount)
        }
        tls = established.tls
        if tls != nil, gathered == nil {
            gathered = .allocate(byteCount: Self.gatheredByteCountMax, alignment: 64)
        }
        isWriteBlocked = false
        isReadClosed = false
        isGone = false
        // What is unreceived fills the relay, not this rank's memory: the least there is will do.
        if !isRelayed, receiveCredit.window < window { receiveCredit.widen(to: window) }
    }

    /// The connection is gone, and the link waits for another: it is wanted again.
    mutating func detach() {
        tls = nil
        socket = -1
        stagedStart = 0
        stagedEnd = 0
        gatheredStart = 0
        gatheredEnd = 0
        isDrained = false
        isMidPayload = isMidPayload || phase == .payload
        phase = .header
        isWriteBlocked = true
        isReadClosed = true
        isWriteBroken = false
        isShutDown = false
        watchedEvents = 0
    }

    /// Of the frame that the break has cut: bytes that have not come yet; 0 if it cut none.
    var missingByteCount: Int { isMidPayload ? targetByteCount + surplusByteCount : 0 }

    /// The peer has said where it stands: what was cut goes on.
    mutating func goOn() {
        if isMidPayload { phase = .payload }
        isMidPayload = false
    }

    func destroy() {
        staging.deallocate()
        gathered?.deallocate()
        queue.destroy()
    }

    /// Plaintext of one full TLS record.
    static let gatheredByteCountMax = 16 << 10

    /// Can a frame be written now, as it is and straight to the socket, and forgotten then?
    @inline(__always)
    var isIdlePlain: Bool {
        queue.head == noSlot && !isWriteBlocked && !isWriteClosed && !hasLeft && !isResumable
            && tls == nil
    }

    var hasQueue: Bool { queue.head != noSlot || gatheredEnd > gatheredStart }
    var stagedByteCount: Int { stagedEnd - stagedStart }
}

/// Results of reads and writes that are no byte counts.
enum Transfer {
    static let wouldBlock = 0
    static let endOfStream = -1
    static let failed = -2
}

extension Link {
    /// Reads more bytes behind what is staged, at most `limit`. Staging must be empty or compact.
    mutating func readStaged(limit: Int) -> Int {
        let room = min(limit, Self.copiedByteCountMax - stagedEnd)
        let count = readSome(staging + stagedEnd, room)
        if count > 0 {
            stagedEnd += count
            if count < room && tls == nil { isDrained = true }
        }
        return count
    }

    /// Payloads up to here are read behind their header and copied: a read to one place costs less than
    /// the kernel's work on a list of two.
    private static let shortByteCount = 6 << 10

    /// Reads the frame that is expected next, its header to the staging area and its payload to its
    /// place, and nothing beyond it. The link is between frames.
    mutating func readFrame(into target: UnsafeMutableRawPointer?, _ byteCount: Int) -> Int {
        stagedStart = 0
        stagedEnd = 0
        guard let target, byteCount > Self.shortByteCount else {
            let count = recv(socket, staging, FrameHeader.byteCount + byteCount, 0)
            if count > FrameHeader.byteCount {
                target?.copyMemory(
                    from: staging + FrameHeader.byteCount,
                    byteCount: count - FrameHeader.byteCount)
            }
            return outcome(count)
        }
        var parts = (
            iovec(iov_base: staging, iov_len: FrameHeader.byteCount),
            iovec(iov_base: target, iov_len: byteCount)
        )
        return outcome(
            withUnsafeMutablePointer(to: &parts) {
                $0.withMemoryRebound(to: iovec.self, capacity: 2) { readv(socket, $0, 2) }
            })
    }

    /// What `readFrame` has read, `count` bytes, was not the expected frame: all of it waits in the
    /// staging area, as if read ahead.
    mutating func stage(_ count: Int, from target: UnsafeMutableRawPointer?) {
        stagedEnd = count
        guard let target, count > FrameHeader.byteCount else { return }
        if count > Self.copiedByteCountMax {
            let larger = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
            larger.copyMemory(from: staging, byteCount: FrameHeader.byteCount)
            staging.deallocate()
            staging = larger
            isStagingLarge = true
        }
        (staging + FrameHeader.byteCount).copyMemory(
            from: target, byteCount: count - FrameHeader.byteCount)
    }

    /// What was put aside is read: its memory is given back.
    @inline(__always)
    mutating func shrinkStaging() {
        guard isStagingLarge, stagedStart == stagedEnd else { return }
        staging.deallocate()
        staging = .allocate(byteCount: Self.copiedByteCountMax, alignment: 64)
        stagedStart = 0
        stagedEnd = 0
        isStagingLarge = false
    }

    /// Reads payload to its place, and what follows it, if wanted, into the empty staging area.
    mutating func readPayload(
        _ target: UnsafeMutableRawPointer, _ byteCount: Int, readsAhead: Bool
    ) -> Int {
        if tls != nil { return readSome(target, byteCount) }
        guard readsAhead else {
            let count = recv(socket, target, byteCount, 0)
            if count < byteCount { isDrained = true }
            return outcome(count)
        }
        let ahead = readsHeadersOnly ? FrameHeader.byteCount : Self.copiedByteCountMax
        var parts = (
            iovec(iov_base: target, iov_len: byteCount), iovec(iov_base: staging, iov_len: ahead)
        )
        let count = withUnsafeMutablePointer(to: &parts) {
            $0.withMemoryRebound(to: iovec.self, capacity: 2) { readv(socket, $0, 2) }
        }
        if count < byteCount + ahead { isDrained = true }
        guard count > 0 else { return outcome(count) }
        stagedStart = 0
        stagedEnd = max(0, count - byteCount)
        return min(count, byteCount)
    }

    private mutating func readSome(_ target: UnsafeMutableRawPointer, _ byteCount: Int) -> Int {
        let count: Int
        if let tls {
            count = outcome(
                tls.read(into: UnsafeMutableRawBufferPointer(start: target, count: byteCount)))
        } else {
            count = outcome(recv(socket, target, byteCount, 0))
        }
        if count == Transfer.wouldBlock { isDrained = true }
        return count
    }

    /// Writes bytes that lie in one place.
    mutating func writeBytes(_ bytes: UnsafeRawPointer, _ byteCount: Int) -> Int {
        let written = send(socket, bytes, byteCount, Int32(MSG_NOSIGNAL))
        return written < 0 ? outcome(written) : written
    }

    /// Writes the parts in one call.
    mutating func writeParts(_ parts: UnsafeMutablePointer<iovec>, _ count: Int) -> Int {
        var message = msghdr()
        message.msg_iov = parts
        message.msg_iovlen = count
        let written = sendmsg(socket, &message, Int32(MSG_NOSIGNAL))
        return written < 0 ? outcome(written) : written
    }

    /// Writes to the TLS session.
    mutating func writeTLS(_ bytes: UnsafeRawPointer, _ byteCount: Int) -> Int {
        guard let tls else { return Transfer.failed }
        return outcome(tls.write(UnsafeRawBufferPointer(start: bytes, count: byteCount)))
    }

    private mutating func outcome(_ result: Int) -> Int {
        if result > 0 { return result }
        if result == 0 { return Transfer.endOfStream }
        switch errno {
        case EAGAIN, EINTR:
            return Transfer.wouldBlock
        default:
            lastError = errno
            return Transfer.failed
        }
    }

    private mutating func outcome(_ result: IOResult) -> Int {
        switch result {
        case .bytes(let count): return count
        case .wouldBlock: return Transfer.wouldBlock
        case .endOfStream: return Transfer.endOfStream
        case .failed(let failure):
            lastError = failure.errorNumber ?? ECONNRESET
            return Transfer.failed
        }
    }
}
