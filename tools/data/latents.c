/* Latents, as an autoencoder makes them of pictures: a file of tensors, whose header and labels are in memory. A latent is read
 * when it is asked for, so that the file may be larger than memory. */
#include "private.h"

#include "base/context.h"
#include "base/label.h"
#include "base/latent_scale.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CHANNELS = 64, MOST_SIDE = 65535, MOST_LABELS = 1 << 20, LOOKED_INTO = 1000 };

static const char tensor_name[] = "latents", labels_name[] = "labels", names_key[] = "tleg.labels";

size_t dataset_latent_numbers(const struct latents *latents) {
    return (size_t)latents->channels * (size_t)latents->height * (size_t)latents->width;
}

/* ---- what a file is to hold ---- */

static bool is_right(const tleg_tensor_info *info) {
    const bool real = info->dtype == TLEG_F32 || info->dtype == TLEG_F16 || info->dtype == TLEG_BF16;
    const int64_t *shape = info->shape;
    return real && info->rank == 4 && shape[0] >= 1 && shape[1] >= 1 && shape[1] <= MOST_CHANNELS && shape[2] >= 1 &&
           shape[2] <= MOST_SIDE && shape[3] >= 1 && shape[3] <= MOST_SIDE;
}

static int read_shape(const struct invocation *call, struct dataset *set, size_t *count) {
    struct latents *latents = &set->latents;
    tleg_tensor_info info = {.struct_size = sizeof info};
    char found[240];
    if (tleg_file_get_tensor_info(latents->context, latents->file, tensor_name, &info) != TLEG_OK)
        return tool_fail_context(call, latents->context);
    if (!is_right(&info)) {
        tool_shape(&info, found, sizeof found);
        return tool_fail(call, "%s: \"latents\": expected f32, f16 or bf16 [N,C,H,W] of 1 to %d channels, found %s",
                         set->options.dir, MOST_CHANNELS, found);
    }
    *count = (size_t)info.shape[0];
    latents->channels = (int32_t)info.shape[1];
    latents->height = (int32_t)info.shape[2];
    latents->width = (int32_t)info.shape[3];
    return EXIT_DONE;
}

/* ---- labels ---- */

static int refuse_names(const struct invocation *call, const struct dataset *set, const char *text) {
    return tool_fail(call,
                     "%s: \"%s\" in its metadata: expected a JSON array of names, such as [\"cat\", \"dog\"], found %.80s",
                     set->options.dir, names_key, text);
}

/* The names of the labels, if the file has any. */
static int read_names(const struct invocation *call, const struct dataset *set, struct names *names) {
    const char *text = tleg_file_get_metadata(set->latents.file, names_key);
    json_t *array = text ? json_loads(text, 0, NULL) : NULL;
    const size_t count = json_array_size(array); /* 0 of what is not an array */
    int code = text && (count == 0 || count > MOST_LABELS) ? refuse_names(call, set, text) : EXIT_DONE;
    if (code == EXIT_DONE && text && !(names->items = calloc(count + 1, sizeof *names->items)))
        code = tool_fail_memory(call);
    for (size_t i = 0; i < count && code == EXIT_DONE; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        if (!name || !*name)
            code = refuse_names(call, set, text);
        else if (!(names->items[names->count] = strdup(name)))
            code = tool_fail_memory(call);
        else
            names->count++;
    }
    json_decref(array);
    return code;
}

static bool has_labels(const tleg_file *file) {
    const char *name;
    for (int64_t i = 0; (name = tleg_file_get_tensor_name(file, i)) != NULL; i++)
        if (strcmp(name, labels_name) == 0)
            return true;
    return false;
}

static int64_t label_at(const tleg_tensor_info *info, size_t i) {
    return info->dtype == TLEG_I64 ? ((const int64_t *)info->data)[i] : ((const int32_t *)info->data)[i];
}

static int take_labels(const struct invocation *call, struct dataset *set, const tleg_tensor_info *info, size_t names) {
    const int64_t most = names ? (int64_t)names : MOST_LABELS;
    if ((info->dtype != TLEG_I64 && info->dtype != TLEG_I32) || info->rank != 1 || info->shape[0] != (int64_t)set->count) {
        char found[240];
        tool_shape(info, found, sizeof found);
        return tool_fail(call, "%s: \"labels\": expected i64 or i32 [%zu], one for each latent, found %s", set->options.dir,
                         set->count, found);
    }
    for (size_t i = 0; i < set->count; i++) {
        const int64_t label = label_at(info, i);
        if (label < 0 || label >= most)
            return tool_fail(call, "%s: \"labels\": expected 0 to %" PRId64 "%s, found %" PRId64 " of latent %zu",
                             set->options.dir, most - 1, names ? ", as there are names" : "", label, i);
        set->samples[i].label = (int32_t)label;
    }
    return EXIT_DONE;
}

