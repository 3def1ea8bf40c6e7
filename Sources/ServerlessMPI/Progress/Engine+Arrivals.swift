// Receiving, seen from the socket: frames are read one after the other, headers by way of a small
// staging area, payloads straight to where they belong.

import Glibc
import MessagePassing

extension Engine {
    /// Bytes one link may deliver before the others get their turn.
    private static let turnByteCount = 4 << 20

    /// Reads what has come over a link. True if anything has.
    /// - Parameter awaited: a request after which to stop. What comes behind it is best read when its
    ///   receive is posted: then it needs no memory of ours.
    func read(_ link: LinkPointer, until awaited: UInt32 = noSlot) -> Bool {
        guard !link.pointee.isReadClosed else { return false }
        link.pointee.isDrained = false
        var progressed = false
        var budget = Self.turnByteCount
        // Bytes that TLS has taken from the socket are not to be seen from outside.
        let awaited = link.pointee.tls == nil ? awaited : noSlot
        var isInterrupted = false
        while budget > 0, !link.pointee.isReadClosed, !state.pointee.isTroubled {
            let count =
                link.pointee.phase == .payload ? readPayload(link) : readHeader(link)
            if count > 0 {
                progressed = true
                budget -= count
                guard awaited != noSlot, requests[awaited].phase == .done else { continue }
                isInterrupted = link.pointee.stagedByteCount > 0
                break
            }
            if count == Transfer.wouldBlock { break }
            endOfStream(link)
            progressed = true
            break
        }
        // A link closed by its last frame is finished, whatever the budget: nobody reads it again.
        let isUnfinished = (budget <= 0 || isInterrupted) && !link.pointee.isReadClosed
        if isUnfinished != link.pointee.isUnfinished {
            link.pointee.isUnfinished = isUnfinished
            state.pointee.unfinishedLinkCount += isUnfinished ? 1 : -1
        }
        if link.pointee.isResumable { acknowledgeIfDue(on: link) }
        return progressed
    }

    /// Bytes moved, or why none could be.
    private func readHeader(_ link: LinkPointer) -> Int {
        if link.pointee.stagedByteCount < FrameHeader.byteCount {
            if link.pointee.isDrained { return Transfer.wouldBlock }
            if link.pointee.stagedStart > 0 {
                let staged = link.pointee.stagedByteCount
                link.pointee.staging.copyMemory(
                    from: link.pointee.staging + link.pointee.stagedStart, byteCount: staged)
                link.pointee.stagedStart = 0
                link.pointee.stagedEnd = staged
            }
            let limit =
                link.pointee.readsHeadersOnly
                ? FrameHeader.byteCount - link.pointee.stagedByteCount : Link.stagingByteCount
            let count = link.pointee.readStaged(limit: limit)
            if count <= 0 { return count }
            if link.pointee.stagedByteCount < FrameHeader.byteCount { return count }
        }
        let start = link.pointee.staging + link.pointee.stagedStart
        link.pointee.stagedStart += FrameHeader.byteCount
        do throws(FrameRefusal) {
            begin(try FrameHeader.parse(start), on: link)
        } catch {
            suspect(protocolError(Int(link.pointee.peer), "\(error)"))
        }
        return FrameHeader.byteCount
    }

    private func readPayload(_ link: LinkPointer) -> Int {
        let staged = link.pointee.stagedByteCount
        if link.pointee.targetByteCount > 0, let target = link.pointee.target {
            let wanted = link.pointee.targetByteCount
            var count = min(staged, wanted)
            if count > 0 {
                target.copyMemory(
                    from: link.pointee.staging + link.pointee.stagedStart, byteCount: count)
                link.pointee.stagedStart += count
            } else {
                if link.pointee.isDrained { return Transfer.wouldBlock }
                count = link.pointee.readPayload(target, wanted)
                if count <= 0 { return count }
            }
            link.pointee.target = target + count
            link.pointee.targetByteCount -= count
            finishPayload(link)
            return count
        }
        // What nobody has room for is read into the staging area and forgotten.
        if staged == 0 {
            if link.pointee.isDrained { return Transfer.wouldBlock }
            link.pointee.stagedStart = 0
            link.pointee.stagedEnd = 0
            let count = link.pointee.readStaged(limit: link.pointee.surplusByteCount)
            if count <= 0 { return count }
        }
        let count = min(link.pointee.stagedByteCount, link.pointee.surplusByteCount)
        link.pointee.stagedStart += count
        link.pointee.surplusByteCount -= count
        finishPayload(link)
        return count
    }

