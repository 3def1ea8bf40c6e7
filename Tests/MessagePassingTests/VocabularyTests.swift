// Partitions, tags, statuses and errors: the words of the interface.

import MessagePassing
import Testing

@Suite struct VocabularyTests {
    @Test("a partition by counts packs its parts in rank order")
    func denseParts() {
        let partition = Partition(counts: [2, 0, 3])
        #expect(partition.offsets == [0, 2, 2])
        #expect(partition.extent == 5 && partition.parts == 3)
        #expect(partition[2] == 2..<5 && partition[1] == 2..<2)
    }

    @Test("displacements may leave gaps, and empty parts need no room")
    func displacedParts() {
        let partition = Partition(counts: [1, 0, 2], displacements: [4, 100, 0])
        #expect(partition.extent == 5)
        #expect(partition[0] == 4..<5 && partition[2] == 0..<2)
    }

    @Test("an even partition differs by one at most and adds up", arguments: [1, 2, 3, 7, 16])
    func evenParts(parts: Int) {
        for total in [0, 1, 5, 16, 1000] {
            let partition = Partition(evenly: total, parts: parts)
            #expect(partition.extent == total && partition.parts == parts)
            let spread = (partition.counts.max() ?? 0) - (partition.counts.min() ?? 0)
            #expect(spread <= 1, "\(total) over \(parts)")
            #expect(partition.counts == partition.counts.sorted(by: >), "\(total) over \(parts)")
        }
    }

    @Test("a partitioned buffer gives each rank's part")
    func partitioned() {
        let parts = Partitioned(elements: [1, 2, 3], partition: Partition(counts: [1, 0, 2]))
        #expect(Array(parts[0]) == [1] && Array(parts[1]).isEmpty && Array(parts[2]) == [2, 3])
        #expect(parts.counts == [1, 0, 2])
    }

    @Test("a status counts whole elements only")
    func statusCounts() {
        let status = Status(source: 0, tag: 0, byteCount: 12)
        #expect(status.count(of: Int32.self) == 3)
        #expect(status.count(of: Int64.self) == nil)
    }

    @Test("an error is one line with operation, peer, tag, sizes, cause and every candidate")
    func errorText() {
        var error = MPIError.truncated("recv", from: 3, tag: 7, capacity: 8, actual: 16)
        error.underlying = 15
        error.candidates = [.init(name: "host 10.0.0.7:4", cause: "refused")]
        let text = error.description
        let parts = [
            "recv", "truncated", "rank 3", "tag 7", "16 bytes where 8", "(code 15)",
            "host 10.0.0.7:4: refused",
        ]
        for part in parts { #expect(text.contains(part), "\(part) in: \(text)") }
        #expect(!text.contains("\n"))
    }

    @Test("predefined reductions keep their identity and combine lower with higher")
    func reductions() {
        let sum = Reduction<Int32>.sum.raw
        #expect(sum.predefined == .sum && sum.datatype == .int32 && sum.isCommutative)
        let first = Reduction<Int>(isCommutative: false) { lower, _ in lower }.raw
        #expect(first.predefined == nil && !first.isCommutative)
        let lower = [1, 2]
        var higher = [10, 20]
        higher.withUnsafeMutableBytes { higher in
            lower.withUnsafeBytes { lower in
                guard let lower = lower.baseAddress, let higher = higher.baseAddress else { return }
                first.combine(lower, higher, 2)
            }
        }
        #expect(higher == [1, 2])
    }

    @Test("integer sums wrap around, as in MPI")
    func wrapping() {
        let sum = Reduction<Int8>.sum.raw
        let lower: [Int8] = [127]
        var higher: [Int8] = [1]
        higher.withUnsafeMutableBytes { higher in
            lower.withUnsafeBytes { lower in
                guard let lower = lower.baseAddress, let higher = higher.baseAddress else { return }
                sum.combine(lower, higher, 1)
            }
        }
        #expect(higher == [-128])
    }
}
