/* What files know of depths, tleg.depths and tleg.scores: what is written, what comes back, what becomes of it on the way from
 * learngene to model, and what is refused. */
#include "config/learned.h"
#include "support/suite_context.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/linearize.h>
#include <tleg/train.h>

/* ---- a gene that knows, and what is looked at ---- */

static const int32_t some_depths[] = {3, 4, 5, 6, 8, 10, 11}, scored[] = {2, 5, 9};
static const double shares[] = {0.625, 0.8532, 1};

static tleg_scores some_scores(void) {
    return (tleg_scores){.struct_size = sizeof(tleg_scores),
                         .count = 3,
                         .images = 5000,
                         .depths = scored,
                         .scores = shares,
                         .on = "caf\xc3\xa9 \"val\""};
}

static void save_known(const char *name, const char *path, tleg_dtype dtype) {
    const tleg_scores scores = some_scores();
    const tleg_save_options options = {
        .struct_size = sizeof options, .dtype = dtype, .depth_count = 7, .depths = some_depths, .scores = &scores};
    tleg_learngene *gene = support_gene(context, name);
    OK(context, tleg_learngene_save(context, gene, path, &options));
    tleg_learngene_free(gene);
}

static tleg_learngene *open_known(const char *path) {
    tleg_learngene *gene = NULL;
    OK(context, tleg_learngene_open(context, path, NULL, &gene));
    return gene;
}

static void knows_depths(const tleg_config *config) {
    assert_int_equal(config->depth_count, 7);
    assert_memory_equal(config->depths, some_depths, sizeof some_depths);
}

static void knows_all(const tleg_config *config) {
    knows_depths(config);
    assert_non_null(config->scores);
    assert_int_equal(config->scores->struct_size, sizeof(tleg_scores));
    assert_int_equal(config->scores->count, 3);
    assert_int_equal(config->scores->images, 5000);
    assert_string_equal(config->scores->on, "caf\xc3\xa9 \"val\"");
    assert_memory_equal(config->scores->depths, scored, sizeof scored);
    assert_memory_equal(config->scores->scores, shares, sizeof shares);
    assert_null(config->scores->reserved);
}

static void knows_nothing(const tleg_config *config) {
    assert_int_equal(config->depth_count, 0);
    assert_null(config->depths);
    assert_null(config->scores);
}

static tleg_config info_of(const tleg_learngene *gene) {
    tleg_config config = {.struct_size = sizeof config};
    OK(context, tleg_learngene_get_info(context, gene, &config));
    return config;
}

static tleg_config model_info(const tleg_model *model) {
    tleg_config config = {.struct_size = sizeof config};
    OK(context, tleg_model_get_info(context, model, &config));
    return config;
}

/* ---- files ---- */

static void a_file_keeps_both_and_so_does_what_is_saved_of_it(void **state) {
    (void)state;
    static const tleg_dtype types[] = {TLEG_F32, TLEG_F16, TLEG_BF16};
    for (int k = 0; k < 3; k++) {
        save_known("combo", support_scratch("known"), types[k]);
        tleg_learngene *gene = open_known(support_scratch("known"));
        tleg_config config = info_of(gene);
        knows_all(&config);
        OK(context, tleg_learngene_save(context, gene, support_scratch("again"), NULL));
        tleg_learngene_free(gene);
        gene = open_known(support_scratch("again"));
        config = info_of(gene);
        knows_all(&config);
        tleg_learngene_free(gene);
    }
}

static void the_texts_in_a_file_are_those_that_are_documented(void **state) {
    (void)state;
    tleg_file *file = NULL;
    save_known("combo", support_scratch("known"), TLEG_F32);
    OK(context, tleg_file_open(context, support_scratch("known"), NULL, &file));
    assert_string_equal(tleg_file_get_metadata(file, "tleg.depths"), "[[3,6],8,[10,11]]");
    assert_string_equal(
        tleg_file_get_metadata(file, "tleg.scores"),
        "{\"on\":\"caf\xc3\xa9 \\\"val\\\"\",\"images\":5000,\"depths\":[2,5,9],\"scores\":[0.625,0.8532,1.0]}");
    tleg_file_free(file);
}

/* A table without scores takes away those that there are; depths stay. */
static void scores_can_be_taken_away(void **state) {
    (void)state;
    const tleg_scores none = {.struct_size = sizeof none};
    const tleg_save_options options = {.struct_size = sizeof options, .scores = &none};
    save_known("mean", support_scratch("known"), TLEG_F32);
    tleg_learngene *gene = open_known(support_scratch("known"));
    OK(context, tleg_learngene_save(context, gene, support_scratch("fewer"), &options));
    tleg_learngene_free(gene);
    gene = open_known(support_scratch("fewer"));
    const tleg_config config = info_of(gene);
    knows_depths(&config);
    assert_null(config.scores);
    tleg_learngene_free(gene);
}

