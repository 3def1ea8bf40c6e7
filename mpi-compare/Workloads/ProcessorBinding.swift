// Where ranks run while they are measured.
import CLinux
import Glibc

/// Keeps the calling thread on processor `rank` modulo their number, in every environment alike: a
/// rank that moves leaves its caches behind, and two that meet on one processor wait for each other.
///
/// Local. Best effort: a container may forbid it, and then the figures are those of free ranks.
func bindToProcessor(ofRank rank: Int) {
    var set = cpu_set_t()
    let processor = rank % max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    withUnsafeMutableBytes(of: &set) { bytes in
        bytes[processor / 8] |= 1 << UInt8(processor % 8)
    }
    _ = sched_setaffinity(0, UInt(MemoryLayout<cpu_set_t>.size), &set)
}
