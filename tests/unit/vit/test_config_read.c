/* What a file's keys, names and shapes say together; what is refused, and in which words. */
#include "support/config_reading.h"

/* ---- inference from a file ---- */

static void a_timm_file_without_metadata_is_understood(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 3);
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.image_size, 12);
    assert_int_equal(config.c.patch_size, 4);
    assert_int_equal(config.c.dim, 12);
    assert_int_equal(config.c.heads, 3);
    assert_int_equal(config.c.hidden, 20);
    assert_int_equal(config.c.classes, 5);
    assert_int_equal(config.c.depth, 3);
    assert_int_equal(config.c.class_token, 0);
    assert_int_equal(config.c.distillation_token, 0);
    assert_int_equal(config.c.pool, TLEG_POOL_MEAN);
    assert_int_equal(config.c.norm, TLEG_NORM_BEFORE_POOL);
    assert_int_equal(config.c.no_qkv_bias, 0);
    assert_int_equal(config.c.dtype, TLEG_F32);
    assert_true(config.c.eps == 1e-6); /* timm's */
    assert_true(config.c.crop == 1.0);
    assert_int_equal(config.c.parameters,
                     9 * 12 + 12 * 48 + 12 + 24 + 60 + 5 + 3 * (4 * 12 + 36 * 12 + 36 + 144 + 12 + 240 + 20 + 240 + 12));
    assert_int_equal(config.c.ignored_count, 0);
    assert_null(config.c.ignored);
    tleg_config_free(&config);
    vit_key(&made, "tleg.crop", "0.9"); /* one key of ours, and eps is ours */
    read_good(&made, 3, false, &config);
    assert_true(config.c.eps == 1e-5 && config.c.crop == 0.9);
    tleg_config_free(&config);
}

static void heads_are_a_64th_of_dim_when_that_divides(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 1);
    static const char *const shapes[][2] = {
        {"pos_embed", "1,9,128"},
        {"patch_embed.proj.weight", "128,3,4,4"},
        {"patch_embed.proj.bias", "128"},
        {"norm.weight", "128"},
        {"norm.bias", "128"},
        {"head.weight", "5,128"},
        {"blocks.0.norm1.weight", "128"},
        {"blocks.0.norm1.bias", "128"},
        {"blocks.0.norm2.weight", "128"},
        {"blocks.0.norm2.bias", "128"},
        {"blocks.0.attn.qkv.weight", "384,128"},
        {"blocks.0.attn.qkv.bias", "384"},
        {"blocks.0.attn.proj.weight", "128,128"},
        {"blocks.0.attn.proj.bias", "128"},
        {"blocks.0.mlp.fc1.weight", "20,128"},
        {"blocks.0.mlp.fc2.weight", "128,20"},
        {"blocks.0.mlp.fc2.bias", "128"},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        vit_reshape(&made, shapes[k][0], shapes[k][1]);
    read_good(&made, 0, false, &config);
    assert_int_equal(config.c.heads, 2);
    tleg_config_free(&config);
    read_good(&made, 4, false, &config); /* the caller knows better */
    assert_int_equal(config.c.heads, 4);
    tleg_config_free(&config);
    vit_key(&made, "tleg.heads", "8");
    read_good(&made, 0, false, &config);
    assert_int_equal(config.c.heads, 8);
    tleg_config_free(&config);
    read_good(&made, 8, false, &config); /* agrees */
    tleg_config_free(&config);
}

static void keys_say_what_shapes_do_not(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_gene(&made);
    vit_add(&made, "cls_token", "1,1,12");
    vit_reshape(&made, "pos_embed", "1,10,12");
    read_good(&made, 0, true, &config);
    assert_int_equal(config.c.class_token, 1);
    assert_int_equal(config.c.distillation_token, 0);
    assert_int_equal(config.c.pool, TLEG_POOL_CLS);
    assert_int_equal(config.c.depth, 0);
    assert_true(config.c.eps == 1e-5);
    assert_int_equal(config.c.interpolation, TLEG_INTERPOLATION_BICUBIC);
    assert_int_equal(config.c.fit, TLEG_FIT_CROP);
    assert_int_equal(config.c.assumed, TLEG_ASSUMED_COLOURS | TLEG_ASSUMED_CROP | TLEG_ASSUMED_FILTER);
    tleg_config_free(&config);

    vit_key(&made, "tleg.pool", "mean");
    vit_key(&made, "tleg.norm", "before_pool");
    vit_key(&made, "tleg.image_size", "12");
    vit_key(&made, "tleg.patch_size", "4");
    vit_key(&made, "tleg.eps", "3e-4");
    vit_key(&made, "tleg.mean", "0.5, 0 ,-0.25");
    vit_key(&made, "tleg.std", "1,2.5,0.125");
    vit_key(&made, "tleg.crop", "0.95");
    vit_key(&made, "tleg.interpolation", "bilinear");
    vit_key(&made, "tleg.fit", "crop_floor");
    vit_key(&made, "tleg.labels", "[\\\"a\\\",\\\"\\\\u00e9\\\",\\\"\xd0\xba\\\",\\\"\\\",\\\"q\\\\\\\"\\\"]");
    vit_key(&made, "author", "somebody else's keys are left alone");
    read_good(&made, 0, true, &config);
    assert_int_equal(config.c.pool, TLEG_POOL_MEAN);
    assert_true(config.c.eps == 3e-4 && config.c.crop == 0.95);
    assert_true(config.c.mean[0] == 0.5 && config.c.mean[1] == 0 && config.c.mean[2] == -0.25);
    assert_int_equal(config.c.interpolation, TLEG_INTERPOLATION_BILINEAR);
    assert_int_equal(config.c.fit, TLEG_FIT_CROP_FLOOR);
    assert_int_equal(config.c.assumed, 0);
    assert_true(config.c.std[0] == 1 && config.c.std[1] == 2.5 && config.c.std[2] == 0.125);
    assert_int_equal(config.c.label_count, 5);
    assert_string_equal(config.c.labels[0], "a");
    assert_string_equal(config.c.labels[1], "\xc3\xa9");
    assert_string_equal(config.c.labels[2], "\xd0\xba");
    assert_string_equal(config.c.labels[3], "");
    assert_string_equal(config.c.labels[4], "q\"");
    tleg_config_free(&config);
}

static void fc_norm_says_that_the_mean_comes_first(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    vit_key(&made, "tleg.heads", "3");
    vit_rename(&made, "norm.weight", "fc_norm.weight");
    vit_rename(&made, "norm.bias", "fc_norm.bias");
    vit_add(&made, "cls_token", "1,1,12");
    vit_reshape(&made, "pos_embed", "1,10,12");
    read_good(&made, 0, false, &config);
    assert_int_equal(config.c.norm, TLEG_NORM_AFTER_POOL);
    assert_int_equal(config.c.pool, TLEG_POOL_MEAN);
    assert_true(config.c.eps == 1e-6);
    tleg_config_free(&config);
}

