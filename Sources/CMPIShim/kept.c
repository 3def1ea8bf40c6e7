// Arguments that MPI reads until a nonblocking collective is complete: arrays of counts, types, a
// user's operation. They are kept by request, as nothing else lives as long.
#include "internal.h"

#if CMPI_HAVE_MPI
#include <pthread.h>
#include <stdlib.h>

struct cmpi_kept {
    uint64_t handle;
    void *memory;
    cmpi_release release;
    struct cmpi_kept *next;
};

static cmpi_kept *first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int cmpi_conclude_keeping(
    int code, MPI_Request *request, cmpi_mode mode, void *memory, cmpi_release release) {
    code = cmpi_conclude(code, request, mode);
    // After CMPI_TIMED_OUT MPI may still read it.
    if (code == CMPI_TIMED_OUT) return code;
    if (mode.request == NULL || code != MPI_SUCCESS) {
        release(memory, code == MPI_SUCCESS);
        return code;
    }
    cmpi_kept *entry = malloc(sizeof *entry);
    if (entry == NULL) return CMPI_NO_MEMORY;
    *mode.request |= CMPI_KEPT_BIT;
    *entry = (cmpi_kept){.handle = *mode.request, .memory = memory, .release = release};
    cmpi_keep(entry);
    return code;
}

void cmpi_keep(cmpi_kept *entry) {
    if (entry == NULL) return;
    pthread_mutex_lock(&lock);
    entry->next = first;
    first = entry;
    pthread_mutex_unlock(&lock);
}

cmpi_kept *cmpi_take_kept(uint64_t handle) {
    if (!(handle & CMPI_KEPT_BIT)) return NULL;
    pthread_mutex_lock(&lock);
    cmpi_kept **place = &first;
    while (*place != NULL && (*place)->handle != handle) place = &(*place)->next;
    cmpi_kept *entry = *place;
    if (entry != NULL) *place = entry->next;
    pthread_mutex_unlock(&lock);
    return entry;
}

void cmpi_release_kept(cmpi_kept *entry, int succeeded) {
    if (entry == NULL) return;
    entry->release(entry->memory, succeeded);
    free(entry);
}

#endif
