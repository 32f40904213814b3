/* Any bytes as the input of `tleg run`: opened, checked and run through a small learngene, as the tool does. */
#include "data/images.h"
#include "fuzz/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/session.h>

enum { SIDE = 4, CLASSES = 3, DIM = 8, DEPTH = 2, BATCH = 2 };

static const tleg_config shape = {.struct_size = sizeof shape,
                                  .image_size = SIDE,
                                  .patch_size = 2,
                                  .dim = DIM,
                                  .heads = 2,
                                  .classes = CLASSES,
                                  .channels = 3};

static tleg_expander *make_expander(void) {
    tleg_context *context;
    tleg_learngene *gene;
    tleg_expander *expander;
    fuzz_need(tleg_context_create(NULL, &context) == TLEG_OK);
    fuzz_need(tleg_learngene_create(context, &shape, 1, &gene) == TLEG_OK);
    fuzz_need(tleg_expander_create(context, gene, NULL, &expander) == TLEG_OK);
    tleg_learngene_free(gene);
    tleg_context_free(context);
    return expander;
}

static bool all_moderate(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(values[i]) < 1e6f))
            return false;
    return true;
}

/* What one image holds, NaN and infinity too, stays in its row. */
static void run(tleg_context *context, const tleg_expander *expander, const tleg_tensor_info *images) {
    enum { PIXELS = 3 * SIDE * SIDE };
    const int64_t batch = images->shape[0];
    const tleg_session_options options = {.struct_size = sizeof options, .batch = batch < BATCH ? (int32_t)batch : BATCH};
    const size_t rows = (size_t)batch;
    tleg_session *session;
    float *logits = malloc(rows * CLASSES * sizeof *logits), *features = malloc(rows * DIM * sizeof *features);
    fuzz_need(logits && features);
    fuzz_need(tleg_session_create_elastic(context, expander, DEPTH, &options, &session) == TLEG_OK);
    fuzz_need(tleg_session_run(session, batch, images->data, rows * PIXELS, logits, rows * CLASSES, features, rows * DIM) ==
              TLEG_OK);
    for (size_t i = 0; i < rows; i++)
        if (all_moderate((const float *)images->data + i * PIXELS, PIXELS))
            fuzz_need(all_moderate(logits + i * CLASSES, CLASSES) && all_moderate(features + i * DIM, DIM));
    tleg_session_free(session);
    free(logits);
    free(features);
}

int fuzz_input(const uint8_t *data, size_t size) {
    static tleg_expander *expander;
    if (!expander)
        expander = make_expander();
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    size_t bytes;
    uint8_t *file = fuzz_safetensors(data, size, &bytes);
    const char *path = fuzz_path(file, bytes);
    char error[IMAGES_ERROR] = "";
    tleg_tensor *images = NULL;
    tleg_tensor_info info;
    if (images_read(context, path, &shape, &images, &info, error))
        run(context, expander, &info);
    else
        fuzz_need(images == NULL && strstr(error, path) != NULL);
    tleg_tensor_free(images);
    free(file);
    fuzz_end(context, &host);
    return 0;
}
