// Reductions: the area under 4 / (1 + x²), every rank a share of the strips.
import MessagePassing

#if SERVERLESS
    import ServerlessMPI
#elseif THREADS
    import ThreadMPI
#else
    import SwiftMPI
#endif

@main struct Pi {
    static func main() {
        withWorld { world in
            let strips = 1_000_000
            let width = 1 / Double(strips)
            var area = 0.0
            for strip in stride(from: world.rank, to: strips, by: world.size) {
                let x = (Double(strip) + 0.5) * width
                area += 4 / (1 + x * x) * width
            }
            let pi = try world.allreduce(area, .sum)
            if world.rank == 0 {
                let digits = (pi * 1e9).rounded() / 1e9
                print("pi is about \(digits)")
            }
        }
    }
}
