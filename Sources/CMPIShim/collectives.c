// Collectives on bytes (MPI 4.1 §6): each is one MPI call; with a deadline its nonblocking twin.
#include "internal.h"

#if CMPI_HAVE_MPI

int cmpi_barrier(uint64_t comm, cmpi_mode mode) {
    if (cmpi_is_blocking(mode)) return MPI_Barrier(comm_of(comm));
    MPI_Request request;
    int code = MPI_Ibarrier(comm_of(comm), &request);
    return cmpi_conclude(code, &request, mode);
}

int cmpi_bcast(void *buffer, size_t count, int root, uint64_t comm, cmpi_mode mode) {
    cmpi_extent part;
    int code = cmpi_extent_make(count, 0, &part);
    if (code != MPI_SUCCESS) return code;
    if (cmpi_is_blocking(mode)) {
        code = MPI_Bcast(buffer, part.count, part.type, root, comm_of(comm));
    } else {
        MPI_Request request;
        code = MPI_Ibcast(buffer, part.count, part.type, root, comm_of(comm), &request);
        code = cmpi_conclude(code, &request, mode);
    }
    cmpi_extent_free(&part);
    return code;
}

/// MPI_IN_PLACE if the rank's own part lies where it belongs already.
static const void *own_part(const void *part, const void *whole, size_t count, int rank) {
    const char *place = (const char *)whole + count * (size_t)rank;
    return whole != NULL && part == place ? MPI_IN_PLACE : part;
}

int cmpi_gather(
    const void *part, size_t count, void *whole, int root, uint64_t comm, cmpi_mode mode) {
    cmpi_extent one;
    int rank = 0, code = cmpi_comm_rank(comm, &rank);
    if (code == MPI_SUCCESS) code = cmpi_extent_make(count, 0, &one);
    if (code != MPI_SUCCESS) return code;
    if (rank == root && count > 0) part = own_part(part, whole, count, rank);
    if (cmpi_is_blocking(mode)) {
        code = MPI_Gather(
            part, one.count, one.type, whole, one.count, one.type, root, comm_of(comm));
    } else {
        MPI_Request request;
        code = MPI_Igather(
            part, one.count, one.type, whole, one.count, one.type, root, comm_of(comm),
            &request);
        code = cmpi_conclude(code, &request, mode);
    }
    cmpi_extent_free(&one);
    return code;
}

int cmpi_scatter(
    const void *whole, void *part, size_t count, int root, uint64_t comm, cmpi_mode mode) {
    cmpi_extent one;
    int rank = 0, code = cmpi_comm_rank(comm, &rank);
    if (code == MPI_SUCCESS) code = cmpi_extent_make(count, 0, &one);
    if (code != MPI_SUCCESS) return code;
    if (rank == root && count > 0) part = (void *)own_part(part, whole, count, rank);
    if (cmpi_is_blocking(mode)) {
        code = MPI_Scatter(
            whole, one.count, one.type, part, one.count, one.type, root, comm_of(comm));
    } else {
        MPI_Request request;
        code = MPI_Iscatter(
            whole, one.count, one.type, part, one.count, one.type, root, comm_of(comm),
            &request);
        code = cmpi_conclude(code, &request, mode);
    }
    cmpi_extent_free(&one);
    return code;
}

int cmpi_allgather(const void *part, size_t count, void *whole, uint64_t comm, cmpi_mode mode) {
    cmpi_extent one;
    int rank = 0, code = cmpi_comm_rank(comm, &rank);
    if (code == MPI_SUCCESS) code = cmpi_extent_make(count, 0, &one);
    if (code != MPI_SUCCESS) return code;
    if (count > 0) part = own_part(part, whole, count, rank);
    if (cmpi_is_blocking(mode)) {
        code = MPI_Allgather(
            part, one.count, one.type, whole, one.count, one.type, comm_of(comm));
    } else {
        MPI_Request request;
        code = MPI_Iallgather(
            part, one.count, one.type, whole, one.count, one.type, comm_of(comm), &request);
        code = cmpi_conclude(code, &request, mode);
    }
    cmpi_extent_free(&one);
    return code;
}

int cmpi_alltoall(const void *send, void *recv, size_t count, uint64_t comm, cmpi_mode mode) {
    cmpi_extent one;
    int code = cmpi_extent_make(count, 0, &one);
    if (code != MPI_SUCCESS) return code;
    if (send == recv && count > 0) send = MPI_IN_PLACE;
    if (cmpi_is_blocking(mode)) {
        code = MPI_Alltoall(
            send, one.count, one.type, recv, one.count, one.type, comm_of(comm));
    } else {
        MPI_Request request;
        code = MPI_Ialltoall(
            send, one.count, one.type, recv, one.count, one.type, comm_of(comm), &request);
        code = cmpi_conclude(code, &request, mode);
    }
    cmpi_extent_free(&one);
    return code;
}

#endif
