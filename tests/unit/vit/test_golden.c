/* Whole models against the reference arithmetic in float64 (tests/golden), at every level of this machine. */
#include "support/support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct golden cases[MAX_GOLDEN];
static int32_t case_count;
static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

enum { MAX_DIM = 64 };
struct answer { /* of five images */
    float logits[GOLDEN_BATCH * GOLDEN_CLASSES];
    float features[GOLDEN_BATCH * MAX_DIM];
};

/* Runs the case's images through a session and frees it. */
static void run_session(tleg_context *context, tleg_session *session, int32_t size, struct answer *answer) {
    const float *data;
    tleg_tensor *images = support_images(context, size, &data);
    memset(answer, 0xff, sizeof *answer); /* NaN: what is not written shows */
    OK_SESSION(session, support_run(session, data, GOLDEN_BATCH, answer->logits, answer->features));
    tleg_session_free(session);
    tleg_tensor_free(images);
}

static void run_model(tleg_context *context, const tleg_model *model, int32_t size, int32_t batch, struct answer *answer) {
    tleg_session_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_session *session = NULL;
    OK(context, tleg_session_create(context, model, &options, &session));
    run_session(context, session, size, answer);
}

static void run_elastic(tleg_context *context, const tleg_expander *expander, const struct golden *golden, int32_t batch,
                        struct answer *answer) {
    tleg_session_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_session *session = NULL;
    OK(context, tleg_session_create_elastic(context, expander, golden->depth, &options, &session));
    run_session(context, session, golden->images, answer);
}

static tleg_model *expand(tleg_context *context, const struct golden *golden, int32_t dtype) {
    tleg_expander *expander = support_expander(context, golden, dtype);
    tleg_model *model = NULL;
    OK(context, tleg_expander_expand(context, expander, golden->depth, &model));
    tleg_expander_free(expander);
    return model;
}

static void assert_same(const struct answer *a, const struct answer *b, const char *what, const struct golden *golden,
                        const struct backend *backend) {
    if (memcmp(a, b, sizeof *a) != 0) {
        fail_msg("%s, %s: %s changes the bits", golden->name, backend->name, what);
    }
}

/* Checks a model's tensors against a column of NAME.expanded. */
static void check_bits(tleg_context *context, const tleg_model *model, const struct golden *golden, int column,
                       const char *backend) {
    FILE *file = fopen(support_path(golden->name, ".expanded"), "r");
    assert_non_null(file);
    char line[256], name[128];
    unsigned long long hash[3];
    int64_t count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        assert_true(sscanf(line, "%127s %llx %llx %llx", name, &hash[0], &hash[1], &hash[2]) > 1 + column);
        tleg_tensor *tensor = NULL;
        tleg_tensor_info info = {.struct_size = sizeof info};
        OK(context, tleg_model_copy_tensor(context, model, name, &tensor));
        OK(context, tleg_tensor_get_info(context, tensor, &info));
        if (support_fnv(info.data, (size_t)info.bytes) != hash[column]) {
            fail_msg("%s, %s: %s differs from PyTorch's", golden->name, backend, name);
        }
        tleg_tensor_free(tensor);
        count++;
    }
    fclose(file);
    assert_null(tleg_model_get_tensor_name(model, count)); /* no tensor more than the reference has */
    assert_non_null(tleg_model_get_tensor_name(model, count - 1));
}

static void expanded_tensors_equal_pytorch_to_the_bit(void **state) {
    (void)state;
    static const int32_t dtypes[] = {TLEG_F32, TLEG_F16, TLEG_BF16};
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (int32_t i = 0; i < case_count; i++) {
            for (int column = 0; column < (cases[i].half ? 3 : 1); column++) {
                tleg_model *model = expand(context, &cases[i], dtypes[column]);
                check_bits(context, model, &cases[i], column, backends[b].name);
                tleg_model_free(model);
            }
        }
        tleg_context_free(context);
    }
}

