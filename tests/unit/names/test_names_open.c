/* Rules for names through the calls that open models. */
#include "support/noted_context.h"
#include "support/vit_file.h"

#include <tleg/learngene.h>
#include <tleg/model.h>

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

/* The status of opening a file, and what it is if that is OK. */
static tleg_status open_with(const struct vit_file *made, const char *names, tleg_config *info) {
    const tleg_open_options options = {.struct_size = sizeof options, .heads = 3, .names = names};
    size_t size;
    tleg_model *model;
    unsigned char *bytes = vit_bytes(made, &size);
    *note = 0;
    *info = (tleg_config){.struct_size = sizeof *info};
    const tleg_status status = tleg_model_parse(context, bytes, size, &options, &model);
    if (status == TLEG_OK)
        OK(context, tleg_model_get_info(context, model, info));
    info->ignored = NULL; /* which the model holds */
    tleg_model_free(model);
    free(bytes);
    return status;
}

/* A part outside the blocks that a plain Vision Transformer lacks would change the answers in silence. */
static void what_has_no_place_is_refused_until_rules_say_what_it_is(void **state) {
    (void)state;
    static const char *const names[][2] = {{"stem.0.weight", "stem"},
                                           {"bn.running_mean", "bn"},
                                           {"scale", "scale"},
                                           {"fc.weight", "fc"},
                                           {"head.0.weight", "head.0"},
                                           {"neck.proj.bias", "neck"},
                                           {"rope_scale", "rope_scale"},
                                           {"token_pool.weight", "token_pool"},
                                           {"token_type_embeddings.weight", "token_type_embeddings"},
                                           {"temperature", "temperature"},
                                           {"logit_scale", "logit_scale"},
                                           {"loss_free.weight", "loss_free"},
                                           {"patch_embed.proj2.weight", "patch_embed.proj2"},
                                           {"prompt_embeddings", "prompt_embeddings"}};
    tleg_config info;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct vit_file made;
        char rule[64];
        vit_model(&made, 2);
        vit_add(&made, names[k][0], "12");
        assert_int_equal(open_with(&made, NULL, &info), TLEG_ERROR_UNSUPPORTED);
        assert_non_null(strstr(tleg_context_get_error(context), names[k][0]));
        snprintf(rule, sizeof rule, "\"%s -> nothing\"", names[k][1]);
        if (!strstr(tleg_context_get_error(context), rule)) {
            print_error("expected %s in %s\n", rule, tleg_context_get_error(context));
            fail();
        }
        assert_int_equal(open_with(&made, "head.bias -> head.bias", &info), TLEG_ERROR_UNSUPPORTED); /* of host's rules too */
        snprintf(rule, sizeof rule, "%s -> nothing", names[k][1]);
        assert_int_equal(open_with(&made, rule, &info), TLEG_OK);
        assert_int_equal(info.ignored_count, 0);
        vit_key(&made, "tleg.kind", "vit"); /* the library's own files say what must not be passed over themselves */
        assert_int_equal(open_with(&made, NULL, &info), TLEG_OK);
        assert_int_equal(info.ignored_count, 1);
    }
}

/* Beside a config.json a rule for a part adds to what it says: nothing is assumed that it told. */
static void a_rule_leaves_what_a_config_says(void **state) {
    (void)state;
    struct vit_file made;
    tleg_config info;
    vit_model(&made, 2);
    vit_rename(&made, "head.weight", "my.weight");
    vit_rename(&made, "head.bias", "my.bias");
    vit_key(&made, "config.json",
            "{\\\"architecture\\\": \\\"x\\\", \\\"global_pool\\\": \\\"avg\\\", \\\"label_names\\\": [\\\"a\\\", \\\"b\\\", "
            "\\\"c\\\", \\\"d\\\", \\\"e\\\"]}");
    assert_int_equal(open_with(&made, "my.* -> head.*", &info), TLEG_OK);
    assert_int_equal(info.label_count, 5);
    assert_null(strstr(note, "there are no tleg. keys"));
    vit_key(&made, "config.json", "{}"); /* which says nothing */
    assert_int_equal(open_with(&made, "my.* -> head.*", &info), TLEG_OK);
    assert_non_null(strstr(note, "there are no tleg. keys"));
}

