// Numbered slots that are taken and given back without allocating: requests, messages, frames.
// A generation counter tells a live slot from a reused one, so that a stale or invented number
// from a program or a peer is noticed.

/// What a slab keeps: a trivial value with the two fields that the slab itself uses.
protocol SlabSlot: BitwiseCopyable {
    init()
    /// Counts the uses of this slot; odd while it is in use.
    var generation: UInt32 { get set }
    /// The next free slot, or, while in use, whatever list the owner keeps.
    var next: UInt32 { get set }
}

/// No slot.
let noSlot = UInt32.max

/// A growing array of slots with a free list. Its memory moves when it grows: pointers into it
/// hold until the next `take`. A value of this type is a reference; its owner calls `destroy`.
struct Slab<Slot: SlabSlot> {
    private struct Store {
        var slots: UnsafeMutablePointer<Slot>
        var capacity: Int
        var firstFree: UInt32
        var inUse: Int
    }

    private let store: UnsafeMutablePointer<Store>

    init() {
        store = .allocate(capacity: 1)
        store.initialize(
            to: Store(slots: .allocate(capacity: 1), capacity: 0, firstFree: noSlot, inUse: 0))
    }

    func destroy() {
        store.pointee.slots.deallocate()
        store.deallocate()
    }

    var inUse: Int { store.pointee.inUse }
    /// Indices below this may be asked for.
    var capacity: Int { store.pointee.capacity }

    subscript(index: UInt32) -> Slot {
        unsafeAddress { UnsafePointer(pointer(index)) }
        nonmutating unsafeMutableAddress { pointer(index) }
    }

    /// Where a slot is, until the next `take`.
    func pointer(_ index: UInt32) -> UnsafeMutablePointer<Slot> {
        assert(Int(index) < capacity, "slot out of range")
        return store.pointee.slots + Int(index)
    }

    /// A slot with fresh fields.
    func take() -> UInt32 {
        if store.pointee.firstFree == noSlot { grow() }
        let index = store.pointee.firstFree
        let slot = pointer(index)
        store.pointee.firstFree = slot.pointee.next
        store.pointee.inUse += 1
        let generation = slot.pointee.generation &+ 1
        slot.pointee = Slot()
        slot.pointee.generation = generation
        return index
    }

    func giveBack(_ index: UInt32) {
        let slot = pointer(index)
        assert(slot.pointee.generation & 1 == 1, "slot given back twice")
        slot.pointee.generation &+= 1
        slot.pointee.next = store.pointee.firstFree
        store.pointee.firstFree = index
        store.pointee.inUse -= 1
    }

    /// The name of a slot in use, which no later use of it has. Never zero.
    func name(_ index: UInt32) -> UInt64 {
        UInt64(self[index].generation) << 32 | UInt64(index)
    }

    /// The slot of that name, if it is still in that use.
    func find(_ name: UInt64) -> UInt32? {
        let index = UInt32(truncatingIfNeeded: name)
        let generation = UInt32(truncatingIfNeeded: name >> 32)
        guard Int(index) < capacity, generation & 1 == 1, self[index].generation == generation
        else { return nil }
        return index
    }

    private func grow() {
        let old = store.pointee
        let capacity = max(64, old.capacity * 2)
        precondition(capacity < Int(noSlot), "too many operations at once")
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        slots.update(from: old.slots, count: old.capacity)
        old.slots.deallocate()
        for index in old.capacity..<capacity {
            var slot = Slot()
            slot.next = index + 1 < capacity ? UInt32(index + 1) : noSlot
            (slots + index).initialize(to: slot)
        }
        store.pointee.slots = slots
        store.pointee.capacity = capacity
        store.pointee.firstFree = UInt32(old.capacity)
    }
}