static void distillation_brings_a_second_head(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_gene(&made);
    vit_add(&made, "cls_token", "1,1,12");
    vit_add(&made, "dist_token", "1,1,12");
    vit_add(&made, "head_dist.weight", "5,12");
    vit_add(&made, "head_dist.bias", "5");
    vit_reshape(&made, "pos_embed", "1,11,12");
    read_good(&made, 0, true, &config);
    assert_int_equal(config.c.class_token, 1);
    assert_int_equal(config.c.distillation_token, 1);
    assert_int_equal(config.c.pool, TLEG_POOL_CLS);
    tleg_config_free(&config);
    const struct vit_fault faults[] = {
        {'-', "head_dist.bias", NULL, {"missing tensor \"head_dist.bias\""}, 0},
        {'-', "cls_token", NULL, {"dist_token", "cls_token"}, 0},
        {'-', "dist_token", NULL, {"head_dist.weight", "dist_token"}, 0},
        {'=', "tleg.pool", "mean", {"pool", "dist_token"}, 0},
        {'#', "dist_token", "1,12", {"dist_token", "[1, 1, 12]", "[1, 12]"}, 0},
    };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        struct vit_file spoilt = made;
        vit_apply(&spoilt, faults[k].edit, faults[k].a, faults[k].b);
        must_refuse(&spoilt, &faults[k], 0, true);
    }
}

static void a_latent_says_that_the_head_reads_attention_pooling(void **state) {
    (void)state;
    static const char *const parts[][2] = {
        {"latent", "1,1,12"},   {"norm.weight", "12"},       {"norm.bias", "12"},    {"q.weight", "12,12"},
        {"q.bias", "12"},       {"kv.weight", "24,12"},      {"kv.bias", "24"},      {"proj.weight", "12,12"},
        {"proj.bias", "12"},    {"mlp.fc1.weight", "20,12"}, {"mlp.fc1.bias", "20"}, {"mlp.fc2.weight", "12,20"},
        {"mlp.fc2.bias", "12"},
    };
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        char name[48];
        snprintf(name, sizeof name, "attn_pool.%s", parts[k][0]);
        vit_add(&made, name, parts[k][1]);
    }
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.pool, TLEG_POOL_ATTENTION);
    assert_int_equal(config.c.norm, TLEG_NORM_BEFORE_POOL);
    assert_int_equal(config.c.ignored_count, 0);
    tleg_config_free(&config);
    struct vit_file registers = made; /* of timm's models the patches alone are read */
    vit_add(&registers, "reg_token", "1,2,12");
    read_good(&registers, 3, false, &config);
    assert_int_equal(config.c.pool, TLEG_POOL_PATCH_ATTENTION);
    tleg_config_free(&config);
    vit_key(&registers, "tleg.pool", "attention");
    read_good(&registers, 3, false, &config);
    assert_int_equal(config.c.pool, TLEG_POOL_ATTENTION);
    tleg_config_free(&config);
    struct vit_file encoder =
        made; /* Meta's Perception Encoder has rotary positions besides, which leave nothing in its file */
    vit_add(&encoder, "norm_pre.weight", "12");
    vit_add(&encoder, "norm_pre.bias", "12");
    must_refuse(&encoder, &(struct vit_fault){0, "", NULL, {"Perception Encoder", "rotary"}, TLEG_ERROR_UNSUPPORTED}, 3, false);
    const struct vit_fault faults[] = {
        {'-', "attn_pool.kv.bias", NULL, {"missing tensor \"attn_pool.kv.bias\""}, 0},
        {'#', "attn_pool.latent", "1,2,12", {"attn_pool.latent", "[1, 1, 12]", "[1, 2, 12]"}, 0},
        {'#', "attn_pool.mlp.fc1.weight", "24,12", {"attn_pool.mlp.fc1.bias", "[24]", "[20]"}, 0},
        {'=', "tleg.pool_heads", "5", {"tleg.pool_heads", "a divisor of dim 12", "5"}, 0},
        {'=', "tleg.pool", "mean", {"tleg.pool", "\"attention\" with attn_pool.latent", "\"mean\""}, 0},
        {'+', "dist_token", "1,1,12", {"dist_token", "cls_token"}, 0},
    };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        struct vit_file spoilt = made;
        vit_apply(&spoilt, faults[k].edit, faults[k].a, faults[k].b);
        must_refuse(&spoilt, &faults[k], 3, false);
    }
    vit_model(&made, 2);
    vit_key(&made, "tleg.pool", "attention");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"attn_pool.latent\""}, 0}, 3, false);
}

/* Without a word about heads they are of 64 numbers, but in the widths of published models that have 16. */
static void a_models_width_may_tell_its_heads(void **state) {
    (void)state;
    static const struct {
        int32_t dim, heads;
        bool layer_scale;
    } cases[] = {{768, 12, false}, {1152, 16, false}, {1280, 16, false}, {1536, 16, false}, {1536, 24, true}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct vit_file made;
        struct tleg_vit_config config;
        vit_model(&made, 1);
        for (int half = 1; half <= 2 && cases[k].layer_scale; half++)
            vit_add(&made, half == 1 ? "blocks.0.ls1.gamma" : "blocks.0.ls2.gamma", "12");
        for (int32_t i = 0; i < made.count; i++) /* as wide, where it was 12 */
            for (int32_t axis = 0; axis < made.tensors[i].rank; axis++) {
                int64_t *side = &made.tensors[i].shape[axis];
                *side = *side % 12 == 0 ? *side / 12 * cases[k].dim : *side;
            }
        read_good(&made, 0, false, &config);
        assert_int_equal(config.c.heads, cases[k].heads);
        tleg_config_free(&config);
    }
}

static void qkv_has_its_bias_everywhere_or_nowhere(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    vit_remove(&made, "blocks.0.attn.qkv.bias");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"blocks.0.attn.qkv.bias\""}, 0}, 3, false);
    vit_remove(&made, "blocks.1.attn.qkv.bias");
    vit_key(&made, "tleg.branch_norm", "before");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.no_qkv_bias, 1);
    tleg_config_free(&config);

    vit_gene(&made);
    vit_remove(&made, "blocks.block.attn.qkv.instances.0.bias_base");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor", "attn.qkv.instances.0.bias_base"}, 0}, 0, true);
    vit_remove(&made, "blocks.block.attn.qkv.instances.0.bias_ilayer");
    read_good(&made, 0, true, &config);
    assert_int_equal(config.c.no_qkv_bias, 1);
    tleg_config_free(&config);
}

