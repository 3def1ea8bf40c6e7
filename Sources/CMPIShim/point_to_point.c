// Messages: sends, receives, their completion, and probes (MPI 4.1 §3).
#include "internal.h"

#if CMPI_HAVE_MPI
#include <stdlib.h>

static int mpi_rank(int64_t rank) {
    return rank == CMPI_ANY ? MPI_ANY_SOURCE : rank == CMPI_NONE ? MPI_PROC_NULL : (int)rank;
}

static int mpi_tag(int tag) { return tag == CMPI_ANY ? MPI_ANY_TAG : tag; }

void cmpi_status_copy(const MPI_Status *status, cmpi_status *copy) {
    MPI_Count count = 0;
    int is_cancelled = 0;
    // Not MPI_Get_count, whose int overflows beyond 2 GiB.
    MPI_Get_elements_x(status, MPI_BYTE, &count);
    MPI_Test_cancelled(status, &is_cancelled);
    copy->source = status->MPI_SOURCE == MPI_PROC_NULL ? CMPI_NONE : status->MPI_SOURCE;
    copy->tag = status->MPI_TAG == MPI_ANY_TAG ? CMPI_ANY : status->MPI_TAG;
    copy->byte_count = count == MPI_UNDEFINED ? 0 : (int64_t)count;
    copy->error = MPI_SUCCESS;
    copy->is_cancelled = is_cancelled;
}

static MPI_Request pending_of(uint64_t handle) { return request_of(handle & ~CMPI_SEND_BIT); }

int cmpi_isend(
    const void *bytes, size_t count, int64_t destination, int tag, uint64_t comm,
    uint64_t *request) {
    cmpi_extent extent;
    MPI_Request started = MPI_REQUEST_NULL;
    int code = cmpi_extent_make(count, 0, &extent);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Isend(
        bytes, extent.count, extent.type, mpi_rank(destination), tag, comm_of(comm), &started);
    cmpi_extent_free(&extent); // MPI keeps it until the send is complete (MPI 4.1 §5.1.9)
    *request = bits_of_request(started) | CMPI_SEND_BIT;
    return code;
}

int cmpi_irecv(
    void *buffer, size_t count, int64_t source, int tag, uint64_t comm, uint64_t *request) {
    cmpi_extent extent;
    MPI_Request started = MPI_REQUEST_NULL;
    int code = cmpi_extent_make(count, 0, &extent);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Irecv(
        buffer, extent.count, extent.type, mpi_rank(source), mpi_tag(tag), comm_of(comm),
        &started);
    cmpi_extent_free(&extent);
    *request = bits_of_request(started);
    return code;
}

int cmpi_wait(uint64_t handle, double seconds, cmpi_status *status) {
    MPI_Request request = pending_of(handle);
    MPI_Status filled = {0};
    int code;
    if (seconds < 0) {
        code = MPI_Wait(&request, &filled);
    } else {
        cmpi_deadline deadline = cmpi_deadline_in(seconds);
        int is_complete = 0;
        do {
            code = MPI_Test(&request, &is_complete, &filled);
        } while (code == MPI_SUCCESS && !is_complete && !cmpi_has_passed(&deadline));
        if (code == MPI_SUCCESS && !is_complete) return CMPI_TIMED_OUT;
    }
    cmpi_status_copy(&filled, status);
    return code;
}

int cmpi_test(uint64_t handle, int *is_complete, cmpi_status *status) {
    MPI_Request request = pending_of(handle);
    MPI_Status filled = {0};
    int code = MPI_Test(&request, is_complete, &filled);
    if (code != MPI_SUCCESS) *is_complete = 1;
    if (*is_complete) cmpi_status_copy(&filled, status);
    return code;
}

// MPI writes to the arrays it is given, so it gets copies: on the stack for usual numbers.
#define CMPI_FEW 64

int cmpi_waitany(
    const uint64_t *handles, size_t count, double seconds, int64_t *index, cmpi_status *status) {
    MPI_Request few[CMPI_FEW];
    MPI_Request *requests = count <= CMPI_FEW ? few : malloc(count * sizeof *requests);
    if (requests == NULL) return CMPI_NO_MEMORY;
    for (size_t i = 0; i < count; i++) requests[i] = pending_of(handles[i]);

    MPI_Status filled = {0};
    int position = MPI_UNDEFINED, is_complete = 0, code;
    if (seconds < 0) {
        code = MPI_Waitany((int)count, requests, &position, &filled);
        is_complete = 1;
    } else {
        cmpi_deadline deadline = cmpi_deadline_in(seconds);
        do {
            code = MPI_Testany((int)count, requests, &position, &is_complete, &filled);
        } while (code == MPI_SUCCESS && !is_complete && !cmpi_has_passed(&deadline));
    }
    *index = position == MPI_UNDEFINED ? -1 : position;
    if (requests != few) free(requests);
    if (code == MPI_SUCCESS && !is_complete) return CMPI_TIMED_OUT;
    cmpi_status_copy(&filled, status);
    return code;
}

/// After a failure: every receive that is still pending is cancelled if it can be, and all are
/// completed. Returns the first error.
static int complete_rest(
    const uint64_t *handles, MPI_Request *requests, MPI_Status *filled, size_t count) {
    int first = MPI_SUCCESS;
    for (size_t i = 0; i < count; i++) {
        int error = filled[i].MPI_ERROR;
        if (error == MPI_ERR_PENDING) {
            if (!(handles[i] & CMPI_SEND_BIT)) MPI_Cancel(&requests[i]);
            error = MPI_Wait(&requests[i], &filled[i]);
        }
        filled[i].MPI_ERROR = error;
        if (first == MPI_SUCCESS) first = error;
    }
    return first;
}

