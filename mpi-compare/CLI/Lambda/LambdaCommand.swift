// `mpi-compare lambda`: programs as AWS Lambda functions.
import ArgumentParser

struct LambdaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lambda",
        abstract: "Programs as AWS Lambda functions.",
        subcommands: [DeployCommand.self, TeardownCommand.self])
}