static void saved_files_are_the_same_at_every_level(void **state) {
    (void)state;
    for (int32_t i = 0; i < case_count; i++) {
        unsigned char *first = NULL;
        size_t first_bytes = 0;
        for (int32_t b = 0; b < backend_count; b++) {
            tleg_context *context = support_context(&backends[b], 1);
            tleg_model *model = expand(context, &cases[i], TLEG_F32);
            OK(context, tleg_model_save(context, model, support_scratch("model.safetensors"), NULL));
            tleg_model_free(model);
            tleg_context_free(context);
            size_t bytes;
            unsigned char *file = support_read_file(support_scratch("model.safetensors"), &bytes);
            if (first == NULL) {
                first = file;
                first_bytes = bytes;
                continue;
            }
            if (bytes != first_bytes || memcmp(first, file, bytes) != 0) {
                fail_msg("%s: the file at level %s differs from the one at %s", cases[i].name, backends[b].name,
                         backends[0].name);
            }
            free(file);
        }
        free(first);
    }
}

static void check_answer(tleg_context *context, const struct golden *golden, const struct answer *answer, const char *what) {
    const char *path = support_path(golden->name, ".out.safetensors");
    const float *logits, *features;
    size_t logit_count, feature_count;
    tleg_tensor *logits_tensor = support_tensor(context, path, "logits", &logits, &logit_count);
    tleg_tensor *features_tensor = support_tensor(context, path, "features", &features, &feature_count);
    assert_int_equal(logit_count, GOLDEN_BATCH * GOLDEN_CLASSES);
    double far = support_relative(answer->logits, logits, logit_count);
    if (!(far < 1e-4)) {
        fail_msg("%s, %s: logits are %.1e from the reference", golden->name, what, far);
    }
    far = support_relative(answer->features, features, feature_count);
    if (!(far < 1e-4)) {
        fail_msg("%s, %s: features are %.1e from the reference", golden->name, what, far);
    }
    tleg_tensor_free(logits_tensor);
    tleg_tensor_free(features_tensor);
}

static void logits_and_features_match_the_reference(void **state) {
    (void)state;
    struct answer answer;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (int32_t i = 0; i < case_count; i++) {
            tleg_model *model = expand(context, &cases[i], TLEG_F32);
            run_model(context, model, cases[i].images, GOLDEN_BATCH, &answer);
            check_answer(context, &cases[i], &answer, backends[b].name);
            tleg_model_free(model);
        }
        tleg_context_free(context);
    }
}

static void bits_do_not_depend_on_threads_or_batch_or_form(void **state) {
    (void)state;
    struct answer first, answer;
    for (int32_t b = 0; b < backend_count; b++) {
        /* A BLAS may sum in another order at another number of rows. */
        bool any_batch = backends[b].gemm != TLEG_GEMM_BLAS;
        for (int32_t i = 0; i < case_count; i++) {
            for (int32_t workers = 1; workers <= 3; workers++) {
                tleg_context *context = support_context(&backends[b], workers);
                tleg_expander *expander = support_expander(context, &cases[i], TLEG_F32);
                tleg_model *model = NULL;
                OK(context, tleg_expander_expand(context, expander, cases[i].depth, &model));
                run_model(context, model, cases[i].images, GOLDEN_BATCH, workers == 1 ? &first : &answer);
                if (workers > 1) {
                    assert_same(&first, &answer, "the number of threads", &cases[i], &backends[b]);
                }
                run_elastic(context, expander, &cases[i], GOLDEN_BATCH, &answer);
                assert_same(&first, &answer, "forming layers as they run", &cases[i], &backends[b]);
                for (int32_t batch = 1; any_batch && batch <= 2; batch++) {
                    run_model(context, model, cases[i].images, batch, &answer);
                    assert_same(&first, &answer, "the batch", &cases[i], &backends[b]);
                    run_elastic(context, expander, &cases[i], batch, &answer);
                    assert_same(&first, &answer, "the batch, elastic,", &cases[i], &backends[b]);
                }
                tleg_model_free(model);
                tleg_expander_free(expander);
                tleg_context_free(context);
            }
        }
    }
}

