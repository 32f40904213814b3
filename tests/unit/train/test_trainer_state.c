/* A trainer's state: it goes on bit for bit, and is refused by any other configuration; numbers that are not finite change
 * nothing. */
#include "support/trainer.h"

/* ---- state in a file ---- */

static bool same_state(const tleg_trainer *a, const tleg_trainer *b) {
    bool same = tleg_trainer_get_steps(a) == tleg_trainer_get_steps(b);
    for (int32_t average = 0; average < 2 && same; average++) {
        struct flat x = trainer_values(plain, a, average), y = trainer_values(plain, b, average);
        same = flat_same(&x, &y);
        free(x.values);
        free(y.values);
    }
    return same;
}

static void a_saved_trainer_goes_on_bit_for_bit(void **state) {
    (void)state;
    static const char *const names[] = {"schedule-9", "dist-5", "cls-2-model", "curves-9", "nobias-1", "cls-2-model", "dist-5"};
    for (size_t i = 0; i < 7; i++) {
        const struct grad_case *c = find(names[i]);
        struct trainer_data data;
        trainer_data_open(plain, c->images, &data);
        tleg_trainer_options options = trainer_busy_options(c);
        options.optimiser = i < 4 ? TLEG_OPTIMISER_ADAMW : i < 6 ? TLEG_OPTIMISER_MUON : TLEG_OPTIMISER_SGD;
        tleg_trainer *whole = trainer_open(plain, c, &options), *later = trainer_open(plain, c, &options);
        const char *path = support_scratch("state.safetensors"), *const pairs[] = {"host.epoch", "3", "host.note", "so far"};
        trainer_steps(whole, &data.batch, 4);
        OK(plain, tleg_trainer_save(plain, whole, path, 2, pairs));
        trainer_steps(later, &data.batch, 1); /* what it did before is gone */
        OK_TRAINER(later, tleg_trainer_backward(later, &data.batch, NULL));
        OK(plain, tleg_trainer_load(plain, later, path));
        assert_true(same_state(whole, later));
        trainer_steps(whole, &data.batch, 4);
        trainer_steps(later, &data.batch, 4);
        assert_true(same_state(whole, later));
        assert_int_equal(tleg_trainer_get_steps(later), 8);
        tleg_file *file = NULL;
        OK(plain, tleg_file_open(plain, path, NULL, &file));
        assert_string_equal(tleg_file_get_metadata(file, "host.epoch"), "3");
        assert_string_equal(tleg_file_get_metadata(file, "host.note"), "so far");
        assert_string_equal(tleg_file_get_metadata(file, "tleg.kind"), "trainer");
        tleg_file_free(file);
        tleg_learngene *gene = NULL; /* an easy mistake, since the command keeps it beside what is learned */
        assert_int_equal(tleg_learngene_open(plain, path, NULL, &gene), TLEG_ERROR_FORMAT);
        trainer_says(tleg_context_get_error(plain), "the state of a trainer");
        trainer_data_close(&data);
        tleg_trainer_free(whole);
        tleg_trainer_free(later);
    }
}

/* A trainer with these options refuses the file, naming the word, and stays what it was. */
static void refuses(const char *path, const struct grad_case *c, const tleg_trainer_options *options, const char *word) {
    tleg_trainer *trainer = trainer_open(plain, c, options);
    struct flat before = trainer_values(plain, trainer, 0);
    tleg_status status = tleg_trainer_load(plain, trainer, path);
    if (status != TLEG_ERROR_FORMAT) {
        fail_msg("another %s: %s", word, tleg_status_name(status));
    }
    trainer_says(tleg_context_get_error(plain), word);
    trainer_says(tleg_context_get_error(plain), path);
    struct flat after = trainer_values(plain, trainer, 0);
    assert_true(flat_same(&before, &after));
    assert_int_equal(tleg_trainer_get_steps(trainer), 0);
    free(before.values);
    free(after.values);
    tleg_trainer_free(trainer);
}

