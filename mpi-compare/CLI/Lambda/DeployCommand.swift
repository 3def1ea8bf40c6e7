// `mpi-compare lambda deploy`: uploads the packages, makes the stack of deploy/lambda, and says where
// everything is.
import AWSClient
import ArgumentParser
import Processes

struct DeployCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Create or update the stack: function, rendezvous host, bucket.",
        discussion: """
            Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. \
            It costs money from then on: see deploy/lambda/README.md. Example:

              mpi-compare lambda deploy --package worker.zip --rendezvous-package rendezvous.zip
            """)

    @OptionGroup var cloud: CloudOptions

    @Option(help: "The function's zip, from mpi-compare lambda package.")
    var package: String

    @Option(help: "The rendezvous server's zip; without it no host is made and you run your own.")
    var rendezvousPackage: String?

    @Option(help: "The template.")
    var template = "deploy/lambda/template.yaml"

    @Option(help: "Memory of the function in MB.")
    var memory = 1769

    @Option(help: "The most ranks at once.")
    var concurrency = 64

    @Option(name: .customLong("function-timeout"), help: "Seconds an invocation may take.")
    var functionTimeout = 900

    @Option(help: "Who may reach the rendezvous host, as an IPv4 network.")
    var clients = "0.0.0.0/0"

    @Option(
        help:
            "The rendezvous host's image: a public or own SSM parameter; Amazon Linux if not given."
    )
    var hostImage: String?

    /// What Lambda takes from S3.
    private static let packageByteCountMax = 250 << 20
    /// What CloudFormation takes in a request.
    private static let templateByteCountMax = 51_200

    func run() throws {
        for (name, value, range) in [
            ("memory", memory, 128...10_240), ("concurrency", concurrency, 1...1000),
            ("function-timeout", functionTimeout, 1...900),
        ] where !range.contains(value) {
            throw LaunchError(
                "--\(name) \(value): give \(range.lowerBound) to \(range.upperBound)")
        }
        let cloud = try cloud.cloud()
        let text = try withFile(
            template, "template", byteCountMax: Self.templateByteCountMax
        ) { String(decoding: $0, as: UTF8.self) }
        do {
            let artifacts = cloud.bucket(cloud.artifactBucket)
            let deadline = ContinuousClock.now + cloud.wait
            try artifacts.createBucket(deadline: deadline)
            let functionKey = try upload(package, "package", to: artifacts, deadline)
            let rendezvousKey = try rendezvousPackage.map {
                try upload($0, "rendezvous-package", to: artifacts, deadline)
            }
            let isChanged = try cloud.formation.deploy(
                cloud.stack, template: text,
                parameters: [
                    ("ArtifactBucket", artifacts.bucket), ("FunctionKey", functionKey),
                    ("RendezvousKey", rendezvousKey ?? ""), ("MemoryMB", "\(memory)"),
                    ("ReservedConcurrency", "\(concurrency)"),
                    ("TimeoutSeconds", "\(functionTimeout)"), ("ClientNetwork", clients),
                ] + (hostImage.map { [("HostImage", $0)] } ?? []))
            if !isChanged { print("stack \(cloud.stack) is as it should be") }
            try finish(cloud, deadline)
        } catch let error as AWSError {
            throw LaunchError("\(error)")
        }
    }

    /// The key holds the content's digest: an unchanged package is no change of the stack, and a
    /// changed one always is.
    private func upload(
        _ path: String, _ option: String, to bucket: S3Client, _ deadline: ContinuousClock.Instant
    ) throws -> String {
        try withFile(path, option, byteCountMax: Self.packageByteCountMax) { bytes in
            let key = "\(option)-\(sha256Hex(bytes).prefix(16)).zip"
            print("upload \(path) to s3://\(bucket.bucket)/\(key)")
            try bucket.put(key, bytes, deadline: deadline)
            return key
        }
    }

    private func finish(_ cloud: Cloud, _ deadline: ContinuousClock.Instant) throws {
        let stack = try cloud.formation.settled(cloud.stack, deadline: deadline) {
            print("stack \(cloud.stack): \($0)")
        }
        guard let stack, stack.isGood else {
            let reasons = try cloud.formation.failures(cloud.stack).suffix(3)
            throw LaunchError(
                "stack \(cloud.stack) is \(stack?.status ?? "gone"): "
                    + (reasons.isEmpty ? "see its events" : reasons.joined(separator: "; "))
                    + "; mpi-compare lambda teardown removes it")
        }
        for output in stack.outputs { print("\(output.name) \(output.value)") }
    }
}
