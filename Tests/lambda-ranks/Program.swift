// The function that the tests of answers run: every rank returns a string of as many bytes as the
// event asks for.
import LambdaMPI
import MessagePassing

@main
enum Program {
    static func main() {
        withLambdaWorld { world, event in
            let byteCount = event.arguments.first.flatMap { Int($0) } ?? 0
            try world.barrier()
            return .string(String(repeating: "\(world.rank)", count: byteCount))
        }
    }
}