static void another_configuration_is_refused_by_its_word(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer_options options = trainer_busy_options(c), other;
    options.all_reduce = trainer_reduce_nothing; /* which of several ranks there has to be */
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    trainer_steps(trainer, &data.batch, 2);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
#define OTHER(member, value, word) other = options, other.member = value, refuses(path, c, &other, word)
    OTHER(depth_mode, TLEG_DEPTH_SANDWICH, "mode=3");
    OTHER(depth_least, 3, "least=3");
    OTHER(depth_most, 8, "most=8");
    OTHER(norm, TLEG_NORM_AFTER_POOL, "norm=2");
    OTHER(image_size, 28, "image=28");
    OTHER(alpha, 0.5, "alpha=0.5");
    OTHER(tau, 3, "tau=3");
    OTHER(smoothing, 0.2, "smoothing=0.2");
    OTHER(weight_decay, 0.1, "decay=0.1");
    OTHER(beta1, 0.8, "beta1=0.8");
    OTHER(beta2, 0.8, "beta2=0.8");
    OTHER(epsilon, 1e-6, "epsilon=1e-06");
    OTHER(clip, 2, "clip=2");
    OTHER(drop_path, 0.1, "drop_path=0.1");
    OTHER(ema, 0.5, "ema=0.5");
    OTHER(ema, 0, "ema=0");
    OTHER(seed, 6, "seed=6");
    OTHER(ranks, 2, "ranks=2");
    OTHER(dtype, TLEG_BF16, "dtype=F32, this trainer dtype=BF16");
    struct grad_case gene = *c;
    strcpy(gene.gene, "nobias");
    refuses(path, &gene, &options, "dim=12");
    gene = *c;
    gene.model = 1;
    other = trainer_busy_options(&gene);
    refuses(path, &gene, &other, "kind=model");
    options.batch = 2, options.checkpoint = 1; /* these compute the same */
    tleg_trainer *small = trainer_open(plain, c, &options);
    OK(plain, tleg_trainer_load(plain, small, path));
    tleg_trainer_free(small);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

static void another_share_of_in_place_teaching_is_refused(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    tleg_trainer_options options = trainer_busy_options(c), other;
    options.depth_mode = TLEG_DEPTH_SANDWICH;
    options.in_place = 0.5;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OTHER(in_place, 1, "in_place=0.5, this trainer in_place=1");
    OTHER(in_place, 0, "in_place=0.5");
    tleg_trainer_free(trainer);
    options.in_place = 0;
    trainer = trainer_open(plain, c, &options);
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OTHER(in_place, 1, "in_place=1");
    tleg_trainer_free(trainer);
}

static void another_optimiser_is_refused(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    tleg_trainer_options options = trainer_busy_options(c), other;
    options.optimiser = TLEG_OPTIMISER_MUON;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OTHER(optimiser, 0, "the file says optimiser=muon, this trainer nothing");
    OTHER(momentum, 0.9, "momentum=0.95, this trainer momentum=0.9");
    OTHER(nesterov, -1, "nesterov=1, this trainer nesterov=-1");
    tleg_trainer_free(trainer);
    options.optimiser = TLEG_OPTIMISER_ADAMW;
    trainer = trainer_open(plain, c, &options);
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OTHER(optimiser, TLEG_OPTIMISER_MUON, "optimiser=muon");
    options.weight_decay = 0.05; /* what SGD has is another, and would be told first */
    OTHER(optimiser, TLEG_OPTIMISER_SGD, "the file says nothing, this trainer optimiser=sgd");
    tleg_trainer_free(trainer);
}

static void other_frozen_parts_rates_and_weights_are_refused(void **state) {
    (void)state;
    const struct grad_case *c = find("cls-2-model");
    const double weights[TRAINER_CLASSES] = {1, 2, 3, 4, 5}, others[TRAINER_CLASSES] = {1, 2, 3, 4, 6};
    tleg_trainer_options options = trainer_busy_options(c), other;
    options.freeze = TLEG_PART_NORM;
    options.frozen_layers = 1;
    options.layer_decay = 0.75;
    options.class_weights = weights;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OTHER(freeze, TLEG_PART_HEAD, "freeze=128, this trainer freeze=256");
    OTHER(frozen_layers, 2, "frozen_layers=1, this trainer frozen_layers=2");
    OTHER(layer_decay, 0.5, "layer_decay=0.75, this trainer layer_decay=0.5");
    OTHER(class_weights, others, "class_weights=");
    OTHER(class_weights, NULL, "class_weights=");
    OTHER(freeze, 0, "the file says freeze=128, this trainer nothing");
    tleg_trainer *same = trainer_open(plain, c, &options);
    OK(plain, tleg_trainer_load(plain, same, path));
    tleg_trainer_free(same);
    tleg_trainer_free(trainer);
}

/* Takes a word out of the setup of a state, as if an older version had written it; what follows moves up, blanks behind it. */
static void take_out(const char *path, const char *word) {
    char text[1 << 16];
    const size_t length = strlen(word);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    size_t count = fread(text, 1, sizeof text, file), at = 0;
    while (at + length < count && memcmp(text + at, word, length) != 0)
        at++;
    assert_true(at + length < count);
    const char *quote = memchr(text + at, '"', count - at);
    assert_non_null(quote);
    const size_t moved = (size_t)(quote + 1 - (text + at)) - length;
    memmove(text + at, text + at + length, moved);
    memset(text + at + moved, ' ', length);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(text + at, 1, moved + length, file), moved + length);
    assert_int_equal(fclose(file), 0);
}

