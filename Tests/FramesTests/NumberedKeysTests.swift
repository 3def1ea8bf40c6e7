// Keys as numbers that ranks agree on, and the way back: dividers, profiles, encoders and decoders
// against what they were made of, value by value and byte by byte.
import Testing

@testable import Frames

@Suite struct NumberedKeysTests {
    /// Types whose random columns fit a number each; texts have generators of their own.
    private static let types: [DataType] = [
        .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .bool, .date, .datetime, .duration,
    ]

    /// Texts by what comes first, their letters, and how many of these they have.
    struct Texts {
        let name: String
        var prefix = ""
        let letters: [String]
        let counts: ClosedRange<Int>
    }

    static let texts = [
        Texts(name: "nothing but empty ones", letters: letters(97...97), counts: 0...0),
        Texts(name: "zero bytes among four, all lengths", letters: letters(0...3), counts: 0...16),
        Texts(name: "one alphabet, sixteen long", letters: letters(97...100), counts: 16...16),
        Texts(name: "sixteen digits, fifteen long", letters: letters(97...112), counts: 15...15),
        Texts(name: "decimal", prefix: "id", letters: letters(48...57), counts: 12...12),
        Texts(name: "any byte, one length", letters: letters(0...127), counts: 8...8),
        Texts(name: "any byte, several lengths", letters: letters(0...127), counts: 0...7),
        Texts(
            name: "any byte, second word alone", prefix: "constant", letters: letters(0...127),
            counts: 7...7),
        Texts(
            name: "any byte in both words", prefix: "same", letters: letters(0...127),
            counts: 8...8),
        Texts(name: "more than ASCII", prefix: "ü", letters: ["é", "日", "😀", "a"], counts: 0...1),
    ]

    private static func letters(_ bytes: ClosedRange<UInt8>) -> [String] {
        bytes.map { String(UnicodeScalar($0)) }
    }

    /// A slice, so that it begins within a word of bits.
    private func textColumn(
        _ kind: Int, count: Int, nullShare: Double, _ random: inout SeededRandom
    ) -> Column {
        let texts = Self.texts[kind]
        var values: [String?] = []
        for _ in 0..<count + 9 {
            let isNull = Double.random(in: 0..<1, using: &random) < nullShare
            var text = texts.prefix
            for _ in 0..<Int.random(in: texts.counts, using: &random) {
                text += texts.letters[Int.random(in: texts.letters.indices, using: &random)]
            }
            values.append(isNull ? nil : text)
        }
        return Column(values).slice(9..<count + 9)
    }

    /// What is known of chunks of the same columns together, as ranks know it.
    private func profiles(_ chunks: [[Column]]) -> [KeyProfile]? {
        var whole = chunks[0].map { KeyProfile(ofNoRows: KeyEncoder.digits($0).type) }
        for columns in chunks {
            for (index, column) in columns.enumerated() {
                guard let own = KeyProfile(KeyEncoder.digits(column)) else { return nil }
                whole[index].add(own)
            }
        }
        return whole
    }

    private func agreed(_ chunks: [[Column]]) -> KeyNumbers? {
        profiles(chunks).flatMap { KeyNumbers($0) }
    }

    /// That rows, cut into chunks, have numbers, equal exactly where rows are, and come back from
    /// these.
    @discardableResult
    private func expectSame(_ columns: [Column], _ what: Comment) throws -> KeyNumbers {
        let named = columns.enumerated().map { ("c\($0.offset)", $0.element) }
        let chunks = try Table(named).chunks(3)
        let whole = try #require(profiles(chunks.map(\.columns)), what)
        let numbers = try #require(KeyNumbers(whole), what)
        let numbering = KeyNumbering(whole)
        #expect((numbering == nil) == (numbers.count > 1), what)
        let types = columns.map(\.type)
        var numbersOf: [[Cell]: [Cell]] = [:]
        var areEqual = true
        for chunk in chunks {
            let digits = chunk.columns.map(KeyEncoder.digits)
            let known = numbering?.contains(digits, rowCount: chunk.rowCount)
            #expect(known == nil, what)
            let encoded = numbers.encoded(chunk.columns)
            #expect(encoded.count == numbers.count, what)
            #expect(encoded.allSatisfy { $0.type == .int64 && $0.validity == nil }, what)
            let decoded = numbers.decoded(encoded, types: types)
            #expect(decoded.map(\.type) == types, what)
            #expect(decoded.map(\.cells) == chunk.columns.map(\.cells), what)
            for (row, number) in zip(rows(of: chunk.columns), rows(of: encoded)) {
                areEqual = areEqual && numbersOf[row, default: number] == number
                numbersOf[row] = number
            }
        }
        #expect(areEqual && Set(numbersOf.values).count == numbersOf.count, what)
        return numbers
    }

