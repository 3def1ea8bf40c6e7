// The ledger tells a wrong program from a slow one.

import MessagePassing
import Testing

@Suite struct CollectiveLedgerTests {
    private func call(
        _ sequence: UInt32, _ operation: CollectiveOperation, root: Int? = nil
    ) -> UInt64 {
        CollectiveCall(sequence: sequence, operation: operation, root: root).packed
    }

    @Test("calls are numbered from one")
    func numbers() {
        var ledger = CollectiveLedger()
        #expect(ledger.begin(.barrier, root: nil).sequence == 1)
        let second = ledger.begin(.bcast, root: 3)
        #expect(second == CollectiveCall(sequence: 2, operation: .bcast, root: 3))
    }

    @Test("a message of the same call, or of a later one, proves nothing")
    func agreement() {
        var ledger = CollectiveLedger()
        #expect(ledger.mismatch(arrived: call(1, .barrier), from: 1) == nil)
        _ = ledger.begin(.barrier, root: nil)
        #expect(ledger.mismatch(arrived: call(1, .barrier), from: 1) == nil)
        #expect(ledger.mismatch(arrived: call(2, .bcast, root: 0), from: 1) == nil)
    }

    @Test("another operation or root under the same number is named with both calls")
    func disagreement() {
        var ledger = CollectiveLedger()
        _ = ledger.begin(.bcast, root: 0)
        for other in [call(1, .barrier), call(1, .bcast, root: 1)] {
            let error = ledger.mismatch(arrived: other, from: 5)
            #expect(error?.code == .mismatchedCollective)
            #expect(error?.peer == 5)
            #expect(error?.reason.contains("bcast(root: 0)") == true, "\(error as Any)")
            let theirs = CollectiveCall(packed: other)?.name ?? "?"
            #expect(error?.reason.contains(theirs) == true, "\(error as Any)")
        }
    }

    @Test("late messages are recognised for the last 64 calls, older ones are let be")
    func memory() {
        var ledger = CollectiveLedger()
        for _ in 0..<100 { _ = ledger.begin(.barrier, root: nil) }
        #expect(ledger.mismatch(arrived: call(37, .scan), from: 0) != nil)
        #expect(ledger.mismatch(arrived: call(36, .scan), from: 0) == nil)
    }

    @Test("bytes that are no call are no proof")
    func garbage() {
        var ledger = CollectiveLedger()
        #expect(ledger.mismatch(arrived: 0, from: 0) == nil)
        _ = ledger.begin(.barrier, root: nil)
        #expect(ledger.mismatch(arrived: 1 << 32 | 0xFF << 24, from: 0) == nil)
    }

    @Test("every call survives the wire")
    func wireForm() {
        for operation in CollectiveOperation.allCases {
            for root in [nil, 0, 1, 0xFF_FFFE] as [Int?] {
                let call = CollectiveCall(sequence: .max, operation: operation, root: root)
                #expect(CollectiveCall(packed: call.packed) == call)
            }
        }
    }

    @Test("a conflicting message is found behind one that agrees")
    func conflictBehindAgreement() {
        var queues = MatchQueues()
        let mine = call(1, .barrier)
        let messages = [mine, call(2, .bcast, root: 0), call(1, .scan)]
        for (source, call) in messages.enumerated() {
            let envelope = Envelope(
                contextID: 1, source: source, tag: 0, call: call, byteCount: 0)
            #expect(queues.arrive(envelope, message: UInt32(source)) == nil)
        }
        let found = queues.unexpectedCall(sequence: 1, otherThan: mine)
        #expect(found?.source == 2)
        #expect(found?.call == call(1, .scan))
        #expect(queues.unexpectedCall(sequence: 2, otherThan: call(2, .bcast, root: 0)) == nil)
    }

    @Test("ids of derived communicators differ from their parent's and from each other")
    func contextIDs() {
        var seen: Set<UInt64> = [0, worldContextID]
        for parent in [worldContextID, 0xFFFF_FFFF_FFFF_FFFF] {
            for sequence in 1...20 as ClosedRange<UInt32> {
                for color in [-1, 0, 1, 2, .max] {
                    let id = childContextID(parent: parent, sequence: sequence, color: color)
                    #expect(seen.insert(id).inserted, "\(parent) \(sequence) \(color)")
                }
            }
        }
    }
}
