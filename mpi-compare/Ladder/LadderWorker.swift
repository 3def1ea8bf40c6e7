// The rank's side of `mpi-compare bench`: turn after turn until there is none.
import CompactJSON
import CLinux
import Glibc
import MessagePassing
import Records

/// Collective. Measures what the gate says, and lets rank 0 print a `LadderFigure` for each turn.
///
/// - Parameter folder: where the gates stand.
public func climbLadder(_ folder: String, on world: any Communicator) throws {
    var gate = try Gate(folder, rank: world.rank)
    try world.barrier()
    if world.rank == 0 { report(LadderFigure.ready) }
    while let turn = try gate.next() {
        let rung = LadderRung(world, turn.operation, turn.byteCount)
        let count = try calibrate(rung, turn, on: world)
        let seconds = try time(rung, count, on: world)
        try rung.verify()
        guard world.rank == 0 else { continue }
        let microseconds = seconds * 1e6 / Double(count * rung.messagesPerRun)
        report(
            LadderFigure(
                operation: turn.operation.rawValue, byteCount: turn.byteCount,
                microseconds: microseconds))
    }
}

/// How many executions take as long as asked for, agreed on by all ranks.
private func calibrate(
    _ rung: borrowing LadderRung, _ turn: LadderTurn, on world: any Communicator
) throws -> Int {
    let wanted = Double(turn.microseconds) / 1e6
    var count = 1
    while true {
        let seconds = try time(rung, count, on: world)
        if seconds >= wanted / 8 || count >= 1 << 20 {
            return max(1, min(1 << 22, Int(Double(count) * wanted / max(seconds, 1e-7))))
        }
        count *= 4
    }
}

/// The slowest rank's seconds for `count` executions after a barrier.
private func time(
    _ rung: borrowing LadderRung, _ count: Int, on world: any Communicator
) throws -> Double {
    try world.barrier()
    let start = ContinuousClock.now
    try rung.run(count)
    let elapsed = ContinuousClock.now - start
    let (seconds, attoseconds) = elapsed.components
    return try world.allreduce(Double(seconds) + Double(attoseconds) / 1e18, .max)
}

private func report(_ figure: LadderFigure) {
    print(figure.json)
    fflush(nil)
}
