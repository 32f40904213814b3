/* config.json and its like: the keys that come of them, and what contradicts the weights. */
#include "support/support.h"
#include "support/vit_file.h"

#include "names/names.h"

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

/* Where they are not NULL: other shapes of patch_embed.proj.weight and pos_embed. */
static const char *patches, *positions;

/* Where it is not NULL: what stands before all names; a second text beside the weights. */
static const char *prefix, *second[2];

static void vit_text(struct vit_file *made, const char *key, const char *text) {
    char escaped[2048] = "";
    size_t length = 0;
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            escaped[length++] = '\\';
        escaped[length++] = *text;
    }
    vit_key(made, key, escaped);
}

/* timm's model of depth 2 (12 x 12 pixels, patches of 4, dim 12, hidden 20, 5 classes) beside a text. */
static tleg_status name_with(const char *key, const char *text, const char *rules, tleg_file **named, unsigned char **bytes) {
    struct vit_file made;
    size_t size;
    vit_model(&made, 2);
    if (patches)
        vit_reshape(&made, "patch_embed.proj.weight", patches);
    if (positions)
        vit_reshape(&made, "pos_embed", positions);
    for (int32_t k = 0; k < made.count && prefix; k++) {
        char name[sizeof made.tensors[k].name];
        snprintf(name, sizeof name, "%s%.60s", prefix, made.tensors[k].name);
        strcpy(made.tensors[k].name, name);
    }
    vit_text(&made, key, text);
    if (second[0])
        vit_text(&made, second[0], second[1]);
    *bytes = vit_bytes(&made, &size);
    tleg_file *file;
    OK(context, tleg_file_parse(context, *bytes, size, &file));
    const tleg_status status = tleg_names_read(context, file, rules, named);
    tleg_file_free(file);
    return status;
}

/* Keys and values, NULL for none, up to a key NULL. */
static void must_say(const char *key, const char *text, const char *const (*expected)[2]) {
    tleg_file *named;
    unsigned char *bytes;
    OK(context, name_with(key, text, NULL, &named, &bytes));
    assert_null(tleg_file_get_metadata(named, key));
    for (; (*expected)[0]; expected++) {
        const char *found = tleg_file_get_metadata(named, (*expected)[0]);
        if (!found != !(*expected)[1] || (found && strcmp(found, (*expected)[1]) != 0)) {
            print_error("%s: %s is %s\n", text, (*expected)[0], found ? found : "absent");
            fail();
        }
    }
    tleg_file_free(named);
    free(bytes);
}

static void a_hugging_face_config_says_what_shapes_do_not(void **state) {
    (void)state;
    static const char plain[] =
        "{\"model_type\": \"vit\", \"hidden_size\": 12, \"num_hidden_layers\": 2, \"intermediate_size\": 20, "
        "\"patch_size\": 4, \"image_size\": 12, \"num_channels\": 3, \"num_attention_heads\": 3, "
        "\"layer_norm_eps\": 1e-12, \"hidden_act\": \"gelu_new\", \"id2label\": {\"1\": \"b\", "
        "\"0\": \"a -> \\u00e4 = \\\"\", \"2\": \"c\", \"3\": \"d\", \"4\": \"e\"}}";
    must_say("config.json", plain,
             (const char *const[][2]){{"tleg.heads", "3"},
                                      {"tleg.eps", "1e-12"},
                                      {"tleg.activation", "gelu_tanh"},
                                      {"tleg.labels", "[\"a -> \\u00e4 = \\\"\", \"b\", \"c\", \"d\", \"e\"]"},
                                      {NULL, NULL}});
    static const char nested[] = "{\"model_type\": \"clip\", \"text_config\": {\"num_attention_heads\": 8}, \"vision_config\": "
                                 "{\"num_attention_heads\": 6, \"hidden_act\": \"quick_gelu\", \"image_size\": [12, 12]}}";
    must_say(
        "config.json", nested,
        (const char *const[][2]){
            {"tleg.heads", "6"}, {"tleg.activation", "quick_gelu"}, {"tleg.eps", NULL}, {"tleg.labels", NULL}, {NULL, NULL}});
    static const char *const parts[] = {"encoder", "backbone_config"}; /* of a reader of lines, of what estimates depth */
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        char larger[128];
        snprintf(larger, sizeof larger, "{\"model_type\": \"larger\", \"%s\": {\"num_attention_heads\": 6}}", parts[k]);
        must_say("config.json", larger, (const char *const[][2]){{"tleg.heads", "6"}, {NULL, NULL}});
    }
    static const char nameless[] = "{\"model_type\": \"vit\", \"id2label\": {\"0\": \"LABEL_0\", \"1\": \"LABEL_1\", "
                                   "\"2\": \"LABEL_2\", \"3\": \"LABEL_3\", \"4\": \"LABEL_4\"}}";
    must_say("config.json", nameless, (const char *const[][2]){{"tleg.labels", NULL}, {NULL, NULL}});
    must_say("config.json", "\xEF\xBB\xBF{\"model_type\": \"vit\", \"num_attention_heads\": 6}",
             (const char *const[][2]){{"tleg.heads", "6"}, {NULL, NULL}});
    must_say("config.json", "{\"a\": 1}", (const char *const[][2]){{"tleg.eps", NULL}, {NULL, NULL}}); /* of something else */
}

