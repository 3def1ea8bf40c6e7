// What a communicator's messages cost where its transport does not say: AWS's figures, as everywhere
// in the cost model.

extension Communicator {
    /// Those of a direct connection between functions.
    public var channelCosts: ChannelCosts { .default(.direct) }
}

extension StoreBacked {
    /// A message is a request and has its price: few of them count, as on one host.
    public var algorithmChoice: AlgorithmChoice { .measuredOnOneHost() }

    /// Those of a Redis server.
    public var channelCosts: ChannelCosts { .default(.redis) }
}

extension ChannelCosts {
    /// AWS's figures of a channel.
    package static func `default`(_ channel: Channel) -> ChannelCosts {
        aws.first { $0.channel == channel } ?? aws[0]
    }
}