static void a_fresh_learngene_knows_nothing_whatever_its_configuration_says(void **state) {
    (void)state;
    save_known("cls", support_scratch("known"), TLEG_F32);
    tleg_learngene *gene = open_known(support_scratch("known")), *fresh = NULL;
    tleg_config config = info_of(gene);
    OK(context, tleg_learngene_create(context, &config, 1, &fresh));
    config = info_of(fresh);
    knows_nothing(&config);
    tleg_learngene_free(fresh);
    tleg_learngene_free(gene);
}

/* ---- on the way ---- */

static tleg_expander *expander_of(const tleg_learngene *gene, const tleg_expander_options *options) {
    tleg_expander *expander = NULL;
    OK(context, tleg_expander_create(context, gene, options, &expander));
    return expander;
}

static void a_model_keeps_the_score_of_its_own_depth(void **state) {
    (void)state;
    static const int32_t depths[] = {5, 6, 9};
    save_known("mean", support_scratch("known"), TLEG_F32);
    tleg_learngene *gene = open_known(support_scratch("known"));
    const tleg_expander_options half = {.struct_size = sizeof half, .dtype = TLEG_BF16};
    tleg_expander *expander = expander_of(gene, &half);
    tleg_config config = {.struct_size = sizeof config};
    OK(context, tleg_expander_get_info(context, expander, &config));
    knows_all(&config);
    for (int k = 0; k < 3; k++) {
        tleg_model *model = NULL, *again = NULL;
        OK(context, tleg_expander_expand(context, expander, depths[k], &model));
        OK(context, tleg_model_save(context, model, support_scratch("model"), NULL));
        OK(context, tleg_model_open(context, support_scratch("model"), NULL, &again));
        const tleg_config both[2] = {model_info(model), model_info(again)};
        for (int i = 0; i < 2; i++) {
            knows_depths(&both[i]);
            if (depths[k] == 6) {
                assert_null(both[i].scores);
                continue;
            }
            assert_int_equal(both[i].scores->count, 1);
            assert_int_equal(both[i].scores->depths[0], depths[k]);
            assert_true(both[i].scores->scores[0] == (depths[k] == 5 ? 0.8532 : 1));
            assert_string_equal(both[i].scores->on, "caf\xc3\xa9 \"val\"");
        }
        tleg_model_free(again);
        tleg_model_free(model);
    }
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
}

static void what_computes_otherwise_has_no_scores(void **state) {
    (void)state;
    const tleg_expander_options others[] = {{.struct_size = sizeof others[0], .norm = TLEG_NORM_AFTER_POOL},
                                            {.struct_size = sizeof others[0], .image_size = 28},
                                            {.struct_size = sizeof others[0], .classes = 3}};
    save_known("mean", support_scratch("known"), TLEG_F32);
    tleg_learngene *gene = open_known(support_scratch("known"));
    for (int k = 0; k < 3; k++) {
        tleg_expander *expander = expander_of(gene, &others[k]);
        tleg_config config = {.struct_size = sizeof config};
        OK(context, tleg_expander_get_info(context, expander, &config));
        knows_depths(&config);
        assert_null(config.scores);
        tleg_expander_free(expander);
    }
    tleg_learngene_free(gene);
}

/* The straight line through a model's layers is another network, and nobody has learned it. */
static void a_linearized_learngene_knows_nothing(void **state) {
    (void)state;
    save_known("mean", support_scratch("known"), TLEG_F32);
    tleg_learngene *gene = open_known(support_scratch("known")), *line = NULL;
    tleg_expander *expander = expander_of(gene, NULL);
    tleg_model *model = NULL;
    OK(context, tleg_expander_expand(context, expander, 5, &model));
    OK(context, tleg_learngene_linearize(context, model, NULL, 0, &line));
    const tleg_config config = info_of(line);
    knows_nothing(&config);
    tleg_learngene_free(line);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
}

/* ---- training ---- */

/* A step over one image of zeros. */
static void learn(tleg_trainer *trainer, const tleg_config *config) {
    const size_t count = 3 * (size_t)config->image_size * (size_t)config->image_size;
    float *image = calloc(count, sizeof *image);
    const int64_t label = 0;
    const tleg_train_batch batch = {.struct_size = sizeof batch, .size = 1, .images = image, .labels = &label};
    assert_int_equal(tleg_trainer_backward(trainer, &batch, NULL), TLEG_OK);
    assert_int_equal(tleg_trainer_update(trainer, 1e-3), TLEG_OK);
    free(image);
}

