/* Pictures are prepared as transformers' image processors do by the same preprocessor_config.json, or as a host says. */
#include "support/noted_context.h"
#include "support/vit_file.h"

#include <math.h>

enum { SIDE = 12, PIXELS = 3 * SIDE * SIDE, RECORDS = 182 };

struct record { /* of tests/fixtures/processors/make.py */
    char text[256], model_type[32];
    int32_t width, height;
    uint8_t made[PIXELS];
};

static uint8_t *pattern(int32_t width, int32_t height) {
    const size_t count = 3 * (size_t)width * (size_t)height;
    uint8_t *pixels = malloc(count);
    assert_non_null(pixels);
    for (size_t i = 0; i < count; i++)
        pixels[i] = (uint8_t)((uint32_t)i * 2654435761u >> 24);
    return pixels;
}

static void escape(const char *text, char *out) {
    for (; *text; *out++ = *text++)
        if (*text == '"')
            *out++ = '\\';
    *out = '\0';
}

/* timm's model of 12 x 12 pixels beside a text, and a config.json that has a model_type unless that is "". */
static tleg_status open_beside(const char *name, const char *text, const char *model_type, const tleg_open_options *how,
                               tleg_preparation **preparation) {
    struct vit_file file;
    char escaped[512], config[64];
    size_t size;
    vit_model(&file, 1);
    escape(text, escaped);
    vit_key(&file, name, escaped);
    snprintf(config, sizeof config, "{\\\"model_type\\\": \\\"%s\\\"}", model_type);
    if (*model_type)
        vit_key(&file, "config.json", config);
    unsigned char *bytes = vit_bytes(&file, &size);
    tleg_model *model = NULL;
    const tleg_status status = tleg_model_parse(context, bytes, size, how, &model);
    if (status == TLEG_OK)
        OK(context, tleg_model_copy_preparation(context, model, preparation));
    tleg_model_free(model);
    free(bytes);
    return status;
}

static void pictures_are_those_of_transformers(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *file = support_read_file(TLEG_FIXTURES "/processors/processors.bin", &bytes);
    const struct record *records = (const struct record *)file;
    assert_int_equal(bytes, RECORDS * sizeof *records);
    for (size_t k = 0; k < RECORDS; k++) {
        const struct record *record = &records[k];
        float out[PIXELS];
        const tleg_open_options how = {.struct_size = sizeof how, .heads = 3};
        tleg_preparation *preparation = NULL;
        tleg_preparation_info info = {.struct_size = sizeof info};
        OK(context, open_beside("preprocessor_config.json", record->text, record->model_type, &how, &preparation));
        OK(context, tleg_preparation_get_info(context, preparation, &info));
        uint8_t *pixels = pattern(record->width, record->height);
        const tleg_image image = {.struct_size = sizeof image,
                                  .layout = TLEG_PIXELS_RGB,
                                  .width = record->width,
                                  .height = record->height,
                                  .pixels = pixels};
        OK(context, tleg_image_prepare(context, preparation, &image, out, PIXELS));
        for (int i = 0; i < PIXELS; i++) {
            const int channel = i / (SIDE * SIDE);
            const double found = ((double)out[i] * info.std[channel] + info.mean[channel]) * 255;
            if (fabs(found - record->made[i]) > 1e-3)
                fail_msg("%s %s, %d x %d: value %d: expected %d, found %g", record->text, record->model_type, record->width,
                         record->height, i, record->made[i], found);
        }
        free(pixels);
        tleg_preparation_free(preparation);
    }
    free(file);
}

