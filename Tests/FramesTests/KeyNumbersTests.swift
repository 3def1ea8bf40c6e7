// Keys as numbers: equal where keys are, in their order, and what is built on them beyond a cache's
// worth of rows.
import Testing

@testable import Frames

@Suite struct KeyNumbersTests {
    private func numbered(_ encoder: KeyEncoder?) -> [Int64]? {
        encoder.map { $0.column().int64s.map { $0 ?? -1 } }
    }

    @Test("numbers are equal exactly where rows are", arguments: awkwardSizes)
    func equality(size: Int) {
        var random = SeededRandom(seed: UInt64(size) + 70)
        let types: [DataType] = [.int64, .date, .bool, .int8, .uint64, .duration]
        for round in 0..<10 {
            let chosen = types.shuffled(using: &random).prefix(round % 3 + 1)
            let table = random.table(
                Array(chosen), count: size, distinct: 4, nullShare: round % 2 == 0 ? 0 : 0.2)
            guard let numbers = numbered(KeyEncoder(table.columns)) else { continue }
            let rows = rows(of: table.columns)
            var known: [[Cell]: Int64] = [:]
            for (row, number) in zip(rows, numbers) {
                #expect(known[row, default: number] == number, "\(chosen) round \(round)")
                known[row] = number
            }
            #expect(Set(numbers).count == known.count, "\(chosen) round \(round)")
        }
    }

    /// Texts by what their digits are: few at a place, sixteen and seventeen, all bytes; of one
    /// length, of several, at the borders of a word, and beyond what is a number.
    static let samples: [(String, [String])] = [
        ("none", []),
        ("empty", ["", ""]),
        ("decimal", (0..<60).map { "id" + String("0000000000\($0 * 3701)".suffix(10)) }),
        ("one length, no order", ["b", "a", "c", "a"]),
        ("several lengths", ["", "a", "aa", "a\0", "a\0\0", "b", "aaa", "aaaa"]),
        ("sixteen digits", (0..<16).map { "x" + String(UnicodeScalar(UInt8(0x40 + $0))) + "y" }),
        ("seventeen digits", (0..<17).map { "x" + String(UnicodeScalar(UInt8(0x40 + $0))) + "y" }),
        ("bytes above 127", ["ä", "ö", "ü", "é", "日"]),
        ("fifteen and sixteen", ["abcdefghabcdefgh", "abcdefghabcdefg", "abcdefghabcdefgi"]),
        ("constant at both ends", (0..<90).map { "prefix\($0 + 10)suffix" }),
        ("second word alone", (0..<90).map { "constant\($0 + 10)" }),
    ]

    @Test("texts' numbers are in the order of texts", arguments: KeyNumbersTests.samples.indices)
    func textOrder(index: Int) throws {
        let (name, texts) = Self.samples[index]
        for hasNulls in [false, true] {
            let values: [String?] = texts.shuffled() + (hasNulls ? [nil] : [])
            let column = Column(values)
            let order = ColumnOrder(column: 0)
            let numbers = try #require(
                numbered(KeyEncoder.encoders([[column]], order: [order])?[0]),
                "\(name), nulls: \(hasNulls)")
            for first in values.indices {
                for second in values.indices {
                    let isLess: Bool
                    if let one = values[first] {
                        isLess =
                            values[second].map {
                                Array(one.utf8).lexicographicallyPrecedes(Array($0.utf8))
                            } ?? true
                    } else {
                        isLess = false
                    }
                    let comment: Comment =
                        "\(name): \(values[first] ?? "null"), \(values[second] ?? "null")"
                    #expect((numbers[first] < numbers[second]) == isLess, comment)
                }
            }
        }
    }

    @Test("texts too long or too varied make no numbers")
    func noNumbers() {
        #expect(KeyEncoder([Column(["seventeen bytes !", "a"])]) == nil)
        var random = SeededRandom(seed: 71)
        let varied = (0..<400).map { _ in
            String(decoding: (0..<16).map { _ in UInt8(random.next() % 94 + 33) }, as: UTF8.self)
        }
        #expect(KeyEncoder([Column(varied)]) == nil)
        let wide: [Int64] = [.min, .max]
        #expect(KeyEncoder([Column(wide)]) == nil)
    }

    @Test("nearly distinct keys, repeated ones and nulls, in many partitions")
    func manyGroups() {
        var random = SeededRandom(seed: 72)
        let count = 120_000
        for (name, distinct) in [("nearly distinct", 1 << 40), ("repeated", 50_000), ("few", 300)] {
            let keys = (0..<count).map { row -> Int64? in
                row % 5000 == 7
                    ? nil : Int64(random.next() % UInt64(distinct)) &* 0x3779_B97F_4A7C_15
            }
            let values = (0..<count).map { row -> Int64? in row % 11 == 0 ? nil : Int64(row) }
            let table: Table = ["k": Column(keys), "v": Column(values)]
            var firsts: [Int64?: Int] = [:]
            var sums: [Int64?: Int64] = [:]
            for row in 0..<count {
                if firsts[keys[row]] == nil { firsts[keys[row]] = row }
                sums[keys[row], default: 0] += values[row] ?? 0
            }
            let rows = Kernels.uniqueRows(table, keys: [0]).array
            #expect(rows == firsts.values.sorted(), "\(name)")
            let unique = Kernels.unique(table, keys: [0])
            #expect(unique.columns[1].int64s == rows.map { values[$0] }, "\(name)")
            let groups = Kernels.groupBy(
                [table], keys: [0], aggregates: [GroupAggregate(.sum, column: 1)])
            let found = Dictionary(
                zip(groups[0].int64s, groups[1].int64s.map { $0 ?? -1 }), uniquingKeysWith: +)
            #expect(found == sums, "\(name)")
        }
    }

    @Test("generated texts, skewed keys and nulls are the same wherever a table is cut")
    func generated() {
        let generator = CounterGenerator(seed: 9, frame: 1, column: 0)
        let texts = generator.text(prefix: "id", digits: 4, below: 300, rows: 0..<200)
        let part = generator.text(prefix: "id", digits: 4, below: 300, rows: 50..<90)
        #expect(part.strings == Array(texts.strings[50..<90]))
        #expect(texts.strings.allSatisfy { ("id0001"..."id0300").contains($0 ?? "") })
        let skewed = generator.skewed(bits: 10, rows: 0..<4000).int64s.map { $0 ?? -1 }
        #expect(skewed.allSatisfy { (0..<1023).contains($0) })
        #expect((300..<500).contains(skewed.count { $0 == 0 }), "a tenth is the least")
        let nulls = generator.withNulls(texts, percent: 10, rows: 0..<200)
        #expect((5..<40).contains(nulls.nullCount))
    }
}
