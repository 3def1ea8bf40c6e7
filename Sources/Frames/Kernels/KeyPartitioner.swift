// Where a row goes by its key: into which partition, and there into which slot of a table.

/// Which partition and which slot of its table a key belongs to.
protocol KeyPartitioner {
    var partitionCount: Int { get }
    /// Slots of a partition that has `rowCount` rows to look up: all values `slot` may take.
    func slotCount(rowCount: Int) -> Int
    /// Which counter a row adds to, and which stream of rows it is appended to: the partition's
    /// number itself where that is cheap to tell. `partitionCount` for a key that matches none.
    func bucket(of key: Int64) -> Int
    /// The partition that a bucket's rows make up, in the order of partitions.
    func partition(ofBucket bucket: Int) -> Int
    func slot(of key: Int64, slotCount: Int) -> Int
    /// Whether a slot holds one key only, so that keys need not be compared.
    static var slotsAreKeys: Bool { get }
}

extension KeyPartitioner {
    func partition(ofBucket bucket: Int) -> Int { bucket }
}

/// Keys of a narrow range: a partition is a run of keys, its table an array indexed by key.
struct DensePartitioner: KeyPartitioner {
    let minimum: Int64
    /// A partition has 2^shift keys.
    let shift: UInt64
    let partitionCount: Int

    static var slotsAreKeys: Bool { true }

    init(minimum: Int64, shift: UInt64, partitionCount: Int) {
        self.minimum = minimum
        self.shift = shift
        self.partitionCount = partitionCount
    }

    /// Nil if the keys are too sparse for an array to pay.
    /// - Parameter range: greatest less least key.
    init?(minimum: Int64, range: UInt64, rowCount: Int) {
        guard range < UInt64(max(4 * rowCount, 1 << 13)) else { return nil }
        let keysPerRow = Double(range) / Double(max(rowCount, 1))
        var shift: UInt64 = 13
        while shift < 15 && Double(1 << shift) < Double(RadixRows.targetRowCount) * keysPerRow {
            shift += 1
        }
        while range >> shift >= RadixRows.partitionLimit { shift += 1 }
        self.minimum = minimum
        self.shift = shift
        partitionCount = Int(range >> shift) + 1
    }

    func slotCount(rowCount: Int) -> Int { 1 << Int(shift) }

    @inline(__always)
    func bucket(of key: Int64) -> Int {
        let distance = UInt64(bitPattern: key &- minimum)
        return Int(truncatingIfNeeded: min(distance >> shift, UInt64(partitionCount)))
    }

    @inline(__always)
    func slot(of key: Int64, slotCount: Int) -> Int {
        Int(truncatingIfNeeded: UInt64(bitPattern: key &- minimum)) & (slotCount &- 1)
    }
}

/// Any keys: bits of the hash below those that choose the rank.
struct HashPartitioner: KeyPartitioner {
    let partitionCount: Int

    static var slotsAreKeys: Bool { false }

    init(rowCount: Int, limit: Int = RadixRows.partitionLimit) {
        var count = 1
        while count < limit && count * RadixRows.targetRowCount < rowCount {
            count *= 2
        }
        partitionCount = count
    }

    func slotCount(rowCount: Int) -> Int {
        var count = 64
        while count < rowCount && count < 1 << 24 { count *= 2 }
        return count
    }

    @inline(__always)
    func bucket(of key: Int64) -> Int {
        Int(truncatingIfNeeded: hashInt64(key) >> 40) & (partitionCount &- 1)
    }

    @inline(__always)
    func slot(of key: Int64, slotCount: Int) -> Int {
        Int(truncatingIfNeeded: hashInt64(key) >> 16) & (slotCount &- 1)
    }
}
