// Reductions (MPI 4.1 §6.9 to §6.12): MPI's own operations on scalars, and user-defined ones.
#include "internal.h"

#if CMPI_HAVE_MPI
#include <stdlib.h>

static const size_t scalar_sizes[] = {1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1};

/// In the order of Swift's Datatype.
static MPI_Datatype type_of(int type) {
    switch (type) {
    case 0: return MPI_INT8_T;
    case 1: return MPI_INT16_T;
    case 2: return MPI_INT32_T;
    case 3: return MPI_INT64_T;
    case 4: return MPI_UINT8_T;
    case 5: return MPI_UINT16_T;
    case 6: return MPI_UINT32_T;
    case 7: return MPI_UINT64_T;
    case 8: return MPI_FLOAT;
    case 9: return MPI_DOUBLE;
    case 10: return MPI_C_BOOL;
    default: return MPI_DATATYPE_NULL;
    }
}

// Open MPI 4.1's vectorised MPI_SUM saturates on 8- and 16-bit integers where the processor has
// AVX, and wraps around where it has not. Ours wrap: two's complement, whatever the signedness.

static void sum_8(void *lower, void *higher, int *count, MPI_Datatype *type) {
    (void)type;
    const uint8_t *in = lower;
    uint8_t *out = higher;
    for (int i = 0; i < *count; i++) out[i] = (uint8_t)(out[i] + in[i]);
}

static void sum_16(void *lower, void *higher, int *count, MPI_Datatype *type) {
    (void)type;
    const uint16_t *in = lower;
    uint16_t *out = higher;
    for (int i = 0; i < *count; i++) out[i] = (uint16_t)(out[i] + in[i]);
}

static MPI_Op wrapping_sum_8, wrapping_sum_16;

int cmpi_reductions_init(void) {
    int code = MPI_Op_create(sum_8, 1, &wrapping_sum_8);
    if (code == MPI_SUCCESS) code = MPI_Op_create(sum_16, 1, &wrapping_sum_16);
    return code == MPI_SUCCESS ? cmpi_user_init() : code;
}

/// In the order of Swift's PredefinedReduction.
static MPI_Op operation_of(int operation, size_t stride) {
    switch (operation) {
    case 0: return stride == 1 ? wrapping_sum_8 : stride == 2 ? wrapping_sum_16 : MPI_SUM;
    case 1: return MPI_PROD;
    case 2: return MPI_MIN;
    case 3: return MPI_MAX;
    case 4: return MPI_LAND;
    case 5: return MPI_LOR;
    case 6: return MPI_LXOR;
    case 7: return MPI_BAND;
    case 8: return MPI_BOR;
    case 9: return MPI_BXOR;
    default: return MPI_OP_NULL;
    }
}

enum kind { REDUCE, ALLREDUCE, REDUCE_SCATTER, SCAN, EXSCAN };

/// One call of MPI, short enough for an int.
typedef struct {
    const void *send;
    void *result;
    int count;
    int *counts; // per rank, of REDUCE_SCATTER
    cmpi_packed packed;
    MPI_Datatype type;
    MPI_Op operation;
    MPI_Comm comm;
    int root;
} run;

static int run_blocking(enum kind kind, const run *r) {
    switch (kind) {
    case REDUCE:
        return MPI_Reduce(
            r->send, r->result, r->count, r->type, r->operation, r->root, r->comm);
    case ALLREDUCE:
        return MPI_Allreduce(r->send, r->result, r->count, r->type, r->operation, r->comm);
    case REDUCE_SCATTER:
        return MPI_Reduce_scatter(
            r->send, r->result, r->counts, r->type, r->operation, r->comm);
    case SCAN: return MPI_Scan(r->send, r->result, r->count, r->type, r->operation, r->comm);
    case EXSCAN:
        return MPI_Exscan(r->send, r->result, r->count, r->type, r->operation, r->comm);
    }
    return MPI_ERR_OP;
}