/* A list of names, or an object of numbers and names, as timm's label_names is either; and under a prefix, which comes off
 * later. */
static void a_timm_configs_labels_are_read(void **state) {
    (void)state;
    static const char *const prefixes[] = {NULL, "timm_model."};
    static const char *const named[][2] = {{"tleg.labels", "[\"a\", \"b\", \"c\", \"d\", \"e\"]"}, {NULL, NULL}};
    static const char *const wrong[][2] = {
        {"\"num_features\": 999", "num_features is 999, but the weights have 12"},
        {"\"model_args\": {\"depth\": 3}", "depth is 3, but the weights have 2"},
        {"\"label_names\": {\"0\": \"a\", \"1\": \"b\"}", "label_names are 2, but the weights have 5"},
        {"\"label_names\": {\"0\": \"\", \"1\": \"\", \"2\": \"\", \"3\": \"\", \"9\": \"\"}",
         "label_names: expected a name for class 4"},
        {"\"label_names\": [\"a\", [\"b\"], \"c\", \"d\", \"e\"]", "label_names: expected a name for class 1"}};
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
        prefix = prefixes[p];
        must_say("config.json", "{\"architecture\": \"x\", \"label_names\": [\"a\", \"b\", \"c\", \"d\", \"e\"]}", named);
        must_say("config.json",
                 "{\"architecture\": \"x\", \"label_names\": {\"4\": \"e\", \"0\": \"a\", \"1\": \"b\", \"2\": \"c\", \"3\": "
                 "\"d\"}}",
                 named);
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            char config[160];
            tleg_file *file;
            unsigned char *bytes;
            snprintf(config, sizeof config, "{\"architecture\": \"x\", %s}", wrong[k][0]);
            assert_int_equal(name_with("config.json", config, NULL, &file, &bytes), TLEG_ERROR_FORMAT);
            assert_non_null(strstr(tleg_context_get_error(context), wrong[k][1]));
            free(bytes);
        }
    }
    prefix = NULL;
}

static void a_timm_config_says_how_pictures_are_prepared(void **state) {
    (void)state;
    static const char config[] =
        "{\"architecture\": \"vit_small_patch16_224\", \"num_classes\": 5, \"num_features\": 12, \"global_pool\": \"token\", "
        "\"pretrained_cfg\": {\"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.25, 0.5], \"crop_pct\": 0.9, \"interpolation\": "
        "\"bilinear\", \"crop_mode\": \"squash\"}, \"label_names\": [\"a\", \"b\", \"c\", \"d\", \"e\"]}";
    must_say("config.json", config,
             (const char *const[][2]){{"tleg.mean", "0.5,0.5,0.5"},
                                      {"tleg.std", "0.5,0.25,0.5"},
                                      {"tleg.crop", "0.9"},
                                      {"tleg.interpolation", "bilinear"},
                                      {"tleg.fit", "squash"},
                                      {"tleg.eps", "1e-6"},
                                      {"tleg.pool", "cls"},
                                      {"tleg.labels", "[\"a\", \"b\", \"c\", \"d\", \"e\"]"},
                                      {NULL, NULL}});
    must_say("config.json", "{\"architecture\": \"vit_base_patch32_clip_quickgelu_224\", \"mean\": [0.1, 0.2, 0.3]}",
             (const char *const[][2]){
                 {"tleg.mean", "0.1,0.2,0.3"}, {"tleg.eps", "1e-5"}, {"tleg.activation", "quick_gelu"}, {NULL, NULL}});
    must_say("config.json", "{\"architecture\": \"vit_base_patch16_rpn_224\", \"global_pool\": \"avg\"}",
             (const char *const[][2]){{"tleg.branch_norm", "after"}, {NULL, NULL}});
    must_say("config.json", "{\"architecture\": \"vit_base_patch16_rope_ape_224\"}",
             (const char *const[][2]){
                 {"tleg.rotary", "index"}, {"tleg.rotary_base", "100"}, {"tleg.rotary_order", "xy"}, {NULL, NULL}});
    must_say("config.json", "{\"architecture\": \"vit_so400m_patch16_siglip_gap_384\"}",
             (const char *const[][2]){{"tleg.activation", "gelu_tanh"}, {NULL, NULL}});
    must_say("config.json", "{\"architecture\": \"vit_base_patch16_siglip_512\"}",
             (const char *const[][2]){{"tleg.activation", NULL}, {NULL, NULL}});
    must_say("config.json", "{\"architecture\": \"eva02_enormous_patch14_clip_224\"}",
             (const char *const[][2]){{"tleg.branch_norm", "after"}, {NULL, NULL}});
}

