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
    int *counts;
    int *displacements;
    MPI_Datatype *types;
    /// Is a type among them that is to be freed?
    int has_derived;
} side;

/// Bytes per rank of one side; the arrays lie in this order, so each is aligned.
enum { side_stride = sizeof(MPI_Datatype) + 2 * sizeof(int) };

/// Lays the arrays out in `memory` of `side_stride` bytes per rank.
static void side_make(int size, void *memory, side *side) {
    side->size = size;
    side->types = memory;
    side->counts = (int *)(side->types + size);
    side->displacements = side->counts + size;
    side->has_derived = 0;
    for (int rank = 0; rank < size; rank++) {
        side->types[rank] = MPI_BYTE;
        side->counts[rank] = 0;
        side->displacements[rank] = 0;
    }
}

static void side_clear(side *side, int rank) {
    if (side->types[rank] != MPI_BYTE) MPI_Type_free(&side->types[rank]);
    side->types[rank] = MPI_BYTE;
    side->counts[rank] = 0;
    side->displacements[rank] = 0;
}

static void side_free(side *side) {
    for (int rank = 0; side->has_derived && rank < side->size; rank++) side_clear(side, rank);
}

/// A side's part that is still empty.
static int side_set(side *side, int rank, size_t byte_count, size_t displacement) {
    cmpi_extent extent;
    int code = cmpi_extent_make(byte_count, displacement, &extent);
    if (code != MPI_SUCCESS) return code;
    side->counts[rank] = extent.count;
    side->displacements[rank] = extent.displacement;
    side->types[rank] = extent.type;
    side->has_derived |= extent.is_derived;
    return MPI_SUCCESS;
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

/// Both sides of one call, which MPI reads until it is complete.
typedef struct {
    side sends, recvs;
    int is_allocated;
} sides;

/// Room for the sides of a blocking call among few ranks, which needs none beyond its own time.
enum { few = 64 };
typedef struct {
    sides both;
    MPI_Datatype arrays[2 * few * side_stride / sizeof(MPI_Datatype)];
} workspace;

static void sides_free(sides *both) {
    side_free(&both->sends);
    side_free(&both->recvs);
    if (both->is_allocated) free(both);
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

/// Two empty sides, in `room` if they may, which `exchange` frees. `*both` is NULL if it fails.
static int begin(uint64_t comm, cmpi_mode mode, workspace *room, sides **both) {
    int size = 0;
    *both = NULL;
    int code = cmpi_comm_size(comm, &size);
    if (code != MPI_SUCCESS) return code;
    size_t each = (size_t)size * side_stride;
    int is_allocated = size > few || !cmpi_is_blocking(mode);
    *both = is_allocated ? malloc(sizeof **both + 2 * each) : &room->both;
    if (*both == NULL) return CMPI_NO_MEMORY;
    (*both)->is_allocated = is_allocated;
    char *memory = is_allocated ? (char *)(*both + 1) : (char *)room->arrays;
    side_make(size, memory, &(*both)->sends);
    side_make(size, memory + each, &(*both)->recvs);
    return MPI_SUCCESS;
}

int cmpi_alltoallv(
    const void *send, cmpi_partition send_partition, void *recv, cmpi_partition recv_partition,
    uint64_t comm, cmpi_mode mode) {
    workspace room;
    sides *both;
    int code = begin(comm, mode, &room, &both);
    if (code == MPI_SUCCESS) code = side_set_all(&both->sends, send_partition);
    if (code == MPI_SUCCESS) code = side_set_all(&both->recvs, recv_partition);
    return exchange(code, send, recv, both, comm, mode);
}

int cmpi_gatherv(
    const void *part, size_t count, void *whole, cmpi_partition partition, int root,
    uint64_t comm, cmpi_mode mode) {
    workspace room;
    sides *both;
    int rank = 0, code = begin(comm, mode, &room, &both);
    if (code == MPI_SUCCESS) code = cmpi_comm_rank(comm, &rank);
    if (code == MPI_SUCCESS) code = side_set(&both->sends, root, count, 0);
    if (code == MPI_SUCCESS && rank == root) code = side_set_all(&both->recvs, partition);
    return exchange(code, part, whole, both, comm, mode);
}

int cmpi_scatterv(
    const void *whole, cmpi_partition partition, void *part, size_t count, int root,
    uint64_t comm, cmpi_mode mode) {
    workspace room;
    sides *both;
    int rank = 0, code = begin(comm, mode, &room, &both);
    if (code == MPI_SUCCESS) code = cmpi_comm_rank(comm, &rank);
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
        side_clear(&both->recvs, rank);
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
    workspace room;
    sides *both;
    int rank = 0, code = begin(comm, mode, &room, &both);
    if (code == MPI_SUCCESS) code = cmpi_comm_rank(comm, &rank);
    if (code == MPI_SUCCESS) code = side_set_all(&both->recvs, partition);
    if (code != MPI_SUCCESS) return exchange(code, part, whole, both, comm, mode);
    const side *recvs = &both->recvs;
    if (recvs->has_derived) return large_parts(code, part, whole, partition, rank, both, comm, mode);
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
