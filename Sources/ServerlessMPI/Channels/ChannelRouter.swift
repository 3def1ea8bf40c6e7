// Which channel an operation takes: a function of what all its ranks know, so that none asks
// another. Sizes count by powers of two, so that the model is asked once per power and not per call.

import MessagePassing
import Synchronization

/// The choices among ranks of one communicator.
final class ChannelRouter: Sendable {
    /// Beyond, sizes are taken as this one.
    private static let classCount = 44

    let plan: ChannelPlan
    private let costs: MeasuredCosts
    private let size: Int
    private let tables = Mutex<[Question: [Channel]]>([:])

    private struct Question: Hashable {
        let operation: MessageOperation
        let link: Channel
    }

    init(_ plan: ChannelPlan, size: Int, costs: MeasuredCosts = MeasuredCosts()) {
        self.plan = plan
        self.size = size
        self.costs = costs
    }

    /// - Parameter link: what the ranks concerned have between them, `direct` or `relayed`.
    func route(_ operation: MessageOperation, byteCount: Int, link: Channel) -> Channel {
        // Nothing to store.
        if byteCount == 0 || size == 1 { return link }
        guard case .model(let policy) = plan.rule else {
            return bySize(byteCount, link: link)
        }
        let sizeClass = min(Int.bitWidth - 1 - byteCount.leadingZeroBitCount, Self.classCount - 1)
        let question = Question(operation: operation, link: link)
        return tables.withLock { tables in
            if let table = tables[question] { return table[sizeClass] }
            let model = model(link: link)
            let table = (0..<Self.classCount).map { power in
                model.choose(operation, byteCount: 1 << power, policy: policy) ?? link
            }
            tables[question] = table
            return table[sizeClass]
        }
    }

    private func bySize(_ byteCount: Int, link: Channel) -> Channel {
        var best: ChannelPlan.Entry?
        for entry in plan.entries
        where (entry.channel.isStorage || entry.channel == link) && entry.from <= byteCount {
            if best.map({ $0.from < entry.from }) ?? true { best = entry }
        }
        return best?.channel ?? link
    }

    private func model(link: Channel) -> CostModel {
        var model = CostModel(
            size: size,
            channels: costs.channels.filter {
                ($0.channel.isStorage || $0.channel == link) && plan.allows($0.channel)
            })
        if let combined = costs.combinedBytesPerSecond { model.combinedBytesPerSecond = combined }
        return model
    }

    /// Why, for people: the choice, then the rule or the model's figures.
    func explain(_ operation: MessageOperation, byteCount: Int, link: Channel) -> [String] {
        let chosen = route(operation, byteCount: byteCount, link: link)
        var lines = ["\(operation) of \(byteCount) B takes \(chosen)"]
        switch plan.rule {
        case _ where byteCount == 0:
            lines.append("  as it has no payload that a store could hold")
        case .sizes:
            lines.append("  as \(plan) says, between ranks with a \(link) link")
        case .model(let policy):
            lines += model(link: link).explain(operation, byteCount: byteCount, policy: policy)
            if byteCount.nonzeroBitCount > 1 {
                lines.append("  (chosen by the figures of the power of two below)")
            }
        }
        return lines
    }
}
