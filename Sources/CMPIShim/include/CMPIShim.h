// Open MPI as Swift can import it: functions and plain integers instead of mpi.h's macros.
//
// Opaque on purpose: this header includes nothing of MPI, so the package builds where MPI is not
// installed (stubs.c then answers CMPI_UNAVAILABLE). Handles travel as their bits in a uint64_t,
// which holds Open MPI's pointers as well as MPICH's ints.
//
// Every function returns an MPI error code (0 is success), CMPI_TIMED_OUT or CMPI_UNAVAILABLE.
// `seconds` is how long a blocking call may take; negative means for ever, and then the blocking
// MPI call itself runs. After CMPI_TIMED_OUT MPI may still own the buffers: abort.
#ifndef CMPI_SHIM_H
#define CMPI_SHIM_H

#include <stddef.h>
#include <stdint.h>

#define CMPI_SUCCESS 0
#define CMPI_TIMED_OUT (-1)
#define CMPI_UNAVAILABLE (-2)
#define CMPI_NO_MEMORY (-3)

/// Set in the handle of a send or a collective: its status says nothing, and it cannot be
/// cancelled. No pointer of a Linux process and no int has this bit or the next one.
#define CMPI_SEND_BIT (1ULL << 63)
/// Set in the handle of a collective whose arguments the shim keeps until it is complete.
#define CMPI_KEPT_BIT (1ULL << 62)

/// Ranks and tags with a special meaning, as Swift spells them.
#define CMPI_ANY (-1)
#define CMPI_NONE (-2)

typedef struct {
    int64_t source;     // CMPI_NONE after an operation with MPI_PROC_NULL
    int64_t tag;        // CMPI_ANY after an operation with MPI_PROC_NULL
    int64_t byte_count; // of the message, also when it was truncated
    int32_t error;      // this operation's own error code
    int32_t is_cancelled;
} cmpi_status;

// MARK: environment.c

int cmpi_is_available(void);
/// Initialises MPI unless someone has, asking for the thread level `*level`, which becomes what MPI
/// grants: 0 single, 1 funneled, 2 serialized, 3 multiple. Errors return from now on. `max_count` is
/// the largest count passed to MPI (INT_MAX unless a test forces it down).
int cmpi_init(int max_count, int *level, uint64_t *world);
/// Finalises MPI if that is still to be done.
void cmpi_finalize(void);
void cmpi_abort(uint64_t comm, int code);
int cmpi_library_version(char *text, size_t capacity);
/// The error class of an error code, and its text.
int cmpi_error(int code, int *error_class, char *text, size_t capacity);
int cmpi_is_truncation(int code);

int cmpi_comm_rank(uint64_t comm, int *rank);
int cmpi_comm_size(uint64_t comm, int *size);
int cmpi_comm_tag_bound(uint64_t comm, int *bound);
/// `color` negative joins no communicator; `*child` is 0 then.
int cmpi_comm_split(uint64_t comm, int color, int key, double seconds, uint64_t *child);
int cmpi_comm_dup(uint64_t comm, double seconds, uint64_t *child);
void cmpi_comm_free(uint64_t comm);

// MARK: point_to_point.c

int cmpi_isend(
    const void *bytes, size_t count, int64_t destination, int tag, uint64_t comm,
    int is_synchronous, uint64_t *request);
int cmpi_irecv(
    void *buffer, size_t count, int64_t source, int tag, uint64_t comm, uint64_t *request);
/// Blocks in MPI: for whoever waits without a deadline.
int cmpi_send(const void *bytes, size_t count, int64_t destination, int tag, uint64_t comm);
int cmpi_recv(
    void *buffer, size_t count, int64_t source, int tag, uint64_t comm, cmpi_status *status);
int cmpi_wait(uint64_t request, double seconds, cmpi_status *status);
int cmpi_test(uint64_t request, int *is_complete, cmpi_status *status);
/// `*index` is -1 unless a request completed, well or badly.
int cmpi_waitany(
    const uint64_t *requests, size_t count, double seconds, int64_t *index, cmpi_status *status);
/// Completes every request, also after a failure: receives nothing has matched are then
/// cancelled. Returns the first error; `statuses[i].error` tells whose.
int cmpi_waitall(const uint64_t *requests, size_t count, double seconds, cmpi_status *statuses);
/// 1 if the receive was withdrawn and freed; 0 if the request must still be waited for.
int cmpi_cancel(uint64_t request);