    /// Directs the payload that follows a header; `accepted` bytes go to `target`.
    private func expect(
        _ byteCount: Int, accepted: Int, to target: UnsafeMutableRawPointer?, sink: Link.Sink,
        slot: UInt32, on link: LinkPointer
    ) {
        link.pointee.phase = .payload
        link.pointee.sink = sink
        link.pointee.sinkSlot = slot
        link.pointee.target = target
        link.pointee.targetByteCount = accepted
        link.pointee.surplusByteCount = byteCount - accepted
        link.pointee.readsHeadersOnly = byteCount > Link.stagingByteCount / 4
        finishPayload(link)
    }

    private func finishPayload(_ link: LinkPointer) {
        guard link.pointee.targetByteCount == 0, link.pointee.surplusByteCount == 0 else { return }
        link.pointee.phase = .header
        link.pointee.receipts.complete()
        let slot = link.pointee.sinkSlot
        switch link.pointee.sink {
        case .request:
            complete(slot)
        case .message:
            messages[slot].isComplete = true
            let receiver = messages[slot].receiver
            if receiver != noSlot { deliver(message: slot, into: receiver) }
        case .abort:
            let bytes = UnsafeRawBufferPointer(start: abortPayload, count: Int(slot))
            suspect(
                AbortCause.decode(bytes)
                    ?? protocolError(Int(link.pointee.peer), "the cause of an abort is garbled"),
                isOwnEvidence: false)
        case .nobody:
            break
        }
        link.pointee.sink = .nobody
        guard link.pointee.readsRendezvousData else { return }
        link.pointee.readsRendezvousData = false
        link.pointee.owesReceipt = true
        payloadArrived(on: link)
    }

    // MARK: What a header means

    private func begin(_ header: FrameHeader, on link: LinkPointer) {
        let peer = Int(link.pointee.peer)
        if link.pointee.queue.isHeld || header.type == .resume {
            guard header.type == .resume, goOn(header, on: link) else {
                return suspect(protocolError(peer, "it does not say where it stands"))
            }
            link.pointee.sendCredit.raise(to: header.creditLimit)
            if link.pointee.hasLeft, !Self.awaitsAcknowledgement(link) { finishReading(link) }
            return
        }
        guard
            !header.type.isCounted
                || link.pointee.receipts.begin(
                    header.sequence, byteCount: header.followingByteCount)
        else { return suspect(protocolError(peer, "a frame is missing")) }
        link.pointee.sendCredit.raise(to: header.creditLimit)
        guard !link.pointee.isResumable || acknowledge(header.acknowledged, on: link) else {
            return suspect(protocolError(peer, "it acknowledges what nobody sent"))
        }
        if link.pointee.hasLeft {
            // Only that this rank's own bye has come.
            if link.pointee.queue.isEmpty { finishReading(link) }
            return
        }
        switch header.type {
        case .eager, .requestToSend:
            beginMessage(header, on: link)
        case .clearToSend:
            guard let index = requests.find(header.request), requests[index].kind == .send,
                requests[index].phase == .announced, requests[index].peer == link.pointee.peer,
                header.payloadByteCount <= requests[index].capacity, header.reply != 0
            else { return suspect(protocolError(peer, "it asks for a payload nobody announced")) }
            sendPayload(index, header.payloadByteCount, to: header.reply, on: link)
        case .rendezvousData:
            guard let index = requests.find(header.request), requests[index].kind == .receive,
                requests[index].phase == .granted, requests[index].peer == link.pointee.peer,
                header.payloadByteCount == requests[index].acceptedByteCount
            else { return suspect(protocolError(peer, "it sends a payload nobody asked for")) }
            requests[index].phase = .matched
            link.pointee.readsRendezvousData = true
            expect(
                header.payloadByteCount, accepted: header.payloadByteCount,
                to: requests[index].buffer, sink: .request, slot: index, on: link)
        case .storedMessage:
            guard header.request <= UInt64(payloadStores.count) else {
                return suspect(protocolError(peer, "it names a store that nobody has"))
            }
            beginMessage(header, on: link)
        case .storedPayload:
            storedPayloadArrived(number: header.reply, from: link.pointee.peer)
        case .credit, .resume:
            break
        case .receipt:
            guard payloadDelivered(on: link) else {
                return suspect(protocolError(peer, "it acknowledges what nobody sent"))
            }
        case .bye:
            link.pointee.hasLeft = true
            if link.pointee.isResumable, link.pointee.isRelayed {
                acknowledgeBye(on: link)
            } else {
                finishReading(link)
            }
        case .abort:
            expect(
                header.payloadByteCount, accepted: header.payloadByteCount, to: abortPayload,
                sink: .abort, slot: UInt32(header.payloadByteCount), on: link)
        }
    }

