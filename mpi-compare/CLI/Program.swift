// The command line: `mpi-compare launch` starts any program in any environment, `mpi-compare run`
// compares environments, `lab`, `nat-grid` and `mesh` do so behind NATs, `probe` looks at the
// network, `lambda` is about functions. Every error is one line that says what to do.
import ArgumentParser
@preconcurrency import Glibc
import Launchers
import Processes
import Workloads

struct MPICompare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mpi-compare",
        abstract: "One program on Open MPI, threads and serverless TCP, side by side.",
        subcommands: [
            RunCommand.self, LaunchCommand.self, LabCommand.self, NATGridCommand.self,
            MeshCommand.self, ProbeCommand.self, BenchCommand.self, TuneCommand.self,
            ExplainCommand.self, LambdaCommand.self,
        ])
}

@main
enum Program {
    static func main() {
        do {
            var command = try MPICompare.parseAsRoot()
            try command.run()
        } catch let error as LaunchError {
            fail(error.description)
        } catch let error as UsageError {
            fail(error.description)
        } catch {
            if MPICompare.exitCode(for: error) == .validationFailure {
                let message = MPICompare.message(for: error).split(separator: "\n").first ?? ""
                fail("\(message) (see mpi-compare --help)")
            }
            // Help and exit codes.
            MPICompare.exit(withError: error)
        }
    }

    private static func fail(_ message: String) -> Never {
        writeLine("mpi-compare: \(message)", to: .standardError)
        Glibc.exit(2)
    }
}

/// Whole lines at once, so that they do not mix with those of other processes on the terminal.
func writeLine(_ line: String, to stream: OutputStream) {
    write(Array((line + "\n").utf8), to: stream)
}

func write(_ bytes: [UInt8], to stream: OutputStream) {
    _ = writeAll(bytes, to: stream.rawValue)
}

/// False, with errno set, if not everything could be written.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0 && errno != EINTR { return false }
        rest = rest.dropFirst(max(0, count))
    }
    return true
}

func isTerminal(_ stream: OutputStream) -> Bool { isatty(stream.rawValue) == 1 }
