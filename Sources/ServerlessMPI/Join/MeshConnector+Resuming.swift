// Links that have broken and are made again, as the control thread's sockets see it.

import Glibc

extension MeshConnector {
    /// Within one host and network namespace a connection does not break before a rank dies.
    func isResumable(_ plan: PeerPlan) -> Bool {
        switch resume {
        case .auto: !plan.isSameHost
        case .always: true
        case .never: false
        }
    }

    /// Might a link break and be made again?
    var hasResumableLinks: Bool { plans.contains { $0.map(isResumable) ?? false } }

    /// Connection `incarnation` of this peer's link has broken: it is dialled again. False if that
    /// is known already.
    func unlink(_ peer: Int, incarnation: Int, now: ContinuousClock.Instant) -> Bool {
        guard nextIncarnation.indices.contains(peer), nextIncarnation[peer] == incarnation + 1,
            isLinked(peer)
        else { return false }
        startTimes[peer] = now
        machine?.unlink(peer, now: now)
        perform()
        return true
    }

    /// The same for whichever connection was the latest.
    func unlinkLatest(_ peer: Int, now: ContinuousClock.Instant) -> Bool {
        unlink(peer, incarnation: nextIncarnation[peer] - 1, now: now)
    }

    /// Nobody dials this peer any more.
    func giveUpWholly(_ peer: Int) {
        machine?.abandonNeed(peer)
        perform()
    }

    /// Links that broke before they were handed over.
    func takeBrokenBeforeUse() -> [Int] {
        guard !hasHandedOver else { return [] }
        return links.indices.filter { peer in
            guard let link = links[peer], link.isResumable, Socket.isDead(link.fileDescriptor)
            else { return false }
            EstablishedLink.close([link])
            links[peer] = nil
            return true
        }
    }

    /// Has the peer's own host said that nobody listens there any more? Only where the link led
    /// straight to it: a NAT's refusal says nothing of the rank behind it.
    func isPeerGone(_ peer: Int) -> Bool {
        guard let ip = lastRemote[peer]?.ip, let machine else { return false }
        return machine.isRefused(
            peer, at: ip, with: String(cString: strerror(ECONNREFUSED)))
    }
}
