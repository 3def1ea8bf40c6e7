// scan and exscan (MPI 4.1 §6.11).

import MessagePassing

let prefixChecks: [Check] = [
    Check("scan gives rank r the combination of ranks 0 ... r") { world, expect in
        expect.equal(
            try world.scan(world.rank + 1, .sum), (world.rank + 1) * (world.rank + 2) / 2, "sum")
        for length in [0, 1, 1000, 30_000] {
            let mine = expect.values.elements(Int.self, length, stream: world.rank)
            let result: [Int] = try guarded(length, expect, "\(length) elements") { result in
                try mine.withUnsafeBytes {
                    try world.scan($0, into: result, Reduction<Int>.sum.raw)
                }
            }
            expect.equalBytes(
                result, wrappingSum(world.rank + 1, length, expect), "\(length) elements")
        }
    },
    Check("exscan gives rank r the combination of ranks below it, and rank 0 nothing") {
        world, expect in
        let sum = try world.exscan(world.rank + 1, .sum)
        expect.equal(sum, world.rank == 0 ? nil : world.rank * (world.rank + 1) / 2, "sum")
        for length in [0, 1, 1000, 30_000] {
            let mine = expect.values.elements(Int.self, length, stream: world.rank)
            let result: [Int] = try guarded(length, expect, "\(length) elements") { result in
                try mine.withUnsafeBytes {
                    try world.exscan($0, into: result, Reduction<Int>.sum.raw)
                }
            }
            expect.equalBytes(
                result,
                world.rank == 0
                    ? Array(repeating: poison(), count: length)
                    : wrappingSum(world.rank, length, expect),
                "\(length) elements")
        }
    },
    Check("prefixes keep the order of ranks if the operation does not commute") {
        world, expect in
        expect.equal(
            try world.scan(Word(world.rank), Word.concatenation),
            Word(ranks: 0..<world.rank + 1), "scan")
        expect.equal(
            try world.exscan(Word(world.rank), Word.concatenation),
            world.rank == 0 ? nil : Word(ranks: 0..<world.rank), "exscan")
        for count in [1, 5000] {
            let mine = Affine.operands(world.rank, count, expect)
            var result = mine
            try world.scan(mine.span, into: result.mutableSpan, Affine.composition)
            expect.equalBytes(
                result, Affine.fold(0..<world.rank + 1, count, expect), "scan of \(count)")
            try world.exscan(mine.span, into: result.mutableSpan, Affine.composition)
            if world.rank > 0 {
                expect.equalBytes(
                    result, Affine.fold(0..<world.rank, count, expect), "exscan of \(count)")
            }
        }
    },
    Check("prefix reductions work in place") { world, expect in
        let mine = expect.values.elements(Int.self, 700, stream: world.rank)
        let inclusive = try guarded(mine, expect, "scan") {
            try world.scan(UnsafeRawBufferPointer($0), into: $0, Reduction<Int>.sum.raw)
        }
        expect.equalBytes(inclusive, wrappingSum(world.rank + 1, 700, expect), "scan")
        let exclusive = try guarded(mine, expect, "exscan") {
            try world.exscan(UnsafeRawBufferPointer($0), into: $0, Reduction<Int>.sum.raw)
        }
        expect.equalBytes(
            exclusive, world.rank == 0 ? mine : wrappingSum(world.rank, 700, expect), "exscan")
    },
    Check("scan of min and max") { world, expect in
        let operands = { (rank: Int) in expect.values.number(below: 1000, 3, rank) }
        let seen = (0...world.rank).map(operands)
        expect.equal(try world.scan(operands(world.rank), .min), seen.min(), "min")
        expect.equal(try world.scan(operands(world.rank), .max), seen.max(), "max")
    },
]
