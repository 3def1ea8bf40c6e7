// Who climbs: an environment's job of workers, or a peer's of a program in C.
import ArgumentParser
import Ladder
import Launchers
import Report
import Workloads

extension LadderClimb {
    /// Climbs with one number of ranks after the other; the figures of all that can run here.
    ///
    /// - Parameter rungs: by number of ranks.
    static func climbAll(
        _ worlds: [Environment], _ programs: [(LadderPeer, String)],
        rungs: [(ranks: Int, turns: [LadderTurn])], _ options: LadderOptions,
        in folder: TemporaryFolder, _ skipped: inout [String]
    ) throws -> [LadderRecord] {
        let progress = Progress(steps: rungs.reduce(0) { $0 + $1.turns.count })
        var records: [LadderRecord] = []
        for (count, turns) in rungs {
            let contestants = try enter(
                worlds, programs, ranks: count, isPinned: !options.unpinned, in: folder, &skipped)
            guard !contestants.isEmpty else { continue }
            let climb = LadderClimb(
                ranks: count, contestants: contestants, rungs: turns,
                repetitions: options.repetitions, timeout: .seconds(options.timeout))
            let (figures, end) = try climb.run(progress)
            records += figures
            if case .interrupted(let signal) = end { throw ExitCode(128 + signal) }
        }
        progress.finish()
        return records
    }

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
    private static func enter(
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
