// Reductions that the program defines (MPI 4.1 §6.9.5): of structs, commutative or not.

import MessagePassing

/// The affine map x ↦ scale · x + shift over wrapping integers: composition is associative, not
/// commutative.
struct Affine: BitwiseCopyable, Equatable, Sendable {
    var scale: UInt64
    var shift: UInt64

    /// First `lower`, then `higher`.
    static let composition = Reduction<Affine>(isCommutative: false) { lower, higher in
        Affine(
            scale: lower.scale &* higher.scale,
            shift: lower.shift &* higher.scale &+ higher.shift)
    }

    static func operands(_ rank: Int, _ count: Int, _ expect: Expectations) -> [Affine] {
        (0..<count).map {
            Affine(
                scale: expect.values.word(rank, 2 * $0),
                shift: expect.values.word(rank, 2 * $0 + 1))
        }
    }

    /// What the serial fold over `ranks` gives.
    static func fold(_ ranks: Range<Int>, _ count: Int, _ expect: Expectations) -> [Affine] {
        var result = operands(ranks.lowerBound, count, expect)
        for rank in ranks.dropFirst() {
            let next = operands(rank, count, expect)
            for index in 0..<count {
                result[index] = Affine(
                    scale: result[index].scale &* next[index].scale,
                    shift: result[index].shift &* next[index].scale &+ next[index].shift)
            }
        }
        return result
    }
}

/// Up to 16 characters: concatenation tells the order in which operands were combined.
struct Word: BitwiseCopyable, Equatable, Sendable, CustomStringConvertible {
    var letters: (UInt64, UInt64) = (0, 0)
    var count: UInt64 = 0

    init(_ rank: Int) {
        letters.0 = UInt64(97 + rank)
        count = 1
    }

    init(ranks: Range<Int>) {
        self = ranks.dropFirst().reduce(Word(ranks.lowerBound)) { $0 + Word($1) }
    }

    static func + (lower: Word, higher: Word) -> Word {
        var result = lower
        for position in 0..<higher.count { result.append(higher[position]) }
        return result
    }

    static func == (a: Word, b: Word) -> Bool {
        a.letters == b.letters && a.count == b.count
    }

    private subscript(position: UInt64) -> UInt64 {
        let half = position < 8 ? letters.0 : letters.1
        return half >> (8 * (position % 8)) & 0xFF
    }

    private mutating func append(_ letter: UInt64) {
        let shifted = letter << (8 * (count % 8))
        if count < 8 { letters.0 |= shifted } else { letters.1 |= shifted }
        count += 1
    }

    static let concatenation = Reduction<Word>(isCommutative: false) { $0 + $1 }

    var description: String {
        String(decoding: (0..<count).map { UInt8(self[$0]) }, as: UTF8.self)
    }
}

/// Commutative, on a struct: the largest key wins, and its value stays with it.
struct Largest: BitwiseCopyable, Equatable, Sendable {
    var key: Int
    var owner: Int

    static let reduction = Reduction<Largest> { a, b in
        (a.key, a.owner) < (b.key, b.owner) ? b : a
    }
}

let userReductionChecks: [Check] = [
    Check("operands combine in rank order if the operation does not commute") { world, expect in
        let whole = Word(ranks: 0..<world.size)
        expect.equal(
            try world.allreduce(Word(world.rank), Word.concatenation), whole, "allreduce")
        for root in 0..<world.size {
            let result = try world.reduce(Word(world.rank), Word.concatenation, root: root)
            expect.equal(result, world.rank == root ? whole : nil, "reduce to \(root)")
        }
    },
    Check("affine maps compose as in the serial fold, at every length") { world, expect in
        for count in [0, 1, 3, 1000, 30_000] {
            let mine = Affine.operands(world.rank, count, expect)
            let expected = Affine.fold(0..<world.size, count, expect)
            expect.equalBytes(
                try world.allreduce(mine.span, Affine.composition), expected, "allreduce")
            let root = world.size / 2
            let result: [Affine] = try guarded(count, expect, "reduce") { result in
                try mine.withUnsafeBytes {
                    try world.reduce($0, into: result, Affine.composition.raw, root: root)
                }
            }
            if world.rank == root { expect.equalBytes(result, expected, "reduce") }
        }
    },
    Check("a commutative operation on structs") { world, expect in
        for count in [1, 1000, 30_000] {
            let operands = { (rank: Int) in
                (0..<count).map {
                    Largest(key: expect.values.number(below: 10, rank, $0), owner: rank)
                }
            }
            let expected = (0..<count).map { index in
                (0..<world.size).map {
                    Largest(key: expect.values.number(below: 10, $0, index), owner: $0)
                }.max { ($0.key, $0.owner) < ($1.key, $1.owner) } ?? Largest(key: 0, owner: 0)
            }
            let mine = operands(world.rank)
            expect.equalBytes(
                try world.allreduce(mine.span, Largest.reduction), expected, "\(count)")
        }
    },
    Check("a closure on a scalar type is called, not replaced by a predefined operation") {
        world, expect in
        let greatestDivisor = Reduction<Int> { a, b in
            var (a, b) = (a, b)
            while b != 0 { (a, b) = (b, a % b) }
            return a
        }
        let divisor = try world.allreduce(6 * (world.rank + 2) * (world.rank + 3), greatestDivisor)
        let expected = (0..<world.size).map { 6 * ($0 + 2) * ($0 + 3) }
            .reduce(0) { greatest($0, $1) }
        expect.equal(divisor, expected, "greatest common divisor")
    },
    Check("an in-place reduction with a user's operation") { world, expect in
        var elements = Affine.operands(world.rank, 500, expect)
        try world.allreduce(inPlace: elements.mutableSpan, Affine.composition)
        expect.equalBytes(elements, Affine.fold(0..<world.size, 500, expect), "allreduce")
    },
    Check("user-defined and predefined reductions alternate without mixing") { world, expect in
        for round in 0..<50 {
            let word = try world.allreduce(Word(world.rank), Word.concatenation)
            let sum = try world.allreduce(world.rank + round, .sum)
            expect.equal(word, Word(ranks: 0..<world.size), "round \(round)")
            expect.equal(
                sum, world.size * (world.size - 1) / 2 + world.size * round, "round \(round)")
        }
    },
]

private func greatest(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
}
