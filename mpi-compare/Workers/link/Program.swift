// A rank that connects, exchanges a message with every other rank, and says how it is connected:
// one line of JSON (LinkReport). The rank program of `nat-grid` and `mesh`. With a number of seconds
// as its argument it then says nothing for so long, and sends once more.
import Glibc
import MessagePassing
import Records
import ServerlessMPI

@main
enum Program {
    static func main() {
        let started = now()
        withWorld { world in
            let usable = now()
            try exchange(world)
            let exchanged = now()
            let links = (world as? any ServerlessWorld)?.setUp.paths ?? []
            let report = LinkReport(
                rank: world.rank, startedNanoseconds: started, usableNanoseconds: usable,
                exchangedNanoseconds: exchanged,
                links: links.enumerated().compactMap { peer, path in
                    path.map { LinkReport.Link(peer: peer, path: $0) }
                })
            print(report.json)
            fflush(nil)
            if let seconds = CommandLine.arguments.dropFirst().first.flatMap(UInt32.init) {
                sleep(seconds)
                try pass(world)
            }
        }
    }

    /// A message to every other rank, and one from it that must be its own.
    private static func exchange(_ world: any Communicator) throws {
        let mine = [Int](repeating: world.rank, count: world.size)
        let all = try world.alltoall(mine.span)
        guard all == Array(0..<world.size) else { throw WrongMessage() }
    }

    /// From the last rank to the first, one after the other: who receives has sent nothing to let the
    /// message in.
    private static func pass(_ world: any Communicator) throws {
        if world.rank < world.size - 1 {
            _ = try world.recv(Int.self, from: .rank(world.rank + 1), tag: 1)
        }
        if world.rank > 0 { try world.send([world.rank].span, to: .rank(world.rank - 1), tag: 1) }
    }

    /// Of the machine's clock, which all its processes share.
    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}

private struct WrongMessage: Error, CustomStringConvertible {
    let description = "a message was not what its sender had sent"
}

extension LinkReport.Link {
    init(peer: Int, path: LinkPath) {
        self.init(
            peer: peer, path: path.candidate.description, isDialled: path.isDialled,
            roundTripMicroseconds: Int(path.roundTripTime / .microseconds(1)),
            connectMicroseconds: Int(path.connectTime / .microseconds(1)),
            localAddress: path.localAddress, remoteAddress: path.remoteAddress)
    }
}
