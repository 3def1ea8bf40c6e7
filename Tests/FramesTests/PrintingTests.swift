// Tables as text: the same from any number of ranks, as wide as asked for.
import Frames
import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@Suite("printing")
struct PrintingTests {
    @Test("a table is a box with names, types and nulls")
    func golden() {
        let table: Table = [
            "carrier": Column(["UA", nil, "9E\n", "日本"]), "flights": [1, -20, nil, 300],
            "delay": Column([0.5, nil, 1.0 / 3, 1e20] as [Double?]),
            "late": Column([true, false, nil, true] as [Bool?]),
            "day": Column(dates: [15_706, nil, -1, 0]),
            "time": Column(datetimes: [1_357_034_400_000_000, nil, -1, 0]),
        ]
        let expected = """
            shape: (4, 6)
            ┌─────────┬─────────┬──────────┬───────┬────────────┬─────────────────────────────┐
            │ carrier ┆ flights ┆    delay ┆  late ┆        day ┆                        time │
            │ string  ┆   int64 ┆  float64 ┆  bool ┆       date ┆                    datetime │
            ╞═════════╪═════════╪══════════╪═══════╪════════════╪═════════════════════════════╡
            │ UA      ┆       1 ┆      0.5 ┆  true ┆ 2013-01-01 ┆        2013-01-01T10:00:00Z │
            │ null    ┆     -20 ┆     null ┆ false ┆       null ┆                        null │
            │ 9E\\n    ┆    null ┆ 0.333333 ┆  null ┆ 1969-12-31 ┆ 1969-12-31T23:59:59.999999Z │
            │ 日本    ┆     300 ┆    1e+20 ┆  true ┆ 1970-01-01 ┆        1970-01-01T00:00:00Z │
            └─────────┴─────────┴──────────┴───────┴────────────┴─────────────────────────────┘

            """
        #expect("\(table)" == expected)
    }

    @Test("every type has its form, and every character its width")
    func types() {
        let table: Table = [
            "i8": Column([1, -128, nil] as [Int8?]), "u64": Column([.max, nil, 0] as [UInt64?]),
            "f32": Column([0.1, nil, .nan] as [Float?]),
            "wait": Column(durations: [90_061_500_000, nil, -1_000_000]),
            "kind": Column(categories: ["한국어", nil, "e\u{301}"]), "icon": ["👩‍👩‍👧", "❤️", "☂"],
        ]
        let expected = """
            shape: (3, 6)
            ┌──────┬──────────────────────┬─────────┬───────────────┬──────────┬────────┐
            │   i8 ┆                  u64 ┆     f32 ┆          wait ┆ kind     ┆ icon   │
            │ int8 ┆               uint64 ┆ float32 ┆      duration ┆ category ┆ string │
            ╞══════╪══════════════════════╪═════════╪═══════════════╪══════════╪════════╡
            │    1 ┆ 18446744073709551615 ┆     0.1 ┆ 1d 1h 1m 1.5s ┆ 한국어   ┆ 👩‍👩‍👧     │
            │ -128 ┆                 null ┆    null ┆          null ┆ null     ┆ ❤️     │
            │ null ┆                    0 ┆     nan ┆           -1s ┆ e\u{301}        ┆ ☂      │
            └──────┴──────────────────────┴─────────┴───────────────┴──────────┴────────┘

            """
        #expect("\(table)" == expected)
    }

    /// A frame of `count` numbered rows in uneven parts.
    static func frame(_ count: Int, on world: any Communicator) throws -> Frame {
        let share = count / world.size
        let first = world.rank * share
        let end = world.rank == world.size - 1 ? count : first + share
        let ids = (first..<end).map { Int64($0) as Int64? }
        return Frame(
            try Table([("id", Column(ids)), ("text", Column(ids.map { "row \($0 ?? 0)" }))]),
            on: world)
    }

    @Test(
        "the first and the last rows, whichever ranks hold them", arguments: [0, 1, 9, 10, 11, 37])
    func ends(count: Int) throws {
        let alone = try Self.frame(count, on: SelfCommunicator.alone).rendered(rows: 10)
        let lines = (alone ?? "").split(separator: "\n")
        #expect(lines.count == 6 + min(count, 11))
        for size in 2...5 {
            let texts = Mutex<[String?]>(Array(repeating: "", count: size))
            try ThreadMPI.run(size: size) { world in
                let text = try Self.frame(count, on: world).rendered(rows: 10)
                texts.withLock { $0[world.rank] = text }
            }
            let found = texts.withLock { $0 }
            #expect(found[0] == alone, "\(size) ranks, \(count) rows")
            #expect(found.dropFirst().allSatisfy { $0 == nil }, "only rank 0 has the text")
        }
    }

    @Test("columns in the middle give way where the width does not suffice", arguments: 20...120)
    func width(width: Int) throws {
        let named = (0..<12).map { ("column\($0)", Column([Int64($0)] as [Int64?])) }
        let text = try Frame(try Table(named)).rendered(width: width) ?? ""
        let lines = text.split(separator: "\n").dropFirst()
        #expect(lines.allSatisfy { $0.count == lines.first?.count })
        #expect((lines.first?.count ?? 0) <= width)
        #expect(text.contains("column0"))
        #expect(text.contains("…") == (width < 12 * 11 + 2))
    }

    @Test("long texts are cut, control characters shown")
    func cells() throws {
        let table: Table = [
            "s": Column([String(repeating: "x", count: 100), "a\tb\u{1B}[31m", ""])
        ]
        let text = "\(table)"
        #expect(text.contains("│ " + String(repeating: "x", count: 31) + "… │"))
        #expect(text.contains("a\\tb\u{FFFD}[31m"))
        #expect("\(try Table([]))" == "shape: (0, 0)\n")
    }
}
