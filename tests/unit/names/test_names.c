/* Rules for names, a host's and those of families: what the tensors of the file that comes of them are made of, and what is
 * refused. */
#include "support/noted_context.h"
#include "support/vit_file.h"

#include "names/private.h"

static tleg_status name_with(const struct vit_file *made, const char *rules, tleg_file **named, unsigned char **bytes) {
    size_t size;
    tleg_file *file;
    *bytes = vit_bytes(made, &size);
    *note = '\0';
    OK(context, tleg_file_parse(context, *bytes, size, &file));
    const tleg_status status = tleg_names_read(context, file, rules, named);
    tleg_file_free(file);
    return status;
}

static tleg_file *must_name(const struct vit_file *made, const char *rules, unsigned char **bytes) {
    tleg_file *named;
    OK(context, name_with(made, rules, &named, bytes));
    return named;
}

static void must_refuse(const struct vit_file *made, const char *rules, tleg_status expected, const char *const says[2]) {
    tleg_file *named;
    unsigned char *bytes;
    const tleg_status status = name_with(made, rules, &named, &bytes);
    if (status != expected || !strstr(tleg_context_get_error(context), says[0]) ||
        (says[1] && !strstr(tleg_context_get_error(context), says[1]))) {
        print_error("%s: status %d, %s\n", rules ? rules : says[0], status, tleg_context_get_error(context));
        fail();
    }
    assert_null(named);
    free(bytes);
}

