/* A host program as a stranger would write it: opens a learngene, expands it to 4 layers, runs images and compares the logits
 * with the ones that a file holds.   consumer GENE IMAGES ANSWERS */
#include <stdio.h>
#include <stdlib.h>
#include <tleg/tleg.h>

static tleg_status fails(const tleg_context *context, tleg_status status, const char *what) {
    if (status != TLEG_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, tleg_status_name(status), tleg_context_get_error(context));
    }
    return status;
}

/* A file's tensor of f32 and how many rows it has. */
static tleg_tensor *read_tensor(tleg_context *context, const char *path, const char *name, tleg_tensor_info *info) {
    tleg_file *file = NULL;
    tleg_tensor *tensor = NULL;
    if (fails(context, tleg_file_open(context, path, NULL, &file), "open") == TLEG_OK) {
        fails(context, tleg_file_read_tensor(context, file, name, &tensor), "read");
    }
    tleg_file_free(file);
    info->struct_size = sizeof *info;
    if (tensor != NULL && (tleg_tensor_get_info(context, tensor, info) != TLEG_OK || info->dtype != TLEG_F32)) {
        tleg_tensor_free(tensor);
        tensor = NULL;
    }
    return tensor;
}

/* |a - b| / |b|, squared: the test is without libm, which the library must bring itself where it needs it */
static double distance(const float *a, const float *b, size_t count) {
    double difference = 0, norm = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return difference / norm;
}

int main(int argc, char **argv) {
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    tleg_session *session = NULL;
    tleg_tensor *images, *answers;
    tleg_tensor_info images_info = {0}, answers_info = {0};
    float *logits;
    double error = 1;

    if (argc != 4 || tleg_version() != TLEG_VERSION || tleg_context_create(NULL, &context) != TLEG_OK) {
        return 1;
    }
    images = read_tensor(context, argv[2], "images", &images_info);
    answers = read_tensor(context, argv[3], "logits", &answers_info);
    logits = answers != NULL ? (float *)malloc((size_t)answers_info.bytes) : NULL;
    if (images != NULL && logits != NULL &&
        fails(context, tleg_learngene_open(context, argv[1], NULL, &gene), "gene") == TLEG_OK &&
        fails(context, tleg_expander_create(context, gene, NULL, &expander), "expander") == TLEG_OK &&
        fails(context, tleg_expander_expand(context, expander, 4, &model), "expand") == TLEG_OK &&
        fails(context, tleg_session_create(context, model, NULL, &session), "session") == TLEG_OK &&
        tleg_session_run(session, images_info.shape[0], (const float *)images_info.data, (size_t)images_info.bytes / 4, logits,
                         (size_t)answers_info.bytes / 4, NULL, 0) == TLEG_OK) {
        error = distance(logits, (const float *)answers_info.data, (size_t)(answers_info.shape[0] * answers_info.shape[1]));
    }
    printf("relative error, squared: %.1e\n", error);
    free(logits);
    tleg_tensor_free(images);
    tleg_tensor_free(answers);
    tleg_learngene_free(gene);
    tleg_expander_free(expander);
    tleg_model_free(model);
    tleg_session_free(session);
    tleg_context_free(context);
    return error < 1e-8 ? 0 : 1;
}