/* What timm takes in place of an architecture's own when a model is made, or else an architecture's own: whatever the pictures'
 * size, positions are counted in the grid of the size that it was made for. */
static void a_timm_config_says_how_rotary_positions_count(void **state) {
    (void)state;
    static const char *const sides[][2] = {
        {"vit_pe_core_tiny_patch16_384", "24"},    {"vit_pe_core_base_patch16_224", "14"},
        {"vit_pe_core_large_patch14_336", "24"},   {"vit_pe_lang_gigantic_patch14_448", "32"},
        {"vit_pe_spatial_tiny_patch16_512", "32"}, {"eva02_tiny_patch14_224", "16"},
        {"vit_small_patch16_rope_224", "none"}};
    char config[256];
    for (size_t k = 0; k < sizeof sides / sizeof *sides; k++) {
        snprintf(config, sizeof config, "{\"architecture\": \"%s\", \"model_args\": {\"img_size\": 12}}", sides[k][0]);
        must_say("config.json", config, (const char *const[][2]){{"tleg.rotary_grid", sides[k][1]}, {NULL, NULL}});
    }
    static const char *const given[][2] = {{"7", "7"}, {"[6, 6]", "6"}, {"null", "24"}, {"[6, 4]", "6x4"}};
    for (size_t k = 0; k < sizeof given / sizeof *given; k++) {
        snprintf(config, sizeof config,
                 "{\"architecture\": \"vit_pe_core_tiny_patch16_384\", \"model_args\": {\"ref_feat_shape\": %s}}", given[k][0]);
        must_say("config.json", config, (const char *const[][2]){{"tleg.rotary_grid", given[k][1]}, {NULL, NULL}});
    }
    must_say("config.json",
             "{\"architecture\": \"vit_base_patch16_rope_ape_224\", \"model_args\": {\"rope_temperature\": 50.0, "
             "\"rope_grid_indexing\": \"ij\", \"rope_grid_offset\": 1.0, \"rope_rotate_half\": true}}",
             (const char *const[][2]){{"tleg.rotary_base", "50.0"},
                                      {"tleg.rotary_order", "yx"},
                                      {"tleg.rotary_offset", "1"},
                                      {"tleg.rotary_pairs", "halves"},
                                      {NULL, NULL}});
}

/* An architecture has rotary positions or none, whatever family its tensors have the names of; an argument says otherwise. */
static void a_timm_architecture_says_which_rotary_positions_it_has(void **state) {
    (void)state;
    static const struct {
        const char *name, *args, *kind, *base, *pairs, *order, *offset;
    } cases[] = {{"vit_base_patch16_clip_224", "", "none", NULL, NULL, NULL, NULL},
                 {"eva_giant_patch14_224", "", "none", NULL, NULL, NULL, NULL},
                 {"eva02_enormous_patch14_clip_224", "", "none", NULL, NULL, NULL, NULL},
                 {"eva_giant_patch14_224", "\"use_rot_pos_emb\": true", "index", "10000", "neighbours", "yx", "0"},
                 {"eva02_tiny_patch14_224", "\"use_rot_pos_emb\": false", "none", NULL, NULL, NULL, NULL},
                 {"eva02_tiny_patch14_224", "\"swiglu_mlp\": false", "index", "10000", "neighbours", "yx", "0"},
                 {"vit_small_patch16_dinov3", "\"num_reg_tokens\": 0", "centred", "100", "halves", "yx", "0"},
                 {"vit_base_patch16_lingbot", "", "centred", "100", "halves", "yx", "0"},
                 {"vit_small_patch16_rope_224", "\"use_abs_pos_emb\": true", "index", "100", "neighbours", "xy", "0"},
                 {"vit_medium_patch16_rope_reg1_gap_256", "\"class_token\": true", "index", "10000", "neighbours", "yx", "0"},
                 {"vit_pe_core_tiny_patch16_384", "\"global_pool\": \"avg\"", "index", "10000", "neighbours", "xy", "1"},
                 {"vit_pe_core_tiny_patch16_384", "\"rope_grid_offset\": 0.0", "index", "10000", "neighbours", "xy", "0"},
                 {"vit_pe_core_gigantic_patch14_448", "", "index", "10000", "neighbours", "xy", "0"},
                 {"unheard_of", "", NULL, NULL, NULL, NULL, NULL}};
    char config[256];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        snprintf(config, sizeof config, "{\"architecture\": \"%s\", \"model_args\": {%s}}", cases[k].name, cases[k].args);
        must_say("config.json", config,
                 (const char *const[][2]){{"tleg.rotary", cases[k].kind},
                                          {"tleg.rotary_base", cases[k].base},
                                          {"tleg.rotary_pairs", cases[k].pairs},
                                          {"tleg.rotary_order", cases[k].order},
                                          {"tleg.rotary_offset", cases[k].offset},
                                          {NULL, NULL}});
    }
}