int cmpi_probe(int64_t source, int tag, uint64_t comm, double seconds, cmpi_status *status);
int cmpi_iprobe(int64_t source, int tag, uint64_t comm, int *is_there, cmpi_status *status);
int cmpi_mprobe(
    int64_t source, int tag, uint64_t comm, double seconds, uint64_t *message,
    cmpi_status *status);
int cmpi_improbe(
    int64_t source, int tag, uint64_t comm, int *is_there, uint64_t *message,
    cmpi_status *status);
int cmpi_imrecv(void *buffer, size_t count, uint64_t message, uint64_t *request);

// MARK: collectives.c: counts in bytes; send and receive buffers may be the same memory

/// How a collective is called: to its end within `seconds` (see above), or, if `request` is given,
/// only started.
typedef struct {
    double seconds;
    uint64_t *request;
} cmpi_mode;

int cmpi_barrier(uint64_t comm, cmpi_mode mode);
int cmpi_bcast(void *buffer, size_t count, int root, uint64_t comm, cmpi_mode mode);
int cmpi_gather(
    const void *part, size_t count, void *whole, int root, uint64_t comm, cmpi_mode mode);
int cmpi_scatter(
    const void *whole, void *part, size_t count, int root, uint64_t comm, cmpi_mode mode);
int cmpi_allgather(const void *part, size_t count, void *whole, uint64_t comm, cmpi_mode mode);
int cmpi_alltoall(const void *send, void *recv, size_t count, uint64_t comm, cmpi_mode mode);

/// Part r is `counts[r]` elements at element `offsets[r]`, elements of `element_size` bytes.
typedef struct {
    const intptr_t *counts;
    const intptr_t *offsets;
    size_t element_size;
} cmpi_partition;

/// `partition` is the same on all ranks.
int cmpi_allgatherv(
    const void *part, void *whole, cmpi_partition partition, uint64_t comm, cmpi_mode mode);
int cmpi_alltoallv(
    const void *send, cmpi_partition send_partition, void *recv, cmpi_partition recv_partition,
    uint64_t comm, cmpi_mode mode);
/// `partition` counts at the root only, `count` (in bytes) elsewhere.
int cmpi_gatherv(
    const void *part, size_t count, void *whole, cmpi_partition partition, int root,
    uint64_t comm, cmpi_mode mode);
int cmpi_scatterv(
    const void *whole, cmpi_partition partition, void *part, size_t count, int root,
    uint64_t comm, cmpi_mode mode);

// MARK: reductions.c, user.c: `type` is Datatype.rawValue, `operation` PredefinedReduction.rawValue

/// A user-defined operation: `higher[i] = lower[i] ∘ higher[i]` for `count` elements. `context`
/// stays valid until `release` is called with it, which is when the collective is complete.
typedef struct {
    void (*combine)(const void *context, const void *lower, void *higher, size_t count);
    void (*release)(const void *context);
    const void *context;
    size_t element_size;
    int is_commutative;
} cmpi_user_reduction;

typedef struct {
    const void *send;
    void *result;
    size_t count; // elements
    int type;
    int operation;
    const cmpi_user_reduction *user; // if given, `type` and `operation` do not count
} cmpi_reduction;

int cmpi_reduce(cmpi_reduction reduction, int root, uint64_t comm, cmpi_mode mode);
int cmpi_allreduce(cmpi_reduction reduction, uint64_t comm, cmpi_mode mode);
/// Every rank gets its part of the result; `counts` are elements per rank.
int cmpi_reduce_scatter(
    cmpi_reduction reduction, const intptr_t *counts, uint64_t comm, cmpi_mode mode);
/// Memory of malloc that the call takes over: a vector, reduced in place by all ranks. Once that is
/// complete `byte_count` bytes at `part` of it go to `result`; then, or if it fails, it is freed.
typedef struct {
    void *vector;
    const void *part;
    void *result;
    size_t byte_count;
} cmpi_packed;
/// cmpi_reduce_scatter for parts that MPI_Reduce_scatter cannot take. Of `reduction` the operation
/// and the number of elements count.
int cmpi_reduce_scatter_packed(
    cmpi_reduction reduction, cmpi_packed packed, uint64_t comm, cmpi_mode mode);
int cmpi_scan(cmpi_reduction reduction, uint64_t comm, cmpi_mode mode);
int cmpi_exscan(cmpi_reduction reduction, uint64_t comm, cmpi_mode mode);

#endif