/* timm's vit_*_rpn differ from plain models of the same names in where their norms stand. */
static void where_norms_stand_is_asked_for_where_two_models_look_alike(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    vit_remove(&made, "blocks.0.attn.qkv.bias");
    vit_remove(&made, "blocks.1.attn.qkv.bias");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"tleg.branch_norm = before", "vit_*_rpn"}, TLEG_ERROR_UNSUPPORTED}, 3,
                false);
    vit_key(&made, "tleg.branch_norm", "after");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.norm_after, 1);
    tleg_config_free(&config);
    vit_key(&made, "tleg.branch_norm", "sum");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.norm_after, 2);
    tleg_config_free(&config);
    for (int layer = 0; layer < 2; layer++)
        for (int half = 1; half <= 2; half++) {
            char name[48];
            snprintf(name, sizeof name, "blocks.%d.ls%d.gamma", layer, half);
            vit_add(&made, name, "12");
        }
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"tleg.branch_norm", "LayerScale"}, 0}, 3, false);
}

/* Rotary positions are said by keys, and a model that has them may be without a position embedding. */
static void rotary_positions_are_said_by_keys(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    vit_key(&made, "tleg.rotary", "centred");
    vit_key(&made, "tleg.rotary_pairs", "halves");
    vit_key(&made, "tleg.rotary_order", "xy");
    vit_key(&made, "tleg.rotary_grid", "own");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.rotary, TLEG_ROTARY_CENTRED);
    assert_true(config.c.rotary_halves && config.c.rotary_x_first && !config.c.no_positions);
    assert_int_equal(config.c.rotary_grid, 3);
    assert_true(config.c.rotary_base == 100);
    tleg_config_free(&config);
    const struct vit_fault faults[] = {
        {'=', "tleg.rotary", "spiral", {"tleg.rotary", "\"index\"", "\"spiral\""}, TLEG_ERROR_UNSUPPORTED},
        {'=', "tleg.rotary_base", "1", {"tleg.rotary_base", "above 1"}, 0},
        {'=', "tleg.rotary_grid", "0", {"tleg.rotary_grid", "\"0\""}, 0},
        {'=', "tleg.rotary_offset", "2", {"tleg.rotary_offset", "\"2\""}, 0},
        {'=', "tleg.heads", "2", {"tleg.rotary", "a multiple of 4 numbers", "found 2"}, 0},
        {'-', "pos_embed", NULL, {"tleg.image_size", "without pos_embed", "found 0"}, 0},
    };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        struct vit_file spoilt = made;
        vit_apply(&spoilt, faults[k].edit, faults[k].a, faults[k].b);
        must_refuse(&spoilt, &faults[k], k == 4 ? 0 : 3, false);
    }
    struct vit_file none = made; /* words that say what is so without the key */
    vit_apply(&none, '=', "tleg.rotary_grid", "none");
    vit_apply(&none, '=', "tleg.rotary_offset", "0");
    read_good(&none, 3, false, &config);
    assert_true(config.c.rotary == TLEG_ROTARY_CENTRED && config.c.rotary_grid == 0 && config.c.rotary_offset == 0);
    tleg_config_free(&config);
    vit_apply(&none, '=', "tleg.rotary", "none");
    read_good(&none, 3, false, &config);
    assert_int_equal(config.c.rotary, 0);
    tleg_config_free(&config);
    const struct vit_fault placeless = {'-', "pos_embed", NULL, {"pos_embed"}, 0};
    vit_apply(&none, placeless.edit, placeless.a, placeless.b);
    must_refuse(&none, &placeless, 3, false);
    vit_remove(&made, "pos_embed");
    vit_key(&made, "tleg.image_size", "20");
    read_good(&made, 3, false, &config);
    assert_true(config.c.no_positions == 1 && config.c.image_size == 20);
    tleg_config_free(&config);
}

/* A patch's height and width are its tensor's; a grid that is not square is said by a key, or by the host. */
static void pictures_and_patches_need_not_be_square(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    vit_apply(&made, '#', "patch_embed.proj.weight", "12,3,2,4");
    read_good(&made, 3, false, &config);
    assert_true(config.c.image_size == 6 && config.c.image_width == 12);
    assert_true(config.c.patch_size == 2 && config.c.patch_width == 4);
    tleg_config_free(&config);

    vit_key(&made, "tleg.image_size", "18x4");
    read_good(&made, 3, false, &config); /* of 9 rows, a square's, the key decides */
    assert_true(config.c.image_size == 18 && config.c.image_width == 4);
    tleg_config_free(&config);
    const struct vit_fault faults[] = {
        {'=', "tleg.image_size", "4x20", {"pos_embed", "10 rows (0 tokens, and patches of 2x4 for", "4x20), found 9"}, 0},
        {'=', "tleg.image_size", "5x20", {"pos_embed", "patches of 2x4 for", "5x20), found 9"}, 0},
        {'=', "tleg.image_size", "18", {"pos_embed", "patches of 2x4 for", "18), found 9"}, 0},
        {'=', "tleg.image_size", "18x", {"tleg.image_size", "\"24x40\"", "\"18x\""}, 0},
        {'=', "tleg.image_size", "x4", {"tleg.image_size", "height and width", "\"x4\""}, 0},
        {'=', "tleg.image_size", "18x4x1", {"tleg.image_size", "height and width", "\"18x4x1\""}, 0},
        {'=', "tleg.image_size", "00000000000000000018x4", {"tleg.image_size", "height and width"}, 0},
        {'=', "tleg.image_size", "18x16385", {"tleg.image_size", "1 to 16384"}, 0},
        {'=', "tleg.patch_size", "2", {"tleg.patch_size", "expected 2x4 as patch_embed", "found 2"}, 0},
        {'=', "tleg.patch_size", "4x2", {"tleg.patch_size", "expected 2x4", "found 4x2"}, 0},
    };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        struct vit_file spoilt = made;
        vit_apply(&spoilt, faults[k].edit, faults[k].a, faults[k].b);
        must_refuse(&spoilt, &faults[k], 3, false);
    }
    vit_apply(&made, '#', "pos_embed", "1,10,12");
    vit_key(&made, "tleg.image_size", "4x20");
    read_good(&made, 3, false, &config);
    assert_true(config.c.image_size == 4 && config.c.image_width == 20);
    tleg_config_free(&config);
}

