// Arguments that MPI reads until a nonblocking collective is complete: arrays of counts, types, a
// user's operation. They are kept by request, as nothing else lives as long.
#include "internal.h"

#if CMPI_HAVE_MPI
#include <pthread.h>
#include <stdlib.h>

typedef struct kept {
    uint64_t handle;
    void *memory;
    void (*release)(void *);
    struct kept *next;
} kept;

static kept *first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int cmpi_conclude_keeping(
    int code, MPI_Request *request, cmpi_mode mode, void *memory, void (*release)(void *)) {
    code = cmpi_conclude(code, request, mode);
    // After CMPI_TIMED_OUT MPI may still read it.
    if (code == CMPI_TIMED_OUT) return code;
    if (mode.request == NULL || code != MPI_SUCCESS) {
        release(memory);
        return code;
    }
    kept *entry = malloc(sizeof *entry);
    if (entry == NULL) return CMPI_NO_MEMORY;
    *mode.request |= CMPI_KEPT_BIT;
    *entry = (kept){.handle = *mode.request, .memory = memory, .release = release};
    pthread_mutex_lock(&lock);
    entry->next = first;
    first = entry;
    pthread_mutex_unlock(&lock);
    return code;
}

void cmpi_release_kept(uint64_t handle) {
    pthread_mutex_lock(&lock);
    kept **place = &first;
    while (*place != NULL && (*place)->handle != handle) place = &(*place)->next;
    kept *entry = *place;
    if (entry != NULL) *place = entry->next;
    pthread_mutex_unlock(&lock);
    if (entry == NULL) return;
    entry->release(entry->memory);
    free(entry);
}

#endif