/* Files from before there was a dtype end their setup earlier: they are of f32. */
static void a_setup_without_a_dtype_is_of_f32(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    tleg_trainer_options options = trainer_busy_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    take_out(path, "dtype=F32 ");
    OK(plain, tleg_trainer_load(plain, trainer, path));
    options.dtype = TLEG_BF16;
    refuses(path, c, &options, "the file says nothing, this trainer dtype=BF16");
    tleg_trainer_free(trainer);
}

/* ---- other networks ---- */

/* A trainer of a fresh learngene with such blocks; one configuration differs from another by few members. */
static tleg_trainer *fresh_trainer(tleg_config config, tleg_dtype dtype) {
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1, .depth_least = 2, .dtype = dtype};
    tleg_learngene *gene = NULL;
    tleg_trainer *trainer = NULL;
    config.struct_size = sizeof config;
    config.image_size = 8, config.patch_size = 4, config.dim = 8, config.heads = 2, config.classes = TRAINER_CLASSES;
    OK(plain, tleg_learngene_create(plain, &config, 1, &gene));
    OK(plain, tleg_trainer_create(plain, gene, &options, &trainer));
    tleg_learngene_free(gene);
    return trainer;
}

static void refuses_network(tleg_config saved, tleg_config own, const char *words) {
    const char *path = support_scratch("state.safetensors");
    tleg_trainer *trainer = fresh_trainer(saved, 0), *other = fresh_trainer(own, 0);
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OK(plain, tleg_trainer_load(plain, trainer, path));
    if (tleg_trainer_load(plain, other, path) != TLEG_ERROR_FORMAT)
        fail_msg("not refused: %s", words);
    trainer_says(tleg_context_get_error(plain), words);
    tleg_trainer_free(trainer);
    tleg_trainer_free(other);
}

