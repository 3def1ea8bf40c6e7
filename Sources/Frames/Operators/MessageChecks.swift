// What other ranks say about their messages is checked before anything is allocated or read by it: a
// length that lies must end the job with a cause, not this process.

import Glibc
import MessagePassing

/// What a rank sent cannot be.
struct MessageFault: Error {
    let source: Int
    let reason: String
}

extension ExchangeLimits {
    /// Rows, or blocks of a message, that a rank may claim to have: far more than it can have, and
    /// so few that sums over all ranks fit an Int.
    static let claimLimit = 1 << 44

    /// Bytes of memory this machine has: no more can be received at once.
    static let receivedByteLimit =
        max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
}

extension ExchangeHeader {
    /// Why a header cannot be what an honest rank sent; nil if it can.
    var fault: String? {
        let counts = [("rows", rowCount), ("blocks", blockCount), ("rounds", roundsLeft)]
        for (name, count) in counts where !(0...ExchangeLimits.claimLimit).contains(count) {
            return "a header of \(count) \(name)"
        }
        return nil
    }
}

extension StepRun {
    /// The bytes that `counts` elements from each rank take, if this machine can hold them.
    func received(_ counts: [Int], elementSize: Int) throws(FrameError) -> Partition {
        let limit = ExchangeLimits.receivedByteLimit / elementSize
        var total = 0
        for (source, count) in counts.enumerated() {
            guard count <= limit - total else {
                throw refusal(
                    MessageFault(
                        source: source,
                        reason: "\(count) times \(elementSize) bytes, more than this machine's "
                            + "memory holds beside the others'"))
            }
            total += count
        }
        return Partition(counts: counts)
    }

    /// The error of a message that cannot be. Ends the communicator: the sender, and ranks that
    /// were told something else, are in another exchange by now, or wait for this rank.
    func refusal(_ fault: MessageFault) -> FrameError {
        let reason = "rank \(fault.source) sent \(fault.reason)"
        do throws(MPIError) {
            try communicator.abort(
                MPIError(.aborted, operation: node.name, reason: reason, peer: fault.source))
        } catch {
            return FrameError(
                .malformedMessage, operation: node.name, reason: reason,
                location: node.origin.description, cause: error)
        }
    }
}
