/* ONNX files as PyTorch's exporters write them (tests/fixtures/graphs.py), and the library's own: what they compute is what the
 * models compute that they were made of; graphs of anything else are refused by the node that does not fit. */
#include "support/suite_context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tleg_open_options three_heads = {.struct_size = sizeof three_heads, .heads = 3};

static const char *fixture(const char *name, const char *ending) {
    static char path[512];
    snprintf(path, sizeof path, TLEG_FIXTURES "/onnx/%s%s", name, ending);
    return path;
}

/* ---- files of other exporters ---- */

/* Logits, or features where there is no head. */
static float *answer(const tleg_model *model, const float *images, int64_t batch, size_t *count) {
    tleg_config config = {.struct_size = sizeof config};
    const tleg_session_options options = {.struct_size = sizeof options, .batch = (int32_t)batch};
    tleg_session *session;
    OK(context, tleg_model_get_info(context, model, &config));
    OK(context, tleg_session_create(context, model, &options, &session));
    *count = (size_t)batch * (size_t)(config.classes ? config.classes : config.dim);
    float *numbers = malloc(*count * sizeof *numbers);
    assert_non_null(numbers);
    OK_SESSION(session, support_run(session, images, batch, config.classes ? numbers : NULL, config.classes ? NULL : numbers));
    tleg_session_free(session);
    return numbers;
}

/* The answers differ from `expected` by at most 1e-5 of its largest. */
static void assert_answers(const char *name, const tleg_model *model) {
    size_t count, expected_count, image_count;
    const float *expected, *images;
    tleg_tensor *tensors[] = {support_tensor(context, fixture(name, ".safetensors"), "expected", &expected, &expected_count),
                              support_tensor(context, fixture(name, ".safetensors"), "images", &images, &image_count)};
    float *answers = answer(model, images, 2, &count);
    double largest = 0, worst = 0;
    assert_int_equal(count, expected_count);
    for (size_t k = 0; k < count; k++) {
        largest = fmax(largest, fabs((double)expected[k]));
        worst = fmax(worst, fabs((double)answers[k] - (double)expected[k]));
    }
    if (!(worst <= 1e-5 * largest)) {
        print_error("%s: differs by %g of %g\n", name, worst, largest);
        fail();
    }
    free(answers);
    tleg_tensor_free(tensors[0]);
    tleg_tensor_free(tensors[1]);
}

