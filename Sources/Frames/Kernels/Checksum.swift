// A table's checksum: a sum of hashes of its rows, so neither their order nor their spread over
// ranks matters, yet one changed, dropped or doubled row shows.

extension Kernels {
    /// Wrapping sum over rows of a hash of all columns but floats, whose last bits may differ
    /// with the order of additions. Add up the ranks' sums. A row counts even without such columns.
    static func rowChecksum(_ table: Table) -> UInt64 {
        let exact = table.columns.filter { !$0.type.isFloat }
        guard !exact.isEmpty else { return UInt64(table.rowCount) }
        let hashes = rowHashes(exact)
        let values = hashes.elements(as: UInt64.self)
        var sum: UInt64 = 0
        // Hashed once more: the hash of one small integer alone is nearly linear, and sums of it
        // would not tell {1, 4} from {2, 3}.
        for row in 0..<table.rowCount { sum &+= hashWord(values[row] ^ checksumSeed) }
        withExtendedLifetime(hashes) {}
        return sum
    }

    private static let checksumSeed: UInt64 = 0x5EED_0F20_77C5_A1D3
}
