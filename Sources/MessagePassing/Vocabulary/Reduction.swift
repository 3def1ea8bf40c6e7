// Reductions: how the elements of all ranks are combined into one (MPI 4.1 §6.9).

/// A combining operation over elements, for `reduce`, `allreduce`, `scan` and `exscan`.
///
/// The predefined ones (`.sum`, `.min`, `.logicalAnd` …) run in the transport's own code where it
/// has them; integers wrap around as in MPI. Yours must be associative; say `isCommutative: false`
/// if the order of ranks matters, and it will be kept.
public struct Reduction<Element: BitwiseCopyable>: Sendable {
    public let raw: RawReduction

    /// A user-defined operation (MPI_Op_create): `combine(a, b)`, `a` from the lower rank.
    @inlinable
    public init(
        isCommutative: Bool = true,
        _ combine: @escaping @Sendable (_ lower: Element, _ higher: Element) -> Element
    ) {
        self.init(isCommutative: isCommutative, predefined: nil, combine)
    }

    @inlinable
    init(
        isCommutative: Bool = true, predefined: PredefinedReduction?,
        _ combine: @escaping @Sendable (Element, Element) -> Element
    ) {
        raw = RawReduction(
            elementSize: MemoryLayout<Element>.stride, isCommutative: isCommutative,
            predefined: predefined, datatype: Datatype(Element.self)
        ) { lower, higher, count in
            let lower = lower.assumingMemoryBound(to: Element.self)
            let higher = higher.assumingMemoryBound(to: Element.self)
            for index in 0..<count {
                higher[index] = combine(lower[index], higher[index])
            }
        }
    }
}

extension Reduction where Element: FixedWidthInteger & SendableMetatype {
    /// Sum, wrapping around (MPI_SUM).
    @inlinable public static var sum: Self { Self(predefined: .sum) { $0 &+ $1 } }
    /// Product, wrapping around (MPI_PROD).
    @inlinable public static var product: Self { Self(predefined: .product) { $0 &* $1 } }
    /// MPI_BAND.
    @inlinable public static var bitwiseAnd: Self { Self(predefined: .bitwiseAnd) { $0 & $1 } }
    /// MPI_BOR.
    @inlinable public static var bitwiseOr: Self { Self(predefined: .bitwiseOr) { $0 | $1 } }
    /// MPI_BXOR.
    @inlinable public static var bitwiseXor: Self { Self(predefined: .bitwiseXor) { $0 ^ $1 } }
    /// 1 if both are non-zero, else 0 (MPI_LAND).
    @inlinable public static var logicalAnd: Self {
        Self(predefined: .logicalAnd) { $0 != 0 && $1 != 0 ? 1 : 0 }
    }
    /// 1 if either is non-zero, else 0 (MPI_LOR).
    @inlinable public static var logicalOr: Self {
        Self(predefined: .logicalOr) { $0 != 0 || $1 != 0 ? 1 : 0 }
    }
    /// 1 if exactly one is non-zero, else 0 (MPI_LXOR).
    @inlinable public static var logicalXor: Self {
        Self(predefined: .logicalXor) { ($0 != 0) != ($1 != 0) ? 1 : 0 }
    }
}

extension Reduction where Element: BinaryFloatingPoint & SendableMetatype {
    /// Sum; the order of additions, hence the last bits, depends on the algorithm (MPI_SUM).
    @inlinable public static var sum: Self { Self(predefined: .sum) { $0 + $1 } }
    /// Product (MPI_PROD).
    @inlinable public static var product: Self { Self(predefined: .product) { $0 * $1 } }
}

extension Reduction where Element: Comparable & SendableMetatype {
    /// The smallest element (MPI_MIN).
    @inlinable public static var min: Self { Self(predefined: .min) { $1 < $0 ? $1 : $0 } }
    /// The largest element (MPI_MAX).
    @inlinable public static var max: Self { Self(predefined: .max) { $1 > $0 ? $1 : $0 } }
}

extension Reduction where Element == Bool {
    /// True if all are (MPI_LAND).
    @inlinable public static var logicalAnd: Self { Self(predefined: .logicalAnd) { $0 && $1 } }
    /// True if any is (MPI_LOR).
    @inlinable public static var logicalOr: Self { Self(predefined: .logicalOr) { $0 || $1 } }
    /// True if an odd number is (MPI_LXOR).
    @inlinable public static var logicalXor: Self { Self(predefined: .logicalXor) { $0 != $1 } }
}
