// The lines workers write are read back as they were meant.
import CompactJSON
import Records
import Testing

@Suite("JSON lines")
struct JSONTests {
    @Test("every message survives being written and read")
    func roundTrip() {
        let table = ResultTable(
            name: "delay by carrier", columns: ["carrier", "flights", "mean"],
            rows: [
                [.text("9E \"Endeavor\"\n\u{1}ü"), .integer(18460), .number(16.725769407441433)],
                [.null, .integer(-1), .number(2.0)],
            ])
        let messages: [WorkerMessage] = [
            .started(WorkerStart(ranks: 4, setupSeconds: 0.0123)),
            .iteration(
                WorkerIteration(
                    seconds: 1, computeSeconds: 0.75, communicationSeconds: 1e-7, bytes: 1 << 40)),
            .result(
                WorkerResult(outputRows: 0, checksum: "00000000000000ff", tables: [table])),
        ]
        for message in messages {
            let line = message.json.description
            #expect(WorkerMessage(line: line) == message, "\(line)")
            #expect(!line.contains("\n"))
        }
    }

    @Test("random values survive being written and read", arguments: 0..<50 as Range<UInt64>)
    func randomValues(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let value = randomValue(&generator, depth: 0)
        #expect(JSONValue(parsing: value.description) == value, "seed \(seed): \(value)")
    }

    @Test("counts and measurements stay apart")
    func integersAndNumbers() {
        #expect(JSONValue(parsing: "1") == .integer(1))
        #expect(JSONValue(parsing: "1.0") == .number(1))
        #expect(JSONValue.number(2).description == "2.0")
        #expect(JSONValue.number(.nan).description == "null")
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", "{", "[1,", "{\"a\"}", "{\"a\":1", "nul", "\"abc", "1 2", "[1]]", "\"\\u12\"",
            "--1", "+1", "01", "1.", ".5", "1e", "\"\u{9}\"", "\"\\x\"", "\"\\ud800\"",
            "\"\\udc00\\ud800\"", "tru", "[1 2]",
            "{1:2}", "[,]", "\"\\", String(repeating: "[", count: 10_000),
        ])
    func garbage(text: String) {
        #expect(JSONValue(parsing: text) == nil)
        #expect(WorkerMessage(line: text) == nil)
    }

    @Test("lines that are no message are not taken for one")
    func otherLines() {
        for line in ["hello", "{\"message\":\"other\"}", "{\"message\":\"started\"}", "[1]"] {
            #expect(WorkerMessage(line: line) == nil, "\(line)")
        }
    }

    private func randomValue(_ generator: inout SeededGenerator, depth: Int) -> JSONValue {
        let pick = Int.random(in: 0..<(depth < 4 ? 7 : 5), using: &generator)
        switch pick {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return .integer(.random(in: .min ... .max, using: &generator))
        case 3: return .number(Double.random(in: -1e300...1e300, using: &generator))
        case 4:
            let scalars = (0..<Int.random(in: 0..<9, using: &generator)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 0..<0x11000, using: &generator))
            }
            return .string(String(String.UnicodeScalarView(scalars)))
        case 5:
            return .array(
                (0..<Int.random(in: 0..<4, using: &generator)).map { _ in
                    randomValue(&generator, depth: depth + 1)
                })
        default:
            return .object(
                (0..<Int.random(in: 0..<4, using: &generator)).map {
                    JSONField("field \($0)", randomValue(&generator, depth: depth + 1))
                })
        }
    }
}

/// SplitMix64: repeatable from its seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
