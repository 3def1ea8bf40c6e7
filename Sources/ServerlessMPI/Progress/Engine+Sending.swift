// Sending: small messages go out at once with their header in one call, large ones are announced
// and follow when the receiver asks. Payloads are written from the program's own memory.

import Glibc
import MessagePassing

extension Engine {
    /// Starts a send of `bytes` to rank `destination` of a space. Arguments have been checked.
    /// - Parameters:
    ///   - isSynchronous: announce it, however short: it is complete once the receiver has asked.
    ///   - store: number of the store that the payload goes through; 0 for the link.
    func isend(
        _ bytes: UnsafeRawBufferPointer, in space: MessageSpace, to destination: Int, tag: Tag,
        call: UInt64, isSynchronous: Bool = false, store: UInt8 = 0
    ) throws(MPIError) -> RequestHandle {
        lock()
        defer { unlock() }
        return try beginSend(
            bytes, in: space, to: destination, tag: tag, call: call, isSynchronous: isSynchronous,
            store: store)
    }

    /// The same with the lock held.
    func beginSend(
        _ bytes: UnsafeRawBufferPointer, in space: MessageSpace, to destination: Int, tag: Tag,
        call: UInt64, isSynchronous: Bool = false, store: UInt8 = 0
    ) throws(MPIError) -> RequestHandle {
        try checkAlive()
        let peer = space.group[destination]
        if store == 0, !isSynchronous, let link = links[peer],
            let done = sendAtOnce(
                bytes, in: space, to: destination, tag: tag, call: call, on: link)
        {
            return done
        }
        let index = takeSend(bytes, in: space, to: destination, tag: tag, call: call)
        let request = requests.pointer(index)
        guard let link = links[peer] ?? demandLink(to: peer) else {
            sendToSelf(index, in: space, isSynchronous: isSynchronous)
            return RequestHandle(rawValue: requests.name(index))
        }
        if link.pointee.hasLeft || link.pointee.isWriteClosed {
            requests.giveBack(index)
            suspect(leftError(peer, "send", tag: tag.rawValue))
            throw awaitVerdict()
        }
        var header = FrameHeader(
            type: .eager, source: Int32(space.rank), tag: tag.rawValue,
            contextID: space.contextID, call: call, payloadByteCount: bytes.count)
        if store != 0, bytes.count > 0 {
            storePayload(index, header, in: store, on: link)
        } else if bytes.count <= settings.eagerByteCountMax(call: call, on: link),
            !isSynchronous,
            link.pointee.sendCredit.covers(eagerCharge(bytes.count)),
            let piece = roomForCopy(bytes.count, on: link)
        {
            _ = link.pointee.sendCredit.take(eagerCharge(bytes.count))
            sendEagerly(header, bytes.baseAddress, piece, request: index, on: link)
        } else {
            header.type = .requestToSend
            header.reply = requests.name(index)
            request.pointee.phase = .announced
            enqueue(header, on: link)
            // A full socket is tried again by whoever waits, which also reads meanwhile.
            if !link.pointee.isWriteBlocked { flush(link) }
        }
        return RequestHandle(rawValue: requests.name(index))
    }

    /// The slot of a new send.
    @inline(__always)
    func takeSend(
        _ bytes: UnsafeRawBufferPointer, in space: MessageSpace, to destination: Int, tag: Tag,
        call: UInt64
    ) -> UInt32 {
        let index = requests.take()
        let request = requests.pointer(index)
        request.pointee.kind = .send
        request.pointee.peer = Int32(space.group[destination])
        request.pointee.communicator = space.number
        request.pointee.source = Int32(destination)
        request.pointee.tag = tag.rawValue
        request.pointee.call = call
        request.pointee.buffer = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        request.pointee.capacity = bytes.count
        request.pointee.byteCount = bytes.count
        return index
    }

    /// Where the copy of a payload goes that must outlive its connection; an empty piece where none
    /// must, nil if there is no room: then the message is announced.
    private func roomForCopy(_ byteCount: Int, on link: LinkPointer) -> ReplayRing.Piece? {
        link.pointee.isResumable
            ? link.pointee.queue.takeRoom(byteCount) : ReplayRing.Piece(offset: 0, extent: 0)
    }

