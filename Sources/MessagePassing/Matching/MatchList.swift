// A list in order of arrival with removal from the middle, kept in one array: entries are reused,
// so that a program in its steady state allocates nothing here.

/// Entries of one matching queue, oldest first. An entry is a posted receive or an unexpected
/// message; `id` is what its owner knows it by.
struct MatchList {
    struct Entry {
        var id: UInt32
        /// Sender's rank; for receives `Source.rawValue`.
        var source: Int
        var tag: Int32
        var call: UInt64
        var byteCount: Int
        fileprivate var previous: Int32 = -1
        fileprivate var next: Int32 = -1

        init(id: UInt32, source: Int, tag: Int32, call: UInt64, byteCount: Int) {
            self.id = id
            self.source = source
            self.tag = tag
            self.call = call
            self.byteCount = byteCount
        }
    }

    private var entries: [Entry] = []
    private var head: Int32 = -1
    private var tail: Int32 = -1
    /// First of the unused entries, linked by `next`.
    private var free: Int32 = -1
    private(set) var count = 0

    mutating func append(_ entry: Entry) {
        var entry = entry
        entry.previous = tail
        entry.next = -1
        let index: Int32
        if free >= 0 {
            index = free
            free = entries[Int(index)].next
            entries[Int(index)] = entry
        } else {
            index = Int32(entries.count)
            entries.append(entry)
        }
        if tail >= 0 { entries[Int(tail)].next = index } else { head = index }
        tail = index
        count += 1
    }

    /// The oldest entry that satisfies `matches`.
    @inline(__always)
    func first(where matches: (Entry) -> Bool) -> Entry? {
        var index = head
        while index >= 0 {
            let entry = entries[Int(index)]
            if matches(entry) { return entry }
            index = entry.next
        }
        return nil
    }

    /// Removes and returns the oldest entry that satisfies `matches`.
    @inline(__always)
    mutating func removeFirst(where matches: (Entry) -> Bool) -> Entry? {
        var index = head
        while index >= 0 {
            let entry = entries[Int(index)]
            if matches(entry) {
                unlink(index, entry)
                return entry
            }
            index = entry.next
        }
        return nil
    }

    private mutating func unlink(_ index: Int32, _ entry: Entry) {
        if entry.previous >= 0 {
            entries[Int(entry.previous)].next = entry.next
        } else {
            head = entry.next
        }
        if entry.next >= 0 {
            entries[Int(entry.next)].previous = entry.previous
        } else {
            tail = entry.previous
        }
        entries[Int(index)].next = free
        free = index
        count -= 1
    }

    /// All entries, oldest first.
    var all: [Entry] {
        var result: [Entry] = []
        var index = head
        while index >= 0 {
            result.append(entries[Int(index)])
            index = entries[Int(index)].next
        }
        return result
    }
}
