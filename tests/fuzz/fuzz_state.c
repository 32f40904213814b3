/* Any list of tensors (target.h) as the stored state of a training run, taken up by a small trainer. */
#include "fuzz/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/train.h>

static tleg_trainer *make_trainer(tleg_context *context) {
    static const tleg_config shape = {
        .struct_size = sizeof shape, .image_size = 1, .patch_size = 1, .dim = 2, .heads = 1, .hidden = 2, .classes = 2};
    const tleg_trainer_options options = {.struct_size = sizeof options,
                                          .batch = 1,
                                          .depth_mode = TLEG_DEPTH_RANDOM,
                                          .depth_least = 1,
                                          .depth_most = 3,
                                          .ema = 0.5};
    tleg_learngene *gene;
    tleg_trainer *trainer;
    fuzz_need(tleg_learngene_create(context, &shape, 1, &gene) == TLEG_OK);
    fuzz_need(tleg_trainer_create(context, gene, &options, &trainer) == TLEG_OK);
    tleg_learngene_free(gene);
    return trainer;
}

/* The first parameters, as they are now. */
static void look(tleg_context *context, const tleg_trainer *trainer, float values[4]) {
    tleg_learngene *gene;
    tleg_tensor *tensor;
    tleg_tensor_info info = {.struct_size = sizeof info};
    fuzz_need(tleg_trainer_copy_learngene(context, trainer, 0, &gene) == TLEG_OK);
    fuzz_need(tleg_learngene_copy_tensor(context, gene, "head.weight", &tensor) == TLEG_OK);
    fuzz_need(tleg_tensor_get_info(context, tensor, &info) == TLEG_OK);
    memcpy(values, info.data, 4 * sizeof *values);
    tleg_tensor_free(tensor);
    tleg_learngene_free(gene);
}

/* A trainer that took up a state goes on; any numbers may come out, NaN too. */
static void train_on(tleg_trainer *trainer) {
    static const float image[3] = {0.1f, 0.2f, 0.3f};
    static const int64_t label = 1;
    const tleg_train_batch batch = {.struct_size = sizeof batch, .size = 1, .images = image, .labels = &label};
    const tleg_status status = tleg_trainer_backward(trainer, &batch, NULL);
    fuzz_need(status == TLEG_OK || status == TLEG_ERROR_NUMERIC);
    if (status != TLEG_OK)
        tleg_trainer_forget(trainer);
    const tleg_status updated = tleg_trainer_update(trainer, 1e-3);
    fuzz_need(updated == TLEG_OK || updated == TLEG_ERROR_NUMERIC);
}

/* What a state says of the run it is of, as lines of a list: a state with another setup is refused at once. */
static const char *own_lines(tleg_context *context, const tleg_trainer *trainer) {
    static const char *const keys[] = {"tleg.kind", "tleg.trainer.setup", "tleg.trainer.schedule"};
    static char lines[4096];
    tleg_file *file;
    if (lines[0])
        return lines;
    const char *path = fuzz_scratch();
    fuzz_need(tleg_trainer_save(context, trainer, path, 0, NULL) == TLEG_OK);
    fuzz_need(tleg_file_open(context, path, NULL, &file) == TLEG_OK);
    for (size_t i = 0, at = 0; i < sizeof keys / sizeof *keys; i++)
        at += (size_t)snprintf(lines + at, sizeof lines - at, "%s=%s\n", keys[i], tleg_file_get_metadata(file, keys[i]));
    tleg_file_free(file);
    return lines;
}

/* A list that begins with '+' gets those lines, and needs to bring the rest. */
static uint8_t *make_file(tleg_context *context, const tleg_trainer *trainer, const uint8_t *data, size_t size, size_t *bytes) {
    const char *lines = data[0] == '+' ? own_lines(context, trainer) : "";
    const size_t length = strlen(lines);
    uint8_t *text = malloc(length + size);
    fuzz_need(text != NULL);
    memcpy(text, lines, length);
    memcpy(text + length, data, size);
    if (length > 0)
        text[length] = '\n';
    uint8_t *file = fuzz_listing(text, length + size, bytes);
    free(text);
    return file;
}

int fuzz_input(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    tleg_trainer *trainer = make_trainer(context);
    size_t bytes;
    uint8_t *file = make_file(context, trainer, data, size, &bytes);
    float before[4], after[4];
    look(context, trainer, before);
    const tleg_status status = tleg_trainer_load(context, trainer, fuzz_path(file, bytes));
    fuzz_need_error(context, status);
    look(context, trainer, after);
    fuzz_need(status == TLEG_OK || memcmp(before, after, sizeof before) == 0); /* a failure changes nothing */
    if (status == TLEG_OK)
        train_on(trainer);
    tleg_trainer_free(trainer);
    free(file);
    fuzz_end(context, &host);
    return 0;
}
