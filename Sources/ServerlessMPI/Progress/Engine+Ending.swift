// How a peer's direction of a link ends: with its bye, which is answered; with the connection, which
// a link that survives outlives; or with neither, and the peer is lost.

import Glibc
import MessagePassing

extension Engine {
    /// Only the peer itself can tell that it has this rank's bye: what its kernel has may be lost to
    /// it with a connection. It reads and waits for that. So does this rank, if it has said or will
    /// say its own.
    func acknowledgeBye(on link: LinkPointer) {
        state.pointee.hasNews = true
        enqueue(FrameHeader(type: .credit), on: link)
        if !link.pointee.isWriteBlocked { flush(link) }
        finishReadingIfOver(link)
    }

    /// On a link that survives nothing else comes once both byes have come. Before, the end of the
    /// connection must be seen: this rank may need another.
    func finishReadingIfOver(_ link: LinkPointer) {
        guard link.pointee.hasLeft, link.pointee.saidBye, link.pointee.queue.isEmpty else { return }
        finishReading(link)
    }

    /// The peer has said bye, and nothing else comes. The end of the stream is left unread: TLS
    /// without its own goodbye would answer it with an alert, and then could not write this rank's
    /// bye.
    func finishReading(_ link: LinkPointer) {
        link.pointee.isReadClosed = true
        updateWatch(link)
        state.pointee.hasNews = true
    }

    /// The peer's side has ended: in order, or by an error of the socket.
    func endOfStream(_ link: LinkPointer, isOrderly: Bool) {
        if link.pointee.isResumable { return endOfConnection(link, isOrderly: isOrderly) }
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

    /// The connection of a link that can have another has ended.
    /// - Parameter isOrderly: by the peer's own close, or so it looks to who reads; a write may have
    ///   met the error before.
    private func endOfConnection(_ link: LinkPointer, isOrderly: Bool) {
        let hasError = link.pointee.isWriteBroken && link.pointee.lastError != EPIPE
        // The peer has waited for this rank's bye as long as it would, and needs it no more.
        let isGone = link.pointee.hasLeft && !link.pointee.isRelayed && isOrderly && !hasError
        link.pointee.isGone = isGone
        let isNeeded =
            !isGone && (!link.pointee.hasLeft || Self.awaitsAcknowledgement(link))
        cut(link)
        state.pointee.hasNews = true
        if isNeeded { resumer?(Int(link.pointee.peer), link.pointee.incarnation) }
    }
}