/* Heads that the width does not tell: an architecture's own, whatever its pictures; of another width they are asked for. */
static void a_timm_config_says_heads_that_its_width_does_not(void **state) {
    (void)state;
    static const char *const heads[][2] = {{"vit_huge_plus_patch16_dinov3\"", "20"},
                                           {"vit_huge_plus_patch16_dinov3_qkvb\"", "20"},
                                           {"vit_7b_patch16_dinov3\"", "32"},
                                           {"vit_pe_lang_gigantic_patch14_448\"", "16"},
                                           {"vit_pe_spatial_gigantic_patch14_448\"", "16"},
                                           {"vit_giant_patch16_radio_v3\"", "24"},
                                           {"vit_base_patch16_gap_224\"", "16"},
                                           {"test_vit\"", "2"},
                                           {"test_vit3\"", "3"},
                                           {"vit_base_patch16_224\"", NULL},
                                           {"vit_huge_plus_patch16_dinov3\", \"model_args\": {\"num_heads\": 4}", "4"},
                                           {"vit_base_patch16_224\", \"model_args\": {\"embed_dim\": 12}", "?"}};
    char config[256];
    for (size_t k = 0; k < sizeof heads / sizeof *heads; k++) {
        snprintf(config, sizeof config, "{\"architecture\": \"%s}", heads[k][0]);
        must_say("config.json", config, (const char *const[][2]){{"tleg.heads", heads[k][1]}, {NULL, NULL}});
    }
}

/* Arguments that leave nothing in the weights. */
static void what_a_timm_model_was_made_with_is_read_or_refused(void **state) {
    (void)state;
    must_say(
        "config.json",
        "{\"architecture\": \"eva02_tiny_patch14_224\", \"global_pool\": \"token\", \"model_args\": {\"use_post_norm\": true, "
        "\"attn_pool_num_heads\": 4, \"global_pool\": \"map\", \"rope_type\": \"cat\", \"drop_path_rate\": 0.1, "
        "\"dynamic_img_pad\": false, \"use_naflex\": null}}",
        (const char *const[][2]){
            {"tleg.branch_norm", "after"}, {"tleg.pool_heads", "4"}, {"tleg.pool", "attention"}, {NULL, NULL}});
    static const char *const cases[][3] = {
        {"vit_base_patch16_clip_224\", \"model_args\": {\"norm_layer\": \"layernorm\"}", "tleg.eps", "1e-6"},
        {"vit_base_patch16_224\", \"model_args\": {\"norm_layer\": \"rmsnorm\"}", "tleg.eps", "1e-6"},
        {"eva02_enormous_patch14_clip_224\", \"model_args\": {\"use_post_norm\": false}", "tleg.branch_norm", "before"},
        {"test_vit3\", \"global_pool\": \"map\"", "tleg.pool", "attention"},
        {"vit_base_patch16_siglip_224\", \"global_pool\": \"map\"", "tleg.pool", "attention"}, /* no token before the patches */
        {"vit_base_patch16_siglip_224\", \"global_pool\": \"map\", \"model_args\": {\"pool_include_prefix\": true}",
         "tleg.pool", "attention"},
        {"eva_giant_patch14_224\", \"global_pool\": \"map\"", "tleg.pool", "attention"},
        {"eva_giant_patch14_224\", \"global_pool\": \"map\"", "tleg.pool_heads", "own"},
        {"vit_pe_core_tiny_patch16_384\", \"global_pool\": \"map\"", "tleg.pool_heads", "8"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char config[256];
        snprintf(config, sizeof config, "{\"architecture\": \"%s}", cases[k][0]);
        must_say("config.json", config, (const char *const[][2]){{cases[k][1], cases[k][2]}, {NULL, NULL}});
    }
}

static void an_open_clip_config_says_what_its_tower_is(void **state) {
    (void)state;
    static const struct {
        const char *tower;
        const char *key, *value;
    } cases[] = {{"\"timm_model_name\": \"eva_giant_patch14_224\", \"timm_pool\": \"token\"", "tleg.pool", "cls"},
                 {"\"timm_model_name\": \"eva_giant_patch14_224\"", "tleg.heads", NULL}, /* not 64 numbers each */
                 {"\"timm_model_name\": \"eva_giant_patch14_224\"", "tleg.pool", "mean"},
                 {"\"timm_model_name\": \"eva_giant_patch14_224\"", "tleg.activation", NULL}, /* quick_gelu is not for it */
                 {"\"timm_model_name\": \"vit_so400m_patch16_siglip_256\"", "tleg.activation", "gelu_tanh"},
                 {"\"timm_model_name\": \"eva02_enormous_patch14_clip_224\"", "tleg.branch_norm", "after"},
                 {"\"timm_model_name\": \"vit_pe_core_gigantic_patch14_448\"", "tleg.rotary_grid", "32"},
                 {"\"pool_type\": \"avg\"", "tleg.norm", "before_pool"},
                 {"\"pool_type\": \"avg\", \"final_ln_after_pool\": true", "tleg.norm", "after_pool"},
                 {"\"norm_kwargs\": {\"eps\": 0.01}", "tleg.eps", "0.01"},
                 {"\"act_kwargs\": {\"approximate\": \"tanh\"}", "tleg.activation", "quick_gelu"}};
    char config[400];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        snprintf(config, sizeof config, "{\"model_cfg\": {\"vision_cfg\": {%s}, \"quick_gelu\": true}}", cases[k].tower);
        must_say("open_clip_config.json", config, (const char *const[][2]){{cases[k].key, cases[k].value}, {NULL, NULL}});
    }
    must_say("open_clip_config.json", "{\"model_cfg\": {\"vision_cfg\": {\"act_kwargs\": {\"approximate\": \"tanh\"}}}}",
             (const char *const[][2]){{"tleg.activation", "gelu_tanh"}, {NULL, NULL}});
}