static const struct {
    const char *name;
    int32_t registers, distilled, layer_scale, norm_before;
    tleg_pool_kind pool;
    tleg_mlp_kind mlp;
    double eps;
    int32_t heads, depth, image, width; /* 0: 3, 2, 8, the same */
} files[] = {
    {"timm", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-static", 0, 0, 1, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-beside", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-attention", 0, 0, 0, 1, TLEG_POOL_CLS, TLEG_MLP_QUICK_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-registers", 3, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU_TANH, 1e-6, 0, 0, 0, 0},
    {"timm-mean", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-distilled", 0, 1, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-open-size", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_SILU, 1e-6, 0, 0, 0, 0},
    {"timm-gated", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-after", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-f16", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-bf16", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-f64", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-f16-listed", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-listed", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"hugging-face-vit", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-12, 0, 0, 0, 0},
    {"hugging-face-deit", 0, 1, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-12, 0, 0, 0, 0},
    {"hugging-face-dinov2", 0, 0, 1, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"hugging-face-dinov2-registers", 3, 0, 1, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"hugging-face-clip", 0, 0, 0, 1, TLEG_POOL_CLS, TLEG_MLP_QUICK_GELU, 1e-5, 0, 0, 0, 0},
    {"torch-encoder", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_RELU, 1e-5, 0, 0, 0, 0},
    {"torch-sums", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_RELU, 1e-5, 0, 0, 0, 0},
    {"torch-sums-new", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"torch-sums-fused", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"torch-inner", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"torch-inner-new", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"vit-pytorch", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"vit-pytorch-new", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"vit-pytorch-simple", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"torch-hidden", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_RELU, 1e-5, 0, 0, 0, 0},
    {"torch-represented", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"torch-represented-fixed", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"torch-attention", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"torch-pixels", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-5, 0, 0, 0, 0},
    {"timm-qk-norm", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-rms", 0, 0, 0, 1, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-rms-node", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-map", 0, 0, 0, 0, TLEG_POOL_ATTENTION, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-map-static", 1, 0, 0, 0, TLEG_POOL_PATCH_ATTENTION, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-map-norm", 0, 0, 0, 0, TLEG_POOL_ATTENTION, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"hugging-face-siglip", 0, 0, 0, 0, TLEG_POOL_ATTENTION, TLEG_MLP_GELU_TANH, 1e-6, 0, 1, 0, 0},
    {"hugging-face-siglip-new", 0, 0, 0, 0, TLEG_POOL_ATTENTION, TLEG_MLP_GELU_TANH, 1e-6, 0, 1, 0, 0},
    {"hugging-face-aimv2", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_SILU, 1e-5, 0, 0, 0, 0},
    {"timm-eva02", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_SILU, 1e-6, 2, 0, 12, 0},
    {"timm-rope", 0, 0, 0, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-6, 2, 0, 12, 0},
    {"timm-dinov3", 2, 0, 1, 0, TLEG_POOL_MEAN, TLEG_MLP_GELU, 1e-6, 2, 0, 12, 0},
    {"timm-pe", 0, 0, 0, 1, TLEG_POOL_ATTENTION, TLEG_MLP_GELU, 1e-6, 2, 1, 12, 0},
    {"hugging-face-dinov3", 2, 0, 1, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-5, 2, 1, 12, 0},
    {"hugging-face-siglip-open", 0, 0, 0, 0, TLEG_POOL_ATTENTION, TLEG_MLP_GELU_TANH, 1e-6, 0, 1, 0, 0},
    {"hugging-face-dinov2-classifier", 0, 0, 1, 0, TLEG_POOL_CLS_MEAN, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-max", 0, 0, 0, 0, TLEG_POOL_MAX, TLEG_MLP_GELU, 1e-6, 0, 1, 0, 0},
    {"timm-mean-max", 0, 0, 0, 0, TLEG_POOL_MEAN_MAX, TLEG_MLP_GELU, 1e-6, 0, 1, 0, 0},
    {"timm-prepared", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 1, 0, 0},
    {"timm-directions", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 1, 0, 0},
    {"hugging-face-clip-fused", 0, 0, 0, 1, TLEG_POOL_CLS, TLEG_MLP_QUICK_GELU, 1e-5, 0, 0, 0, 0},
    {"timm-fused", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-fused-products", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 1, 0, 0},
    {"dinov2-open", 0, 0, 1, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
    {"timm-oblong", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 12},
    {"timm-registers-four", 4, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 1, 12, 0},
    {"timm-backwards", 0, 0, 0, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 1, 0, 0},
    {"dinov2-resized", 0, 0, 1, 0, TLEG_POOL_CLS, TLEG_MLP_GELU, 1e-6, 0, 0, 0, 0},
};

static void what_exporters_write_answers_as_the_model_did(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        const tleg_open_options options = {.struct_size = sizeof options, .dtype = TLEG_F32};
        tleg_config c = {.struct_size = sizeof c};
        tleg_model *model;
        OK(context, tleg_model_open(context, fixture(files[k].name, ".onnx"), &options, &model));
        assert_answers(files[k].name, model);
        OK(context, tleg_model_get_info(context, model, &c));
        assert_int_equal(c.heads, files[k].heads ? files[k].heads : 3);
        assert_int_equal(c.depth, files[k].depth ? files[k].depth : 2);
        assert_int_equal(c.image_size, files[k].image ? files[k].image : 8);
        assert_int_equal(c.image_width, files[k].width);
        assert_int_equal(c.registers, files[k].registers);
        assert_int_equal(c.distillation_token, files[k].distilled);
        assert_int_equal(c.layer_scale, files[k].layer_scale);
        assert_int_equal(c.norm_before, files[k].norm_before);
        assert_int_equal(c.pool, files[k].pool);
        assert_int_equal(c.mlp, files[k].mlp);
        assert_true(c.eps == files[k].eps);
        tleg_model_free(model);
    }
}

static void pictures_that_a_graph_prepares_itself_come_as_bytes(void **state) {
    (void)state;
    tleg_config c = {.struct_size = sizeof c};
    tleg_model *model;
    OK(context, tleg_model_open(context, fixture("timm-prepared", ".onnx"), NULL, &model));
    OK(context, tleg_model_get_info(context, model, &c));
    for (int k = 0; k < 3; k++) {
        assert_true(c.mean[k] == 0);
        assert_true(fabs(c.std[k] * 255 - 1) < 1e-9);
    }
    tleg_model_free(model);
}

static unsigned char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void write_all(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void weights_of_half_a_word_stay_so(void **state) {
    (void)state;
    tleg_config c = {.struct_size = sizeof c};
    tleg_model *model;
    const char *path = support_scratch("half.onnx");
    OK(context, tleg_model_open(context, TLEG_FIXTURES "/layouts/meta-deit-3", &three_heads, &model));
    const tleg_save_options half = {.struct_size = sizeof half, .dtype = TLEG_F16};
    OK(context, tleg_model_export_onnx(context, model, path, &half));
    tleg_model_free(model);
    OK(context, tleg_model_open(context, path, NULL, &model));
    OK(context, tleg_model_get_info(context, model, &c));
    assert_int_equal(c.dtype, TLEG_F16);
    tleg_model_free(model);
}

/* ---- the library's own ---- */

static void assert_same_bits(const tleg_model *one, const tleg_model *other) {
    tleg_config c = {.struct_size = sizeof c};
    size_t count, same;
    OK(context, tleg_model_get_info(context, one, &c));
    const size_t width = (size_t)(c.image_width ? c.image_width : c.image_size);
    const size_t pixels = (size_t)c.channels * (size_t)c.image_size * width;
    float *images = support_values(7, 3 * pixels, 2, 0);
    float *first = answer(one, images, 3, &count), *second = answer(other, images, 3, &same);
    assert_int_equal(count, same);
    assert_memory_equal(first, second, count * sizeof *first);
    free(images);
    free(first);
    free(second);
}

static void assert_comes_back(const tleg_model *model) {
    const char *made = support_scratch("same.onnx");
    tleg_model *back;
    OK(context, tleg_model_export_onnx(context, model, made, NULL));
    OK(context, tleg_model_open(context, made, NULL, &back));
    assert_same_bits(model, back);
    tleg_model_free(back);
}

/* Two layers of a fresh learngene. */
static tleg_model *fresh_model(const tleg_config *config) {
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_model *model;
    OK(context, tleg_learngene_create(context, config, 1, &gene));
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_expand(context, expander, 2, &model));
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    return model;
}

static void what_is_exported_comes_back_bit_for_bit(void **state) {
    (void)state;
    static const char *const names[] = {"/layouts/hugging-face-deit-distilled",
                                        "/layouts/hugging-face-dinov2-with-registers",
                                        "/layouts/hugging-face-clip",
                                        "/layouts/hugging-face-mae",
                                        "/layouts/hugging-face-siglip-classifier",
                                        "/layouts/meta-deit-3",
                                        "/layouts/hugging-face-dinov2-giant",
                                        "/layouts/timm-beit3_base_patch16_224",
                                        "/layouts/timm-vit_base_patch16_rpn_224",
                                        "/layouts/openai-clip",
                                        "/families/rms.safetensors",
                                        "/families/aimv2.safetensors",
                                        "/families/radio.safetensors",
                                        "/families/siglip.safetensors",
                                        "/families/map.safetensors",
                                        "/families/latent.safetensors",
                                        "/families/so150m.safetensors",
                                        "/families/dinov3.safetensors",
                                        "/families/eva02.safetensors",
                                        "/families/rope.safetensors",
                                        "/families/pe.safetensors",
                                        "/families/lang.safetensors",
                                        "/families/eva.safetensors",
                                        "/families/qknorm.safetensors",
                                        "/families/intern.safetensors",
                                        "/families/sapiens.safetensors",
                                        "/families/oblong.safetensors",
                                        "/families/max.safetensors",
                                        "/families/avgmax.safetensors",
                                        "/families/clsmean.safetensors",
                                        "/families/fcnorm.safetensors",
                                        "/families/meanall.safetensors",
                                        "/families/meanall_after.safetensors",
                                        "/families/repr_all.safetensors",
                                        "/families/repr.safetensors",
                                        "/families/repr_map.safetensors",
                                        "/families/repr_both.safetensors",
                                        "/families/repr_bare.safetensors",
                                        "/families/lucid.safetensors",
                                        "/families/inner.safetensors",
                                        "/families/inner_norms.safetensors",
                                        "/families/inner_token.safetensors",
                                        "/families/sums.safetensors",
                                        "/families/sums_rms.safetensors"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char path[512];
        tleg_model *model;
        snprintf(path, sizeof path, TLEG_FIXTURES "%s", names[k]);
        OK(context, tleg_model_open(context, path, strstr(path, "/families/") ? NULL : &three_heads, &model));
        assert_comes_back(model);
        tleg_model_free(model);
    }
}

static void golden_models_come_back_bit_for_bit(void **state) {
    (void)state;
    struct golden cases[MAX_GOLDEN];
    const int32_t count = support_golden(cases);
    for (int32_t k = 0; k < count; k++) {
        tleg_model *model;
        if (cases[k].half)
            continue;
        tleg_expander *expander = support_expander(context, &cases[k], TLEG_F32);
        OK(context, tleg_expander_expand(context, expander, cases[k].depth, &model));
        assert_comes_back(model);
        tleg_model_free(model);
        tleg_expander_free(expander);
    }
}

/* Networks that no other program makes. */
static void unusual_networks_come_back_bit_for_bit(void **state) {
    (void)state;
    const tleg_config cases[] = {{.rms = 1, .class_token = 1, .distillation_token = 1},
                                 {.no_head_bias = 1},
                                 {.no_head_bias = 1, .class_token = 1, .distillation_token = 1},
                                 {.no_patch_bias = 1},
                                 {.pool = TLEG_POOL_PATCH_ATTENTION},
                                 {.pool = TLEG_POOL_MEAN_ALL},
                                 {.rms = 1, .pixel_norm = 1},
                                 {.rotary = TLEG_ROTARY_CENTRED, .rotary_grid = 3, .rotary_offset = 1}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        tleg_config config = cases[k];
        config.struct_size = sizeof config;
        config.image_size = 8, config.patch_size = 4, config.dim = 16, config.heads = 2, config.classes = 3;
        tleg_model *model = fresh_model(&config);
        assert_comes_back(model);
        tleg_model_free(model);
    }
}

static void labels_and_pictures_are_those_of_the_metadata(void **state) {
    (void)state;
    const char *labels[] = {"bee", "owl", "cat", "dog", "elk"}, *made = support_scratch("labels.onnx");
    tleg_config c = {.struct_size = sizeof c,
                     .image_size = 8,
                     .patch_size = 4,
                     .dim = 12,
                     .heads = 3,
                     .classes = 5,
                     .label_count = 5,
                     .labels = labels,
                     .mean = {0.1, 0.2, 0.3},
                     .std = {0.4, 0.5, 0.6},
                     .crop = 0.75};
    tleg_model *model = fresh_model(&c);
    OK(context, tleg_model_export_onnx(context, model, made, NULL));
    tleg_model_free(model);
    OK(context, tleg_model_open(context, made, NULL, &model));
    OK(context, tleg_model_get_info(context, model, &c));
    assert_int_equal(c.label_count, 5);
    assert_string_equal(c.labels[4], "elk");
    assert_true(c.mean[1] == 0.2 && c.std[2] == 0.6 && c.crop == 0.75);
    assert_int_equal(c.assumed, 0);
    tleg_model_free(model);
}

/* ---- what is refused ---- */

static void assert_refused(tleg_status status, tleg_status expected, const char *text) {
    if (status != expected || !strstr(tleg_context_get_error(context), text)) {
        print_error("expected %s with \"%s\", found %s: %s\n", tleg_status_name(expected), text, tleg_status_name(status),
                    tleg_context_get_error(context));
        fail();
    }
}

static void other_graphs_are_refused_by_the_first_node_that_does_not_fit(void **state) {
    (void)state;
    static const char *const refused[][2] = {
        {"refused-node", "node 100 of 173, Relu \"/Relu\": expected part of an activation after a matrix"},
        {"refused-norm", "Add \"node_add_3\": expected a norm where the first block has its own"},
        {"refused-sides", "Add \"node_add_2\": expected a norm where the first block has its own"},
        {"refused-sum", "Add \"node_add_2\": expected a branch added to what it reads"},
        {"refused-heads", "expected one sequence and one final norm for both heads"},
        {"refused-mask", "Trilu \"/Trilu\": expected a node of a Vision Transformer"},
        {"refused-rotary", "block 0: expected rotary positions that follow from a base and the patches' places"},
        {"refused-convolutions", "node 1 of 5, Conv \"/layers/layers.0/Conv\": expected a patch embedding"},
        {"refused-rows", "Conv \"node_conv2d\": expected images without a norm of their pixels"},
        {"refused-words", "expected one input of four dimensions, images (batch, channels, height, width)"},
    };
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++) {
        tleg_model *model;
        assert_refused(tleg_model_open(context, fixture(refused[k][0], ".onnx"), NULL, &model), TLEG_ERROR_UNSUPPORTED,
                       refused[k][1]);
        assert_null(model);
    }
}

static void keys_that_contradict_the_graph_are_refused(void **state) {
    (void)state;
    static const char key[] = "tleg.heads\x12\x01";
    const char *made = support_scratch("heads.onnx");
    tleg_model *model;
    size_t size;
    OK(context, tleg_model_open(context, TLEG_FIXTURES "/layouts/meta-deit-3", &three_heads, &model));
    OK(context, tleg_model_export_onnx(context, model, made, NULL));
    tleg_model_free(model);
    unsigned char *bytes = read_all(made, &size), *at = bytes;
    while (memcmp(at, key, sizeof key - 1) != 0)
        at++;
    at[sizeof key - 1] = '7';
    assert_refused(tleg_model_parse(context, bytes, size, NULL, &model), TLEG_ERROR_FORMAT, "tleg.heads: expected \"");
    free(bytes);
}

static void numbers_in_another_file_are_found_beside_it_alone(void **state) {
    (void)state;
    size_t size, numbers;
    tleg_model *model;
    unsigned char *bytes = read_all(fixture("timm-beside", ".onnx"), &size);
    unsigned char *data = read_all(fixture("timm-beside", ".data"), &numbers);
    assert_refused(tleg_model_parse(context, bytes, size, NULL, &model), TLEG_ERROR_UNSUPPORTED,
                   "lies in another file, 'timm-beside.data'");
    const char *alone = support_scratch("alone.onnx"), *beside = support_scratch("timm-beside.data");
    write_all(alone, bytes, size);
    assert_refused(tleg_model_open(context, alone, NULL, &model), TLEG_ERROR_NOT_FOUND, "timm-beside.data");
    write_all(beside, data, numbers - 1);
    assert_refused(tleg_model_open(context, alone, NULL, &model), TLEG_ERROR_FORMAT, "ends after the end of '");
    remove(beside);
    free(bytes);
    free(data);
}

/* A field of bytes of a message, whose length takes four; returns what is after it. */
static unsigned char *put_field(unsigned char *at, int number, const void *bytes, size_t size) {
    *at++ = (unsigned char)(number << 3 | 2);
    for (int k = 0; k < 4; k++)
        *at++ = (unsigned char)((size >> 7 * k & 127) | (k < 3 ? 128 : 0));
    memcpy(at, bytes, size);
    return at + size;
}

static void assert_too_many(const unsigned char *graph, size_t size, const char *says) {
    const char *path = support_scratch("many.onnx");
    unsigned char *model = malloc(size + 7);
    tleg_file *file;
    model[0] = model[1] = 8; /* the version, by which it is known */
    write_all(path, model, (size_t)(put_field(model + 2, 7, graph, size) - model));
    free(model);
    assert_refused(tleg_file_open(context, path, NULL, &file), TLEG_ERROR_UNSUPPORTED, says);
    remove(path);
}

/* Of what a small file may name very often. */
static void a_graph_has_so_many_tensors_and_files(void **state) {
    (void)state;
    enum { FILES = 1025, TENSORS = (1 << 17) + 1, ROOM = 1 << 21 };
    static const char attribute[] = "\x2a\x04\x08\x00\x10\x01"; /* a tensor of 0 x F32 */
    unsigned char *graph = malloc(ROOM), *node = malloc(ROOM), *at = graph, *end = node;
    for (int k = 0; k < FILES; k++) {
        unsigned char pair[64], tensor[96], *last = put_field(pair, 1, "location", 8);
        char name[16];
        last = put_field(last, 2, name, (size_t)snprintf(name, sizeof name, "f%d", k));
        memcpy(tensor, "\x08\x00\x10\x01\x70\x01", 6); /* 0 x F32, beside the file */
        last = put_field(tensor + 6, 13, pair, (size_t)(last - pair));
        at = put_field(at, 5, tensor, (size_t)(last - tensor));
    }
    assert_too_many(graph, (size_t)(at - graph), "of more files beside it than any model's");
    for (int k = 0; k < TENSORS; k++)
        end = put_field(end, 5, attribute, sizeof attribute - 1);
    at = put_field(graph, 1, node, (size_t)(end - node));
    assert_too_many(graph, (size_t)(at - graph), "more tensors than any model's");
    free(node);
    free(graph);
}

/* A host's allocator that puts one file in another's place at one of its calls. */
struct swapper {
    long calls, at;
    const char *from, *to;
};

static void *TLEG_CALL swapping_alloc(void *host, size_t size, size_t align) {
    struct swapper *swapper = host;
    if (++swapper->calls == swapper->at)
        assert_int_equal(rename(swapper->from, swapper->to), 0);
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void TLEG_CALL swapping_release(void *host, void *memory, size_t size, size_t align) {
    (void)host, (void)size, (void)align;
    free(memory);
}

static void assert_same_tensors(tleg_context *own, const tleg_file *file, const tleg_file *truth) {
    const char *name;
    for (int64_t i = 0; (name = tleg_file_get_tensor_name(truth, i)) != NULL; i++) {
        tleg_tensor *found, *expected;
        tleg_tensor_info a = {.struct_size = sizeof a}, b = a;
        OK(own, tleg_file_read_tensor(own, file, name, &found));
        OK(context, tleg_file_read_tensor(context, truth, name, &expected));
        OK(own, tleg_tensor_get_info(own, found, &a));
        OK(context, tleg_tensor_get_info(context, expected, &b));
        assert_int_equal(a.bytes, b.bytes);
        assert_memory_equal(a.data, b.data, (size_t)a.bytes);
        tleg_tensor_free(found);
        tleg_tensor_free(expected);
    }
}

/* The other has the same tensors at other places: whichever of the two is read, it is one of them. */
static void a_graph_and_its_numbers_are_of_one_file(void **state) {
    (void)state;
    enum { MORE = 34 };
    static const char text[MORE + 1] = "\x32\x20" /* doc_string, 32 bytes */
                                       "a text that moves what is behind";
    char path[400], next[400];
    size_t size, numbers;
    tleg_file *truth, *file;
    unsigned char *bytes = read_all(fixture("timm-beside", ".onnx"), &size);
    unsigned char *data = read_all(fixture("timm-beside", ".data"), &numbers);
    unsigned char *moved = malloc(size + MORE);
    assert_non_null(moved);
    memcpy(moved, bytes, 2); /* ir_version */
    memcpy(moved + 2, text, MORE);
    memcpy(moved + 2 + MORE, bytes + 2, size - 2);
    OK(context, tleg_file_open(context, fixture("timm-beside", ".onnx"), NULL, &truth));
    write_all(support_scratch("timm-beside.data"), data, numbers);
    snprintf(path, sizeof path, "%s", support_scratch("one.onnx"));
    snprintf(next, sizeof next, "%s", support_scratch("next.onnx"));
    struct swapper swapper = {.from = next, .to = path};
    const tleg_context_options options = {
        .struct_size = sizeof options, .alloc = swapping_alloc, .release = swapping_release, .alloc_host = &swapper};
    long calls = 1;
    for (long at = 1; at <= calls; at++) {
        tleg_context *own;
        write_all(path, bytes, size);
        write_all(next, moved, size + MORE);
        swapper.at = 0;
        OK(context, tleg_context_create(&options, &own));
        swapper.calls = 0;
        swapper.at = at;
        OK(own, tleg_file_open(own, path, NULL, &file));
        calls = swapper.calls;
        swapper.at = 0;
        assert_same_tensors(own, file, truth);
        tleg_file_free(file);
        tleg_context_free(own);
    }
    tleg_file_free(truth);
    free(moved);
    free(bytes);
    free(data);
}

static void texts_beside_a_graph_say_more_and_nothing_else(void **state) {
    (void)state;
    static const char
        more[] = "{\"model_type\": \"vit\", \"hidden_act\": \"gelu\", \"num_attention_heads\": 3, \"layer_norm_eps\": 1e-12,"
                 " \"id2label\": {\"0\": \"bee\", \"1\": \"owl\", \"2\": \"cat\", \"3\": \"dog\", \"4\": \"elk\"}}",
        other[] = "{\"model_type\": \"vit\", \"hidden_act\": \"relu\", \"num_attention_heads\": 3, \"layer_norm_eps\": 1e-12}";
    const char *made = support_scratch("model.onnx"), *config = support_scratch("config.json");
    tleg_config c = {.struct_size = sizeof c};
    tleg_model *model;
    size_t size;
    unsigned char *bytes = read_all(fixture("hugging-face-vit", ".onnx"), &size);
    write_all(made, bytes, size);
    free(bytes);
    write_all(config, more, sizeof more - 1);
    OK(context, tleg_model_open(context, made, NULL, &model));
    OK(context, tleg_model_get_info(context, model, &c));
    assert_int_equal(c.label_count, 5);
    assert_string_equal(c.labels[1], "owl");
    tleg_model_free(model);
    write_all(config, other, sizeof other - 1);
    assert_refused(tleg_model_open(context, made, NULL, &model), TLEG_ERROR_FORMAT,
                   "tleg.activation: expected \"gelu\" as the graph says, found \"relu\" beside it");
    remove(made);
    remove(config);
}

static void a_file_that_was_cut_is_refused(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = read_all(fixture("timm", ".onnx"), &size);
    for (size_t length = 0; length < size; length += length < 4096 ? 7 : 331) {
        unsigned char *cut = malloc(length + 1);
        tleg_model *model;
        assert_non_null(cut);
        memcpy(cut, bytes, length);
        const tleg_status status = tleg_model_parse(context, cut, length, NULL, &model);
        assert_true(status == TLEG_ERROR_FORMAT || status == TLEG_ERROR_UNSUPPORTED);
        free(cut);
    }
    free(bytes);
}

static void a_learngene_is_not_read_from_a_graph(void **state) {
    (void)state;
    tleg_learngene *gene;
    assert_int_not_equal(tleg_learngene_open(context, fixture("timm", ".onnx"), NULL, &gene), TLEG_OK);
}

static void tensors_of_a_graph_are_a_files(void **state) {
    (void)state;
    tleg_file *file;
    tleg_tensor *tensor;
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_file_open(context, fixture("timm-beside", ".onnx"), NULL, &file));
    OK(context, tleg_file_get_tensor_info(context, file, "pos_embed", &info));
    assert_int_equal(info.rank, 3);
    assert_int_equal(info.shape[1], 5);
    OK(context, tleg_file_read_tensor(context, file, "pos_embed", &tensor));
    tleg_tensor_free(tensor);
    tleg_file_free(file);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_exporters_write_answers_as_the_model_did),
        cmocka_unit_test(pictures_that_a_graph_prepares_itself_come_as_bytes),
        cmocka_unit_test(weights_of_half_a_word_stay_so),
        cmocka_unit_test(what_is_exported_comes_back_bit_for_bit),
        cmocka_unit_test(golden_models_come_back_bit_for_bit),
        cmocka_unit_test(unusual_networks_come_back_bit_for_bit),
        cmocka_unit_test(labels_and_pictures_are_those_of_the_metadata),
        cmocka_unit_test(other_graphs_are_refused_by_the_first_node_that_does_not_fit),
        cmocka_unit_test(keys_that_contradict_the_graph_are_refused),
        cmocka_unit_test(a_graph_has_so_many_tensors_and_files),
        cmocka_unit_test(numbers_in_another_file_are_found_beside_it_alone),
        cmocka_unit_test(a_graph_and_its_numbers_are_of_one_file),
        cmocka_unit_test(texts_beside_a_graph_say_more_and_nothing_else),
        cmocka_unit_test(a_file_that_was_cut_is_refused),
        cmocka_unit_test(a_learngene_is_not_read_from_a_graph),
        cmocka_unit_test(tensors_of_a_graph_are_a_files),
    };
    support_filter(argc, argv);
    return cmocka_run_group_tests(tests, prepare, clean);
}
