import Glibc
import Testing

/// Simulated jobs, one per seed; `make simulate` runs many more, `SEED=… make simulate` shows one.
@Suite("Simulation")
struct SimulationTests {
    @Test("nothing is lost or doubled, and all ranks succeed or report one cause")
    func seeds() async {
        let isFull = getenv("TEST_FULL") != nil
        let summary = await SimulationSummary.run(
            first: 1, count: isFull ? 10_000 : 500, threads: 2)
        for complaint in summary.complaints { Issue.record("\(complaint)") }
        #expect(summary.hasSeenTrouble)
    }

    @Test("a seed gives the same run again", arguments: [UInt64(3), 7])
    func replay(seed: UInt64) {
        let notes = Simulation(seed: seed, keepsNotes: true).run().notes
        #expect(!notes.isEmpty && notes == Simulation(seed: seed, keepsNotes: true).run().notes)
    }
}
