/* The context: a host's choices, checked once, and the text of its last error. */
#include "core/core.h"

#include <stddef.h>

static tleg_status check_threads(struct tleg_error *error, const tleg_context_options *options) {
    if (options->workers < 0 || options->workers > TLEG_MAX_WORKERS)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "tleg_context_options.workers: expected 0 to %d, found %d",
                              TLEG_MAX_WORKERS, (int)options->workers);
    if (options->parallel && options->workers == 0)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT,
                              "tleg_context_options.parallel: a pool needs workers, the most tasks that it is handed: set it");
    return TLEG_OK;
}

static struct tleg_blas blas_of(const tleg_context_options *options) {
    const struct tleg_blas given = {options->sgemm, options->sgemm64};
    return tleg_blas_is_there(&given) ? given : tleg_blas_linked;
}

static tleg_status check_gemm(struct tleg_error *error, const tleg_context_options *options) {
    const struct tleg_blas blas = blas_of(options);
    if (blas.sgemm && blas.sgemm64)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT,
                              "tleg_context_options: sgemm and sgemm64 are both given, expected the one that fits the BLAS's "
                              "integers");
    if (options->gemm < TLEG_GEMM_AUTO || options->gemm > TLEG_GEMM_BLAS)
        return tleg_error_set(error, TLEG_ERROR_UNSUPPORTED, "tleg_context_options.gemm: this build does not have %d",
                              (int)options->gemm);
    if (options->gemm == TLEG_GEMM_BLAS && !tleg_blas_is_there(&blas))
        return tleg_error_set(
            error, TLEG_ERROR_UNSUPPORTED,
            "tleg_context_options.gemm: TLEG_GEMM_BLAS needs a BLAS, and this build links none: hand over its "
            "cblas_sgemm in sgemm");
    return TLEG_OK;
}

static tleg_status check_options(struct tleg_error *error, const tleg_context_options *options) {
    if (!options->alloc != !options->release)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT,
                              "tleg_context_options: alloc and release are given together or not at all");
    if (options->level != TLEG_LEVEL_BEST && !tleg_level_usable(options->level)) {
        const char *name = tleg_level_name(options->level);
        return tleg_error_set(error, TLEG_ERROR_UNSUPPORTED,
                              "tleg_context_options.level: %d (%s) cannot be used by this build on this machine",
                              (int)options->level, name ? name : "unknown");
    }
    const tleg_status status = check_gemm(error, options);
    return status == TLEG_OK ? check_threads(error, options) : status;
}

static tleg_status read_options(struct tleg_error *error, const tleg_context_options *host, tleg_context_options *options) {
    *options = (tleg_context_options){.struct_size = sizeof(*options)};
    if (!host)
        return TLEG_OK;
    const tleg_status status =
        tleg_struct_read(error, "tleg_context_options", host, options, sizeof(*options), TLEG_LEAST_CONTEXT_OPTIONS);
    if (status != TLEG_OK)
        return status;
    if (!options->error_text != !options->error_text_bytes)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT,
                              "tleg_context_options: error_text and error_text_bytes are given together or not at all");
    return check_options(error, options);
}

static tleg_status create(struct tleg_error *error, const tleg_context_options *options, tleg_context **context) {
    struct tleg_allocator allocator = tleg_default_allocator;
    if (options->alloc)
        allocator = (struct tleg_allocator){options->alloc, options->release, options->alloc_host};
    tleg_context *made = tleg_alloc_zero(&allocator, sizeof(*made));
    if (!made)
        return tleg_error_set(error, TLEG_ERROR_MEMORY, "context: out of memory (%zu bytes)", sizeof(*made));
    made->allocator = allocator;
    made->level = options->level;
    made->gemm = options->gemm;
    made->blas = blas_of(options);
    made->log = options->log;
    made->log_host = options->log_host;
    made->progress = options->progress;
    made->progress_host = options->progress_host;
    const tleg_status status = tleg_team_create(error, &allocator, options, &made->team);
    if (status != TLEG_OK) {
        tleg_context_free(made);
        return status;
    }
    *context = made;
    return TLEG_OK;
}

/* To where the host wants it, whole characters. */
static void write_text(const struct tleg_error *error, const tleg_context_options *options) {
    if (!options->error_text || options->error_text_bytes == 0)
        return;
    const size_t most =
        options->error_text_bytes < sizeof(error->text) ? (size_t)options->error_text_bytes : sizeof(error->text);
    tleg_text_cut(error->text, options->error_text, most);
}

tleg_status TLEG_CALL tleg_context_create(const tleg_context_options *options, tleg_context **context) {
    if (!context)
        return TLEG_ERROR_ARGUMENT;
    *context = NULL;
    struct tleg_error error = {0};
    tleg_context_options own;
    tleg_status status = read_options(&error, options, &own);
    if (status == TLEG_OK)
        status = create(&error, &own, context);
    write_text(&error, &own);
    return status;
}

tleg_status TLEG_CALL tleg_context_clone(const tleg_context *context, tleg_context **clone) {
    if (clone)
        *clone = NULL;
    if (!context || !clone)
        return TLEG_ERROR_ARGUMENT;
    tleg_context *made = tleg_alloc(&context->allocator, sizeof(*made));
    if (!made)
        return TLEG_ERROR_MEMORY;
    *made = *context;
    made->error = (struct tleg_error){0};
    made->work = (struct tleg_work){0};
    tleg_team_share(made->team);
    *clone = made;
    return TLEG_OK;
}

struct tleg_team_outcome *tleg_context_begin(tleg_context *context) {
    context->outcome = (struct tleg_team_outcome){.status = TLEG_OK};
    return &context->outcome;
}

const char *TLEG_CALL tleg_context_get_error(const tleg_context *context) {
    return context ? context->error.text : "there is no context: it is NULL";
}

int32_t TLEG_CALL tleg_context_get_os_error(const tleg_context *context) {
    return context ? context->error.os_error : 0;
}

tleg_level TLEG_CALL tleg_context_get_level(const tleg_context *context, const char **name) {
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