static void an_open_clip_config_names_the_activation(void **state) {
    (void)state;
    static const char config[] =
        "{\"model_cfg\": {\"vision_cfg\": {\"width\": 12, \"layers\": 2, \"patch_size\": 4, \"head_width\": "
        "4}, \"quick_gelu\": true}, \"preprocess_cfg\": {\"mean\": [0.5, 0.5, 0.5], \"resize_mode\": "
        "\"shortest\", \"interpolation\": \"bicubic\"}}";
    must_say("open_clip_config.json", config,
             (const char *const[][2]){{"tleg.heads", "3"},
                                      {"tleg.activation", "quick_gelu"},
                                      {"tleg.mean", "0.5,0.5,0.5"},
                                      {"tleg.fit", "crop"},
                                      {"tleg.crop", "1"},
                                      {NULL, NULL}});
}

static void a_preprocessor_says_mean_std_filter_and_fit(void **state) {
    (void)state;
    must_say("preprocessor_config.json",
             "{\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.25, 0.5, 0.5], \"size\": {\"height\": 224, \"width\": 224}, "
             "\"resample\": 2, \"rescale_factor\": 0.00392156862745098, \"do_rescale\": true}",
             (const char *const[][2]){{"tleg.mean", "0.5,0.5,0.5"},
                                      {"tleg.std", "0.25,0.5,0.5"},
                                      {"tleg.fit", "squash"},
                                      {"tleg.crop", "1.0"},
                                      {"tleg.interpolation", "bilinear"},
                                      {NULL, NULL}});
    must_say("preprocessor_config.json",
             "{\"size\": {\"shortest_edge\": 256}, \"crop_size\": {\"height\": 224, \"width\": 224}, \"do_center_crop\": true, "
             "\"resample\": 3}",
             (const char *const[][2]){
                 {"tleg.fit", "crop_floor"}, {"tleg.crop", "0.875"}, {"tleg.interpolation", "bicubic"}, {NULL, NULL}});
    must_say("preprocessor_config.json", "{\"size\": 224, \"do_normalize\": false}",
             (const char *const[][2]){{"tleg.mean", "0,0,0"}, {"tleg.std", "1.0,1.0,1.0"}, {"tleg.crop", "1.0"}, {NULL, NULL}});
    must_say("preprocessor_config.json", "{\"image_processor_type\": \"DINOv3ViTImageProcessorFast\", \"size\": 224}",
             (const char *const[][2]){{"tleg.fit", "squash"}, {"tleg.interpolation", "bilinear"}, {NULL, NULL}});
    must_say("preprocessor_config.json", "{\"image_mean\": [127.5, 127.5, 127.5], \"do_rescale\": false}",
             (const char *const[][2]){{"tleg.mean", "0.5,0.5,0.5"}, {NULL, NULL}});
}

/* What version 5 of transformers writes of a processor with an image processor in it, which counts before one by itself. */
static void a_processors_image_processor_comes_first(void **state) {
    (void)state;
    static const char within[] =
        "{\"processor_class\": \"CLIPProcessor\", \"image_processor\": {\"image_processor_type\": "
        "\"CLIPImageProcessor\", \"size\": {\"shortest_edge\": 16}, \"crop_size\": 12, \"resample\": 2, "
        "\"image_mean\": [0.5, 0.25, 0.5]}, \"size\": 20, \"resample\": 4}";
    static const char *const first[][2] = {
        {"tleg.mean", "0.5,0.25,0.5"}, {"tleg.fit", "crop_floor"}, {"tleg.interpolation", "bilinear"}, {NULL, NULL}};
    static const char *const alone[][2] = {{"tleg.mean", NULL}, {"tleg.interpolation", "box"}, {NULL, NULL}};
    must_say("processor_config.json", within, first);
    must_say("processor_config.json", "{\"image_processor\": null, \"image_mean\": [0.5, 0.25, 0.5], \"resample\": 2}",
             (const char *const[][2]){{"tleg.mean", NULL}, {"tleg.interpolation", NULL}, {NULL, NULL}});
    second[0] = "preprocessor_config.json";
    second[1] = "{\"resample\": 4}";
    must_say("processor_config.json", within, first);
    must_say("processor_config.json", "{\"processor_class\": \"CLIPProcessor\"}", alone);
    second[0] = NULL;
}