    /// Writes header and payload. The copy is made afterwards, when the peer is already at work,
    /// and with it the send is done.
    private func sendEagerly(
        _ header: FrameHeader, _ payload: UnsafeRawPointer?, _ piece: ReplayRing.Piece,
        request: UInt32, on link: LinkPointer
    ) {
        let keeps = link.pointee.isResumable
        let frame = enqueue(
            header, payload: payload, request: keeps ? noSlot : request, on: link)
        frames[frame].isEager = true
        frames[frame].ringExtent = piece.extent
        if !link.pointee.isWriteBlocked { flush(link) }
        guard keeps else { return }
        if let payload { link.pointee.queue.copy(payload, to: piece, of: frames.pointer(frame)) }
        complete(request)
    }

    /// The receiver's buffer is ready for `byteCount` bytes: the payload follows.
    func sendPayload(_ index: UInt32, _ byteCount: Int, to reply: UInt64, on link: LinkPointer) {
        requests[index].phase = .pending
        let payload = RelayedPayload(
            direction: .out, slot: index, byteCount: byteCount, reply: reply)
        if isItsTurn(payload, on: link) { writePayload(index, byteCount, to: reply, on: link) }
    }

    func writePayload(_ index: UInt32, _ byteCount: Int, to reply: UInt64, on link: LinkPointer) {
        let request = requests.pointer(index)
        enqueue(
            FrameHeader(type: .rendezvousData, payloadByteCount: byteCount, request: reply),
            payload: request.pointee.buffer.map { UnsafeRawPointer($0) }, request: index, on: link)
        if !link.pointee.isWriteBlocked { flush(link) }
    }

    // MARK: The queue of a link

    /// Appends a frame; `flush` writes it.
    @discardableResult
    func enqueue(
        _ header: FrameHeader, payload: UnsafeRawPointer? = nil, request: UInt32 = noSlot,
        on link: LinkPointer
    ) -> UInt32 {
        var header = header
        fillIn(&header, on: link)
        return append(header, payload: payload, request: request, on: link)
    }

    /// What a frame tells about its link.
    @inline(__always)
    func fillIn(_ header: inout FrameHeader, on link: LinkPointer) {
        if header.type.isCounted { header.sequence = link.pointee.queue.nextNumber() }
        header.acknowledged = link.pointee.receipts.tell()
        header.creditLimit = link.pointee.receiveCredit.advertise()
    }

    /// Appends a frame whose header is filled in.
    func append(
        _ header: FrameHeader, payload: UnsafeRawPointer?, request: UInt32, on link: LinkPointer
    ) -> UInt32 {
        let index = frames.take()
        let frame = frames.pointer(index)
        withUnsafeMutableBytes(of: &frame.pointee.header) { bytes in
            if let base = bytes.baseAddress { header.encode(into: base) }
        }
        frame.pointee.payload = payload
        frame.pointee.payloadByteCount = header.followingByteCount
        frame.pointee.request = request
        frame.pointee.isCounted = header.type.isCounted
        link.pointee.queue.append(index, frames)
        return index
    }

    /// Writes what is queued, as far as the socket takes it. True if anything was written.
    @discardableResult
    func flush(_ link: LinkPointer) -> Bool {
        // After a failure calls have thrown, and the memory they were sending from may be gone.
        guard !state.pointee.isTroubled, !link.pointee.isWriteBroken else { return false }
        var progressed = false
        while link.pointee.hasQueue {
            guard link.pointee.isAttached else { return progressed }
            if link.pointee.isWriteClosed {
                dropQueue(link)
                break
            }
            let written = link.pointee.tls == nil ? writeQueue(link) : writeTLS(link)
            if written > 0 {
                progressed = true
                continue
            }
            if written == Transfer.wouldBlock {
                setWriteBlocked(link, true)
                return progressed
            }
            // The peer may have said bye before its end closed: what it sent must be read first.
            if link.pointee.isResumable {
                setWriteBlocked(link, false)
                link.pointee.isWriteBroken = true
                return progressed
            }
            link.pointee.isWriteClosed = true
        }
        if link.pointee.isWriteBlocked { setWriteBlocked(link, false) }
        return progressed
    }

