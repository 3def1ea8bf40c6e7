// The worker's command line: `--key value` pairs that `mpi-compare run` writes. Parsed by hand, as
// a rank links neither Foundation nor an argument parser.

/// What a worker was told to do.
struct WorkerOptions: Sendable, Equatable {
    var workload = "join"
    /// Timed repetitions.
    var iterations = 1
    /// Repetitions before them, checked but not timed.
    var warmUps = 1
    var options = WorkloadOptions()
    /// Where the gates of `mpi-compare bench` stand; nil to run the workload.
    var ladderFolder: String?
    var isPinned = false

    /// - Throws: `UsageError` naming the argument and what it may be.
    init(_ arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        while let key = rest.popFirst() {
            guard let value = rest.popFirst() else {
                throw UsageError("\(key) needs a value")
            }
            try set(key, to: value)
        }
    }

    private mutating func set(_ key: String, to value: String) throws(UsageError) {
        switch key {
        case "--workload": workload = value
        case "--iterations": iterations = try number(key, value, atLeast: 1)
        case "--warm-ups": warmUps = try number(key, value, atLeast: 0)
        case "--rows": options.rows = try number(key, value, atLeast: 1)
        case "--seed":
            guard let seed = UInt64(value) else {
                throw UsageError("--seed \(value): give a number from 0 to 2^64 - 1")
            }
            options.seed = seed
        case "--mode":
            guard let mode = WorkloadOptions.Mode(rawValue: value) else {
                throw UsageError("--mode \(value): use strong or weak")
            }
            options.mode = mode
        case "--data": options.dataFolder = value
        case "--ladder": ladderFolder = value
        case "--pinned":
            guard ["yes", "no"].contains(value) else {
                throw UsageError("--pinned \(value): use yes or no")
            }
            isPinned = value == "yes"
        default:
            throw UsageError(
                "unknown option \(key); a worker knows --workload, --mode, --rows, --iterations, "
                    + "--warm-ups, --seed, --data, --ladder and --pinned")
        }
    }

    private func number(
        _ key: String, _ value: String, atLeast minimum: Int
    ) throws(UsageError) -> Int {
        guard let number = Int(value), number >= minimum else {
            throw UsageError("\(key) \(value): give a whole number of at least \(minimum)")
        }
        return number
    }
}