/* The tensor `name` has a shape, written "3,4", and begins with what `source` has from its element `from` on. */
static void assert_tensor(const tleg_file *file, const char *name, const char *shape, const char *source, size_t from) {
    const struct tleg_entry *entry = tleg_file_find(file, name);
    char text[64] = "";
    float values[4096];
    if (!entry) {
        print_error("no tensor %s\n", name);
        fail();
        return;
    }
    for (int32_t k = 0; k < entry->rank; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lld", k ? "," : "", (long long)entry->shape[k]);
    assert_string_equal(text, shape);
    OK(context, tleg_file_read_f32(context, file, entry, values));
    for (size_t i = 0; i < 3; i++)
        assert_true(values[i] == vit_value(source, from + i));
}

/* ---- a host's rules ---- */

static void a_few(struct vit_file *made) {
    memset(made, 0, sizeof *made);
    vit_add(made, "token", "12");
    vit_add(made, "places", "10,12");
    vit_add(made, "pixels", "12,48");
    for (int layer = 0; layer < 2; layer++)
        for (int k = 0; k < 3; k++) {
            char name[32];
            snprintf(name, sizeof name, "b%d.%c.w", layer, "qkv"[k]);
            vit_add(made, name, "12,12");
            snprintf(name, sizeof name, "b%d.%c.b", layer, "qkv"[k]);
            if (k != 1)
                vit_add(made, name, "12");
        }
    vit_add(made, "out", "12,5");
    vit_add(made, "other", "3");
}

static void rules_say_what_tensors_are_made_of(void **state) {
    (void)state;
    struct vit_file made;
    unsigned char *bytes;
    a_few(&made);
    vit_key(&made, "tleg.heads", "4");
    vit_key(&made, "license", "none");
    tleg_file *file = must_name(&made,
                                "# a comment\r\n"
                                "token -> cls_token\r\n"
                                "\n"
                                "places[:1] + places[2:10] -> pos_embed\n"
                                "pixels^P -> patch_embed.proj.weight\n"
                                "  b{}.q.w + b{}.k.w + b{}.v.w  ->  blocks.{}.attn.qkv.weight\n"
                                "b{}.q.b + 0 b{}.q.b + b{}.v.b -> blocks.{}.attn.qkv.bias\n"
                                "out^T -> head.weight\n"
                                "0 other -> head.bias\n"
                                "tleg.heads = 3\n"
                                "tleg.eps = 1e-5",
                                &bytes);
    assert_tensor(file, "cls_token", "1,1,12", "token", 0);
    assert_tensor(file, "pos_embed", "1,9,12", "places", 0);
    const struct tleg_entry *patches = tleg_file_find(file, "patch_embed.proj.weight");
    float values[12 * 48];
    assert_int_equal(patches->rank, 4);
    assert_memory_equal(patches->shape, ((const int64_t[4]){12, 3, 4, 4}), 4 * sizeof(int64_t));
    OK(context, tleg_file_read_f32(context, file, patches, values));
    assert_true(values[1] == vit_value("pixels", 3)); /* red of the second pixel */
    const struct tleg_entry *head = tleg_file_find(file, "head.weight");
    assert_memory_equal(head->shape, ((const int64_t[2]){5, 12}), 2 * sizeof(int64_t));
    OK(context, tleg_file_read_f32(context, file, head, values));
    assert_true(values[1] == vit_value("out", 5));
    assert_tensor(file, "blocks.1.attn.qkv.weight", "36,12", "b1.q.w", 0);
    assert_tensor(file, "blocks.0.attn.qkv.bias", "36", "b0.q.b", 0);
    assert_tensor(file, "other", "3", "other", 0);
    const struct tleg_entry *zeros = tleg_file_find(file, "head.bias");
    assert_true(zeros->rank == 1 && zeros->shape[0] == 3);
    OK(context, tleg_file_read_f32(context, file, zeros, values));
    assert_true(values[0] == 0 && values[1] == 0 && values[2] == 0);
    assert_int_equal(tleg_file_get_tensor_count(file), 10);
    assert_string_equal(tleg_file_get_metadata(file, "tleg.heads"), "3"); /* the rules have their way */
    assert_string_equal(tleg_file_get_metadata(file, "tleg.eps"), "1e-5");
    assert_string_equal(tleg_file_get_metadata(file, "license"), "none");
    tleg_file_free(file);
    free(bytes);
}

/* What a patch is follows from the rows of the new matrix. */
static void a_turned_matrix_may_embed_patches(void **state) {
    (void)state;
    struct vit_file made = {0};
    unsigned char *bytes;
    float values[12 * 48];
    vit_add(&made, "pixels", "48,12"); /* 12 numbers would be patches of 2 x 2 */
    tleg_file *file = must_name(&made, "pixels^T -> patch_embed.proj.weight", &bytes);
    const struct tleg_entry *patches = tleg_file_find(file, "patch_embed.proj.weight");
    assert_int_equal(patches->rank, 4);
    assert_memory_equal(patches->shape, ((const int64_t[4]){12, 3, 4, 4}), 4 * sizeof(int64_t));
    OK(context, tleg_file_read_f32(context, file, patches, values));
    for (size_t k = 0; k < 12 * 48; k++)
        assert_true(values[k] == vit_value("pixels", k % 48 * 12 + k / 48));
    tleg_file_free(file);
    free(bytes);
}

static void rules_leave_out_what_they_call_nothing(void **state) {
    (void)state;
    struct vit_file made;
    unsigned char *bytes;
    a_few(&made);
    tleg_file *file = must_name(&made,
                                "\xEF\xBB\xBFout -> head.weight\nother -> nothing # a comment\nb0 -> nothing\t# another\n"
                                "b{}.q -> nothing\n*.k.w -> nothing\ntleg.labels = [\"guitar #0\"]",
                                &bytes);
    static const char *const left[] = {"token", "places", "pixels", "b1.v.w", "b1.v.b", "head.weight"};
    assert_int_equal(tleg_file_get_tensor_count(file), sizeof left / sizeof *left);
    for (size_t k = 0; k < sizeof left / sizeof *left; k++)
        assert_non_null(tleg_file_find(file, left[k]));
    assert_string_equal(tleg_file_get_metadata(file, "tleg.labels"), "[\"guitar #0\"]");
    tleg_file_free(file);
    free(bytes);
}

static void rules_that_are_not_rules_name_their_line(void **state) {
    (void)state;
    static const char *const wrong[][3] = {
        {"nonsense", "line 1", "'OLD -> NEW'"},
        {"\n# \ntoken -> ", "line 3", NULL},
        {"token->cls_token", "line 1", "'OLD -> NEW'"},
        {" -> cls_token", "line 1", NULL},
        {"a + -> b", "line 1", NULL},
        {"a + b + c + d + e + f + g + h + i -> j", "line 1", "at most 8"},
        {"heads = 3", "line 1", "tleg.KEY"},
        {"tleg.heads = ", "line 1", NULL},
        {"out^X -> head.weight", "line 1", "^T"},
        {"out[2:1] -> head.weight", "line 1", "rows"},
        {"out[a:] -> head.weight", "line 1", "rows"},
        {"out[1] -> head.weight", "line 1", "rows"},
        {"out[1:99999999999] -> head.weight", "line 1", "rows"},
        {"out[0:1]^T -> head.weight", "line 1", "rows"},
        {"out[1/3:1/2] -> head.weight", "line 1", "[1/3:]"},
        {"out[1:2/3] -> head.weight", "line 1", "[1/3:]"},
        {"out[3/3:] -> head.weight", "line 1", "[1/3:]"},
        {"out[:1/0] -> head.weight", "line 1", "[1/3:]"},
        {"b{}.q.w -> blocks.attn.qkv.weight", "line 1", "{} and *"},
        {"token -> blocks.{}.attn", "line 1", "{} and *"},
        {"b{}.{}.w -> blocks.{}.x", "line 1", "one {}"},
        {"b{.q.w -> blocks.{}.x", "line 1", "one {}"},
        {"to ken -> cls_token", "line 1", "name of a tensor"},
        {"token -> cls_token#x", "line 1", "a new name"},
        {"out^T -> nothing", "line 1", "one whole tensor"},
        {"out[1:] -> nothing", "line 1", "one whole tensor"},
        {"0 token -> nothing", "line 1", "one whole tensor"},
        {"b{}.q.w^T + b{}.k.w -> blocks.{}.x", "line 1", "one tensor alone"},
        {"token + pixels^P -> x", "line 1", "one tensor alone"},
        {"token + places -> nothing", "line 1", "one whole tensor"},
    };
    struct vit_file made;
    a_few(&made);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        must_refuse(&made, wrong[k][0], TLEG_ERROR_FORMAT, (const char *const[2]){wrong[k][1], wrong[k][2]});
}

static void rules_that_do_not_fit_the_file_name_the_tensor(void **state) {
    (void)state;
    static const char *const wrong[][3] = {
        {"nothing -> cls_token", "no tensor 'nothing'", "line 1"},
        {"tok -> nothing", "no tensor 'tok'", "line 1"},
        {"token -> x\nplaces -> x", "each new name once", "\"x\""},
        {"token -> other", "each new name once", "\"other\""},
        {"b{}.q.w + b{}.z.w -> blocks.{}.attn.qkv.weight", "missing tensor \"b0.z.w\"", "qkv"},
        {"places + token -> x", "tensor \"token\"", "rows as long"},
        {"places + out -> x", "tensor \"out\"", "rows as long"},
        {"places[0:11] -> x", "tensor \"places\"", "more rows"},
        {"token^T -> x", "tensor \"token\"", "a matrix"},
        {"out^P -> x", "tensor \"out\"", "a square patch"},
    };
    struct vit_file made;
    a_few(&made);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        must_refuse(&made, wrong[k][0], TLEG_ERROR_FORMAT, (const char *const[2]){wrong[k][1], wrong[k][2]});
    vit_find(&made, "other")->type = "I64";
    must_refuse(&made, "other + other -> x", TLEG_ERROR_FORMAT,
                (const char *const[2]){"tensor \"other\"", "floating-point numbers"});
    vit_add(&made, "none", "4611686018427387904,4,0"); /* whose rows are more than 64 bits hold */
    must_refuse(&made, "none[0:1] -> x", TLEG_ERROR_FORMAT, (const char *const[2]){"tensor \"none\"", "2^40"});
}

/* ---- families ---- */

/* A file of `prefix` before each name of a table's rows, {} standing for two layers; rows end with a name NULL. */
struct part {
    const char *name, *shape;
};

static void add_parts(struct vit_file *made, const char *prefix, const struct part *parts) {
    for (; parts->name; parts++) {
        const char *layer = strstr(parts->name, "{}");
        for (int k = 0; k < (layer ? 2 : 1); k++) {
            char name[96];
            if (layer)
                snprintf(name, sizeof name, "%s%.*s%d%s", prefix, (int)(layer - parts->name), parts->name, k, layer + 2);
            else
                snprintf(name, sizeof name, "%s%s", prefix, parts->name);
            vit_add(made, name, parts->shape);
        }
    }
}

static const struct part hugging_face[] = {{"embeddings.cls_token", "1,1,12"},
                                           {"embeddings.position_embeddings", "1,10,12"},
                                           {"embeddings.patch_embeddings.projection.weight", "12,3,4,4"},
                                           {"embeddings.patch_embeddings.projection.bias", "12"},
                                           {"encoder.layer.{}.attention.attention.query.weight", "12,12"},
                                           {"encoder.layer.{}.attention.attention.query.bias", "12"},
                                           {"encoder.layer.{}.attention.attention.key.weight", "12,12"},
                                           {"encoder.layer.{}.attention.attention.key.bias", "12"},
                                           {"encoder.layer.{}.attention.attention.value.weight", "12,12"},
                                           {"encoder.layer.{}.attention.attention.value.bias", "12"},
                                           {"encoder.layer.{}.attention.output.dense.weight", "12,12"},
                                           {"encoder.layer.{}.attention.output.dense.bias", "12"},
                                           {"encoder.layer.{}.intermediate.dense.weight", "20,12"},
                                           {"encoder.layer.{}.intermediate.dense.bias", "20"},
                                           {"encoder.layer.{}.output.dense.weight", "12,20"},
                                           {"encoder.layer.{}.output.dense.bias", "12"},
                                           {"encoder.layer.{}.layernorm_before.weight", "12"},
                                           {"encoder.layer.{}.layernorm_before.bias", "12"},
                                           {"encoder.layer.{}.layernorm_after.weight", "12"},
                                           {"encoder.layer.{}.layernorm_after.bias", "12"},
                                           {"layernorm.weight", "12"},
                                           {"layernorm.bias", "12"},
                                           {NULL, NULL}};

static void a_hugging_face_vit(struct vit_file *made, const char *outer, const char *inner) {
    char prefix[64];
    memset(made, 0, sizeof *made);
    snprintf(prefix, sizeof prefix, "%s%s", outer, inner);
    add_parts(made, prefix, hugging_face);
    add_parts(made, outer, (const struct part[]){{"classifier.weight", "5,12"}, {"classifier.bias", "5"}, {NULL, NULL}});
}

static void a_hugging_face_vit_is_read_under_any_prefix(void **state) {
    (void)state;
    static const char *const prefixes[][2] = {{"", "vit."}, {"", "deit."}, {"", ""}, {"module.", "vit."}, {"a.b.", "c."}};
    for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
        struct vit_file made;
        unsigned char *bytes;
        char source[96];
        a_hugging_face_vit(&made, prefixes[k][0], prefixes[k][1]);
        tleg_file *file = must_name(&made, NULL, &bytes);
        assert_non_null(strstr(note, "a Hugging Face ViT"));
        snprintf(source, sizeof source, "%s%sencoder.layer.1.attention.attention.query.weight", prefixes[k][0], prefixes[k][1]);
        assert_tensor(file, "blocks.1.attn.qkv.weight", "36,12", source, 0);
        snprintf(source, sizeof source, "%s%sencoder.layer.0.output.dense.weight", prefixes[k][0], prefixes[k][1]);
        assert_tensor(file, "blocks.0.mlp.fc2.weight", "12,20", source, 0);
        snprintf(source, sizeof source, "%sclassifier.weight", prefixes[k][0]);
        assert_tensor(file, "head.weight", "5,12", source, 0);
        assert_int_equal(tleg_file_get_tensor_count(file), 4 + 2 * 12 + 4);
        assert_string_equal(tleg_file_get_metadata(file, "tleg.eps"), "1e-12");
        tleg_file_free(file);
        free(bytes);
    }
}

