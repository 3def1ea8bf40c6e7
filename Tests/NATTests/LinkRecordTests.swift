// What ranks say of their links, and what becomes of it in tables and JSON lines.
import CompactJSON
import Records
import Report
import Testing

@testable import Lab

@Suite("Reports of links")
struct LinkRecordTests {
    private func report(
        _ rank: Int, started: Int, usable: Int, path: String, isDialled: Bool
    ) -> LinkReport {
        LinkReport(
            rank: rank, startedNanoseconds: started, usableNanoseconds: usable,
            exchangedNanoseconds: usable + 1,
            links: [
                LinkReport.Link(
                    peer: 1 - rank, path: path, isDialled: isDialled, roundTripMicroseconds: 100,
                    connectMicroseconds: 2000, localAddress: "192.0.2.1:1",
                    remoteAddress: "192.0.2.2:2")
            ])
    }

    private func pair(_ path: String = "host") -> [LinkReport] {
        [
            report(0, started: 0, usable: 9_000_000, path: path, isDialled: true),
            report(
                1, started: 1_000_000, usable: 5_000_000, path: "server-reflexive",
                isDialled: false),
        ]
    }

    @Test("a report survives its line, and no cut of it is taken for one")
    func roundTrip() {
        let report = pair()[0]
        let line = "\(report.json)"
        #expect(LinkReport(line: line) == report)
        for length in 0..<line.count {
            #expect(LinkReport(line: String(line.prefix(length))) == nil)
        }
        #expect(LinkReport(line: line.replacing("\"links\":[", with: "\"links\":7,[")) == nil)
    }

    @Test("time counts from the last start to the last usable link")
    func time() {
        #expect(pair().setUpMilliseconds == 8)
        #expect([LinkReport]().setUpMilliseconds == nil)
    }

    @Test("the path is what the one who dialled says; a relay on one side is a relay")
    func path() {
        #expect(pair().path(between: 0, and: 1) == "host")
        #expect(pair("relayed").path(between: 1, and: 0) == "relayed")
        #expect(pair().path(between: 0, and: 2) == nil)
    }

    @Test("a try without every rank's report is a failure")
    func missing() {
        var tries = LinkTries()
        tries.add(pair(), ranks: 2)
        tries.add([pair()[0]], ranks: 2)
        #expect(tries.tries == 2)
        #expect(tries.successes == 1)
        #expect(tries.complaint == "1 of 2 ranks told how they are connected")
    }

    @Test("a cell is as expected only if all tries succeeded by the right path")
    func expected() throws {
        let cell = GridCell(left: "masquerade", right: "cgn", expectation: .direct)
        var record = GridRecord(cell: cell, encryption: "on", delayMilliseconds: 0)
        #expect(!record.isAsExpected)
        record.links.add(pair(), ranks: 2)
        #expect(record.isAsExpected)
        let json = try #require(JSONValue(parsing: "\(record.json)"))
        #expect(json["left"] == .string("masquerade"))
        #expect(json["right"] == .string("cgn"))
        #expect(json["path"] == .string("host"))
        #expect(json["tries"] == .integer(1))
        #expect(json["successes"] == .integer(1))
        for name in ["ms_min", "ms_median", "ms_max"] { #expect(json[name] == .number(2)) }
        #expect(json["setup_ms_median"] == .number(8))
        record.links.fail("no way")
        #expect(!record.isAsExpected)
        let table = renderGrid([record], isColoured: false)
        #expect(table.contains { $0.contains("✗ host") })
        #expect(table.last == "✗ masquerade ↔ cgn: expected a direct path, every time; no way")
    }

    @Test("a relay where a direct path exists is not as expected, and is coloured so")
    func wrongPath() {
        let cell = GridCell(left: "public", right: "public", expectation: .direct)
        var record = GridRecord(cell: cell, encryption: "on", delayMilliseconds: 0)
        record.links.add(pair("relayed"), ranks: 2)
        #expect(!record.isAsExpected)
        let table = renderGrid([record], isColoured: true)
        #expect(table.contains { $0.contains("\u{1B}[31m✗ relayed") })
    }

    @Test("a mesh's row says how many were complete and which paths were taken")
    func mesh() {
        var record = MeshRecord(
            topology: "masquerade × 2", ranks: 2, encryption: "none", delayMilliseconds: 0)
        record.links.add(pair(), ranks: 2)
        let table = renderMeshes([record])
        #expect(
            table.contains {
                $0.contains("masquerade × 2") && $0.contains("1/1") && $0.contains("1 host")
            })
    }
}
