// Reductions as the shim takes them: MPI's own operations on its own types by their numbers, all
// others as a C function whose context is the Swift closure.

import CMPIShim
import MessagePassing

/// `reduction` for one call of the shim, which releases the operation when it is complete.
func withShim(
    _ reduction: RawReduction, _ send: UnsafeRawBufferPointer,
    _ result: UnsafeMutableRawBufferPointer, _ mode: cmpi_mode,
    _ body: (cmpi_reduction) -> Int32
) -> Int32 {
    var shim = cmpi_reduction()
    shim.send = send.baseAddress
    shim.result = result.baseAddress
    shim.count = send.count / max(reduction.elementSize, 1)
    // One request stands for one call of MPI, which counts by ints.
    let isOneCall = mode.request == nil || shim.count <= MPILibrary.countLimit
    if isOneCall, let operation = reduction.predefined, let datatype = reduction.datatype {
        shim.type = Int32(datatype.rawValue)
        shim.operation = Int32(operation.rawValue)
        return body(shim)
    }
    var user = cmpi_user_reduction()
    user.context = UnsafeRawPointer(
        Unmanaged.passRetained(UserOperation(reduction.combine)).toOpaque())
    user.element_size = reduction.elementSize
    user.is_commutative = reduction.isCommutative ? 1 : 0
    user.combine = { context, lower, higher, count in
        guard let context, let lower, let higher else { return }
        Unmanaged<UserOperation>.fromOpaque(context).takeUnretainedValue()
            .combine(lower, higher, count)
    }
    user.release = { context in
        if let context { Unmanaged<UserOperation>.fromOpaque(context).release() }
    }
    return withUnsafePointer(to: user) { user in
        shim.user = user
        return body(shim)
    }
}

/// A closure that C holds on to.
private final class UserOperation: Sendable {
    let combine: @Sendable (UnsafeRawPointer, UnsafeMutableRawPointer, Int) -> Void

    init(
        _ combine: @escaping @Sendable (UnsafeRawPointer, UnsafeMutableRawPointer, Int) -> Void
    ) {
        self.combine = combine
    }
}
