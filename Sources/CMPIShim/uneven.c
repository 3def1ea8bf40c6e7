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

static void side_free(side *side) {
    if (side->extents != NULL) {
        for (int rank = 0; rank < side->size; rank++) cmpi_extent_free(&side->extents[rank]);
    }
    free(side->extents);
    free(side->counts);
    free(side->displacements);
    free(side->types);
}

static int side_make(int size, side *side) {
    side->size = size;
    side->extents = calloc((size_t)size, sizeof *side->extents);
    side->counts = calloc((size_t)size, sizeof *side->counts);
    side->displacements = calloc((size_t)size, sizeof *side->displacements);
    side->types = calloc((size_t)size, sizeof *side->types);
    if (!side->extents || !side->counts || !side->displacements || !side->types) {
        return CMPI_NO_MEMORY;
    }
    for (int rank = 0; rank < size; rank++) side->types[rank] = MPI_BYTE;
    return MPI_SUCCESS;
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

static int exchange(
    const void *send, const side *sends, void *recv, const side *recvs, uint64_t comm,
    double seconds) {
    // Two equal addresses, as of two empty buffers, are an exchange in place to Open MPI 4.1's
    // nonblocking form; a rank that leaves it early for want of data then numbers all later calls
    // unlike its peers.
    static char nothing[2];
    if (is_empty(sends)) send = &nothing[0];
    if (is_empty(recvs)) recv = &nothing[1];
    if (seconds < 0) {
        return MPI_Alltoallw(
            send, sends->counts, sends->displacements, sends->types, recv, recvs->counts,
            recvs->displacements, recvs->types, comm_of(comm));
    }
    MPI_Request request;
    int code = MPI_Ialltoallw(
        send, sends->counts, sends->displacements, sends->types, recv, recvs->counts,
        recvs->displacements, recvs->types, comm_of(comm), &request);
    return cmpi_finish(code, &request, seconds);
}

/// Rank and size, and two empty sides. The sides are to be freed even after an error.
static int begin(uint64_t comm, int *rank, side *sends, side *recvs) {
    int size = 0;
    *sends = *recvs = (side){0};
    int code = cmpi_comm_rank(comm, rank);
    if (code == MPI_SUCCESS) code = cmpi_comm_size(comm, &size);
    if (code == MPI_SUCCESS) code = side_make(size, sends);
    if (code == MPI_SUCCESS) code = side_make(size, recvs);
    return code;
}

int cmpi_alltoallv(
    const void *send, cmpi_partition send_partition, void *recv, cmpi_partition recv_partition,
    uint64_t comm, double seconds) {
    side sends, recvs;
    int rank, code = begin(comm, &rank, &sends, &recvs);
    if (code == MPI_SUCCESS) code = side_set_all(&sends, send_partition);
    if (code == MPI_SUCCESS) code = side_set_all(&recvs, recv_partition);
    if (code == MPI_SUCCESS) code = exchange(send, &sends, recv, &recvs, comm, seconds);
    side_free(&sends);
    side_free(&recvs);
    return code;
}

int cmpi_gatherv(
    const void *part, size_t count, void *whole, cmpi_partition partition, int root,
    uint64_t comm, double seconds) {
    side sends, recvs;
    int rank, code = begin(comm, &rank, &sends, &recvs);
    if (code == MPI_SUCCESS) code = side_set(&sends, root, count, 0);
    if (code == MPI_SUCCESS && rank == root) code = side_set_all(&recvs, partition);
    if (code == MPI_SUCCESS) code = exchange(part, &sends, whole, &recvs, comm, seconds);
    side_free(&sends);
    side_free(&recvs);
    return code;
}

int cmpi_scatterv(
    const void *whole, cmpi_partition partition, void *part, size_t count, int root,
    uint64_t comm, double seconds) {
    side sends, recvs;
    int rank, code = begin(comm, &rank, &sends, &recvs);
    if (code == MPI_SUCCESS && rank == root) code = side_set_all(&sends, partition);
    if (code == MPI_SUCCESS) code = side_set(&recvs, root, count, 0);
    if (code == MPI_SUCCESS) code = exchange(whole, &sends, part, &recvs, comm, seconds);
    side_free(&sends);
    side_free(&recvs);
    return code;
}

/// Beyond the limit, which all ranks see in the partition they share: one broadcast per part.
static int broadcast_parts(
    const void *part, void *whole, cmpi_partition partition, int rank, int size, uint64_t comm,
    double seconds) {
    char *own = (char *)whole + part_offset(partition, rank);
    int code = MPI_SUCCESS;
    if (part != own && part_bytes(partition, rank) > 0) {
        memcpy(own, part, part_bytes(partition, rank));
    }
    for (int root = 0; root < size && code == MPI_SUCCESS; root++) {
        size_t byte_count = part_bytes(partition, root);
        char *place = (char *)whole + part_offset(partition, root);
        if (byte_count > 0) code = cmpi_bcast(place, byte_count, root, comm, seconds);
    }
    return code;
}

int cmpi_allgatherv(
    const void *part, void *whole, cmpi_partition partition, uint64_t comm, double seconds) {
    side sends, recvs;
    int rank, code = begin(comm, &rank, &sends, &recvs), is_large = 0;
    if (code == MPI_SUCCESS) code = side_set_all(&recvs, partition);
    if (code == MPI_SUCCESS) {
        for (int r = 0; r < recvs.size; r++) is_large |= recvs.extents[r].is_derived;
        const void *own = (char *)whole + part_offset(partition, rank);
        const void *send = part == own && recvs.counts[rank] > 0 ? MPI_IN_PLACE : part;
        if (is_large) {
            code = broadcast_parts(part, whole, partition, rank, recvs.size, comm, seconds);
        } else if (seconds < 0) {
            code = MPI_Allgatherv(
                send, recvs.counts[rank], MPI_BYTE, whole, recvs.counts, recvs.displacements,
                MPI_BYTE, comm_of(comm));
        } else {
            MPI_Request request;
            code = MPI_Iallgatherv(
                send, recvs.counts[rank], MPI_BYTE, whole, recvs.counts, recvs.displacements,
                MPI_BYTE, comm_of(comm), &request);
            code = cmpi_finish(code, &request, seconds);
        }
    }
    side_free(&sends);
    side_free(&recvs);
    return code;
}

#endif
