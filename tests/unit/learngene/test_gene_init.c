/* A fresh learngene's numbers, and how a schedule lays out any depth. */
#include "learngene/learngene.h"
#include "support/gene_values.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a fresh learngene ---- */

struct moments {
    double mean, deviation, least, most;
};
static struct moments measure(const tleg_learngene *gene, const char *name) {
    struct values values = take(gene, name);
    struct moments m = {.least = values.data[0], .most = values.data[0]};
    double squares = 0;
    for (size_t i = 0; i < values.count; i++) {
        m.mean += (double)values.data[i];
        squares += (double)values.data[i] * (double)values.data[i];
        m.least = fmin(m.least, (double)values.data[i]);
        m.most = fmax(m.most, (double)values.data[i]);
    }
    m.mean /= (double)values.count;
    m.deviation = sqrt(squares / (double)values.count - m.mean * m.mean);
    tleg_tensor_free(values.tensor);
    return m;
}

static void must_be_normal(const tleg_learngene *gene, const char *name) {
    struct values values = take(gene, name);
    const struct moments m = measure(gene, name);
    const double n = (double)values.count;
    assert_true(fabs(m.mean) < 5 * 0.02 / sqrt(n)); /* five standard errors */
    assert_true(fabs(m.deviation - 0.02) < 5 * 0.02 / sqrt(2 * n));
    int inside = 0;
    for (size_t i = 0; i < values.count; i++)
        inside += fabsf(values.data[i]) < 0.02f;
    assert_true(fabs(inside / n - 0.6827) < 5 * sqrt(0.6827 * 0.3173 / n)); /* within one standard deviation */
    tleg_tensor_free(values.tensor);
}

#define INSTANCE(site) "blocks.block." site ".instances.0."
static void initialisation_is_the_papers(void **state) {
    (void)state;
    tleg_config config = small();
    config.class_token = config.distillation_token = 1;
    config.dim = 48;
    tleg_learngene *gene = create(&config, 7);
    static const char *const linear[] = {INSTANCE("attn.qkv"), INSTANCE("attn.proj"), INSTANCE("mlp.fc1"), INSTANCE("mlp.fc2")};
    static const char *const norms[] = {INSTANCE("norm1"), INSTANCE("norm2")};
    char name[TLEG_NAME_TEXT];
    for (int k = 0; k < 8; k++) {
        snprintf(name, sizeof name, "%sweight_%s", linear[k / 2], k % 2 ? "ilayer" : "base");
        must_be_normal(gene, name);
        snprintf(name, sizeof name, "%sbias_%s", linear[k / 2], k % 2 ? "ilayer" : "base");
        must_be_constant(gene, name, 0);
    }
    for (int k = 0; k < 4; k++) {
        snprintf(name, sizeof name, "%sweight_%s", norms[k / 2], k % 2 ? "ilayer" : "base");
        must_be_constant(gene, name, k % 2 ? 0 : 1);
        snprintf(name, sizeof name, "%sbias_%s", norms[k / 2], k % 2 ? "ilayer" : "base");
        must_be_constant(gene, name, 0);
    }
    static const char *const normal[] = {"pos_embed", "cls_token", "dist_token", "head.weight", "head_dist.weight"};
    for (size_t k = 0; k < sizeof normal / sizeof *normal; k++)
        must_be_normal(gene, normal[k]);
    must_be_constant(gene, "norm.weight", 1);
    must_be_constant(gene, "norm.bias", 0);
    must_be_constant(gene, "head.bias", 0);
    must_be_constant(gene, "head_dist.bias", 0);
    const double bound = 1 / sqrt(3 * 4 * 4);
    const struct moments patch = measure(gene, "patch_embed.proj.weight"), bias = measure(gene, "patch_embed.proj.bias");
    assert_true(patch.least >= -bound && patch.most <= bound);
    assert_true(patch.least < -0.98 * bound && patch.most > 0.98 * bound);
    assert_true(fabs(patch.deviation / bound - 1 / sqrt(3)) < 0.03);
    assert_true(bias.least >= -bound && bias.most <= bound && bias.deviation > bound / 3);
    tleg_learngene_free(gene);
}