/* Texts beside timm's names that say a part leave the rest as it is without them: what is assumed, and what is refused. */
static void what_texts_leave_unsaid_is_as_without_them(void **state) {
    (void)state;
    static const struct {
        const char *key, *text, *names;
        double eps;
        bool noted, placed; /* what is assumed is noted; where norms stand is known */
    } cases[] = {
        {NULL, NULL, NULL, 1e-6, true, false},
        {"preprocessor_config.json", "{\\\"image_mean\\\": [0.5, 0.5, 0.5]}", NULL, 1e-6, true, false},
        {"preprocessor_config.json", "{\\\"image_mean\\\": [0.5, 0.5, 0.5]}", "head.* -> head.*", 1e-6, true, false},
        {"config.json",
         "{\\\"architectures\\\": [\\\"x\\\"], \\\"id2label\\\": [\\\"a\\\", \\\"b\\\", \\\"c\\\", \\\"d\\\", \\\"e\\\"]}",
         NULL, 1e-6, true, false},
        {"config.json", "{\\\"model_type\\\": \\\"x\\\", \\\"num_attention_heads\\\": 3}", NULL, 1e-6, true, false},
        {"config.json", "{\\\"model_type\\\": \\\"x\\\", \\\"layer_norm_eps\\\": 1e-3}", NULL, 1e-3, false, false},
        {"config.json", "{\\\"architecture\\\": \\\"vit_tiny_patch16_224\\\"}", NULL, 1e-6, false, true},
        {NULL, NULL, "tleg.heads = 3", 1e-6, true, false},
        {NULL, NULL, "tleg.branch_norm = before", 1e-6, true, true},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct vit_file made;
        tleg_config info;
        vit_model(&made, 2);
        if (cases[k].key)
            vit_key(&made, cases[k].key, cases[k].text);
        assert_int_equal(open_with(&made, cases[k].names, &info), TLEG_OK);
        assert_true(info.eps == cases[k].eps);
        assert_int_equal(strstr(note, "taken as timm's plain ViT") != NULL, cases[k].noted);
        vit_remove(&made, "blocks.0.attn.qkv.bias");
        vit_remove(&made, "blocks.1.attn.qkv.bias");
        assert_int_equal(open_with(&made, cases[k].names, &info), cases[k].placed ? TLEG_OK : TLEG_ERROR_UNSUPPORTED);
        assert_true(cases[k].placed || strstr(tleg_context_get_error(context), "vit_*_rpn"));
    }
}

/* OpenCLIP's projection stands beside a tower of timm's, and is its head. */
static void a_projection_beside_a_tower_is_its_head(void **state) {
    (void)state;
    struct vit_file made;
    tleg_config info;
    vit_model(&made, 2);
    vit_remove(&made, "head.bias");
    vit_rename(&made, "head.weight", "head.proj.weight");
    for (int32_t k = 0; k < made.count; k++) {
        char name[sizeof made.tensors[k].name];
        snprintf(name, sizeof name, "visual.%s%.60s", strncmp(made.tensors[k].name, "head.", 5) == 0 ? "" : "trunk.",
                 made.tensors[k].name);
        strcpy(made.tensors[k].name, name);
    }
    assert_int_equal(open_with(&made, NULL, &info), TLEG_OK);
    assert_int_equal(info.classes, 5);
    assert_int_equal(info.no_head_bias, 1);
    assert_non_null(strstr(note, "there are no tleg. keys"));
    assert_int_equal(info.ignored_count, 0);
    vit_add(&made, "visual.head.proj.bias", "5");
    vit_key(&made, "open_clip_config.json",
            "{\\\"model_cfg\\\": {\\\"vision_cfg\\\": {\\\"timm_model_name\\\": \\\"x\\\", \\\"timm_proj_bias\\\": true}}}");
    assert_int_equal(open_with(&made, NULL, &info), TLEG_OK);
    assert_int_equal(info.no_head_bias, 0);
    vit_rename(&made, "visual.head.proj.weight", "visual.head.mlp.fc1.weight");
    vit_rename(&made, "visual.head.proj.bias", "visual.head.mlp.fc1.bias");
    assert_int_equal(open_with(&made, NULL, &info), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(context), "its projection is an MLP"));
    assert_int_equal(open_with(&made, "visual.head -> nothing", &info), TLEG_OK);
    assert_int_equal(info.classes, 0);
}

