/* The texts that a configuration carries: class names, schedule, names of unused tensors, metadata that is not
 * the format's. */
#include "config/config.h"
#include <string.h>

/* *bytes += the pointers to `count` texts and the texts themselves; false when that does not fit. */
static bool add_list(size_t *bytes, const char *const *texts, size_t count) {
    size_t pointers;
    if (!tleg_size_mul(count, sizeof(char *), &pointers) || !tleg_size_add(*bytes, pointers, bytes))
        return false;
    for (size_t k = 0; k < count; k++)
        if (!tleg_size_add(*bytes, strlen(texts[k]) + 1, bytes))
            return false;
    return true;
}

static const char *copy_text(char **at, const char *text) {
    const size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static const char *const *copy_list(const char ***pointers, char **at, const char *const *texts, size_t count) {
    const char **list = *pointers;
    *pointers += count;
    for (size_t k = 0; k < count; k++)
        list[k] = copy_text(at, texts[k]);
    return count ? list : NULL;
}

bool tleg_key_is_free(const char *key) {
    return strncmp(key, "tleg.", 5) != 0 && strcmp(key, "format") != 0;
}

const char *tleg_config_label(const tleg_config *config, int32_t index) {
    return index >= 0 && index < config->label_count ? config->labels[index] : NULL;
}

const char *tleg_config_pair(const struct tleg_vit_config *config, const char *key) {
    for (int64_t k = 0; k < config->pair_count; k++)
        if (strcmp(config->pairs[k].key, key) == 0)
            return config->pairs[k].value;
    return NULL;
}

/* *bytes += the free pairs, of which there are *count. */
static bool add_pairs(size_t *bytes, const struct tleg_config_texts *texts, size_t *count) {
    *count = 0;
    for (int64_t k = 0; k < texts->pair_count; k++) {
        const struct tleg_pair *pair = &texts->pairs[k];
        if (!tleg_key_is_free(pair->key))
            continue;
        ++*count;
        if (!tleg_size_add(*bytes, sizeof *pair + strlen(pair->key) + 1, bytes) ||
            !tleg_size_add(*bytes, strlen(pair->value) + 1, bytes))
            return false;
    }
    return true;
}

static void copy_pairs(struct tleg_vit_config *config, struct tleg_pair *pairs, char **at,
                       const struct tleg_config_texts *texts) {
    config->pairs = pairs;
    config->pair_count = 0;
    for (int64_t k = 0; k < texts->pair_count; k++) {
        const struct tleg_pair *pair = &texts->pairs[k];
        if (!tleg_key_is_free(pair->key))
            continue;
        const char *key = copy_text(at, pair->key);
        pairs[config->pair_count++] = (struct tleg_pair){key, copy_text(at, pair->value)};
    }
}

tleg_status tleg_config_set_texts(tleg_context *context, struct tleg_vit_config *config,
                                  const struct tleg_config_texts *texts) {
    const size_t labels = (size_t)texts->label_count, ignored = (size_t)texts->ignored_count;
    size_t bytes = strlen(texts->schedule) + 1, pairs;
    if (!add_list(&bytes, texts->labels, labels) || !add_list(&bytes, texts->ignored, ignored) ||
        !add_pairs(&bytes, texts, &pairs))
        return tleg_fail_memory(context, "the texts of a configuration", SIZE_MAX);
    void *memory = tleg_alloc(&config->allocator, bytes);
    if (!memory)
        return tleg_fail_memory(context, "the texts of a configuration", bytes);
    const char **pointers = memory;
    struct tleg_pair *list = (void *)(pointers + labels + ignored);
    char *at = (char *)(list + pairs);
    config->c.labels = copy_list(&pointers, &at, texts->labels, labels);
    config->c.ignored = copy_list(&pointers, &at, texts->ignored, ignored);
    config->c.schedule = copy_text(&at, texts->schedule);
    copy_pairs(config, list, &at, texts);
    config->c.label_count = texts->label_count;
    config->c.ignored_count = texts->ignored_count;
    config->texts = memory;
    config->text_bytes = bytes;
    return TLEG_OK;
}

tleg_status tleg_config_copy(tleg_context *context, const struct tleg_vit_config *from, struct tleg_vit_config *to) {
    const struct tleg_config_texts texts = {.labels = from->c.labels,
                                            .ignored = from->c.ignored,
                                            .schedule = from->c.schedule,
                                            .label_count = from->c.label_count,
                                            .ignored_count = from->c.ignored_count,
                                            .pairs = from->pairs,
                                            .pair_count = from->pair_count};
    *to = (struct tleg_vit_config){.allocator = context->allocator, .c = from->c};
    const tleg_status status = tleg_config_set_texts(context, to, &texts);
    if (status != TLEG_OK)
        memset(to, 0, sizeof *to);
    return status;
}

void tleg_config_free(struct tleg_vit_config *config) {
    tleg_release(&config->allocator, config->texts, config->text_bytes);
    memset(config, 0, sizeof *config);
}
