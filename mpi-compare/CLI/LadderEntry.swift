// Who climbs: an environment's job of workers, or a peer's of a program in C.
import Launchers
import Workloads

extension LadderClimb {
    /// An environment whose ranks can wait for their turn.
    static func world(_ name: String) throws -> Environment {
        let environment = try Environment(named: name)
        guard environment.backend != .lambda else {
            throw UsageError(
                "--environments \(name): functions cannot wait for their turn; serverless-nat is "
                    + "the same communicator behind NATs")
        }
        return environment
    }

    /// The contestants that can run here; a line for each that cannot.
    static func enter(
        _ worlds: [Environment], _ programs: [(LadderPeer, String)], ranks: Int, isPinned: Bool,
        in folder: TemporaryFolder, _ skipped: inout [String]
    ) throws -> [Contestant] {
        var contestants: [Contestant] = []
        let here = folderOfThisProgram()
        for environment in worlds {
            let worker = here + "/worker-\(environment.backend.rawValue)"
            if let reason = reasonToSkip(environment, worker: worker, LambdaOptions()) {
                skipped.append("skipped \(environment.rawValue): \(reason)")
                continue
            }
            try checkRanks(ranks, environment)
            let gates = try folder.make("\(environment.rawValue)-\(ranks)")
            contestants.append(
                Contestant(
                    name: environment.rawValue, gates: gates,
                    plan: ProcessPlan(
                        executable: here + "/mpi-compare",
                        arguments: [
                            "launch", "-n", String(ranks), "--environment", environment.rawValue,
                            "--", worker, "--ladder", gates, "--pinned", isPinned ? "yes" : "no",
                        ])))
        }
        for (peer, program) in programs {
            let gates = try folder.make("\(peer.rawValue)-\(ranks)")
            contestants.append(
                Contestant(
                    name: peer.rawValue, gates: gates,
                    plan: try peer.plan(program, gates: gates, isPinned: isPinned, ranks: ranks)))
        }
        return contestants
    }
}