/* Norms without a bias are RMSNorms; without a norm that could be the last one there is none. */
static void norms_may_be_without_a_bias_or_absent(void **state) {
    (void)state;
    static const char *const biases[] = {"blocks.0.norm1.bias", "blocks.0.norm2.bias", "blocks.1.norm1.bias",
                                         "blocks.1.norm2.bias", "norm.bias"};
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    vit_add(&made, "patch_embed.norm.weight", "12");
    for (size_t k = 0; k < sizeof biases / sizeof *biases; k++)
        vit_remove(&made, biases[k]);
    read_good(&made, 3, false, &config);
    assert_true(config.c.rms && config.c.patch_norm && !config.c.no_norm && !config.c.no_mlp_bias);
    tleg_config_free(&config);
    vit_key(&made, "tleg.rms", "yes");
    read_good(&made, 3, false, &config);
    tleg_config_free(&config);
    static const struct vit_fault faults[] = {
        {'=', "tleg.rms", "no", {"tleg.rms", "norms with biases, all of them, as \"no\""}, TLEG_ERROR_UNSUPPORTED},
        {'=', "tleg.rms", "?", {"tleg.rms", "question mark"}, 0},
        {'+', "norm.bias", "12", {"tleg.rms", "norms without biases, all of them, as \"yes\""}, TLEG_ERROR_UNSUPPORTED},
    };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        struct vit_file one = made;
        vit_apply(&one, faults[k].edit, faults[k].a, faults[k].b);
        must_refuse(&one, &faults[k], 3, false);
    }
    vit_key(&made, "tleg.rms", NULL);
    vit_remove(&made, "norm.weight");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.no_norm, 1);
    tleg_config_free(&config);
    vit_add(&made, "final_ln.weight", "12"); /* a norm by another name must not be passed over */
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"norm.weight\""}, 0}, 3, false);
}

/* A file with keys is whole: where neither matrix of the MLP has a bias in any layer there is none. */
static void an_mlp_may_be_without_biases(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    for (int k = 0; k < 4; k++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.%d.mlp.fc%d.bias", k / 2, 1 + k % 2);
        vit_remove(&made, name);
    }
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"blocks.0.mlp.fc1.bias\""}, 0}, 3, false);
    vit_key(&made, "tleg.eps", "1e-5");
    read_good(&made, 3, false, &config);
    assert_true(config.c.no_mlp_bias && !config.c.rms);
    tleg_config_free(&config);
    vit_add(&made, "blocks.1.mlp.fc2.bias", "12");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"blocks.0.mlp.fc1.bias\""}, 0}, 3, false);
}

/* fc1 (2H, D) beside fc2 (D, H) is a gate; norms within the branches are told by their names. */
static void gates_and_norms_within_the_branches_are_told_by_shapes_and_names(void **state) {
    (void)state;
    static const char *const norms[][2] = {{"attn.norm", "12"}, {"mlp.norm", "10"}};
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 2);
    for (int layer = 0; layer < 2; layer++)
        for (int k = 0; k < 4; k++) {
            char name[48];
            snprintf(name, sizeof name, "blocks.%d.%s.%s", layer, norms[k / 2][0], k % 2 ? "bias" : "weight");
            vit_add(&made, name, norms[k / 2][1]);
            if (k == 0) {
                snprintf(name, sizeof name, "blocks.%d.mlp.fc2.weight", layer);
                vit_reshape(&made, name, "12,10");
            }
        }
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.hidden, 10);
    assert_int_equal(config.c.mlp, TLEG_MLP_SILU);
    assert_true(config.c.gated && config.c.attention_norm && config.c.mlp_norm);
    assert_int_equal(config.c.ignored_count, 0);
    tleg_config_free(&config);
    vit_key(&made, "tleg.activation", "gelu");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.mlp, TLEG_MLP_GELU);
    tleg_config_free(&config);
    vit_remove(&made, "blocks.1.mlp.norm.bias");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"blocks.1.mlp.norm.bias\""}, 0}, 3, false);
}

/* Norms of queries and keys run over a head's numbers, and so say how many heads there are, or over all of them. */
static void norms_of_queries_and_keys_are_told_by_their_width(void **state) {
    (void)state;
    static const char *const names[] = {"blocks.0.attn.q_norm.weight", "blocks.0.attn.q_norm.bias",
                                        "blocks.0.attn.k_norm.weight", "blocks.0.attn.k_norm.bias"};
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 1);
    for (size_t k = 0; k < 4; k++)
        vit_add(&made, names[k], "3");
    read_good(&made, 0, false, &config);
    assert_int_equal(config.c.heads, 4);
    assert_int_equal(config.c.qk_norm, TLEG_QK_NORM_HEAD);
    tleg_config_free(&config);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {names[0], "expected shape [4], found [3]"}, 0}, 3, false);
    for (size_t k = 0; k < 4; k++)
        vit_reshape(&made, names[k], "12");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.qk_norm, TLEG_QK_NORM_TOKEN);
    tleg_config_free(&config);
    vit_remove(&made, names[0]);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"blocks.0.attn.q_norm.weight\""}, 0}, 3, false);
}

/* qkv and proj agree on how wide the heads together are; heads divide that, and are of 64 numbers where nobody says more. */
static void attention_may_be_of_another_width(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 1);
    vit_reshape(&made, "blocks.0.attn.proj.weight", "12,21");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"attn.proj.weight", "expected shape [12, 12]", "[12, 21]"}, 0}, 3,
                false);
    vit_reshape(&made, "blocks.0.attn.qkv.weight", "63,12");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"attn.qkv.bias", "expected shape [63]", "[36]"}, 0}, 3, false);
    vit_reshape(&made, "blocks.0.attn.qkv.bias", "63");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.attention_dim, 21);
    assert_int_equal(config.c.heads, 3);
    tleg_config_free(&config);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"divisor of attention's width 21, found 2"}, TLEG_ERROR_ARGUMENT}, 2,
                false);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"attention's width 21 is not a multiple of 64"}, 0}, 0, false);
    vit_reshape(&made, "blocks.0.attn.proj.weight", "12,128");
    vit_reshape(&made, "blocks.0.attn.qkv.weight", "384,12");
    vit_reshape(&made, "blocks.0.attn.qkv.bias", "384");
    read_good(&made, 0, false, &config);
    assert_int_equal(config.c.heads, 2);
    tleg_config_free(&config);
}

/* The head reads as many numbers as the representation layer gives, and that as many as are pooled. */
static void a_representation_layer_is_told_by_its_width(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_model(&made, 1);
    vit_add(&made, "pre_logits.weight", "7,12");
    vit_add(&made, "pre_logits.bias", "7");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"head.weight", "expected shape [5, 7]", "[5, 12]"}, 0}, 3, false);
    vit_reshape(&made, "head.weight", "5,7");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.representation, 7);
    assert_int_equal(config.c.pool, TLEG_POOL_MEAN);
    tleg_config_free(&config);
    vit_reshape(&made, "pre_logits.weight", "24,12"); /* twice the dim says nothing of what is pooled here */
    vit_reshape(&made, "pre_logits.bias", "24");
    vit_reshape(&made, "head.weight", "5,24");
    vit_add(&made, "cls_token", "1,1,12");
    vit_reshape(&made, "pos_embed", "1,10,12");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.pool, TLEG_POOL_CLS);
    tleg_config_free(&config);
    vit_reshape(&made, "pre_logits.weight", "24,24");
    read_good(&made, 3, false, &config);
    assert_int_equal(config.c.pool, TLEG_POOL_CLS_MEAN);
    tleg_config_free(&config);
    vit_reshape(&made, "pre_logits.weight", "24,13");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"pre_logits.weight", "[24, 12]", "[24, 13]"}, 0}, 3, false);
    vit_remove(&made, "pre_logits.bias");
    vit_reshape(&made, "pre_logits.weight", "24,12");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"pre_logits.bias\""}, 0}, 3, false);
    vit_rename(&made, "pre_logits.weight", "pre_logits.bias");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"missing tensor \"pre_logits.weight\""}, 0}, 3, false);
    vit_rename(&made, "pre_logits.bias", "pre_logits.fc1.weight");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"pre_logits.fc1.weight"}, TLEG_ERROR_UNSUPPORTED}, 3, false);
}