/* A softmax is not what classes that do not exclude each other have. */
static void what_is_no_choice_of_one_class_is_noted(void **state) {
    (void)state;
    static const char *const kinds[][2] = {
        {"multi_label_classification", "--sigmoid"}, {"regression", "means nothing"}, {"single_label_classification", NULL}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct vit_file made;
        char config[160];
        tleg_config info;
        vit_model(&made, 2);
        snprintf(config, sizeof config, "{\\\"model_type\\\": \\\"vit\\\", \\\"problem_type\\\": \\\"%s\\\"}", kinds[k][0]);
        vit_key(&made, "config.json", config);
        assert_int_equal(open_with(&made, NULL, &info), TLEG_OK);
        const char *found = strstr(note, "problem_type");
        assert_int_equal(found != NULL, kinds[k][1] != NULL);
        assert_true(!found || (strstr(found, kinds[k][1]) && !strstr(found + 1, "problem_type"))); /* once */
    }
}

static void add_named(struct vit_file *made, const char *const *names, size_t count, const char *shape) {
    for (size_t k = 0; k < count; k++)
        vit_add(made, names[k], shape);
}

static void what_learning_or_another_tower_needs_is_passed_over(void **state) {
    (void)state;
    static const char *const apart[] = {"mask_token",
                                        "decoder_blocks.0.attn.qkv.weight",
                                        "text.transformer.resblocks.0.ln_1.weight",
                                        "transformer.resblocks.0.attn.in_proj_weight",
                                        "token_embedding.weight",
                                        "text_model.encoder.layers.0.layer_norm1.weight",
                                        "logit_scale",
                                        "momentum_encoder.conv1.weight",
                                        "criterion.weight"},
                             *const behind[] = {"pooler.dense.weight", "head.last_layer.weight_v", "fc.weight",
                                                "decoder.0.weight"};
    enum { APART = sizeof apart / sizeof *apart, BEHIND = sizeof behind / sizeof *behind };
    tleg_config info;
    struct vit_file made;
    vit_model(&made, 2);
    add_named(&made, apart, APART, "12");
    vit_add(&made, "bn.num_batches_tracked", "");
    vit_find(&made, "bn.num_batches_tracked")->type = "I64";
    assert_int_equal(open_with(&made, NULL, &info), TLEG_OK);
    assert_int_equal(info.ignored_count, APART + 1);
    assert_non_null(strstr(note, "not used: 10 tensor(s)"));
    for (size_t k = 0; k < BEHIND; k++) { /* between features and a head that is read they would count */
        struct vit_file one = made;
        vit_add(&one, behind[k], "4,12");
        assert_int_equal(open_with(&one, NULL, &info), TLEG_ERROR_UNSUPPORTED);
    }
    vit_remove(&made, "head.weight");
    vit_remove(&made, "head.bias");
    add_named(&made, behind, BEHIND, "4,12");
    assert_int_equal(open_with(&made, NULL, &info), TLEG_OK);
    assert_int_equal(info.ignored_count, APART + BEHIND + 1);
    static const char *const before[][2] = {/* what may stand before the blocks */
                                            {"head_conv.weight", "3,3,1,1"},
                                            {"proj.weight", "12,12"},
                                            {"cls_pool.weight", "1,12"},
                                            {"patch_embed.fc.weight", "12,12"},
                                            {"fc_prompt", "1,4,12"}};
    for (size_t k = 0; k < sizeof before / sizeof *before; k++) {
        struct vit_file one = made;
        vit_add(&one, before[k][0], before[k][1]);
        assert_int_equal(open_with(&one, NULL, &info), TLEG_ERROR_UNSUPPORTED);
    }
}

/* The tensors of a model but its head, each with `prefix` before its name. */
static void wrap(struct vit_file *made, const char *prefix) {
    struct vit_file plain;
    vit_model(&plain, 2);
    memset(made, 0, sizeof *made);
    for (int32_t k = 0; k < plain.count; k++) {
        char name[96];
        const struct vit_tensor *tensor = &plain.tensors[k];
        if (strncmp(tensor->name, "head.", 5) == 0)
            continue;
        snprintf(name, sizeof name, "%s%.60s", prefix, tensor->name);
        vit_add(made, name, "");
        made->tensors[made->count - 1] = *tensor;
        strcpy(made->tensors[made->count - 1].name, name);
    }
}