/* F16 and BF16 hold a weight in 11 and 8 bits: the answer must move, but only so far. */
static void half_precision_is_one_model_in_every_form(void **state) {
    (void)state;
    static const int32_t dtypes[] = {TLEG_F16, TLEG_BF16};
    static const double limits[] = {3e-2, 3e-1};
    struct answer exact, model_answer, answer;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        for (int32_t i = 0; i < case_count; i++) {
            tleg_expander *expander = support_expander(context, &cases[i], TLEG_F32);
            run_elastic(context, expander, &cases[i], GOLDEN_BATCH, &exact);
            tleg_expander_free(expander);
            for (int d = 0; d < 2; d++) {
                tleg_model *model = NULL, *opened = NULL;
                expander = support_expander(context, &cases[i], dtypes[d]);
                OK(context, tleg_expander_expand(context, expander, cases[i].depth, &model));
                tleg_config config = {.struct_size = sizeof config};
                OK(context, tleg_model_get_info(context, model, &config));
                assert_int_equal(config.dtype, dtypes[d]);
                run_model(context, model, cases[i].images, GOLDEN_BATCH, &model_answer);
                double far = support_relative(model_answer.logits, exact.logits, GOLDEN_BATCH * GOLDEN_CLASSES);
                if (!(far > 0 && far < limits[d])) {
                    fail_msg("%s, %s, dtype %d: logits are %.1e from f32's", cases[i].name, backends[b].name, dtypes[d], far);
                }
                run_elastic(context, expander, &cases[i], GOLDEN_BATCH, &answer);
                assert_same(&model_answer, &answer, "forming half precision layers as they run", &cases[i], &backends[b]);
                OK(context, tleg_model_save(context, model, support_scratch("half.safetensors"), NULL));
                OK(context, tleg_model_open(context, support_scratch("half.safetensors"), NULL, &opened));
                run_model(context, opened, cases[i].images, GOLDEN_BATCH, &answer);
                assert_same(&model_answer, &answer, "a half precision model's file", &cases[i], &backends[b]);
                tleg_model_free(opened);
                tleg_model_free(model);
                tleg_expander_free(expander);
            }
        }
        tleg_context_free(context);
    }
}

static void a_saved_model_opens_as_the_same_model(void **state) {
    (void)state;
    struct answer expanded, opened_answer;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (int32_t i = 0; i < case_count; i++) {
            const char *path = support_scratch("model.safetensors");
            for (uint32_t flags = 0; flags <= TLEG_OPEN_MAP; flags++) {
                tleg_model *model = expand(context, &cases[i], TLEG_F32), *opened = NULL;
                OK(context, tleg_model_save(context, model, path, NULL));
                OK(context, tleg_model_open(context, path, OPEN_WITH(flags, 0), &opened));
                run_model(context, model, cases[i].images, GOLDEN_BATCH, &expanded);
                run_model(context, opened, cases[i].images, GOLDEN_BATCH, &opened_answer);
                assert_same(&expanded, &opened_answer, "the way through a file", &cases[i], &backends[b]);
                check_bits(context, opened, &cases[i], 0, backends[b].name);
                tleg_model_free(model);
                tleg_model_free(opened);
            }
        }
        tleg_context_free(context);
    }
}

/* A saved learngene is the same gene: its answers keep their bits, and a second saving its bytes. */
static void a_saved_learngene_opens_as_the_same_learngene(void **state) {
    (void)state;
    struct answer before, after;
    tleg_context *context = support_context(&backends[0], 1);
    for (int32_t i = 0; i < case_count; i++) {
        tleg_learngene *gene = support_gene(context, cases[i].gene), *opened = NULL;
        OK(context, tleg_learngene_save(context, gene, support_scratch("gene.safetensors"), NULL));
        OK(context, tleg_learngene_open(context, support_scratch("gene.safetensors"), NULL, &opened));
        OK(context, tleg_learngene_save(context, opened, support_scratch("again.safetensors"), NULL));
        size_t bytes, again;
        unsigned char *a = support_read_file(support_scratch("gene.safetensors"), &bytes);
        unsigned char *b = support_read_file(support_scratch("again.safetensors"), &again);
        assert_int_equal(bytes, again);
        assert_memory_equal(a, b, bytes);
        free(a);
        free(b);
        tleg_expander_options options = {
            .struct_size = sizeof options, .norm = cases[i].timm ? TLEG_NORM_AFTER_POOL : 0, .image_size = cases[i].image};
        tleg_expander *expander = support_expander(context, &cases[i], TLEG_F32);
        run_elastic(context, expander, &cases[i], GOLDEN_BATCH, &before);
        tleg_expander_free(expander);
        OK(context, tleg_expander_create(context, opened, &options, &expander));
        run_elastic(context, expander, &cases[i], GOLDEN_BATCH, &after);
        assert_same(&before, &after, "the way through a learngene's file", &cases[i], &backends[0]);
        tleg_expander_free(expander);
        tleg_learngene_free(gene);
        tleg_learngene_free(opened);
    }
    tleg_context_free(context);
}

