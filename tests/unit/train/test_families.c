/* Models with the parts of other families (tests/fixtures/families.py): what they answer and how they learn is PyTorch's, at
 * every level; saved and opened again, linearized and expanded they are the same. */
#include "support/support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, DIM = 12, FEATURES = 30, DEPTH = 3 }; /* at most so many features */
static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

static const struct family {
    const char *name;
    int32_t classes;
} families[] = {{"dinov2", 0},        {"deit3", 5},       {"clip", 7},        {"tanh", 5},
                {"silu", 5},          {"relu", 5},        {"siglip", 5},      {"map", 0},
                {"so150m", 5},        {"swiglu", 0},      {"geglu", 5},       {"eva", 5},
                {"beit3", 5},         {"respost", 5},     {"respost_eva", 5}, {"eva02", 5},
                {"dinov3", 5},        {"rope", 5},        {"pe", 5},          {"aimv2", 5},
                {"rms", 5},           {"radio", 5},       {"lang", 5},        {"latent", 5},
                {"qknorm", 5},        {"sapiens", 5},     {"intern", 5},      {"max", 5},
                {"avgmax", 5},        {"maxafter", 5},    {"clsmean", 5},     {"fcnorm", 5},
                {"oblong", 5},        {"wide", 5},        {"oblong_rope", 5}, {"oblong_dinov3", 5},
                {"lucid", 5},         {"sums", 5},        {"sums_rms", 5},    {"repr", 5},
                {"repr_map", 5},      {"repr_max", 5},    {"repr_both", 5},   {"repr_bare", 0},
                {"inner", 5},         {"inner_norms", 5}, {"inner_token", 5}, {"meanall", 5},
                {"meanall_after", 5}, {"repr_all", 5}};
enum { FAMILIES = sizeof families / sizeof *families };

static const char *path_of(const char *name, const char *ending) {
    static char path[512];
    snprintf(path, sizeof path, "%s/families/%s%s", TLEG_FIXTURES, name, ending);
    return path;
}

static tleg_model *open_model(tleg_context *context, const char *name) {
    tleg_model *model = NULL;
    OK(context, tleg_model_open(context, path_of(name, ".safetensors"), NULL, &model));
    return model;
}

/* A tensor of what PyTorch answered. */
static tleg_tensor *expected(tleg_context *context, const char *name, const char *tensor, const float **data, size_t *count) {
    return support_tensor(context, path_of(name, ".out.safetensors"), tensor, data, count);
}

static void must_equal(tleg_context *context, const struct family *family, const char *tensor, const float *found,
                       double limit) {
    const float *want;
    size_t count;
    tleg_tensor *reference = expected(context, family->name, tensor, &want, &count);
    const double off = support_relative(found, want, count);
    if (!(off <= limit))
        fail_msg("%s: %s is off by %.3g", family->name, tensor, off);
    tleg_tensor_free(reference);
}

static void must_answer(tleg_context *context, const struct family *family, const tleg_model *model, double limit) {
    const float *images;
    size_t count;
    float logits[BATCH * 7], features[BATCH * FEATURES];
    tleg_tensor *batch = expected(context, family->name, "images", &images, &count);
    tleg_session *session = NULL;
    OK(context, tleg_session_create(context, model, NULL, &session));
    OK_SESSION(session, support_run(session, images, BATCH, family->classes ? logits : NULL, features));
    must_equal(context, family, "features", features, limit);
    if (family->classes)
        must_equal(context, family, "logits", logits, limit);
    tleg_session_free(session);
    tleg_tensor_free(batch);
}

static void answers_are_pytorchs(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++)
        for (int k = 0; k < FAMILIES; k++) {
            tleg_context *context = support_context(&backends[b], 2);
            tleg_model *model = open_model(context, families[k].name);
            must_answer(context, &families[k], model, 2e-6);
            tleg_model_free(model);
            tleg_context_free(context);
        }
}

