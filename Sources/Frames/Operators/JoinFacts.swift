// What ranks tell each other before they move the rows of a join, so that all take the same way.

/// Sizes and key ranges of both sides, summed up over ranks.
struct JoinFacts {
    private(set) var leftBytes = 0
    private(set) var rightBytes = 0
    private(set) var leftRows = 0
    private(set) var rightRows = 0
    /// Can every rank take the radix join?
    private(set) var allCarried = true
    /// Of the keys of one side, the one that may have the hash table; nil if ranks looked at
    /// different sides or there are no keys.
    private var range: (isRight: Bool, bounds: ClosedRange<Int64>)?

    /// A right side of less rows is the one to build from; a left join has no choice.
    func buildsRight(_ kind: JoinKind) -> Bool { kind == .left || rightRows <= leftRows }

    func buildRange(_ kind: JoinKind) -> ClosedRange<Int64>? {
        guard let range, range.isRight == buildsRight(kind) else { return nil }
        return range.bounds
    }

    /// What one rank contributes.
    static func own(
        _ left: Table, _ right: Table, _ kind: JoinKind,
        carried: (left: CarriedSide, right: CarriedSide)?
    ) -> (Int, Int, Int, Int, Int, Int, Int, Int) {
        let looksRight = kind == .left || right.rowCount <= left.rowCount
        var (least, greatest) = (Int.max, Int.min)
        if let carried,
            let range = Kernels.keyRange([looksRight ? carried.right.key : carried.left.key])
        {
            least = Int(range.minimum)
            greatest = least &+ Int(bitPattern: UInt(range.width))
        }
        let flags = (carried != nil ? 1 : 0) | (looksRight ? 2 : 0)
        return (
            left.byteCount, right.byteCount, left.rowCount, right.rowCount, flags, least,
            greatest, 0
        )
    }

    /// All contributions together; the same on every rank.
    init(_ headers: [ExchangeHeader]) {
        var (least, greatest) = (Int.max, Int.min)
        var sides: Set<Bool> = []
        for facts in headers.map(\.facts) {
            leftBytes += facts.0
            rightBytes += facts.1
            leftRows += facts.2
            rightRows += facts.3
            allCarried = allCarried && facts.4 & 1 != 0
            // A rank without any row says nothing about sides.
            if facts.2 + facts.3 > 0 { sides.insert(facts.4 & 2 != 0) }
            least = min(least, facts.5)
            greatest = max(greatest, facts.6)
        }
        if sides.count == 1, let isRight = sides.first, least <= greatest {
            range = (isRight, Int64(least)...Int64(greatest))
        }
    }
}
