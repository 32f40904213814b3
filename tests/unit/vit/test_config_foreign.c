/* Files of other tools: what is passed over, what is refused, and what is guessed, each said. */
#include "support/config_reading.h"

static char note[2048];

static void TLEG_CALL take_note(void *host, const char *text) {
    (void)host;
    snprintf(note + strlen(note), sizeof note - strlen(note), "%s\n", text);
}

static void unknown_tensors_are_listed_and_noted(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    const tleg_context_options options = {.struct_size = sizeof options, .log = take_note};
    tleg_context *talking;
    assert_int_equal(tleg_context_create(&options, &talking), TLEG_OK);
    vit_model(&made, 2);
    vit_add(&made, "step", "");
    vit_add(&made, "extra.empty", "0");
    vit_find(&made, "step")->type = "I64";
    OK(talking, read_with(talking, &made, 3, false, &config));
    assert_int_equal(config.c.depth, 2);
    assert_int_equal(config.c.ignored_count, 2);
    assert_string_equal(config.c.ignored[0], "step");
    assert_string_equal(config.c.ignored[1], "extra.empty");
    assert_non_null(strstr(note, "2 tensor(s)"));
    assert_non_null(strstr(note, "\"step\""));
    tleg_config_free(&config);
    tleg_context_free(talking);
}

static void a_mistyped_key_is_noted_and_another_tools_is_not(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    const tleg_context_options options = {.struct_size = sizeof options, .log = take_note};
    tleg_context *talking;
    assert_int_equal(tleg_context_create(&options, &talking), TLEG_OK);
    *note = 0;
    vit_gene(&made);
    vit_key(&made, "format", "pt");
    vit_key(&made, "tlegend", "none");
    OK(talking, read_with(talking, &made, 0, true, &config));
    assert_string_equal(note, "");
    tleg_config_free(&config);
    vit_key(&made, "tleg.image", "12");
    OK(talking, read_with(talking, &made, 0, true, &config));
    assert_string_equal(note, "(memory): the metadata key \"tleg.image\" is unknown and not used\n");
    tleg_config_free(&config);
    tleg_context_free(talking);
}

static void parts_of_other_architectures_are_not_passed_over(void **state) {
    (void)state;
    static const char *const names[] = {"blocks.0.ls1.gamma",
                                        "blocks.1.attn.q_norm.weight",
                                        "norm_pre.weight",
                                        "reg_token",
                                        "blocks.0.attn.relative_position_bias_table",
                                        "blocks.1.attn.q_bias",
                                        "blocks.0.attn.rel_pos.mlp.fc1.weight",
                                        "register_tokens",
                                        "patch_embed.norm.weight"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct vit_file made;
        vit_model(&made, 2);
        vit_add(&made, names[k], "12");
        const struct vit_fault fault = {'+', names[k], NULL, {names[k], "plain ViT"}, TLEG_ERROR_UNSUPPORTED};
        must_refuse(&made, &fault, 3, false);
        vit_remove(&made, "patch_embed.proj.bias"); /* what they lack besides says less */
        must_refuse(&made, &fault, 3, false);
    }
}

/* timm has models of the same names that pool or activate otherwise: what a file without keys is taken for is said. */
static void what_is_guessed_of_a_model_without_keys_is_noted(void **state) {
    (void)state;
    static const struct {
        const char *tokens[2], *rows, *norm, *says;
    } cases[] = {
        {{NULL}, "1,9,12", "norm", "whose head reads the mean of the patches (exact GELU"},
        {{NULL}, "1,9,12", "fc_norm", "whose head reads the mean of the patches, then fc_norm"},
        {{"cls_token"}, "1,10,12", "norm", "whose head reads the class token"},
        {{"cls_token"}, "1,10,12", "fc_norm", "whose head reads the mean of the patches, then fc_norm"},
        {{"cls_token", "dist_token"}, "1,11,12", "norm", "whose head reads the class and the distillation token"},
    };
    const tleg_context_options options = {.struct_size = sizeof options, .log = take_note};
    tleg_context *talking;
    assert_int_equal(tleg_context_create(&options, &talking), TLEG_OK);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct vit_file made;
        struct tleg_vit_config config;
        char name[40];
        vit_model(&made, 2);
        vit_reshape(&made, "pos_embed", cases[k].rows);
        snprintf(name, sizeof name, "%s.weight", cases[k].norm);
        vit_rename(&made, "norm.weight", name);
        snprintf(name, sizeof name, "%s.bias", cases[k].norm);
        vit_rename(&made, "norm.bias", name);
        for (int t = 0; t < 2 && cases[k].tokens[t]; t++)
            vit_add(&made, cases[k].tokens[t], "1,1,12");
        if (vit_find(&made, "dist_token")) {
            vit_add(&made, "head_dist.weight", "5,12");
            vit_add(&made, "head_dist.bias", "5");
        }
        *note = 0;
        OK(talking, read_with(talking, &made, 3, false, &config));
        tleg_config_free(&config);
        must_say(note, (const char *const[3]){cases[k].says, "no tleg. keys", "(memory)"});
        *note = 0;
        vit_key(&made, "tleg.heads", "3"); /* who writes keys means them */
        OK(talking, read_with(talking, &made, 0, false, &config));
        tleg_config_free(&config);
        assert_string_equal(note, "");
    }
    tleg_context_free(talking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_tensors_are_listed_and_noted),
        cmocka_unit_test(a_mistyped_key_is_noted_and_another_tools_is_not),
        cmocka_unit_test(parts_of_other_architectures_are_not_passed_over),
        cmocka_unit_test(what_is_guessed_of_a_model_without_keys_is_noted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
