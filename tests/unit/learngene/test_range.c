/* F16 holds numbers up to 65504: a gene or a model with a larger one is refused where F16 is asked for, and never runs on an
 * infinity. */
#include "support/spoilt.h"
#include "support/suite_context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FC1 "blocks.block.mlp.fc1.instances.0."

static tleg_status pack(const struct spoilt *file, tleg_dtype dtype, tleg_expander **expander) {
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtype};
    return tleg_expander_parse(context, file->bytes, file->size, NULL, &options, expander);
}

static tleg_status expand(const tleg_expander *expander, int32_t depth) {
    tleg_model *model;
    const tleg_status status = tleg_expander_expand(context, expander, depth, &model);
    assert_int_equal(model != NULL, status == TLEG_OK);
    tleg_model_free(model);
    return status;
}

#define SAYS(text, part) assert_non_null(strstr(text, part))

/* 60000 + c * 30000, where c is 0 for the only layer of one, and 1/2 for the second of two. */
static void a_layer_that_f16_does_not_hold_is_named(void **state) {
    (void)state;
    const struct spoilt file = spoilt_file(support_path("cls", ".gene.safetensors"));
    static const char *const parts[] = {"weight", "bias"};
    for (int part = 0; part < 2; part++) {
        char base[64], ilayer[64], named[64];
        tleg_expander *expander;
        tleg_session *session;
        snprintf(base, sizeof base, FC1 "%s_base", parts[part]);
        snprintf(ilayer, sizeof ilayer, FC1 "%s_ilayer", parts[part]);
        snprintf(named, sizeof named, "\"blocks.1.mlp.fc1.%s\" of depth 2: a number is too large for F16", parts[part]);
        spoilt_put(&file, base, 60000);
        spoilt_put(&file, ilayer, 30000);
        OK(context, pack(&file, TLEG_F16, &expander));
        assert_int_equal(expand(expander, 1), TLEG_OK);
        assert_int_equal(expand(expander, 2), TLEG_ERROR_NUMERIC);
        SAYS(tleg_context_get_error(context), named);
        assert_int_equal(tleg_session_create_elastic(context, expander, 2, NULL, &session), TLEG_ERROR_NUMERIC);
        assert_null(session);
        SAYS(tleg_context_get_error(context), named);
        tleg_expander_free(expander);
        spoilt_put(&file, base, -40000); /* and now no layer of any depth leaves the range */
        OK(context, pack(&file, TLEG_F16, &expander));
        assert_int_equal(expand(expander, 9), TLEG_OK);
        tleg_expander_free(expander);
        spoilt_put(&file, base, 60000);
        for (int32_t wide = 0; wide < 2; wide++) {
            OK(context, pack(&file, wide ? TLEG_F32 : TLEG_BF16, &expander));
            assert_int_equal(expand(expander, 2), TLEG_OK);
            tleg_expander_free(expander);
        }
        spoilt_put(&file, base, 0);
        spoilt_put(&file, ilayer, 0);
    }
    free(file.bytes);
}

/* The largest number that rounds to a finite one is a weight as any other. */
static void the_range_ends_where_rounding_says(void **state) {
    (void)state;
    const struct spoilt file = spoilt_file(support_path("cls", ".gene.safetensors"));
    tleg_expander *expander;
    spoilt_put(&file, FC1 "weight_base", nextafterf(65520, 0));
    spoilt_put(&file, FC1 "weight_ilayer", 0);
    OK(context, pack(&file, TLEG_F16, &expander));
    assert_int_equal(expand(expander, 3), TLEG_OK);
    tleg_expander_free(expander);
    spoilt_put(&file, FC1 "weight_base", -65520);
    OK(context, pack(&file, TLEG_F16, &expander));
    assert_int_equal(expand(expander, 3), TLEG_ERROR_NUMERIC);
    tleg_expander_free(expander);
    free(file.bytes);
}

/* 40000 + c * 34000, where the layers of depth 2 have c of 0 and 1/2, and the last of depth 8 has 7/8. The layers before that
 * one are those of depth 8 already when it is found. */