/* Without a tensor of labels all latents are of one. */
static int read_labels(const struct invocation *call, struct dataset *set, size_t names) {
    struct latents *latents = &set->latents;
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_tensor *labels = NULL;
    if (!has_labels(latents->file))
        return EXIT_DONE;
    int code = EXIT_DONE;
    if (tleg_file_read_tensor(latents->context, latents->file, labels_name, &labels) != TLEG_OK ||
        tleg_tensor_get_info(latents->context, labels, &info) != TLEG_OK)
        code = tool_fail_context(call, latents->context);
    if (code == EXIT_DONE)
        code = take_labels(call, set, &info, names);
    tleg_tensor_free(labels);
    return code;
}

/* ---- the data set ---- */

static int open_file(const struct invocation *call, struct dataset *set) {
    struct latents *latents = &set->latents;
    latents->context = tool_context(call);
    if (!latents->context)
        return EXIT_FAILED;
    if (tleg_file_open(latents->context, set->options.dir, NULL, &latents->file) != TLEG_OK)
        return tool_fail_context(call, latents->context);
    return latent_scale_find(call, set->options.dir, latents->file, &latents->said);
}

int dataset_read_latents(const struct invocation *call, struct dataset *set) {
    struct names names = {0};
    size_t count = 0;
    int code = open_file(call, set);
    if (code == EXIT_DONE)
        code = read_shape(call, set, &count);
    if (code == EXIT_DONE)
        code = read_names(call, set, &names);
    if (code == EXIT_DONE)
        code = label_need_unique(call, set->options.dir, (const char *const *)names.items, (int32_t)names.count);
    struct sample *samples = code == EXIT_DONE ? dataset_add_samples(call, set, count) : NULL;
    for (size_t i = 0; samples && i < count; i++)
        samples[i] = (struct sample){.file = set->options.dir, .number = (int64_t)i};
    if (code == EXIT_DONE)
        code = samples ? read_labels(call, set, names.count) : EXIT_FAILED;
    if (code == EXIT_DONE)
        code = dataset_name_as_asked(call, set, &names);
    names_free(&names);
    return code;
}

void dataset_close_latents(struct latents *latents) {
    tleg_file_free(latents->file);
    tleg_context_free(latents->context);
    *latents = (struct latents){0};
}

/* ---- numbers ---- */

int dataset_latent(const struct dataset *set, tleg_context *context, size_t i, float *out, char error[PICTURE_ERROR]) {
    const struct latents *latents = &set->latents;
    const size_t each = dataset_latent_numbers(latents);
    const float scale = (float)latents->scale;
    const int64_t number = set->samples[i].number;
    const tleg_status status = tleg_file_read_floats(context, latents->file, tensor_name, (uint64_t)number * each, each, out);
    if (status != TLEG_OK) {
        snprintf(error, PICTURE_ERROR, "%s", tleg_context_get_error(context));
        return status == TLEG_ERROR_MEMORY ? PICTURE_WANT : PICTURE_BAD;
    }
    for (size_t k = 0; k < each; k++) {
        out[k] *= scale;
        if (!isfinite(out[k])) {
            snprintf(error, PICTURE_ERROR, "%s: \"latents\": a number of latent %" PRId64 " is not finite", set->options.dir,
                     number);
            return PICTURE_BAD;
        }
    }
    return 0;
}

int dataset_skip_latents(const struct invocation *call, struct dataset *set) {
    char error[PICTURE_ERROR];
    float *latent = malloc(dataset_latent_numbers(&set->latents) * sizeof *latent);
    int code = latent ? EXIT_DONE : tool_fail_memory(call);
    size_t kept = 0;
    for (size_t i = 0; i < set->count && code == EXIT_DONE; i++) {
        const int result = dataset_latent(set, set->latents.context, i, latent, error);
        if (result == 0)
            set->samples[kept++] = set->samples[i];
        else if (result == PICTURE_BAD)
            tool_note(call, "skipped %s", error);
        else
            code = tool_fail(call, "%s", error);
    }
    free(latent);
    if (code == EXIT_DONE)
        set->count = kept;
    return code;
}

int part_spread_of_latents(const struct invocation *call, const struct part *part, double *spread) {
    const size_t each = dataset_latent_numbers(&part->set->latents),
                 taken = part->count < LOOKED_INTO ? part->count : LOOKED_INTO;
    char error[PICTURE_ERROR];
    double sum = 0, squares = 0;
    float *latent = malloc(each * sizeof *latent);
    int code = latent ? EXIT_DONE : tool_fail_memory(call);
    for (size_t i = 0; i < taken && code == EXIT_DONE; i++) {
        const size_t item = part->items[part_place(i, part->count, taken)];
        const int result = dataset_latent(part->set, part->set->latents.context, item, latent, error);
        if (result != 0)
            code = tool_fail(call, "%s%s", error, result == PICTURE_BAD ? " (--skip-bad continues without such latents)" : "");
        for (size_t k = 0; k < each && code == EXIT_DONE; k++) {
            sum += (double)latent[k];
            squares += (double)latent[k] * (double)latent[k];
        }
    }
    const double count = (double)taken * (double)each, mean = sum / count;
    *spread = sqrt(fmax(0, squares / count - mean * mean));
    free(latent);
    return code;
}
