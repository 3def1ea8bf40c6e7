// What every climb of the ladder may be told: how often, how long, and on which processors.
import ArgumentParser
import Workloads

struct LadderOptions: ParsableArguments {
    @Option(help: "Turns of each rung and environment.")
    var repetitions = 9

    @Option(help: "Milliseconds of a turn.")
    var milliseconds = 20

    @Flag(help: "Do not keep rank r on processor r modulo their number.")
    var unpinned = false

    @Option(help: "Seconds that one number of ranks may take.")
    var timeout = 3600.0

    func check() throws {
        for (name, value) in [("repetitions", repetitions), ("milliseconds", milliseconds)]
        where value < 1 {
            throw UsageError("--\(name) \(value): give a whole number of at least 1")
        }
        if !(timeout > 0) { throw UsageError("--timeout \(timeout): give seconds above 0") }
    }
}