    private func beginMessage(_ header: FrameHeader, on link: LinkPointer) {
        let peer = Int(link.pointee.peer)
        let isEager = header.type == .eager
        guard
            !isEager
                || link.pointee.receiveCredit.receive(eagerCharge(header.payloadByteCount))
        else { return suspect(protocolError(peer, "it sends more than its credit")) }
        guard let space = space(of: header.contextID),
            space.admits(source: Int(header.source), from: peer)
        else {
            return suspect(protocolError(peer, "a message claims to come from another rank"))
        }
        if header.call != 0,
            let error = space.ledger.mismatch(arrived: header.call, from: Int(header.source))
        {
            return suspect(error)
        }
        let envelope = Envelope(
            contextID: header.contextID, source: Int(header.source),
            tag: Tag(rawValue: header.tag), call: header.call,
            byteCount: header.payloadByteCount)
        let receiver = space.queues.takeReceive(for: envelope)
        if let receiver, isEager {
            accept(header, from: link.pointee.peer, into: receiver)
            link.pointee.receiveCredit.consume(eagerCharge(header.payloadByteCount))
            expect(
                header.payloadByteCount, accepted: requests[receiver].acceptedByteCount,
                to: requests[receiver].buffer, sink: .request, slot: receiver, on: link)
            return returnCredit(on: link)
        }
        let index = messages.take()
        let message = messages.pointer(index)
        let isStored = header.type == .storedMessage
        message.pointee.kind = isEager ? .buffered : isStored ? .stored : .announced
        message.pointee.store = UInt8(truncatingIfNeeded: header.request)
        message.pointee.peer = link.pointee.peer
        message.pointee.communicator = space.number
        message.pointee.source = header.source
        message.pointee.tag = header.tag
        message.pointee.byteCount = header.payloadByteCount
        message.pointee.reply = header.reply
        if let receiver {
            let found = message.pointee
            accept(header, from: link.pointee.peer, into: receiver)
            messages.giveBack(index)
            if isStored {
                awaitStored(found, into: receiver)
            } else {
                grant(receiver, reply: header.reply, on: link)
            }
        } else {
            space.queues.hold(envelope, message: index)
            // Probes see a message as soon as its envelope is here.
            state.pointee.hasNews = true
            guard isEager else { return }
            if header.payloadByteCount > 0 {
                message.pointee.buffer = pool.take(header.payloadByteCount)
            }
            expect(
                header.payloadByteCount, accepted: header.payloadByteCount,
                to: message.pointee.buffer, sink: .message, slot: index, on: link)
        }
    }

    /// Over a relay only the peer itself can tell that it has this rank's bye: it reads and waits for
    /// that. So does this rank, if it has said or will say its own.
    private func acknowledgeBye(on link: LinkPointer) {
        state.pointee.hasNews = true
        enqueue(FrameHeader(type: .credit), on: link)
        if !link.pointee.isWriteBlocked { flush(link) }
        if link.pointee.saidBye, link.pointee.queue.isEmpty { finishReading(link) }
    }

    /// The peer has said bye, and nothing else comes. The end of the stream is left unread: TLS
    /// without its own goodbye would answer it with an alert, and then could not write this rank's
    /// bye.
    private func finishReading(_ link: LinkPointer) {
        link.pointee.isReadClosed = true
        updateWatch(link)
        state.pointee.hasNews = true
    }

    /// The peer's side has ended, by end of stream or by an error of the socket.
    private func endOfStream(_ link: LinkPointer) {
        if link.pointee.isResumable, !link.pointee.hasLeft || Self.awaitsAcknowledgement(link) {
            cut(link)
            resumer?(Int(link.pointee.peer), link.pointee.incarnation)
            return
        }
        if link.pointee.hasLeft { return finishReading(link) }
        link.pointee.isReadClosed = true
        updateWatch(link)
        if isLeaving, link.pointee.isRelayed, !link.pointee.hasQueue {
            // Most likely the peer had this rank's bye, left, and took its own in the relay along.
            // If not, the verdict comes while this rank lingers.
            link.pointee.isWriteClosed = true
            return
        }
        suspect(
            MPIError(
                .peerLost, operation: "connection",
                reason: "the connection to it ended without a bye; look at that rank's output",
                peer: Int(link.pointee.peer)))
    }
}
