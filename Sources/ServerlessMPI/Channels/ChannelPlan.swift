// What a user says about channels: which there are, and by which rule an operation takes one of
// them. One word in the join URL, and the same on all ranks.

import MessagePassing

/// `fastest:direct,relayed,redis,s3`, `cheapest:direct,s3`, or `sizes:direct@0,redis@1024,s3@1048576`
///
/// - `fastest`, `cheapest`: as the cost model says (`CostPolicy`), with its default costs or
///   those that `SERVERLESS_MPI_COST_MODEL` names.
/// - `sizes`: the channel with the largest number that the operation's bytes reach.
///
/// `direct` and `relayed` are the links between ranks, whichever of the two a pair of ranks has. A
/// pair whose kind is not listed has the stores alone for its payload; that the message is there,
/// and in which order, the links tell in any case, and they carry what is empty.
public struct ChannelPlan: Sendable, Equatable {
    public enum Rule: Sendable, Equatable {
        case model(CostPolicy)
        case sizes
    }

    public struct Entry: Sendable, Equatable {
        public var channel: Channel
        /// Rule `sizes`: from so many bytes.
        public var from: Int

        public init(_ channel: Channel, from: Int = 0) {
            self.channel = channel
            self.from = from
        }
    }

    public var rule: Rule
    /// Each channel once.
    public var entries: [Entry]

    public init(rule: Rule, entries: [Entry]) {
        self.rule = rule
        self.entries = entries
    }

    public var stores: [Channel] { entries.map(\.channel).filter(\.isStorage) }

    func allows(_ channel: Channel) -> Bool { entries.contains { $0.channel == channel } }

    /// Errors: `invalidArgument`, one line that says which part is wrong.
    public init(parsing text: String) throws(MPIError) {
        func wrong(_ reason: String) -> MPIError {
            .invalidArgument(
                "join",
                "channels \(printable(text)): \(reason); give fastest:direct,redis,s3 or "
                    + "sizes:direct@0,s3@1048576")
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw wrong("the rule or the list is missing") }
        if parts[0] == "sizes" {
            rule = .sizes
        } else if let policy = CostPolicy(rawValue: String(parts[0])) {
            rule = .model(policy)
        } else {
            throw wrong("the rule is fastest, cheapest or sizes")
        }
        entries = []
        for item in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
            let words = item.split(separator: "@", omittingEmptySubsequences: false)
            guard let channel = Channel(rawValue: String(words[0])) else {
                throw wrong(
                    "the channels are "
                        + Channel.allCases.map(\.rawValue).joined(separator: ", "))
            }
            if allows(channel) { throw wrong("\(channel) is there twice") }
            guard words.count == (rule == .sizes ? 2 : 1) else {
                throw wrong("rule sizes, and it alone, wants CHANNEL@BYTES")
            }
            var from = 0
            if rule == .sizes {
                guard let number = Int(words[1]), number >= 0 else {
                    throw wrong("\(channel)@ wants a number of bytes")
                }
                from = number
            }
            entries.append(Entry(channel, from: from))
        }
    }
}

extension ChannelPlan: CustomStringConvertible {
    public var description: String {
        switch rule {
        case .model(let policy):
            "\(policy.rawValue):" + entries.map(\.channel.rawValue).joined(separator: ",")
        case .sizes:
            "sizes:" + entries.map { "\($0.channel)@\($0.from)" }.joined(separator: ",")
        }
    }
}
