// The command line of the conformance executables.

import MessagePassing

struct Options: Sendable {
    /// Runs the checks whose topic or name contains this.
    var only: String?
    /// Where the random programs start; printed with every failure.
    var seed: UInt64 = 20_261_123
    /// Seconds after which a check counts as hanging.
    var limitSeconds = 120
    var scenario: Scenario?

    init(_ arguments: [String]) throws(MPIError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--only": only = try Options.value(of: argument, &rest)
            case "--seed":
                let text = try Options.value(of: argument, &rest)
                guard let seed = UInt64(text) else {
                    throw .invalidArgument("conformance", "--seed \(text) is no whole number")
                }
                self.seed = seed
            case "--limit":
                let text = try Options.value(of: argument, &rest)
                guard let limit = Int(text), limit > 0 else {
                    throw .invalidArgument(
                        "conformance", "--limit \(text) is no number of seconds above 0")
                }
                limitSeconds = limit
            default:
                guard let scenario = try Scenario(argument, &rest) else {
                    let known = Scenario.names.joined(separator: ", ")
                    throw .invalidArgument(
                        "conformance", "no option or scenario \(argument); scenarios: \(known)")
                }
                self.scenario = scenario
            }
        }
    }

    static func value(
        of option: String, _ rest: inout ArraySlice<String>
    ) throws(MPIError) -> String {
        guard let value = rest.popFirst() else {
            throw .invalidArgument("conformance", "\(option) needs a value")
        }
        return value
    }
}