static void a_model_without_a_head_gives_features_alone(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    tleg_model *model = open_model(context, "dinov2");
    tleg_config config = {.struct_size = sizeof config};
    tleg_session_info info = {.struct_size = sizeof info};
    tleg_session *session = NULL;
    float images[3 * 12 * 12] = {0}, features[DIM], logits[1];
    OK(context, tleg_model_get_info(context, model, &config));
    assert_int_equal(config.classes, 0);
    assert_true(config.layer_scale == 1 && config.registers == 2 && config.unplaced == 2);
    OK(context, tleg_session_create(context, model, NULL, &session));
    OK(context, tleg_session_get_info(context, session, &info));
    assert_int_equal(info.logit_floats, 0);
    assert_int_equal(tleg_session_run(session, 1, images, 3 * 12 * 12, logits, 1, features, DIM), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_session_get_error(session), "has no head"));
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1};
    tleg_trainer *trainer;
    assert_int_equal(tleg_trainer_create_for_model(context, model, &options, &trainer), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "with a head"));
    tleg_session_free(session);
    tleg_model_free(model);
    tleg_context_free(context);
}

/* ---- the same bits, whatever the batch and the threads; near them in narrow types ---- */

/* A learngene of as many tensors as layers, and an expander of it. */
static tleg_expander *expander_of(tleg_context *context, const char *name, tleg_dtype dtype) {
    static const char schedule[] =
        "{\"norm1\":[[3,\"cosine\",3]],\"norm2\":[[3,\"cosine\",3]],\"qkv\":[[3,\"cosine\",3]],\"proj\":[[3,\"cosine\",3]],"
        "\"fc1\":[[3,\"cosine\",3]],\"fc2\":[[3,\"cosine\",3]],\"ls1\":[[3,\"cosine\",3]],\"ls2\":[[3,\"cosine\",3]],"
        "\"attn_norm\":[[3,\"cosine\",3]],\"mlp_norm\":[[3,\"cosine\",3]],\"q_norm\":[[3,\"cosine\",3]],"
        "\"k_norm\":[[3,\"cosine\",3]]}";
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtype};
    tleg_model *model = open_model(context, name);
    tleg_learngene *gene = NULL, *read = NULL;
    tleg_expander *expander = NULL;
    OK(context, tleg_learngene_fit(context, model, schedule, 0, NULL, 0, &gene));
    const char *path = support_scratch("gene.safetensors");
    OK(context, tleg_learngene_save(context, gene, path, NULL));
    OK(context, tleg_learngene_open(context, path, NULL, &read));
    OK(context, tleg_expander_create(context, read, &options, &expander));
    tleg_learngene_free(read);
    tleg_learngene_free(gene);
    tleg_model_free(model);
    return expander;
}

/* Features of `batch` images, at most `most` of them at a time. */
static void features_of(tleg_context *context, const tleg_model *model, const float *images, int32_t most, float *features) {
    const tleg_session_options options = {.struct_size = sizeof options, .batch = most};
    tleg_session *session = NULL;
    OK(context, tleg_session_create(context, model, &options, &session));
    OK_SESSION(session, support_run(session, images, BATCH, NULL, features));
    tleg_session_free(session);
}

static void must_be_steady(const struct family *family, int32_t backend, tleg_dtype dtype, double limit) {
    tleg_context *one = support_context(&backends[backend], 1), *several = support_context(&backends[backend], 3);
    tleg_expander *expander = expander_of(one, family->name, dtype);
    tleg_model *model = NULL;
    const float *images;
    size_t count;
    float features[BATCH * FEATURES] = {0}, again[BATCH * FEATURES] = {0};
    tleg_tensor *batch = expected(one, family->name, "images", &images, &count);
    OK(one, tleg_expander_expand(one, expander, DEPTH, &model));
    features_of(one, model, images, 1, features);
    must_equal(one, family, "features", features, limit);
    features_of(several, model, images, 1, again);
    assert_memory_equal(again, features, sizeof features);
    features_of(several, model, images, BATCH, again);
    assert_memory_equal(again, features, sizeof features);
    tleg_tensor_free(batch);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_context_free(several);
    tleg_context_free(one);
}

static void bits_depend_neither_on_the_batch_nor_on_threads(void **state) {
    (void)state;
    static const struct {
        tleg_dtype dtype;
        double limit;
    } types[] = {{TLEG_F32, 1e-5}, {TLEG_F16, 5e-3}, {TLEG_BF16, 5e-2}};
    for (int32_t b = 0; b < backend_count; b++)
        for (int k = 0; k < FAMILIES; k++)
            for (size_t t = 0; t < sizeof types / sizeof *types; t++)
                must_be_steady(&families[k], b, types[t].dtype, types[t].limit);
}

/* ---- learning ---- */

