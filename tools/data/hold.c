/* Pictures in memory: as many as there is room for, no larger than what they are used for; and those that cannot be read. */
#include "private.h"

#include "base/context.h"
#include "base/extent.h"
#include "base/memory_left.h"
#include "base/progress.h"
#include "pictures/prepare.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct holding {
    const struct invocation *call;
    struct dataset *set;
    uint64_t limit; /* bytes of pixels */
    bool full;
    struct progress progress;
    /* where pictures are held as the model's input */
    tleg_context *context;
    tleg_preparation *preparation;
    float *prepared; /* (channels, height, width): one picture */
    size_t channels;
    struct extent image;
};

/* ---- at the model's size ---- */

/* Colours stay 0 to 1, so that the numbers that are made of them later are those of the picture itself. */
static int start_fitting(struct holding *holding, const tleg_config *config) {
    tleg_config plain = *config;
    for (int c = 0; c < 3; c++) {
        plain.mean[c] = 0;
        plain.std[c] = 1;
    }
    holding->image = extent_of_image(config);
    holding->channels = (size_t)config->channels;
    holding->prepared = malloc(prepare_numbers(config) * sizeof *holding->prepared);
    holding->context = tool_context(holding->call);
    if (!holding->context || !holding->prepared)
        return holding->context ? tool_fail_memory(holding->call) : EXIT_FAILED;
    return prepare_as(holding->context, &plain, &holding->preparation) == TLEG_OK
               ? EXIT_DONE
               : tool_fail_context(holding->call, holding->context);
}

/* Resized and cropped to the model's size, where that takes less memory. False where it does not. */
static bool fit(const struct holding *holding, struct picture *picture) {
    const size_t plane = (size_t)holding->image.height * (size_t)holding->image.width;
    if (!holding->preparation || (size_t)picture->width * (size_t)picture->height <= plane)
        return false;
    const tleg_image image = {.struct_size = sizeof image,
                              .layout = TLEG_PIXELS_RGB,
                              .width = picture->width,
                              .height = picture->height,
                              .pixels = picture->pixels};
    uint8_t *pixels = malloc(3 * plane);
    if (!pixels || tleg_image_prepare(holding->context, holding->preparation, &image, holding->prepared,
                                      holding->channels * plane) != TLEG_OK) {
        free(pixels);
        return false;
    }
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)lrintf(255 * holding->prepared[(holding->channels == 1 ? 0 : c * plane) + i]);
    free(picture->pixels);
    *picture = (struct picture){.width = holding->image.width, .height = holding->image.height, .pixels = pixels};
    return true;
}

/* ---- one picture ---- */

/* What is held leaves no memory to decode the next one: half of it is let go. */
static void let_go(struct holding *holding, size_t count) {
    struct dataset *set = holding->set;
    holding->full = true;
    for (size_t i = count / 2; i < count; i++) {
        struct sample *sample = &set->samples[i];
        if (!sample->pixels)
            continue;
        set->held -= 3 * (uint64_t)sample->width * (uint64_t)sample->height;
        free(sample->pixels);
        sample->pixels = NULL;
        sample->fitted = false;
    }
}

static void keep(struct holding *holding, struct sample *sample, struct picture *picture) {
    struct dataset *set = holding->set;
    bool fitted = !holding->full && fit(holding, picture);
    uint64_t bytes = 3 * (uint64_t)picture->width * (uint64_t)picture->height;
    holding->full = holding->full || set->held > holding->limit || bytes > holding->limit - set->held;
    if (holding->full) {
        picture_free(picture);
        return;
    }
    set->held += bytes;
    sample->layout = TLEG_PIXELS_RGB;
    sample->width = picture->width;
    sample->height = picture->height;
    sample->pixels = picture->pixels;
    sample->fitted = fitted;
}

/* Decodes the sample that follows `count` others. *bad: it is left out. */
static int take(struct holding *holding, size_t count, struct sample *sample, bool *bad) {
    const struct dataset *set = holding->set;
    char error[PICTURE_ERROR];
    struct picture picture;
    int result = picture_read(sample->file, set->options.exif, &picture, error, sizeof error);
    if (result == PICTURE_WANT && !holding->full) {
        let_go(holding, count);
        result = picture_read(sample->file, set->options.exif, &picture, error, sizeof error);
    }
    *bad = result == PICTURE_BAD;
    if (result != 0)
        progress_clear(&holding->progress);
    if (result == PICTURE_WANT)
        return tool_fail(holding->call, "%s", error);
    if (*bad && !set->options.skip_bad)
        return tool_fail(holding->call, "%s (--skip-bad continues without such files)", error);
    if (*bad)
        tool_note(holding->call, "skipped %s", error);
    else
        keep(holding, sample, &picture);
    return EXIT_DONE;
}

/* ---- all of them ---- */

/* In order, and closes the gaps that bad ones leave. */
static int take_all(struct holding *holding) {
    struct dataset *set = holding->set;
    size_t kept = 0, i = 0;
    int code = EXIT_DONE;
    bool bad = false;
    progress_start(&holding->progress, "reading", (int64_t)set->count);
    for (; i < set->count && code == EXIT_DONE && (!holding->full || set->options.skip_bad); i++) {
        code = take(holding, kept, &set->samples[i], &bad);
        if (code == EXIT_DONE && !bad && kept++ < i)
            set->samples[kept - 1] = set->samples[i];
        progress_step(&holding->progress, (int64_t)i, "");
    }
    progress_clear(&holding->progress);
    if (kept < i)
        memmove(set->samples + kept, set->samples + i, (set->count - i) * sizeof *set->samples);
    set->count -= i - kept;
    return code;
}

/* A class may have had bad pictures alone. */
static int check_classes(const struct invocation *call, const struct dataset *set) {
    if (set->options.unlabelled)
        return set->count ? EXIT_DONE : tool_fail(call, "%s: no image can be read", set->options.dir);
    bool *seen = calloc((size_t)set->class_count, sizeof *seen);
    if (!seen)
        return tool_fail_memory(call);
    for (size_t i = 0; i < set->count; i++)
        seen[set->samples[i].label] = true;
    int code = EXIT_DONE;
    for (int32_t i = 0; i < set->class_count && code == EXIT_DONE; i++)
        if (!seen[i])
            code = tool_fail(call, "%s: no image of the class \"%s\" can be read", set->options.dir, set->classes[i]);
    free(seen);
    return code;
}

static uint64_t limit_of(const struct dataset *set) {
    uint64_t room = memory_left() / 2;
    return set->options.cache < room ? set->options.cache : room;
}

int dataset_hold(const struct invocation *call, struct dataset *set, const tleg_config *config, bool only_prepared) {
    struct holding holding = {.call = call, .set = set, .limit = limit_of(set)};
    if (set->file_count) /* binary files are in memory as they are */
        return EXIT_DONE;
    if (set->latents.file) { /* and the system holds as many as it can of these */
        const int read = set->options.skip_bad ? dataset_skip_latents(call, set) : EXIT_DONE;
        return read == EXIT_DONE ? check_classes(call, set) : read;
    }
    int code = only_prepared ? start_fitting(&holding, config) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = take_all(&holding);
    if (code == EXIT_DONE)
        code = check_classes(call, set);
    if (code == EXIT_DONE && holding.full && holding.limit < set->options.cache)
        tool_note(call, "%.0f MiB hold pictures, in place of --cache's %.0f: half of the memory that is left to this process",
                  (double)holding.limit / (1 << 20), (double)set->options.cache / (1 << 20));
    tleg_preparation_free(holding.preparation);
    tleg_context_free(holding.context);
    free(holding.prepared);
    return code;
}
