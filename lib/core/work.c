/* Progress of long work: the host is told how far it is, and may stop it. */
#include "core/core.h"

static tleg_status ask(tleg_context *context) {
    const struct tleg_work *work = &context->work;
    if (!context->progress || context->progress(context->progress_host, work->what, work->done, work->total) == 0)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_CANCELLED, "%s: the host's progress function stopped it at %llu of %llu", work->what,
                     (unsigned long long)work->done, (unsigned long long)work->total);
}

tleg_status tleg_work_begin(tleg_context *context, const char *what, uint64_t total) {
    context->work = (struct tleg_work){.what = what, .total = total};
    return ask(context);
}

tleg_status tleg_work_step(tleg_context *context, uint64_t count) {
    struct tleg_work *work = &context->work;
    if (!work->what || !context->progress)
        return TLEG_OK;
    work->done += count < work->total - work->done ? count : work->total - work->done;
    return work->done < work->total ? ask(context) : TLEG_OK; /* the last word is tleg_work_end's */
}

tleg_status tleg_work_end(tleg_context *context, tleg_status status) {
    struct tleg_work *work = &context->work;
    work->done = work->total;
    if (status == TLEG_OK && context->progress)
        context->progress(context->progress_host, work->what, work->done, work->total);
    *work = (struct tleg_work){0};
    return status;
}

tleg_status tleg_host_status(tleg_status status) {
    return status >= TLEG_OK && status <= TLEG_ERROR_NOT_FOUND ? status : TLEG_ERROR_IO;
}