static void a_trainer_says_at_which_depths_it_learned(void **state) {
    (void)state;
    static const tleg_depth_mode modes[] = {TLEG_DEPTH_FIXED, TLEG_DEPTH_RANDOM, TLEG_DEPTH_SANDWICH};
    save_known("mean", support_scratch("known"), TLEG_F32);
    tleg_learngene *gene = open_known(support_scratch("known"));
    for (int k = 0; k < 3; k++) {
        const tleg_trainer_options options = {
            .struct_size = sizeof options, .batch = 1, .depth_mode = modes[k], .depth_least = 2, .depth_most = k ? 4 : 0};
        tleg_trainer *trainer = NULL;
        tleg_learngene *learned = NULL;
        OK(context, tleg_trainer_create(context, gene, &options, &trainer));
        OK(context, tleg_trainer_copy_learngene(context, trainer, 0, &learned));
        tleg_config config = info_of(learned);
        knows_all(&config); /* without a step it is what it was */
        tleg_learngene_free(learned);
        learn(trainer, &config);
        OK(context, tleg_trainer_copy_learngene(context, trainer, 0, &learned));
        config = info_of(learned);
        assert_int_equal(config.depth_count, k ? 3 : 1);
        for (int32_t i = 0; i < config.depth_count; i++)
            assert_int_equal(config.depths[i], 2 + i);
        assert_null(config.scores);
        tleg_learngene_free(learned);
        tleg_trainer_free(trainer);
    }
    tleg_learngene_free(gene);
}

static void a_tuned_model_knows_its_one_depth(void **state) {
    (void)state;
    save_known("mean", support_scratch("known"), TLEG_F32);
    tleg_learngene *gene = open_known(support_scratch("known"));
    tleg_expander *expander = expander_of(gene, NULL);
    tleg_model *model = NULL, *tuned = NULL;
    tleg_trainer *trainer = NULL;
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1};
    OK(context, tleg_expander_expand(context, expander, 5, &model));
    OK(context, tleg_trainer_create_for_model(context, model, &options, &trainer));
    tleg_config config = model_info(model);
    learn(trainer, &config);
    OK(context, tleg_trainer_copy_model(context, trainer, 0, &tuned));
    config = model_info(tuned);
    assert_int_equal(config.depth_count, 1);
    assert_int_equal(config.depths[0], 5);
    assert_null(config.scores);
    tleg_model_free(tuned);
    tleg_trainer_free(trainer);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
}

/* ---- a host's mistakes ---- */

static void must_refuse(const tleg_save_options *options, const char *says) {
    tleg_learngene *gene = support_gene(context, "mean");
    assert_int_equal(tleg_learngene_save(context, gene, support_scratch("never"), options), TLEG_ERROR_ARGUMENT);
    if (!strstr(tleg_context_get_error(context), says)) {
        print_error("expected \"%s\" in: %s\n", says, tleg_context_get_error(context));
        fail();
    }
    tleg_learngene_free(gene);
}

static void wrong_depths_are_refused(void **state) {
    (void)state;
    static const int32_t twice[] = {3, 3}, falling[] = {4, 3}, none[] = {0}, deep[] = {1025};
    static int32_t many[TLEG_MAX_DEPTH + 1];
    const struct {
        const int32_t *depths;
        int32_t count;
        const char *says;
    } wrong[] = {{twice, 2, "found 3 as number 2"},
                 {falling, 2, "found 3 as number 2"},
                 {none, 1, "found 0 as number 1"},
                 {deep, 1, "found 1025"},
                 {NULL, 2, "found NULL"},
                 {twice, -1, "found -1"},
                 {many, TLEG_MAX_DEPTH + 1, "found 1025"}};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        const tleg_save_options options = {
            .struct_size = sizeof options, .depth_count = wrong[k].count, .depths = wrong[k].depths};
        must_refuse(&options, wrong[k].says);
    }
    for (int32_t k = 0; k <= TLEG_MAX_DEPTH; k++)
        many[k] = k + 1;
    const tleg_save_options all = {.struct_size = sizeof all, .depth_count = TLEG_MAX_DEPTH, .depths = many};
    tleg_learngene *gene = support_gene(context, "mean");
    OK(context, tleg_learngene_save(context, gene, support_scratch("all"), &all));
    tleg_learngene_free(gene);
    gene = open_known(support_scratch("all"));
    assert_int_equal(info_of(gene).depth_count, TLEG_MAX_DEPTH);
    tleg_learngene_free(gene);
}

