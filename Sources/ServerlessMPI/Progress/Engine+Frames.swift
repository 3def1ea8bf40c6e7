// What the header of a frame means: whose it is, what it acknowledges and allows, and where its
// payload goes. Everything that cannot be is a broken protocol, and fails the job.

import MessagePassing

extension Engine {
    func begin(_ header: FrameHeader, on link: LinkPointer) {
        let peer = Int(link.pointee.peer)
        if link.pointee.queue.isHeld || header.type == .resume {
            guard header.type == .resume, goOn(header, on: link) else {
                return suspect(protocolError(peer, "it does not say where it stands"))
            }
            link.pointee.sendCredit.raise(to: header.creditLimit)
            return finishReadingIfOver(link)
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
        // After its bye a peer says only what has come there, or that the job has failed.
        if link.pointee.hasLeft, header.type != .abort {
            guard header.followingByteCount == 0 else {
                return suspect(protocolError(peer, "it sends a message after its bye"))
            }
            return finishReadingIfOver(link)
        }
        switch header.type {
        case .eager, .requestToSend:
            beginMessage(header, on: link)
        // The memory of a send that nobody waited for may be gone.
        case .clearToSend where link.pointee.saidBye: break
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
            if link.pointee.isResumable {
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
}
