// The conformance suite over the real Open MPI: the oracle. Started by mpirun, or alone.

import Conformance
import SwiftMPI

@main enum Program {
    static func main() {
        withWorld { world in
            try runConformance(
                world,
                backend: BackendTraits(
                    name: "openmpi", detectsMismatch: false, truncatesLongMessages: false),
                arguments: Array(CommandLine.arguments.dropFirst()))
        }
    }
}
