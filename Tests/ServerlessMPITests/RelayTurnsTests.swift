import Testing

@testable import ServerlessMPI

/// The order of large payloads on a relayed link.
@Suite struct RelayTurnsTests {
    static func payload(_ slot: UInt32, _ direction: RelayedPayload.Direction) -> RelayedPayload {
        RelayedPayload(direction: direction, slot: slot, byteCount: 1, reply: 1)
    }

    @Test func `payloads of one direction run together, those of the other wait for all of them`() {
        var turns = RelayTurns()
        let isFirstAdmitted = turns.admits(Self.payload(1, .out))
        let isSecondAdmitted = turns.admits(Self.payload(2, .out))
        let isThirdAdmitted = turns.admits(Self.payload(3, .back))
        #expect(isFirstAdmitted && isSecondAdmitted && !isThirdAdmitted)
        #expect(turns.ended(.out) == [])
        #expect(turns.ended(.out) == [Self.payload(3, .back)])
    }

    @Test func `a direction with much to send lets the other have its turn`() {
        var turns = RelayTurns()
        let admitted = [
            turns.admits(Self.payload(1, .out)), turns.admits(Self.payload(2, .back)),
            turns.admits(Self.payload(3, .out)),
        ]
        #expect(admitted == [true, false, false])
        #expect(turns.ended(.out) == [Self.payload(2, .back)])
        #expect(turns.ended(.back) == [Self.payload(3, .out)])
        #expect(turns.ended(.out) == [])
    }

    @Test func `what nobody sent cannot end`() {
        var turns = RelayTurns()
        #expect(turns.ended(.out) == nil)
        _ = turns.admits(Self.payload(1, .out))
        #expect(turns.ended(.back) == nil)
    }

    @Test(arguments: 0..<20)
    func `both directions never run at once, and all get their turn`(seed: UInt64) {
        var random = Seeded(seed)
        var turns = RelayTurns()
        var running: [RelayedPayload] = []
        var started = 0
        for round in 0..<1000 {
            if round < 500, Bool.random(using: &random) {
                let direction: RelayedPayload.Direction =
                    Bool.random(using: &random) ? .out : .back
                let next = Self.payload(UInt32(round), direction)
                started += 1
                if turns.admits(next) { running.append(next) }
            } else if let last = running.popLast() {
                running += turns.ended(last.direction) ?? []
            }
            #expect(Set(running.map { $0.direction == .out }).count < 2, "seed \(seed)")
        }
        #expect(running.isEmpty && started > 100, "seed \(seed)")
        let isAdmitted = turns.admits(Self.payload(0, .back))
        #expect(isAdmitted, "nobody waits any more")
    }
}
