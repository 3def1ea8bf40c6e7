// Columns made value by value: readers, literals and kernels whose output size is not known.
import Glibc

/// Builds a column of a fixed-width type.
struct FixedWidthBuilder<Element: BitwiseCopyable> {
    private var buffer: Buffer
    private(set) var count = 0
    private var capacity: Int
    private var validity = ValidityBuilder()

    init(capacity: Int = 0) {
        self.capacity = max(capacity, 16)
        buffer = Buffer(byteCount: self.capacity * MemoryLayout<Element>.stride)
    }

    private mutating func grow() {
        let larger = Buffer(byteCount: capacity * 2 * MemoryLayout<Element>.stride)
        memcpy(larger.pointer, buffer.pointer, count * MemoryLayout<Element>.stride)
        buffer = larger
        capacity *= 2
    }

    @inline(__always)
    mutating func append(_ value: Element) {
        if count == capacity { grow() }
        buffer.elements(as: Element.self)[count] = value
        count += 1
    }

    mutating func appendNull(placeholder: Element) {
        validity.appendNull(at: count)
        append(placeholder)
    }

    consuming func finish(_ type: DataType) -> Column {
        Column(type: type, count: count, values: buffer, validity: validity.finish(count: count))
    }
}

/// Remembers which values are null; costs nothing while none is.
struct ValidityBuilder {
    private var bits: Buffer?
    private var capacity = 0

    mutating func appendNull(at index: Int) {
        if bits == nil || index >= capacity { grow(toHold: index) }
        guard let bits else { return }
        let bytes = bits.elements(as: UInt8.self)
        bytes[index >> 3] &= ~(1 << UInt8(index & 7))
    }

    /// New bits are set: values are valid unless said otherwise.
    private mutating func grow(toHold index: Int) {
        let newCapacity = max(1024, (index + 1) * 2)
        let larger = Buffer(byteCount: Bitmap.byteCount(newCapacity))
        memset(larger.pointer, 0xFF, larger.byteCount)
        if let bits { memcpy(larger.pointer, bits.pointer, bits.byteCount) }
        bits = larger
        capacity = larger.byteCount * 8
    }

    /// Nil if no value is null.
    mutating func finish(count: Int) -> Bitmap? {
        guard bits != nil else { return nil }
        if count > capacity { grow(toHold: count) }
        return bits.map { Bitmap(buffer: $0, count: count) }
    }
}

/// Builds a bool column.
struct BoolBuilder {
    private var bytes: [UInt8] = []
    private(set) var count = 0
    private var validity = ValidityBuilder()

    mutating func append(_ value: Bool) {
        if count & 7 == 0 { bytes.append(0) }
        if value { bytes[count >> 3] |= 1 << UInt8(count & 7) }
        count += 1
    }

    mutating func appendNull() {
        validity.appendNull(at: count)
        append(false)
    }

    consuming func finish() -> Column {
        let values = Buffer(byteCount: Bitmap.byteCount(count))
        bytes.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { memcpy(values.pointer, base, bytes.count) }
        }
        return Column(
            type: .bool, count: count, values: values, validity: validity.finish(count: count))
    }
}

/// Builds a string column.
struct StringBuilder {
    private var offsets = FixedWidthBuilder<Int64>()
    private var bytes: Buffer
    private var byteCount = 0
    private var validity = ValidityBuilder()
    private(set) var count = 0

    init(capacity: Int = 0, byteCapacity: Int = 0) {
        offsets = FixedWidthBuilder(capacity: capacity + 1)
        offsets.append(0)
        bytes = Buffer(byteCount: max(byteCapacity, 64))
    }

    /// - Parameter pending: bytes of the value under way, which are kept.
    private mutating func reserve(_ additional: Int, pending: Int = 0) {
        let used = byteCount + pending
        guard used + additional > bytes.byteCount else { return }
        let larger = Buffer(byteCount: max(bytes.byteCount * 2, used + additional))
        memcpy(larger.pointer, bytes.pointer, used)
        bytes = larger
    }

    @inline(__always)
    mutating func append(utf8: UnsafeBufferPointer<UInt8>) {
        reserve(utf8.count)
        if let base = utf8.baseAddress { memcpy(bytes.pointer + byteCount, base, utf8.count) }
        finishValue(utf8.count)
    }

    mutating func append(_ value: String) {
        var value = value
        value.withUTF8 { append(utf8: $0) }
    }

    /// Appends to the value under way; `finishValue` ends it.
    @inline(__always)
    mutating func appendPart(utf8: UnsafeBufferPointer<UInt8>, after pending: Int) {
        reserve(utf8.count, pending: pending)
        if let base = utf8.baseAddress {
            memcpy(bytes.pointer + byteCount + pending, base, utf8.count)
        }
    }

    /// Ends a value of `length` bytes.
    @inline(__always)
    mutating func finishValue(_ length: Int) {
        byteCount += length
        offsets.append(Int64(byteCount))
        count += 1
    }

    mutating func appendNull() {
        validity.appendNull(at: count)
        finishValue(0)
    }

    consuming func finish() -> Column {
        let offsets = offsets.finish(.int64).values
        return Column(
            type: .string, count: count, values: bytes, offsets: offsets,
            validity: validity.finish(count: count))
    }
}