/* Also where the other network has each tensor that this one has, and would read without a complaint. */
static void another_network_is_refused_by_its_word(void **state) {
    (void)state;
    static const struct {
        tleg_config saved, own;
        const char *words;
    } pairs[] = {
        {{0}, {.no_qkv_bias = 1}, "the file says nothing, this trainer no_biases=1,0,0"},
        {{0}, {.no_patch_bias = 1}, "the file says nothing, this trainer no_biases=0,1,0"},
        {{0}, {.no_head_bias = 1}, "the file says nothing, this trainer no_biases=0,0,1"},
        {{.no_head_bias = 1}, {0}, "the file says no_biases=0,0,1, this trainer nothing"},
        {{.no_head_bias = 1}, {.no_qkv_bias = 1}, "no_biases=0,0,1, this trainer no_biases=1,0,0"},
        {{.norm_after = 1}, {.norm_after = 2}, "blocks=1,0,0,0, this trainer blocks=2,0,0,0"},
        {{0}, {.norm_after = 1}, "blocks=1,0,0,0"},
        {{0}, {.gated = 1, .mlp = TLEG_MLP_GELU}, "blocks=0,1,0,0"},
        {{.attention_norm = 1}, {0}, "blocks=0,0,1,0"},
        {{.mlp_norm = 1}, {0}, "blocks=0,0,0,1"},
        {{.qk_norm = TLEG_QK_NORM_HEAD}, {.qk_norm = TLEG_QK_NORM_TOKEN}, "qk_norm=1, this trainer qk_norm=2"},
        {{.qk_norm = TLEG_QK_NORM_TOKEN}, {0}, "qk_norm=2, this trainer nothing"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        refuses_network(pairs[i].saved, pairs[i].own, pairs[i].words);
}

/* Older files do not say which biases are missing: they are told by their tensors, and everything else must still be the same.
 */
static void a_setup_that_does_not_name_missing_biases_is_told_by_its_tensors(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    const tleg_config config = {.no_qkv_bias = 1, .no_head_bias = 1};
    tleg_trainer *trainer = fresh_trainer(config, 0), *other = fresh_trainer(config, TLEG_BF16);
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    take_out(path, "no_biases=1,0,1 ");
    OK(plain, tleg_trainer_load(plain, trainer, path));
    assert_int_equal(tleg_trainer_load(plain, other, path), TLEG_ERROR_FORMAT);
    trainer_says(tleg_context_get_error(plain), "the file says dtype=F32, this trainer dtype=BF16");
    tleg_trainer_free(trainer);
    tleg_trainer_free(other);
}

/* Positions of another grid come from either filter. */
static void another_filter_of_positions_is_refused(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    tleg_trainer_options options = trainer_busy_options(c), other;
    options.image_size = 28;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OTHER(position_filter, TLEG_POSITION_FILTER_ANTIALIAS, "the file says nothing, this trainer position_filter=antialias");
    tleg_trainer_free(trainer);
    options.position_filter = TLEG_POSITION_FILTER_ANTIALIAS;
    trainer = trainer_open(plain, c, &options);
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    OK(plain, tleg_trainer_load(plain, trainer, path));
    OTHER(position_filter, 0, "the file says position_filter=antialias, this trainer nothing");
    tleg_trainer_free(trainer);
}

static tleg_learngene *new_gene(const char *schedule, double eps) {
    tleg_config config = {.struct_size = sizeof config,
                          .image_size = 8,
                          .patch_size = 4,
                          .dim = 6,
                          .heads = 2,
                          .classes = TRAINER_CLASSES,
                          .schedule = schedule,
                          .eps = eps};
    tleg_learngene *gene = NULL;
    OK(plain, tleg_learngene_create(plain, &config, 1, &gene));
    return gene;
}

/* Whatever is set, and however many digits its numbers have, the setup is whole, and is the same again. */
static void a_setup_of_any_length_is_kept_whole(void **state) {
    (void)state;
    const double weights[TRAINER_CLASSES] = {1, 2, 3, 4, 5};
    tleg_config config = {.struct_size = sizeof config,
                          .image_size = 16,
                          .image_width = 8,
                          .patch_size = 4,
                          .patch_width = 2,
                          .dim = 32,
                          .heads = 2,
                          .attention_dim = 48,
                          .hidden = 40,
                          .classes = TRAINER_CLASSES,
                          .class_token = 1,
                          .registers = 3,
                          .unplaced = 1,
                          .pool = TLEG_POOL_PATCH_ATTENTION,
                          .pool_heads = 4,
                          .pool_hidden = 24,
                          .representation = 16,
                          .gated = 1,
                          .layer_scale = 1,
                          .norm_before = 1,
                          .attention_norm = 1,
                          .mlp_norm = 1,
                          .qk_norm = 1,
                          .pixel_norm = 1,
                          .rms = 1,
                          .patch_norm = 1,
                          .no_proj_bias = 1,
                          .no_mlp_bias = 1,
                          .no_qkv_bias = 1,
                          .no_patch_bias = 1,
                          .no_head_bias = 1,
                          .rotary = TLEG_ROTARY_CENTRED,
                          .rotary_halves = 1,
                          .rotary_x_first = 1,
                          .rotary_grid = 4,
                          .rotary_base = 98.765432109876541,
                          .eps = 1.2345678901234567e-06};
    tleg_trainer_options options = {.struct_size = sizeof options,
                                    .batch = 1,
                                    .depth_mode = TLEG_DEPTH_SANDWICH,
                                    .depth_least = 2,
                                    .depth_most = 1000,
                                    .optimiser = TLEG_OPTIMISER_MUON,
                                    .nesterov = -1,
                                    .momentum = 0.91234567890123452,
                                    .in_place = 0.51234567890123455,
                                    .alpha = 0.012345678901234567,
                                    .tau = 1.2345678901234567,
                                    .smoothing = 0.012345678901234567,
                                    .weight_decay = 0.012345678901234567,
                                    .beta1 = 0.91234567890123452,
                                    .beta2 = 0.99123456789012341,
                                    .epsilon = 1.2345678901234567e-08,
                                    .clip = 1.2345678901234567,
                                    .drop_path = 0.012345678901234567,
                                    .ema = 0.99123456789012341,
                                    .ema_warmup = 1,
                                    .class_weights = weights,
                                    .freeze = TLEG_PART_NORM,
                                    .teacher_mean = TLEG_TEACHER_MEAN_OVER_IMAGES,
                                    .seed = UINT64_MAX,
                                    .all_reduce = trainer_reduce_nothing,
                                    .ranks = 1000};
    tleg_learngene *gene = NULL;
    OK(plain, tleg_learngene_create(plain, &config, 1, &gene));
    tleg_trainer *trainer = NULL;
    OK(plain, tleg_trainer_create(plain, gene, &options, &trainer));
    const char *path = support_scratch("state.safetensors");
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    tleg_file *file = NULL;
    OK(plain, tleg_file_open(plain, path, NULL, &file));
    const char *setup = tleg_file_get_metadata(file, "tleg.trainer.setup");
    assert_true(strlen(setup) > 800);
    assert_string_equal(setup + strlen(setup) - strlen("dtype=F32 "), "dtype=F32 ");
    tleg_file_free(file);
    OK(plain, tleg_trainer_load(plain, trainer, path));
    tleg_trainer_free(trainer);
    tleg_learngene_free(gene);
}

/* The same tensors under the same names, but used at other places or otherwise. */
static void another_schedule_and_another_eps_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *schedule;
        double eps;
        const char *word;
    } genes[] = {{"{\"qkv\":[[4,true],[2,true]]}", 1e-5, NULL},
                 {"{\"qkv\":[[3,true],[3,true]]}", 1e-5, "schedule"},
                 {"{\"qkv\":[[4,true],[2,true]]}", 1e-3, "eps=0.001"},
                 {"{\"qkv\":[[6,\"cosine\",3]]}", 1e-5, NULL},
                 {"{\"qkv\":[[6,\"chebyshev\",3]]}", 1e-5, "schedule is \"{\"qkv\":[[6,\"cosine\",3]]}\""}};
    const char *path = support_scratch("state.safetensors");
    tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1, .depth_least = 6};
    for (size_t i = 0; i < sizeof genes / sizeof *genes; i++) {
        tleg_learngene *gene = new_gene(genes[i].schedule, genes[i].eps);
        tleg_trainer *trainer = NULL;
        OK(plain, tleg_trainer_create(plain, gene, &options, &trainer));
        if (!genes[i].word) {
            OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
        }
        tleg_status status = tleg_trainer_load(plain, trainer, path);
        assert_int_equal(status, genes[i].word ? TLEG_ERROR_FORMAT : TLEG_OK);
        if (genes[i].word) {
            trainer_says(tleg_context_get_error(plain), genes[i].word);
        }
        tleg_trainer_free(trainer);
        tleg_learngene_free(gene);
    }
}

