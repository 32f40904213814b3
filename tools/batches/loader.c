#include "loader.h"

#include "base/context.h"
#include "pictures/prepare.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct loader {
    struct invocation call; /* as the verb was called, with one thread */
    tleg_context *context;  /* its own: a context serves one thread at a time */
    const struct folder *folder;
    const tleg_config *config;
    bool exif;
    size_t capacity, numbers;
    struct batch batches[2]; /* one is used while the other is filled */
    int filling;             /* which one is being filled, or waits to be handed out */
    pthread_t thread;
    bool running; /* the thread has not been joined yet */
};

static char no_memory[] = "out of memory"; /* in place of a text that there was no memory for */

static void clear_errors(struct batch *batch) {
    for (size_t i = 0; batch->errors && i < batch->count; i++) {
        if (batch->errors[i] != no_memory)
            free(batch->errors[i]);
        batch->errors[i] = NULL;
    }
}

static void fill_one(struct loader *loader, struct batch *batch, size_t i) {
    char error[PICTURE_ERROR];
    float *out = batch->inputs + i * loader->numbers;
    const char *path = loader->folder->images[batch->first + i].path;
    if (prepare_picture(loader->context, loader->config, path, loader->exif, out, error))
        return;
    memset(out, 0, loader->numbers * sizeof *out);
    batch->errors[i] = strdup(error);
    if (!batch->errors[i])
        batch->errors[i] = no_memory;
}

static void *fill(void *argument) {
    struct loader *loader = argument;
    struct batch *batch = &loader->batches[loader->filling];
    for (size_t i = 0; i < batch->count; i++)
        fill_one(loader, batch, i);
    return NULL;
}

/* Starts to fill the batch that begins at picture `first`; here and now where no thread can be had. */
static void begin(struct loader *loader, size_t first) {
    struct batch *batch = &loader->batches[loader->filling];
    size_t left = loader->folder->image_count - first;
    clear_errors(batch);
    batch->first = first;
    batch->count = left < loader->capacity ? left : loader->capacity;
    loader->running = batch->count > 0 && pthread_create(&loader->thread, NULL, fill, loader) == 0;
    if (!loader->running)
        fill(loader);
}

static void finish(struct loader *loader) {
    if (loader->running)
        pthread_join(loader->thread, NULL);
    loader->running = false;
}

static bool make_batches(struct loader *loader) {
    for (int i = 0; i < 2; i++) {
        struct batch *batch = &loader->batches[i];
        if (loader->numbers > SIZE_MAX / sizeof(float) / loader->capacity)
            return false;
        batch->inputs = malloc(loader->capacity * loader->numbers * sizeof *batch->inputs);
        batch->errors = calloc(loader->capacity, sizeof *batch->errors);
        if (!batch->inputs || !batch->errors)
            return false;
    }
    return true;
}

struct loader *loader_start(const struct invocation *call, const struct folder *folder, const tleg_config *config, bool exif,
                            size_t batch) {
    struct loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        tool_fail_memory(call);
        return NULL;
    }
    *loader = (struct loader){.call = *call,
                              .folder = folder,
                              .config = config,
                              .exif = exif,
                              .capacity = batch < folder->image_count ? batch : folder->image_count,
                              .numbers = prepare_numbers(config)};
    loader->call.threads = 1;
    loader->context = tool_context(&loader->call);
    bool whole = loader->context != NULL && make_batches(loader);
    if (loader->context && !whole)
        tool_fail_memory(call);
    if (!whole) {
        loader_stop(loader);
        return NULL;
    }
    begin(loader, 0);
    return loader;
}

const struct batch *loader_next(struct loader *loader) {
    finish(loader);
    const struct batch *ready = &loader->batches[loader->filling];
    if (ready->count == 0)
        return NULL;
    loader->filling = !loader->filling;
    begin(loader, ready->first + ready->count);
    return ready;
}

void loader_stop(struct loader *loader) {
    if (!loader)
        return;
    finish(loader);
    for (int i = 0; i < 2; i++) {
        clear_errors(&loader->batches[i]);
        free(loader->batches[i].errors);
        free(loader->batches[i].inputs);
    }
    tleg_context_free(loader->context);
    free(loader);
}
