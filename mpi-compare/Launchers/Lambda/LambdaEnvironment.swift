// `mpi-compare launch --environment lambda-local|lambda`: any program that imports LambdaMPI, on
// functions.
@preconcurrency import Glibc
import LambdaEmulator
import Processes

/// Packages the program, unless there is a package, and runs one job of it; what every rank returns
/// is printed as a line of JSON, and the ends of the functions' logs go to standard error.
func runLambdaJob(
    _ executable: String, _ request: LaunchRequest, _ output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    let session: LambdaSession
    var temporary: String?
    defer { if let temporary { unlink(temporary) } }
    if request.environment == .lambda {
        session = try LambdaSession(onAWS: request.lambda, isEncrypted: request.isEncrypted)
    } else {
        let package: String
        if let given = request.lambda.package {
            package = given
        } else {
            package = try temporaryPackage(of: executable)
            temporary = package
        }
        session = try LambdaSession(
            emulating: package, ranks: request.ranks, request.lambda,
            isEncrypted: request.isEncrypted)
    }
    defer { session.stop() }
    var job = LambdaJob(ranks: request.ranks, arguments: request.arguments)
    job.timeout = request.job.timeout
    return withoutActuallyEscaping(output) { output in
        do throws(LambdaFailure) {
            let run = try session.run(job, log: output)
            for rank in run.ranks where rank.value != .null {
                output(
                    OutputLine(
                        rank: rank.rank, stream: .standardOutput, text: rank.value.description))
            }
            return .success
        } catch {
            for line in error.details {
                output(OutputLine(rank: nil, stream: .standardError, text: line))
            }
            return .failed(exitCode: 1, rank: nil)
        }
    }
}

/// A package of a program for as long as this process needs it; the caller removes it.
public func temporaryPackage(
    of executable: String, including included: [String] = []
) throws(LaunchError) -> String {
    var template = Array("/tmp/smpi-package-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
        throw LaunchError("cannot make a folder in /tmp: \(lastSystemError())")
    }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    rmdir(folder)
    var package = LambdaPackage(executable: executable)
    package.included = included
    _ = try package.write(to: "\(folder).zip")
    return "\(folder).zip"
}
