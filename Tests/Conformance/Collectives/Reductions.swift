// MPI's own reductions on every scalar type (MPI 4.1 §6.9), compared with the serial fold.

import MessagePassing

let reductionChecks: [Check] = [
    Check("every operation on every integer type equals the serial result") { world, expect in
        try integers(Int8.self, world, expect)
        try integers(Int16.self, world, expect)
        try integers(Int32.self, world, expect)
        try integers(Int64.self, world, expect)
        try integers(Int.self, world, expect)
        try integers(UInt8.self, world, expect)
        try integers(UInt16.self, world, expect)
        try integers(UInt32.self, world, expect)
        try integers(UInt64.self, world, expect)
        try integers(UInt.self, world, expect)
    },
    Check("every operation on floating-point types equals the serial result") { world, expect in
        try floats(Float.self, world, expect)
        try floats(Double.self, world, expect)
    },
    Check("logical operations on Bool equal the serial result") { world, expect in
        // Bit i of the rank is rank r's operand i: every combination occurs.
        let operands = { (rank: Int) in (0..<5).map { rank >> $0 & 1 == 1 } + [true, false] }
        for (name, reduction, fold) in [
            ("and", Reduction<Bool>.logicalAnd, { $0 && $1 }),
            ("or", Reduction<Bool>.logicalOr, { $0 || $1 }),
            ("xor", Reduction<Bool>.logicalXor, { $0 != $1 }),
        ] as [(String, Reduction<Bool>, (Bool, Bool) -> Bool)] {
            let all = (0..<world.size).map(operands)
            let expected = all[0].indices.map { index in
                all.dropFirst().reduce(all[0][index]) { fold($0, $1[index]) }
            }
            let mine = operands(world.rank)
            expect.equal(try world.allreduce(mine.span, reduction), expected, name)
        }
    },
    Check("reduce brings the result to every root, and to it alone") { world, expect in
        for root in 0..<world.size {
            for length in [0, 1, 5, 1000, 30_000] {
                let mine = expect.values.elements(Int.self, length, stream: world.rank)
                let result: [Int] = try guarded(length, expect, "\(length) at \(root)") {
                    result in
                    try mine.withUnsafeBytes {
                        try world.reduce($0, into: result, Reduction<Int>.sum.raw, root: root)
                    }
                }
                if world.rank == root {
                    expect.equalBytes(result, wrappingSum(world.size, length, expect), "sum")
                } else {
                    let untouched = Array(repeating: poison(Int.self), count: length)
                    expect.equalBytes(result, untouched, "buffer elsewhere")
                }
            }
            let sum = try world.reduce(world.rank + 1, .sum, root: root)
            expect.equal(
                sum, world.rank == root ? world.size * (world.size + 1) / 2 : nil, "one value")
        }
    },
    Check("allreduce gives everyone the result, at every length") { world, expect in
        for length in [0, 1, 2, 5, 1000, 4097, 100_000] {
            let mine = expect.values.elements(Int.self, length, stream: world.rank)
            let result: [Int] = try guarded(length, expect, "\(length) elements") { result in
                try mine.withUnsafeBytes {
                    try world.allreduce($0, into: result, Reduction<Int>.sum.raw)
                }
            }
            expect.equalBytes(result, wrappingSum(world.size, length, expect), "\(length) elements")
        }
    },
    Check("allreduce in place replaces the operands") { world, expect in
        for length in [1, 1000, 100_000] {
            var elements = expect.values.elements(Int.self, length, stream: world.rank)
            try world.allreduce(inPlace: elements.mutableSpan, .sum)
            expect.equalBytes(
                elements, wrappingSum(world.size, length, expect), "\(length) elements")
        }
    },
    Check("reduce in place replaces the root's operands") { world, expect in
        for root in 0..<world.size {
            let mine = expect.values.elements(Int.self, 100, stream: world.rank)
            let result = try guarded(mine, expect, "root \(root)") {
                try world.reduce(
                    UnsafeRawBufferPointer($0), into: $0, Reduction<Int>.sum.raw, root: root)
            }
            if world.rank == root {
                expect.equalBytes(result, wrappingSum(world.size, 100, expect), "sum")
            }
        }
    },
    Check("every rank gets the same bits from a floating-point sum") { world, expect in
        // The order of additions is the library's, but one order for all ranks.
        let mine = (0..<1000).map { Double($0) / Double(world.rank + 3) }
        let sums = try world.allreduce(mine.span, .sum)
        let all = try world.allgather(sums.span)
        for rank in 0..<world.size {
            expect.equalBytes(Array(all[1000 * rank..<1000 * (rank + 1)]), sums, "rank \(rank)")
        }
    },
]