static void depth_changes_live(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (int32_t i = 0; i < case_count; i++) {
            tleg_expander *expander = support_expander(context, &cases[i], TLEG_F32);
            tleg_cost cost = {.struct_size = sizeof cost};
            OK(context, tleg_expander_get_cost(context, expander, 0, 1, 0, &cost));
            const float *data;
            tleg_tensor *images = support_images(context, cases[i].images, &data);
            tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
            tleg_session *session = NULL;
            OK(context, tleg_session_create_elastic(context, expander, cases[i].depth, &options, &session));
            int32_t depths[] = {13, cost.least_depth, 7, cases[i].depth};
            for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++) {
                struct golden fresh = cases[i];
                struct answer live, answer;
                fresh.depth = depths[d];
                memset(&live, 0xff, sizeof live);
                OK_SESSION(session, tleg_session_set_depth(session, depths[d]));
                OK_SESSION(session, support_run(session, data, GOLDEN_BATCH, live.logits, live.features));
                run_elastic(context, expander, &fresh, GOLDEN_BATCH, &answer);
                assert_same(&answer, &live, "changing the depth", &fresh, &backends[b]);
                /* a depth that cannot be leaves the former one */
                assert_int_equal(tleg_session_set_depth(session, cost.least_depth - 1), TLEG_ERROR_ARGUMENT);
                assert_int_equal(tleg_session_set_depth(session, 1025), TLEG_ERROR_ARGUMENT);
                memset(&live, 0xff, sizeof live);
                OK_SESSION(session, support_run(session, data, GOLDEN_BATCH, live.logits, live.features));
                assert_same(&answer, &live, "a refused depth", &fresh, &backends[b]);
            }
            tleg_session_free(session);
            tleg_tensor_free(images);
            tleg_expander_free(expander);
        }
        tleg_context_free(context);
    }
}

/* An output that is not wanted changes nothing in the other; NaN in an image stays in its rows. */
static void outputs_and_images_are_independent(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        for (int32_t i = 0; i < case_count; i++) {
            struct answer both, alone;
            tleg_model *model = expand(context, &cases[i], TLEG_F32);
            run_model(context, model, cases[i].images, GOLDEN_BATCH, &both);
            const float *data;
            tleg_tensor *images = support_images(context, cases[i].images, &data);
            tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
            tleg_session *session = NULL;
            OK(context, tleg_session_create(context, model, &options, &session));
            memset(&alone, 0xff, sizeof alone);
            OK_SESSION(session, support_run(session, data, GOLDEN_BATCH, alone.logits, NULL));
            OK_SESSION(session, support_run(session, data, GOLDEN_BATCH, NULL, alone.features));
            assert_same(&both, &alone, "asking for one output", &cases[i], &backends[b]);

            size_t pixels = 3 * (size_t)cases[i].images * (size_t)cases[i].images;
            float *damaged = malloc(GOLDEN_BATCH * pixels * sizeof(float));
            assert_non_null(damaged);
            memcpy(damaged, data, GOLDEN_BATCH * pixels * sizeof(float));
            damaged[2 * pixels + pixels / 2] = NAN;
            OK_SESSION(session, support_run(session, damaged, GOLDEN_BATCH, alone.logits, NULL));
            for (int32_t image = 0; image < GOLDEN_BATCH; image++) {
                const float *row = alone.logits + image * GOLDEN_CLASSES;
                if (image == 2) {
                    assert_true(isnan(row[0]));
                } else {
                    assert_memory_equal(row, both.logits + image * GOLDEN_CLASSES, GOLDEN_CLASSES * sizeof(float));
                }
            }
            free(damaged);
            tleg_session_free(session);
            tleg_tensor_free(images);
            tleg_model_free(model);
        }
        tleg_context_free(context);
    }
}

static int prepare(void **state) {
    (void)state;
    case_count = support_golden(cases);
    backend_count = support_backends(backends);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expanded_tensors_equal_pytorch_to_the_bit),
        cmocka_unit_test(saved_files_are_the_same_at_every_level),
        cmocka_unit_test(logits_and_features_match_the_reference),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_batch_or_form),
        cmocka_unit_test(half_precision_is_one_model_in_every_form),
        cmocka_unit_test(a_saved_model_opens_as_the_same_model),
        cmocka_unit_test(a_saved_learngene_opens_as_the_same_learngene),
        cmocka_unit_test(depth_changes_live),
        cmocka_unit_test(outputs_and_images_are_independent),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