static void an_elastic_session_keeps_its_depth(void **state) {
    (void)state;
    const struct spoilt file = spoilt_file(support_path("cls", ".gene.safetensors"));
    tleg_expander *expander;
    tleg_session *session;
    tleg_session_info info = {.struct_size = sizeof info};
    spoilt_put(&file, FC1 "weight_base", 40000);
    spoilt_put(&file, FC1 "weight_ilayer", 34000);
    OK(context, pack(&file, TLEG_F16, &expander));
    OK(context, tleg_session_create_elastic(context, expander, 2, NULL, &session));
    OK(context, tleg_session_get_info(context, session, &info));
    float *image = support_values(1, (size_t)info.image_floats, 1, 0);
    float *logits[2] = {calloc((size_t)info.logit_floats, sizeof(float)), calloc((size_t)info.logit_floats, sizeof(float))};
    assert_true(logits[0] && logits[1]);
    OK_SESSION(session, support_run(session, image, 1, logits[0], NULL));
    assert_int_equal(tleg_session_set_depth(session, 8), TLEG_ERROR_NUMERIC);
    SAYS(tleg_session_get_error(session), "of depth 8");
    OK(context, tleg_session_get_info(context, session, &info));
    assert_int_equal(info.depth, 2);
    OK_SESSION(session, support_run(session, image, 1, logits[1], NULL));
    assert_memory_equal(logits[0], logits[1], info.logit_floats * sizeof(float));
    assert_true(isfinite(logits[0][0]));
    free(image);
    free(logits[0]);
    free(logits[1]);
    tleg_session_free(session);
    tleg_expander_free(expander);
    free(file.bytes);
}

static void what_is_outside_the_blocks_is_looked_at_when_it_is_packed(void **state) {
    (void)state;
    static const char *const names[] = {"head.weight", "norm.bias"};
    for (int k = 0; k < 2; k++) {
        const struct spoilt file = spoilt_file(support_path("cls", ".gene.safetensors"));
        tleg_expander *expander;
        spoilt_put(&file, names[k], 1e5f);
        assert_int_equal(pack(&file, TLEG_F16, &expander), TLEG_ERROR_NUMERIC);
        assert_null(expander);
        SAYS(tleg_context_get_error(context), names[k]);
        SAYS(tleg_context_get_error(context), "number 1 is too large for F16");
        OK(context, pack(&file, TLEG_BF16, &expander));
        tleg_expander_free(expander);
        free(file.bytes);
    }
}

static void a_model_is_not_opened_as_f16_with_such_a_number(void **state) {
    (void)state;
    static const char *const names[] = {"blocks.2.mlp.fc1.weight", "blocks.0.attn.qkv.bias", "patch_embed.proj.weight"};
    const struct spoilt gene = spoilt_file(support_path("cls", ".gene.safetensors"));
    tleg_expander *expander;
    tleg_model *model;
    OK(context, pack(&gene, TLEG_F32, &expander));
    OK(context, tleg_expander_expand(context, expander, 3, &model));
    OK(context, tleg_model_save(context, model, support_scratch("three.safetensors"), NULL));
    tleg_model_free(model);
    tleg_expander_free(expander);
    for (int k = 0; k < 3; k++) {
        const struct spoilt file = spoilt_file(support_scratch("three.safetensors"));
        tleg_open_options options = {.struct_size = sizeof options, .dtype = TLEG_F16};
        spoilt_put(&file, names[k], -1e5f);
        assert_int_equal(tleg_model_parse(context, file.bytes, file.size, &options, &model), TLEG_ERROR_NUMERIC);
        assert_null(model);
        SAYS(tleg_context_get_error(context), names[k]);
        options.dtype = TLEG_BF16;
        OK(context, tleg_model_parse(context, file.bytes, file.size, &options, &model));
        tleg_model_free(model);
        free(file.bytes);
    }
    free(gene.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_that_f16_does_not_hold_is_named),
        cmocka_unit_test(the_range_ends_where_rounding_says),
        cmocka_unit_test(an_elastic_session_keeps_its_depth),
        cmocka_unit_test(what_is_outside_the_blocks_is_looked_at_when_it_is_packed),
        cmocka_unit_test(a_model_is_not_opened_as_f16_with_such_a_number),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