static void write_file(const char *path, const unsigned char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static unsigned char *find_text(unsigned char *bytes, size_t size, const char *text) {
    for (size_t i = 0; i + strlen(text) <= size; i++) {
        if (memcmp(bytes + i, text, strlen(text)) == 0) {
            return bytes + i;
        }
    }
    fail_msg("the state does not hold %s", text);
    return NULL;
}

static void a_damaged_state_is_refused_and_changes_nothing(void **state) {
    (void)state;
    const struct grad_case *c = find("patch1-2");
    tleg_trainer_options options = trainer_busy_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    const char *path = support_scratch("whole.safetensors");
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    static const struct {
        const char *text;
        char byte; /* written over the text's last but one */
    } damages[] = {{"\"moment2.norm.bias\"", 'x'}, {"tleg.trainer.steps\":\"0", '-'}, {"tleg.trainer.random\":\"00", 'g'},
                   {"\"tleg.trainer.random", 'x'}, {"\"tleg.trainer.setup", 'x'},     {"\"tleg.trainer.steps", 'x'},
                   {"\"average.pos_embed", 'x'},   {"\"kind=learngene", 'x'}};
    for (size_t i = 0; i <= sizeof damages / sizeof damages[0]; i++) {
        size_t size;
        unsigned char *bytes = support_read_file(path, &size);
        if (i == sizeof damages / sizeof damages[0]) {
            size--;
        } else if (i == 2) { /* the word itself depends on the seed */
            find_text(bytes, size, "tleg.trainer.random\":\"")[strlen("tleg.trainer.random\":\"") + 3] = (unsigned char)'g';
        } else if (i == 1) {
            find_text(bytes, size, damages[i].text)[strlen(damages[i].text) - 1] = (unsigned char)damages[i].byte;
        } else {
            find_text(bytes, size, damages[i].text)[strlen(damages[i].text) - 2] = (unsigned char)damages[i].byte;
        }
        const char *bad = support_scratch("bad.safetensors");
        write_file(bad, bytes, size);
        free(bytes);
        struct flat before = trainer_values(plain, trainer, 0);
        tleg_status status = tleg_trainer_load(plain, trainer, bad);
        if (status != TLEG_ERROR_FORMAT) {
            fail_msg("damage %d: %s", (int)i, tleg_status_name(status));
        }
        trainer_says(tleg_context_get_error(plain), "bad.safetensors");
        struct flat after = trainer_values(plain, trainer, 0);
        assert_true(flat_same(&before, &after));
        free(before.values);
        free(after.values);
    }
    assert_int_equal(tleg_trainer_load(plain, trainer, support_path("mean", ".gene.safetensors")), TLEG_ERROR_FORMAT);
    trainer_says(tleg_context_get_error(plain), "trainer");
    assert_int_equal(tleg_trainer_load(plain, trainer, "/nowhere/state"), TLEG_ERROR_NOT_FOUND);
    assert_int_equal(tleg_trainer_save(plain, trainer, "/nowhere/state", 0, NULL), TLEG_ERROR_NOT_FOUND);
    const char *const own[] = {"tleg.trainer.steps", "7"}, *const hole[] = {"host.epoch", NULL};
    assert_int_equal(tleg_trainer_save(plain, trainer, support_scratch("never"), 1, own), TLEG_ERROR_ARGUMENT); /* ours */
    assert_int_equal(tleg_trainer_save(plain, trainer, support_scratch("never"), 1, hole), TLEG_ERROR_ARGUMENT);
    tleg_trainer_free(trainer);
}

/* Puts a number in place of a tensor's first one. */
static void put_number(const char *path, const char *tensor, float number) {
    size_t size;
    unsigned char *bytes = support_read_file(path, &size);
    uint64_t length = 0, begin = 0;
    memcpy(&length, bytes, sizeof length);
    const char *entry = (const char *)find_text(bytes, size, tensor);
    const char *offsets = strstr(entry, "\"data_offsets\":[");
    assert_non_null(offsets);
    begin = strtoull(offsets + strlen("\"data_offsets\":["), NULL, 10);
    memcpy(bytes + sizeof length + length + begin, &number, sizeof number);
    write_file(path, bytes, size);
    free(bytes);
}

static void a_state_with_numbers_that_no_step_leaves_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *tensor;
        float number;
        const char *text;
    } odd[] = {{"parameter.head.weight", NAN, "parameter.head.weight holds a number that is not finite"},
               {"parameter.pos_embed", INFINITY, "parameter.pos_embed holds a number that is not finite"},
               {"moment1.head.bias", -INFINITY, "moment1.head.bias holds a number that is not finite"},
               {"moment2.head.bias", NAN, "moment2.head.bias holds a number that is not finite"},
               {"moment2.norm.bias", -1e-30f, "moment2.norm.bias holds a negative number"},
               {"average.norm.bias", NAN, "average.norm.bias holds a number that is not finite"},
               {"moment1.norm.bias", -1, NULL}};
    const struct grad_case *c = find("patch1-2");
    tleg_trainer_options options = trainer_busy_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options), *fresh = trainer_open(plain, c, &options);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("odd.safetensors"));
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
        put_number(path, odd[i].tensor, odd[i].number);
        assert_int_equal(tleg_trainer_load(plain, trainer, path), odd[i].text ? TLEG_ERROR_FORMAT : TLEG_OK);
        if (odd[i].text) {
            trainer_says(tleg_context_get_error(plain), odd[i].text);
        }
        assert_true(same_state(trainer, fresh));
    }
    tleg_trainer_free(trainer);
    tleg_trainer_free(fresh);
}