static void a_model_stays_in_a_half_type_that_all_its_tensors_have(void **state) {
    (void)state;
    static const char *const types[] = {"F16", "BF16", "F64", "F32"};
    static const int32_t dtypes[] = {TLEG_F16, TLEG_BF16, TLEG_F32, TLEG_F32};
    struct vit_file made;
    struct tleg_vit_config config;
    for (int k = 0; k < 4; k++) {
        vit_model(&made, 2);
        vit_type(&made, types[k]);
        read_good(&made, 3, false, &config);
        assert_int_equal(config.c.dtype, dtypes[k]);
        tleg_config_free(&config);
        vit_find(&made, "norm.weight")->type = k == 0 ? "BF16" : "F16"; /* one that differs */
        read_good(&made, 3, false, &config);
        assert_int_equal(config.c.dtype, TLEG_F32);
        tleg_config_free(&config);
    }
    vit_gene(&made);
    vit_type(&made, "BF16");
    read_good(&made, 0, true, &config);
    assert_int_equal(config.c.dtype, TLEG_F32); /* learngenes are held in f32 */
    tleg_config_free(&config);
}

/* ---- faults ---- */

#define BLOCK "blocks.block."
static const struct vit_fault gene_faults[] = {
    {'-', "patch_embed.proj.weight", NULL, {"missing tensor \"patch_embed.proj.weight\""}, 0},
    {'-', "patch_embed.proj.bias", NULL, {"missing tensor \"patch_embed.proj.bias\""}, 0},
    {'-', "pos_embed", NULL, {"missing tensor \"pos_embed\""}, 0},
    {'-', "norm.bias", NULL, {"missing tensor \"norm.bias\""}, 0},
    {'-', "head.weight", NULL, {"missing tensor \"head.weight\""}, 0},
    {'-', BLOCK "mlp.fc1.instances.0.weight_base", NULL, {"missing tensor", "fc1.instances.0.weight_base"}, 0},
    {'-', BLOCK "mlp.fc2.instances.0.bias_ilayer", NULL, {"missing tensor", "fc2.instances.0.bias_ilayer"}, 0},
    {'-', BLOCK "norm2.instances.0.weight_ilayer", NULL, {"missing tensor", "norm2.instances.0.weight_ilayer"}, 0},
    {'~', "pos_embed", "pos_embde", {"missing tensor \"pos_embed\"", "\"pos_embde\""}, 0},
    {'~',
     BLOCK "attn.proj.instances.0.weight_base",
     BLOCK "attn.proj.instances.0.weigth_base",
     {"weight_base", "weigth_base"},
     0},
    {'~', "pos_embed", "module.pos_embed", {"missing tensor \"pos_embed\"", "\"module.\""}, 0},
    {'~', "head.bias", "state.model.head.bias", {"missing tensor \"head.bias\"", "\"state.model.\""}, 0},
    {'#',
     "patch_embed.proj.weight",
     "12,4,4,5",
     {"patch_embed.proj.weight", "[dim, 1 or 3, patch height, patch width]", "[12, 4, 4, 5]"},
     0},
    {'#', "patch_embed.proj.weight", "12,2,4,4", {"patch_embed.proj.weight", "[12, 2, 4, 4]"}, 0},
    {'#', "patch_embed.proj.weight", "12,48", {"patch_embed.proj.weight", "4 dimensions", "[12, 48]"}, 0},
    {'#', "patch_embed.proj.weight", "0,3,4,4", {"patch_embed.proj.weight", "[0, 3, 4, 4]"}, 0},
    {'#', "patch_embed.proj.bias", "13", {"patch_embed.proj.bias", "[12]", "[13]"}, 0},
    {'#', "pos_embed", "9,12", {"pos_embed", "3 dimensions", "[9, 12]"}, 0},
    {'#', "pos_embed", "1,10,12", {"pos_embed", "square", "10"}, 0},
    {'#', "pos_embed", "2,9,12", {"pos_embed", "[1, 9, 12]", "[2, 9, 12]"}, 0},
    {'#', "pos_embed", "1,9,13", {"pos_embed", "[1, 9, 12]", "[1, 9, 13]"}, 0},
    {'#', "norm.weight", "1,12", {"norm.weight", "[12]", "[1, 12]"}, 0},
    {'#', "head.weight", "5,13", {"head.weight", "[5, 12]", "[5, 13]"}, 0},
    {'#', "head.weight", "60", {"head.weight", "2 dimensions", "[60]"}, 0},
    {'#', "head.bias", "6", {"head.bias", "[5]", "[6]"}, 0},
    {'#', BLOCK "attn.qkv.instances.0.weight_ilayer", "12,36", {"qkv.instances.0.weight_ilayer", "[36, 12]", "[12, 36]"}, 0},
    {'#', BLOCK "mlp.fc2.instances.0.weight_base", "12,21", {"fc2.instances.0.weight_base", "[12, 20]", "[12, 21]"}, 0},
    {':', "norm.bias", "I64", {"norm.bias", "I64", "F32"}, 0},
    {':', "head.weight", "U8", {"head.weight", "U8"}, 0},
    {':', "head.bias", "F8_E4M3", {"head.bias", "F8_E4M3", "type"}, TLEG_ERROR_UNSUPPORTED},
    {'+', "fc_norm.weight", "12", {"norm.weight", "fc_norm.weight", "both"}, 0},
    {'+', BLOCK "attn.qkv.instances.1.weight", "36,12", {"qkv.instances.1.weight", "1 segment"}, 0},
    {'=', "tleg.kind", "resnet", {"tleg.kind", "\"learngene\"", "\"resnet\""}, TLEG_ERROR_UNSUPPORTED},
    {'=', "tleg.kind", "vit", {"tleg.kind", "\"vit\"", "learngene"}, 0},
    {'=', "tleg.heads", NULL, {"tleg.heads", "tleg.heads", "dim 12"}, 0},
    {'=', "tleg.heads", "two", {"tleg.heads", "whole number", "\"two\""}, 0},
    {'=', "tleg.heads", "0", {"tleg.heads", "\"0\""}, 0},
    {'=', "tleg.heads", "-3", {"tleg.heads", "\"-3\""}, 0},
    {'=', "tleg.heads", "03", {"tleg.heads", "\"03\""}, 0},
    {'=', "tleg.heads", "3 ", {"tleg.heads", "\"3 \""}, 0},
    {'=', "tleg.heads", "3.0", {"tleg.heads", "\"3.0\""}, 0},
    {'=', "tleg.heads", "", {"tleg.heads", "\"\""}, 0},
    {'=', "tleg.heads", "99999999999999999999", {"tleg.heads", "99999999999999999999"}, 0},
    {'=', "tleg.heads", "5", {"tleg.heads", "divisor of dim 12", "5"}, 0},
    {'=', "tleg.image_size", "16", {"pos_embed", "16 rows", "found 9"}, 0},
    {'=', "tleg.image_size", "17", {"pos_embed", "patches of 4 for", "17), found"}, 0},
    {'=', "tleg.image_size", "16388", {"tleg.image_size", "16388"}, 0},
    {'=', "tleg.patch_size", "8", {"tleg.patch_size", "expected 4", "found 8"}, 0},
    {'=', "tleg.pool", "cls", {"tleg.pool", "cls_token"}, 0},
    {'=', "tleg.pool", "sum", {"tleg.pool", "\"mean\"", "\"sum\""}, TLEG_ERROR_UNSUPPORTED},
    {'=', "tleg.positions", "waves", {"tleg.positions", "\"sincos\"", "\"waves\""}, TLEG_ERROR_UNSUPPORTED},
    {'=', "tleg.pixel_norm", "maybe", {"tleg.pixel_norm", "\"yes\"", "\"maybe\""}, TLEG_ERROR_UNSUPPORTED},
    {'=', "tleg.norm", "after_pool", {"tleg.norm", "norm.*", "after_pool"}, 0},
    {'=', "tleg.norm", "sandwich", {"tleg.norm", "\"sandwich\""}, TLEG_ERROR_UNSUPPORTED},
    {'=', "tleg.eps", "0", {"tleg.eps", "above 0", "\"0\""}, 0},
    {'=', "tleg.eps", "1,5", {"tleg.eps", "\"1,5\""}, 0},
    {'=', "tleg.eps", "nan", {"tleg.eps", "\"nan\""}, 0},
    {'=', "tleg.eps", "2", {"tleg.eps", "at most 1"}, 0},
    {'=', "tleg.crop", "0", {"tleg.crop", "above 0"}, 0},
    {'=', "tleg.crop", "1.01", {"tleg.crop", "1.01"}, 0},
    {'=', "tleg.crop", "0x1", {"tleg.crop", "0x1"}, 0},
    {'=',
     "tleg.interpolation",
     "nearest",
     {"tleg.interpolation", "\"bicubic\", \"bilinear\" or \"box\"", "\"nearest\""},
     TLEG_ERROR_UNSUPPORTED},
    {'=', "tleg.interpolation", "", {"tleg.interpolation", "\"\""}, TLEG_ERROR_UNSUPPORTED},
    {'=',
     "tleg.fit",
     "border",
     {"tleg.fit", "\"crop\", \"squash\", \"crop_floor\" or \"squash_floor\"", "\"border\""},
     TLEG_ERROR_UNSUPPORTED},
    {'=', "tleg.mean", "0.5,0.5", {"tleg.mean", "three numbers", "0.5,0.5"}, 0},
    {'=', "tleg.mean", "0.5,0.5,0.5,0.5", {"tleg.mean", "three numbers"}, 0},
    {'=', "tleg.mean", "0.5,,0.5", {"tleg.mean", "three numbers"}, 0},
    {'=', "tleg.mean", "0.5,inf,0.5", {"tleg.mean", "three numbers"}, 0},
    {'=', "tleg.std", "0.5,0,0.5", {"tleg.std", "above 0"}, 0},
    {'=', "tleg.labels", "[\\\"a\\\",\\\"b\\\"]", {"tleg.labels", "5", "found 2"}, 0},
    {'=', "tleg.labels", "a,b,c,d,e", {"tleg.labels", "JSON"}, 0},
    {'=', "tleg.labels", "{}", {"tleg.labels", "array"}, 0},
    {'=', "tleg.labels", "[1,2,3,4,5]", {"tleg.labels", "names"}, 0},
    {'=', "tleg.labels", "[\\\"a\\\",\\\"b\\\",[\\\"c\\\"],\\\"d\\\",\\\"e\\\"]", {"tleg.labels", "names"}, 0},
    {'=', "tleg.labels", "[\\\"a\\\",\\\"b\\\",\\\"\\\\u0000\\\",\\\"d\\\",\\\"e\\\"]", {"tleg.labels"}, 0},
    {'=', "tleg.depths", "3-12", {"tleg.depths", "JSON"}, 0},
    {'=', "tleg.depths", "12", {"tleg.depths", "array"}, 0},
    {'=', "tleg.depths", "{}", {"tleg.depths", "array"}, 0},
    {'=', "tleg.depths", "[0]", {"tleg.depths", "found 0"}, 0},
    {'=', "tleg.depths", "[3,3]", {"rising", "found 3"}, 0},
    {'=', "tleg.depths", "[[3,12],12]", {"rising", "found 12"}, 0},
    {'=', "tleg.depths", "[[12,3]]", {"[12,3]"}, 0},
    {'=', "tleg.depths", "[[3,4,5]]", {"[3,4,5]"}, 0},
    {'=', "tleg.depths", "[1025]", {"1 to 1024", "1025"}, 0},
    {'=', "tleg.depths", "[[1,99999999999999999999]]", {"tleg.depths", "99999999999999999999"}, 0},
    {'=', "tleg.depths", "[3.0]", {"found 3.0"}, 0},
    {'=', "tleg.depths", "[\\\"3\\\"]", {"found 3"}, 0},
    {'=', "tleg.depths", "[[[1]]]", {"found [[1]]"}, 0},
    {'=', "tleg.scores", "NaN", {"tleg.scores", "JSON"}, 0},
    {'=', "tleg.scores", "[]", {"tleg.scores", "object"}, 0},
    {'=', "tleg.scores", "{}", {"of one length"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3]}", {"of one length"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[]}", {"of one length"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":0.5}", {"of one length"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[NaN]}", {"tleg.scores", "JSON"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[\\\"0.5\\\"]}", {"numbers in"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3,[4]],\\\"scores\\\":[0.5,0.5]}", {"whole numbers"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[1.01]}", {"0 to 1", "depth 3"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[-0.01]}", {"0 to 1"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[1e999]}", {"numbers in"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3,3],\\\"scores\\\":[0.5,0.5]}", {"rising", "found 3"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[0],\\\"scores\\\":[0.5]}", {"1 to 1024"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[1025],\\\"scores\\\":[0.5]}", {"1 to 1024"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[1],\\\"depths\\\":[3]}", {"depths", "twice"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[1],\\\"images\\\":1.5}", {"images", "whole"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[1],\\\"images\\\":-1}", {"images"}, 0},
    {'=', "tleg.scores", "{\\\"depths\\\":[3],\\\"scores\\\":[1],\\\"on\\\":3}", {"on", "text"}, 0},
    {'=',
     "tleg.scores",
     "{\\\"depths\\\":[3],\\\"scores\\\":[1],\\\"on\\\":"
     "\\\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
     "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
     "yyyyyyyyyyyyyyyyyy\\\"}",
     {"on", "255"},
     0},
    {'=', "tleg.schedule", "{\\\"qkv\\\":[[6,false]]}", {"tleg.schedule", "[6,false]", "weight_base"}, 0},
    {'=', "tleg.schedule", "{\\\"qkv\\\":[[1,true]]}", {"tleg.schedule", "[1,true]", "weight_base"}, 0},
    {'=', "tleg.schedule", "{\\\"qkv\\\":[[4,true],[2,true]]}", {"missing tensor", "qkv.instances.1.weight_base"}, 0},
    {'=', "tleg.schedule", "{\\\"qkv\\\":[[4,true]],\\\"fc1\\\":[[5,true]]}", {"tleg.schedule", "different"}, 0},
    {'=', "tleg.schedule", "qkv", {"tleg.schedule", "JSON"}, 0},
};

static void every_fault_of_a_learngene_is_named(void **state) {
    (void)state;
    struct vit_file whole;
    struct tleg_vit_config config;
    vit_gene(&whole);
    read_good(&whole, 0, true, &config);
    tleg_config_free(&config);
    for (size_t k = 0; k < sizeof gene_faults / sizeof *gene_faults; k++) {
        struct vit_file spoilt = whole;
        vit_apply(&spoilt, gene_faults[k].edit, gene_faults[k].a, gene_faults[k].b);
        must_refuse(&spoilt, &gene_faults[k], 0, true);
    }
}

static void no_tensor_may_be_missing(void **state) {
    (void)state;
    for (int model = 0; model < 2; model++) {
        struct vit_file whole, spoilt;
        if (model)
            vit_model(&whole, 2);
        else
            vit_gene(&whole);
        for (int32_t k = 0; k < whole.count; k++) {
            const char *name = whole.tensors[k].name;
            spoilt = whole;
            vit_remove(&spoilt, name);
            must_refuse(&spoilt, &(struct vit_fault){'-', name, NULL, {"missing tensor", name}, 0}, 3, !model);
        }
    }
}

static const struct vit_fault model_faults[] = {
    {'-', "head.weight", NULL, {"missing tensor \"head.weight\""}, 0}, /* timm's num_classes=0 */
    {'-', "blocks.0.norm1.weight", NULL, {"missing tensor \"blocks.0.norm1.weight\""}, 0},
    {'~', "blocks.2.norm2.bias", "blocks.4.norm2.bias", {"missing tensor \"blocks.2.norm2.bias\""}, 0},
    {'+', "blocks.4.norm1.weight", "12", {"missing tensor \"blocks.3.norm1.weight\""}, 0},
    {'+', "blocks.1024.norm1.weight", "12", {"blocks.1024.norm1.weight", "at most 1024"}, 0},
    {'+', "blocks.99999999999999999999.norm1.weight", "12", {"blocks.99999999999999999999", "at most 1024"}, 0},
    {'#', "blocks.1.mlp.fc1.weight", "24,12", {"blocks.1.mlp.fc1.weight", "[20, 12]", "[24, 12]"}, 0},
    {'~', "norm.weight", "fc_norm.weight", {"missing tensor \"fc_norm.bias\""}, 0},
    {'=', "tleg.kind", "learngene", {"tleg.kind", "\"learngene\"", "model"}, 0},
};

static void every_fault_of_a_model_is_named(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof model_faults / sizeof *model_faults; k++) {
        struct vit_file spoilt;
        vit_model(&spoilt, 3);
        vit_apply(&spoilt, model_faults[k].edit, model_faults[k].a, model_faults[k].b);
        must_refuse(&spoilt, &model_faults[k], 3, false);
    }
}

static void a_learngene_is_no_model(void **state) {
    (void)state;
    struct vit_file made;
    vit_gene(&made);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"expected a model", "found a learngene", "expand"}, 0}, 0, false);
    vit_key(&made, "tleg.kind", NULL); /* the names say it as well */
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"expected a model", "found a learngene"}, 0}, 0, false);
    vit_model(&made, 2);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"expected a learngene", "found a model"}, 0}, 3, true);
}

