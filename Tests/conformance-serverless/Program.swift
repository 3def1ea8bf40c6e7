// The conformance suite over ServerlessMPI; started by `mpi-compare launch`, or alone.

import Conformance
import Glibc
import ServerlessMPI

@main enum Program {
    static func main() {
        let url = getenv(JoinConfiguration.Variable.url).map { String(cString: $0) } ?? ""
        let isS3 = url.hasPrefix("s3://")
        withWorld { world in
            try runConformance(
                world,
                backend: BackendTraits(
                    name: "serverless", detectsMismatch: true, truncatesLongMessages: true,
                    isSlow: isS3),
                arguments: Array(CommandLine.arguments.dropFirst()))
        }
    }
}
