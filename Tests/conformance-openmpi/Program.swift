// The conformance suite over the real Open MPI: the oracle. Started by mpirun, or alone.

import Conformance
import SwiftMPI

@main enum Program {
    static func main() {
        withWorld { world in
            if CommandLine.arguments.dropFirst() == ["thread-level"] {
                if world.rank == 0 { print("granted: \(MPICommunicator.threadLevel)") }
                return
            }
            try runConformance(
                world,
                backend: BackendTraits(
                    name: "openmpi", detectsMismatch: false, truncatesLongMessages: false),
                arguments: Array(CommandLine.arguments.dropFirst()))
        }
    }
}
