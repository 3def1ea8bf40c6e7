// What ranks tell each other of their keys, which rows have numbers by that, and that a number that
// no row has is read without harm.
import Testing

@testable import Frames

@Suite struct NumberAgreementTests {
    private func profiles(_ columns: [Column]) throws -> [KeyProfile] {
        try columns.map { column in
            try #require(KeyProfile(KeyEncoder.digits(column)), "\(column.cells)")
        }
    }

    /// What one rank says of its columns.
    private func message(_ columns: [Column]) throws -> [UInt64] {
        var words: [UInt64] = [1]
        for profile in try profiles(columns) { words += profile.words }
        return words
    }

    /// What has a range of its own: an integer, or each of a text's bytes and its length.
    private func places(_ cell: Cell) -> [Int] {
        switch cell {
        case .int(let value): return [Int(value)]
        case .bool(let value): return [value ? 1 : 0]
        case .string(let text):
            let bytes = text.utf8.map { Int($0) }
            let padded = bytes + [Int](repeating: 0, count: 16)
            return Array(padded.prefix(16)) + [bytes.count]
        case .null, .unsigned, .float: return []
        }
    }

    /// Which values lie, place by place, within the ranges of `known`. Of no values these hold 0.
    private func areWithin(_ column: Column, _ known: Column) -> [Bool] {
        let values = known.cells.filter { $0 != .null }.map(places)
        let ranges = (0..<(known.type == .string ? 17 : 1)).map { place in
            let all = values.map { $0[place] }
            return (all.min() ?? 0)...(all.max() ?? 0)
        }
        return column.cells.map { cell in
            if cell == .null { return known.validity != nil }
            return zip(ranges, places(cell)).allSatisfy { $0.contains($1) }
        }
    }

    private func expectKnown(_ asked: [Column], by known: [Column], _ what: Comment) throws {
        let own = try profiles(known)
        let numbering = try #require(KeyNumbering(own), what)
        func contained(_ columns: [Column]) -> Bitmap? {
            numbering.contains(columns.map(KeyEncoder.digits), rowCount: columns[0].count)
        }
        let rowCount = asked[0].count
        let each = zip(asked, known).map { areWithin($0, $1) }
        let expected = (0..<rowCount).map { row in each.allSatisfy { $0[row] } }
        let found = contained(asked)
        #expect((0..<rowCount).map { found?[$0] ?? true } == expected, what)
        #expect((found == nil) == !expected.contains(false), what)
        #expect(contained(known) == nil, what)
    }

    /// Shares of nulls where numbers were made, and where rows ask for them.
    private static let nullShares: [(made: Double, asked: Double)] = [
        (0, 0), (0.2, 0), (0, 0.2), (0.2, 0.2), (1, 0.2), (1, 0),
    ]

    @Test func `rows have a number exactly where each value is in its range`() throws {
        var random = SeededRandom(seed: 90)
        let types: [DataType] = [.int8, .uint16, .int64, .date, .bool, .duration, .datetime]
        for (made, asks) in Self.nullShares {
            for (index, type) in types.enumerated() {
                let other = types[(index + 3) % types.count]
                let known = [type, other].map {
                    random.column($0, count: 8, distinct: 6, nullShare: made)
                }
                let asked = [type, other].map {
                    random.column($0, count: 130, distinct: 12, nullShare: asks)
                }
                try expectKnown(asked, by: known, "\(type) and \(other), \(made), \(asks)")
            }
            let none = random.column(.int64, count: 0, nullShare: 0)
            let some = random.column(.int64, count: 70, distinct: 12, nullShare: asks)
            try expectKnown([some], by: [none], "of no rows, \(asks)")
        }
    }

    @Test func `texts have a number exactly where their bytes are in range`() throws {
        let groups: [[String]] = [
            [], [""], ["b1", "d3"], ["abcdefgh12", "abcdefgh34"], ["", "\0", "\u{1}\u{2}\0"],
            ["é", "ü"], ["0123456789abcdef", "0123456789abcdea"],
        ]
        let asked: [String?] = [
            "", "\0", "\0\0\0", "\0\0\0\0", "\u{1}", "\u{2}", "b1", "c2", "d4", "e1", "b", "b12",
            "abcdefgh22", "abcdefgh25", "abcdefgi22", "abcdefgh2", "é", "ö", "ä", "日", nil,
            "0123456789abcded", "0123456789abcdeg", "0123456789abcdef0", "seventeen bytes !",
        ]
        for texts in groups {
            for madeWithNulls in [false, true] {
                var known: [String?] = texts
                if madeWithNulls { known.append(nil) }
                for values in [asked, asked.filter { $0 != nil }] {
                    try expectKnown(
                        [Column(values)], by: [Column(known)], "\(known) asked by \(values)")
                }
            }
        }
    }

    @Test func `a profile is the same after its way between ranks`() throws {
        let columns: [Column] = [
            Column([3, nil, Int64.min]), Column([Int64]()), Column([nil] as [Int64?]),
            Column(["ab", "abc", ""]), Column(["é", nil]), Column([String]()),
            Column([nil] as [String?]), Column(["", ""]), Column(["0123456789abcdef"]),
        ]
        let honest = try profiles(columns)
        for (column, profile) in zip(columns, honest) {
            #expect(profile.words.count == KeyProfile.wordCount)
            let told = try #require(KeyProfile(profile.words, of: column.type), "\(column.cells)")
            #expect(told.words == profile.words, "\(column.cells)")
            #expect(KeyNumbering([told]) == KeyNumbering([profile]), "\(column.cells)")
        }
    }