    @Test func `a divider divides as the processor does`() {
        var random = SeededRandom(seed: 80)
        let top: UInt64 = (1 << 63) - 1
        var divisors: [UInt64] = [
            1, 2, 3, 7, 10, 16, (1 << 32) - 1, (1 << 32) + 1, 1 << 62, top, 1 << 63,
        ]
        for shift in 1...60 as ClosedRange<UInt64> { divisors.append(random.next() >> shift | 1) }
        for divisor in divisors {
            let divider = Divider(divisor)
            var dividends: [UInt64] = [
                0, 1, divisor - 1, divisor, divisor &* 2 &- 1, top - 1, top,
            ]
            for shift in 1...60 as ClosedRange<UInt64> { dividends.append(random.next() >> shift) }
            for dividend in dividends where dividend <= top {
                let (quotient, remainder) = divider.quotientAndRemainder(dividend)
                #expect(
                    quotient == dividend / divisor && remainder == dividend % divisor
                        && divider.quotient(dividend) == quotient, "\(dividend) by \(divisor)")
            }
        }
    }

    @Test(arguments: NumberedKeysTests.texts.indices)
    func `texts come back from their numbers`(kind: Int) throws {
        var random = SeededRandom(seed: UInt64(kind) + 81)
        for count in [0, 1, 65, 2500] {
            for nullShare in [0, 0.2, 1] {
                try expectSame(
                    [textColumn(kind, count: count, nullShare: nullShare, &random)],
                    "\(Self.texts[kind].name), \(count) rows, nulls \(nullShare)")
            }
        }
    }

    @Test(arguments: [0, 1, 7, 65, 1024, 2500])
    func `rows of any types come back from their numbers`(count: Int) throws {
        var random = SeededRandom(seed: UInt64(count) + 82)
        for type in Self.types {
            for nullShare in [0, 0.2, 1] {
                try expectSame(
                    [random.column(type, count: count, distinct: 40, nullShare: nullShare)],
                    "\(type), \(count) rows, nulls \(nullShare)")
            }
        }
        for round in 0..<6 {
            let nullShare = round % 2 == 0 ? 0 : 0.2
            let chosen = Self.types.shuffled(using: &random).prefix(round / 2 + 1)
            var columns = chosen.map {
                random.column($0, count: count, distinct: 7, nullShare: nullShare)
            }
            let texts = textColumn(round + 1, count: count, nullShare: nullShare, &random)
            columns.insert(texts, at: round % columns.count)
            try expectSame(columns, "\(columns.map(\.type)), \(count) rows, nulls \(nullShare)")
        }
    }

    @Test func `values at the ends of their types have numbers, one too many has none`() throws {
        let columns: [Column] = [
            Column([Int64.min, Int64.min + 5, nil]), Column([Int64.max]),
            Column([Int64.max, nil, Int64.max - 3]), Column([0, Int64.max]),
            Column([Int64.min, -1]), Column([UInt64.max, nil, UInt64.max - 5] as [UInt64?]),
            Column([Int8.min, Int8.max] as [Int8?]), Column(dates: [Int32.min, nil, Int32.max]),
        ]
        for column in columns { try expectSame([column], "\(column.cells)") }
        #expect(agreed([[Column([0, Int64.max, nil])]]) == nil)
        #expect(agreed([[Column([-1, Int64.max])]]) == nil)
        #expect(agreed([[Column([Int64.min])], [Column([Int64.max])]]) == nil)
    }

    @Test func `keys too wide for one number take several`() throws {
        var random = SeededRandom(seed: 84)
        var columns: [Column] = []
        for _ in 0..<3 {
            columns.append(
                Column(
                    (0..<300).map { row -> Int64? in
                        row % 50 == 3 ? nil : Int64(random.next() >> 20)
                    }))
        }
        columns.append(random.column(.bool, count: 300))
        #expect(try expectSame(Array(columns[2...]), "44 bits and a bool").count == 1)
        #expect(try expectSame(columns, "three times 44 bits and a bool").count == 3)
    }

    @Test func `a text of seventeen bytes has no number, wherever it is`() {
        let texts = Column(["a", nil, "seventeen bytes !", "b"])
        #expect(KeyProfile(texts) == nil)
        #expect(KeyProfile(texts.slice(2..<3)) == nil)
        #expect(KeyProfile(texts.slice(3..<4)) != nil)
        #expect(agreed([[texts.slice(0..<2)], [texts.slice(2..<4)]]) == nil)
        #expect(KeyProfile(Column(["sixteen bytes !!"])) != nil)
    }

    @Test func `what has no number is null in every column`() throws {
        var random = SeededRandom(seed: 83)
        for nullShare in [0, 0.2] {
            let columns = [
                random.column(.int16, count: 1500, nullShare: nullShare),
                random.column(.bool, count: 1500, nullShare: nullShare),
                textColumn(1, count: 1500, nullShare: nullShare, &random),
            ]
            let numbers = try #require(agreed([columns]))
            let isThere = Bitmap(count: 1500) { $0 % 3 != 1 }
            let encoded = numbers.encoded(columns).map {
                $0.with(validity: isThere).slice(7..<1400)
            }
            let decoded = numbers.decoded(encoded, types: columns.map(\.type))
            for (column, found) in zip(columns, decoded) {
                let expected = (7..<1400).map { $0 % 3 == 1 ? Cell.null : column.cell($0) }
                #expect(found.cells == expected, "\(column.type), nulls \(nullShare)")
            }
        }
    }
}
