// What messages cost on links, for decisions above them.

import MessagePassing

extension ServerlessCommunicator {
    /// Of ranks on one host those of its loopback interface, else those of a connection between
    /// functions. The same on all ranks.
    public var channelCosts: ChannelCosts { engine.channelCosts }
}

extension Engine {
    var channelCosts: ChannelCosts { isOnOneHost ? .loopback : .default(.direct) }

    /// The model knows no price of a link: where these are made when needed, few messages count, as
    /// on one host.
    var algorithmChoice: AlgorithmChoice {
        isOnOneHost || makesLinksWhenNeeded ? .measuredOnOneHost() : .modelled(channelCosts)
    }
}

extension MultichannelCommunicator {
    public var algorithmChoice: AlgorithmChoice { direct.algorithmChoice }

    /// Those of its links, as `SERVERLESS_MPI_COST_MODEL` has them if it is set.
    public var channelCosts: ChannelCosts {
        job.costs.channels.first { $0.channel == slowestLink } ?? .default(slowestLink)
    }
}

extension ChannelCosts {
    /// `mpi-compare tune` measures 7 µs and 5 GB/s; both ends' processors are busy with it.
    fileprivate static let loopback = ChannelCosts(
        channel: .direct, latencySeconds: 8e-6, bytesPerSecond: 2e9,
        origin: "default for one host")
}