static int run_nonblocking(enum kind kind, const run *r, MPI_Request *request) {
    switch (kind) {
    case REDUCE:
        return MPI_Ireduce(
            r->send, r->result, r->count, r->type, r->operation, r->root, r->comm, request);
    case ALLREDUCE:
        return MPI_Iallreduce(
            r->send, r->result, r->count, r->type, r->operation, r->comm, request);
    case REDUCE_SCATTER:
        return MPI_Ireduce_scatter(
            r->send, r->result, r->counts, r->type, r->operation, r->comm, request);
    case SCAN:
        return MPI_Iscan(
            r->send, r->result, r->count, r->type, r->operation, r->comm, request);
    case EXSCAN:
        return MPI_Iexscan(
            r->send, r->result, r->count, r->type, r->operation, r->comm, request);
    }
    return MPI_ERR_OP;
}

/// What a call under way needs: a type that carries an operation, counts, a vector.
typedef struct {
    MPI_Datatype type;
    cmpi_user_reduction user;
    int *counts;
    cmpi_packed packed;
} needs;

static void needs_free(void *memory, int succeeded) {
    needs *needs = memory;
    if (needs->type != MPI_DATATYPE_NULL) MPI_Type_free(&needs->type);
    if (needs->user.release != NULL) needs->user.release(needs->user.context);
    cmpi_packed *packed = &needs->packed;
    if (succeeded && packed->byte_count > 0) memcpy(packed->result, packed->part, packed->byte_count);
    free(packed->vector);
    free(needs->counts);
    free(needs);
}

/// Runs or starts `r`; frees `memory`, if there is any, once it is complete.
static int carry_out(enum kind kind, const run *r, needs *memory, cmpi_mode mode) {
    if (cmpi_is_blocking(mode)) {
        int code = run_blocking(kind, r);
        if (memory != NULL) needs_free(memory, code == MPI_SUCCESS);
        return code;
    }
    MPI_Request request;
    int code = run_nonblocking(kind, r, &request);
    return memory == NULL ? cmpi_conclude(code, &request, mode)
                          : cmpi_conclude_keeping(code, &request, mode, memory, needs_free);
}

/// What belongs to `r` becomes the memory's. NULL, with all of it released, if there is no memory.
static needs *needs_make(MPI_Datatype type, const cmpi_user_reduction *user, const run *r) {
    needs *memory = malloc(sizeof *memory);
    if (memory != NULL) {
        *memory = (needs){.type = type, .counts = r->counts, .packed = r->packed};
        if (user != NULL) memory->user = *user;
        return memory;
    }
    if (user != NULL) user->release(user->context);
    free(r->counts);
    free(r->packed.vector);
    return NULL;
}

/// A user-defined operation, or any on a vector that no int counts: one call, on a type that
/// carries the operation; a vector too long is one item of such a type.
static int reduce_user(
    enum kind kind, const cmpi_user_reduction *user, run r, size_t count, cmpi_mode mode) {
    int is_long = count > cmpi_max_count;
    MPI_Datatype type = MPI_DATATYPE_NULL;
    int code = cmpi_user_make(user, is_long ? count : 1, &type, &r.operation);
    if (code != MPI_SUCCESS) type = MPI_DATATYPE_NULL;
    needs *memory = needs_make(type, user, &r);
    if (memory == NULL) {
        if (type != MPI_DATATYPE_NULL) MPI_Type_free(&type);
        return CMPI_NO_MEMORY;
    }
    if (code != MPI_SUCCESS) {
        needs_free(memory, 0);
        return code;
    }
    r.type = type;
    r.count = is_long ? 1 : (int)count;
    return carry_out(kind, &r, memory, mode);
}

/// MPI's own operation. More elements than an int counts are reduced a run at a time: all ranks
/// have the same number of them, so all cut alike.
static int reduce_own(enum kind kind, cmpi_reduction reduction, run r, cmpi_mode mode) {
    size_t stride = scalar_sizes[reduction.type], done = 0;
    int code = MPI_SUCCESS;
    const char *send = r.send;
    char *result = r.result;
    do {
        size_t rest = reduction.count - done;
        r.count = (int)(rest < cmpi_max_count ? rest : cmpi_max_count);
        r.send = send == MPI_IN_PLACE ? MPI_IN_PLACE : send + done * stride;
        r.result = result + done * stride;
        code = carry_out(kind, &r, NULL, mode);
        done += (size_t)r.count;
    } while (code == MPI_SUCCESS && done < reduction.count);
    return code;
}

