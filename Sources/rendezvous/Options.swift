// The command line: `--name value` pairs, each taken once, and whatever is left is an error.

import MessagePassing

struct Options {
    private var values: [String: String] = [:]

    init(_ arguments: ArraySlice<String>) throws(MPIError) {
        var rest = arguments
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else {
                throw Program.wrong("\(name) is no option with a value: see `rendezvous help`")
            }
            values[name] = value
        }
    }

    mutating func take(_ name: String) -> String? { values.removeValue(forKey: name) }

    func finish() throws(MPIError) {
        guard let unknown = values.keys.min() else { return }
        throw Program.wrong("there is no option \(unknown): see `rendezvous help`")
    }
}
