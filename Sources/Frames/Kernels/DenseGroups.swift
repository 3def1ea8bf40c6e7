// Groups whose keys make small numbers: an array indexed by them knows each group. Rows pass once, in
// blocks that stay in the cache from the reading of their keys to the last accumulator.
import CProcessor

struct DenseGroups {
    /// First row of each group, ascending.
    let firstRows: RowIndices
    private let plan: AccumulatorPlan
    /// Per group the plan's words.
    private let words: Buffer

    /// Nil if there are too many numbers for an array.
    /// - Parameters:
    ///   - encoder: numbers the rows of all chunks together.
    ///   - chunks: what is aggregated.
    init?(_ encoder: KeyEncoder, rowCount: Int, _ chunks: [Table], _ plan: AccumulatorPlan) {
        let width = UInt64(max(plan.words.count, 1))
        guard encoder.limit <= UInt64(max(rowCount, 1 << 16)),
            encoder.limit * width <= UInt64(UInt32.max)
        else { return nil }
        self.plan = plan
        var builder = Builder(
            table: Buffer(zeroedByteCount: Int(encoder.limit) * 4), width: plan.words.count)
        var firstRow = 0
        for chunk in chunks {
            var row = 0
            while row < chunk.rowCount {
                let end = min(row + KeyEncoder.blockRowCount, chunk.rowCount)
                builder.reserve(end - row, plan)
                encoder.encode(firstRow + row..<firstRow + end, to: builder.numbers)
                builder.placeRows(end - row, from: firstRow + row, plan)
                for index in plan.words.indices {
                    plan.words[index].accumulate(
                        chunk, row..<end, at: builder.places, builder.words + index)
                }
                row = end
            }
            firstRow += chunk.rowCount
        }
        firstRows = RowIndices(buffer: builder.firstRowBuffer, count: builder.count)
        words = builder.wordBuffer
    }

    /// A column per aggregate.
    func results() -> [Column] {
        let width = plan.words.count
        let words = words.elements(as: UInt64.self)
        defer { withExtendedLifetime(self.words) {} }
        return plan.outputs.map { output in
            let buffer = Buffer(byteCount: firstRows.count * 8)
            let values = buffer.elements(as: UInt64.self)
            for group in 0..<firstRows.count {
                values[group] = words[group &* width &+ output.word]
            }
            let validity = output.count.map { count in
                Bitmap(count: firstRows.count) { words[$0 &* width &+ count] > 0 }
            }
            return Column(
                type: output.type, count: firstRows.count, values: buffer,
                validity: validity.flatMap { $0.setCount == $0.count ? nil : $0 })
        }
    }

    private struct Builder {
        /// Group + 1 by number of the key.
        let table: Buffer
        let width: Int
        var firstRowBuffer = Buffer(byteCount: 0)
        var wordBuffer = Buffer(byteCount: 0)
        var count = 0
        private var capacity = 0
        private var newIsRare = false
        private let numberBuffer = Buffer(byteCount: KeyEncoder.blockRowCount * 8)
        private let placeBuffer = Buffer(byteCount: KeyEncoder.blockRowCount * 4)

        init(table: Buffer, width: Int) {
            self.table = table
            self.width = width
        }

        var numbers: UnsafeMutablePointer<UInt64> { numberBuffer.elements(as: UInt64.self) }
        var places: UnsafeMutablePointer<UInt32> { placeBuffer.elements(as: UInt32.self) }
        var words: UnsafeMutablePointer<UInt64> { wordBuffer.elements(as: UInt64.self) }

        /// Makes room for as many more groups as there are rows, and one that is none.
        mutating func reserve(_ rowCount: Int, _ plan: AccumulatorPlan) {
            guard count + rowCount + 1 > capacity else { return }
            let larger = max(4 * KeyEncoder.blockRowCount, capacity * 2)
            let rows = Buffer(byteCount: larger * 8)
            let words = Buffer(byteCount: larger * width * 8)
            rows.pointer.copyMemory(from: firstRowBuffer.pointer, byteCount: count * 8)
            words.pointer.copyMemory(
                from: wordBuffer.pointer, byteCount: count * width * 8)
            (firstRowBuffer, wordBuffer, capacity) = (rows, words, larger)
        }

        /// Where the words of each row's group are; groups seen for the first time begin.
        mutating func placeRows(_ rowCount: Int, from firstRow: Int, _ plan: AccumulatorPlan) {
            let table = table.elements(as: UInt32.self)
            let firstRows = firstRowBuffer.elements(as: Int.self)
            let (numbers, places, words) = (numbers, places, words)
            let width = UInt32(truncatingIfNeeded: width)
            let known = count
            var count = UInt32(truncatingIfNeeded: count)
            if newIsRare {
                for index in 0..<rowCount {
                    let number = Int(truncatingIfNeeded: numbers[index])
                    var group = table[number]
                    if group == 0 {
                        firstRows[Int(truncatingIfNeeded: count)] = firstRow &+ index
                        count &+= 1
                        group = count
                        table[number] = group
                    }
                    let place = (group &- 1) &* width
                    places[index] = place
                    prefetch_to_write(words + Int(place))
                }
            } else {
                for index in 0..<rowCount {
                    let number = Int(truncatingIfNeeded: numbers[index])
                    let found = table[number]
                    let isNew = found == 0
                    firstRows[Int(truncatingIfNeeded: count)] = firstRow &+ index
                    count &+= UInt32(truncatingIfNeeded: unsafeBitCast(isNew, to: UInt8.self))
                    let group = isNew ? count : found
                    table[number] = group
                    let place = (group &- 1) &* width
                    places[index] = place
                    prefetch_to_write(words + Int(place))
                }
            }
            self.count = Int(count)
            // A branch that is foreseen costs less than a store per row.
            newIsRare = self.count - known < rowCount / 16
            for (offset, word) in plan.words.enumerated() {
                let initial = word.initial
                for group in known..<self.count { words[group &* self.width &+ offset] = initial }
            }
        }
    }
}
