// The conformance suite over ServerlessMPI; started by `mpi-compare launch`, or alone.

import Conformance
import Glibc
import MessagePassing
import ServerlessMPI

@main enum Program {
    static func main() {
        let url = getenv(JoinConfiguration.Variable.url).map { String(cString: $0) } ?? ""
        let isS3 = url.hasPrefix("s3://") || url.contains("s3@")
        let isStore = url.hasPrefix("s3://") || url.hasPrefix("redis")
        withWorld { world in
            try runConformance(
                world,
                backend: BackendTraits(
                    name: "serverless", detectsMismatch: true, truncatesLongMessages: true,
                    isSlow: isS3, hasSynchronousSends: !isStore),
                arguments: Array(CommandLine.arguments.dropFirst()))
            if let world = world as? MultichannelCommunicator { try report(world) }
        }
    }

    /// What all ranks sent over each channel, for the test to see that each was taken.
    private static func report(_ world: MultichannelCommunicator) throws {
        for channel in Channel.allCases {
            let traffic = world.channelTraffic(over: channel)
            let messages = try world.reduce(traffic.messages, .sum, root: 0)
            let collectives = try world.reduce(traffic.collectives, .sum, root: 0)
            guard let messages, let collectives else { continue }
            print("channel \(channel): \(messages) messages, \(collectives) collectives")
        }
    }
}
