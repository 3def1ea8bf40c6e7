// Nonblocking calls: exchange the edges of a rod with the neighbours while its inside is computed.
// `edge` cannot be read before `wait()`: the compiler refuses.
import MessagePassing

#if SERVERLESS
    import ServerlessMPI
#elseif THREADS
    import ThreadMPI
#else
    import SwiftMPI
#endif

@main struct Overlap {
    static func main() {
        withWorld { world in
            // Beyond the ends there is nobody: `.none` receives nothing and keeps the 0 there.
            let left = world.rank == 0 ? Source.none : .rank(world.rank - 1)
            let right =
                world.rank == world.size - 1
                ? Destination.none : .rank(world.rank + 1)
            let rod = [Double](repeating: Double(world.rank + 1), count: 1000)

            var edge = [0.0]
            let last = [rod[999]]
            let incoming = try world.irecv(into: edge.mutableSpan, from: left)
            let outgoing = try world.isend(last.span, to: right)
            let inside = rod.reduce(0, +)  // while the messages travel
            try incoming.wait()
            try outgoing.wait()

            let edges = try world.allreduce(edge[0], .sum)
            let total = try world.allreduce(inside, .sum)
            if world.rank == 0 { print("rods sum to \(total), edges to \(edges)") }
        }
    }
}
