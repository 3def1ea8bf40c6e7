// Counts beyond 2^31 - 1, and deadlines: the two things MPI 3.1 calls lack.
#include "internal.h"

#if CMPI_HAVE_MPI
#include <limits.h>
#include <sched.h>

size_t cmpi_max_count = INT_MAX;

/// `byte_count` contiguous bytes as one element: full blocks of cmpi_max_count, then the rest.
static int make_blocks(size_t byte_count, size_t displacement, MPI_Datatype *type) {
    size_t blocks = byte_count / cmpi_max_count, rest = byte_count % cmpi_max_count;
    if (blocks > INT_MAX) return MPI_ERR_COUNT;
    MPI_Datatype block = MPI_BYTE, body = MPI_BYTE;
    int code = MPI_Type_contiguous((int)cmpi_max_count, MPI_BYTE, &block);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Type_contiguous((int)blocks, block, &body);
    MPI_Type_free(&block);
    if (code != MPI_SUCCESS) return code;
    int lengths[2] = {1, (int)rest};
    MPI_Aint places[2] = {
        (MPI_Aint)displacement, (MPI_Aint)(displacement + blocks * cmpi_max_count)};
    MPI_Datatype types[2] = {body, MPI_BYTE};
    code = MPI_Type_create_struct(2, lengths, places, types, type);
    MPI_Type_free(&body);
    return code;
}

int cmpi_extent_make_derived(size_t byte_count, size_t displacement, cmpi_extent *extent) {
    int code;
    if (byte_count <= cmpi_max_count) {
        int length = (int)byte_count;
        MPI_Aint place = (MPI_Aint)displacement;
        MPI_Datatype byte = MPI_BYTE;
        code = MPI_Type_create_struct(1, &length, &place, &byte, &extent->type);
    } else {
        code = make_blocks(byte_count, displacement, &extent->type);
    }
    if (code != MPI_SUCCESS) return code;
    extent->count = 1;
    extent->is_derived = 1;
    code = MPI_Type_commit(&extent->type);
    if (code != MPI_SUCCESS) cmpi_extent_free(extent);
    return code;
}

void cmpi_extent_free(cmpi_extent *extent) {
    if (extent->is_derived) MPI_Type_free(&extent->type);
    extent->is_derived = 0;
}

cmpi_deadline cmpi_deadline_in(double seconds) {
    return (cmpi_deadline){.end = seconds < 0 ? -1 : MPI_Wtime() + seconds};
}

int cmpi_has_passed(cmpi_deadline *deadline) {
    // A clock read and a system call per poll would cost more than the poll.
    if (++deadline->polls % 64 != 0) return 0;
    sched_yield();
    return deadline->end >= 0 && MPI_Wtime() > deadline->end;
}

int cmpi_finish(int code, MPI_Request *request, double seconds) {
    if (code != MPI_SUCCESS) return code;
    cmpi_deadline deadline = cmpi_deadline_in(seconds);
    for (;;) {
        int is_complete = 0;
        code = MPI_Test(request, &is_complete, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS || is_complete) return code;
        if (cmpi_has_passed(&deadline)) return CMPI_TIMED_OUT;
    }
}

int cmpi_conclude(int code, MPI_Request *request, cmpi_mode mode) {
    if (mode.request == NULL) return cmpi_finish(code, request, mode.seconds);
    if (code == MPI_SUCCESS) *mode.request = bits_of_request(*request) | CMPI_SEND_BIT;
    return code;
}

#endif