    /// Writes up to sixteen frames in one call.
    private func writeQueue(_ link: LinkPointer) -> Int {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: 32) { parts in
            guard let base = parts.baseAddress else { return Transfer.failed }
            var count = 0
            var index = link.pointee.queue.head
            while index != noSlot && count + 2 <= 32 {
                let frame = frames.pointer(index)
                let written = frame.pointee.written
                if written < FrameHeader.byteCount {
                    base[count] = iovec(
                        iov_base: UnsafeMutableRawPointer(frame) + Self.headerOffset + written,
                        iov_len: FrameHeader.byteCount - written)
                    count += 1
                }
                let payloadWritten = max(0, written - FrameHeader.byteCount)
                if let payload = frame.pointee.payload,
                    frame.pointee.payloadByteCount > payloadWritten
                {
                    base[count] = iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: payload) + payloadWritten,
                        iov_len: frame.pointee.payloadByteCount - payloadWritten)
                    count += 1
                }
                index = frame.pointee.next
            }
            let written = link.pointee.writeParts(base, count)
            if written > 0 { advanceQueue(link, written) }
            return written
        }
    }

    private static let headerOffset = MemoryLayout<OutgoingFrame>.offset(of: \.header) ?? 0

    /// Writes to a TLS session: small frames gathered into one record, the bulk of large ones
    /// straight from the program's memory. Gathered bytes count as written, as they are copied.
    private func writeTLS(_ link: LinkPointer) -> Int {
        guard let gathered = link.pointee.gathered else { return Transfer.failed }
        if link.pointee.gatheredEnd == link.pointee.gatheredStart {
            link.pointee.gatheredStart = 0
            link.pointee.gatheredEnd = 0
            let head = frames.pointer(link.pointee.queue.head)
            if head.pointee.written >= FrameHeader.byteCount,
                head.pointee.remaining >= Link.gatheredByteCountMax,
                let payload = head.pointee.payload
            {
                let written = link.pointee.writeTLS(
                    payload + (head.pointee.written - FrameHeader.byteCount),
                    min(head.pointee.remaining, 1 << 30))
                if written > 0 { advanceQueue(link, written) }
                return written
            }
            gather(link, into: gathered)
        }
        let written = link.pointee.writeTLS(
            gathered + link.pointee.gatheredStart,
            link.pointee.gatheredEnd - link.pointee.gatheredStart)
        if written > 0 { link.pointee.gatheredStart += written }
        return written
    }

    private func gather(_ link: LinkPointer, into target: UnsafeMutableRawPointer) {
        while link.pointee.queue.head != noSlot {
            let frame = frames.pointer(link.pointee.queue.head)
            let room = Link.gatheredByteCountMax - link.pointee.gatheredEnd
            if room == 0 { return }
            let count = min(room, frame.pointee.remaining)
            let written = frame.pointee.written
            let fromHeader = max(0, min(count, FrameHeader.byteCount - written))
            let end = target + link.pointee.gatheredEnd
            if fromHeader > 0 {
                end.copyMemory(
                    from: UnsafeRawPointer(frame) + Self.headerOffset + written,
                    byteCount: fromHeader)
            }
            if count > fromHeader, let payload = frame.pointee.payload {
                (end + fromHeader).copyMemory(
                    from: payload + (written + fromHeader - FrameHeader.byteCount),
                    byteCount: count - fromHeader)
            }
            link.pointee.gatheredEnd += count
            advanceQueue(link, count)
        }
    }

    /// Takes `count` written bytes off the queue and completes the sends that are done.
    private func advanceQueue(_ link: LinkPointer, _ count: Int) {
        var count = count
        while count > 0 {
            let index = link.pointee.queue.head
            let frame = frames.pointer(index)
            let step = min(count, frame.pointee.remaining)
            frame.pointee.written += step
            count -= step
            if frame.pointee.remaining > 0 { return }
            let request = link.pointee.queue.finishHead(frames)
            if request != noSlot { complete(request) }
        }
    }

    /// Nobody will read these frames. Sends among them stay pending: whether the peer left in
    /// order or was lost is known once its last bytes are read.
    func dropQueue(_ link: LinkPointer) {
        link.pointee.queue.drop(frames)
        link.pointee.gatheredStart = 0
        link.pointee.gatheredEnd = 0
    }

    func setWriteBlocked(_ link: LinkPointer, _ isBlocked: Bool) {
        guard link.pointee.isWriteBlocked != isBlocked else { return }
        link.pointee.isWriteBlocked = isBlocked
        state.pointee.blockedLinkCount += isBlocked ? 1 : -1
        updateWatch(link)
    }

    /// Tells epoll what to watch this link for.
    func updateWatch(_ link: LinkPointer) {
        let mask =
            (link.pointee.isReadClosed ? 0 : Poller.readable)
            | (link.pointee.isWriteBlocked ? Poller.writable : 0)
        guard mask != link.pointee.watchedEvents else { return }
        poller.change(
            link.pointee.socket, from: link.pointee.watchedEvents, to: mask,
            token: UInt64(link.pointee.peer))
        link.pointee.watchedEvents = mask
    }

    /// The request is done; whoever waits for it learns so.
    func complete(_ index: UInt32) {
        requests[index].phase = .done
        state.pointee.hasNews = true
        state.pointee.collectivesAreDue = true
    }
}
