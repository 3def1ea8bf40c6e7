// The limit on open descriptors. Every connection takes one, and the soft limit of most systems
// (1024) is far below the hard one.

import Glibc

/// How many descriptors this process may have open.
public enum DescriptorLimit {
    /// Of this process, and how far it may raise it.
    public static var current: (soft: Int, hard: Int) {
        var limit = rlimit()
        _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return (Int(clamping: limit.rlim_cur), Int(clamping: limit.rlim_max))
    }

    /// Raises this process's soft limit to the hard one; a system that refuses leaves it as it is.
    public static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
            limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
