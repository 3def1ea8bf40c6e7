// A shell in a session of its own that sleeps on a pipe of which only this process holds the other
// end. Whatever becomes of this process, SIGKILL included, the pipe closes and the shell goes on with
// its script: the one way to clean up that cannot be prevented.
@preconcurrency import Glibc

public struct SleepingShell: Sendable {
    private let process: pid_t
    private let pipe: Int32

    /// - Parameters:
    ///   - script: reads lines from its standard input, which ends when this process does.
    ///   - arguments: `$1` and on.
    public init(_ script: String, _ arguments: [String] = []) throws(LaunchError) {
        let ends = try makePipe()
        _ = fcntl(ends.read, F_SETFL, 0)
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer {
            close(ends.read)
            close(null)
        }
        do throws(LaunchError) {
            process = try spawn(
                "/bin/sh", ["-c", script, "sh"] + arguments, [:], input: ends.read, output: null,
                error: null)
        } catch {
            close(ends.write)
            throw error
        }
        pipe = ends.write
    }

    public func write(_ line: String) {
        _ = (line + "\n").withCString { Glibc.write(pipe, $0, strlen($0)) }
    }

    /// Says `done`, and waits until the shell has ended.
    public func finish() {
        write("done")
        close(pipe)
        var status: Int32 = 0
        while waitpid(process, &status, 0) == -1 && errno == EINTR {}
    }
}
