// The part of hiredis that the Redis channel uses. Its structures differ between versions, so they
// are read here, by the header that is installed, and the library of exactly that version is loaded
// when it is first needed (dlopen): a rank that never speaks to Redis neither needs nor loads it.
// Without the header everything builds, and chiredis_library says that there is none.
#ifndef CHIREDIS_H
#define CHIREDIS_H

#include <stddef.h>

#if __has_include(<hiredis/hiredis.h>)

#include <hiredis/hiredis.h>
#include <sys/time.h>

#define CHIREDIS_TEXT_OF(x) #x
#define CHIREDIS_TEXT(x) CHIREDIS_TEXT_OF(x)

static inline const char *chiredis_library(void) {
    return "libhiredis.so." CHIREDIS_TEXT(HIREDIS_SONAME);
}

static inline void *chiredis_connect(
    void *connect_with_timeout, const char *host, int port, long microseconds) {
    struct timeval limit = {microseconds / 1000000, microseconds % 1000000};
    return ((redisContext * (*)(const char *, int, struct timeval)) connect_with_timeout)(
        host, port, limit);
}

static inline int chiredis_set_timeout(void *set_timeout, void *context, long microseconds) {
    struct timeval limit = {microseconds / 1000000, microseconds % 1000000};
    return ((int (*)(redisContext *, struct timeval))set_timeout)(context, limit);
}

static inline int chiredis_append(
    void *append_argv, void *context, int count, const char **words, const size_t *lengths) {
    return ((int (*)(redisContext *, int, const char **, const size_t *))append_argv)(
        context, count, words, lengths);
}

static inline int chiredis_write(void *buffer_write, void *context, int *done) {
    return ((int (*)(redisContext *, int *))buffer_write)(context, done);
}

static inline int chiredis_read(void *buffer_read, void *context) {
    return ((int (*)(redisContext *))buffer_read)(context);
}

static inline int chiredis_reply(void *reply_from_reader, void *context, void **reply) {
    return ((int (*)(redisContext *, void **))reply_from_reader)(context, reply);
}

static inline void chiredis_call(void *function, void *argument) {
    ((void (*)(void *))function)(argument);
}

static inline int chiredis_descriptor(void *context) { return ((redisContext *)context)->fd; }
static inline int chiredis_error(void *context) { return ((redisContext *)context)->err; }
static inline const char *chiredis_error_text(void *context) {
    return ((redisContext *)context)->errstr;
}

static inline int chiredis_type(const void *reply) { return ((const redisReply *)reply)->type; }
static inline long long chiredis_integer(const void *reply) {
    return ((const redisReply *)reply)->integer;
}
static inline const char *chiredis_bytes(const void *reply) {
    return ((const redisReply *)reply)->str;
}
static inline size_t chiredis_length(const void *reply) {
    return ((const redisReply *)reply)->len;
}
static inline size_t chiredis_count(const void *reply) {
    return ((const redisReply *)reply)->elements;
}
static inline const void *chiredis_element(const void *reply, size_t index) {
    return ((const redisReply *)reply)->element[index];
}

#else

static inline const char *chiredis_library(void) { return NULL; }
static inline void *chiredis_connect(void *f, const char *host, int port, long microseconds) {
    return NULL;
}
static inline int chiredis_set_timeout(void *f, void *context, long microseconds) { return -1; }
static inline int chiredis_append(
    void *f, void *context, int count, const char **words, const size_t *lengths) {
    return -1;
}
static inline int chiredis_write(void *f, void *context, int *done) { return -1; }
static inline int chiredis_read(void *f, void *context) { return -1; }
static inline int chiredis_reply(void *f, void *context, void **reply) { return -1; }
static inline void chiredis_call(void *f, void *argument) {}
static inline int chiredis_descriptor(void *context) { return -1; }
static inline int chiredis_error(void *context) { return -1; }
static inline const char *chiredis_error_text(void *context) { return ""; }
static inline int chiredis_type(const void *reply) { return 0; }
static inline long long chiredis_integer(const void *reply) { return 0; }
static inline const char *chiredis_bytes(const void *reply) { return NULL; }
static inline size_t chiredis_length(const void *reply) { return 0; }
static inline size_t chiredis_count(const void *reply) { return 0; }
static inline const void *chiredis_element(const void *reply, size_t index) { return NULL; }

#endif

// Reply types, the same in every version (hiredis/read.h).
enum {
    chiredis_string = 1,
    chiredis_array = 2,
    chiredis_number = 3,
    chiredis_nil = 4,
    chiredis_status = 5,
    chiredis_failure = 6,
};

#endif