/* Whatever the sizes, the picture is resized to what the text says. */
static void the_crop_leads_back_to_the_size(void **state) {
    (void)state;
    for (int size = 200; size < 300; size += 7)
        for (int crop = size - 40; crop <= size; crop += 3) {
            char text[160], *end;
            tleg_file *named;
            unsigned char *bytes;
            snprintf(text, sizeof text, "{\"size\": {\"shortest_edge\": %d}, \"crop_size\": %d, \"do_center_crop\": true}",
                     size, crop);
            OK(context, name_with("preprocessor_config.json", text, NULL, &named, &bytes));
            const double share = strtod(tleg_file_get_metadata(named, "tleg.crop"), &end);
            assert_int_equal((int)(crop / share), size);
            tleg_file_free(named);
            free(bytes);
        }
}

static void what_contradicts_the_weights_is_named(void **state) {
    (void)state;
    static const char *const wrong[][3] = {
        {"config.json", "{\"model_type\": \"vit\", \"hidden_size\": 13}", "hidden_size is 13, but the weights have 12"},
        {"config.json", "{\"model_type\": \"vit\", \"num_hidden_layers\": 3}",
         "num_hidden_layers is 3, but the weights have 2"},
        {"config.json", "{\"model_type\": \"vit\", \"patch_size\": 16}", "patch_size is 16"},
        {"config.json", "{\"model_type\": \"vit\", \"image_size\": 16}", "image_size is 16, but the weights have 12"},
        {"config.json", "{\"model_type\": \"vit\", \"num_channels\": 1}", "num_channels"},
        {"config.json", "{\"model_type\": \"vit\", \"intermediate_size\": 48}", "intermediate_size"},
        {"config.json", "{\"model_type\": \"vit\", \"num_attention_heads\": \"three\"}", "num_attention_heads"},
        {"config.json", "{\"model_type\": \"vit\", \"num_attention_heads\": 5}",
         "config.json: num_attention_heads: expected a divisor of attention's width 12, found 5"},
        {"config.json", "{\"model_type\": \"vit\", \"layer_norm_eps\": \"small\"}", "layer_norm_eps"},
        {"config.json",
         "{\"model_type\": \"vit\", \"id2label\": {\"0\": \"a\", \"1\": 1, \"2\": \"\", \"3\": \"\", \"4\": \"\"}}",
         "id2label"},
        {"config.json",
         "{\"model_type\": \"vit\", \"id2label\": {\"0\": \"a\", \"9\": \"\", \"2\": \"\", \"3\": \"\", \"4\": \"\"}}",
         "class 1 of 5"},
        {"config.json", "{\"architecture\": \"x\", \"num_classes\": 4}", "num_classes is 4, but the weights have 5"},
        {"config.json", "{\"architecture\": \"x\", \"model_args\": {\"embed_dim\": 24}}",
         "embed_dim is 24, but the weights have 12"},
        {"config.json", "{\"architecture\": \"x\", \"model_args\": {\"depth\": 3}}", "depth is 3, but the weights have 2"},
        {"config.json", "{\"architecture\": \"x\", \"model_args\": {\"in_chans\": 1}}", "in_chans is 1"},
        {"config.json", "{\"architecture\": \"x\", \"model_args\": {\"img_size\": 16}}",
         "img_size is 16 x 16, but the weights have 9"},
        {"config.json", "{\"architecture\": \"x\", \"label_names\": [\"a\", \"b\"]}",
         "label_names are 2, but the weights have 5"},
        {"config.json", "{\"architecture\": \"x\", \"mean\": [1, 2]}", "mean"},
        {"config.json", "{\"architecture\": \"x\", \"std\": [1, 2, \"a\"]}", "std"},
        {"config.json", "{\"model_type\": ", "(memory): config.json is no JSON"},
        {"open_clip_config.json", "{\"model_cfg\": {\"vision_cfg\": {\"width\": 768}}}", "width is 768"},
        {"preprocessor_config.json", "{\"rescale_factor\": 0}", "rescale_factor"},
        {"preprocessor_config.json", "{\"size\": {\"height\": 3}}", "a height and a width"},
        {"preprocessor_config.json", "{\"resample\": \"bicubic\"}", "resample: expected a whole number"},
        {"preprocessor_config.json", "{\"size\": {\"shortest_edge\": -1}}", "shortest_edge"},
    };
    static const char *const unknown[][3] = {
        {"config.json", "{\"model_type\": \"vit\", \"hidden_act\": \"mish\"}", "hidden_act is \"mish\""},
        {"config.json", "{\"architecture\": \"x\", \"global_pool\": \"last\"}", "global_pool is \"last\""},
        {"config.json", "{\"architecture\": \"vit_x\", \"model_args\": {\"use_rot_pos_emb\": true}}", "use_rot_pos_emb"},
        {"config.json", "{\"architecture\": \"vit_x_dinov3\", \"model_args\": {\"rope_grid_offset\": 1}}", "rope_grid_offset"},
        {"config.json", "{\"architecture\": \"x\", \"model_args\": {\"norm_layer\": \"simplenorm\"}}", "norm_layer is"},
        {"config.json", "{\"architecture\": \"vit_clip_\", \"model_args\": {\"embed_norm_layer\": \"layernorm\"}}",
         "embed_norm_layer"},
        {"config.json", "{\"architecture\": \"x\", \"model_args\": {\"depth\": 2, \"attn_gated\": true}}",
         "attn_gated: expected"},
        {"config.json", "{\"architecture\": \"x\", \"model_args\": {\"patchify_channels_last\": false}}",
         "patchify_channels_last"},
        {"config.json", "{\"architecture\": \"eva02_x\", \"model_args\": {\"rope_type\": \"dinov3\"}}", "rope_type"},
        {"open_clip_config.json",
         "{\"model_cfg\": {\"vision_cfg\": {\"timm_model_name\": \"x\", \"timm_pool\": \"abs_attn\"}}}",
         "timm_pool is \"abs_attn\""},
        {"config.json", "{\"architecture\": \"x\", \"interpolation\": \"a\\nb\"}", "interpolation is \"a\nb\""},
        {"preprocessor_config.json",
         "{\"size\": {\"height\": 8, \"width\": 40}, \"crop_size\": {\"height\": 4, \"width\": 10}, \"do_center_crop\": true}",
         "another share of the width"},
        {"preprocessor_config.json", "{\"size\": 200, \"crop_size\": 224, \"do_center_crop\": true}", "crop_size is 224"},
    };
    const size_t bad = sizeof wrong / sizeof *wrong;
    for (size_t k = 0; k < bad + sizeof unknown / sizeof *unknown; k++) {
        const char *const *row = k < bad ? wrong[k] : unknown[k - bad];
        tleg_file *named;
        unsigned char *bytes;
        const tleg_status status = name_with(row[0], row[1], NULL, &named, &bytes);
        if (status != (k < bad ? TLEG_ERROR_FORMAT : TLEG_ERROR_UNSUPPORTED) ||
            !strstr(tleg_context_get_error(context), row[2])) {
            print_error("%s: status %d, %s\n", row[1], status, tleg_context_get_error(context));
            fail();
        }
        assert_non_null(strstr(tleg_context_get_error(context), row[0]));
        free(bytes);
    }
}

