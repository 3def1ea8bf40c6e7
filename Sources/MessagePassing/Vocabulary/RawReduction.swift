// A reduction as transports see it: a function over opaque elements, plus what is needed to
// recognise the operations MPI has natively.

/// A combining operation over `count` opaque elements of `elementSize` bytes.
public struct RawReduction: Sendable {
    /// Bytes from one element to the next.
    public let elementSize: Int
    /// May operands be exchanged? If not, `lower` always comes from lower ranks.
    public let isCommutative: Bool
    /// Which of MPI's own operations this is; nil for a user-defined one.
    public let predefined: PredefinedReduction?
    /// The scalar type of the elements; nil for structs, tuples and the like.
    public let datatype: Datatype?
    /// `higher[i] = lower[i] ∘ higher[i]` for `count` elements (an MPI_User_function).
    public let combine:
        @Sendable (
            _ lower: UnsafeRawPointer, _ higher: UnsafeMutableRawPointer, _ count: Int
        ) -> Void

    public init(
        elementSize: Int, isCommutative: Bool, predefined: PredefinedReduction?,
        datatype: Datatype?,
        combine: @escaping @Sendable (UnsafeRawPointer, UnsafeMutableRawPointer, Int) -> Void
    ) {
        self.elementSize = elementSize
        self.isCommutative = isCommutative
        self.predefined = predefined
        self.datatype = datatype
        self.combine = combine
    }
}

extension RawReduction {
    /// `higher = lower ∘ higher`, element by element.
    package func combine(
        lower: UnsafeRawBufferPointer, into higher: UnsafeMutableRawBufferPointer
    ) {
        guard let lower = lower.baseAddress, let start = higher.baseAddress, elementSize > 0
        else { return }
        combine(lower, start, higher.count / elementSize)
    }
}

/// MPI's predefined reductions (MPI 4.1 §6.9.2).
public enum PredefinedReduction: UInt8, Sendable, CaseIterable {
    case sum, product, min, max
    case logicalAnd, logicalOr, logicalXor
    case bitwiseAnd, bitwiseOr, bitwiseXor
}

/// The scalar types that predefined reductions know (MPI 4.1 §3.2.2).
public enum Datatype: UInt8, Sendable, CaseIterable {
    case int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64, bool

    @inlinable
    public init?<Element: BitwiseCopyable>(_ type: Element.Type) {
        if type == Int.self || type == Int64.self { self = .int64; return }
        if type == Double.self { self = .float64; return }
        if type == Int32.self { self = .int32; return }
        if type == Float.self { self = .float32; return }
        if type == UInt.self || type == UInt64.self { self = .uint64; return }
        if type == UInt8.self { self = .uint8; return }
        if type == Bool.self { self = .bool; return }
        if type == UInt32.self { self = .uint32; return }
        if type == Int8.self { self = .int8; return }
        if type == Int16.self { self = .int16; return }
        if type == UInt16.self { self = .uint16; return }
        return nil
    }
}