static void what_a_family_does_not_know_is_refused(void **state) {
    (void)state;
    static const char *const strangers[] = {"vit.encoder.layer.1.attention.attention.query.scale.weight",
                                            "vit.encoder.layer.0.gate",
                                            "vit.encoder.layer.7.extra.weight",
                                            "head.weight",
                                            "blocks.0.prompt",
                                            "norm.weight"};
    for (size_t k = 0; k < sizeof strangers / sizeof *strangers; k++) {
        struct vit_file made;
        a_hugging_face_vit(&made, "", "vit.");
        vit_add(&made, strangers[k], "12");
        must_refuse(&made, NULL, k < 3 ? TLEG_ERROR_UNSUPPORTED : TLEG_ERROR_FORMAT,
                    (const char *const[2]){strangers[k], "a Hugging Face ViT"});
    }
    static const char *const adapters[] = {"vit.encoder.layer.1.attention.attention.query.lora_A.weight",
                                           "vit.encoder.layer.0.attention.attention.query.base_layer.weight"};
    for (size_t k = 0; k < sizeof adapters / sizeof *adapters; k++) {
        struct vit_file made;
        a_hugging_face_vit(&made, "", "vit.");
        vit_add(&made, adapters[k], "12,12");
        must_refuse(&made, NULL, TLEG_ERROR_UNSUPPORTED, (const char *const[2]){"adapters of LoRA", "merge_and_unload"});
    }
    struct vit_file made;
    unsigned char *bytes;
    a_hugging_face_vit(&made, "", "vit.");
    vit_add(&made, "vit.pooler.dense.weight", "12,12"); /* takes no part in what is computed */
    tleg_file *file = must_name(&made, NULL, &bytes);
    assert_non_null(tleg_file_find(file, "vit.pooler.dense.weight"));
    tleg_file_free(file);
    free(bytes);
}

static void a_part_that_is_missing_is_named(void **state) {
    (void)state;
    struct vit_file made;
    a_hugging_face_vit(&made, "", "vit.");
    vit_remove(&made, "vit.encoder.layer.1.attention.attention.value.weight");
    must_refuse(&made, NULL, TLEG_ERROR_FORMAT,
                (const char *const[2]){"missing tensor \"vit.encoder.layer.1.attention.attention.value.weight\"",
                                       "a Hugging Face ViT"});
}

/* Other kinds have a known one's names and compute something else; those that were compared do not. */
static void a_kind_that_was_not_compared_is_refused(void **state) {
    (void)state;
    static const char *const configs[] = {
        "{\\\"model_type\\\": \\\"vit\\\"}",
        "{\\\"model_type\\\": \\\"other\\\", \\\"encoder\\\": {\\\"model_type\\\": \\\"deit\\\"}}",
        "{\\\"model_type\\\": \\\"paddleocr_vl_vision\\\"}",
        "{\\\"model_type\\\": \\\"vit\\\", \\\"vision_config\\\": {\\\"model_type\\\": \\\"other\\\"}}"};
    for (size_t k = 0; k < sizeof configs / sizeof *configs; k++) {
        struct vit_file made;
        unsigned char *bytes;
        a_hugging_face_vit(&made, "", "vit.");
        vit_key(&made, "config.json", configs[k]);
        if (k < 2) {
            tleg_file_free(must_name(&made, NULL, &bytes));
            free(bytes);
        } else {
            must_refuse(&made, NULL, TLEG_ERROR_UNSUPPORTED,
                        (const char *const[2]){k == 2 ? "model_type \"paddleocr_vl_vision\"" : "model_type \"other\"",
                                               "a Hugging Face ViT"});
        }
    }
}