/* Ways that this library does not know, and what their error names; a host's word takes their place, and leaves the rest. */
static void what_is_not_computed_is_the_hosts_to_replace(void **state) {
    (void)state;
    static const char *const cases[][4] = {
        {"preprocessor_config.json", "{\"resample\": 1}", "interpolation", "lanczos"},
        {"preprocessor_config.json", "{\"resample\": 0}", "interpolation", "nearest"},
        {"preprocessor_config.json", "{\"resample\": 5}", "interpolation", "hamming"},
        {"preprocessor_config.json", "{\"resample\": 6}", "interpolation", "unknown"},
        {"config.json", "{\"architecture\": \"x\", \"interpolation\": \"lanczos\"}", "interpolation", "lanczos"},
        {"config.json", "{\"architecture\": \"x\", \"interpolation\": \"nearest-exact\"}", "interpolation", "nearest-exact"},
        {"config.json", "{\"architecture\": \"x\", \"crop_mode\": \"border\"}", "fit", "border"},
        {"open_clip_config.json", "{\"model_cfg\": {}, \"preprocess_cfg\": {\"resize_mode\": \"longest\"}}", "fit", "longest"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const char *name = cases[k][0], *text = cases[k][1];
        const bool fit = strcmp(cases[k][2], "fit") == 0;
        const tleg_preparation_options said = {
            .struct_size = sizeof said, .fit = fit ? TLEG_FIT_SQUASH : 0, .interpolation = fit ? 0 : TLEG_INTERPOLATION_BOX};
        const tleg_preparation_options other = {
            .struct_size = sizeof other, .fit = fit ? 0 : TLEG_FIT_SQUASH, .interpolation = fit ? TLEG_INTERPOLATION_BOX : 0};
        tleg_open_options how = {.struct_size = sizeof how, .heads = 3};
        const tleg_preparation_options *const silent[] = {NULL, &other};
        tleg_preparation *preparation = NULL;
        for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
            how.pictures = silent[i];
            assert_int_equal(open_beside(name, text, "", &how, &preparation), TLEG_ERROR_UNSUPPORTED);
            assert_non_null(strstr(tleg_context_get_error(context), "pictures (--interpolation, --fit)"));
            assert_non_null(strstr(tleg_context_get_error(context), cases[k][3]));
        }
        const tleg_open_options told[] = {
            {.struct_size = sizeof how, .heads = 3, .pictures = &said},
            {.struct_size = sizeof how, .heads = 3, .names = fit ? "tleg.fit = squash\n" : "tleg.interpolation = box\n"}};
        for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
            tleg_preparation_info info = {.struct_size = sizeof info};
            OK(context, open_beside(name, text, "", &told[i], &preparation));
            OK(context, tleg_preparation_get_info(context, preparation, &info));
            assert_int_equal(info.fit, fit ? TLEG_FIT_SQUASH : TLEG_FIT_CROP);
            assert_int_equal(info.interpolation, fit ? TLEG_INTERPOLATION_BICUBIC : TLEG_INTERPOLATION_BOX);
            tleg_preparation_free(preparation);
        }
    }
}

/* What is assumed of a processor that is not known here is said once. */
static void what_an_unknown_processor_leaves_open_is_noted(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"size\": 12}", "as it stands, size as the shorter side, resample as bicubic\n"},
        {"{\"image_processor_type\": \"OtherImageProcessor\", \"size\": 12, \"resample\": 2}",
         "as it stands, size as the shorter side\n"},
        {"{\"size\": {\"height\": 12, \"width\": 12}}", "as it stands, resample as bicubic\n"},
        {"{\"size\": {\"height\": 12, \"width\": 12}, \"resample\": 2}", NULL},
        {"{\"image_processor_type\": \"ViTImageProcessor\", \"size\": 12}", NULL},
        {"{\"image_processor_type\": \"CLIPImageProcessorFast\", \"size\": 12}", NULL},
        {"{\"image_processor_type\": \"ConvNextImageProcessor\", \"size\": {\"shortest_edge\": 12}, \"crop_pct\": 0.8, "
         "\"resample\": 3}",
         "as it stands\n"},
        {"{\"do_resize\": false, \"size\": 12}", NULL}};
    const tleg_open_options how = {.struct_size = sizeof how, .heads = 3};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        tleg_preparation *preparation = NULL;
        *note = '\0';
        OK(context, open_beside("preprocessor_config.json", cases[k][0], "", &how, &preparation));
        const char *found = strstr(note, "its image processor");
        assert_int_equal(found != NULL, cases[k][1] != NULL);
        assert_true(!found || (strstr(note, cases[k][1]) && !strstr(found + 1, "its image processor")));
        tleg_preparation_free(preparation);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_those_of_transformers),
        cmocka_unit_test(what_is_not_computed_is_the_hosts_to_replace),
        cmocka_unit_test(what_an_unknown_processor_leaves_open_is_noted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
