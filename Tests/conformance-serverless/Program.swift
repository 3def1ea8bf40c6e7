// The conformance suite over ServerlessMPI; started by `mpi-compare launch`, or alone.

import Conformance
import ServerlessMPI

@main enum Program {
    static func main() {
        withWorld { world in
            try runConformance(
                world,
                backend: BackendTraits(
                    name: "serverless", detectsMismatch: true, truncatesLongMessages: true),
                arguments: Array(CommandLine.arguments.dropFirst()))
        }
    }
}
