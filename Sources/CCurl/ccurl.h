// The part of libcurl's binary interface that AWSClient uses. libcurl is loaded when it is first
// needed (dlopen), so that a rank that never speaks HTTP neither needs nor loads it; its headers
// are not needed to build. The numbers are those of curl/curl.h, which are never changed
// (https://curl.se/libcurl/abi.html). curl_easy_setopt and curl_easy_getinfo are variadic, which
// Swift cannot call.
#ifndef CCURL_H
#define CCURL_H

#include <stddef.h>

enum {
    ccurl_ok = 0,
    ccurl_unsupported_protocol = 1,
    ccurl_couldnt_resolve_host = 6,
    ccurl_couldnt_connect = 7,
    ccurl_write_error = 23,
    ccurl_operation_timed_out = 28,
    ccurl_got_nothing = 52,
    ccurl_send_error = 55,
    ccurl_recv_error = 56,
};

enum {
    ccurl_opt_write_data = 10001,
    ccurl_opt_url = 10002,
    ccurl_opt_proxy = 10004,
    ccurl_opt_error_buffer = 10010,
    ccurl_opt_post_fields = 10015,
    ccurl_opt_http_header = 10023,
    ccurl_opt_header_data = 10029,
    ccurl_opt_custom_request = 10036,
    ccurl_opt_ca_info = 10065,
    ccurl_opt_protocols_str = 10318,
    ccurl_opt_write_function = 20011,
    ccurl_opt_header_function = 20079,
    ccurl_opt_no_body = 44,
    ccurl_opt_follow_location = 52,
    ccurl_opt_http_get = 80,
    ccurl_opt_http_version = 84,
    ccurl_opt_buffer_size = 98,
    ccurl_opt_no_signal = 99,
    ccurl_opt_tcp_no_delay = 121,
    ccurl_opt_timeout_ms = 155,
    ccurl_opt_connect_timeout_ms = 156,
    ccurl_opt_path_as_is = 234,
    ccurl_opt_upload_buffer_size = 280,
    ccurl_opt_post_field_size = 30120,
};

enum { ccurl_http_version_1_1 = 2, ccurl_global_default = 3, ccurl_error_size = 256 };

enum { ccurl_info_response_code = 0x200000 + 2 };

typedef size_t (*ccurl_callback)(char *bytes, size_t size, size_t count, void *context);
typedef int (*ccurl_variadic)(void *handle, int number, ...);

static inline int ccurl_set_long(void *setopt, void *handle, int option, long value) {
    return ((ccurl_variadic)setopt)(handle, option, value);
}

static inline int ccurl_set_pointer(
    void *setopt, void *handle, int option, const void *value) {
    return ((ccurl_variadic)setopt)(handle, option, value);
}

static inline int ccurl_set_size(void *setopt, void *handle, int option, long long value) {
    return ((ccurl_variadic)setopt)(handle, option, value);
}

static inline int ccurl_set_callback(
    void *setopt, void *handle, int option, ccurl_callback value) {
    return ((ccurl_variadic)setopt)(handle, option, value);
}

static inline int ccurl_get_long(void *getinfo, void *handle, int info, long *value) {
    return ((ccurl_variadic)getinfo)(handle, info, value);
}

#endif
