/* Small models as other libraries write them (tests/fixtures/layouts.py): their answers are those of the library that wrote
 * them. */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/file.h>
#include <tleg/model.h>
#include <tleg/session.h>

static tleg_context *context;

static int setup(void **state) {
    (void)state;
    return tleg_context_create(NULL, &context);
}

static int teardown(void **state) {
    (void)state;
    tleg_context_free(context);
    return 0;
}

static const char *const layouts[] = {"hugging-face-vit",
                                      "hugging-face-vit-without-head",
                                      "hugging-face-deit",
                                      "hugging-face-deit-distilled",
                                      "hugging-face-msn",
                                      "hugging-face-mae",
                                      "hugging-face-ijepa",
                                      "hugging-face-beit",
                                      "hugging-face-data2vec",
                                      "hugging-face-dinov2",
                                      "hugging-face-dinov2-with-registers",
                                      "hugging-face-clip",
                                      "hugging-face-clip-without-projection",
                                      "hugging-face-clip-both-towers",
                                      "hugging-face-siglip",
                                      "hugging-face-siglip-both-towers",
                                      "hugging-face-siglip-classifier",
                                      "hugging-face-siglip2-naflex",
                                      "hugging-face-siglip2-naflex-classifier",
                                      "timm-naflexvit_base_patch16_gap",
                                      "timm-naflexvit_base_patch16_siglip",
                                      "timm-siglip",
                                      "openclip",
                                      "openclip-clipa",
                                      "openai-clip",
                                      "torchvision",
                                      "vit-pytorch-early",
                                      "meta-dinov2-with-registers",
                                      "microsoft-beit-without-relative-positions",
                                      "meta-deit-3",
                                      "hugging-face-dinov2-giant",
                                      "hugging-face-dinov3",
                                      "hugging-face-dinov3-gated",
                                      "timm-eva02_tiny_patch14_224",
                                      "timm-eva02_base_patch16_clip_224",
                                      "timm-vit_small_plus_patch16_dinov3",
                                      "timm-vit_base_patch16_lingbot",
                                      "timm-vit_small_patch16_rope_224",
                                      "timm-vit_small_patch16_rope_ape_224",
                                      "timm-vit_medium_patch16_rope_reg1_gap_256",
                                      "timm-vit_base_patch16_rpn_224",
                                      "timm-beit3_base_patch16_224",
                                      "timm-vit_giant_patch14_dinov2",
                                      "timm-vit_so150m_patch16_reg4_map_256",
                                      "timm-vit_pe_core_tiny_patch16_384",
                                      "hugging-face-aimv2",
                                      "timm-aimv2_large_patch14_224",
                                      "timm-vit_base_patch16_radio_v3",
                                      "timm-vit_pe_spatial_tiny_patch16_512",
                                      "timm-encoder-mean",
                                      "timm-clip-attention",
                                      "timm-dinov3-without-registers",
                                      "timm-qk-norm",
                                      "timm-max-pool",
                                      "timm-avgmax-pool",
                                      "timm-token-pool-fc-norm",
                                      "hugging-face-dinov2-classifier",
                                      "hugging-face-dinov2-with-registers-classifier",
                                      "vit-pytorch",
                                      "vit-pytorch-mean",
                                      "vit-pytorch-inner",
                                      "vit-pytorch-simple-inner",
                                      "hugging-face-internvl",
                                      "opengvlab-internvit",
                                      "vit-pytorch-simple",
                                      "home-uva",
                                      "home-mrdbourke",
                                      "home-tintn",
                                      "home-jeonsworld",
                                      "home-lukemelas",
                                      "home-s-chh",
                                      "home-s-chh-layers",
                                      "torchvision-representation",
                                      "torchvision-other-head",
                                      "torchvision-backbone",
                                      "timm-made-otherwise",
                                      "timm-mean-of-all-tokens",
                                      "timm-deit3-backbone",
                                      "timm-early-representation",
                                      "hugging-face-siglip-pixels-left-over",
                                      "timm-pixels-left-over"};

