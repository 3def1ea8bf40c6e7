// Options of the environments lambda-local and lambda, shared by `run` and `launch`.
import ArgumentParser
import Launchers
import Workloads

struct LambdaArguments: ParsableArguments {
    @Option(help: "Functions: the zip to run on lambda-local, instead of one made now.")
    var package: String?

    @Option(help: "Functions: memory in MB on lambda-local; 1769 MB are one processor.")
    var memory = LambdaOptions().memoryMegabytes

    @Option(help: "Functions: time limit in seconds on lambda-local.")
    var functionTimeout = LambdaOptions().timeoutSeconds

    @Option(help: "Functions: ranks that share one; as many as it has processors if not given.")
    var ranksPerFunction: Int?

    @Option(
        help: ArgumentHelp(
            "Functions: milliseconds a cold start takes before the process starts, on lambda-local.",
            discussion: "A number, or a range such as 100-400, from which the seed draws."))
    var coldStart = "0"

    @Option(help: "Functions: Mbit/s of each sandbox on lambda-local; 600 if not given.")
    var functionBandwidth: Int?

    @Option(help: "Functions: how often a failed job is started again, in the next epoch.")
    var restarts = 0

    @Option(help: "Functions: the one to invoke on lambda, a name or an ARN.")
    var function: String?

    @Option(help: "Functions: HOST:PORT of a rendezvous server they can reach, on lambda.")
    var rendezvous: String?

    @Option(help: "Functions: the observer port of that server.")
    var rendezvousObserver: UInt16?

    @Option(help: "Functions: the file of that server's secret.")
    var secretFile: String?

    @Option(help: "Functions: s3://BUCKET/FOLDER for answers beyond 6 MB, on lambda.")
    var results: String?

    func options() throws -> LambdaOptions {
        var options = LambdaOptions()
        for (name, value, range) in [
            ("memory", memory, 128...10_240), ("function-timeout", functionTimeout, 1...900),
            ("ranks-per-function", ranksPerFunction ?? 1, 1...64), ("restarts", restarts, 0...100),
            ("function-bandwidth", functionBandwidth ?? 1, 1...100_000),
        ] where !range.contains(value) {
            throw UsageError(
                "--\(name) \(value): give a whole number from \(range.lowerBound) to"
                    + " \(range.upperBound)")
        }
        options.package = package
        options.memoryMegabytes = memory
        options.timeoutSeconds = functionTimeout
        options.ranksPerFunction = ranksPerFunction
        options.megabitsPerSecond = functionBandwidth
        options.coldStartMilliseconds = try LambdaArguments.range(coldStart)
        options.restarts = restarts
        options.function = function
        options.rendezvous = rendezvous
        options.observerPort = rendezvousObserver
        options.secretFile = secretFile
        options.results = results
        return options
    }

    static func range(_ text: String) throws -> ClosedRange<Int> {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(ends.count), let low = ends[0], let high = ends[ends.count - 1],
            low >= 0, low <= high, high <= 60_000
        else {
            throw UsageError("--cold-start \(text): give milliseconds, as 200 or 100-400")
        }
        return low...high
    }
}
