// The conformance suite over ThreadMPI; THREADMPI_RANKS says how many ranks.

import Conformance
import ThreadMPI

@main enum Program {
    static func main() {
        withWorld { world in
            try runConformance(
                world,
                backend: BackendTraits(
                    name: "threads", detectsMismatch: true, truncatesLongMessages: true),
                arguments: Array(CommandLine.arguments.dropFirst()))
        }
    }
}
