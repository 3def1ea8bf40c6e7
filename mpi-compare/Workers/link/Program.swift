// A rank that connects, exchanges a message with every other rank, and says how it is connected:
// one line of JSON (LinkReport). The rank program of `nat-grid` and `mesh`. With a number of seconds
// as its argument it then says nothing for so long, or goes on exchanging with `busy` after it, sends
// once more, and says how it is connected by then.
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
            func report(_ links: [LinkPath?]?) {
                let links = (links ?? []).enumerated().compactMap { peer, path in
                    path.map { LinkReport.Link(peer: peer, path: $0) }
                }
                let report = LinkReport(
                    rank: world.rank, startedNanoseconds: started, usableNanoseconds: usable,
                    exchangedNanoseconds: exchanged, links: links)
                print(report.json)
                fflush(nil)
            }
            let serverless = world as? any ServerlessWorld
            report(serverless?.setUp.paths)
            let arguments = CommandLine.arguments.dropFirst()
            guard let seconds = arguments.first.flatMap({ UInt32($0) }) else { return }
            if arguments.last == "busy" {
                try goOn(world, until: exchanged + Int(seconds) * 1_000_000_000)
            } else {
                sleep(seconds)
            }
            try pass(world)
            report(serverless?.paths)
        }
    }

    /// Exchanges, small and large in turn, until rank 0 says that it is time.
    private static func goOn(_ world: any Communicator, until end: Int) throws {
        let count = 100_000
        while try world.bcast(now() < end, root: 0) {
            try exchange(world)
            let mine = (0..<world.size).flatMap {
                Array(repeating: world.rank * 10 + $0, count: count)
            }
            let all = try world.alltoall(mine.span)
            for from in 0..<world.size {
                let part = all[from * count..<(from + 1) * count]
                guard part.allSatisfy({ $0 == from * 10 + world.rank }) else {
                    throw WrongMessage()
                }
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
