// Every fuzz target under seeded mutations of its seeds: the same ones in every run, so that a
// failure stays one. `make fuzz` looks further, guided by what the parsers' branches do.

import Testing

@Suite("Fuzzing", .serialized)
struct FuzzTests {
    @Test("no mutation makes a parser trap or lie", arguments: FuzzTarget.all.map(\.name))
    func mutations(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let seeds = target.seeds()
        #expect(!seeds.isEmpty)
        for seed in seeds { target.run(seed) }
        var mutator = Mutator(seed: name.utf8.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) })
        for _ in 0..<target.mutations { target.run(mutator.mutate(seeds)) }
    }

    @Test("targets have names of their own")
    func names() {
        #expect(Set(FuzzTarget.all.map(\.name)).count == FuzzTarget.all.count)
    }

    @Test("what fuzzing has found stays mended", arguments: Finding.all)
    func findings(_ finding: Finding) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == finding.target })
        target.run(finding.bytes)
    }
}

/// An input that once trapped.
struct Finding: Sendable, CustomTestStringConvertible {
    let target: String
    let what: String
    let bytes: [UInt8]
    var testDescription: String { "\(target): \(what)" }

    static let all: [Finding] = [
        Finding(target: "json", what: "nothing", bytes: [])
    ]
}

/// Changes to inputs as libFuzzer makes them, from a seed.
struct Mutator {
    private var state: UInt64
    private static let values: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, 10, 34, 48]

    init(seed: UInt64) { state = seed | 1 }

    /// xorshift64*
    private mutating func next(below limit: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % max(1, limit)
    }

    mutating func mutate(_ seeds: [[UInt8]]) -> [UInt8] {
        var bytes = seeds[next(below: seeds.count)]
        for _ in 0...next(below: 6) {
            let position = next(below: bytes.count)
            switch next(below: 8) {
            case 0: bytes.insert(UInt8(next(below: 256)), at: bytes.isEmpty ? 0 : position)
            case 1 where !bytes.isEmpty: bytes.remove(at: position)
            case 2 where !bytes.isEmpty: bytes[position] ^= 1 << UInt8(next(below: 8))
            case 3 where !bytes.isEmpty: bytes[position] = Self.values[next(below: 8)]
            case 4: bytes = Array(bytes.prefix(position))
            case 5:
                let piece = bytes[position..<min(bytes.count, position + next(below: 16))]
                bytes.insert(contentsOf: piece, at: next(below: bytes.count + 1))
            case 6: bytes += seeds[next(below: seeds.count)].suffix(next(below: 40))
            default:
                for index in position..<min(bytes.count, position + 1 + next(below: 8)) {
                    bytes[index] = UInt8(next(below: 256))
                }
            }
        }
        return bytes
    }
}