static void must_advise(const struct vit_file *made, const char *names, tleg_status expected, const char *advice) {
    tleg_config info;
    const tleg_status status = open_with(made, names, &info);
    if (status != expected || !strstr(status == TLEG_OK ? note : tleg_context_get_error(context), advice)) {
        print_error("expected %d and %s, found %d and %s%s\n", expected, advice, status, note, tleg_context_get_error(context));
        fail();
    }
}

/* Advice can be followed as it stands: its names are the file's, whatever was taken off before them. */
static void advice_is_in_the_files_own_names(void **state) {
    (void)state;
    struct vit_file made;
    tleg_config info;
    wrap(&made, "module.vit.");
    vit_add(&made, "module.vit.stem.weight", "12");
    vit_add(&made, "module.gate.weight", "3,3,1,1");
    must_advise(&made, NULL, TLEG_ERROR_UNSUPPORTED, "\"module.vit.stem -> nothing\", \"module.gate -> nothing\"");
    assert_int_equal(open_with(&made, "module.vit.stem -> nothing\nmodule.gate -> nothing # both\n", &info), TLEG_OK);
    wrap(&made, "vit.");
    vit_add(&made, "clf.weight", "7,12"); /* behind the network, whatever its name */
    vit_add(&made, "clf.bias", "7");
    must_advise(&made, NULL, TLEG_OK, "\"clf.* -> head.*\" if it is the head");
    vit_add(&made, "neck.weight", "12,12");
    must_advise(&made, "clf.* -> head.*", TLEG_ERROR_UNSUPPORTED, "such as \"neck.* -> pre_logits.*\" where tanh");
    static const char *const before[][2] = {
        {"bn0.weight", "3"}, {"prompt", "1,4,12"}, {"scale", "1"}, {"spectral.weight", "3,5"}};
    for (size_t k = 0; k < sizeof before / sizeof *before; k++) { /* pictures or tokens may pass through them */
        struct vit_file one = made;
        vit_add(&one, before[k][0], before[k][1]);
        vit_remove(&one, "neck.weight");
        must_advise(&one, NULL, TLEG_ERROR_UNSUPPORTED, before[k][0]);
    }
    vit_remove(&made, "clf.bias");
    vit_remove(&made, "neck.weight");
    must_advise(&made, "clf.* -> head.*", TLEG_ERROR_FORMAT, "\"tleg.head_bias = no\" in rules");
    assert_int_equal(open_with(&made, "clf.* -> head.*\ntleg.head_bias = no", &info), TLEG_OK);
    assert_true(info.classes == 7 && info.no_head_bias);
    assert_true(info.eps == 1e-6); /* as without rules, though a key is given */
    vit_remove(&made, "vit.patch_embed.proj.bias");
    must_advise(&made, "clf.* -> head.*\ntleg.head_bias = no", TLEG_ERROR_FORMAT, "\"tleg.patch_bias = no\" in rules");
    assert_int_equal(open_with(&made, "clf.* -> head.*\ntleg.head_bias = no\ntleg.patch_bias = no", &info), TLEG_OK);
    assert_true(info.no_patch_bias);
    vit_add(&made, "clf.bias", "7");
    must_advise(&made, "clf.* -> head.*\ntleg.head_bias = no\ntleg.patch_bias = no", TLEG_ERROR_FORMAT,
                "expected no \"head.bias\"");
}