/* ---- numbers that are not finite ---- */

/* A step whose rate leaves no finite weights: what was written before it stays, and nothing of it is handed out. */
static void what_blew_up_is_not_written_over_what_is_good(void **state) {
    (void)state;
    static const char *const names[] = {"mean-4", "cls-2-model"};
    for (int i = 0; i < 2; i++) {
        const struct grad_case *c = find(names[i]);
        struct trainer_data data;
        trainer_data_open(plain, c->images, &data);
        tleg_trainer_options options = trainer_options(c);
        options.ema = 0.9;
        tleg_trainer *trainer = trainer_open(plain, c, &options);
        const char *path = support_scratch("good.safetensors");
        OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
        size_t before, after;
        unsigned char *good = support_read_file(path, &before);
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, NULL));
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 1e39)); /* beyond f32 */
        assert_int_equal(tleg_trainer_save(plain, trainer, path, 0, NULL), TLEG_ERROR_NUMERIC);
        trainer_says(tleg_context_get_error(plain), "is not finite after step 1");
        trainer_says(tleg_context_get_error(plain), path);
        for (int32_t average = 0; average < 2; average++) {
            tleg_learngene *gene = NULL;
            tleg_model *model = NULL;
            assert_int_equal(c->model ? tleg_trainer_copy_model(plain, trainer, average, &model)
                                      : tleg_trainer_copy_learngene(plain, trainer, average, &gene),
                             TLEG_ERROR_NUMERIC);
            assert_true(!gene && !model);
            trainer_says(tleg_context_get_error(plain), average ? "after step 1 the average of " : "after step 1 ");
        }
        unsigned char *kept = support_read_file(path, &after);
        assert_int_equal(before, after);
        assert_memory_equal(good, kept, before);
        free(good);
        free(kept);
        trainer_data_close(&data);
        tleg_trainer_free(trainer);
    }
}

