// Which way two kinds of home must find to each other.
import Testing

@testable import Lab

@Suite("The grid's expectations")
struct ExpectationTests {
    @Test("there is a cell for every two kinds and every special pair, and hosts for all")
    func cells() {
        let cells = GridCell.all(GridCell.places, lines: LineConditions())
        let kinds = NATKind.allCases.count
        #expect(cells.count == kinds * (kinds + 1) / 2 + GridCell.special.count)
        let hosts = Set(Topologies.grid(cells).rankHosts)
        for cell in cells {
            #expect(hosts.contains(cell.leftHost) && hosts.contains(cell.rightHost), "\(cell)")
            #expect(cell.leftHost != cell.rightHost)
        }
        #expect(hosts.count == 2 * GridCell.places.count)
    }

    @Test("an expectation does not depend on the order of the two")
    func order() {
        for delay in [Duration.zero, .milliseconds(5)] {
            var lines = LineConditions()
            lines.delay = delay
            for left in NATKind.allCases {
                for right in NATKind.allCases {
                    #expect(
                        GridCell.expectation(left, right, lines)
                            == GridCell.expectation(right, left, lines))
                }
            }
        }
    }

    @Test(
        "what was measured by hand is what is expected",
        arguments: [
            (NATKind.masquerade, NATKind.masquerade, PathExpectation.direct),
            (.masquerade, .firewall, .direct), (.symmetric, .open, .direct),
            (.symmetric, .masquerade, .relayed), (.symmetric, .symmetric, .relayed),
            (.symmetric, .firewall, .relayed), (.cgn, .masquerade, .direct),
            (.masqueradeRST, .masquerade, .either), (.symmetricRST, .open, .direct),
            (.dualStack, .dualStack, .direct),
            (.dualStack, .masquerade, .relayed),
        ])
    func measured(left: NATKind, right: NATKind, expected: PathExpectation) {
        #expect(GridCell.expectation(left, right, LineConditions()) == expected)
    }

    @Test("routers that answer RST are passed directly where a round trip takes milliseconds")
    func resets() {
        var lines = LineConditions()
        lines.delay = .milliseconds(5)
        #expect(GridCell.expectation(.masqueradeRST, .masqueradeRST, lines) == .direct)
    }

    @Test("a path meets an expectation or does not")
    func met() {
        #expect(PathExpectation.direct.isMet(by: ["host", "server-reflexive"]))
        #expect(!PathExpectation.direct.isMet(by: ["host", "relayed"]))
        #expect(PathExpectation.relayed.isMet(by: ["relayed"]))
        #expect(!PathExpectation.relayed.isMet(by: ["host"]))
        #expect(PathExpectation.either.isMet(by: ["host", "relayed"]))
    }
}
