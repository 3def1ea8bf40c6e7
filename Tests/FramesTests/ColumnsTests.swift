// Columns, bitmaps and tables: layout, slices, nulls, errors.
import Testing

@testable import Frames

@Suite struct ColumnsTests {
    @Test("a column gives back its values and nulls", arguments: awkwardSizes)
    func roundTrip(size: Int) {
        let integers: [Int64?] = (0..<size).map { $0 % 3 == 1 ? nil : Int64($0) - 2 }
        let floats: [Double?] = (0..<size).map { $0 % 5 == 0 ? nil : Double($0) / 2 }
        let bools: [Bool?] = (0..<size).map { $0 % 7 == 6 ? nil : $0 % 2 == 0 }
        let strings: [String?] = (0..<size).map { $0 % 4 == 3 ? nil : "π\($0)" }
        #expect(Column(integers).int64s == integers)
        #expect(Column(floats).float64s == floats)
        #expect(Column(bools).bools == bools)
        #expect(Column(strings).strings == strings)
        #expect(Column(integers).nullCount == integers.filter { $0 == nil }.count)
        #expect(Column(integers.map { $0 ?? 0 }).validity == nil)
    }

    @Test("a slice is the same as the part of the values", arguments: [0, 1, 63, 64, 65, 130])
    func slices(start: Int) {
        var random = SeededRandom(seed: 7)
        for type in DataType.allCases {
            let column = random.column(type, count: 200)
            for end in [start, start + 1, 195, 200] where end >= start {
                let part = column.slice(start..<end)
                #expect(part.cells == Array(column.cells[start..<end]), "\(type) \(start)..<\(end)")
                let twice = part.slice(0..<part.count / 2)
                #expect(twice.cells == Array(column.cells[start..<start + part.count / 2]))
            }
        }
    }

    @Test("null is not NaN")
    func nullIsNotNaN() {
        let column = Column([1, nil, .nan] as [Double?])
        #expect(column.nullCount == 1)
        #expect(column.float64(at: 1) == nil)
        #expect(column.float64(at: 2)?.isNaN == true)
    }

    @Test("bitmaps combine bit by bit at any offset", arguments: awkwardSizes)
    func bitmaps(size: Int) {
        for offset in [0, 1, 7, 8, 63, 64] {
            let first = Bitmap((0..<size + offset).map { $0 % 3 == 0 }).slice(
                offset..<size + offset)
            let second = Bitmap((0..<size + 5).map { $0 % 2 == 0 }).slice(5..<size + 5)
            let and = first.and(second)
            let or = first.or(second)
            let not = first.not()
            let aligned = first.aligned()
            for bit in 0..<size {
                #expect(and[bit] == (first[bit] && second[bit]), "bit \(bit) at \(offset)")
                #expect(or[bit] == (first[bit] || second[bit]), "bit \(bit) at \(offset)")
                #expect(not[bit] == !first[bit], "bit \(bit) at \(offset)")
                #expect(aligned[bit] == first[bit], "bit \(bit) at \(offset)")
            }
            #expect(first.setCount == (0..<size).filter { first[$0] }.count, "offset \(offset)")
        }
    }

    @Test("buffers are aligned, and large ones reused")
    func buffers() {
        for size in [0, 1, 100, 1 << 20, 3 << 20] {
            #expect(UInt(bitPattern: Buffer(byteCount: size).pointer) % 64 == 0, "\(size) bytes")
        }
        #expect(BufferPool.sizeClass(5 << 20) >= 5 << 20)
        #expect(BufferPool.sizeClass(5 << 20) <= (5 << 20) * 9 / 8)
        let whole = Buffer(zeroedByteCount: 256)
        whole.elements(as: UInt8.self)[64] = 9
        let view = Buffer(viewing: whole, from: 64, byteCount: 64)
        #expect(view.elements(as: UInt8.self)[0] == 9)
    }

    @Test("a table refuses columns of different lengths and names that repeat")
    func tableErrors() {
        #expect(throws: FrameError.self) { try Table([("a", [1]), ("b", [1, 2])]) }
        do {
            _ = try Table([("a", [1]), ("a", [2])])
            Issue.record("two columns named a were accepted")
        } catch {
            #expect(error.code == .duplicateColumn)
            #expect(error.column == "a")
        }
        let table: Table = ["z": [1, 2], "a": Column(["x", nil])]
        #expect(table.schema.names == ["z", "a"])
        do {
            _ = try table.column("y")
            Issue.record("a column that is not there was found")
        } catch {
            #expect(error.code == .missingColumn)
            #expect(error.description.contains("z, a"))
            #expect(!error.description.contains("\n"))
        }
    }
}
