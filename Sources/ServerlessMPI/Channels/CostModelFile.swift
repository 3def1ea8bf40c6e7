// The cost model of a place as a file: what `mpi-compare tune` has measured there, for `mpi-compare
// explain` and for jobs over several channels to use.

import CompactJSON
import MessagePassing

/// Channels as measured somewhere, and how fast ranks combine there.
public struct CostModelFile: Sendable, Equatable {
    public var channels: [ChannelCosts]
    public var combinedBytesPerSecond: Double

    public init(channels: [ChannelCosts], combinedBytesPerSecond: Double) {
        self.channels = channels
        self.combinedBytesPerSecond = combinedBytesPerSecond
    }

    public var json: JSONValue {
        .object([
            JSONField("record", .string("cost-model")),
            JSONField("combined_bytes_per_second", .number(combinedBytesPerSecond)),
            JSONField(
                "channels",
                .array(
                    channels.map { costs in
                        .object([
                            JSONField("channel", .string(costs.channel.rawValue)),
                            JSONField("latency_seconds", .number(costs.latencySeconds)),
                            JSONField("overhead_seconds", .number(costs.overheadSeconds)),
                            JSONField("bytes_per_second", .number(costs.bytesPerSecond)),
                            JSONField("origin", .string(costs.origin)),
                        ])
                    })),
        ])
    }

    /// What a file says; nil if it is no model, or has a figure that cannot be.
    public init?(parsing text: String) {
        guard let json = JSONValue(parsing: text), json["record"] == .string("cost-model"),
            let combined = json["combined_bytes_per_second"]?.number, combined > 0,
            let entries = json["channels"]?.array, !entries.isEmpty
        else { return nil }
        combinedBytesPerSecond = combined
        channels = []
        for entry in entries {
            guard let name = entry["channel"]?.string, let channel = Channel(rawValue: name),
                var costs = ChannelCosts.aws.first(where: { $0.channel == channel }),
                let latency = entry["latency_seconds"]?.number, latency >= 0,
                let bandwidth = entry["bytes_per_second"]?.number, bandwidth > 0,
                let origin = entry["origin"]?.string,
                !channels.contains(where: { $0.channel == channel })
            else { return nil }
            if let overhead = entry["overhead_seconds"] {
                guard let seconds = overhead.number, seconds >= 0 else { return nil }
                costs.overheadSeconds = seconds
            }
            costs.latencySeconds = latency
            costs.bytesPerSecond = bandwidth
            costs.sharedBytesPerSecond = .infinity
            costs.origin = origin
            channels.append(costs)
        }
    }
}
