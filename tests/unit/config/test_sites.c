/* The parts of a block, as one table: their names and shapes, and the walk over a block's parameters. */
#include "config/spec.h"
#include "support/support.h"
#include <string.h>

static const tleg_config config = {.image_size = 8, .patch_size = 4, .dim = 6, .heads = 2, .hidden = 10, .classes = 3};

/* A block's tensors as timm names and shapes them, in the order of a file. */
static const struct {
    const char *name;
    int64_t rows, columns; /* columns 0: a vector */
} tensors[] = {
    {"norm1.weight", 6, 0},     {"norm1.bias", 6, 0},     {"norm2.weight", 6, 0},     {"norm2.bias", 6, 0},
    {"attn.qkv.weight", 18, 6}, {"attn.qkv.bias", 18, 0}, {"attn.proj.weight", 6, 6}, {"attn.proj.bias", 6, 0},
    {"mlp.fc1.weight", 10, 6},  {"mlp.fc1.bias", 10, 0},  {"mlp.fc2.weight", 6, 10},  {"mlp.fc2.bias", 6, 0},
};

static void the_walk_over_parameters_gives_each_with_its_name_and_shape(void **state) {
    (void)state;
    struct tleg_parameter parameter = {0};
    size_t k = 0;
    for (; tleg_each_parameter(&config, &parameter); k++) {
        assert_true(k < sizeof tensors / sizeof *tensors);
        assert_string_equal(parameter.spec.name, tensors[k].name);
        assert_int_equal(parameter.spec.rank, tensors[k].columns ? 2 : 1);
        assert_int_equal(parameter.spec.shape[0], tensors[k].rows);
        if (tensors[k].columns)
            assert_int_equal(parameter.spec.shape[1], tensors[k].columns);
        assert_int_equal(parameter.count, tensors[k].rows * (tensors[k].columns ? tensors[k].columns : 1));
        assert_int_equal(parameter.bias, strstr(tensors[k].name, ".bias") != NULL);
    }
    assert_int_equal(k, sizeof tensors / sizeof *tensors);
}

static void without_a_qkv_bias_the_walk_passes_over_it_alone(void **state) {
    (void)state;
    tleg_config without = config;
    without.no_qkv_bias = 1;
    struct tleg_parameter parameter = {0};
    size_t count = 0;
    while (tleg_each_parameter(&without, &parameter)) {
        assert_string_not_equal(parameter.spec.name, "attn.qkv.bias");
        count++;
    }
    assert_int_equal(count, sizeof tensors / sizeof *tensors - 1);
}

static void layer_scale_adds_a_vector_for_each_branch(void **state) {
    (void)state;
    tleg_config with = config;
    with.layer_scale = 1;
    struct tleg_parameter parameter = {0};
    size_t count = 0;
    while (tleg_each_parameter(&with, &parameter))
        if (count++ >= sizeof tensors / sizeof *tensors) {
            assert_string_equal(parameter.spec.name, count % 2 ? "ls1.gamma" : "ls2.gamma");
            assert_int_equal(parameter.count, 6);
        }
    assert_int_equal(count, sizeof tensors / sizeof *tensors + 2);
    assert_true(tleg_site_is_present(&with, TLEG_SITE_LS1) && !tleg_site_is_present(&config, TLEG_SITE_LS1));
}

static void only_matrices_have_rows_and_columns(void **state) {
    (void)state;
    int64_t n = 0, k = 0;
    assert_false(tleg_site_matrix(&config, TLEG_SITE_NORM1, &n, &k));
    assert_true(tleg_site_matrix(&config, TLEG_SITE_FC2, &n, &k));
    assert_int_equal(n, 6);
    assert_int_equal(k, 10);
    assert_true(tleg_site_is_vector(TLEG_SITE_NORM2));
    assert_false(tleg_site_is_vector(TLEG_SITE_QKV));
}

static void every_site_has_a_key_and_a_name_and_there_the_list_ends(void **state) {
    (void)state;
    static const char *const keys[] = {"norm1", "norm2",     "qkv",      "proj",       "fc1",    "fc2",   "ls1",
                                       "ls2",   "attn_norm", "mlp_norm", "modulation", "q_norm", "k_norm"};
    static const char *const names[] = {
        "norm1", "norm2",     "attn.qkv", "attn.proj",          "mlp.fc1",     "mlp.fc2",    "ls1",
        "ls2",   "attn.norm", "mlp.norm", "adaLN_modulation.1", "attn.q_norm", "attn.k_norm"};
    int32_t site = 0;
    for (; tleg_site_key(site); site++) {
        assert_true(site < TLEG_SITES);
        assert_string_equal(tleg_site_key(site), keys[site]);
        assert_string_equal(tleg_site_name(site), names[site]);
    }
    assert_int_equal(site, TLEG_SITES);
    assert_null(tleg_site_name(site));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_walk_over_parameters_gives_each_with_its_name_and_shape),
        cmocka_unit_test(without_a_qkv_bias_the_walk_passes_over_it_alone),
        cmocka_unit_test(layer_scale_adds_a_vector_for_each_branch),
        cmocka_unit_test(only_matrices_have_rows_and_columns),
        cmocka_unit_test(every_site_has_a_key_and_a_name_and_there_the_list_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