static const float *read(const tleg_file *file, const char *name, tleg_tensor **tensor, tleg_tensor_info *info) {
    *info = (tleg_tensor_info){.struct_size = sizeof *info};
    OK(context, tleg_file_read_tensor(context, file, name, tensor));
    OK(context, tleg_tensor_get_info(context, *tensor, info));
    return info->data;
}

/* Logits, or features where there is no head, differ from `expected` by at most 1e-4 of its largest. */
static void assert_answers(const char *name, const tleg_model *model, const float *images, const float *expected,
                           int64_t width) {
    tleg_config config = {.struct_size = sizeof config};
    tleg_session *session;
    float answers[64];
    double largest = 0, worst = 0;
    OK(context, tleg_model_get_info(context, model, &config));
    const bool head = config.classes > 0;
    assert_int_equal(width, head ? config.classes : config.dim);
    const tleg_session_options options = {.struct_size = sizeof options, .batch = 2};
    OK(context, tleg_session_create(context, model, &options, &session));
    assert_int_equal(tleg_session_run(session, 2, images, 2 * 3 * 8 * 8, head ? answers : NULL, head ? (size_t)(2 * width) : 0,
                                      head ? NULL : answers, head ? 0 : (size_t)(2 * width)),
                     TLEG_OK);
    for (int64_t k = 0; k < 2 * width; k++) {
        largest = fmax(largest, fabs((double)expected[k]));
        worst = fmax(worst, fabs((double)answers[k] - (double)expected[k]));
    }
    if (!(worst <= 1e-4 * largest)) {
        print_error("%s: differs by %g of %g\n", name, worst, largest);
        fail();
    }
    tleg_session_free(session);
}

static void every_layout_answers_as_its_own_library(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof layouts / sizeof *layouts; k++) {
        char path[512];
        tleg_file *file;
        tleg_model *model;
        tleg_tensor *tensors[2];
        tleg_tensor_info info[2];
        const tleg_preparation_options pictures = {.struct_size = sizeof pictures, .image_size = 8};
        const bool sized = strstr(layouts[k], "simple") == NULL;  /* whose files do not say how large pictures are */
        const bool told = strstr(layouts[k], "backbone") != NULL; /* what the head is: the rest is its family's */
        const tleg_open_options options = {.struct_size = sizeof options,
                                           .heads = 3,
                                           .names = told ? "fc.* -> head.*\n" : NULL,
                                           .pictures = sized ? NULL : &pictures};
        snprintf(path, sizeof path, TLEG_FIXTURES "/layouts/%s/expected.safetensors", layouts[k]);
        OK(context, tleg_file_open(context, path, NULL, &file));
        const float *images = read(file, "images", &tensors[0], &info[0]),
                    *expected = read(file, "expected", &tensors[1], &info[1]);
        snprintf(path, sizeof path, TLEG_FIXTURES "/layouts/%s", layouts[k]);
        OK(context, tleg_model_open(context, path, &options, &model));
        assert_answers(layouts[k], model, images, expected, info[1].shape[1]);
        tleg_model_free(model);
        tleg_tensor_free(tensors[0]);
        tleg_tensor_free(tensors[1]);
        tleg_file_free(file);
    }
}

/* A key of the host's rules stays, whatever the family's say. */
static void rules_have_their_way_before_a_familys(void **state) {
    (void)state;
    const tleg_open_options options = {.struct_size = sizeof options, .heads = 3, .names = "fc.* -> head.*\ntleg.eps = 0.5\n"};
    tleg_config config = {.struct_size = sizeof config};
    tleg_model *model;
    OK(context, tleg_model_open(context, TLEG_FIXTURES "/layouts/torchvision-backbone", &options, &model));
    OK(context, tleg_model_get_info(context, model, &config));
    assert_true(config.eps == 0.5);
    tleg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layout_answers_as_its_own_library),
                                       cmocka_unit_test(rules_have_their_way_before_a_familys)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