static tleg_status TLEG_CALL spoil(void *host, float *values, size_t count) {
    values[count / 2] = *(float *)host;
    return TLEG_OK;
}

static void a_loss_that_is_not_finite_names_step_and_part(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer_options options = trainer_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options), *calm = trainer_open(plain, c, &options);
    trainer_steps(trainer, &data.batch, 2);
    trainer_steps(calm, &data.batch, 2);
    struct flat before = trainer_values(plain, trainer, 0);
    float images[TRAINER_BATCH * 3 * 16 * 16], logits[TRAINER_BATCH * TRAINER_CLASSES];
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 6; i++) {
        tleg_train_batch batch = data.batch;
        memcpy(images, batch.images, sizeof images);
        memcpy(logits, batch.teacher_logits, sizeof logits);
        images[777] = i < 3 ? bad[i] : images[777];
        logits[7] = i < 3 ? logits[7] : bad[i - 3];
        batch.images = images;
        batch.teacher_logits = logits;
        tleg_status status = tleg_trainer_backward(trainer, &batch, NULL);
        if (i == 5) { /* minus infinity is a class that the teacher rules out: its probability is 0 */
            OK_TRAINER(trainer, status);
        } else {
            assert_int_equal(status, TLEG_ERROR_NUMERIC);
            trainer_says(tleg_trainer_get_error(trainer), "step 3");
            trainer_says(tleg_trainer_get_error(trainer), i < 3 ? "labels" : "teacher");
        }
        tleg_trainer_forget(trainer);
    }
    struct flat after = trainer_values(plain, trainer, 0);
    assert_true(flat_same(&before, &after));
    trainer_steps(trainer, &data.batch, 2); /* and it goes on as if nothing had been */
    trainer_steps(calm, &data.batch, 2);
    struct flat a = trainer_values(plain, trainer, 0), b = trainer_values(plain, calm, 0);
    assert_true(flat_same(&a, &b));
    struct flat *all[] = {&before, &after, &a, &b};
    for (int i = 0; i < 4; i++) {
        free(all[i]->values);
    }
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    tleg_trainer_free(calm);
}

