// `mpi-compare lambda`: programs as AWS Lambda functions.
import ArgumentParser

struct LambdaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lambda",
        abstract: "Programs as AWS Lambda functions: package, try here, deploy.",
        subcommands: [
            PackageCommand.self, EmulateCommand.self, DeployCommand.self, TeardownCommand.self,
        ])
}
