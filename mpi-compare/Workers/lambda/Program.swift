// The worker of `mpi-compare run` as an AWS Lambda function: this program is the `bootstrap` of the
// package, and runs one job per invocation. Outside of Lambda it is a rank like any other.
import CompactJSON
import LambdaMPI
import Records
import Workloads

@main
enum Program {
    static func main() {
        withLambdaWorld { world, event in
            let messages = try runWorkload(event.arguments, since: event.received, on: world)
            return .array(messages.map(\.json))
        }
    }
}
