// A simulated rank's program thread: the engine makes progress, bytes go to and fro, and what it
// tells the control thread is done.

import MessagePassing

@testable import ServerlessMPI

extension SimulatedRank {
    func runEngine() {
        guard let engine, !engine.isClosed, isRunning else { return }
        var rounds = 0
        repeat {
            rounds += 1
            engine.lock()
            let hasMoved = engine.progress(lookingAt: -1, everywhere: true)
            engine.unlock()
            let hasLeft = program.advance()
            for end in network.ends[rank] { network.collect(end) }
            let found = news.take()
            for (peer, incarnation) in found.broken { broken(peer, incarnation) }
            for cause in found.causes { report(cause) }
            if hasLeft, firstCause == nil {
                note("rank \(rank) leaves")
                return end()
            }
            if !hasMoved && found.broken.isEmpty { break }
        } while rounds < 1000 && isRunning && firstCause == nil
    }
}
