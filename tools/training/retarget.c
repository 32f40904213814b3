/* The library's handles never change, so another file is made in memory, and read. */
#include "retarget.h"

#include "base/report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image {
    json_t *header;
    uint8_t *data;
    size_t size;
};

static tleg_status copy_tensor(tleg_context *context, const struct source *source, const char *name, tleg_tensor **tensor) {
    return source->gene ? tleg_learngene_copy_tensor(context, source->gene, name, tensor)
                        : tleg_model_copy_tensor(context, source->model, name, tensor);
}

static const char *name_at(const struct source *source, int64_t index) {
    return source->gene ? tleg_learngene_get_tensor_name(source->gene, index)
                        : tleg_model_get_tensor_name(source->model, index);
}

/* ---- one tensor ---- */

static float from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
    float value;
    if (exponent == 0) { /* zero or subnormal: fraction 2^-24, exactly */
        value = (float)fraction * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
    } else {
        bits = (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void widen(const tleg_tensor_info *info, float *out, size_t count) {
    const uint16_t *halves = info->data;
    if (info->dtype == TLEG_F32)
        memcpy(out, info->data, count * sizeof *out);
    else
        for (size_t i = 0; i < count; i++)
            out[i] = info->dtype == TLEG_F16 ? from_half(halves[i]) : from_bf16(halves[i]);
}

/* Appends the values, and their entry in the header. */
static bool append(struct image *image, const char *name, const tleg_tensor_info *info) {
    size_t count = 1;
    json_t *shape = json_array();
    for (int32_t i = 0; i < info->rank; i++) {
        json_array_append_new(shape, json_integer(info->shape[i]));
        count *= (size_t)info->shape[i];
    }
    size_t bytes = count * sizeof(float);
    uint8_t *data = realloc(image->data, image->size + bytes + 1);
    json_t *entry = json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets", (json_int_t)image->size,
                              (json_int_t)(image->size + bytes));
    bool good = data && entry && json_object_set_new(image->header, name, entry) == 0;
    if (data)
        image->data = data;
    if (!good)
        return false;
    widen(info, (float *)(void *)(data + image->size), count);
    image->size += bytes;
    return true;
}

static int append_tensor(const struct invocation *call, tleg_context *context, struct image *image, const struct source *source,
                         const char *name) {
    tleg_tensor *tensor = NULL;
    tleg_tensor_info info = {.struct_size = sizeof info};
    int code = EXIT_DONE;
    if (copy_tensor(context, source, name, &tensor) != TLEG_OK || tleg_tensor_get_info(context, tensor, &info) != TLEG_OK)
        code = tool_fail_context(call, context);
    else if (!append(image, name, &info))
        code = tool_fail_memory(call);
    tleg_tensor_free(tensor);
    return code;
}

/* ---- metadata ---- */

static void put_text(json_t *meta, const char *key, const char *text) {
    json_object_set_new(meta, key, json_string(text));
}

static void put_integer(json_t *meta, const char *key, int32_t value) {
    char text[16];
    snprintf(text, sizeof text, "%d", (int)value);
    put_text(meta, key, text);
}

static void put_reals(json_t *meta, const char *key, const double *values, int count) {
    char text[128] = "";
    for (int i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.17g", i ? "," : "", values[i]);
    put_text(meta, key, text);
}

static void put_labels(json_t *meta, char *const *labels, int32_t count) {
    json_t *array = json_array();
    for (int32_t i = 0; i < count; i++)
        json_array_append_new(array, report_string(labels[i]));
    char *text = json_dumps(array, JSON_COMPACT);
    put_text(meta, "tleg.labels", text);
    free(text);
    json_decref(array);
}

/* labels: NULL for none. */
static bool put_metadata(json_t *header, const tleg_config *config, bool gene, char *const *labels, int32_t count) {
    json_t *meta = json_object();
    bool mean = config->pool == TLEG_POOL_MEAN;
    put_text(meta, "tleg.kind", gene ? "learngene" : "vit");
    put_integer(meta, "tleg.image_size", config->image_size);
    put_integer(meta, "tleg.patch_size", config->patch_size);
    put_integer(meta, "tleg.heads", config->heads);
    put_text(meta, "tleg.norm", mean && config->norm == TLEG_NORM_AFTER_POOL ? "after_pool" : "before_pool");
    put_text(meta, "tleg.pool", mean ? "mean" : "cls");
    put_reals(meta, "tleg.eps", &config->eps, 1);
    put_reals(meta, "tleg.mean", config->mean, 3);
    put_reals(meta, "tleg.std", config->std, 3);
    put_reals(meta, "tleg.crop", &config->crop, 1);
    if (labels)
        put_labels(meta, labels, count);
    if (gene && config->schedule && *config->schedule)
        put_text(meta, "tleg.schedule", config->schedule);
    return json_object_set_new(header, "__metadata__", meta) == 0;
}

/* ---- the file ---- */

/* Length, header, data: the bytes of a safetensors file. */
static uint8_t *join(const struct image *image, size_t *size) {
    char *header = json_dumps(image->header, JSON_COMPACT);
    size_t length = header ? strlen(header) : 0, padded = (length + 8 + 63) / 64 * 64 - 8;
    uint8_t *bytes = header ? malloc(8 + padded + image->size) : NULL;
    if (bytes) {
        for (int i = 0; i < 8; i++)
            bytes[i] = (uint8_t)((uint64_t)padded >> (8 * i));
        memset(bytes + 8, ' ', padded);
        memcpy(bytes + 8, header, length);
        memcpy(bytes + 8 + padded, image->data, image->size);
        *size = 8 + padded + image->size;
    }
    free(header);
    return bytes;
}

static int read_back(const struct invocation *call, tleg_context *context, const struct image *image, struct source *source) {
    size_t size;
    uint8_t *bytes = join(image, &size);
    struct source made = {.path = source->path, .config = {.struct_size = sizeof made.config}};
    if (!bytes)
        return tool_fail_memory(call);
    tleg_status status = source->gene ? tleg_learngene_parse(context, bytes, size, NULL, &made.gene)
                                      : tleg_model_parse(context, bytes, size, NULL, &made.model);
    free(bytes);
    if (status != TLEG_OK)
        return tool_fail_context(call, context);
    source_close(source);
    *source = made;
    if (made.gene)
        tleg_learngene_get_info(context, made.gene, &source->config);
    else
        tleg_model_get_info(context, made.model, &source->config);
    return EXIT_DONE;
}

static bool is_head(const char *name) {
    return strncmp(name, "head.", 5) == 0 || strncmp(name, "head_dist.", 10) == 0;
}

/* A learngene of the same shape, with a head for so many classes. */
static int make_fresh(const struct invocation *call, tleg_context *context, const struct source *source, int32_t classes,
                      uint64_t seed, struct source *fresh) {
    tleg_config config = source->config;
    config.struct_size = sizeof config;
    config.classes = classes;
    config.depth = config.label_count = config.dtype = 0;
    config.labels = config.ignored = NULL;
    config.ignored_count = 0;
    config.parameters = 0;
    config.schedule = NULL;
    config.dtype = 0; /* this and what follows is filled in by the library, and refused from a caller */
    config.ignored = NULL;
    config.ignored_count = 0;
    config.parameters = 0;
    if (tleg_learngene_create(context, &config, seed, &fresh->gene) != TLEG_OK)
        return tool_fail_context(call, context);
    return EXIT_DONE;
}

static int rebuild(const struct invocation *call, tleg_context *context, struct source *source, const struct dataset *set,
                   bool fresh, uint64_t seed) {
    struct image image = {json_object(), NULL, 0};
    struct source head = {0};
    const char *name;
    int code = fresh ? make_fresh(call, context, source, set->class_count, seed, &head) : EXIT_DONE;
    if (code == EXIT_DONE &&
        !put_metadata(image.header, &source->config, source->gene != NULL, set->named ? set->classes : NULL, set->class_count))
        code = tool_fail_memory(call);
    for (int64_t i = 0; code == EXIT_DONE && (name = name_at(source, i)) != NULL; i++)
        code = append_tensor(call, context, &image, fresh && is_head(name) ? &head : source, name);
    if (code == EXIT_DONE)
        code = read_back(call, context, &image, source);
    tleg_learngene_free(head.gene);
    json_decref(image.header);
    free(image.data);
    return code;
}

static void say_fresh(const struct invocation *call, const struct source *source, const struct dataset *set) {
    if (set->class_count != source->config.classes)
        tool_note(call, "the head starts fresh: %s has %d classes, the data %d", source->path, (int)source->config.classes,
                  (int)set->class_count);
    else
        tool_note(call, "the head starts fresh: the data's %d classes have other names than those of %s", (int)set->class_count,
                  source->path);
}

int retarget(const struct invocation *call, tleg_context *context, struct source *source, struct dataset *set, uint64_t seed) {
    const tleg_config *config = &source->config;
    bool known = config->label_count > 0;
    bool fresh = set->class_count != config->classes || (known && !dataset_match(set, config->labels, config->label_count));
    bool labels_stay = !fresh && (known || !set->named), wide = source->gene || config->dtype == TLEG_F32;
    if (labels_stay && wide)
        return EXIT_DONE;
    if (fresh)
        say_fresh(call, source, set);
    return rebuild(call, context, source, set, fresh, seed);
}
