// Messages: sends, receives, their completion, and probes (MPI 4.1 §3).
#include "internal.h"

#if CMPI_HAVE_MPI

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

static MPI_Request pending_of(uint64_t handle) { return request_of(handle & ~(CMPI_SEND_BIT | CMPI_KEPT_BIT)); }

int cmpi_isend(
    const void *bytes, size_t count, int64_t destination, int tag, uint64_t comm,
    int is_synchronous, uint64_t *request) {
    cmpi_extent extent;
    MPI_Request started = MPI_REQUEST_NULL;
    int code = cmpi_extent_make(count, 0, &extent);
    if (code != MPI_SUCCESS) return code;
    code = (is_synchronous ? MPI_Issend : MPI_Isend)(
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

int cmpi_send(
    const void *bytes, size_t count, int64_t destination, int tag, uint64_t comm) {
    cmpi_extent extent;
    int code = cmpi_extent_make(count, 0, &extent);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Send(
        bytes, extent.count, extent.type, mpi_rank(destination), tag, comm_of(comm));
    cmpi_extent_free(&extent);
    return code;
}

int cmpi_recv(
    void *buffer, size_t count, int64_t source, int tag, uint64_t comm, cmpi_status *status) {
    cmpi_extent extent;
    MPI_Status filled = {0};
    int code = cmpi_extent_make(count, 0, &extent);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Recv(
        buffer, extent.count, extent.type, mpi_rank(source), mpi_tag(tag), comm_of(comm),
        &filled);
    cmpi_extent_free(&extent);
    cmpi_status_copy(&filled, status);
    return code;
}

int cmpi_wait(uint64_t handle, double seconds, cmpi_status *status) {
    MPI_Request request = pending_of(handle);
    MPI_Status filled = {0};
    cmpi_kept *needed = cmpi_take_kept(handle);
    int code;
    if (seconds < 0) {
        code = MPI_Wait(&request, &filled);
    } else {
        cmpi_deadline deadline = cmpi_deadline_in(seconds);
        int is_complete = 0;
        do {
            code = MPI_Test(&request, &is_complete, &filled);
        } while (code == MPI_SUCCESS && !is_complete && !cmpi_has_passed(&deadline));
        if (code == MPI_SUCCESS && !is_complete) {
            cmpi_keep(needed);
            return CMPI_TIMED_OUT;
        }
    }
    cmpi_release_kept(needed, code == MPI_SUCCESS);
    cmpi_status_copy(&filled, status);
    return code;
}

int cmpi_test(uint64_t handle, int *is_complete, cmpi_status *status) {
    MPI_Request request = pending_of(handle);
    MPI_Status filled = {0};
    cmpi_kept *needed = cmpi_take_kept(handle);
    int code = MPI_Test(&request, is_complete, &filled);
    if (code != MPI_SUCCESS) *is_complete = 1;
    if (!*is_complete) {
        cmpi_keep(needed);
        return code;
    }
    cmpi_release_kept(needed, code == MPI_SUCCESS);
    cmpi_status_copy(&filled, status);
    return code;
}

// Not MPI_Waitany and MPI_Waitall: when one request fails, Open MPI 4.1 frees every other request
// of the array that has failed, unreported (waitany), and those that are still pending, whose
// buffers it then goes on writing to (waitall). Request by request nothing is lost, and as every
// call makes progress on all of them it takes no longer.

int cmpi_waitany(
    const uint64_t *handles, size_t count, double seconds, int64_t *index, cmpi_status *status) {
    cmpi_deadline deadline = cmpi_deadline_in(seconds);
    *index = -1;
    do {
        for (size_t i = 0; i < count; i++) {
            MPI_Request request = pending_of(handles[i]);
            int is_complete = 0;
            int code = MPI_Request_get_status(request, &is_complete, MPI_STATUS_IGNORE);
            if (code != MPI_SUCCESS) return code;
            if (!is_complete) continue;
            *index = (int64_t)i;
            return cmpi_wait(handles[i], -1, status);
        }
    } while (!cmpi_has_passed(&deadline));
    return CMPI_TIMED_OUT;
}

int cmpi_waitall(
    const uint64_t *handles, size_t count, double seconds, cmpi_status *statuses) {
    int first = MPI_SUCCESS;
    for (size_t i = 0; i < count; i++) {
        MPI_Request request = pending_of(handles[i]);
        if (first != MPI_SUCCESS && !(handles[i] & CMPI_SEND_BIT)) MPI_Cancel(&request);
        int code = cmpi_wait(handles[i], seconds, &statuses[i]);
        if (code == CMPI_TIMED_OUT) return code;
        statuses[i].error = code;
        if (first == MPI_SUCCESS) first = code;
    }
    return first;
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