static void of_two_networks_one_is_left_out_by_a_rule(void **state) {
    (void)state;
    struct vit_file made, other;
    tleg_config info;
    wrap(&made, "model.");
    wrap(&other, "ema_model.");
    for (int32_t k = 0; k < other.count; k++)
        made.tensors[made.count++] = other.tensors[k];
    must_advise(&made, NULL, TLEG_ERROR_FORMAT, "\"ema_model -> nothing\"");
    assert_int_equal(open_with(&made, "ema_model -> nothing", &info), TLEG_OK);
    wrap(&made, "backbone.");
    vit_add(&made, "backbone.head.weight", "5,12");
    vit_add(&made, "backbone.head.bias", "5");
    vit_add(&made, "head.weight", "7,12");
    vit_add(&made, "head.bias", "7");
    must_advise(&made, NULL, TLEG_ERROR_FORMAT, "\"head -> nothing\"");
    assert_int_equal(open_with(&made, "head -> nothing", &info), TLEG_OK);
    assert_int_equal(info.classes, 5);
    assert_int_equal(open_with(&made, "backbone.head -> nothing", &info), TLEG_OK);
    assert_int_equal(info.classes, 7);
    wrap(&made, "teacher.");
    vit_add(&made, "student.embed.weight", "3,3,1,1");
    must_advise(&made, NULL, TLEG_ERROR_UNSUPPORTED, "\"teacher -> nothing\" or \"student -> nothing\"");
    wrap(&made, "vit.");
    vit_add(&made, "cnn.layer1.0.conv1.weight", "4,3,1,1"); /* a ResNet beside it */
    must_advise(&made, NULL, TLEG_ERROR_UNSUPPORTED, "\"cnn -> nothing\"");
    assert_int_equal(open_with(&made, "cnn -> nothing", &info), TLEG_OK);
}

/* self.vit = ..., self.fc = nn.Linear(...): features alone, until the rules say that fc is the head. */
static void a_head_behind_a_wrapped_network_is_named_by_a_rule(void **state) {
    (void)state;
    tleg_config info;
    struct vit_file made;
    wrap(&made, "vit.");
    vit_add(&made, "fc.weight", "7,12");
    vit_add(&made, "fc.bias", "7");
    assert_int_equal(open_with(&made, NULL, &info), TLEG_OK);
    assert_int_equal(info.classes, 0);
    assert_non_null(strstr(note, "\"fc.* -> head.*\""));
    assert_int_equal(open_with(&made, "fc.* -> head.*", &info), TLEG_OK);
    assert_int_equal(info.classes, 7);
    assert_int_equal(info.ignored_count, 0);
    vit_add(&made, "vit.head.weight", "5,12"); /* which one is meant? */
    assert_int_equal(open_with(&made, "fc.* -> head.*", &info), TLEG_ERROR_FORMAT);
}

/* Names that are mostly the library's, but of a family with some of its own: DeiT III with a head of one's own. */
static void a_rule_for_a_part_leaves_the_rest_to_its_family(void **state) {
    (void)state;
    tleg_config info;
    struct vit_file made;
    vit_model(&made, 2);
    vit_rename(&made, "head.weight", "fc.weight");
    vit_rename(&made, "head.bias", "fc.bias");
    for (int layer = 0; layer < 2; layer++)
        for (int k = 1; k <= 2; k++) {
            char name[32];
            snprintf(name, sizeof name, "blocks.%d.gamma_%d", layer, k);
            vit_add(&made, name, "12");
        }
    assert_int_equal(open_with(&made, "fc.* -> head.*", &info), TLEG_OK);
    assert_non_null(strstr(note, "DeiT III"));
    assert_int_equal(info.classes, 5);
    assert_int_equal(info.layer_scale, 1);
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
        cmocka_unit_test(a_rule_leaves_what_a_config_says),
        cmocka_unit_test(what_texts_leave_unsaid_is_as_without_them),
        cmocka_unit_test(a_projection_beside_a_tower_is_its_head),
        cmocka_unit_test(what_is_no_choice_of_one_class_is_noted),
        cmocka_unit_test(a_model_opens_under_the_names_that_rules_give),
        cmocka_unit_test(a_question_is_answered_when_the_file_is_opened),
        cmocka_unit_test(what_has_no_place_is_refused_until_rules_say_what_it_is),
        cmocka_unit_test(what_learning_or_another_tower_needs_is_passed_over),
        cmocka_unit_test(advice_is_in_the_files_own_names),
        cmocka_unit_test(of_two_networks_one_is_left_out_by_a_rule),
        cmocka_unit_test(a_head_behind_a_wrapped_network_is_named_by_a_rule),
        cmocka_unit_test(a_rule_for_a_part_leaves_the_rest_to_its_family),
        cmocka_unit_test(learngenes_and_tensors_take_no_rules),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