static void a_heads_argument_must_fit_the_file(void **state) {
    (void)state;
    struct vit_file made;
    vit_gene(&made);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"heads", "tleg.heads", "found 4"}, TLEG_ERROR_ARGUMENT}, 4, true);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"heads", "divisor of dim 12", "5"}, TLEG_ERROR_ARGUMENT}, 5, true);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"heads", "-1"}, TLEG_ERROR_ARGUMENT}, -1, true);
}

/* ---- schedules in a file ---- */

static void names_say_what_a_schedule_leaves_out(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_outer(&made);
    vit_key(&made, "tleg.heads", "3");
    for (int site = 0; site < 6; site++)
        vit_segment(&made, site, 0, site == 3 ? 1 : 2); /* proj is shared */
    read_good(&made, 0, true, &config);
    assert_string_equal(config.c.schedule, "{\"proj\":[[1,false]]}");
    tleg_config_free(&config);

    vit_segment(&made, 4, 1, 1);
    vit_key(&made, "tleg.schedule", "{\\\"fc1\\\":[[5,true],[1,true]],\\\"norm1\\\":[[6,true]]}");
    read_good(&made, 0, true, &config);
    assert_string_equal(config.c.schedule, "{\"norm1\":[[6,true]],\"proj\":[[6,false]],\"fc1\":[[5,true],[1,true]]}");
    tleg_config_free(&config);
    vit_key(&made, "tleg.schedule", "{}"); /* then the second segment of fc1 is one too many */
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"fc1.instances.1", "1 segment"}, 0}, 0, true);
    vit_remove(&made, BLOCK "mlp.fc1.instances.1.weight");
    vit_remove(&made, BLOCK "mlp.fc1.instances.1.bias");
    static const char *const gates[] = {"ls1.instances.0.gamma_base", "ls1.instances.0.gamma_ilayer",
                                        "ls2.instances.0.gamma_base", "ls2.instances.0.gamma_ilayer", "ls1.instances.1.gamma"};
    for (size_t k = 0; k < sizeof gates / sizeof *gates; k++) {
        char name[96];
        snprintf(name, sizeof name, BLOCK "%s", gates[k]);
        vit_add(&made, name, "12");
    }
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"ls1.instances.1", "gives \"ls1\" 1 segment"}, 0}, 0, true);
}

