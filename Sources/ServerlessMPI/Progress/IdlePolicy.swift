// What a thread does that waits for a message: look again at once, let others run, or sleep. A
// wake-up from sleep costs about 14 µs across CPUs; spinning while more ranks than CPUs want to
// run costs them milliseconds. So: spin with sched_yield for a while, then sleep.

import Glibc

/// How long to spin, by how crowded the host is.
struct IdlePolicy {
    /// Fruitless looks in a row without giving the processor away: a reply to a small message is
    /// back within this many.
    let eagerSpins: Int
    /// Fruitless looks, the later ones each followed by sched_yield, before a thread sleeps.
    let spins: Int

    init(ranksOnHost: Int) {
        let processors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let isCrowded = ranksOnHost > processors
        eagerSpins = isCrowded ? 0 : 20
        spins = isCrowded ? 200 : 4000
    }
}
