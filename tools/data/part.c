/* Which pictures are learned from and which judge. */
#include "private.h"

#include "base/digest.h"
#include "base/read_file.h"
#include <stdlib.h>
#include <string.h>

static void add(struct part *part, size_t item) {
    part->items[part->count++] = item;
}

/* A class of which nothing is left to learn from. */
static int check_classes(const struct invocation *call, const struct part *learned, int32_t every) {
    const struct dataset *set = learned->set;
    bool *seen = calloc((size_t)set->class_count, sizeof *seen);
    if (!seen)
        return tool_fail_memory(call);
    for (size_t i = 0; i < learned->count; i++)
        seen[set->samples[learned->items[i]].label] = true;
    int code = EXIT_DONE;
    for (int32_t i = 0; i < set->class_count && code == EXIT_DONE; i++)
        if (!seen[i])
            code = tool_fail(call, "%s: --val-every %d leaves no images of the class \"%s\" to learn from", set->options.dir,
                             (int)every, set->classes[i]);
    free(seen);
    return code;
}

int part_split(const struct invocation *call, const struct dataset *set, int32_t every, struct part *learned,
               struct part *judged) {
    *learned = (struct part){set, malloc(set->count * sizeof(size_t)), 0};
    *judged = (struct part){set, malloc(set->count * sizeof(size_t)), 0};
    if (!learned->items || !judged->items)
        return tool_fail_memory(call);
    for (size_t i = 0; i < set->count; i++)
        add(every > 0 && set->samples[i].place % (size_t)every == 0 ? judged : learned, i);
    return every > 0 && !set->features ? check_classes(call, learned, every) : EXIT_DONE;
}

size_t part_place(size_t i, size_t count, size_t taken) {
    return (size_t)((uint64_t)i * count / taken);
}

int part_spread(const struct invocation *call, const struct dataset *set, size_t most, struct part *part) {
    const size_t taken = most > 0 && most < set->count ? most : set->count;
    *part = (struct part){set, malloc((taken + 1) * sizeof(size_t)), 0};
    if (!part->items)
        return tool_fail_memory(call);
    for (size_t i = 0; i < taken; i++)
        add(part, part_place(i, set->count, taken));
    return EXIT_DONE;
}

void part_free(struct part *part) {
    free(part->items);
    *part = (struct part){0};
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return hash;
}

uint64_t part_fingerprint(const struct part *part) {
    char name[DATASET_NAME];
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < part->count; i++) {
        const char *class = part->set->classes[part->set->samples[part->items[i]].label];
        dataset_name(part->set, part->items[i], name);
        hash = mix(hash, name, strlen(name) + 1);
        hash = mix(hash, class, strlen(class) + 1);
    }
    return hash;
}

static uint64_t mix_latent(uint64_t hash, const struct dataset *set, size_t i) {
    const size_t bytes = dataset_latent_numbers(&set->latents) * sizeof(float);
    char error[PICTURE_ERROR];
    float *latent = malloc(bytes);
    if (latent && dataset_latent(set, set->latents.context, i, latent, error) == 0)
        hash = mix(hash, latent, bytes);
    free(latent);
    return hash;
}

/* The file of a picture, or its pixels in a file of many; the numbers of a latent. */
static uint64_t mix_picture(uint64_t hash, const struct part *part, size_t i) {
    const struct sample *sample = &part->set->samples[part->items[i]];
    char reason[READ_REASON];
    size_t size = 0;
    if (part->set->latents.file)
        return mix_latent(hash, part->set, part->items[i]);
    if (sample->number >= 0)
        return mix(hash, sample->pixels,
                   (size_t)sample->width * (size_t)sample->height * (sample->layout == TLEG_PIXELS_GREY ? 1 : 3));
    uint8_t *bytes = read_file(sample->file, SIZE_MAX / 4, &size, reason);
    hash = bytes ? mix(hash, bytes, size) : hash;
    free(bytes);
    return hash;
}

uint64_t part_digest(const struct part *part) {
    enum { LOOKED_AT = 64 };
    uint64_t hash = part_fingerprint(part);
    size_t step = part->count / LOOKED_AT + 1;
    for (size_t i = 0; i < part->count; i += step)
        hash = mix_picture(hash, part, i);
    return hash;
}

uint64_t part_contents(const struct part *part) {
    enum { LOOKED_INTO = 1000 };
    uint64_t digest = DIGEST_START;
    size_t step = part->count / LOOKED_INTO + 1;
    for (size_t i = 0; i < part->count; i++) {
        const struct sample *sample = &part->set->samples[part->items[i]];
        if (part->set->latents.file && i % step != 0)
            continue;
        digest = sample->number >= 0 ? mix_picture(digest, part, i) : digest_file(digest, sample->file, i % step == 0);
    }
    return digest;
}

uint64_t part_identity(const struct part *part) {
    return part_contents(part) ^ part_fingerprint(part);
}
