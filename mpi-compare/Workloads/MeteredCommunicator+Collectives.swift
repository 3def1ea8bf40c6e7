// The collectives of the measuring communicator: forwarded whole, each with the payload it moves.
import MessagePassing

extension MeteredCommunicator {
    func run(_ collective: Collective) throws(MPIError) {
        meter.count(bytes: collective.payloadToOthers(rank: rank, size: size))
        try meter.time { () throws(MPIError) in try base.run(collective) }
    }

    func algorithm(of collective: Collective) -> CollectiveAlgorithm {
        base.algorithm(of: collective)
    }

    func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        meter.count(bytes: collective.payloadToOthers(rank: rank, size: size))
        return try meter.time { () throws(MPIError) in try base.start(collective) }
    }
}