static void must_learn(tleg_context *context, const struct family *family) {
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = BATCH};
    tleg_model *model = open_model(context, family->name);
    tleg_trainer *trainer = NULL;
    OK(context, tleg_trainer_create_for_model(context, model, &options, &trainer));
    const float *images, *want;
    size_t count;
    tleg_tensor *batch = expected(context, family->name, "images", &images, &count);
    const int64_t labels[BATCH] = {0, 1, 2};
    const tleg_train_batch given = {.struct_size = sizeof given, .size = BATCH, .images = images, .labels = labels};
    tleg_train_loss loss = {.struct_size = sizeof loss};
    support_ok(tleg_trainer_backward(trainer, &given, &loss), "backward", tleg_trainer_get_error(trainer), __FILE__, __LINE__);
    const char *name;
    int64_t parameters = 0;
    for (; (name = tleg_trainer_get_parameter_name(trainer, parameters)) != NULL; parameters++) {
        char key[96];
        tleg_tensor *own = NULL;
        snprintf(key, sizeof key, "grad.%s", name);
        tleg_tensor *reference = expected(context, family->name, key, &want, &count);
        OK(context, tleg_trainer_copy_gradient(context, trainer, name, &own));
        const double off = support_relative(support_data(own), want, count);
        if (!(off <= 2e-4)) /* of all that is summed, float by float */
            fail_msg("%s: the gradient of %s is off by %.3g", family->name, name, off);
        tleg_tensor_free(own);
        tleg_tensor_free(reference);
    }
    assert_true(parameters > 8 * DEPTH);
    tleg_tensor_free(batch);
    tleg_trainer_free(trainer);
    tleg_model_free(model);
}

static void gradients_are_pytorchs(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++)
        for (int k = 0; k < FAMILIES; k++) {
            tleg_context *context = support_context(&backends[b], 2);
            if (families[k].classes)
                must_learn(context, &families[k]);
            tleg_context_free(context);
        }
}

/* What is not a number stays in its own image's answer. */
static void a_nan_stays_in_its_image(void **state) {
    (void)state;
    for (int k = 0; k < FAMILIES; k++) {
        tleg_context *context = support_context(&backends[0], 1);
        tleg_model *model = open_model(context, families[k].name);
        const float *images;
        size_t count;
        float features[BATCH * FEATURES] = {0}, spoilt[BATCH * FEATURES] = {0};
        tleg_tensor *batch = expected(context, families[k].name, "images", &images, &count);
        tleg_session *session = NULL;
        OK(context, tleg_session_create(context, model, NULL, &session));
        OK_SESSION(session, support_run(session, images, BATCH, NULL, features));
        float *own = malloc(count * sizeof *own);
        assert_non_null(own);
        memcpy(own, images, count * sizeof *own);
        for (size_t i = 0; i < count / BATCH; i++)
            own[i] = NAN;
        OK_SESSION(session, support_run(session, own, BATCH, NULL, spoilt));
        tleg_session_info info = {.struct_size = sizeof info};
        OK(context, tleg_session_get_info(context, session, &info));
        const size_t width = (size_t)info.feature_floats;
        assert_true(isnan(spoilt[0]) && isnan(spoilt[width - 1]));
        assert_memory_equal(spoilt + width, features + width, (BATCH - 1) * width * sizeof *features);
        free(own);
        tleg_session_free(session);
        tleg_tensor_free(batch);
        tleg_model_free(model);
        tleg_context_free(context);
    }
}

/* ---- files and learngenes ---- */

static void a_saved_model_is_the_same(void **state) {
    (void)state;
    for (int k = 0; k < FAMILIES; k++) {
        tleg_context *context = support_context(&backends[0], 1);
        tleg_model *model = open_model(context, families[k].name), *again = NULL;
        const char *path = support_scratch("saved.safetensors");
        OK(context, tleg_model_save(context, model, path, NULL));
        OK(context, tleg_model_open(context, path, NULL, &again));
        must_answer(context, &families[k], again, 2e-6);
        tleg_model_free(again);
        tleg_model_free(model);
        tleg_context_free(context);
    }
}

