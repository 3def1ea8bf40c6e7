// How a collective runs where the transport has nothing better: check the arguments, number the
// call, carry out the algorithm's steps. A wrong argument disturbs no other rank, as nothing has been
// sent then.

extension Communicator {
    public func run(_ collective: Collective) throws(MPIError) {
        try runByDefault(collective)
    }

    public var algorithmChoice: AlgorithmChoice { .modelled(channelCosts) }

    public func algorithm(of collective: Collective) -> CollectiveAlgorithm {
        collective.defaultAlgorithm(size: size, algorithmChoice)
    }

    /// For transports that do better with some collectives only.
    package func runByDefault(_ collective: Collective) throws(MPIError) {
        try checkArguments(of: collective)
        let call = try beginCollective(collective.operation, root: collective.root)
        try run(collective, as: call)
    }

    /// Runs a collective as (a part of) a call that has been numbered.
    package func run(_ collective: Collective, as call: CollectiveCall) throws(MPIError) {
        try BlockingSteps.run(on: self, call) { (steps) throws(MPIError) in
            try collective.perform(by: &steps)
        }
    }

    /// Checks a collective's arguments, numbers the call and records its steps, without saying any.
    package func schedule(_ collective: Collective) throws(MPIError) -> CollectiveSchedule {
        try checkArguments(of: collective)
        let call = try beginCollective(collective.operation, root: collective.root)
        return try CollectiveSchedule(collective, on: self, call)
    }
}