/* Of 10 patches of 2 x 4 pixels, which are no square, a config says the grid; what does not fit them is of other pictures. */
static void pictures_that_are_not_square_are_said_by_configs(void **state) {
    (void)state;
    static const char *const wide[][2] = {{"tleg.image_size", "4x20"}, {NULL, NULL}};
    static const char *const left[][2] = {{"tleg.image_size", "4x21"}, {NULL, NULL}}; /* a column that no patch has */
    static const char *const none[][2] = {{"tleg.image_size", NULL}, {NULL, NULL}};
    static const char *const squashed[][2] = {{"tleg.fit", "squash"}, {"tleg.crop", "0.5"}, {NULL, NULL}};
    patches = "12,3,2,4";
    positions = "1,10,12";
    must_say("config.json", "{\"model_type\": \"vit\", \"image_size\": [4, 20], \"patch_size\": [2, 4]}", wide);
    must_say("config.json", "{\"architecture\": \"x\", \"pretrained_cfg\": {\"input_size\": [3, 4, 20]}}", wide);
    must_say("config.json", "{\"model_type\": \"vit\", \"image_size\": [4, 21]}", left);
    must_say("config.json",
             "{\"architecture\": \"x\", \"model_args\": {\"img_size\": [4, 20]}, "
             "\"pretrained_cfg\": {\"input_size\": [3, 224, 224]}}",
             wide);
    must_say("config.json", "{\"architecture\": \"x\", \"pretrained_cfg\": {\"input_size\": [3, 224, 224]}}", none);
    must_say(
        "preprocessor_config.json",
        "{\"size\": {\"height\": 8, \"width\": 40}, \"crop_size\": {\"height\": 4, \"width\": 20}, \"do_center_crop\": true}",
        squashed);
    static const char *const wrong[][2] = {
        {"{\"model_type\": \"vit\", \"image_size\": [4, 24]}", "image_size is 4 x 24, but the weights have 10 positions"},
        {"{\"model_type\": \"vit\", \"image_size\": [3, 21]}", "image_size is 3 x 21"},
        {"{\"model_type\": \"vit\", \"patch_size\": [4, 2]}", "patch_size is 4 x 2, but the weights have 2 x 4"},
        {"{\"model_type\": \"vit\", \"patch_size\": 2}", "patch_size is 2 x 2, but the weights have 2 x 4"}};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        tleg_file *named;
        unsigned char *bytes;
        assert_int_equal(name_with("config.json", wrong[k][0], NULL, &named, &bytes), TLEG_ERROR_FORMAT);
        assert_non_null(strstr(tleg_context_get_error(context), wrong[k][1]));
        free(bytes);
    }
    positions = "1,9,12"; /* a square's, but the pictures are not */
    must_say("config.json", "{\"model_type\": \"vit\", \"image_size\": [6, 12]}",
             (const char *const[][2]){{"tleg.image_size", "6x12"}, {NULL, NULL}});
    must_say("config.json", "{\"model_type\": \"vit\", \"image_size\": [2, 36]}",
             (const char *const[][2]){{"tleg.image_size", "2x36"}, {NULL, NULL}});
    patches = positions = NULL;
}

