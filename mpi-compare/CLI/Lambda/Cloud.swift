// The account and region that deploy and teardown work in, as AWS's own tools find them.
import AWSClient
import ArgumentParser
@preconcurrency import Glibc
import Processes

/// Options of every command that talks to AWS.
struct CloudOptions: ParsableArguments {
    @Option(help: "Name of the stack.")
    var stack = "swift-mpi"

    @Option(help: "AWS region; AWS_REGION or AWS_DEFAULT_REGION if not given.")
    var region: String?

    @Option(
        help: "URL of a server that answers instead of AWS; AWS_ENDPOINT_URL if not given.")
    var endpoint: String?

    @Option(help: "Seconds to wait for the stack.")
    var wait = 900.0

    func cloud() throws -> Cloud {
        let isName = stack.utf8.enumerated().allSatisfy { index, byte in
            (0x61...0x7A).contains(byte)
                || index > 0 && ((0x30...0x39).contains(byte) || byte == 0x2D)
        }
        guard isName, (1...32).contains(stack.utf8.count) else {
            throw LaunchError(
                "--stack \(stack): 1 to 32 lower-case letters, digits and -, beginning with a letter"
            )
        }
        guard wait > 0, wait <= 86_400 else { throw LaunchError("--wait \(wait): give seconds") }
        let variable: (String) -> String? = { name in
            if name == "AWS_ENDPOINT_URL", let endpoint { return endpoint }
            return environmentVariable(name)
        }
        guard
            let region = region ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION"),
            !region.isEmpty
        else { throw LaunchError("no region: give --region, or set AWS_REGION") }
        do {
            return try Cloud(
                stack: stack, region: region, wait: .seconds(wait),
                credentials: Credentials.from(variable), variable)
        } catch {
            throw LaunchError("\(error)")
        }
    }
}

struct Cloud {
    let stack: String
    let region: String
    let wait: Duration
    let formation: CloudFormationClient
    private let credentials: Credentials
    private let s3Endpoint: Endpoint?

    init(
        stack: String, region: String, wait: Duration, credentials: Credentials,
        _ variable: (String) -> String?
    ) throws(AWSError) {
        self.stack = stack
        self.region = region
        self.wait = wait
        self.credentials = credentials
        formation = CloudFormationClient(
            region: region,
            endpoint: try Endpoint.of(service: "cloudformation", region: region, variable),
            credentials: credentials)
        let isGiven = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].contains {
            variable($0)?.isEmpty == false
        }
        s3Endpoint =
            isGiven ? try Endpoint.of(service: "s3", region: region, variable) : nil
    }

    func bucket(_ name: String) -> S3Client {
        S3Client(bucket: name, region: region, endpoint: s3Endpoint, credentials: credentials)
    }

    /// Packages wait here for the stack: bucket names are the world's, so the account's key id makes
    /// this one its own.
    var artifactBucket: String {
        "\(stack)-packages-\(region)-\(credentials.accessKeyID.lowercased().suffix(12))"
            .filter { $0.isLetter || $0.isNumber || $0 == "-" }
    }
}

/// A file's bytes, mapped rather than read.
func withFile<Result>(
    _ path: String, _ option: String, byteCountMax: Int,
    _ body: (UnsafeRawBufferPointer) throws -> Result
) throws -> Result {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        throw LaunchError("--\(option) \(path): \(lastSystemError())")
    }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0, information.st_size > 0,
        information.st_size <= byteCountMax
    else {
        throw LaunchError("--\(option) \(path): it must have 1 to \(byteCountMax) bytes")
    }
    let size = Int(information.st_size)
    guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
        memory != MAP_FAILED
    else { throw LaunchError("--\(option) \(path): \(lastSystemError())") }
    defer { munmap(memory, size) }
    return try body(UnsafeRawBufferPointer(start: memory, count: size))
}
