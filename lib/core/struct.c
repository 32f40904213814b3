/* Option structs that a host fills and info structs that the library fills: either side may know a longer one. */
#include "core/core.h"

#include <string.h>

/* A struct_size beyond this is an uninitialised variable; reading that far would crash. */
enum { STRUCT_SIZE_MAX = 4096 };

/* Structs grow by 8 bytes at a time: another size ends inside a member. */
enum { STRUCT_STEP = 8 };

static size_t struct_size(const void *host) {
    uint32_t size;
    memcpy(&size, host, sizeof(size));
    return size;
}

static bool is_zero(const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The host's struct_size in *size. */
static tleg_status check_size(struct tleg_error *error, const char *name, const void *host, size_t own_size, size_t least,
                              size_t *size) {
    if (!host)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "%s is NULL", name);
    *size = struct_size(host);
    if (*size < least || *size > STRUCT_SIZE_MAX || *size % STRUCT_STEP != 0)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "%s: struct_size is %zu, expected %zu: zero the struct, then set it",
                              name, *size, own_size);
    return TLEG_OK;
}

tleg_status tleg_struct_read(struct tleg_error *error, const char *name, const void *host, void *own, size_t own_size,
                             size_t least) {
    memset(own, 0, own_size);
    size_t size = 0;
    const tleg_status status = check_size(error, name, host, own_size, least, &size);
    if (status != TLEG_OK)
        return status;
    memcpy(own, host, size < own_size ? size : own_size);
    if (size > own_size && !is_zero((const unsigned char *)host + own_size, size - own_size))
        return tleg_error_set(error, TLEG_ERROR_UNSUPPORTED,
                              "%s: an option after its first %zu bytes is set, which this version of the library does not know",
                              name, own_size);
    return TLEG_OK;
}

tleg_status tleg_struct_write(struct tleg_error *error, const char *name, const void *own, size_t own_size, void *host,
                              size_t least) {
    size_t size = 0;
    const tleg_status status = check_size(error, name, host, own_size, least, &size);
    if (status != TLEG_OK)
        return status;
    const size_t known = size < own_size ? size : own_size, first = sizeof(uint32_t);
    memcpy((char *)host + first, (const char *)own + first, known - first);
    memset((char *)host + known, 0, size - known);
    return TLEG_OK;
}

tleg_status tleg_options_read(tleg_context *context, const char *name, const void *host, void *own, size_t own_size,
                              size_t least) {
    return tleg_struct_read(context ? &context->error : NULL, name, host, own, own_size, least);
}

tleg_status tleg_info_write(tleg_context *context, const char *name, const void *own, size_t own_size, void *host,
                            size_t least) {
    return tleg_struct_write(context ? &context->error : NULL, name, own, own_size, host, least);
}

tleg_status tleg_check_reserved(tleg_context *context, const char *member, bool zero) {
    return zero ? TLEG_OK
                : tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: expected 0: this version of the library gives it no meaning",
                            member);
}

tleg_status tleg_check_flags(tleg_context *context, const char *member, uint32_t flags, uint32_t known) {
    return flags & ~known
               ? tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s 0x%x: this version of the library gives them no meaning",
                           member, (unsigned)(flags & ~known))
               : TLEG_OK;
}