/* A rule may take the tensor by which the family is known: the rest is the family's all the same. */
static void rules_for_a_part_leave_the_family(void **state) {
    (void)state;
    static const char *const taken[][2] = {{"embeddings.cls_token", "cls_token"},
                                           {"embeddings.position_embeddings", "pos_embed"},
                                           {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"}};
    for (size_t k = 0; k < sizeof taken / sizeof *taken; k++) {
        struct vit_file made;
        unsigned char *bytes;
        char rules[192];
        a_hugging_face_vit(&made, "", "vit.");
        snprintf(rules, sizeof rules, "vit.%s -> %s\n", taken[k][0], taken[k][1]);
        tleg_file *file = must_name(&made, rules, &bytes);
        assert_non_null(strstr(note, "a Hugging Face ViT"));
        assert_non_null(tleg_file_find(file, "blocks.1.attn.qkv.weight"));
        tleg_file_free(file);
        free(bytes);
    }
}

/* torch.compile, DataParallel and the like leave words in names, which may stand in the middle. */
static void wrappers_in_the_middle_are_passed_over(void **state) {
    (void)state;
    static const char *const wrapped[][2] = {
        {"_orig_mod.", ""}, {"vit.", "module."}, {"module._orig_mod.", "_orig_mod.module."}};
    for (size_t k = 0; k < sizeof wrapped / sizeof *wrapped; k++) {
        struct vit_file made;
        unsigned char *bytes;
        memset(&made, 0, sizeof made);
        add_parts(&made, wrapped[k][0], hugging_face);
        for (int i = 0; i < made.count; i++) {
            char *name = made.tensors[i].name, *inside = strstr(name, "attention."), rest[sizeof made.tensors->name];
            if (!inside)
                continue;
            snprintf(rest, sizeof rest, "%s", inside);
            snprintf(inside, sizeof rest - (size_t)(inside - name), "%s%s", wrapped[k][1], rest);
        }
        tleg_file *file = must_name(&made, NULL, &bytes);
        assert_non_null(strstr(note, "a Hugging Face ViT"));
        assert_non_null(tleg_file_find(file, "blocks.0.attn.qkv.weight"));
        assert_non_null(tleg_file_find(file, "blocks.1.mlp.fc2.bias"));
        tleg_file_free(file);
        free(bytes);
        vit_add(&made, "fc.weight", "5,12"); /* beside rules for a part as well, which are in the file's names */
        file = must_name(&made, "fc.* -> head.*", &bytes);
        assert_non_null(tleg_file_find(file, "blocks.0.attn.qkv.weight"));
        assert_tensor(file, "head.weight", "5,12", "fc.weight", 0);
        tleg_file_free(file);
        free(bytes);
    }
    struct vit_file made; /* two that would have one name */
    memset(&made, 0, sizeof made);
    add_parts(&made, "vit.", hugging_face);
    vit_add(&made, "vit.module.layernorm.weight", "12");
    must_refuse(&made, NULL, TLEG_ERROR_FORMAT, (const char *const[2]){"vit.layernorm.weight", NULL});
}

static void two_models_in_a_file_are_refused(void **state) {
    (void)state;
    struct vit_file made;
    memset(&made, 0, sizeof made);
    add_parts(&made, "student.", hugging_face);
    add_parts(&made, "teacher.", hugging_face);
    must_refuse(&made, NULL, TLEG_ERROR_FORMAT, (const char *const[2]){"'student.'", "'teacher.'"});
}

static void biases_of_keys_that_a_beit_lacks_are_zeros(void **state) {
    (void)state;
    struct vit_file made;
    unsigned char *bytes;
    float bias[36];
    a_hugging_face_vit(&made, "", "beit.");
    vit_remove(&made, "beit.encoder.layer.0.attention.attention.key.bias");
    vit_remove(&made, "beit.encoder.layer.1.attention.attention.key.bias");
    tleg_file *file = must_name(&made, NULL, &bytes);
    assert_non_null(strstr(note, "a Hugging Face BEiT"));
    OK(context, tleg_file_read_f32(context, file, tleg_file_find(file, "blocks.1.attn.qkv.bias"), bias));
    for (size_t i = 0; i < 12; i++) {
        assert_true(bias[i] == vit_value("beit.encoder.layer.1.attention.attention.query.bias", i));
        assert_true(bias[12 + i] == 0);
        assert_true(bias[24 + i] == vit_value("beit.encoder.layer.1.attention.attention.value.bias", i));
    }
    tleg_file_free(file);
    free(bytes);
    vit_add(&made, "beit.encoder.relative_position_bias.relative_position_bias_table", "12,3");
    must_refuse(&made, NULL, TLEG_ERROR_UNSUPPORTED, (const char *const[2]){"BEiT", "relative positions"});
}

static void registers_get_positions_of_zeros(void **state) {
    (void)state;
    static const struct part dinov2[] = {{"register_tokens", "1,4,12"},
                                         {"mask_token", "1,12"},
                                         {"blocks.{}.ls1.gamma", "12"},
                                         {"blocks.{}.ls2.gamma", "12"},
                                         {NULL, NULL}};
    struct vit_file made;
    unsigned char *bytes;
    float places[14 * 12];
    vit_model(&made, 2);
    vit_reshape(&made, "pos_embed", "1,10,12");
    vit_add(&made, "cls_token", "1,1,12");
    add_parts(&made, "", dinov2);
    tleg_file *file = must_name(&made, NULL, &bytes);
    assert_tensor(file, "reg_token", "1,4,12", "register_tokens", 0);
    assert_tensor(file, "pos_embed", "1,14,12", "pos_embed", 0);
    OK(context, tleg_file_read_f32(context, file, tleg_file_find(file, "pos_embed"), places));
    for (size_t i = 0; i < 14 * 12; i++)
        assert_true(places[i] == (i < 12 ? vit_value("pos_embed", i) : i < 60 ? 0 : vit_value("pos_embed", i - 48)));
    assert_tensor(file, "blocks.1.norm1.weight", "12", "blocks.1.norm1.weight", 0);
    tleg_file_free(file);
    free(bytes);
}

static void the_librarys_own_files_and_strangers_stay_as_they_are(void **state) {
    (void)state;
    struct vit_file made;
    unsigned char *bytes;
    vit_model(&made, 2);
    tleg_file *file = must_name(&made, NULL, &bytes);
    assert_string_equal(note, "");
    assert_int_equal(tleg_file_get_tensor_count(file), made.count);
    assert_tensor(file, "pos_embed", "1,9,12", "pos_embed", 0);
    tleg_file_free(file);
    free(bytes);
    a_few(&made);
    file = must_name(&made, NULL, &bytes);
    assert_int_equal(tleg_file_get_tensor_count(file), made.count);
    tleg_file_free(file);
    free(bytes);
}

/* The lines of the rules text that was guessed for a file, in `note`. */
static void must_guess(const struct vit_file *made, const char *const *lines) {
    unsigned char *bytes;
    tleg_file_free(must_name(made, NULL, &bytes));
    for (; *lines; lines++) {
        char line[256];
        snprintf(line, sizeof line, "rule: %s\n", *lines);
        if (!strstr(note, line)) {
            print_error("expected \"%s\" in %s\n", *lines, note);
            fail();
        }
    }
    free(bytes);
}

static const struct part encoder[] = {{"embed.weight", "12,1,4,4"},
                                      {"cls", "1,1,12"},
                                      {"positions", "1,10,12"},
                                      {"net.layers.{}.self_attn.in_proj_weight", "36,12"},
                                      {"net.layers.{}.self_attn.in_proj_bias", "36"},
                                      {"net.layers.{}.self_attn.out_proj.weight", "12,12"},
                                      {"net.layers.{}.linear1.weight", "20,12"},
                                      {"net.layers.{}.linear2.weight", "12,20"},
                                      {"net.layers.{}.norm1.weight", "12"},
                                      {"net.layers.{}.norm2.weight", "12"},
                                      {"net.norm.weight", "12"},
                                      {"fc.weight", "5,12"},
                                      {"fc.bias", "5"},
                                      {NULL, NULL}};

static void an_unknown_layout_gets_a_first_guess(void **state) {
    (void)state;
    static const char *const rules[] = {"embed.weight -> patch_embed.proj.weight",
                                        "cls -> cls_token",
                                        "positions -> pos_embed",
                                        "net.layers.{}.self_attn.in_proj_weight -> blocks.{}.attn.qkv.weight",
                                        "net.layers.{}.self_attn.in_proj_bias -> blocks.{}.attn.qkv.bias",
                                        "net.layers.{}.self_attn.out_proj.* -> blocks.{}.attn.proj.*",
                                        "net.layers.{}.linear1.* -> blocks.{}.mlp.fc1.*",
                                        "net.layers.{}.linear2.* -> blocks.{}.mlp.fc2.*",
                                        "net.layers.{}.norm1.* -> blocks.{}.norm1.*",
                                        "net.layers.{}.norm2.* -> blocks.{}.norm2.*",
                                        "net.norm.weight -> norm.weight",
                                        "fc.weight -> head.weight",
                                        "fc.bias -> head.bias",
                                        "tleg.heads = ?",
                                        "tleg.branch_norm = ?",
                                        "tleg.activation = ?",
                                        "tleg.pool = cls",
                                        NULL};
    struct vit_file made = {0};
    add_parts(&made, "", encoder);
    must_guess(&made, rules);
}

/* Patches through a matrix, a matrix each for queries, keys and values, widths that are all alike, a norm in the head. */
static void a_guess_tells_parts_of_one_shape_by_their_names(void **state) {
    (void)state;
    static const struct part home[] = {{"pos.weight", "9,12"},
                                       {"embedding.weight", "12,48"},
                                       {"embedding.bias", "12"},
                                       {"stack.{}.la2.weight", "12"},
                                       {"stack.{}.la1.weight", "12"},
                                       {"stack.{}.msa.W_Q.weight", "12,12"},
                                       {"stack.{}.msa.W_Q.bias", "12"},
                                       {"stack.{}.msa.keys.weight", "12,12"},
                                       {"stack.{}.msa.to_v.weight", "12,12"},
                                       {"stack.{}.msa.to_v.bias", "12"},
                                       {"stack.{}.msa.o.weight", "12,12"},
                                       {"stack.{}.net.0.weight", "12,12"},
                                       {"stack.{}.net.2.weight", "12,12"},
                                       {"top.0.weight", "12"},
                                       {"top.1.weight", "5,12"},
                                       {NULL, NULL}};
    static const char *const rules[] = {
        "pos.weight -> pos_embed",
        "embedding.weight^? -> patch_embed.proj.weight",
        "embedding.bias -> patch_embed.proj.bias",
        "stack.{}.la1.* -> blocks.{}.norm1.*",
        "stack.{}.la2.* -> blocks.{}.norm2.*",
        "stack.{}.msa.W_Q.weight + stack.{}.msa.keys.weight + stack.{}.msa.to_v.weight -> blocks.{}.attn.qkv.weight",
        "stack.{}.msa.W_Q.bias + 0 stack.{}.msa.W_Q.bias + stack.{}.msa.to_v.bias -> blocks.{}.attn.qkv.bias",
        "stack.{}.msa.o.* -> blocks.{}.attn.proj.*",
        "stack.{}.net.0.* -> blocks.{}.mlp.fc1.*",
        "stack.{}.net.2.* -> blocks.{}.mlp.fc2.*",
        "top.0.weight -> fc_norm.weight",
        "top.1.weight -> head.weight",
        "tleg.branch_norm = ?",
        "tleg.pool = ?",
        "tleg.activation = ?",
        NULL};
    struct vit_file made = {0};
    add_parts(&made, "", home);
    must_guess(&made, rules);
}

/* A layer that others were copied from stays in the file; of two norms outside the blocks nothing tells which is the last; of a
 * gated MLP nothing tells which half is the gate. */
static void a_guess_asks_where_parts_are_alike(void **state) {
    (void)state;
    static const struct part home[] = {{"embedding.weight", "12,3,4,4"},
                                       {"emb_norm.weight", "12"},
                                       {"emb_norm.bias", "12"},
                                       {"encoder_layer.n1.weight", "12"},
                                       {"encoder_layer.att.qkv.weight", "36,12"},
                                       {"encoder_layer.net.0.weight", "40,12"},
                                       {"layers.{}.n1.weight", "12"},
                                       {"layers.{}.att.qkv.weight", "36,12"},
                                       {"layers.{}.att.out.weight", "12,12"},
                                       {"layers.{}.n2.weight", "12"},
                                       {"layers.{}.net.0.weight", "40,12"},
                                       {"layers.{}.net.2.weight", "12,20"},
                                       {"first_norm.weight", "12"},
                                       {"first_norm.bias", "12"},
                                       {"last_norm.weight", "12"},
                                       {"fc.weight", "5,12"},
                                       {NULL, NULL}};
    static const char *const rules[] = {"emb_norm.weight -> ?",
                                        "emb_norm.bias -> ?",
                                        "first_norm.weight -> ?",
                                        "first_norm.bias -> ?",
                                        "last_norm.weight -> ?",
                                        "fc.weight -> head.weight",
                                        "# mlp.fc1 has its gate first: of one that has it last, NAME[1/2:] + NAME[:1/2], for "
                                        "weight and bias",
                                        "tleg.activation = ?",
                                        "tleg.pool = ?",
                                        NULL};
    struct vit_file made = {0};
    add_parts(&made, "", home);
    must_guess(&made, rules);
}

/* A model of two layers whose names are sorted, with biases before their weights, or as the module made them. */
static void a_stack(struct vit_file *made, bool sorted, const char *one, const char *two, const char *scales[2]) {
    static const struct part outer[] = {
        {"embedding.weight", "12,3,4,4"}, {"cls", "1,1,12"}, {"pos", "1,10,12"}, {"fc.weight", "5,12"}, {NULL, NULL}};
    static const struct part attention[] = {
        {"stack.{}.att.qkv.weight", "36,12"}, {"stack.{}.att.out.weight", "12,12"}, {NULL, NULL}};
    static const struct part mlp[] = {{"stack.{}.net.0.weight", "20,12"}, {"stack.{}.net.2.weight", "12,20"}, {NULL, NULL}};
    memset(made, 0, sizeof *made);
    add_parts(made, "", outer);
    add_parts(made, "", attention);
    const char *norms[] = {one, two};
    for (int k = 0; k < 2; k++)
        for (int bias = 0; bias < 2; bias++) {
            char name[96];
            snprintf(name, sizeof name, "stack.{}.%s.%s", norms[k], (bias == 1) != sorted ? "bias" : "weight");
            add_parts(made, "", (const struct part[]){{name, "12"}, {NULL, NULL}});
        }
    for (int k = 0; k < 2 && scales; k++) {
        char name[96];
        snprintf(name, sizeof name, "stack.{}.%s", scales[k]);
        add_parts(made, "", (const struct part[]){{name, "12"}, {NULL, NULL}});
    }
    add_parts(made, "", mlp);
}

static void must_guess_pair(const struct vit_file *made, const char *const old[2], const char *const new[2]) {
    char lines[2][96];
    for (int k = 0; k < 2; k++)
        snprintf(lines[k], sizeof lines[k], "stack.{}.%s -> %s", old[k], new ? new[k] : "?");
    must_guess(made, (const char *const[]){lines[0], lines[1], NULL});
}

/* Whatever the order in the file: attention's first here, then the MLP's. */
static void words_tell_a_blocks_two_norms_apart(void **state) {
    (void)state;
    static const char *const told[][2] = {{"n1", "n2"},
                                          {"self_attn_layer_norm", "final_layer_norm"},
                                          {"pre_norm", "mid_norm"},
                                          {"input_layernorm", "post_attention_layernorm"},
                                          {"post_attention_norm", "post_ffn_norm"},
                                          {"attention_norm", "norm"},
                                          {"norm", "norm_mlp"},
                                          {"att.norm", "net.norm"},
                                          {"ln_before", "ln_after"},
                                          {"firstNorm", "secondNorm"},
                                          {"norms.0", "norms.1"},
                                          {"norm_in", "norm_out"}};
    static const char *const first[] = {"blocks.{}.norm1.*", "blocks.{}.norm2.*"};
    for (size_t k = 0; k < sizeof told / sizeof *told; k++)
        for (int order = 0; order < 2; order++) {
            struct vit_file made;
            char old[2][64];
            for (int i = 0; i < 2; i++)
                snprintf(old[i], sizeof old[i], "%s.*", told[k][i]);
            a_stack(&made, true, told[k][order], told[k][!order], NULL);
            must_guess_pair(&made, (const char *const[2]){old[0], old[1]}, first);
        }
}

static void words_tell_a_blocks_two_factors_apart(void **state) {
    (void)state;
    static const char *const told[][2] = {{"scale_attn", "scale_ff"},
                                          {"gamma_1", "gamma_2"},
                                          {"g_msa", "g_mlp"},
                                          {"layer_scale_1.lambda1", "layer_scale_2.lambda1"}};
    static const char *const first[] = {"blocks.{}.ls1.gamma", "blocks.{}.ls2.gamma"};
    for (size_t k = 0; k < sizeof told / sizeof *told; k++)
        for (int order = 0; order < 2; order++) {
            struct vit_file made;
            a_stack(&made, true, "n1", "n2", (const char *[2]){told[k][order], told[k][!order]});
            must_guess_pair(&made, told[k], first);
        }
}

/* A module has its weights before its biases, and the norms as they run; sorted names say nothing. */
static void what_words_do_not_tell_apart_follows_the_module_or_is_asked(void **state) {
    (void)state;
    static const char *const norms[] = {"zeta.*", "alpha.*"}, *const new[] = {"blocks.{}.norm1.*", "blocks.{}.norm2.*"};
    static const char *const scales[] = {"s_b", "s_a"}, *const gammas[] = {"blocks.{}.ls1.gamma", "blocks.{}.ls2.gamma"};
    struct vit_file made;
    a_stack(&made, false, "zeta", "alpha", (const char *[2]){"s_b", "s_a"});
    must_guess_pair(&made, norms, new);
    must_guess_pair(&made, scales, gammas);
    must_guess(&made, (const char *const[]){"# in the order of the file:", NULL});
    a_stack(&made, true, "alpha", "zeta", (const char *[2]){"s_a", "s_b"});
    must_guess_pair(&made, (const char *const[2]){"alpha.weight", "zeta.bias"}, NULL);
    must_guess_pair(&made, scales, NULL);
    a_stack(&made, false, "n1", "n2", NULL); /* of three norms two are the block's own */
    vit_add(&made, "stack.0.n0.weight", "12");
    vit_add(&made, "stack.1.n0.weight", "12");
    must_guess_pair(&made, (const char *const[2]){"n1.weight", "n0.weight"}, NULL);
}

/* Without a bias it may be either kind; neither that nor eps is passed over. */
static void a_guess_asks_which_norms_have_no_bias(void **state) {
    (void)state;
    struct vit_file made;
    a_stack(&made, false, "n1", "n2", NULL);
    must_guess(&made, (const char *const[]){"tleg.eps = 1e-5", "tleg.norm = none", "tleg.patch_bias = no",
                                            "tleg.head_bias = no", NULL});
    assert_null(strstr(note, "tleg.rms"));
    assert_non_null(strstr(note, "# Taken for granted: the class token comes first"));
    vit_add(&made, "last.weight", "12");
    static const char mean[] = "# fc_norm.* if it is a norm of the patches' mean, norm.* if the mean is of what it gives";
    must_guess(&made, (const char *const[]){mean, "last.weight -> norm.weight", "tleg.rms = ?", NULL});
    vit_rename(&made, "last.weight", "norm0.weight"); /* before the blocks, by its name */
    must_guess(&made, (const char *const[]){"norm0.weight -> ?", NULL});
    vit_rename(&made, "norm0.weight", "last.weight");
    vit_remove(&made, "cls");
    must_guess(&made, (const char *const[]){"last.weight -> ?", NULL}); /* before a mean or after it */
}

/* A gate and what stands beside it are rows of one matrix. */
static void a_guess_joins_a_gate_that_is_apart(void **state) {
    (void)state;
    static const char *const names[][3] = {{"w1", "w3", "w2"}, {"gate_proj", "up_proj", "down_proj"}, {"wb", "wa", "wc"}};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct vit_file made;
        char line[96];
        a_stack(&made, true, "n1", "n2", NULL);
        vit_rename(&made, "stack.0.net.0.weight", "stack.0.net.0");
        for (int layer = 0; layer < 2; layer++)
            for (int i = 0; i < 3; i++) {
                char name[96];
                snprintf(name, sizeof name, "stack.%d.net.%d.weight", layer, i < 2 ? 0 : 2);
                if (i != 1 && vit_find(&made, name))
                    vit_remove(&made, name);
                snprintf(name, sizeof name, "stack.%d.%s.weight", layer, names[k][i]);
                vit_add(&made, name, i < 2 ? "20,12" : "12,20");
            }
        vit_remove(&made, "stack.0.net.0");
        snprintf(line, sizeof line, "stack.{}.%s.weight + stack.{}.%s.weight -> %s", names[k][0], names[k][1],
                 k < 2 ? "blocks.{}.mlp.fc1.weight" : "?blocks.{}.mlp.fc1.weight");
        must_guess(&made, (const char *const[]){line, NULL});
    }
}

/* Matrices that are as wide as high fit everywhere, and parameters of one's own may be transposed. */
static void a_guess_asks_what_square_matrices_are(void **state) {
    (void)state;
    struct vit_file made;
    a_stack(&made, true, "n1", "n2", NULL);
    for (int layer = 0; layer < 2; layer++)
        for (int k = 0; k < 3; k += 2) {
            char name[32], other[32];
            snprintf(name, sizeof name, "stack.%d.net.%d.weight", layer, k);
            snprintf(other, sizeof other, "stack.%d.lin_%c.weight", layer, k ? 'a' : 'z');
            vit_rename(&made, name, other);
            vit_reshape(&made, other, "12,12");
        }
    must_guess(&made, (const char *const[]){"stack.{}.att.out.* -> blocks.{}.attn.proj.*", "stack.{}.lin_z.weight -> ?",
                                            "stack.{}.lin_a.weight -> ?", NULL});
    vit_rename(&made, "stack.0.att.out.weight", "stack.0.att.w_o");
    vit_rename(&made, "stack.1.att.out.weight", "stack.1.att.w_o");
    must_guess(&made, (const char *const[]){"stack.{}.att.w_o^? -> blocks.{}.attn.proj.weight", NULL});
}

static void a_guess_says_what_it_did_not_find(void **state) {
    (void)state;
    struct vit_file made;
    unsigned char *bytes;
    a_stack(&made, false, "n1", "n2", NULL);
    for (int32_t k = 0; k < made.count; k++) {
        char *end = strstr(made.tensors[k].name, ".weight");
        if (end && strstr(made.tensors[k].name, ".n"))
            strcpy(end, strstr(made.tensors[k].name, ".net") ? ".weight" : ".gamma");
    }
    tleg_file_free(must_name(&made, NULL, &bytes));
    assert_non_null(strstr(note, "no layer has a norm whose factors are called weight"));
    free(bytes);
    a_few(&made);
    vit_rename(&made, "b1.q.w", "b7.q.w");
    for (int32_t k = 0; k < made.count; k++)
        if (made.tensors[k].name[0] == 'b' && made.tensors[k].name[1] == '1')
            made.tensors[k].name[1] = '7';
    tleg_file_free(must_name(&made, NULL, &bytes));
    assert_non_null(strstr(note, "count no layers 0, 1, 2"));
    free(bytes);
}

/* LayerNorms without biases have biases of zeros, under whatever names; what has a bias keeps it. */
static void rules_give_norms_without_biases_zeros(void **state) {
    (void)state;
    struct vit_file made = {0};
    unsigned char *bytes;
    float values[12];
    vit_add(&made, "b.0.one.weight", "12");
    vit_add(&made, "b.0.two.weight", "12");
    vit_add(&made, "b.0.two.bias", "12");
    vit_add(&made, "fc_norm.weight", "12");
    vit_add(&made, "head.weight", "5,12");
    static const char rules[] = "b.{}.one.* -> blocks.{}.norm1.*\nb.{}.two.* -> blocks.{}.norm2.*\ntleg.rms = %s\n";
    for (int no = 0; no < 2; no++) {
        char text[128];
        snprintf(text, sizeof text, rules, no ? "no" : "yes");
        tleg_file *file = must_name(&made, text, &bytes);
        assert_int_equal(tleg_file_get_tensor_count(file), no ? 7 : 5);
        assert_tensor(file, "blocks.0.norm2.bias", "12", "b.0.two.bias", 0);
        for (int k = 0; k < 2 && no; k++) {
            OK(context,
               tleg_file_read_f32(context, file, tleg_file_find(file, k ? "fc_norm.bias" : "blocks.0.norm1.bias"), values));
            for (int i = 0; i < 12; i++)
                assert_true(values[i] == 0);
        }
        tleg_file_free(file);
        free(bytes);
    }
}

/* Heads that are together wider than a token, or narrower: one matrix, or one each. */
static void a_guess_knows_attention_of_another_width(void **state) {
    (void)state;
    static const char *const widths[] = {"72,12", "12,24", "18,12", "12,6"};
    for (int k = 0; k < 2; k++) {
        const struct part home[] = {{"embedding.weight", "12,3,4,4"},
                                    {"stack.{}.n1.weight", "12"},
                                    {"stack.{}.att.qkv.weight", widths[2 * k]},
                                    {"stack.{}.att.out.weight", widths[2 * k + 1]},
                                    {"stack.{}.n2.weight", "12"},
                                    {"stack.{}.net.0.weight", "20,12"},
                                    {"stack.{}.net.2.weight", "12,20"},
                                    {"top.weight", "5,12"},
                                    {NULL, NULL}};
        static const char *const rules[] = {"stack.{}.att.qkv.* -> blocks.{}.attn.qkv.*",
                                            "stack.{}.att.out.* -> blocks.{}.attn.proj.*",
                                            "stack.{}.net.0.* -> blocks.{}.mlp.fc1.*", NULL};
        struct vit_file made = {0};
        add_parts(&made, "", home);
        must_guess(&made, rules);
    }
    static const struct part apart[] = {{"embedding.weight", "12,3,4,4"},
                                        {"stack.{}.n1.weight", "12"},
                                        {"stack.{}.to_q.weight", "24,12"},
                                        {"stack.{}.to_k.weight", "24,12"},
                                        {"stack.{}.to_v.weight", "24,12"},
                                        {"stack.{}.to_out.weight", "12,24"},
                                        {"stack.{}.n2.weight", "12"},
                                        {"stack.{}.net.0.weight", "20,12"},
                                        {"stack.{}.net.2.weight", "12,20"},
                                        {"top.weight", "5,12"},
                                        {NULL, NULL}};
    static const char *const rules[] = {
        "stack.{}.to_q.weight + stack.{}.to_k.weight + stack.{}.to_v.weight -> blocks.{}.attn.qkv.weight",
        "stack.{}.to_out.* -> blocks.{}.attn.proj.*", NULL};
    struct vit_file made = {0};
    add_parts(&made, "", apart);
    must_guess(&made, rules);
}

static void a_guess_says_what_has_no_place(void **state) {
    (void)state;
    static const struct part home[] = {{"patch_embed.proj.weight", "12,3,4,4"},
                                       {"cls_token", "1,1,12"},
                                       {"blocks.{}.norm1.weight", "12"},
                                       {"blocks.{}.norm2.weight", "12"},
                                       {"blocks.{}.attn.heads.0.query.weight", "4,12"},
                                       {"blocks.{}.attn.temperature", "1"},
                                       {"blocks.{}.mlp.0.weight", "20,12"},
                                       {"blocks.{}.mlp.2.weight", "12,20"},
                                       {"head.0.weight", "24,12"},
                                       {"head.2.weight", "5,24"},
                                       {"embed_norm.weight", "12"},
                                       {"pe", "60,1,12"},
                                       {"scale", "1"},
                                       {NULL, NULL}};
    static const char *const rules[] = {
        "blocks.{}.mlp.0.* -> blocks.{}.mlp.fc1.*",
        "# blocks.{}.attn.heads.0.query.weight: of one head; queries, keys and values have to be saved as a matrix of all "
        "heads",
        "# blocks.{}.attn.temperature: no part of a plain block is like it",
        "# no matrix after attention was found: blocks.{}.attn.proj.* is needed",
        "# pre_logits.weight, and .bias, if tanh alone stands between the two layers of the head;",
        "head.0.weight -> ?",
        "head.2.weight -> head.weight",
        "pe[:?] -> pos_embed",
        "embed_norm.weight -> ?",
        "# scale: no part is like it, and the result may depend on it; -> nothing leaves it out",
        NULL};
    struct vit_file made = {0};
    add_parts(&made, "", home);
    must_guess(&made, rules);
    vit_add(&made, "head.4.weight", "5,5");
    must_guess(&made,
               (const char *const[]){"# head.0.weight: one of several matrices; a head of such layers is not computed",
                                     "# head.2.weight: one of several matrices; a head of such layers is not computed", NULL});
    assert_null(strstr(note, "-> head.weight"));
    vit_remove(&made, "pe");
    must_guess(&made, (const char *const[]){"# no positions were found: those that a model computes have to be saved as a "
                                            "tensor, for pos_embed",
                                            NULL});
    assert_null(strstr(note, "blocks.{}.norm1.* ->")); /* has the library's name */
}

static void questions_that_nobody_answered_are_refused(void **state) {
    (void)state;
    struct vit_file made;
    a_few(&made);
    must_refuse(&made, "pixels^? -> patch_embed.proj.weight", TLEG_ERROR_FORMAT, (const char *const[2]){"line 1", "^P"});
    must_refuse(&made, "places[:?] -> pos_embed", TLEG_ERROR_FORMAT, (const char *const[2]){"line 1", "rows"});
    must_refuse(&made, "other -> ?", TLEG_ERROR_FORMAT, (const char *const[2]){"line 1", "new name"});
}

/* nn.MultiheadAttention without batch_first has the tokens first. */
static void positions_may_have_their_tokens_first(void **state) {
    (void)state;
    struct vit_file made = {0};
    unsigned char *bytes;
    vit_add(&made, "places", "10,1,12");
    tleg_file *file = must_name(&made, "places -> pos_embed", &bytes);
    assert_tensor(file, "pos_embed", "1,10,12", "places", 0);
    tleg_file_free(file);
    free(bytes);
}

/* A block's tensor that was forgotten would change the result, unless it holds integers. */
static void rules_name_all_that_a_block_computes_with(void **state) {
    (void)state;
    static const char rules[] = "net.layers.{}.norm1.* -> blocks.{}.norm1.*\n";
    struct vit_file made = {0};
    unsigned char *bytes;
    vit_add(&made, "net.layers.0.norm1.weight", "12");
    vit_add(&made, "net.layers.0.index", "4");
    made.tensors[1].type = "I64";
    tleg_file_free(must_name(&made, rules, &bytes));
    free(bytes);
    vit_add(&made, "net.layers.0.gate", "12");
    must_refuse(&made, rules, TLEG_ERROR_FORMAT, (const char *const[2]){"\"net.layers.0.gate\"", "in no rule"});
}

/* How many channels a patch has does not show in a matrix. */
static void what_a_matrix_of_patches_leaves_open_is_said(void **state) {
    (void)state;
    static const char *const words[] = {"^P -> patch_embed", "pixel_norm", "input_layer"};
    const struct tleg_family *family;
    for (size_t k = 0; (family = tleg_family_at(k)) != NULL; k++) {
        bool matrix = family->flat;
        for (size_t part = 0; part < TLEG_RULE_TEXTS && family->rules[part]; part++)
            for (size_t w = 0; w < sizeof words / sizeof *words; w++)
                matrix = matrix || strstr(family->rules[part], words[w]);
        if (matrix != (family->assumed && strstr(family->assumed, "3 channels")))
            fail_msg("%s: %s", family->name, family->assumed);
    }
}

/* Each row is read by sound rules, or refused by a reason. */
static void every_family_has_rules_or_a_reason(void **state) {
    (void)state;
    const struct tleg_family *family;
    for (size_t k = 0; (family = tleg_family_at(k)) != NULL; k++) {
        assert_true((family->rules[0] != NULL) != (family->refused != NULL));
        for (size_t part = 0; part < TLEG_RULE_TEXTS && family->rules[part]; part++) {
            const char *text = family->rules[part];
            int64_t line = 0, lines = 0;
            struct tleg_rule rule = {.line = 1};
            for (; rule.line > 0; lines++)
                OK(context, tleg_rule_next(context, &text, &line, &rule));
            assert_true(lines > 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_say_what_tensors_are_made_of),
        cmocka_unit_test(a_turned_matrix_may_embed_patches),
        cmocka_unit_test(rules_leave_out_what_they_call_nothing),
        cmocka_unit_test(rules_that_are_not_rules_name_their_line),
        cmocka_unit_test(rules_that_do_not_fit_the_file_name_the_tensor),
        cmocka_unit_test(a_hugging_face_vit_is_read_under_any_prefix),
        cmocka_unit_test(what_a_family_does_not_know_is_refused),
        cmocka_unit_test(a_part_that_is_missing_is_named),
        cmocka_unit_test(a_kind_that_was_not_compared_is_refused),
        cmocka_unit_test(rules_for_a_part_leave_the_family),
        cmocka_unit_test(wrappers_in_the_middle_are_passed_over),
        cmocka_unit_test(two_models_in_a_file_are_refused),
        cmocka_unit_test(biases_of_keys_that_a_beit_lacks_are_zeros),
        cmocka_unit_test(registers_get_positions_of_zeros),
        cmocka_unit_test(the_librarys_own_files_and_strangers_stay_as_they_are),
        cmocka_unit_test(an_unknown_layout_gets_a_first_guess),
        cmocka_unit_test(a_guess_tells_parts_of_one_shape_by_their_names),
        cmocka_unit_test(a_guess_asks_where_parts_are_alike),
        cmocka_unit_test(words_tell_a_blocks_two_norms_apart),
        cmocka_unit_test(words_tell_a_blocks_two_factors_apart),
        cmocka_unit_test(what_words_do_not_tell_apart_follows_the_module_or_is_asked),
        cmocka_unit_test(a_guess_asks_which_norms_have_no_bias),
        cmocka_unit_test(a_guess_joins_a_gate_that_is_apart),
        cmocka_unit_test(a_guess_asks_what_square_matrices_are),
        cmocka_unit_test(a_guess_says_what_it_did_not_find),
        cmocka_unit_test(rules_give_norms_without_biases_zeros),
        cmocka_unit_test(a_guess_knows_attention_of_another_width),
        cmocka_unit_test(a_guess_says_what_has_no_place),
        cmocka_unit_test(questions_that_nobody_answered_are_refused),
        cmocka_unit_test(positions_may_have_their_tokens_first),
        cmocka_unit_test(rules_name_all_that_a_block_computes_with),
        cmocka_unit_test(what_a_matrix_of_patches_leaves_open_is_said),
        cmocka_unit_test(every_family_has_rules_or_a_reason),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