/* OpenCLIP's last norm has one name, and stands where its config says; or else where towers like it have it. */
static void an_open_clip_config_says_where_the_last_norm_stands(void **state) {
    (void)state;
    static const struct {
        const char *tower, *rules, *name;
        bool before; /* there is a norm before the blocks */
    } cases[] = {{"\"pool_type\": \"avg\", \"final_ln_after_pool\": true", NULL, "fc_norm.weight", true},
                 {"\"pool_type\": \"avg\"", NULL, "norm.weight", false},
                 {"\"pool_type\": \"avg\"", "tleg.norm = after_pool\n", "fc_norm.weight", true},
                 {"\"layers\": 1", NULL, "norm.weight", true},
                 {"\"layers\": 1", NULL, "fc_norm.weight", false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        static struct vit_file made;
        char config[160];
        size_t size;
        tleg_file *file, *named;
        memset(&made, 0, sizeof made);
        vit_add(&made, "visual.conv1.weight", "12,3,4,4");
        vit_add(&made, "visual.class_embedding", "12");
        vit_add(&made, "visual.transformer.resblocks.0.ln_1.weight", "12");
        vit_add(&made, "visual.ln_post.weight", "12");
        vit_add(&made, "visual.ln_post.bias", "12");
        if (cases[k].before)
            vit_add(&made, "visual.ln_pre.weight", "12");
        snprintf(config, sizeof config, "{\"model_cfg\": {\"vision_cfg\": {%s}}}", cases[k].tower);
        vit_text(&made, "open_clip_config.json", config);
        unsigned char *bytes = vit_bytes(&made, &size);
        OK(context, tleg_file_parse(context, bytes, size, &file));
        OK(context, tleg_names_read(context, file, cases[k].rules, &named));
        const char *pool = strstr(cases[k].tower, "avg") ? "mean" : "cls"; /* its own choice */
        if (!tleg_file_find(named, cases[k].name) || strcmp(tleg_file_get_metadata(named, "tleg.pool"), pool) != 0)
            fail_msg("%s: no %s, or not of %s", cases[k].tower, cases[k].name, pool);
        tleg_file_free(named);
        tleg_file_free(file);
        free(bytes);
    }
}

static void a_hosts_rules_have_their_way(void **state) {
    (void)state;
    tleg_file *named;
    unsigned char *bytes;
    OK(context, name_with("config.json", "{\"model_type\": \"vit\", \"num_attention_heads\": 3, \"layer_norm_eps\": 1e-5}",
                          "tleg.heads = 4\n", &named, &bytes));
    assert_string_equal(tleg_file_get_metadata(named, "tleg.heads"), "4");
    assert_string_equal(tleg_file_get_metadata(named, "tleg.eps"), "1e-05");
    tleg_file_free(named);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hugging_face_config_says_what_shapes_do_not),
        cmocka_unit_test(a_timm_configs_labels_are_read),
        cmocka_unit_test(a_timm_config_says_how_pictures_are_prepared),
        cmocka_unit_test(a_timm_config_says_how_rotary_positions_count),
        cmocka_unit_test(a_timm_architecture_says_which_rotary_positions_it_has),
        cmocka_unit_test(a_timm_config_says_heads_that_its_width_does_not),
        cmocka_unit_test(what_a_timm_model_was_made_with_is_read_or_refused),
        cmocka_unit_test(an_open_clip_config_says_what_its_tower_is),
        cmocka_unit_test(an_open_clip_config_names_the_activation),
        cmocka_unit_test(a_preprocessor_says_mean_std_filter_and_fit),
        cmocka_unit_test(a_processors_image_processor_comes_first),
        cmocka_unit_test(the_crop_leads_back_to_the_size),
        cmocka_unit_test(what_contradicts_the_weights_is_named),
        cmocka_unit_test(pictures_that_are_not_square_are_said_by_configs),
        cmocka_unit_test(an_open_clip_config_says_where_the_last_norm_stands),
        cmocka_unit_test(a_hosts_rules_have_their_way),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
