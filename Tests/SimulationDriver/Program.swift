// Runs simulated jobs outside the test runner, in release: `simulate FIRST COUNT THREADS`, or
// `simulate SEED` for one with everything that happened in it.

import Glibc

@main
struct Program {
    static func main() async {
        let numbers = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
        if numbers.count == 1 {
            let outcome = Simulation(seed: numbers[0], keepsNotes: true).run()
            for line in outcome.notes { print(line) }
            print("seed \(numbers[0]): \(outcome.complaint ?? "all is well")")
            exit(outcome.complaint == nil ? 0 : 1)
        }
        guard numbers.count == 3 else {
            print("usage: simulate SEED | FIRST COUNT THREADS")
            exit(2)
        }
        let summary = await SimulationSummary.run(
            first: numbers[0], count: numbers[1], threads: numbers[2])
        for line in summary.complaints.prefix(50) { print(line) }
        print(summary.text)
        print(
            "\(numbers[1] - UInt64(summary.complaints.count)) passed, \(summary.complaints.count) failed"
        )
        exit(summary.complaints.isEmpty ? 0 : 1)
    }
}
