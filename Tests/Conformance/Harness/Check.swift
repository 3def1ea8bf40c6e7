// A check: a promise in words, and a program for all ranks that would break it.

import MessagePassing

struct Check: Sendable {
    let name: String
    /// Runs on every rank, in a communicator of its own. An expectation that fails is noted and
    /// the program goes on, so that the other ranks get their messages and nobody hangs.
    let program: @Sendable (_ world: any Communicator, _ expect: Expectations) throws -> Void

    init(
        _ name: String,
        _ program: @escaping @Sendable (any Communicator, Expectations) throws -> Void
    ) {
        self.name = name
        self.program = program
    }
}

/// What one rank expects during one check, and what it got instead.
final class Expectations {
    let values: Values
    let backend: BackendTraits
    private(set) var failures: [String] = []

    init(seed: UInt64, _ backend: BackendTraits) {
        values = Values(seed: seed)
        self.backend = backend
    }

    /// `expect(status.source == 1, "source \(status.source)")`
    func callAsFunction(_ condition: Bool, _ whatInstead: @autoclosure () -> String) {
        if !condition { failures.append(whatInstead()) }
    }

    func equal<Value: Equatable>(_ value: Value, _ expected: Value, _ what: String) {
        if value != expected {
            failures.append("\(what): \(short(value)) instead of \(short(expected))")
        }
    }

    /// Bitwise, so that it works for every element type, NaN included.
    func equalBytes<Element: BitwiseCopyable>(
        _ elements: [Element], _ expected: [Element], _ what: String
    ) {
        guard elements.count == expected.count else {
            failures.append("\(what): \(elements.count) elements instead of \(expected.count)")
            return
        }
        let difference = elements.withUnsafeBytes { elements in
            expected.withUnsafeBytes { expected in
                elements.elementsEqual(expected)
                    ? nil : elements.indices.first { elements[$0] != expected[$0] }
            }
        }
        if let difference {
            let index = difference / MemoryLayout<Element>.stride
            failures.append(
                "\(what): element \(index) is \(elements[index]) instead of \(expected[index])")
        }
    }

    /// The call must throw an error of this code.
    func failing(_ code: MPIError.Code, _ what: String, _ call: () throws -> Void) {
        do {
            try call()
            failures.append("\(what): no error where \(code) was expected")
        } catch let error as MPIError {
            if error.code != code {
                failures.append("\(what): \(error) where \(code) was expected")
            }
        } catch {
            failures.append("\(what): \(error) where \(code) was expected")
        }
    }

    func fail(_ what: String) { failures.append(what) }

    private func short<Value>(_ value: Value) -> String {
        let text = "\(value)"
        return text.count <= 200 ? text : text.prefix(200) + "…"
    }
}
