/* A generator's input, each tensor of it held against what the configuration needs. */
#include "noised.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const char *const names[NOISED_PARTS] = {"noise", "labels", "images", "times"};

/* Noise comes first, and says how many images there are. */
static bool is_right(enum noised_part part, const tleg_config *config, int64_t count, const tleg_tensor_info *info) {
    const int64_t side = config->image_size, batch = info->rank > 0 ? info->shape[0] : 0;
    if (batch < 1 || (part != NOISED_NOISE && batch != count))
        return false;
    if (part == NOISED_LABELS || part == NOISED_TIMES)
        return info->dtype == TLEG_I64 && info->rank == 1;
    return info->dtype == TLEG_F32 && info->rank == 4 && info->shape[1] == config->channels && info->shape[2] == side &&
           info->shape[3] == side;
}

static int refuse(const struct invocation *call, const char *path, enum noised_part part, const tleg_config *config,
                  int64_t count, const tleg_tensor_info *info) {
    char batch[24] = "B", rest[64] = "", found[240];
    if (part != NOISED_NOISE)
        snprintf(batch, sizeof batch, "%" PRId64, count);
    const bool integers = part == NOISED_LABELS || part == NOISED_TIMES;
    if (!integers)
        snprintf(rest, sizeof rest, ",%d,%d,%d", (int)config->channels, (int)config->image_size, (int)config->image_size);
    tool_shape(info, found, sizeof found);
    return tool_fail(call, "%s: \"%s\": expected %s [%s%s]%s, found %s", path, names[part], integers ? "i64" : "f32", batch,
                     rest, part == NOISED_NOISE ? " with B at least 1" : "", found);
}

static int check_finite(const struct invocation *call, const char *path, enum noised_part part, const tleg_tensor_info *info) {
    const float *numbers = info->data;
    const size_t count = info->dtype == TLEG_F32 ? info->bytes / sizeof *numbers : 0;
    const size_t each = count / (size_t)info->shape[0];
    for (size_t i = 0; i < count; i++)
        if (!isfinite(numbers[i]))
            return tool_fail(call, "%s: \"%s\": image %zu holds %g; expected finite numbers", path, names[part], i / each,
                             (double)numbers[i]);
    return EXIT_DONE;
}

static int read_part(const struct invocation *call, tleg_context *context, const tleg_file *file, const char *path,
                     enum noised_part part, const tleg_config *config, struct noised *noised) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    if (tleg_file_read_tensor(context, file, names[part], &noised->tensors[part]) != TLEG_OK ||
        tleg_tensor_get_info(context, noised->tensors[part], &info) != TLEG_OK)
        return tool_fail_context(call, context);
    if (!is_right(part, config, noised->count, &info))
        return refuse(call, path, part, config, noised->count, &info);
    const int code = check_finite(call, path, part, &info);
    if (code != EXIT_DONE)
        return code;
    switch (part) {
    case NOISED_NOISE:
        noised->count = info.shape[0];
        noised->noise = info.data;
        break;
    case NOISED_LABELS:
        noised->labels = info.data;
        break;
    case NOISED_IMAGES:
        noised->images = info.data;
        break;
    default:
        noised->times = info.data;
    }
    return EXIT_DONE;
}

int noised_read(const struct invocation *call, tleg_context *context, const char *path, const tleg_config *config, bool all,
                struct noised *noised) {
    tleg_file *file = NULL;
    *noised = (struct noised){0};
    if (tleg_file_open(context, path, NULL, &file) != TLEG_OK)
        return tool_fail_context(call, context);
    int code = EXIT_DONE;
    for (int part = 0; part < (all ? NOISED_PARTS : NOISED_IMAGES) && code == EXIT_DONE; part++)
        code = read_part(call, context, file, path, (enum noised_part)part, config, noised);
    tleg_file_free(file);
    return code;
}

void noised_free(struct noised *noised) {
    for (int part = 0; part < NOISED_PARTS; part++)
        tleg_tensor_free(noised->tensors[part]);
    *noised = (struct noised){0};
}
