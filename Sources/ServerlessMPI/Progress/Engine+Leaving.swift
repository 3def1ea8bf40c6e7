// The orderly end: what was sent reaches the peers although they may be busy, then bye. A rank
// must not just exit: closing a socket with unread bytes resets the connection and may destroy
// what the peer has not read yet.

import CLinux
import Glibc
import MessagePassing

extension Engine {
    /// Flushes, says bye, and waits until the peers have everything. Local; call it once.
    /// Over a relay that takes until the peers leave, too.
    /// - Throws: `timedOut` if a peer does not take its data within the timeout, or the job's
    ///   first cause if it fails meanwhile.
    func leave() throws(MPIError) {
        lock()
        defer { unlock() }
        try checkAlive()
        let deadline = settings.timeout.map { ContinuousClock.now + $0 }
        isLeaving = true
        for case let link? in links where !link.pointee.isWriteClosed { sayBye(link) }
        try settle(until: deadline, "flush its sends") { self.links.allSatisfy(Self.isWritten) }
        for case let link? in links { shutDownIfWritten(link) }
        try settle(until: deadline, "hand over what it sent") {
            for case let link? in self.links { self.shutDownIfWritten(link) }
            return self.links.allSatisfy { Self.isDelivered($0) || Self.awaitsOnlyBye($0) }
        }
        // A peer may compute for longer than a call may take; if it dies, the verdict says so.
        try settle(until: nil, "see its relayed peers leave") {
            self.links.allSatisfy(Self.isDelivered)
        }
        // Peers that leave now end both directions cleanly; the data is safe either way.
        var lingering = Lingering(.now, settings.lingerTimeout)
        while !lingering.isOver(links, .now) {
            try checkAlive()
            makeProgressOrSleep()
        }
        closeLinks()
    }

    /// How long a rank that has handed over everything waits for its peers' last words: a moment,
    /// which begins anew while a connection for them is in the making.
    struct Lingering {
        /// The control thread either makes a connection or gives the link up.
        private static let reconnectionTimeout = Duration.seconds(15)
        private let moment: Duration
        private(set) var deadline: ContinuousClock.Instant
        private let limit: ContinuousClock.Instant

        init(_ now: ContinuousClock.Instant, _ moment: Duration) {
            self.moment = moment
            deadline = now + moment
            limit = now + Self.reconnectionTimeout
        }

        mutating func isOver(
            _ links: some Sequence<LinkPointer?>, _ now: ContinuousClock.Instant
        ) -> Bool {
            if links.allSatisfy(Engine.isEnded) { return true }
            if now < limit, links.contains(where: Engine.awaitsConnection) {
                deadline = now + moment
            }
            return now >= deadline
        }
    }

    /// Does this rank, with the peer's bye, not know whether the peer has its own? If the connection
    /// breaks now, the peer may wait for another to learn that its bye has come.
    static func awaitsAcknowledgement(_ link: LinkPointer) -> Bool {
        link.pointee.hasLeft && !link.pointee.isGone && link.pointee.isResumable
            && link.pointee.saidBye && !link.pointee.queue.isEmpty && !link.pointee.isWriteClosed
    }

    static func awaitsConnection(_ link: LinkPointer?) -> Bool {
        guard let link, !link.pointee.isAttached else { return false }
        return awaitsAcknowledgement(link)
    }

    /// Ends this rank's direction, if all is written. On a link that survives, the peer's bye is
    /// yet to be answered.
    func shutDownIfWritten(_ link: LinkPointer) {
        guard link.pointee.isAttached, !link.pointee.isWriteClosed, !link.pointee.isRelayed,
            !link.pointee.isResumable, !link.pointee.isShutDown, !link.pointee.hasQueue
        else { return }
        link.pointee.isShutDown = true
        shutdown(link.pointee.socket, Int32(SHUT_WR))
    }

    /// Queues the last frame. A link that was asked for and has carried nothing needs none.
    func sayBye(_ link: LinkPointer) {
        guard
            link.pointee.isAttached || link.pointee.hasQueue || link.pointee.queue.isHeld,
            !link.pointee.isGone
        else { return }
        enqueue(FrameHeader(type: .bye), on: link)
        link.pointee.saidBye = true
        if link.pointee.isAttached {
            flush(link)
        } else if Self.awaitsAcknowledgement(link) {
            // The connection broke after the peer's bye, and until now nobody here needed another.
            resumer?(Int(link.pointee.peer), link.pointee.incarnation)
        }
    }

    static func isEnded(_ link: LinkPointer?) -> Bool {
        guard let link else { return true }
        if awaitsAcknowledgement(link) { return false }
        return !link.pointee.isAttached || link.pointee.hasLeft
    }

    /// Makes progress until `condition` holds.
    private func settle(
        until deadline: ContinuousClock.Instant?, _ goal: String, _ condition: () -> Bool
    ) throws(MPIError) {
        while !condition() {
            try checkAlive()
            if let deadline, ContinuousClock.now > deadline {
                let slow = links.compactMap { $0 }.first { !Self.isDelivered($0) }
                suspect(
                    MPIError(
                        .timedOut, operation: "leave",
                        reason: "rank \(rank) could not \(goal) before the timeout",
                        peer: slow.map { Int($0.pointee.peer) }))
                throw awaitVerdict()
            }
            makeProgressOrSleep()
        }
    }

    private func makeProgressOrSleep() {
        if state.pointee.isPolling {
            state.pointee.waiterCount += 1
            waitOnCondition(milliseconds: 10)
            state.pointee.waiterCount -= 1
        } else if !progress(lookingAt: -1) {
            // Acknowledgements by the peer's kernel raise no event: look again soon.
            sleepInPoller(atMost: 5)
        }
    }

    static func isWritten(_ link: LinkPointer?) -> Bool {
        guard let link else { return true }
        return !link.pointee.hasQueue && !link.pointee.queue.isHeld || link.pointee.isWriteClosed
            || link.pointee.hasLeft
    }

    /// Has the peer's kernel acknowledged every byte, or has the peer read them all and left? Over
    /// a relay only the peer's bye tells.
    static func isDelivered(_ link: LinkPointer?) -> Bool {
        guard let link, !link.pointee.isWriteClosed, !link.pointee.hasLeft else { return true }
        guard link.pointee.isAttached else { return link.pointee.queue.isEmpty }
        if link.pointee.queue.isHeld { return false }
        if link.pointee.isRelayed { return false }
        var unacknowledged: Int32 = 0
        guard ioctl(link.pointee.socket, UInt(SIOCOUTQ), &unacknowledged) == 0 else { return true }
        return unacknowledged == 0
    }

    /// Is all written, and on its way through a relay?
    private static func awaitsOnlyBye(_ link: LinkPointer?) -> Bool {
        guard let link else { return false }
        return link.pointee.isRelayed && !link.pointee.hasQueue
    }

    /// Closes all sockets. Nothing works afterwards.
    func closeLinks() {
        EstablishedLink.close(arrivals.close())
        for case let link? in links where !isClosed && link.pointee.isAttached {
            link.pointee.tls = nil
            close(link.pointee.socket)
            link.pointee.isReadClosed = true
            link.pointee.isWriteClosed = true
        }
        isClosed = true
    }
}