static void a_gradient_that_is_not_finite_changes_nothing(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        tleg_trainer_options options = trainer_options(c);
        options.all_reduce = spoil;
        options.all_reduce_host = &bad[i];
        options.ema = 0.9;
        options.clip = 1;
        tleg_trainer *trainer = trainer_open(plain, c, &options), *fresh = trainer_open(plain, c, &options);
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, NULL));
        assert_int_equal(tleg_trainer_update(trainer, 0.01), TLEG_ERROR_NUMERIC);
        trainer_says(tleg_trainer_get_error(trainer), "step 1");
        assert_true(same_state(trainer, fresh));
        tleg_trainer_free(trainer);
        tleg_trainer_free(fresh);
    }
    trainer_data_close(&data);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_trainer_goes_on_bit_for_bit),
        cmocka_unit_test(another_configuration_is_refused_by_its_word),
        cmocka_unit_test(another_share_of_in_place_teaching_is_refused),
        cmocka_unit_test(another_optimiser_is_refused),
        cmocka_unit_test(other_frozen_parts_rates_and_weights_are_refused),
        cmocka_unit_test(a_setup_without_a_dtype_is_of_f32),
        cmocka_unit_test(another_network_is_refused_by_its_word),
        cmocka_unit_test(a_setup_that_does_not_name_missing_biases_is_told_by_its_tensors),
        cmocka_unit_test(another_filter_of_positions_is_refused),
        cmocka_unit_test(a_setup_of_any_length_is_kept_whole),
        cmocka_unit_test(another_schedule_and_another_eps_are_refused),
        cmocka_unit_test(a_damaged_state_is_refused_and_changes_nothing),
        cmocka_unit_test(a_state_with_numbers_that_no_step_leaves_is_refused),
        cmocka_unit_test(what_blew_up_is_not_written_over_what_is_good),
        cmocka_unit_test(a_loss_that_is_not_finite_names_step_and_part),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
