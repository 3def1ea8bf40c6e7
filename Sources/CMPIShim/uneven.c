// Collectives with a part of its own length for every rank (MPI 4.1 §6.5 to §6.8).
//
// gatherv, scatterv and alltoallv are MPI_Alltoallw calls. A rank whose parts lie beyond 2^31 - 1
// cannot take part in MPI_Alltoallv, whose displacements are ints, and its peers, whose own
// numbers are small, cannot know that; asking them would cost a message on every call. With
// Alltoallw every rank chooses per peer between plain bytes and a derived type that contains the
// displacement, and the messages are the same. Open MPI runs both as posted receives and sends
// and sends nothing for empty parts; measured, they take equal time.
#include "internal.h"

#if CMPI_HAVE_MPI
#include <stdlib.h>

/// The arguments of one side of MPI_Alltoallw: nothing to or from anyone at first.
typedef struct {
    int size;
    cmpi_extent *extents;
    int *counts;
    int *displacements;
    MPI_Datatype *types;
} side;

/// Bytes per rank of one side; the arrays lie in this order, so each is aligned.
enum { side_stride = sizeof(cmpi_extent) + sizeof(MPI_Datatype) + 2 * sizeof(int) };

/// Lays the arrays out in `memory`, all zero, of `side_stride` bytes per rank.
static void side_make(int size, void *memory, side *side) {
    side->size = size;
    side->extents = memory;
    side->types = (MPI_Datatype *)(side->extents + size);
    side->counts = (int *)(side->types + size);
    side->displacements = side->counts + size;
    for (int rank = 0; rank < size; rank++) side->types[rank] = MPI_BYTE;
}

static void side_free(side *side) {
    for (int rank = 0; rank < side->size; rank++) cmpi_extent_free(&side->extents[rank]);
}

static int side_set(side *side, int rank, size_t byte_count, size_t displacement) {
    cmpi_extent *extent = &side->extents[rank];
    int code = cmpi_extent_make(byte_count, displacement, extent);
    side->counts[rank] = extent->count;
    side->displacements[rank] = extent->displacement;
    side->types[rank] = extent->type;
    return code;
}

static size_t part_bytes(cmpi_partition partition, int rank) {
    return (size_t)partition.counts[rank] * partition.element_size;
}

static size_t part_offset(cmpi_partition partition, int rank) {
    return (size_t)partition.offsets[rank] * partition.element_size;
}

static int side_set_all(side *side, cmpi_partition partition) {
    int code = MPI_SUCCESS;
    for (int rank = 0; rank < side->size && code == MPI_SUCCESS; rank++) {
        code = side_set(side, rank, part_bytes(partition, rank), part_offset(partition, rank));
    }
    return code;
}

static int is_empty(const side *side) {
    for (int rank = 0; rank < side->size; rank++) {
        if (side->counts[rank] != 0) return 0;
    }
    return 1;
}

/// Both sides of one call, which MPI reads until it is complete, with their arrays behind them: one
/// allocation a call.
typedef struct {
    side sends, recvs;
} sides;

static void sides_free(sides *both) {
    side_free(&both->sends);
    side_free(&both->recvs);
    free(both);
}

static void sides_release(void *memory, int succeeded) {
    (void)succeeded;
    sides_free(memory);
}

/// Frees `both` once the call is complete.
static int exchange(
    int code, const void *send, void *recv, sides *both, uint64_t comm, cmpi_mode mode) {
    if (code != MPI_SUCCESS) {
        if (both != NULL) sides_free(both);
        return code;
    }
    const side *sends = &both->sends, *recvs = &both->recvs;
    // Two equal addresses, as of two empty buffers, are an exchange in place to Open MPI 4.1's
    // nonblocking form; a rank that leaves it early for want of data then numbers all later calls
    // unlike its peers.
    static char nothing[2];
    if (is_empty(sends)) send = &nothing[0];
    if (is_empty(recvs)) recv = &nothing[1];
    if (cmpi_is_blocking(mode)) {
        code = MPI_Alltoallw(
            send, sends->counts, sends->displacements, sends->types, recv, recvs->counts,
            recvs->displacements, recvs->types, comm_of(comm));
        sides_free(both);
        return code;
    }
    MPI_Request request;
    code = MPI_Ialltoallw(
        send, sends->counts, sends->displacements, sends->types, recv, recvs->counts,
        recvs->displacements, recvs->types, comm_of(comm), &request);
    return cmpi_conclude_keeping(code, &request, mode, both, sides_release);
}

