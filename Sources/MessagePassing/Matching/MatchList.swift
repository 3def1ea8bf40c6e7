// A list in order of arrival with removal from the middle, and beside it one list per source, so that
// a search for one sender's messages does not walk over everybody's. All in one array whose entries
// are reused: a program in its steady state allocates nothing here.

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
        fileprivate var inAll = Links()
        fileprivate var ofSource = Links()
        /// Grows with every entry.
        fileprivate var age: UInt64 = 0

        init(id: UInt32, source: Int, tag: Int32, call: UInt64, byteCount: Int) {
            self.id = id
            self.source = source
            self.tag = tag
            self.call = call
            self.byteCount = byteCount
        }
    }

    /// The neighbours of an entry in a list; -1 for none.
    fileprivate struct Links {
        var previous: Int32 = -1
        var next: Int32 = -1
    }

    private struct Ends {
        var head: Int32 = -1
        var tail: Int32 = -1
    }

    private var entries: [Entry] = []
    private var all = Ends()
    /// The lists of the sources; place 0 is that of `any`.
    private var sources: [Ends] = []
    /// First of the unused entries, linked by `inAll.next`.
    private var free: Int32 = -1
    private var nextAge: UInt64 = 0
    private(set) var count = 0

    mutating func append(_ entry: Entry) {
        let place = Self.place(entry.source)
        while sources.count <= place { sources.append(Ends()) }
        var entry = entry
        entry.age = nextAge
        nextAge += 1
        entry.inAll = Links(previous: all.tail)
        entry.ofSource = Links(previous: sources[place].tail)
        let index: Int32
        if free >= 0 {
            index = free
            free = entries[Int(index)].inAll.next
            entries[Int(index)] = entry
        } else {
            index = Int32(entries.count)
            entries.append(entry)
        }
        if all.tail >= 0 { entries[Int(all.tail)].inAll.next = index } else { all.head = index }
        all.tail = index
        let last = sources[place].tail
        if last >= 0 {
            entries[Int(last)].ofSource.next = index
        } else {
            sources[place].head = index
        }
        sources[place].tail = index
        count += 1
    }

    /// The oldest entry that satisfies `matches`.
    @inline(__always)
    func first(where matches: (Entry) -> Bool) -> Entry? {
        let index = search(all.head, next: { $0.inAll.next }, matches)
        return index >= 0 ? entries[Int(index)] : nil
    }

    /// The oldest entry of exactly this source that satisfies `matches`.
    @inline(__always)
    func first(of source: Int, where matches: (Entry) -> Bool) -> Entry? {
        let index = search(head(of: source), next: { $0.ofSource.next }, matches)
        return index >= 0 ? entries[Int(index)] : nil
    }

    /// Removes and returns the oldest entry that satisfies `matches`.
    @inline(__always)
    mutating func removeFirst(where matches: (Entry) -> Bool) -> Entry? {
        remove(search(all.head, next: { $0.inAll.next }, matches))
    }

    /// Removes and returns the oldest entry of exactly this source that satisfies `matches`.
    @inline(__always)
    mutating func removeFirst(of source: Int, where matches: (Entry) -> Bool) -> Entry? {
        remove(search(head(of: source), next: { $0.ofSource.next }, matches))
    }

    /// The same of two sources together.
    @inline(__always)
    mutating func removeFirst(
        of one: Int, or other: Int, where matches: (Entry) -> Bool
    ) -> Entry? {
        let first = search(head(of: one), next: { $0.ofSource.next }, matches)
        let second = search(head(of: other), next: { $0.ofSource.next }, matches)
        guard first >= 0, second >= 0 else { return remove(max(first, second)) }
        return remove(entries[Int(first)].age < entries[Int(second)].age ? first : second)
    }

    private static func place(_ source: Int) -> Int { source + 1 }

    private func head(of source: Int) -> Int32 {
        let place = Self.place(source)
        return place < sources.count ? sources[place].head : -1
    }

    /// The place of the first entry from `start` on that satisfies `matches`; -1 if none does.
    @inline(__always)
    private func search(
        _ start: Int32, next: (Entry) -> Int32, _ matches: (Entry) -> Bool
    ) -> Int32 {
        var index = start
        while index >= 0 {
            let entry = entries[Int(index)]
            if matches(entry) { return index }
            index = next(entry)
        }
        return -1
    }

    private mutating func remove(_ index: Int32) -> Entry? {
        guard index >= 0 else { return nil }
        let entry = entries[Int(index)]
        let place = Self.place(entry.source)
        let (before, after) = (entry.inAll.previous, entry.inAll.next)
        if before >= 0 { entries[Int(before)].inAll.next = after } else { all.head = after }
        if after >= 0 { entries[Int(after)].inAll.previous = before } else { all.tail = before }
        let (older, newer) = (entry.ofSource.previous, entry.ofSource.next)
        if older >= 0 {
            entries[Int(older)].ofSource.next = newer
        } else {
            sources[place].head = newer
        }
        if newer >= 0 {
            entries[Int(newer)].ofSource.previous = older
        } else {
            sources[place].tail = older
        }
        entries[Int(index)].inAll.next = free
        free = index
        count -= 1
        return entry
    }

    /// The oldest entries, at most so many.
    func oldest(_ limit: Int) -> [Entry] {
        var result: [Entry] = []
        var index = all.head
        while index >= 0, result.count < limit {
            result.append(entries[Int(index)])
            index = entries[Int(index)].inAll.next
        }
        return result
    }
}