    @Test func `what no column can be like is refused, and says which rank told it`() throws {
        let columns: [Column] = [[7, 9], Column(["bcd", "bcde"])]
        let honest = try profiles(columns)
        let types: [DataType] = [.int64, .string]
        // Flag, shortest, longest, least and greatest bytes.
        let lies: [(place: Int, value: UInt64)] = [
            (0, 2), (0, .max), (1, 5), (1, .max), (1, UInt64(Int.max)), (2, 2), (2, 17), (2, .max),
            (3, 0xFF), (3, .max), (5, 0), (4, 1), (6, 1), (5, .max),
        ]
        let truth = try message(columns)
        for (place, value) in lies {
            var words = honest[1].words
            words[place] = value
            #expect(KeyProfile(words, of: .string) == nil, "\(value) at \(place)")
            var lie = truth
            lie[1 + KeyProfile.wordCount + place] = value
            expectFault(in: lie, among: truth, "\(value) at \(place)")
        }
        var flagged = truth
        flagged[0] = 2
        expectFault(in: flagged, among: truth, "neither profiles nor none")
        let withNulls = try message([[7, nil], Column(["bcd"])])
        expectFault(in: withNulls, among: truth, "nulls where there are to be none")
        for (type, profile) in zip(types, honest) {
            #expect(KeyProfile(profile.words.dropLast(), of: type) == nil)
            #expect(KeyProfile(profile.words + [0], of: type) == nil)
            var words = profile.words
            words[0] = 2
            #expect(KeyProfile(words, of: type) == nil)
        }
    }

    /// - Parameter lie: what rank 2 tells of an integer and a text, the others the truth.
    private func expectFault(in lie: [UInt64], among truth: [UInt64], _ what: Comment) {
        let fault = #expect(throws: MessageFault.self, what) {
            try ReceivedProfiles.together(
                truth + truth + lie + truth, of: [.int64, .string], allowsNulls: false)
        }
        #expect(fault?.source == 2, what)
    }

    @Test func `profiles of ranks together are those of all rows, if every rank has some`() throws {
        var random = SeededRandom(seed: 91)
        let types: [DataType] = [.int64, .string]
        let texts = (0..<90).map { row -> String? in
            row % 7 == 3 ? nil : "\(random.next() % 1000)"
        }
        let columns = [random.column(.int64, count: 90), Column(texts)]
        let messages = try [0..<40, 40..<40, 40..<90].map { part in
            try message(columns.map { $0.slice(part) })
        }
        func together(_ words: [UInt64], _ types: [DataType]) throws -> [KeyProfile]? {
            try ReceivedProfiles.together(words, of: types, allowsNulls: true)
        }
        let told = try together(messages.flatMap(\.self), types)
        let whole = try profiles(columns)
        #expect(told?.map(\.words) == whole.map(\.words))
        let without = [UInt64](repeating: 0, count: messages[0].count)
        #expect(try together(messages[0] + without + messages[2], types) == nil)
        // Nothing to be known, but that every rank has numbers.
        let ofNothing = try together([1, 1, 1], [])
        #expect(ofNothing?.isEmpty == true)
        #expect(try together([1, 0, 1], []) == nil)
    }

    /// Texts of several lengths, of one, in one word and in two, small digits and whole bytes.
    static let textGroups: [[String?]] = [
        [], [""], ["", "a", nil], ["a", "c"], ["abcdefgh1", "abcdefgh9", "abcdefgh10"],
        ["0000000000", "9999999999"], ["\0", "\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}", nil],
        ["\0\0\0\0\0\0\0\0", "~~~~~~~~"], ["", "~~~~~~~"], ["aaaaaaaaaaaaaaa", "ppppppppppppppp"],
        ["é", "日"],
    ]

    @Test(arguments: NumberAgreementTests.textGroups.indices)
    func `any number makes some row`(group: Int) throws {
        var random = SeededRandom(seed: UInt64(group) + 92)
        let texts = Column(Self.textGroups[group])
        let columns: [Column] = [texts, [-3, nil, 700], texts, Column([true, false]), texts]
        var values = (0..<1200).map { Int64(bitPattern: random.next() >> UInt64($0 % 60)) }
        values += [0, 1, Int64.max - 1, Int64.max, Int64.min, -1]
        for count in 1...columns.count {
            for used in [Array(columns.prefix(count)), Array(columns.suffix(count))] {
                let own = try profiles(used)
                let numbers = try #require(KeyNumbers(own))
                let lies = [Column](repeating: Column(values), count: numbers.count)
                let decoded = numbers.decoded(lies, types: used.map(\.type))
                #expect(decoded.map(\.type) == used.map(\.type))
                for column in decoded {
                    #expect(column.cells.count == values.count)
                    guard column.type == .string else { continue }
                    let lengths = (0..<column.count).map { column.utf8(at: $0).count }
                    #expect(lengths.allSatisfy { (0...16).contains($0) })
                }
            }
        }
    }
}