static void wrong_scores_are_refused(void **state) {
    (void)state;
    static const int32_t falling[] = {9, 5, 2};
    static const double bad[][3] = {{0.5, 1.5, 1}, {-0.1, 0.5, 1}, {0.5, NAN, 1}, {0.5, 1, INFINITY}};
    char text[257];
    memset(text, 'x', 256);
    text[256] = '\0';
    tleg_scores scores = some_scores();
    const tleg_save_options options = {.struct_size = sizeof options, .scores = &scores};
    for (int k = 0; k < 4; k++) {
        scores.scores = bad[k];
        must_refuse(&options, "0 to 1");
    }
    scores = some_scores(), scores.depths = falling;
    must_refuse(&options, "found 5 as number 2");
    scores = some_scores(), scores.images = -1;
    must_refuse(&options, "images");
    scores.images = ((int64_t)1 << 53) + 1;
    must_refuse(&options, "images");
    scores = some_scores(), scores.on = text;
    must_refuse(&options, "255 bytes");
    scores.on = "\xff";
    must_refuse(&options, "UTF-8");
    scores = some_scores(), scores.scores = NULL;
    must_refuse(&options, "found NULL");
    scores = some_scores(), scores.struct_size = 3;
    must_refuse(&options, "struct_size");
    scores = some_scores(), scores.on = NULL;
    tleg_learngene *gene = support_gene(context, "mean");
    OK(context, tleg_learngene_save(context, gene, support_scratch("unnamed"), &options));
    tleg_learngene_free(gene);
    gene = open_known(support_scratch("unnamed"));
    assert_string_equal(info_of(gene).scores->on, "");
    tleg_learngene_free(gene);
}

/* A text of a million entries is refused by its length, not walked into. */
static void a_million_entries_are_refused(void **state) {
    (void)state;
    enum { MILLION = 1000000 };
    char *text = malloc(4 * MILLION + 64);
    struct tleg_learned *learned = malloc(sizeof *learned);
    char *at = text + sprintf(text, "{\"depths\":[");
    for (int k = 0; k < MILLION; k++)
        at += sprintf(at, k ? ",1" : "1");
    sprintf(at, "],\"scores\":[1]}");
    assert_int_equal(tleg_scores_parse(context, "scores", text, learned), TLEG_ERROR_FORMAT);
    *at++ = ']';
    *at = '\0';
    assert_int_equal(tleg_depths_parse(context, "depths", strchr(text, '['), learned), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), "more values"));
    free(learned);
    free(text);
}

/* What a later version may say besides is passed over, at any place and of any kind. */
static void unknown_members_are_passed_over(void **state) {
    (void)state;
    struct tleg_learned *learned = malloc(sizeof *learned);
    OK(context, tleg_scores_parse(context, "scores",
                                  " {\"top5\":[[0.9],{\"a\":1}], \"scores\" : [0.25, 1], \"a_longer_name_than_any\":null,"
                                  "\"depths\":[7,1024],\"when\":\"now\"} ",
                                  learned));
    assert_int_equal(learned->scores.count, 2);
    assert_int_equal(learned->scores.images, 0);
    assert_string_equal(learned->scores.on, "");
    assert_int_equal(learned->scores.depths[1], 1024);
    assert_true(learned->scores.scores[0] == 0.25 && learned->scores.scores[1] == 1);
    OK(context, tleg_scores_parse(context, "scores", "{\"depths\":[],\"scores\":[]}", learned));
    assert_int_equal(learned->scores.count, 0);
    OK(context, tleg_depths_parse(context, "depths", "[]", learned));
    assert_int_equal(learned->depth_count, 0);
    free(learned);
}

static void files_of_tensors_have_neither(void **state) {
    (void)state;
    const tleg_scores scores = some_scores();
    const tleg_save_options wrong[] = {{.struct_size = sizeof wrong[0], .scores = &scores},
                                       {.struct_size = sizeof wrong[0], .depth_count = 7, .depths = some_depths},
                                       {.struct_size = sizeof wrong[0], .reserved2 = 1}};
    for (int k = 0; k < 3; k++)
        assert_int_equal(tleg_file_save(context, support_scratch("never"), 0, NULL, NULL, &wrong[k]),
                         k < 2 ? TLEG_ERROR_ARGUMENT : TLEG_ERROR_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_keeps_both_and_so_does_what_is_saved_of_it),
        cmocka_unit_test(the_texts_in_a_file_are_those_that_are_documented),
        cmocka_unit_test(scores_can_be_taken_away),
        cmocka_unit_test(a_fresh_learngene_knows_nothing_whatever_its_configuration_says),
        cmocka_unit_test(a_model_keeps_the_score_of_its_own_depth),
        cmocka_unit_test(what_computes_otherwise_has_no_scores),
        cmocka_unit_test(a_linearized_learngene_knows_nothing),
        cmocka_unit_test(a_trainer_says_at_which_depths_it_learned),
        cmocka_unit_test(a_tuned_model_knows_its_one_depth),
        cmocka_unit_test(wrong_depths_are_refused),
        cmocka_unit_test(wrong_scores_are_refused),
        cmocka_unit_test(a_million_entries_are_refused),
        cmocka_unit_test(unknown_members_are_passed_over),
        cmocka_unit_test(files_of_tensors_have_neither),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
