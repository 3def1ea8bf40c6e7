// ServerlessMPI on this machine: a rendezvous server inside the launcher, and one process per rank
// that joins through it.
@preconcurrency import Glibc
import ServerlessMPI

func runServerlessJob(
    _ executable: String, _ request: LaunchRequest, _ output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    throw LaunchError("not yet")
}
