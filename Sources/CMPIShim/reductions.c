// MPI's own reductions on scalars (MPI 4.1 §6.9 to §6.11). More elements than an int counts are
// reduced a run at a time: all ranks have the same number of them, so all cut alike.
#include "internal.h"

#if CMPI_HAVE_MPI

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
    return code == MPI_SUCCESS ? MPI_Op_create(sum_16, 1, &wrapping_sum_16) : code;
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

enum kind { REDUCE, ALLREDUCE, SCAN, EXSCAN };

/// One run, short enough for an int.
typedef struct {
    const void *send;
    void *result;
    int count;
    MPI_Datatype type;
    MPI_Op operation;
    MPI_Comm comm;
    int root;
} run;

static int run_blocking(enum kind kind, run r) {
    switch (kind) {
    case REDUCE:
        return MPI_Reduce(r.send, r.result, r.count, r.type, r.operation, r.root, r.comm);
    case ALLREDUCE:
        return MPI_Allreduce(r.send, r.result, r.count, r.type, r.operation, r.comm);
    case SCAN: return MPI_Scan(r.send, r.result, r.count, r.type, r.operation, r.comm);
    case EXSCAN: return MPI_Exscan(r.send, r.result, r.count, r.type, r.operation, r.comm);
    }
    return MPI_ERR_OP;
}

static int run_within(enum kind kind, run r, double seconds) {
    MPI_Request request;
    int code = MPI_ERR_OP;
    switch (kind) {
    case REDUCE:
        code = MPI_Ireduce(
            r.send, r.result, r.count, r.type, r.operation, r.root, r.comm, &request);
        break;
    case ALLREDUCE:
        code =
            MPI_Iallreduce(r.send, r.result, r.count, r.type, r.operation, r.comm, &request);
        break;
    case SCAN:
        code = MPI_Iscan(r.send, r.result, r.count, r.type, r.operation, r.comm, &request);
        break;
    case EXSCAN:
        code = MPI_Iexscan(r.send, r.result, r.count, r.type, r.operation, r.comm, &request);
        break;
    }
    return cmpi_finish(code, &request, seconds);
}

static int reduce(
    enum kind kind, cmpi_reduction reduction, int root, uint64_t comm, double seconds) {
    int rank = 0, code = cmpi_comm_rank(comm, &rank);
    // Only a root has a result, and MPI_IN_PLACE belongs to those that have.
    int is_in_place = reduction.send == reduction.result && (kind != REDUCE || rank == root);
    size_t stride = scalar_sizes[reduction.type], done = 0;
    do {
        size_t rest = reduction.count - done;
        run next = {
            .send = is_in_place ? MPI_IN_PLACE : (const char *)reduction.send + done * stride,
            .result = (char *)reduction.result + done * stride,
            .count = (int)(rest < cmpi_max_count ? rest : cmpi_max_count),
            .type = type_of(reduction.type),
            .operation = operation_of(reduction.operation, stride),
            .comm = comm_of(comm),
            .root = root,
        };
        if (code != MPI_SUCCESS) return code;
        code = seconds < 0 ? run_blocking(kind, next) : run_within(kind, next, seconds);
        done += (size_t)next.count;
    } while (done < reduction.count);
    return code;
}

int cmpi_reduce(cmpi_reduction reduction, int root, uint64_t comm, double seconds) {
    return reduce(REDUCE, reduction, root, comm, seconds);
}

int cmpi_allreduce(cmpi_reduction reduction, uint64_t comm, double seconds) {
    return reduce(ALLREDUCE, reduction, 0, comm, seconds);
}

int cmpi_scan(cmpi_reduction reduction, uint64_t comm, double seconds) {
    return reduce(SCAN, reduction, 0, comm, seconds);
}

int cmpi_exscan(cmpi_reduction reduction, uint64_t comm, double seconds) {
    return reduce(EXSCAN, reduction, 0, comm, seconds);
}

#endif
