// Messages between threads are copies: microseconds, at the speed of memory.

import MessagePassing

extension ThreadCommunicator {
    var isOnOneHost: Bool { true }

    var channelCosts: ChannelCosts {
        ChannelCosts(
            channel: .direct, latencySeconds: 2e-6, bytesPerSecond: 4e9,
            origin: "threads of one process (docs/BENCHMARKS.md)")
    }
}
