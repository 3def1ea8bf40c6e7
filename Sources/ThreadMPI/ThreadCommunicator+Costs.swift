// Messages between threads are copies: microseconds, at the speed of memory.

import MessagePassing

extension ThreadCommunicator {
    /// Copies are all that messages between threads cost, beside the switch to another thread.
    var algorithmChoice: AlgorithmChoice { .measuredOnOneHost(copiedBytes: 4 << 10) }

    var channelCosts: ChannelCosts {
        ChannelCosts(
            channel: .direct, latencySeconds: 2e-6, bytesPerSecond: 4e9,
            origin: "threads of one process (docs/BENCHMARKS.md)")
    }
}
