/* What a configuration carries: class names, schedule, names of unused tensors, metadata that is not the format's, and the
 * tables of depths and scores. One memory holds it all: scores first, since they are the widest, then the table of them, pairs,
 * pointers to texts, depths, and the texts. */
#include "config/config.h"
#include "config/learned.h"
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

/* Whether a metadata key is the host's own. */
static bool is_free(const char *key) {
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
        if (!is_free(pair->key))
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
        if (!is_free(pair->key))
            continue;
        const char *key = copy_text(at, pair->key);
        pairs[config->pair_count++] = (struct tleg_pair){key, copy_text(at, pair->value)};
    }
}

/* *bytes += the tables of depths and scores; false when that does not fit. */
static bool add_tables(size_t *bytes, const struct tleg_config_texts *texts, size_t scores) {
    const size_t depths = (size_t)texts->depth_count * sizeof(int32_t);
    if (!tleg_size_add(*bytes, depths, bytes))
        return false;
    return scores == 0 ||
           tleg_size_add(*bytes,
                         sizeof(tleg_scores) + scores * (sizeof(double) + sizeof(int32_t)) + strlen(texts->scores->on) + 1,
                         bytes);
}

static const int32_t *copy_depths(int32_t **at, const int32_t *depths, int32_t count) {
    int32_t *copy = *at;
    *at += count;
    return count ? memcpy(copy, depths, (size_t)count * sizeof *copy) : NULL;
}

/* `table` has room after `values`, and `depths` points at what follows the pointers. */
static void copy_scores(tleg_scores *table, double *values, int32_t **depths, char **at, const tleg_scores *from) {
    memcpy(values, from->scores, (size_t)from->count * sizeof *values);
    *table = *from;
    table->struct_size = sizeof *table;
    table->scores = values;
    table->depths = copy_depths(depths, from->depths, from->count);
    table->on = copy_text(at, from->on);
}

void tleg_config_keep_score(struct tleg_vit_config *config, int32_t depth) {
    tleg_scores *table = (tleg_scores *)(uintptr_t)config->c.scores; /* in the configuration's own memory */
    const int32_t k = table ? tleg_depth_find(table->depths, table->count, depth) : -1;
    if (k < 0) {
        config->c.scores = NULL;
        return;
    }
    table->count = 1;
    table->depths += k;
    table->scores += k;
}

static size_t count_scores(const struct tleg_config_texts *texts) {
    return texts->scores ? (size_t)texts->scores->count : 0;
}

/* What a copy takes, with *pairs free pairs; false when that does not fit. */
static bool measure(const struct tleg_config_texts *texts, size_t *bytes, size_t *pairs) {
    *bytes = strlen(texts->schedule) + 1;
    return add_tables(bytes, texts, count_scores(texts)) && add_list(bytes, texts->labels, (size_t)texts->label_count) &&
           add_list(bytes, texts->ignored, (size_t)texts->ignored_count) && add_pairs(bytes, texts, pairs);
}

tleg_status tleg_config_set_texts(tleg_context *context, struct tleg_vit_config *config,
                                  const struct tleg_config_texts *texts) {
    const size_t labels = (size_t)texts->label_count, ignored = (size_t)texts->ignored_count, scores = count_scores(texts);
    size_t bytes, pairs;
    if (!measure(texts, &bytes, &pairs))
        return tleg_fail_memory(context, "the texts of a configuration", SIZE_MAX);
    void *memory = tleg_alloc(&config->allocator, bytes);
    if (!memory)
        return tleg_fail_memory(context, "the texts of a configuration", bytes);
    double *values = memory;
    tleg_scores *table = (void *)(values + scores);
    struct tleg_pair *list = (void *)(table + (scores > 0));
    const char **pointers = (void *)(list + pairs);
    int32_t *depths = (void *)(pointers + labels + ignored);
    char *at = (char *)(depths + (size_t)texts->depth_count + scores);
    config->c.depths = copy_depths(&depths, texts->depths, texts->depth_count);
    config->c.depth_count = texts->depth_count;
    config->c.scores = scores ? table : NULL;
    if (scores)
        copy_scores(table, values, &depths, &at, texts->scores);
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

static struct tleg_config_texts texts_of(const struct tleg_vit_config *config) {
    return (struct tleg_config_texts){.labels = config->c.labels,
                                      .ignored = config->c.ignored,
                                      .schedule = config->c.schedule,
                                      .label_count = config->c.label_count,
                                      .ignored_count = config->c.ignored_count,
                                      .pairs = config->pairs,
                                      .pair_count = config->pair_count,
                                      .depths = config->c.depths,
                                      .depth_count = config->c.depth_count,
                                      .scores = config->c.scores};
}

size_t tleg_config_copy_bytes(const struct tleg_vit_config *config) {
    const struct tleg_config_texts texts = texts_of(config);
    size_t bytes, pairs;
    (void)measure(&texts, &bytes, &pairs); /* they lie in memory: no overflow */
    return bytes;
}

tleg_status tleg_config_copy(tleg_context *context, const struct tleg_vit_config *from, struct tleg_vit_config *to) {
    const struct tleg_config_texts texts = texts_of(from);
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