#define QKV BLOCK "attn.qkv.instances.0."
/* A learngene whose qkv is a basis of four tensors, and what may be wrong with it. */
static void a_basis_has_the_tensors_that_its_schedule_says(void **state) {
    (void)state;
    static const struct vit_fault faults[] = {
        {'=',
         "tleg.schedule",
         NULL,
         {"which it leaves out, expects \"" QKV "weight_base\", found \"" QKV "weight_basis0\""},
         0},
        {'=',
         "tleg.schedule",
         "{\\\"qkv\\\":[[6,true]]}",
         {"[6,true], expects \"" QKV "weight_base\", found \"" QKV "weight_basis0\""},
         0},
        {'=', "tleg.schedule", "{\\\"qkv\\\":[[6,false]]}", {"[6,false], expects", "weight\"", "weight_basis0\""}, 0},
        {'=',
         "tleg.schedule",
         "{\\\"qkv\\\":[[6,\\\"cosine\\\",3]]}",
         {"segment 0 of \"qkv\", [6,\"cosine\",3], expects 3 tensors from", QKV "weight_basis0\" on, found 4"},
         0},
        {'=', "tleg.schedule", "{\\\"qkv\\\":[[6,\\\"cosine\\\",16]]}", {"expects 16 tensors", "found 4"}, 0},
        {'-', QKV "weight_basis3", NULL, {"expects 4 tensors from", "weight_basis0\" on, found 3"}, 0},
        {'~', QKV "weight_basis3", QKV "weight_basis4", {"missing tensor", "qkv.instances.0.weight_basis3"}, 0},
        {'-', QKV "bias_basis2", NULL, {"missing tensor", "qkv.instances.0.bias_basis2"}, 0},
        {'+', QKV "weight_basis16", "36,12", {"expects 4 tensors", "found 5"}, 0},
        {'+', QKV "bias_basis4", "36", {"qkv.instances.0.bias_basis4", "unknown"}, TLEG_ERROR_UNSUPPORTED},
        {'#', QKV "weight_basis2", "36,13", {"qkv.instances.0.weight_basis2", "[36, 12]", "[36, 13]"}, 0},
        {'=',
         "tleg.schedule",
         "{\\\"fc1\\\":[[6,\\\"power\\\",3]],\\\"qkv\\\":[[6,\\\"chebyshev\\\",4]]}",
         {"fc1", "weight_basis0\", found", "weight_base\""},
         0},
    };
    struct vit_file made;
    struct tleg_vit_config config;
    vit_outer(&made);
    vit_key(&made, "tleg.heads", "3");
    for (int site = 0; site < 6; site++)
        vit_segment(&made, site, 0, site == 2 ? 4 : 2);
    vit_key(&made, "tleg.schedule", "{\\\"qkv\\\":[[6,\\\"chebyshev\\\",4]]}");
    read_good(&made, 0, true, &config);
    assert_string_equal(config.c.schedule, "{\"qkv\":[[6,\"chebyshev\",4]]}");
    tleg_config_free(&config);
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        struct vit_file spoilt = made;
        vit_apply(&spoilt, faults[k].edit, faults[k].a, faults[k].b);
        must_refuse(&spoilt, &faults[k], 0, true);
    }
}