static int reduce(
    enum kind kind, cmpi_reduction reduction, int root, uint64_t comm, cmpi_mode mode) {
    int rank = 0, code = cmpi_comm_rank(comm, &rank);
    // Only a root has a result, and MPI_IN_PLACE belongs to those that have.
    int is_in_place = reduction.send == reduction.result && (kind != REDUCE || rank == root);
    run r = {
        .send = is_in_place ? MPI_IN_PLACE : reduction.send,
        .result = reduction.result,
        .comm = comm_of(comm),
        .root = root,
    };
    if (code != MPI_SUCCESS) {
        if (reduction.user != NULL) reduction.user->release(reduction.user->context);
        return code;
    }
    if (reduction.user != NULL) {
        return reduce_user(kind, reduction.user, r, reduction.count, mode);
    }
    r.type = type_of(reduction.type);
    r.operation = operation_of(reduction.operation, scalar_sizes[reduction.type]);
    return reduce_own(kind, reduction, r, mode);
}

int cmpi_reduce(cmpi_reduction reduction, int root, uint64_t comm, cmpi_mode mode) {
    return reduce(REDUCE, reduction, root, comm, mode);
}

int cmpi_allreduce(cmpi_reduction reduction, uint64_t comm, cmpi_mode mode) {
    return reduce(ALLREDUCE, reduction, 0, comm, mode);
}

int cmpi_scan(cmpi_reduction reduction, uint64_t comm, cmpi_mode mode) {
    return reduce(SCAN, reduction, 0, comm, mode);
}

int cmpi_exscan(cmpi_reduction reduction, uint64_t comm, cmpi_mode mode) {
    return reduce(EXSCAN, reduction, 0, comm, mode);
}

int cmpi_reduce_scatter(
    cmpi_reduction reduction, const intptr_t *counts, uint64_t comm, cmpi_mode mode) {
    int size = 0, code = cmpi_comm_size(comm, &size);
    int *parts = code == MPI_SUCCESS ? calloc((size_t)size, sizeof *parts) : NULL;
    if (parts == NULL) {
        if (reduction.user != NULL) reduction.user->release(reduction.user->context);
        return code == MPI_SUCCESS ? CMPI_NO_MEMORY : code;
    }
    for (int rank = 0; rank < size; rank++) parts[rank] = (int)counts[rank];
    run r = {
        .send = reduction.send, .result = reduction.result, .counts = parts,
        .comm = comm_of(comm)};
    if (reduction.user != NULL) {
        return reduce_user(REDUCE_SCATTER, reduction.user, r, 1, mode);
    }
    r.type = type_of(reduction.type);
    r.operation = operation_of(reduction.operation, scalar_sizes[reduction.type]);
    needs *memory = needs_make(MPI_DATATYPE_NULL, NULL, &r);
    return memory == NULL ? CMPI_NO_MEMORY : carry_out(REDUCE_SCATTER, &r, memory, mode);
}

int cmpi_reduce_scatter_packed(
    cmpi_reduction reduction, cmpi_packed packed, uint64_t comm, cmpi_mode mode) {
    run r = {
        .send = MPI_IN_PLACE, .result = packed.vector, .count = (int)reduction.count,
        .packed = packed, .comm = comm_of(comm)};
    if (reduction.user != NULL) {
        return reduce_user(ALLREDUCE, reduction.user, r, reduction.count, mode);
    }
    r.type = type_of(reduction.type);
    r.operation = operation_of(reduction.operation, scalar_sizes[reduction.type]);
    needs *memory = needs_make(MPI_DATATYPE_NULL, NULL, &r);
    return memory == NULL ? CMPI_NO_MEMORY : carry_out(ALLREDUCE, &r, memory, mode);
}

#endif
