// Point-to-point: a token goes once around the ring and every rank adds its number.
import MessagePassing

#if SERVERLESS
    import ServerlessMPI
#elseif THREADS
    import ThreadMPI
#else
    import SwiftMPI
#endif

extension Tag {
    static let token: Tag = 7
}

@main struct Ring {
    static func main() {
        withWorld { world in
            let next = Destination.rank((world.rank + 1) % world.size)
            let previous = Source.rank((world.rank + world.size - 1) % world.size)
            if world.rank == 0 {
                try world.send(0, to: next, tag: .token)
                let sum = try world.recv(Int.self, from: previous, tag: .token)[0]
                let expected = world.size * (world.size - 1) / 2
                print("the token came back with \(sum), expected \(expected)")
            } else {
                let token = try world.recv(Int.self, from: previous, tag: .token)[0]
                try world.send(token + world.rank, to: next, tag: .token)
            }
        }
    }
}
