// Every parser of bytes that come from elsewhere, under a name: fed by FuzzTests with a few thousand
// mutations in `make test`, and by libFuzzer in `make fuzz`.

/// A parser, inputs to begin with, and what must hold for any input. What does not hold traps: to
/// libFuzzer a trap is a finding.
struct FuzzTarget: Sendable {
    let name: String
    /// Inputs that a mutation of is worth a try.
    let seeds: @Sendable () -> [[UInt8]]
    /// Mutations in `make test`, fewer for targets that use sockets or files.
    var mutations = 4000
    let run: @Sendable ([UInt8]) -> Void

    static let all: [FuzzTarget] = wire + control + engines + texts + clouds + tables + frames
}

/// What a parser has read must be written as it was, or at least read back the same.
func require(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError("fuzz: \(what())") }
}

/// Numbers and pieces taken from an input, as long as there is some of it.
struct FuzzInput {
    private var rest: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isEmpty: Bool { rest.isEmpty }
    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }
    mutating func number() -> Int { Int(byte()) << 8 | Int(byte()) }

    mutating func piece(_ byteCount: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(byteCount) }
        return Array(rest.prefix(byteCount))
    }

    mutating func remainder() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }
}