static int wait_all(
    const uint64_t *handles, MPI_Request *requests, MPI_Status *filled, size_t count,
    double seconds) {
    for (size_t i = 0; i < count; i++) {
        requests[i] = pending_of(handles[i]);
        memset(&filled[i], 0, sizeof filled[i]);
    }
    int code;
    if (seconds < 0) {
        code = MPI_Waitall((int)count, requests, filled);
    } else {
        cmpi_deadline deadline = cmpi_deadline_in(seconds);
        int is_complete = 0;
        do {
            code = MPI_Testall((int)count, requests, &is_complete, filled);
        } while (code == MPI_SUCCESS && !is_complete && !cmpi_has_passed(&deadline));
        if (code == MPI_SUCCESS && !is_complete) return CMPI_TIMED_OUT;
    }
    if (code == MPI_ERR_IN_STATUS) return complete_rest(handles, requests, filled, count);
    // MPI sets the statuses' errors only when it returns MPI_ERR_IN_STATUS.
    for (size_t i = 0; i < count; i++) filled[i].MPI_ERROR = MPI_SUCCESS;
    return code;
}

int cmpi_waitall(
    const uint64_t *handles, size_t count, double seconds, cmpi_status *statuses) {
    MPI_Request few[CMPI_FEW];
    MPI_Status few_filled[CMPI_FEW];
    int is_few = count <= CMPI_FEW;
    MPI_Request *requests = is_few ? few : malloc(count * sizeof *requests);
    MPI_Status *filled = is_few ? few_filled : malloc(count * sizeof *filled);
    int code = CMPI_NO_MEMORY;
    if (requests != NULL && filled != NULL) {
        code = wait_all(handles, requests, filled, count, seconds);
        for (size_t i = 0; i < count; i++) {
            cmpi_status_copy(&filled[i], &statuses[i]);
            statuses[i].error = filled[i].MPI_ERROR;
        }
    }
    if (!is_few) {
        free(requests);
        free(filled);
    }
    return code;
}

int cmpi_cancel(uint64_t handle) {
    if (handle & CMPI_SEND_BIT) return 0;
    MPI_Request request = pending_of(handle);
    MPI_Status status = {0};
    int is_complete = 0, is_cancelled = 0;
    if (MPI_Cancel(&request) != MPI_SUCCESS) return 0;
    // Looks without freeing: a receive that was matched before stays the caller's to wait for.
    if (MPI_Request_get_status(request, &is_complete, &status) != MPI_SUCCESS) return 0;
    if (is_complete) MPI_Test_cancelled(&status, &is_cancelled);
    if (!is_cancelled) return 0;
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    return 1;
}

int cmpi_iprobe(int64_t source, int tag, uint64_t comm, int *is_there, cmpi_status *status) {
    MPI_Status filled = {0};
    int code = MPI_Iprobe(mpi_rank(source), mpi_tag(tag), comm_of(comm), is_there, &filled);
    if (code == MPI_SUCCESS && *is_there) cmpi_status_copy(&filled, status);
    return code;
}

int cmpi_probe(int64_t source, int tag, uint64_t comm, double seconds, cmpi_status *status) {
    if (seconds < 0) {
        MPI_Status filled = {0};
        int code = MPI_Probe(mpi_rank(source), mpi_tag(tag), comm_of(comm), &filled);
        if (code == MPI_SUCCESS) cmpi_status_copy(&filled, status);
        return code;
    }
    cmpi_deadline deadline = cmpi_deadline_in(seconds);
    for (;;) {
        int is_there = 0;
        int code = cmpi_iprobe(source, tag, comm, &is_there, status);
        if (code != MPI_SUCCESS || is_there) return code;
        if (cmpi_has_passed(&deadline)) return CMPI_TIMED_OUT;
    }
}

int cmpi_improbe(
    int64_t source, int tag, uint64_t comm, int *is_there, uint64_t *message,
    cmpi_status *status) {
    MPI_Status filled = {0};
    MPI_Message claimed = MPI_MESSAGE_NULL;
    int code =
        MPI_Improbe(mpi_rank(source), mpi_tag(tag), comm_of(comm), is_there, &claimed, &filled);
    if (code == MPI_SUCCESS && *is_there) {
        *message = bits_of_message(claimed);
        cmpi_status_copy(&filled, status);
    }
    return code;
}

int cmpi_mprobe(
    int64_t source, int tag, uint64_t comm, double seconds, uint64_t *message,
    cmpi_status *status) {
    if (seconds < 0) {
        MPI_Status filled = {0};
        MPI_Message claimed = MPI_MESSAGE_NULL;
        int code =
            MPI_Mprobe(mpi_rank(source), mpi_tag(tag), comm_of(comm), &claimed, &filled);
        *message = bits_of_message(claimed);
        if (code == MPI_SUCCESS) cmpi_status_copy(&filled, status);
        return code;
    }
    cmpi_deadline deadline = cmpi_deadline_in(seconds);
    for (;;) {
        int is_there = 0;
        int code = cmpi_improbe(source, tag, comm, &is_there, message, status);
        if (code != MPI_SUCCESS || is_there) return code;
        if (cmpi_has_passed(&deadline)) return CMPI_TIMED_OUT;
    }
}

int cmpi_imrecv(void *buffer, size_t count, uint64_t message, uint64_t *request) {
    cmpi_extent extent;
    MPI_Message claimed = message_of(message);
    MPI_Request started = MPI_REQUEST_NULL;
    int code = cmpi_extent_make(count, 0, &extent);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Imrecv(buffer, extent.count, extent.type, &claimed, &started);
    cmpi_extent_free(&extent);
    *request = bits_of_request(started);
    return code;
}

#endif