/* As many tensors as layers give the model back, in one piece and elastic. */
static void a_learngene_of_such_blocks_is_expanded(void **state) {
    (void)state;
    for (int k = 0; k < FAMILIES; k++) {
        tleg_context *context = support_context(&backends[backend_count - 1], 1);
        tleg_expander *expander = expander_of(context, families[k].name, TLEG_F32);
        tleg_model *expanded = NULL;
        OK(context, tleg_expander_expand(context, expander, DEPTH, &expanded));
        must_answer(context, &families[k], expanded, 1e-5);
        const float *images;
        size_t count;
        float features[BATCH * FEATURES];
        tleg_tensor *batch = expected(context, families[k].name, "images", &images, &count);
        tleg_session *elastic = NULL;
        OK(context, tleg_session_create_elastic(context, expander, DEPTH, NULL, &elastic));
        OK_SESSION(elastic, support_run(elastic, images, BATCH, NULL, features));
        must_equal(context, &families[k], "features", features, 1e-5);
        tleg_session_free(elastic);
        tleg_tensor_free(batch);
        tleg_model_free(expanded);
        tleg_expander_free(expander);
        tleg_context_free(context);
    }
}

/* Each tensor of a fresh learngene has a gradient. */
static void must_move(const tleg_config *config, const char *const *moved, size_t count) {
    tleg_context *context = support_context(&backends[backend_count - 1], 2);
    tleg_learngene *gene = NULL;
    tleg_trainer *trainer = NULL;
    OK(context, tleg_learngene_create(context, config, 1, &gene));
    const tleg_trainer_options options = {
        .struct_size = sizeof options, .batch = 2, .depth_mode = TLEG_DEPTH_FIXED, .depth_least = 3};
    OK(context, tleg_trainer_create(context, gene, &options, &trainer));
    float *images = support_values(1, 2 * 8 * 8, 1, 0);
    const int64_t labels[] = {0, 3};
    const tleg_train_batch batch = {.struct_size = sizeof batch, .size = 2, .images = images, .labels = labels};
    tleg_train_loss loss = {.struct_size = sizeof loss};
    support_ok(tleg_trainer_backward(trainer, &batch, &loss), "backward", tleg_trainer_get_error(trainer), __FILE__, __LINE__);
    for (size_t k = 0; k < count; k++) {
        tleg_tensor *gradient = NULL;
        OK(context, tleg_trainer_copy_gradient(context, trainer, moved[k], &gradient));
        double sum = 0;
        tleg_tensor_info info = {.struct_size = sizeof info};
        OK(context, tleg_tensor_get_info(context, gradient, &info));
        for (size_t i = 0; i < info.bytes / sizeof(float); i++)
            sum += fabs((double)support_data(gradient)[i]);
        assert_true(sum > 0);
        tleg_tensor_free(gradient);
    }
    free(images);
    tleg_trainer_free(trainer);
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

/* A fresh learngene of such blocks takes a step in which its gates, registers and pooling move. */
static void a_fresh_learngene_of_such_blocks_learns(void **state) {
    (void)state;
    tleg_config config = {.struct_size = sizeof config,
                          .image_size = 8,
                          .patch_size = 4,
                          .dim = DIM,
                          .heads = 3,
                          .classes = 4,
                          .channels = 1,
                          .class_token = 1,
                          .registers = 2,
                          .unplaced = 3,
                          .layer_scale = 1,
                          .norm_before = 1,
                          .mlp = TLEG_MLP_SILU};
    static const char *const parts[] = {"reg_token", "norm_pre.weight", "blocks.block.ls1.instances.0.gamma_base",
                                        "blocks.block.ls2.instances.0.gamma_ilayer"};
    static const char *const pool[] = {"attn_pool.latent", "attn_pool.q.weight", "attn_pool.kv.weight", "attn_pool.norm.bias",
                                       "attn_pool.mlp.fc2.bias"};
    must_move(&config, parts, sizeof parts / sizeof *parts);
    config.pool = TLEG_POOL_ATTENTION;
    must_move(&config, pool, sizeof pool / sizeof *pool);
}

static int setup(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    support_clean(NULL);
    return 0;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_pytorchs),
        cmocka_unit_test(a_model_without_a_head_gives_features_alone),
        cmocka_unit_test(bits_depend_neither_on_the_batch_nor_on_threads),
        cmocka_unit_test(gradients_are_pytorchs),
        cmocka_unit_test(a_nan_stays_in_its_image),
        cmocka_unit_test(a_saved_model_is_the_same),
        cmocka_unit_test(a_learngene_of_such_blocks_is_expanded),
        cmocka_unit_test(a_fresh_learngene_of_such_blocks_learns),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
