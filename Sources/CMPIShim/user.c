// User-defined reductions. MPI calls a C function back without a context argument, but with the
// datatype of the elements: the operation rides on a type of its own, as an attribute
// (MPI 4.1 §7.7.4).
#include "internal.h"

#if CMPI_HAVE_MPI
#include <limits.h>
#include <stdlib.h>

/// What a type carries: the operation, and how many elements one item of the type holds.
typedef struct {
    cmpi_user_reduction user;
    size_t element_count;
} carried;

static int keyval = MPI_KEYVAL_INVALID;
static MPI_Op commutative, ordered;

static void combine(void *lower, void *higher, int *count, MPI_Datatype *type) {
    carried *found = NULL;
    int is_there = 0;
    MPI_Type_get_attr(*type, keyval, &found, &is_there);
    if (!is_there) MPI_Abort(MPI_COMM_WORLD, 1);
    found->user.combine(
        found->user.context, lower, higher, found->element_count * (size_t)*count);
}

static int free_carried(MPI_Datatype type, int key, void *value, void *state) {
    (void)type, (void)key, (void)state;
    free(value);
    return MPI_SUCCESS;
}

int cmpi_user_init(void) {
    int code = MPI_Type_create_keyval(MPI_TYPE_NULL_COPY_FN, free_carried, &keyval, NULL);
    if (code == MPI_SUCCESS) code = MPI_Op_create(combine, 1, &commutative);
    return code == MPI_SUCCESS ? MPI_Op_create(combine, 0, &ordered) : code;
}

int cmpi_user_make(
    const cmpi_user_reduction *user, size_t element_count, MPI_Datatype *type,
    MPI_Op *operation) {
    *operation = user->is_commutative ? commutative : ordered;
    cmpi_extent extent;
    int code = cmpi_extent_make(element_count * user->element_size, 0, &extent);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Type_contiguous(extent.count, extent.type, type);
    cmpi_extent_free(&extent);
    if (code != MPI_SUCCESS) return code;
    carried *value = malloc(sizeof *value);
    code = value == NULL ? CMPI_NO_MEMORY : MPI_Type_commit(type);
    if (code == MPI_SUCCESS) {
        *value = (carried){.user = *user, .element_count = element_count};
        code = MPI_Type_set_attr(*type, keyval, value);
    }
    if (code != MPI_SUCCESS) {
        free(value);
        MPI_Type_free(type);
    }
    return code;
}

#endif
