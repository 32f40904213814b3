/* Rules for names through the calls that open models. */
#include "support/support.h"
#include "support/vit_file.h"

#include <tleg/learngene.h>
#include <tleg/model.h>

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

static const char rules[] = "my.*.weight -> *.weight\n"
                            "places -> pos_embed\n"
                            "tleg.heads = 3\n";

static void disguise(struct vit_file *made) {
    vit_model(made, 2);
    vit_rename(made, "head.weight", "my.head.weight");
    vit_rename(made, "norm.weight", "my.norm.weight");
    vit_rename(made, "pos_embed", "places");
    vit_reshape(made, "places", "9,12");
}

static void a_model_opens_under_the_names_that_rules_give(void **state) {
    (void)state;
    struct vit_file made;
    size_t size;
    tleg_model *model;
    disguise(&made);
    unsigned char *bytes = vit_bytes(&made, &size);
    tleg_open_options options = {.struct_size = sizeof options, .names = rules};
    tleg_config info = {.struct_size = sizeof info};
    OK(context, tleg_model_parse(context, bytes, size, &options, &model));
    OK(context, tleg_model_get_info(context, model, &info));
    assert_int_equal(info.heads, 3);
    assert_int_equal(info.depth, 2);
    assert_int_equal(info.ignored_count, 0);
    tleg_model_free(model);
    options.struct_size = 16; /* of a host that knows no names */
    assert_int_equal(tleg_model_parse(context, bytes, size, &options, &model), TLEG_ERROR_FORMAT);
    options = (tleg_open_options){.struct_size = sizeof options, .names = "nonsense"};
    assert_int_equal(tleg_model_parse(context, bytes, size, &options, &model), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), "names: line 1"));
    free(bytes);
}

/* What a question mark leaves open is said when the file is opened, or the file is refused. */
static void a_question_is_answered_when_the_file_is_opened(void **state) {
    (void)state;
    struct vit_file made;
    size_t size;
    tleg_model *model;
    tleg_config info = {.struct_size = sizeof info};
    vit_model(&made, 2);
    unsigned char *bytes = vit_bytes(&made, &size);
    tleg_open_options options = {.struct_size = sizeof options, .names = "tleg.heads = ?\ntleg.activation = ?\n"};
    assert_int_equal(tleg_model_parse(context, bytes, size, &options, &model), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), "tleg.heads: how many heads"));
    options.heads = 4;
    assert_int_equal(tleg_model_parse(context, bytes, size, &options, &model), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), "tleg.activation: expected"));
    options.activation = TLEG_MLP_RELU;
    OK(context, tleg_model_parse(context, bytes, size, &options, &model));
    OK(context, tleg_model_get_info(context, model, &info));
    assert_int_equal(info.heads, 4);
    assert_int_equal(info.mlp, TLEG_MLP_RELU);
    tleg_model_free(model);
    free(bytes);
}

static void learngenes_and_tensors_take_no_rules(void **state) {
    (void)state;
    struct vit_file made;
    size_t size;
    tleg_learngene *gene;
    tleg_file *file;
    vit_gene(&made);
    unsigned char *bytes = vit_bytes(&made, &size);
    const tleg_open_options options = {.struct_size = sizeof options, .names = rules};
    assert_int_equal(tleg_learngene_parse(context, bytes, size, &options, &gene), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "names"));
    assert_int_equal(tleg_file_open(context, "nowhere", &options, &file), TLEG_ERROR_ARGUMENT);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_opens_under_the_names_that_rules_give),
        cmocka_unit_test(a_question_is_answered_when_the_file_is_opened),
        cmocka_unit_test(learngenes_and_tensors_take_no_rules),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