static void a_seed_means_the_same_bits(void **state) {
    (void)state;
    tleg_config config = small();
    tleg_learngene *one = create(&config, 12345), *same = create(&config, 12345), *other = create(&config, 12346);
    must_be_equal(one, same);
    struct values a = take(one, INSTANCE("attn.qkv") "weight_base"), b = take(other, INSTANCE("attn.qkv") "weight_base"),
                  c = take(one, INSTANCE("attn.qkv") "weight_ilayer");
    assert_memory_not_equal(a.data, b.data, a.count * sizeof(float));
    assert_memory_not_equal(a.data, c.data, a.count * sizeof(float));
    /* written down: on every machine, in every later version */
    assert_int_equal(support_fnv(a.data, a.count * sizeof(float)), UINT64_C(0x100cfde924e1c0ca));
    tleg_tensor_free(b.tensor);
    tleg_tensor_free(c.tensor);
    tleg_learngene_free(other);

    config.distillation_token = 0; /* another tensor does not move those that stay */
    other = create(&config, 12345);
    b = take(other, INSTANCE("attn.qkv") "weight_base");
    assert_memory_equal(a.data, b.data, a.count * sizeof(float));
    tleg_tensor_free(a.tensor);
    tleg_tensor_free(b.tensor);
    tleg_learngene_free(other);
    tleg_learngene_free(one);
    tleg_learngene_free(same);
}

/* Values of NumPy: 0.7 * sin(x w) and so on, w = 100 ** (-i / 6) */
static void positions_begin_as_waves_where_asked(void **state) {
    (void)state;
    tleg_config config = small(), info = {.struct_size = sizeof info};
    config.class_token = 1;
    tleg_learngene *normal = create(&config, 9);
    config.positions = TLEG_POSITIONS_SINCOS;
    tleg_learngene *waves = create(&config, 9);
    struct values a = take(normal, "pos_embed"), b = take(waves, "pos_embed");
    assert_int_equal(b.count, 17 * 24);
    assert_memory_equal(a.data, b.data, 24 * sizeof(float)); /* the class token's row */
    const float *const row = b.data + (1 + 2 * 4 + 3) * 24;  /* of the patch in column 3 of row 2 */
    static const struct {
        int at;
        double value;
    } expected[] = {{0, 0.098784006}, {1, 0.68890019},   {5, 0.045211635},  {6, -0.69299475}, {11, 0.69853841},
                    {12, 0.6365082},  {17, 0.030152753}, {18, -0.29130279}, {23, 0.6993502}};
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
        assert_float_equal(row[expected[k].at], expected[k].value, 1e-6);
    tleg_tensor_free(a.tensor);
    tleg_tensor_free(b.tensor);
    a = take(normal, INSTANCE("mlp.fc1") "weight_base"), b = take(waves, INSTANCE("mlp.fc1") "weight_base");
    assert_memory_equal(a.data, b.data, a.count * sizeof(float)); /* nothing else moves */
    OK(context, tleg_learngene_get_info(context, waves, &info));
    assert_int_equal(info.positions, 0);
    tleg_tensor_free(a.tensor);
    tleg_tensor_free(b.tensor);
    tleg_learngene_free(normal);
    tleg_learngene_free(waves);

    config.dim = 27;
    config.heads = 3;
    assert_int_equal(tleg_learngene_create(context, &config, 9, &waves), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "multiple of 4"));
    config.positions = 3;
    assert_int_equal(tleg_learngene_create(context, &config, 9, &waves), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "positions"));
}

static void a_fresh_schedule_has_its_segments(void **state) {
    (void)state;
    tleg_config config = small(), info = {.struct_size = sizeof info};
    config.schedule = "{\"norm1\":[[6,false]],\"qkv\":[[4,true],[1,true],[1,false]]}";
    config.no_qkv_bias = 1;
    tleg_learngene *gene = create(&config, 3);
    assert_int_equal(tleg_schedule_least(gene), 3);
    must_be_constant(gene, INSTANCE("norm1") "weight", 1); /* shared norms start at 1 as well */
    must_be_constant(gene, INSTANCE("norm1") "bias", 0);
    must_be_normal(gene, "blocks.block.attn.qkv.instances.1.weight");
    struct values a = take(gene, "blocks.block.attn.qkv.instances.1.weight"),
                  b = take(gene, "blocks.block.attn.qkv.instances.2.weight");
    assert_memory_not_equal(a.data, b.data, a.count * sizeof(float));
    tleg_tensor_free(a.tensor);
    tleg_tensor_free(b.tensor);
    tleg_tensor *none;
    assert_int_equal(tleg_learngene_copy_tensor(context, gene, "blocks.block.attn.qkv.instances.1.bias", &none),
                     TLEG_ERROR_NOT_FOUND);
    assert_null(none);
    assert_non_null(strstr(tleg_context_get_error(context), "qkv.instances.1.bias"));
    OK(context, tleg_learngene_get_info(context, gene, &info));
    assert_int_equal(info.no_qkv_bias, 1);
    assert_string_equal(info.schedule, config.schedule);
    tleg_learngene_free(gene);
}