/// The sums of all ranks' streams.
func wrappingSum(_ size: Int, _ length: Int, _ expect: Expectations) -> [Int] {
    var sums = Array(repeating: 0, count: length)
    for rank in 0..<size {
        let elements = expect.values.elements(Int.self, length, stream: rank)
        for index in 0..<length { sums[index] &+= elements[index] }
    }
    return sums
}

/// Compares `reduction` of all ranks' operands with their fold from rank 0 upwards.
private func compare<Element: BitwiseCopyable & Equatable & Sendable>(
    _ name: String, _ reduction: Reduction<Element>, _ world: any Communicator,
    _ expect: Expectations, operands: (_ rank: Int) -> [Element],
    fold: (Element, Element) -> Element
) throws {
    let all = (0..<world.size).map(operands)
    let expected = all[0].indices.map { index in
        all.dropFirst().reduce(all[0][index]) { fold($0, $1[index]) }
    }
    let mine = all[world.rank]
    let everywhere = try world.allreduce(mine.span, reduction)
    expect.equal(everywhere, expected, "allreduce \(name) of \(Element.self)")
    let root = world.size / 2
    var result = mine
    try world.reduce(mine.span, into: result.mutableSpan, reduction, root: root)
    if world.rank == root { expect.equal(result, expected, "reduce \(name) of \(Element.self)") }
}

private func integers<Element: FixedWidthInteger & BitwiseCopyable & Sendable>(
    _ type: Element.Type, _ world: any Communicator, _ expect: Expectations
) throws {
    let values = expect.values
    let arbitrary = { (rank: Int) in values.elements(type, 20, stream: rank) }
    // Zeros among them, or logical operations would be trivial.
    let sparse = { (rank: Int) in
        (0..<20).map { values.number(below: 2, rank, $0) == 0 ? 0 : arbitrary(rank)[$0] }
    }
    let truth = { (value: Bool) in value ? 1 as Element : 0 }
    try compare("sum", .sum, world, expect, operands: arbitrary) { $0 &+ $1 }
    try compare("product", .product, world, expect, operands: arbitrary) { $0 &* $1 }
    try compare("min", .min, world, expect, operands: arbitrary) { Swift.min($0, $1) }
    try compare("max", .max, world, expect, operands: arbitrary) { Swift.max($0, $1) }
    try compare("bitwiseAnd", .bitwiseAnd, world, expect, operands: arbitrary) { $0 & $1 }
    try compare("bitwiseOr", .bitwiseOr, world, expect, operands: arbitrary) { $0 | $1 }
    try compare("bitwiseXor", .bitwiseXor, world, expect, operands: arbitrary) { $0 ^ $1 }
    if world.size == 1 { return }  // MPI returns a lone operand as it is, be it neither 0 nor 1.
    try compare("logicalAnd", .logicalAnd, world, expect, operands: sparse) {
        truth($0 != 0 && $1 != 0)
    }
    try compare("logicalOr", .logicalOr, world, expect, operands: sparse) {
        truth($0 != 0 || $1 != 0)
    }
    try compare("logicalXor", .logicalXor, world, expect, operands: sparse) {
        truth(($0 != 0) != ($1 != 0))
    }
}

private func floats<Element: BinaryFloatingPoint & BitwiseCopyable & Sendable>(
    _ type: Element.Type, _ world: any Communicator, _ expect: Expectations
) throws {
    // Small whole numbers: exact, whatever the order.
    let whole = { (rank: Int) in
        (0..<20).map { Element(expect.values.number(below: 7, rank, $0) - 3) }
    }
    try compare("sum", .sum, world, expect, operands: whole) { $0 + $1 }
    try compare("product", .product, world, expect, operands: whole) { $0 * $1 }
    try compare("min", .min, world, expect, operands: whole) { Swift.min($0, $1) }
    try compare("max", .max, world, expect, operands: whole) { Swift.max($0, $1) }
}
