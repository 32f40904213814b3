/* Pictures in a tensor, as a program that draws leaves them: numbers from -1 to 1, the channels one after another. */
#include "private.h"

#include <math.h>
#include <stdlib.h>

/* The byte that a picture file holds of a number; counts those that lie outside. */
static uint8_t byte_of(float value, size_t *outside) {
    const float clipped = fminf(1, fmaxf(-1, value));
    *outside += fabsf(value) > 1.01F;
    return (uint8_t)lrintf((clipped + 1) * 127.5F);
}

/* x (channels, plane) to bytes (plane, channels). False where a number is not finite. */
static bool turn(const float *x, size_t channels, size_t plane, uint8_t *bytes, size_t *outside) {
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < plane; i++) {
            if (!isfinite(x[c * plane + i]))
                return false;
            bytes[i * channels + c] = byte_of(x[c * plane + i], outside);
        }
    return true;
}

static int check(const struct invocation *call, const char *path, const tleg_tensor_info *images) {
    char found[240];
    const int64_t *shape = images->shape;
    if (images->dtype == TLEG_F32 && images->rank == 4 && shape[0] >= 1 && (shape[1] == 1 || shape[1] == 3) && shape[2] >= 1 &&
        shape[3] >= 1 && shape[2] <= 65535 && shape[3] <= 65535)
        return EXIT_DONE;
    tool_shape(images, found, sizeof found);
    return tool_fail(call, "%s: \"images\": expected f32 [N,C,H,W] of 1 or 3 channels, grey or R G B from -1 to 1, found %s%s",
                     path, found, images->rank == 4 && shape[1] > 3 ? "; latents have to be decoded first" : "");
}

/* The samples, whose bytes follow later. */
static int add_samples(const struct invocation *call, const char *path, const tleg_tensor_info *images, struct dataset *set) {
    const size_t count = (size_t)images->shape[0], each = (size_t)(images->shape[1] * images->shape[2] * images->shape[3]);
    struct dataset_file *file = dataset_add_file(call, set);
    if (!file || !(file->path = dataset_text(call, "%s", path)))
        return EXIT_FAILED;
    if (!(file->bytes = malloc(count * each)))
        return tool_fail_memory(call);
    struct sample *samples = dataset_add_samples(call, set, count);
    if (!samples)
        return EXIT_FAILED;
    for (size_t i = 0; i < count; i++)
        samples[i] = (struct sample){.file = file->path,
                                     .number = (int64_t)i,
                                     .layout = images->shape[1] == 1 ? TLEG_PIXELS_GREY : TLEG_PIXELS_RGB,
                                     .width = (int32_t)images->shape[3],
                                     .height = (int32_t)images->shape[2],
                                     .pixels = file->bytes + i * each};
    return EXIT_DONE;
}

int dataset_open_tensor(const struct invocation *call, const char *path, const tleg_tensor_info *images, struct dataset *set) {
    size_t outside = 0;
    *set = (struct dataset){.options = {.dir = "", .unlabelled = true}};
    int code = check(call, path, images);
    if (code == EXIT_DONE)
        code = add_samples(call, path, images, set);
    if (code != EXIT_DONE)
        return code;
    const size_t channels = (size_t)images->shape[1], plane = (size_t)(images->shape[2] * images->shape[3]);
    for (size_t i = 0; i < set->count; i++)
        if (!turn((const float *)images->data + i * channels * plane, channels, plane, set->samples[i].pixels, &outside))
            return tool_fail(call, "%s: \"images\": picture %zu is not finite", path, i);
    if (outside > 0) /* said, as numbers of another scale would be cut in silence */
        tool_note(call, "%s: %.3g %% of the numbers of \"images\" lie outside -1 to 1, and are cut to that", path,
                  100 * (double)outside / ((double)set->count * (double)(channels * plane)));
    return EXIT_DONE;
}
