/* Any bytes as a file of latents with their labels, names and scale: what `--data FILE` gives a generator to learn from. */
#include "data/dataset.h"
#include "fuzz/target.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 1 << 20 };

/* What the command would say goes nowhere, though a sanitizer's words still do. */
static void be_quiet(void) {
    static bool quiet;
    if (!quiet)
        stderr = fopen("/dev/null", "w");
    quiet = true;
    fuzz_need(stderr != NULL);
}

/* The latents that are finite. */
static size_t read_all(tleg_context *context, const struct dataset *set) {
    const struct latents *latents = &set->latents;
    const size_t each = (size_t)latents->channels * (size_t)latents->height * (size_t)latents->width;
    float *latent = malloc(each * sizeof *latent);
    size_t finite = 0;
    fuzz_need(latent != NULL);
    for (size_t i = 0; i < set->count; i++) {
        char error[PICTURE_ERROR] = "";
        const int result = dataset_latent(set, context, i, latent, error);
        fuzz_need(result == 0 || (result == PICTURE_BAD && error[0] != '\0'));
        finite += result == 0;
        for (size_t k = 0; k < each && result == 0; k++)
            fuzz_need(isfinite(latent[k]));
    }
    free(latent);
    return finite;
}

static bool is_small(const struct dataset *set) {
    const struct latents *latents = &set->latents;
    return (uint64_t)set->count * (uint64_t)latents->channels * (uint64_t)latents->height * (uint64_t)latents->width <=
           MOST_NUMBERS;
}

/* What is read; with skip_bad, `finite` are left of it. */
static size_t check(const struct invocation *call, tleg_context *context, struct dataset *set, size_t finite) {
    const tleg_config config = {.struct_size = sizeof config};
    for (size_t i = 0; i < set->count; i++)
        fuzz_need(set->samples[i].label >= 0 && set->samples[i].label < set->class_count);
    for (int32_t i = 0; i < set->class_count; i++)
        fuzz_need(set->classes[i] != NULL);
    if (!is_small(set))
        return 0;
    set->latents.scale = set->latents.said > 0 ? set->latents.said : 1;
    if (!set->options.skip_bad)
        return read_all(context, set);
    const int code = dataset_hold(call, set, &config, false);
    fuzz_need(code != EXIT_DONE || (finite > 0 && set->count == finite && read_all(context, set) == finite));
    return finite;
}

int fuzz_input(const uint8_t *data, size_t size) {
    static const struct verb verb = {.name = "fuzz"};
    const struct invocation call = {.verb = &verb};
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    size_t bytes, finite = 0;
    uint8_t *file = fuzz_safetensors(data, size, &bytes);
    struct dataset_options options = {.dir = fuzz_path(file, bytes), .latents = true};
    be_quiet();
    for (int again = 0; again < 2; again++) {
        struct dataset set;
        options.skip_bad = again == 1;
        if (dataset_open(&call, &options, &set) == EXIT_DONE)
            finite = check(&call, context, &set, finite);
        dataset_close(&set);
    }
    free(file);
    fuzz_end(context, &host);
    return 0;
}