/* A fresh basis begins as base and ilayer would; what is added is random too, or 0. */
static void a_fresh_basis_begins_as_base_and_ilayer(void **state) {
    (void)state;
    tleg_config config = small(), info = {.struct_size = sizeof info};
    tleg_learngene *line = create(&config, 5);
    config.schedule = "{\"norm1\":[[6,\"cosine\",3]],\"qkv\":[[6,\"chebyshev\",4]],\"fc1\":[[6,\"power\",2]]}";
    tleg_learngene *gene = create(&config, 5);
    static const char *const names[][2] = {{"weight_basis0", "weight_base"}, {"weight_basis1", "weight_ilayer"}};
    for (int k = 0; k < 2; k++) {
        char name[2][TLEG_NAME_TEXT];
        for (int i = 0; i < 2; i++)
            snprintf(name[i], sizeof name[i], "%s%s", INSTANCE("attn.qkv"), names[k][i]);
        struct values a = take(gene, name[0]), b = take(line, name[1]);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.data, b.data, a.count * sizeof(float));
        tleg_tensor_free(a.tensor);
        tleg_tensor_free(b.tensor);
    }
    struct values c = take(gene, INSTANCE("attn.qkv") "weight_basis2"), d = take(gene, INSTANCE("attn.qkv") "weight_basis3");
    assert_memory_not_equal(c.data, d.data, c.count * sizeof(float));
    tleg_tensor_free(c.tensor);
    tleg_tensor_free(d.tensor);
    must_be_normal(gene, INSTANCE("attn.qkv") "weight_basis3");
    must_be_constant(gene, INSTANCE("attn.qkv") "bias_basis3", 0);
    must_be_constant(gene, INSTANCE("norm1") "weight_basis0", 1);
    must_be_constant(gene, INSTANCE("norm1") "weight_basis2", 0);
    OK(context, tleg_learngene_get_info(context, gene, &info)); /* one way to say base and ilayer */
    assert_string_equal(info.schedule, "{\"norm1\":[[6,\"cosine\",3]],\"qkv\":[[6,\"chebyshev\",4]],\"fc1\":[[6,true]]}");
    tleg_learngene_free(line);
    tleg_learngene_free(gene);
}

static void a_wrong_configuration_makes_no_learngene(void **state) {
    (void)state;
    tleg_learngene *gene = (tleg_learngene *)&gene;
    tleg_config config = small();
    config.heads = 7;
    assert_int_equal(tleg_learngene_create(context, &config, 0, &gene), TLEG_ERROR_ARGUMENT);
    assert_null(gene);
    assert_non_null(strstr(tleg_context_get_error(context), "heads"));
    config = small();
    config.depth = 12; /* a model's */
    assert_int_equal(tleg_learngene_create(context, &config, 0, &gene), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "depth"));
    config = small();
    config.struct_size = 0;
    assert_int_equal(tleg_learngene_create(context, &config, 0, &gene), TLEG_ERROR_ARGUMENT);
}

/* ---- schedules at any depth ---- */

static void any_depth_is_shared_as_the_reference_does(void **state) {
    (void)state;
    FILE *file = fopen(TLEG_FIXTURES "/gene/share.txt", "r");
    assert_non_null(file);
    char line[2048];
    int lines = 0;
    for (; fgets(line, sizeof line, file); lines++) {
        int32_t lengths[64], expected[64], now[64], count = 0, also = 0;
        char *at = line;
        const int32_t depth = (int32_t)strtol(at, &at, 10);
        for (at++; *at != ':'; count++)
            lengths[count] = (int32_t)strtol(at, &at, 10);
        for (at++; *at && *at != '\n'; also++)
            expected[also] = (int32_t)strtol(at, &at, 10);
        assert_int_equal(count, also);
        tleg_schedule_share(count, lengths, depth, now);
        assert_memory_equal(now, expected, (size_t)count * sizeof *now);
    }
    assert_int_equal(lines, 205);
    fclose(file);
}

