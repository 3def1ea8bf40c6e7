// Many simulated jobs, one per seed, on several threads that share nothing.

/// What became of a range of seeds.
struct SimulationSummary: Sendable {
    /// One line per seed whose run is not as it must be.
    var complaints: [String] = []
    private(set) var seeds = 0
    private(set) var failed = 0
    private(set) var breaks = 0
    private(set) var happenings = 0

    static func run(first: UInt64, count: UInt64, threads: UInt64) async -> SimulationSummary {
        await withTaskGroup(of: SimulationSummary.self) { group in
            for thread in 0..<max(1, threads) {
                group.addTask {
                    var summary = SimulationSummary()
                    for seed in stride(
                        from: first + thread, to: first + count, by: Int(max(1, threads)))
                    {
                        summary.add(Simulation(seed: seed).run())
                    }
                    return summary
                }
            }
            var all = SimulationSummary()
            for await part in group { all.add(part) }
            return all
        }
    }

    private mutating func add(_ outcome: Simulation.Outcome) {
        seeds += 1
        failed += outcome.hasFailed ? 1 : 0
        breaks += outcome.breaks
        happenings += outcome.happenings
        if let complaint = outcome.complaint {
            complaints.append("SEED=\(outcome.seed) make simulate: \(complaint)")
        }
    }

    private mutating func add(_ part: SimulationSummary) {
        complaints += part.complaints
        seeds += part.seeds
        failed += part.failed
        breaks += part.breaks
        happenings += part.happenings
    }

    var hasSeenTrouble: Bool { failed > 0 && breaks > 0 }

    var text: String {
        "\(seeds) seeds: \(failed) jobs failed as they had to, \(breaks) connections broken, "
            + "\(happenings) happenings"
    }
}
