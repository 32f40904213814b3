/* Files of other tools: what is passed over, what is refused, and what is guessed, each said. */
#include "support/config_reading.h"
#include "support/notes.h"

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
    assert_non_null(strstr(note, "\"step\", \"extra.empty\""));
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
    static const char *const names[] = {"blocks.0.attn.relative_position_bias_table",
                                        "blocks.1.attn.q_bias",
                                        "blocks.0.attn.rel_pos.mlp.fc1.weight",
                                        "register_tokens",
                                        "attn_pool.pos_embed",
                                        "attn_pool.q_norm.weight",
                                        "attn_pool.probe"};
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

/* Every method that adds to a block writes names of its own: none is passed over, whatever it is called. */
static void nothing_unknown_inside_a_block_is_passed_over(void **state) {
    (void)state;
    static const char *const parts[] = {"adapter.down.weight",
                                        "attn.adapter.up.bias",
                                        "prompt",
                                        "attn.prompts",
                                        "attn.temperature",
                                        "gate",
                                        "mlp.gate_proj.weight",
                                        "attn.qkv.dora_magnitude",
                                        "attn.qkv.scale",
                                        "ssf_scale_1",
                                        "attn.logit_scale",
                                        "attn.ia3_l",
                                        "attn.qkv.weight_mask",
                                        "alpha",
                                        "norm3.weight",
                                        "attn.qkv.weight.absmax",
                                        "attn.qkv.instances.weight",
                                        "attn.relative_position_index"};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
        for (int gene = 0; gene < 2; gene++) {
            struct vit_file made;
            char name[96];
            gene ? vit_gene(&made) : vit_model(&made, 2);
            snprintf(name, sizeof name, "blocks.%s.%s", gene ? "block" : "1", parts[k]);
            vit_add(&made, name, "12");
            const struct vit_fault fault = {'+', name, NULL, {name, "among the blocks"}, TLEG_ERROR_UNSUPPORTED};
            must_refuse(&made, &fault, gene ? 0 : 3, gene);
        }
    static const char *const others[] = {"blocks.0.adapter.weight", "blocks.7.prompt", "blocks.extra", "blocks.0"};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) { /* in a learngene, where a model's layers may stand */
        struct vit_file made;
        vit_gene(&made);
        vit_key(&made, "tleg.kind", "learngene");
        vit_add(&made, others[k], "12");
        const struct vit_fault fault = {'+', others[k], NULL, {others[k], "among the blocks"}, TLEG_ERROR_UNSUPPORTED};
        must_refuse(&made, &fault, 0, true);
    }
}

/* A checkpoint may hold a learngene and a model that came of it, and what a profiler counted. */
static void what_is_the_other_kinds_or_only_counts_may_stand_among_the_blocks(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_gene(&made);
    vit_key(&made, "tleg.kind", "learngene");
    vit_add(&made, "blocks.0.attn.qkv.weight", "12");
    vit_add(&made, "blocks.block.attn.total_ops", "1");
    vit_add(&made, "total_params", "1");
    OK(context, read_with(context, &made, 0, true, &config));
    assert_int_equal(config.c.ignored_count, 3);
    tleg_config_free(&config);
    vit_model(&made, 2);
    vit_add(&made, "blocks.block.attn.qkv.instances.0.weight_base", "12");
    vit_add(&made, "blocks.block.norm1.instances.1.bias", "12");
    vit_add(&made, "blocks.block.mlp.fc1.weight", "12");
    vit_add(&made, "blocks.1.mlp.fc1.total_params", "1");
    OK(context, read_with(context, &made, 3, false, &config));
    assert_int_equal(config.c.ignored_count, 4);
    tleg_config_free(&config);
}

/* All tokens have a place; or all but registers, as in DINOv2; or none, timm's no_embed_class. 9 patches. */
static void tokens_may_be_without_a_place(void **state) {
    (void)state;
    static const struct {
        const char *registers, *rows;
        int32_t unplaced;
    } cases[] = {
        {NULL, "1,10,12", 0}, {NULL, "1,9,12", 1}, {"1,2,12", "1,12,12", 0}, {"1,2,12", "1,10,12", 2}, {"1,2,12", "1,9,12", 3}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct vit_file made;
        struct tleg_vit_config config;
        vit_model(&made, 2);
        vit_add(&made, "cls_token", "1,1,12");
        if (cases[k].registers)
            vit_add(&made, "reg_token", cases[k].registers);
        vit_reshape(&made, "pos_embed", cases[k].rows);
        read_good(&made, 3, false, &config);
        assert_int_equal(config.c.registers, cases[k].registers ? 2 : 0);
        assert_int_equal(config.c.unplaced, cases[k].unplaced);
        assert_int_equal(config.c.image_size, 3 * config.c.patch_size);
        tleg_config_free(&config);
    }
}

static void parts_of_other_families_are_read(void **state) {
    (void)state;
    static const char *const gates[] = {"blocks.0.ls1.gamma", "blocks.0.ls2.gamma", "blocks.1.ls1.gamma", "blocks.1.ls2.gamma"};
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    for (size_t k = 0; k < sizeof gates / sizeof *gates; k++)
        vit_add(&made, gates[k], "12");
    vit_add(&made, "norm_pre.weight", "12");
    vit_add(&made, "norm_pre.bias", "12");
    vit_remove(&made, "patch_embed.proj.bias");
    vit_remove(&made, "head.bias");
    vit_key(&made, "tleg.activation", "quick_gelu");
    vit_key(&made, "tleg.needs", "[\\\"activation\\\"]");
    read_good(&made, 3, false, &config);
    assert_true(config.c.layer_scale && config.c.norm_before && config.c.no_patch_bias && config.c.no_head_bias);
    assert_int_equal(config.c.mlp, TLEG_MLP_QUICK_GELU);
    assert_int_equal(config.c.ignored_count, 0);
    tleg_config_free(&config);
    vit_remove(&made, "head.weight");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.classes, 0);
    tleg_config_free(&config);
    vit_key(&made, "tleg.activation", "mish");
    const struct vit_fault fault = {'+', "mish", NULL, {"tleg.activation", "mish"}, TLEG_ERROR_UNSUPPORTED};
    must_refuse(&made, &fault, 3, false);
}

/* timm has models of the same names that pool or activate otherwise: what a file without keys is taken for is said. */
static void what_is_guessed_of_a_model_without_keys_is_noted(void **state) {
    (void)state;
    static const struct {
        const char *tokens[2], *rows, *norm, *says;
    } cases[] = {
        {{NULL}, "1,9,12", "norm", "whose head reads the mean of the patches (3 heads, exact GELU"},
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
        cmocka_unit_test(nothing_unknown_inside_a_block_is_passed_over),
        cmocka_unit_test(what_is_the_other_kinds_or_only_counts_may_stand_among_the_blocks),
        cmocka_unit_test(tokens_may_be_without_a_place),
        cmocka_unit_test(parts_of_other_families_are_read),
        cmocka_unit_test(what_is_guessed_of_a_model_without_keys_is_noted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