/// Rank, and two empty sides, which `exchange` frees. `*both` is NULL if it fails.
static int begin(uint64_t comm, int *rank, sides **both) {
    int size = 0;
    *both = NULL;
    int code = cmpi_comm_rank(comm, rank);
    if (code == MPI_SUCCESS) code = cmpi_comm_size(comm, &size);
    if (code != MPI_SUCCESS) return code;
    size_t each = ((size_t)size * side_stride + 15) / 16 * 16;
    *both = calloc(1, sizeof **both + 2 * each);
    if (*both == NULL) return CMPI_NO_MEMORY;
    char *memory = (char *)(*both + 1);
    side_make(size, memory, &(*both)->sends);
    side_make(size, memory + each, &(*both)->recvs);
    return MPI_SUCCESS;
}

int cmpi_alltoallv(
    const void *send, cmpi_partition send_partition, void *recv, cmpi_partition recv_partition,
    uint64_t comm, cmpi_mode mode) {
    sides *both;
    int rank, code = begin(comm, &rank, &both);
    if (code == MPI_SUCCESS) code = side_set_all(&both->sends, send_partition);
    if (code == MPI_SUCCESS) code = side_set_all(&both->recvs, recv_partition);
    return exchange(code, send, recv, both, comm, mode);
}

int cmpi_gatherv(
    const void *part, size_t count, void *whole, cmpi_partition partition, int root,
    uint64_t comm, cmpi_mode mode) {
    sides *both;
    int rank, code = begin(comm, &rank, &both);
    if (code == MPI_SUCCESS) code = side_set(&both->sends, root, count, 0);
    if (code == MPI_SUCCESS && rank == root) code = side_set_all(&both->recvs, partition);
    return exchange(code, part, whole, both, comm, mode);
}

int cmpi_scatterv(
    const void *whole, cmpi_partition partition, void *part, size_t count, int root,
    uint64_t comm, cmpi_mode mode) {
    sides *both;
    int rank, code = begin(comm, &rank, &both);
    if (code == MPI_SUCCESS && rank == root) code = side_set_all(&both->sends, partition);
    if (code == MPI_SUCCESS) code = side_set(&both->recvs, root, count, 0);
    return exchange(code, whole, part, both, comm, mode);
}

/// Beyond the limit, which all ranks see in the partition they share: one broadcast per part; as an
/// exchange of the parts where only a request may be left behind.
static int large_parts(
    int code, const void *part, void *whole, cmpi_partition partition, int rank, sides *both,
    uint64_t comm, cmpi_mode mode) {
    size_t own_bytes = part_bytes(partition, rank);
    char *own = (char *)whole + part_offset(partition, rank);
    if (part != own && own_bytes > 0) memcpy(own, part, own_bytes);
    int size = both->recvs.size;
    if (mode.request != NULL) {
        // In its place already, it is neither sent to this rank nor received. Equal addresses would
        // be taken for an exchange in place (see `exchange`), so that one is counted from behind.
        int shift = own == (char *)whole;
        code = side_set(&both->recvs, rank, 0, 0);
        for (int peer = 0; peer < size && code == MPI_SUCCESS; peer++) {
            if (peer == rank || own_bytes == 0) continue;
            code = side_set(&both->sends, peer, own_bytes, 0);
            both->sends.displacements[peer] = -shift;
        }
        return exchange(code, own + shift, whole, both, comm, mode);
    }
    sides_free(both);
    for (int root = 0; root < size && code == MPI_SUCCESS; root++) {
        size_t byte_count = part_bytes(partition, root);
        char *place = (char *)whole + part_offset(partition, root);
        if (byte_count > 0) code = cmpi_bcast(place, byte_count, root, comm, mode);
    }
    return code;
}

int cmpi_allgatherv(
    const void *part, void *whole, cmpi_partition partition, uint64_t comm, cmpi_mode mode) {
    sides *both;
    int rank, code = begin(comm, &rank, &both), is_large = 0;
    if (code == MPI_SUCCESS) code = side_set_all(&both->recvs, partition);
    if (code != MPI_SUCCESS) return exchange(code, part, whole, both, comm, mode);
    const side *recvs = &both->recvs;
    for (int r = 0; r < recvs->size; r++) is_large |= recvs->extents[r].is_derived;
    if (is_large) return large_parts(code, part, whole, partition, rank, both, comm, mode);
    const void *own = (char *)whole + part_offset(partition, rank);
    const void *send = part == own && recvs->counts[rank] > 0 ? MPI_IN_PLACE : part;
    if (cmpi_is_blocking(mode)) {
        code = MPI_Allgatherv(
            send, recvs->counts[rank], MPI_BYTE, whole, recvs->counts, recvs->displacements,
            MPI_BYTE, comm_of(comm));
        sides_free(both);
        return code;
    }
    MPI_Request request;
    code = MPI_Iallgatherv(
        send, recvs->counts[rank], MPI_BYTE, whole, recvs->counts, recvs->displacements,
        MPI_BYTE, comm_of(comm), &request);
    return cmpi_conclude_keeping(code, &request, mode, both, sides_release);
}

#endif
