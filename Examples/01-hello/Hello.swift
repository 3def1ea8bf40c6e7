// The smallest program: who am I, how many are we?
import MessagePassing

#if SERVERLESS
    import ServerlessMPI
#elseif THREADS
    import ThreadMPI
#else
    import SwiftMPI
#endif

@main struct Hello {
    static func main() {
        withWorld { world in
            // Rank 0 prints for all, so that the lines come in order.
            let squares = try world.gather(world.rank * world.rank, root: 0)
            for (rank, square) in squares.enumerated() {
                print("hello from rank \(rank) of \(world.size), whose square is \(square)")
            }
        }
    }
}
