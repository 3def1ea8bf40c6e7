// What ranks tell each other before they move the rows of a join, so that all take the same way.

import MessagePassing

/// Sizes and key ranges of both sides, summed up over ranks.
struct JoinFacts {
    private(set) var leftBytes = 0
    private(set) var rightBytes = 0
    private(set) var leftRows = 0
    private(set) var rightRows = 0
    /// Has some rank seen a key that may be heavy?
    private(set) var anySkewed = false
    /// What messages cost, as rank 0 has it.
    private var latencySeconds = 0.0
    private var bytesPerSecond = 0.0
    /// Can every rank take the radix join?
    private(set) var allCarried = true
    /// Per field of either side a bit, set if it may travel as an int32; the keys' bits are equal.
    private(set) var narrowFields = (left: ~UInt64(0), right: ~UInt64(0))
    private var leftRange = KeyRange()
    private var rightRange = KeyRange()
    /// Has every rank told the range of that side's keys?
    private var knowsRange = (left: true, right: true)

    /// Least and greatest key; the other way round if there is none.
    private struct KeyRange {
        var least = Int.max
        var greatest = Int.min
    }

    /// A right side of fewer rows is the one to build from; a left join has no choice.
    func buildsRight(_ kind: JoinKind) -> Bool { kind == .left || rightRows <= leftRows }

    /// Does it know the range of the keys to build from? A rank tells only that of its own smaller
    /// side at first, to spare a pass over the other's keys.
    func knowsBuildRange(_ kind: JoinKind) -> Bool {
        buildsRight(kind) ? knowsRange.right : knowsRange.left
    }

    /// Of the keys of the side to build from; nil if it has none.
    func buildRange(_ kind: JoinKind) -> ClosedRange<Int64>? {
        let range = buildsRight(kind) ? rightRange : leftRange
        return range.least <= range.greatest ? Int64(range.least)...Int64(range.greatest) : nil
    }

    /// What the ways to join cost, with latency and bandwidth as all ranks know them.
    func costs(_ kind: JoinKind, _ own: ChannelCosts, size: Int) -> JoinCosts {
        var costs = own
        costs.latencySeconds = latencySeconds
        costs.bytesPerSecond = bytesPerSecond
        costs.sharedBytesPerSecond = .infinity
        return JoinCosts(
            kind, leftBytes: leftBytes, rightBytes: rightBytes, size: size, costs: costs)
    }

    private enum Flag {
        static let carried = 1
        static let leftRange = 2
        static let rightRange = 4
        static let skewed = 8
    }

    /// What one rank contributes.
    /// - Parameter buildsRight: tells the range of that side's keys; if nil, of its smaller side's.
    static func own(
        _ left: Table, _ right: Table, _ kind: JoinKind,
        carried: (left: CarriedSide, right: CarriedSide)?, isSkewed: Bool,
        _ costs: ChannelCosts, buildsRight: Bool? = nil
    ) -> ExchangeHeader.Facts {
        func range(_ side: CarriedSide?) -> KeyRange {
            guard let side, let range = Kernels.keyRange([side.key]) else { return KeyRange() }
            let least = Int(range.minimum)
            return KeyRange(
                least: least, greatest: least &+ Int(bitPattern: UInt(range.width)))
        }
        let tellsRight = buildsRight ?? (kind == .left || right.rowCount <= left.rowCount)
        let tellsLeft = !tellsRight
        let leftRange = tellsLeft ? range(carried?.left) : KeyRange()
        let rightRange = tellsRight ? range(carried?.right) : KeyRange()
        let flags =
            (carried == nil ? 0 : Flag.carried)
            | (tellsLeft || left.rowCount == 0 ? Flag.leftRange : 0)
            | (tellsRight || right.rowCount == 0 ? Flag.rightRange : 0)
            | (isSkewed ? Flag.skewed : 0)
        return (
            left.byteCount, right.byteCount, left.rowCount, right.rowCount,
            flags, leftRange.least, leftRange.greatest, rightRange.least,
            rightRange.greatest, carried.map(narrowFields) ?? 0,
            Int(bitPattern: UInt(costs.latencySeconds.bitPattern)),
            Int(bitPattern: UInt(costs.bytesPerSecond.bitPattern))
        )
    }

    /// Both sides' bits in one number, the left ones lowest.
    private static func narrowFields(_ sides: (left: CarriedSide, right: CarriedSide)) -> Int {
        var (left, right) = (sides.left.narrowFields, sides.right.narrowFields)
        left &= right | ~1
        right &= left | ~1
        return Int(left | right << Self.rightShift)
    }

    private static let rightShift = UInt64(CarriedSide.fieldLimit)

    /// Can a rank have said that? Bounds every sum over ranks, and the tables made by it.
    private static func isPossible(_ facts: ExchangeHeader.Facts, mustCarry: Bool) -> Bool {
        let (leftBytes, rightBytes, leftRows, rightRows) = (facts.0, facts.1, facts.2, facts.3)
        let claims = 0...ExchangeLimits.claimLimit
        guard [leftBytes, rightBytes, leftRows, rightRows].allSatisfy(claims.contains) else {
            return false
        }
        let latency = Double(bitPattern: UInt64(UInt(bitPattern: facts.10)))
        let bandwidth = Double(bitPattern: UInt64(UInt(bitPattern: facts.11)))
        guard (0...1e6).contains(latency), bandwidth > 0 else { return false }
        if facts.4 & Flag.carried == 0 { return !mustCarry }
        return leftBytes + rightBytes <= ExchangeLimits.roundBytes
            && leftRows <= leftBytes / 8 && rightRows <= rightBytes / 8
    }

    /// All contributions together; the same on every rank.
    /// - Parameter mustCarry: whether ranks have agreed that all can take the radix join.
    init(_ headers: [ExchangeHeader], mustCarry: Bool = false) throws(MessageFault) {
        for (source, facts) in headers.map(\.facts).enumerated() {
            guard Self.isPossible(facts, mustCarry: mustCarry) else {
                throw MessageFault(source: source, reason: "sizes that no side of a join has")
            }
            leftBytes += facts.0
            rightBytes += facts.1
            leftRows += facts.2
            rightRows += facts.3
            if source == 0 {
                latencySeconds = Double(bitPattern: UInt64(UInt(bitPattern: facts.10)))
                bytesPerSecond = Double(bitPattern: UInt64(UInt(bitPattern: facts.11)))
            }
            anySkewed = anySkewed || facts.4 & Flag.skewed != 0
            allCarried = allCarried && facts.4 & Flag.carried != 0
            knowsRange.left = knowsRange.left && facts.4 & Flag.leftRange != 0
            knowsRange.right = knowsRange.right && facts.4 & Flag.rightRange != 0
            leftRange.least = min(leftRange.least, facts.5)
            leftRange.greatest = max(leftRange.greatest, facts.6)
            rightRange.least = min(rightRange.least, facts.7)
            rightRange.greatest = max(rightRange.greatest, facts.8)
            let bits = UInt64(bitPattern: Int64(facts.9))
            narrowFields.left &= bits & (1 << Self.rightShift - 1)
            narrowFields.right &= bits >> Self.rightShift
        }
    }
}
