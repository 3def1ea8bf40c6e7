// The counter-based generator: fixed values, the same wherever a table is cut.
import Testing

@testable import Frames

@Suite struct KernelsGeneratorTests {
    /// Computed by the formulas of CounterGenerator.swift in Python.
    @Test("golden values of four streams")
    func golden() {
        check(
            seed: 0, frame: 0, column: 0,
            words: [0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0xe0dd9737d6c4ac5d],
            small: [3577408, 1747688, 107056, 3932072],
            large: [2459150361376443820, 3348600503766967795])
        check(
            seed: 1, frame: 0, column: 0,
            words: [0x1a2a69903431e5b4, 0x4381e1e32b6f2047, 0x564f7d5dd764b252],
            small: [413949, 1067987, 3148748, 3225259],
            large: [1885435462079866292, 252731419911987270])
        check(
            seed: 1, frame: 0, column: 1,
            words: [0x4077c325cfda7b0, 0xd2863f70cbe8824f, 0xd9d6f9bf8cfb8773],
            small: [63743, 3330561, 1956984, 3000107],
            large: [290337256739022768, 1334824093251830348])
        check(
            seed: 42, frame: 1, column: 3,
            words: [0xd9b8c2b5b56c7b7e, 0x91a0e351062d510a, 0x52606002d5c1758f],
            small: [3444425, 2303887, 2172150, 1768489],
            large: [1853445332351613819, 1270265032053969160])
        let unit = CounterGenerator(seed: 1, frame: 0, column: 0).unit(rows: 0..<2).float64s
        #expect(unit == [0.10220966120341002, 0.26370059772619614])
    }

    private func check(
        seed: UInt64, frame: UInt64, column: UInt64, words: [UInt64], small: [Int64],
        large: [Int64]
    ) {
        let generator = CounterGenerator(seed: seed, frame: frame, column: column)
        let comment: Comment = "seed \(seed), frame \(frame), column \(column)"
        #expect([0, 1, 1_000_000_007].map(generator.word) == words, comment)
        #expect(generator.uniform(below: 4_050_000, rows: 0..<4).int64s == small, comment)
        #expect(generator.uniform(below: 1 << 62 + 1, rows: 0..<2).int64s == large, comment)
    }

    @Test("a part of a column is the same as the whole column's part")
    func parts() {
        let generator = CounterGenerator(seed: 9, frame: 1, column: 0)
        let whole = generator.uniform(below: 1000, rows: 0..<500).int64s
        #expect(generator.uniform(below: 1000, rows: 100..<260).int64s == Array(whole[100..<260]))
        #expect(generator.uniform(below: 1000, rows: 7..<7).count == 0)
    }

    @Test("values are uniform within their bound, for small and huge bounds")
    func uniformity() {
        let generator = CounterGenerator(seed: 4, frame: 0, column: 3)
        for bound in [1, 2, 7, 900, 1 << 32, 1 << 32 + 1, Int64.max] as [Int64] {
            let values = generator.uniform(below: bound, rows: 0..<4000).int64s.map { $0 ?? -1 }
            #expect(values.allSatisfy { $0 >= 0 && $0 < bound }, "bound \(bound)")
            let mean = values.reduce(0.0) { $0 + Double($1) } / 4000
            let expected = Double(bound - 1) / 2
            #expect(abs(mean - expected) <= Double(bound) * 0.03, "bound \(bound): mean \(mean)")
        }
        let unit = generator.unit(rows: 0..<4000).float64s.map { $0 ?? -1 }
        #expect(unit.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(unit.reduce(0, +) / 4000 - 0.5) < 0.02)
    }

    @Test("seed, frame, column and row each change the value")
    func independence() {
        let base = CounterGenerator(seed: 1, frame: 2, column: 3).word(4)
        #expect(base != CounterGenerator(seed: 2, frame: 2, column: 3).word(4))
        #expect(base != CounterGenerator(seed: 1, frame: 3, column: 3).word(4))
        #expect(base != CounterGenerator(seed: 1, frame: 2, column: 4).word(4))
        #expect(base != CounterGenerator(seed: 1, frame: 2, column: 3).word(5))
    }
}
