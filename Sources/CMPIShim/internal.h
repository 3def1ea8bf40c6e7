// What the C files of the shim share: handles as bits, counts beyond MPI's int, deadlines.
#ifndef CMPI_INTERNAL_H
#define CMPI_INTERNAL_H

#include "CMPIShim.h"

#if __has_include(<mpi.h>) && !defined CMPI_HAVE_MPI
#define CMPI_HAVE_MPI 1
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <string.h>

/// Handles are pointers (Open MPI) or ints (MPICH); their bits fit.
#define CMPI_HANDLE(Type, name)                                                                  \
    static inline Type name##_of(uint64_t bits) {                                                \
        Type handle;                                                                             \
        memcpy(&handle, &bits, sizeof handle);                                                   \
        return handle;                                                                           \
    }                                                                                            \
    static inline uint64_t bits_of_##name(Type handle) {                                         \
        uint64_t bits = 0;                                                                       \
        memcpy(&bits, &handle, sizeof handle);                                                   \
        return bits;                                                                             \
    }

CMPI_HANDLE(MPI_Comm, comm)
CMPI_HANDLE(MPI_Request, request)
CMPI_HANDLE(MPI_Message, message)

// Arguments of one MPI call that describe `n` bytes at `displacement`: plain MPI_BYTEs while the
// numbers fit an int, one element of a derived type beyond. Both sides of a message choose on
// their own: type signatures, all MPI_BYTE, match by their total length (MPI 4.1 §3.3.1).
typedef struct {
    int count;
    int displacement; // in bytes
    MPI_Datatype type;
    int is_derived;
} cmpi_extent;

/// The largest count MPI is given; see cmpi_init.
extern size_t cmpi_max_count;

/// Of what an int does not hold.
int cmpi_extent_make_derived(size_t byte_count, size_t displacement, cmpi_extent *extent);
void cmpi_extent_free(cmpi_extent *extent);

static inline int cmpi_extent_make(size_t byte_count, size_t displacement, cmpi_extent *extent) {
    *extent = (cmpi_extent){.type = MPI_BYTE};
    if (byte_count == 0) return MPI_SUCCESS;
    if (byte_count > cmpi_max_count || displacement > cmpi_max_count)
        return cmpi_extent_make_derived(byte_count, displacement, extent);
    extent->count = (int)byte_count;
    extent->displacement = (int)displacement;
    return MPI_SUCCESS;
}

/// Makes the operations that MPI lacks.
int cmpi_reductions_init(void);

/// Completes a nonblocking call within `seconds`. Returns `code` if that is an error already.
int cmpi_finish(int code, MPI_Request *request, double seconds);

/// Is the blocking MPI call to be made?
static inline int cmpi_is_blocking(cmpi_mode mode) {
    return mode.request == NULL && mode.seconds < 0;
}

/// Completes a nonblocking call, or hands its request out.
int cmpi_conclude(int code, MPI_Request *request, cmpi_mode mode);

/// Frees what a call needed, which is complete, or has failed.
typedef void (*cmpi_release)(void *memory, int succeeded);
/// As cmpi_conclude for a call that needs `memory` until it is complete: `release` is called with
/// it then, or now if the call has failed or is complete.
int cmpi_conclude_keeping(
    int code, MPI_Request *request, cmpi_mode mode, void *memory, cmpi_release release);
/// What the request of a handle needs. Taken before MPI completes it: from then on another call may
/// be given the same handle.
typedef struct cmpi_kept cmpi_kept;
/// NULL if there is nothing.
cmpi_kept *cmpi_take_kept(uint64_t handle);
/// Back, as the request is not complete.
void cmpi_keep(cmpi_kept *entry);
void cmpi_release_kept(cmpi_kept *entry, int succeeded);

/// Makes what user-defined operations need.
int cmpi_user_init(void);
/// A user-defined operation as MPI takes it: a type of `element_count` elements that carries the
/// operation, and an MPI_Op that looks there. The type is to be freed.
int cmpi_user_make(
    const cmpi_user_reduction *user, size_t element_count, MPI_Datatype *type,
    MPI_Op *operation);

/// A moment to give up at. Never, for negative `seconds`.
typedef struct {
    double end;
    unsigned polls;
} cmpi_deadline;

cmpi_deadline cmpi_deadline_in(double seconds);
/// Yields the processor now and then; true once the deadline has passed.
int cmpi_has_passed(cmpi_deadline *deadline);

void cmpi_status_copy(const MPI_Status *status, cmpi_status *copy);

#endif
#endif
