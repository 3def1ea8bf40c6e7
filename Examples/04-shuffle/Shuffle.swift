// All-to-all: numbers find the rank that collects their remainder, a shuffle in three lines.
import MessagePassing

#if SERVERLESS
    import ServerlessMPI
#elseif THREADS
    import ThreadMPI
#else
    import SwiftMPI
#endif

@main struct Shuffle {
    static func main() {
        withWorld { world in
            let size = world.size
            let mine = (0..<1000).map { $0 * size + world.rank }
            // Sorted by destination, because parts go out in rank order.
            let sorted = mine.sorted { ($0 % 10 % size, $0) < ($1 % 10 % size, $1) }
            var counts = Array(repeating: 0, count: size)
            for number in sorted { counts[number % 10 % size] += 1 }

            let shuffled = try world.alltoallv(sorted.span, counts: counts)

            precondition(shuffled.elements.allSatisfy { $0 % 10 % size == world.rank })
            let total = try world.allreduce(shuffled.elements.count, .sum)
            if world.rank == 0 {
                print("\(total == 1000 * size ? "all" : "NOT all") numbers found their rank")
            }
        }
    }
}
