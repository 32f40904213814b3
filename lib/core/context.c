/* The context: a host's choices, checked once, and the text of its last error. */
#include "core/core.h"

#include <stddef.h>

#ifndef TLEG_HAVE_BLAS
#define TLEG_HAVE_BLAS 0
#endif

enum { WORKERS_MAX = 256 };

static tleg_status check_options(const tleg_context_options *options) {
    if (options->workers < 0 || options->workers > WORKERS_MAX || !options->alloc != !options->release)
        return TLEG_ERROR_ARGUMENT;
    if (options->level != TLEG_LEVEL_BEST && !tleg_level_usable(options->level))
        return TLEG_ERROR_UNSUPPORTED;
    if (options->gemm < TLEG_GEMM_AUTO || options->gemm > TLEG_GEMM_BLAS)
        return TLEG_ERROR_UNSUPPORTED;
    return options->gemm == TLEG_GEMM_BLAS && !TLEG_HAVE_BLAS ? TLEG_ERROR_UNSUPPORTED : TLEG_OK;
}

static tleg_status read_options(const tleg_context_options *host, tleg_context_options *options) {
    *options = (tleg_context_options){.struct_size = sizeof(*options)};
    if (!host)
        return TLEG_OK;
    const size_t least = offsetof(tleg_context_options, progress_host) + sizeof(options->progress_host); /* the struct of 0.2 */
    const tleg_status status = tleg_options_read(NULL, "tleg_context_options", host, options, sizeof(*options), least);
    return status ? status : check_options(options);
}

tleg_status TLEG_CALL tleg_context_create(const tleg_context_options *options, tleg_context **context) {
    tleg_context_options own;
    if (!context)
        return TLEG_ERROR_ARGUMENT;
    *context = NULL;
    const tleg_status status = read_options(options, &own);
    if (status)
        return status;

    struct tleg_allocator allocator = tleg_default_allocator;
    if (own.alloc)
        allocator = (struct tleg_allocator){own.alloc, own.release, own.alloc_host};
    tleg_context *made = tleg_alloc_zero(&allocator, sizeof(*made));
    if (!made)
        return TLEG_ERROR_MEMORY;
    made->allocator = allocator;
    made->level = own.level;
    made->gemm = own.gemm;
    made->log = own.log;
    made->log_host = own.log_host;
    made->progress = own.progress;
    made->progress_host = own.progress_host;
    const tleg_status started = tleg_team_create(&allocator, &own, &made->team);
    if (started) {
        tleg_context_free(made);
        return started;
    }
    *context = made;
    return TLEG_OK;
}

const char *TLEG_CALL tleg_context_get_error(const tleg_context *context) {
    return context ? context->error.text : "there is no context: it is NULL";
}

int32_t TLEG_CALL tleg_context_get_level(const tleg_context *context, const char **name) {
    int32_t level = 0;
    if (context)
        level = context->level == TLEG_LEVEL_BEST ? tleg_level_best() : context->level;
    if (name)
        *name = tleg_level_name(level);
    return level;
}

void TLEG_CALL tleg_context_free(tleg_context *context) {
    if (!context)
        return;
    const struct tleg_allocator allocator = context->allocator;
    tleg_team_free(context->team);
    tleg_release(&allocator, context, sizeof(*context));
}
