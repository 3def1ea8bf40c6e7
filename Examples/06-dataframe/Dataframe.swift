// Dataframes: each rank makes its own rows, joins and groups work on all of them.
import Frames
import MessagePassing

#if SERVERLESS
    import ServerlessMPI
#elseif THREADS
    import ThreadMPI
#else
    import SwiftMPI
#endif

@main struct Dataframe {
    static func main() {
        withWorld { world in
            let first = Int64(world.rank * 4)
            let orders = Frame(
                [
                    "customer": Column((first..<first + 4).map { $0 % 5 }),
                    "cents": Column((first..<first + 4).map { 100 * $0 }),
                ], on: world)
            let isFirst = world.rank == 0
            let customers = Frame(
                [
                    "customer": Column(isFirst ? [0, 1, 2, 3] : []),
                    "name": Column(isFirst ? ["Ada", "Barbara", "Grace", "Hedy"] : []),
                ], on: world)

            let totals = try orders.join(customers, on: "customer")
                .groupBy("name").agg(len().as("orders"), col("cents").sum().as("cents"))
                .sort(by: "name")
            try totals.show()
        }
    }
}
