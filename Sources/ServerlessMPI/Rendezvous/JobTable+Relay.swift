// Relays as the job table sees them: only ranks of a running job may ask, within the job's limit,
// and what a job has ends with it.

import MessagePassing

extension JobTable {
    /// A rank asks to meet a peer here: both get a token.
    mutating func relay(
        _ connection: ConnectionID, _ seat: Seat, to peer: Int, _ now: ContinuousClock.Instant
    ) {
        // The peer may come back yet, and it is asked for again.
        if jobs[seat.job]?.mayStillCome(peer, now: now) == true { return }
        guard let job = jobs[seat.job], job.phase == .running, peer < job.size,
            peer != seat.rank, let other = job.members[peer]?.connection
        else {
            return refuse(connection, peer, "there is no such rank in the job at this time")
        }
        let low = min(seat.rank, peer)
        guard
            let offer = relays.offer(
                job: seat.job, low: low, high: max(seat.rank, peer), now: now)
        else {
            return refuse(
                connection, peer,
                "the rendezvous server relays at most \(limits.relayedPairsPerJob) pairs of a job"
                    + " and \(limits.relayedPairs) in all, and has as many")
        }
        if let replaced = offer.replaced { effects.append(.endRelays([], waiting: [replaced])) }
        let (own, theirs) =
            seat.rank == low ? (offer.low, offer.high) : (offer.high, offer.low)
        effects.append(
            .send(ServerMessage.relay(peer: peer, own).encoded, to: connection))
        effects.append(
            .send(ServerMessage.relay(peer: seat.rank, theirs).encoded, to: other))
    }

    /// A rank that is back may have missed offers, and its peers wait at the relay.
    mutating func offerAgain(_ job: String, _ rank: Int, _ connection: ConnectionID) {
        for (peer, token) in relays.openOffers(job: job, rank: rank) {
            effects.append(
                .send(ServerMessage.relay(peer: peer, token).encoded, to: connection))
        }
    }

    private mutating func refuse(_ connection: ConnectionID, _ peer: Int, _ reason: String) {
        let cause = MPIError(.unsupported, operation: "relay", reason: reason, peer: peer)
        effects.append(
            .send(ServerMessage.relayRefused(peer: peer, cause).encoded, to: connection))
    }

    mutating func endRelays(of job: String) {
        let ended = relays.end(job: job)
        guard !ended.pairs.isEmpty else { return }
        effects.append(.endRelays(ended.pairs, waiting: ended.waiting))
    }

    mutating func expireRelays(_ now: ContinuousClock.Instant) {
        let waiting = relays.expire(now)
        if !waiting.isEmpty { effects.append(.endRelays([], waiting: waiting)) }
    }
}
