// What a message of unknown length may cost: its sender says how long it is, and an array that
// does not fit into the machine would end the process instead of the job.

import Glibc

/// Bytes of memory this machine has: no message received as a new array is longer.
@usableFromInline
let messageMemoryByteCount =
    max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
