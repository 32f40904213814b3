/* Learngenes and models whose numbers are stored as F64, F16 or BF16, or as each of them here and there: the values of these
 * files are the same in every type, so their answers are too. */
#include "support/support.h"
#include "support/vit_file.h"

#include <math.h>

enum { IMAGE = 3 * 12 * 12, CLASSES = 5, DEPTH = 3 };

static const char *const types[] = {"F64", "F16", "BF16"};

static int32_t backend_count;
static struct backend backends[MAX_BACKENDS];

static void run(tleg_session *session, float logits[CLASSES]) {
    float image[IMAGE];
    for (int i = 0; i < IMAGE; i++)
        image[i] = (float)(i % 23 - 11) / 8;
    OK_SESSION(session, support_run(session, image, 1, logits, NULL));
    tleg_session_free(session);
}

/* Logits of the learngene at DEPTH, or of the model. */
static void answer(tleg_context *context, const struct vit_file *made, bool gene, float logits[CLASSES]) {
    const tleg_session_options options = {.struct_size = sizeof options, .batch = 1};
    const tleg_expander_options form = {.struct_size = sizeof form};
    const char *path = support_scratch("stored.safetensors");
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    tleg_session *session;
    size_t size;
    unsigned char *bytes = vit_bytes(made, &size);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(bytes);
    if (gene) {
        OK(context, tleg_expander_open(context, path, NULL, &form, &expander));
        OK(context, tleg_session_create_elastic(context, expander, DEPTH, &options, &session));
    } else {
        OK(context, tleg_model_open(context, path, OPEN_WITH(0, 3), &model));
        OK(context, tleg_session_create(context, model, &options, &session));
    }
    run(session, logits);
    tleg_expander_free(expander);
    tleg_model_free(model);
}

/* The type of every `step`th tensor from `first` on. */
static void retype(struct vit_file *made, const char *type, int32_t first, int32_t step) {
    for (int32_t k = first; k < made->count; k += step)
        made->tensors[k].type = type;
}

static void check(const struct backend *backend, bool gene) {
    tleg_context *context = support_context(backend, 1);
    struct vit_file plain;
    float expected[CLASSES], found[CLASSES];
    if (gene)
        vit_gene(&plain);
    else
        vit_model(&plain, DEPTH);
    answer(context, &plain, gene, expected);
    assert_true(fabsf(expected[0] - expected[1]) > 1e-3f);
    struct vit_file mixed = plain;
    for (int32_t k = 0; k < 3; k++) {
        struct vit_file made = plain;
        retype(&made, types[k], 0, 1);
        retype(&mixed, types[k], k, 4);
        answer(context, &made, gene, found);
        /* a model whose every tensor is of a half type stays in it, and its answers are as good as that */
        const double most = gene || k == 0 ? 0 : 0.02;
        assert_true(support_relative(found, expected, CLASSES) <= most);
    }
    answer(context, &mixed, gene, found);
    assert_memory_equal(found, expected, sizeof found);
    tleg_context_free(context);
}

static void learngenes_of_every_float_type_answer_alike(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++)
        check(&backends[b], true);
}

static void models_of_every_float_type_answer_alike(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++)
        check(&backends[b], false);
}

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    return backend_count == 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learngenes_of_every_float_type_answer_alike),
        cmocka_unit_test(models_of_every_float_type_answer_alike),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
