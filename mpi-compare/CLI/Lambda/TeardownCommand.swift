// `mpi-compare lambda teardown`: removes the stack, what jobs left in its bucket, and the packages.
import AWSClient
import ArgumentParser
import Processes

struct TeardownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "teardown",
        abstract: "Remove the stack and everything deploy has made.",
        discussion: "Results that lie in the bucket go with it. Running it twice does no harm.")

    @OptionGroup var cloud: CloudOptions

    func run() throws {
        let cloud = try cloud.cloud()
        let deadline = ContinuousClock.now + cloud.wait
        do {
            if let stack = try cloud.formation.describe(cloud.stack) {
                // CloudFormation removes no bucket that holds anything.
                if let name = stack.outputs.first(where: { $0.name == "Bucket" })?.value {
                    try empty(cloud.bucket(name), deadline)
                }
                try cloud.formation.delete(cloud.stack)
                let left = try cloud.formation.settled(cloud.stack, deadline: deadline) {
                    print("stack \(cloud.stack): \($0)")
                }
                if let left {
                    let reasons = try cloud.formation.failures(cloud.stack).prefix(3)
                    throw LaunchError(
                        "stack \(cloud.stack) is \(left.status): "
                            + reasons.joined(separator: "; "))
                }
                print("stack \(cloud.stack) is gone")
            } else {
                print("there is no stack \(cloud.stack)")
            }
            let artifacts = cloud.bucket(cloud.artifactBucket)
            if try empty(artifacts, deadline) {
                try artifacts.deleteBucket(deadline: deadline)
                print("bucket \(artifacts.bucket) is gone")
            }
        } catch let error as AWSError {
            throw LaunchError("\(error)")
        }
    }

    /// False if there is no such bucket.
    @discardableResult
    private func empty(
        _ bucket: S3Client, _ deadline: ContinuousClock.Instant
    ) throws(AWSError) -> Bool {
        let keys: [String]
        do throws(AWSError) {
            keys = try bucket.list("", deadline: deadline).keys
        } catch {
            if error.status == 404 { return false }
            throw error
        }
        for key in keys { try bucket.delete(key, deadline: deadline) }
        return true
    }
}
