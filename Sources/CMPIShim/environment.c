// Starting and ending MPI, communicators, and the text of errors.
#include "internal.h"

#if CMPI_HAVE_MPI
#include <stdio.h>

int cmpi_is_available(void) { return 1; }

int cmpi_init(int max_count, int *level, uint64_t *world) {
    const int levels[] = {
        MPI_THREAD_SINGLE, MPI_THREAD_FUNNELED, MPI_THREAD_SERIALIZED, MPI_THREAD_MULTIPLE};
    int is_initialized = 0, provided = MPI_THREAD_SINGLE;
    cmpi_max_count = (size_t)max_count;
    MPI_Initialized(&is_initialized);
    int code = is_initialized ? MPI_Query_thread(&provided)
                              : MPI_Init_thread(NULL, NULL, levels[*level], &provided);
    if (code != MPI_SUCCESS) return code;
    // They ascend, by whatever numbers (MPI 4.1 §11.2.1).
    *level = 0;
    while (*level < 3 && provided >= levels[*level + 1]) ++*level;
    *world = bits_of_comm(MPI_COMM_WORLD);
    code = cmpi_reductions_init();
    if (code != MPI_SUCCESS) return code;
    // Communicators made from this one inherit the handler.
    return MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

void cmpi_finalize(void) {
    int is_initialized = 0, is_finalized = 0;
    MPI_Initialized(&is_initialized);
    MPI_Finalized(&is_finalized);
    if (is_initialized && !is_finalized) MPI_Finalize();
}

void cmpi_abort(uint64_t comm, int code) {
    fflush(stdout);
    MPI_Abort(comm_of(comm), code);
}

int cmpi_library_version(char *text, size_t capacity) {
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    int code = MPI_Get_library_version(version, &length);
    if (code == MPI_SUCCESS) snprintf(text, capacity, "%s", version);
    return code;
}

int cmpi_error(int code, int *error_class, char *text, size_t capacity) {
    char message[MPI_MAX_ERROR_STRING];
    int length = 0;
    int result = MPI_Error_class(code, error_class);
    if (result == MPI_SUCCESS) result = MPI_Error_string(code, message, &length);
    if (result == MPI_SUCCESS) snprintf(text, capacity, "%s", message);
    return result;
}

int cmpi_is_truncation(int code) {
    int error_class = MPI_SUCCESS;
    return MPI_Error_class(code, &error_class) == MPI_SUCCESS && error_class == MPI_ERR_TRUNCATE;
}

int cmpi_comm_rank(uint64_t comm, int *rank) { return MPI_Comm_rank(comm_of(comm), rank); }

int cmpi_comm_size(uint64_t comm, int *size) { return MPI_Comm_size(comm_of(comm), size); }

int cmpi_comm_tag_bound(uint64_t comm, int *bound) {
    int *value = NULL, is_set = 0;
    int code = MPI_Comm_get_attr(comm_of(comm), MPI_TAG_UB, &value, &is_set);
    *bound = is_set ? *value : 32767; // the least that MPI guarantees
    return code;
}

int cmpi_comm_split(uint64_t comm, int color, int key, double seconds, uint64_t *child) {
    // MPI has no nonblocking split: with a deadline, a barrier first shows that all have come.
    if (seconds >= 0) {
        int code = cmpi_barrier(comm, (cmpi_mode){.seconds = seconds});
        if (code != MPI_SUCCESS) return code;
    }
    MPI_Comm made = MPI_COMM_NULL;
    int code = MPI_Comm_split(comm_of(comm), color < 0 ? MPI_UNDEFINED : color, key, &made);
    *child = made == MPI_COMM_NULL ? 0 : bits_of_comm(made);
    return code;
}

int cmpi_comm_dup(uint64_t comm, double seconds, uint64_t *child) {
    MPI_Comm made = MPI_COMM_NULL;
    int code;
    if (seconds < 0) {
        code = MPI_Comm_dup(comm_of(comm), &made);
    } else {
        MPI_Request request;
        code = MPI_Comm_idup(comm_of(comm), &made, &request);
        code = cmpi_finish(code, &request, seconds);
    }
    *child = bits_of_comm(made);
    return code;
}

void cmpi_comm_free(uint64_t comm) {
    int is_finalized = 0;
    MPI_Finalized(&is_finalized);
    MPI_Comm handle = comm_of(comm);
    if (!is_finalized) MPI_Comm_free(&handle);
}

#endif
