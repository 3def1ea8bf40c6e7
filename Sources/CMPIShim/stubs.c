// Where <mpi.h> is not installed: every function of the shim answers CMPI_UNAVAILABLE, so that the
// package still builds and SwiftMPI can say which packages to install.
#include "internal.h"

#if !CMPI_HAVE_MPI
#include <stdlib.h>

#pragma clang diagnostic ignored "-Wunused-parameter"

int cmpi_is_available(void) { return 0; }
int cmpi_init(int max_count, int *level, uint64_t *world) { return CMPI_UNAVAILABLE; }
void cmpi_finalize(void) {}
void cmpi_abort(uint64_t comm, int code) {}
int cmpi_library_version(char *text, size_t capacity) { return CMPI_UNAVAILABLE; }
int cmpi_error(int code, int *error_class, char *text, size_t capacity) { return CMPI_UNAVAILABLE; }
int cmpi_is_truncation(int code) { return 0; }
int cmpi_comm_rank(uint64_t comm, int *rank) { return CMPI_UNAVAILABLE; }
int cmpi_comm_size(uint64_t comm, int *size) { return CMPI_UNAVAILABLE; }
int cmpi_comm_tag_bound(uint64_t comm, int *bound) { return CMPI_UNAVAILABLE; }
int cmpi_comm_split(
    uint64_t comm, int color, int key, double seconds, uint64_t *child) {
    return CMPI_UNAVAILABLE;
}
int cmpi_comm_dup(uint64_t comm, double seconds, uint64_t *child) { return CMPI_UNAVAILABLE; }
void cmpi_comm_free(uint64_t comm) {}
int cmpi_isend(
    const void *bytes, size_t count, int64_t destination, int tag, uint64_t comm,
    int is_synchronous, uint64_t *request) {
    return CMPI_UNAVAILABLE;
}
int cmpi_irecv(
    void *buffer, size_t count, int64_t source, int tag, uint64_t comm, uint64_t *request) {
    return CMPI_UNAVAILABLE;
}
int cmpi_send(const void *bytes, size_t count, int64_t destination, int tag, uint64_t comm) {
    return CMPI_UNAVAILABLE;
}
int cmpi_recv(
    void *buffer, size_t count, int64_t source, int tag, uint64_t comm, cmpi_status *status) {
    return CMPI_UNAVAILABLE;
}
int cmpi_wait(uint64_t request, double seconds, cmpi_status *status) { return CMPI_UNAVAILABLE; }
int cmpi_test(uint64_t request, int *is_complete, cmpi_status *status) { return CMPI_UNAVAILABLE; }
int cmpi_waitany(
    const uint64_t *requests, size_t count, double seconds, int64_t *index, cmpi_status *status) {
    return CMPI_UNAVAILABLE;
}
int cmpi_waitall(
    const uint64_t *requests, size_t count, double seconds, cmpi_status *statuses) {
    return CMPI_UNAVAILABLE;
}
int cmpi_cancel(uint64_t request) { return 0; }
int cmpi_probe(
    int64_t source, int tag, uint64_t comm, double seconds, cmpi_status *status) {
    return CMPI_UNAVAILABLE;
}
int cmpi_iprobe(
    int64_t source, int tag, uint64_t comm, int *is_there, cmpi_status *status) {
    return CMPI_UNAVAILABLE;
}
int cmpi_mprobe(
    int64_t source, int tag, uint64_t comm, double seconds, uint64_t *message,
    cmpi_status *status) {
    return CMPI_UNAVAILABLE;
}
int cmpi_improbe(
    int64_t source, int tag, uint64_t comm, int *is_there, uint64_t *message, cmpi_status *status) {
    return CMPI_UNAVAILABLE;
}
int cmpi_imrecv(
    void *buffer, size_t count, uint64_t message, uint64_t *request) {
    return CMPI_UNAVAILABLE;
}
int cmpi_barrier(uint64_t comm, cmpi_mode mode) { return CMPI_UNAVAILABLE; }
int cmpi_bcast(
    void *buffer, size_t count, int root, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_gather(
    const void *part, size_t count, void *whole, int root, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_scatter(
    const void *whole, void *part, size_t count, int root, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_allgather(
    const void *part, size_t count, void *whole, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_alltoall(
    const void *send, void *recv, size_t count, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_allgatherv(
    const void *part, void *whole, cmpi_partition partition, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_alltoallv(
    const void *send, cmpi_partition send_partition, void *recv, cmpi_partition recv_partition,
    uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_gatherv(
    const void *part, size_t count, void *whole, cmpi_partition partition, int root, uint64_t comm,
    cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_scatterv(
    const void *whole, cmpi_partition partition, void *part, size_t count, int root, uint64_t comm,
    cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_reduce(
    cmpi_reduction reduction, int root, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_allreduce(
    cmpi_reduction reduction, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_reduce_scatter(
    cmpi_reduction reduction, const intptr_t *counts, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}
int cmpi_reduce_scatter_packed(
    cmpi_reduction reduction, cmpi_packed packed, uint64_t comm, cmpi_mode mode) {
    free(packed.vector);
    return CMPI_UNAVAILABLE;
}
int cmpi_scan(cmpi_reduction reduction, uint64_t comm, cmpi_mode mode) { return CMPI_UNAVAILABLE; }
int cmpi_exscan(
    cmpi_reduction reduction, uint64_t comm, cmpi_mode mode) {
    return CMPI_UNAVAILABLE;
}

#endif
