// What ends the ranks when the launcher itself is killed by SIGKILL and cannot do it any more.
//
// A shell in a session of its own reads the ranks' process groups from a pipe whose other end only
// the launcher holds. A launcher that ends in order says `done`; one that is killed just closes the
// pipe, and then the shell ends every group. It works for any program, needs no cooperation of the
// ranks, and the shell sleeps in `read` meanwhile.
@preconcurrency import Glibc
import Processes

struct Watchdog {
    private let shell: SleepingShell

    /// KILL follows TERM when the groups are gone, or after five seconds: mpirun needs more than
    /// one to end its ranks and remove its files, which it does only while somebody takes its
    /// output; the launcher no longer does.
    private static let script = """
        trap '' INT TERM HUP
        groups= starters= readers=
        while read -r group kind; do
            case $group in done) exit 0 ;; esac
            groups="$groups -$group"
            case $kind in starter) starters="$starters $group" ;; esac
        done
        [ -n "$groups" ] || exit 0
        for starter in $starters; do
            for stream in 1 2; do
                cat /proc/$starter/fd/$stream &
                readers="$readers $!"
            done
        done
        kill -s TERM -- $groups; kill -s CONT -- $groups
        left() { for group in $groups; do kill -s 0 -- $group && return; done; return 1; }
        tries=0
        while left && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
        kill -s KILL -- $groups $readers
        """

    init() throws(LaunchError) { shell = try SleepingShell(Watchdog.script) }

    /// To be ended when the launcher dies.
    /// - Parameter isStarter: does it start the ranks itself, as mpirun does?
    func watch(_ group: pid_t, isStarter: Bool) {
        shell.write("\(group)\(isStarter ? " starter" : "")")
    }

    /// The job is over and everything it started is gone.
    func dismiss() { shell.finish() }
}
