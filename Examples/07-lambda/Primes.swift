// A program that is an AWS Lambda function: every invocation names the ranks to be, the function's
// answer is what they return. Package and run it on this machine:
//
//   mpi-compare launch -n 4 --environment lambda-local -- .build/release/07-lambda 100000
//
// or make the zip to deploy: mpi-compare lambda package --executable .build/release/07-lambda
import MessagePassing

#if SERVERLESS
    import LambdaMPI
#elseif THREADS
    import ThreadMPI
#else
    import SwiftMPI
#endif

/// Primes below a limit, each rank trying every size-th number.
func countPrimes(below limit: Int, on world: any Communicator) throws -> Int {
    var count = 0
    for number in stride(from: 2 + world.rank, to: limit, by: world.size) {
        var divisor = 2
        while divisor * divisor <= number && number % divisor != 0 { divisor += 1 }
        if divisor * divisor > number { count += 1 }
    }
    return try world.allreduce(count, .sum)
}

@main struct Primes {
    static func main() {
        #if SERVERLESS
            withLambdaWorld { world, event in
                let limit = event.arguments.first.flatMap { Int($0) } ?? 10_000
                let count = try countPrimes(below: limit, on: world)
                return world.rank == 0 ? .string("\(count) primes below \(limit)") : .null
            }
        #else
            // The other transports know no events.
            withWorld { world in
                let limit = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 10_000
                let count = try countPrimes(below: limit, on: world)
                if world.rank == 0 { print("\"\(count) primes below \(limit)\"") }
            }
        #endif
    }
}
