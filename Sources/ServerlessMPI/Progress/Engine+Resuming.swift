// Links that survive their connections: one that breaks while both ranks live is wanted again, and
// another connection goes on where both ends say they stand, so that every byte comes once. The
// control thread makes the connection; to the program all of it is a delay.

import CLinux
import Glibc
import MessagePassing

/// Asks for another connection to `peer` in place of number `incarnation`. It is called with the
/// engine's lock held, so it must return at once and must not call the engine.
typealias LinkResumer = @Sendable (_ peer: Int, _ incarnation: Int) -> Void

extension Engine {
    /// Bytes of one link's copies.
    var ringByteCount: Int {
        ReplayRing.capacity(ranks: size, total: settings.replayByteCountMax)
    }

    /// Sets who makes connections anew, also for links that broke while they were taken over.
    func setResumer(_ resume: @escaping LinkResumer) {
        lock()
        defer { unlock() }
        resumer = resume
        for case let link? in links
        where link.pointee.isResumable && !link.pointee.isAttached && !link.pointee.hasLeft {
            resume(Int(link.pointee.peer), link.pointee.incarnation)
        }
    }

    // MARK: The end of a connection

    /// The connection of a link is gone, or is to go. Its frames wait for the next one.
    func cut(_ link: LinkPointer) {
        guard link.pointee.isAttached else { return }
        if !link.pointee.isWriteBroken { setWriteBlocked(link, false) }
        mark(link, unfinished: false)
        poller.change(
            link.pointee.socket, from: link.pointee.watchedEvents, to: 0,
            token: UInt64(link.pointee.peer))
        link.pointee.tls = nil
        // A reset tells the peer, if it can be told, and frees the four-tuple at both ends.
        var abortive = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            link.pointee.socket, SOL_SOCKET, SO_LINGER, &abortive,
            socklen_t(MemoryLayout<linger>.size))
        close(link.pointee.socket)
        link.pointee.detach()
        link.pointee.queue.cut(frames)
    }

    /// May this connection be attached? If it follows another one, that is read to its end first:
    /// the peer's last words may be in it.
    func makesRoom(for established: EstablishedLink) -> Bool {
        guard let link = links[established.peer] else { return true }
        guard link.pointee.isResumable else { return !link.pointee.isAttached }
        guard established.incarnation > link.pointee.incarnation else { return false }
        while link.pointee.isAttached, !state.pointee.isTroubled, read(link) {}
        guard !state.pointee.isTroubled else { return false }
        // A peer that has said bye asks, too: it does not know yet that its bye has come.
        cut(link)
        return true
    }

    /// The peer needs a new connection, or the old one has been found dead. From any thread.
    func abandonLink(to peer: Int, incarnation: Int) {
        lock()
        defer { unlock() }
        guard !isClosed, links.indices.contains(peer), let link = links[peer],
            link.pointee.isResumable, link.pointee.incarnation == incarnation
        else { return }
        while link.pointee.isAttached, !state.pointee.isTroubled, read(link) {}
        if !link.pointee.hasLeft, !state.pointee.isTroubled { cut(link) }
    }

    /// There will be no other connection to the peer. If it has left in order that is no failure by
    /// itself; otherwise the job fails, unless what it sent before ends with a bye. From any thread.
    func linkIsLost(to peer: Int, cause: MPIError, hasDeparted: Bool) {
        lock()
        defer { unlock() }
        _ = attachArrivals()
        guard !isClosed, links.indices.contains(peer), let link = links[peer] else { return }
        while link.pointee.isAttached, !state.pointee.isTroubled, read(link) {}
        guard link.pointee.hasLeft || !link.pointee.isAttached else { return }
        guard link.pointee.hasLeft || hasDeparted else { return suspect(cause) }
        // As good as its bye: who still needs something of it will be told so. And nobody is there
        // any more to have this rank's, whatever the old connection looks like.
        link.pointee.hasLeft = true
        link.pointee.isWriteClosed = true
        state.pointee.hasNews = true
    }

    /// The peers that have said bye. From any thread.
    var departedPeers: [Int] {
        lock()
        defer { unlock() }
        return links.indices.filter { links[$0]?.pointee.hasLeft == true }
    }

    /// Finds connections that are dead without having said so; called about once a second, from
    /// the control thread: the program may compute meanwhile.
    func checkLinks() {
        lock()
        defer { unlock() }
        guard !isClosed, !state.pointee.isTroubled, let resumer else { return }
        _ = attachArrivals()
        for case let link? in links
        where link.pointee.isResumable && link.pointee.isAttached
            && (!link.pointee.hasLeft || Self.awaitsAcknowledgement(link))
        {
            guard Socket.isDead(link.pointee.socket) else { continue }
            let incarnation = link.pointee.incarnation
            while link.pointee.isAttached, !state.pointee.isTroubled, read(link) {}
            guard link.pointee.isAttached,
                !link.pointee.hasLeft || Self.awaitsAcknowledgement(link)
            else { continue }
            cut(link)
            resumer(Int(link.pointee.peer), incarnation)
        }
    }

    // MARK: The next connection

    /// The first frame on a connection that goes on with a link: where this rank stands.
    func sayPosition(on link: LinkPointer) {
        link.pointee.queue.cut(frames)
        enqueue(
            FrameHeader(
                type: .resume, payloadByteCount: link.pointee.missingByteCount,
                request: UInt64(link.pointee.incarnation)), on: link)
        flush(link)
    }

    /// The peer's position: what it has not got is sent again. False if it cannot be there.
    func goOn(_ header: FrameHeader, on link: LinkPointer) -> Bool {
        guard header.request == UInt64(link.pointee.incarnation) else { return false }
        var doneCount = 0
        let isPossible = link.pointee.queue.resume(
            after: header.acknowledged, remaining: header.payloadByteCount, frames
        ) {
            complete($0)
            doneCount += 1
        }
        guard isPossible else { return false }
        link.pointee.goOn()
        finishTurns(doneCount, on: link)
        if !link.pointee.isWriteBlocked { flush(link) }
        return true
    }

    // MARK: Acknowledgement

    /// The peer has everything up to this frame. False if it cannot have.
    func acknowledge(_ number: UInt32, on link: LinkPointer) -> Bool {
        guard number != link.pointee.queue.acknowledged else { return true }
        var doneCount = 0
        let isPossible = link.pointee.queue.acknowledge(number, frames) {
            complete($0)
            doneCount += 1
        }
        if isPossible { finishTurns(doneCount, on: link) }
        return isPossible
    }

    /// So many payloads have arrived at the peer.
    private func finishTurns(_ count: Int, on link: LinkPointer) {
        guard link.pointee.turns != nil else { return }
        for _ in 0..<count { _ = payloadDelivered(on: link) }
    }

    /// Tells the peer what has come, if it waits for that and nothing else tells it.
    func acknowledgeIfDue(on link: LinkPointer) {
        guard
            link.pointee.owesReceipt || link.pointee.receipts.isDue(ringByteCount: ringByteCount)
        else { return }
        link.pointee.owesReceipt = false
        guard link.pointee.isAttached, !link.pointee.hasLeft, !link.pointee.isShutDown,
            link.pointee.receipts.isUntold, !state.pointee.isTroubled
        else { return }
        enqueue(FrameHeader(type: .credit), on: link)
        if !link.pointee.isWriteBlocked { flush(link) }
    }
}