static void layers_walk_through_the_segments(void **state) {
    (void)state;
    const int32_t lengths[] = {4, 1, 2};
    int32_t now[3], layer = 0;
    for (int32_t depth = 3; depth <= 64; depth++, layer = 0) {
        tleg_schedule_share(3, lengths, depth, now);
        for (int32_t k = 0; k < 3; k++)
            for (int32_t i = 0; i < now[k]; i++, layer++) {
                const struct tleg_layer_place place = tleg_schedule_at(3, now, layer);
                assert_int_equal(place.segment, k);
                assert_int_equal(place.layer, i);
                assert_int_equal(place.layers, now[k]);
            }
        assert_int_equal(layer, depth);
    }
    const int32_t one = 13;
    const struct tleg_layer_place place = tleg_schedule_at(1, &one, 12); /* without segments: all layers */
    assert_true(place.segment == 0 && place.layer == 12 && place.layers == 13);
}

/* ---- coefficients ---- */

static void must_be_close(double is, double expected) {
    if (!(fabs(is - expected) <= 0x1p-24 * fabs(expected) + 1e-15)) /* half a unit in the last place of a float */
        fail_msg("%.17g, expected %.17g", is, expected);
}

/* By closed forms: powers, cos(k arccos x), and the cosine itself. */
static void coefficients_are_the_curves(void **state) {
    (void)state;
    static const int32_t depths[] = {1, 2, 3, 12, 13, 100, 1024};
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
        for (int32_t n = depths[d], i = 0; i < n; i++) {
            const double x = (double)i / n;
            float c[TLEG_CURVES][TLEG_MAX_BASIS];
            for (int curve = 0; curve < TLEG_CURVES; curve++) {
                tleg_coefficients((enum tleg_curve)curve, i, n, TLEG_MAX_BASIS, c[curve]);
                assert_true(c[curve][0] == 1);
            }
            assert_true(c[TLEG_CURVE_POWER][1] == (float)x && c[TLEG_CURVE_CHEBYSHEV][1] == (float)x);
            for (int32_t k = 1; k < TLEG_MAX_BASIS; k++) {
                must_be_close((double)c[TLEG_CURVE_POWER][k], pow(x, k));
                must_be_close((double)c[TLEG_CURVE_COSINE][k], cos(acos(-1) * k * (i + 0.5) / n));
                assert_true(fabs((double)c[TLEG_CURVE_CHEBYSHEV][k] - cos(k * acos(x))) < 1e-7);
            }
        }
}

/* However many tensors follow, the first ones count for the same; and none is written beyond the last. */
static void fewer_tensors_have_the_same_coefficients(void **state) {
    (void)state;
    for (int curve = 0; curve < TLEG_CURVES; curve++)
        for (int32_t count = 1; count < TLEG_MAX_BASIS; count++) {
            float few[TLEG_MAX_BASIS], all[TLEG_MAX_BASIS];
            few[count] = 77;
            tleg_coefficients((enum tleg_curve)curve, 5, 12, count, few);
            tleg_coefficients((enum tleg_curve)curve, 5, 12, TLEG_MAX_BASIS, all);
            assert_memory_equal(few, all, (size_t)count * sizeof *few);
            assert_true(few[count] == 77);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initialisation_is_the_papers),
        cmocka_unit_test(a_seed_means_the_same_bits),
        cmocka_unit_test(positions_begin_as_waves_where_asked),
        cmocka_unit_test(a_fresh_schedule_has_its_segments),
        cmocka_unit_test(a_fresh_basis_begins_as_base_and_ilayer),
        cmocka_unit_test(a_wrong_configuration_makes_no_learngene),
        cmocka_unit_test(any_depth_is_shared_as_the_reference_does),
        cmocka_unit_test(layers_walk_through_the_segments),
        cmocka_unit_test(coefficients_are_the_curves),
        cmocka_unit_test(fewer_tensors_have_the_same_coefficients),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
