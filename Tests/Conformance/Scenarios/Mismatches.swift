// Ranks that disagree about a collective: under MPI a hang, elsewhere an error that names both
// calls, on every rank.

import Glibc
import MessagePassing

/// Runs `program`, which must fail with `mismatchedCollective`; every rank reports the error it
/// got, then fails with it.
func mismatched(
    _ program: @escaping @Sendable (any Communicator) throws -> Void
) -> @Sendable (any Communicator, BackendTraits) throws -> Void {
    { world, backend in
        guard backend.detectsMismatch else {
            throw MPIError(
                .unsupported, operation: "conformance",
                reason: "\(backend.name) does not detect mismatched collectives; it would hang")
        }
        do {
            try program(world)
        } catch {
            report("rank \(world.rank) got \(error)")
            // A launcher ends the job at the first failure: the others shall have reported, too.
            sleep(1)
            throw error
        }
        report("rank \(world.rank) got no error")
    }
}

/// The last rank calls another operation than the others.
func mismatchOperation(_ world: any Communicator) throws {
    try world.barrier()
    if world.rank == world.size - 1 {
        _ = try world.allgather(world.rank)
    } else {
        _ = try world.bcast(world.rank, root: 0)
    }
    try world.barrier()
}

/// The last rank names another root.
func mismatchRoot(_ world: any Communicator) throws {
    try world.barrier()
    _ = try world.bcast(world.rank, root: world.rank == world.size - 1 ? world.rank : 0)
    try world.barrier()
}

/// The last rank brings another number of elements.
func mismatchCount(_ world: any Communicator) throws {
    try world.barrier()
    let part = Array(repeating: world.rank, count: world.rank == world.size - 1 ? 3 : 2)
    _ = try world.allgather(part.span)
    try world.barrier()
}
