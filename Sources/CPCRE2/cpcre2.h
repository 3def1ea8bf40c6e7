// The part of PCRE2's binary interface (8-bit code units) that Frames uses. libpcre2-8 is loaded
// when the first regular expression is made (dlopen), so that a rank without any neither needs nor
// loads it; its headers are not needed to build. The numbers are those of pcre2.h, which are never
// changed (libpcre2-8.so.0).
#ifndef CPCRE2_H
#define CPCRE2_H

#include <stddef.h>
#include <stdint.h>

enum {
    cpcre2_utf = 0x00080000,
    cpcre2_no_utf_check = 0x40000000,
    cpcre2_jit_complete = 0x00000001,
    cpcre2_substitute_global = 0x00000100,
    cpcre2_substitute_overflow_length = 0x00001000,
    cpcre2_error_no_memory = -48,
};

typedef struct cpcre2_code cpcre2_code;
typedef struct cpcre2_match_data cpcre2_match_data;

typedef cpcre2_code *(*cpcre2_compile)(
    const uint8_t *pattern, size_t length, uint32_t options, int *error, size_t *offset,
    void *context);
typedef int (*cpcre2_jit_compile)(cpcre2_code *code, uint32_t options);
typedef cpcre2_match_data *(*cpcre2_match_data_create)(const cpcre2_code *code, void *context);
typedef void (*cpcre2_match_data_free)(cpcre2_match_data *data);
typedef int (*cpcre2_match)(
    const cpcre2_code *code, const uint8_t *subject, size_t length, size_t start, uint32_t options,
    cpcre2_match_data *data, void *context);
typedef size_t *(*cpcre2_ovector)(cpcre2_match_data *data);
typedef int (*cpcre2_substitute)(
    const cpcre2_code *code, const uint8_t *subject, size_t length, size_t start, uint32_t options,
    cpcre2_match_data *data, void *context, const uint8_t *replacement, size_t replacement_length,
    uint8_t *output, size_t *output_length);
typedef int (*cpcre2_error_message)(int error, uint8_t *buffer, size_t length);
typedef void (*cpcre2_code_free)(cpcre2_code *code);

#endif