/* ---- memory ---- */

static tleg_status make_everything(tleg_context *with) {
    struct vit_file made;
    struct tleg_vit_config config, copy, checked;
    struct tleg_metadata pairs;
    vit_gene(&made);
    vit_segment(&made, 4, 1, 1);
    vit_add(&made, "step", "");
    vit_key(&made, "tleg.schedule", "{\\\"fc1\\\":[[5,true],[1,true]]}");
    vit_key(&made, "tleg.labels", "[\\\"a\\\",\\\"b\\\",\\\"c\\\",\\\"d\\\",\\\"e\\\"]");
    tleg_status status = read_with(with, &made, 0, true, &config);
    if (status != TLEG_OK)
        return status;
    status = tleg_config_copy(with, &config, &copy);
    if (status == TLEG_OK)
        status = tleg_config_metadata(with, &copy, true, &(tleg_save_options){0}, &pairs);
    if (status == TLEG_OK) {
        tleg_metadata_free(&pairs);
        status = tleg_config_check(with, &copy.c, &checked);
        if (status == TLEG_OK)
            tleg_config_free(&checked);
    }
    tleg_config_free(&copy);
    tleg_config_free(&config);
    return status;
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    tleg_status status = TLEG_ERROR_MEMORY;
    int64_t k = 0;
    while (status != TLEG_OK) {
        struct counter counter;
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        tleg_context *counted;
        assert_int_equal(tleg_context_create(&options, &counted), TLEG_OK);
        atomic_store(&counter.fail_at, atomic_load(&counter.calls) + ++k);
        status = make_everything(counted);
        assert_true(status == TLEG_OK || status == TLEG_ERROR_MEMORY);
        if (status == TLEG_ERROR_MEMORY)
            assert_true(strlen(tleg_context_get_error(counted)) > 0);
        tleg_context_free(counted);
        assert_int_equal(counter.live, 0);
        assert_int_equal(counter.wrong, 0);
    }
    assert_true(k > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timm_file_without_metadata_is_understood),
        cmocka_unit_test(heads_are_a_64th_of_dim_when_that_divides),
        cmocka_unit_test(keys_say_what_shapes_do_not),
        cmocka_unit_test(fc_norm_says_that_the_mean_comes_first),
        cmocka_unit_test(distillation_brings_a_second_head),
        cmocka_unit_test(a_latent_says_that_the_head_reads_attention_pooling),
        cmocka_unit_test(a_models_width_may_tell_its_heads),
        cmocka_unit_test(qkv_has_its_bias_everywhere_or_nowhere),
        cmocka_unit_test(where_norms_stand_is_asked_for_where_two_models_look_alike),
        cmocka_unit_test(gates_and_norms_within_the_branches_are_told_by_shapes_and_names),
        cmocka_unit_test(rotary_positions_are_said_by_keys),
        cmocka_unit_test(norms_may_be_without_a_bias_or_absent),
        cmocka_unit_test(an_mlp_may_be_without_biases),
        cmocka_unit_test(norms_of_queries_and_keys_are_told_by_their_width),
        cmocka_unit_test(attention_may_be_of_another_width),
        cmocka_unit_test(a_representation_layer_is_told_by_its_width),
        cmocka_unit_test(a_model_stays_in_a_half_type_that_all_its_tensors_have),
        cmocka_unit_test(every_fault_of_a_learngene_is_named),
        cmocka_unit_test(no_tensor_may_be_missing),
        cmocka_unit_test(every_fault_of_a_model_is_named),
        cmocka_unit_test(a_learngene_is_no_model),
        cmocka_unit_test(a_heads_argument_must_fit_the_file),
        cmocka_unit_test(names_say_what_a_schedule_leaves_out),
        cmocka_unit_test(a_basis_has_the_tensors_that_its_schedule_says),
        cmocka_unit_test(pictures_and_patches_need_not_be_square),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
