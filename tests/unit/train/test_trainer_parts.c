/* The parts of a network, by the names of its parameters: what is frozen, at which rate it learns, and what decays. */
#include "support/trainer.h"

/* ---- networks that together have every part of a classifier ---- */

enum { BATCH = 2, CLASSES = 5, DEPTH = 3 };
static const struct network {
    const char *name;
    tleg_config config;
} networks[] = {{"attention pooling",
                 {.class_token = 1,
                  .registers = 2,
                  .pool = TLEG_POOL_ATTENTION,
                  .norm_before = 1,
                  .patch_norm = 1,
                  .layer_scale = 1,
                  .attention_norm = 1,
                  .mlp_norm = 1,
                  .qk_norm = TLEG_QK_NORM_HEAD,
                  .rotary = TLEG_ROTARY_INDEX,
                  .representation = 6}},
                {"a norm after pooling", {.norm = TLEG_NORM_AFTER_POOL}},
                {"two heads", {.class_token = 1, .distillation_token = 1}}};
enum { NETWORKS = sizeof networks / sizeof *networks };

/* A name without "blocks.block." or "blocks.N." begins with one of these. */
static const struct {
    const char *begin;
    tleg_part part;
} parts[] = {{"cls_token", TLEG_PART_EMBEDDING},
             {"dist_token", TLEG_PART_EMBEDDING},
             {"reg_token", TLEG_PART_EMBEDDING},
             {"pos_embed", TLEG_PART_EMBEDDING},
             {"patch_embed.", TLEG_PART_EMBEDDING},
             {"norm_pre.", TLEG_PART_EMBEDDING},
             {"norm1.", TLEG_PART_NORM1},
             {"attn.norm.", TLEG_PART_NORM1},
             {"attn.q_norm.", TLEG_PART_NORM1},
             {"attn.k_norm.", TLEG_PART_NORM1},
             {"norm2.", TLEG_PART_NORM2},
             {"mlp.norm.", TLEG_PART_NORM2},
             {"attn.qkv.", TLEG_PART_QKV},
             {"attn.proj.", TLEG_PART_PROJ},
             {"mlp.fc1.", TLEG_PART_FC1},
             {"mlp.fc2.", TLEG_PART_FC2},
             {"ls1.", TLEG_PART_LS1},
             {"ls2.", TLEG_PART_LS2},
             {"norm.", TLEG_PART_NORM},
             {"fc_norm.", TLEG_PART_NORM},
             {"attn_pool.", TLEG_PART_NORM},
             {"pre_logits.", TLEG_PART_HEAD},
             {"head.", TLEG_PART_HEAD},
             {"head_dist.", TLEG_PART_HEAD}};
enum { PARTS = sizeof parts / sizeof *parts };
static bool is_met[PARTS];

static bool is_of_block(const char *name) {
    return strncmp(name, "blocks.", 7) == 0;
}

static tleg_part part_of(const char *name) {
    const char *inside = is_of_block(name) ? strchr(name + 7, '.') + 1 : name;
    for (int i = 0; i < PARTS; i++)
        if (strncmp(inside, parts[i].begin, strlen(parts[i].begin)) == 0) {
            is_met[i] = true;
            return parts[i].part;
        }
    fail_msg("%s is of no part", name);
    return 0;
}

/* A trainer of a fresh learngene, or of a model out of it. A rate of 1 moves what has a gradient by 1, however small that is.
 */
static tleg_trainer *open_network(const struct network *network, bool model, tleg_trainer_options options) {
    tleg_config config = network->config;
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_model *expanded = NULL;
    tleg_trainer *trainer = NULL;
    config.struct_size = sizeof config;
    config.image_size = 8, config.patch_size = 4, config.dim = 8, config.heads = 2, config.classes = CLASSES;
    options.struct_size = sizeof options;
    options.batch = BATCH;
    options.depth_least = model ? 0 : DEPTH;
    options.epsilon = 1e-16;
    options.alpha = 0.5;
    OK(plain, tleg_learngene_create(plain, &config, 1, &gene));
    OK(plain, tleg_expander_create(plain, gene, NULL, &expander));
    OK(plain, tleg_expander_expand(plain, expander, DEPTH, &expanded));
    OK(plain, model ? tleg_trainer_create_for_model(plain, expanded, &options, &trainer)
                    : tleg_trainer_create(plain, gene, &options, &trainer));
    tleg_model_free(expanded);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    return trainer;
}

static void learn(tleg_trainer *trainer, double rate) {
    float *images = support_values(1, BATCH * 3 * 8 * 8, 1, 0), *teacher = support_values(2, BATCH * CLASSES, 1, 0);
    const int64_t labels[BATCH] = {0, 3};
    const tleg_train_batch batch = {
        .struct_size = sizeof batch, .size = BATCH, .images = images, .labels = labels, .teacher_logits = teacher};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, NULL));
    OK_TRAINER(trainer, tleg_trainer_update(trainer, rate));
    free(images);
    free(teacher);
}

/* How far its number that moved most has moved. */
static double moved(const tleg_trainer *before, const tleg_trainer *after, const char *name) {
    struct flat a = {0}, b = {0};
    double most = 0;
    flat_add(&a, plain, trainer_value(plain, before, 0, name));
    flat_add(&b, plain, trainer_value(plain, after, 0, name));
    for (size_t k = 0; k < a.count; k++)
        most = fmax(most, fabs((double)b.values[k] - (double)a.values[k]));
    free(a.values);
    free(b.values);
    return most;
}

/* ---- what is frozen ---- */

static void freeze_alone(const struct network *network, bool model, tleg_part part) {
    const tleg_trainer_options options = {.freeze = part, .weight_decay = -1};
    tleg_trainer *trainer = open_network(network, model, options), *before = open_network(network, model, options);
    const char *name;
    learn(trainer, 0.01);
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++)
        if ((moved(before, trainer, name) > 0) != (part_of(name) != part))
            fail_msg("%s, part %d frozen: %s %s", network->name, part, name,
                     part_of(name) == part ? "learned" : "did not learn");
    tleg_trainer_free(trainer);
    tleg_trainer_free(before);
}

static void each_part_is_frozen_alone(void **state) {
    (void)state;
    for (int n = 0; n < NETWORKS; n++)
        for (int model = 0; model < 2; model++)
            for (tleg_part part = 0; part <= TLEG_PART_LS2; part = part ? 2 * part : 1)
                freeze_alone(&networks[n], model, part);
    for (int i = 0; i < PARTS; i++)
        if (!is_met[i])
            fail_msg("no network has %s", parts[i].begin);
}

/* ---- rates ---- */

/* How many times layer_decay counts, as the header says. */
static int32_t decays_of(const struct network *network, const char *name) {
    const tleg_part part = part_of(name);
    if (is_of_block(name))
        return DEPTH - (name[7] - '0');
    if (part == TLEG_PART_EMBEDDING)
        return DEPTH + 1;
    return network->config.norm != TLEG_NORM_AFTER_POOL && strncmp(name, "norm.", 5) == 0;
}

static void each_layer_learns_at_its_rate(void **state) {
    (void)state;
    const double rate = 0.01;
    for (int n = 0; n < NETWORKS; n++) {
        const tleg_trainer_options options = {.layer_decay = 0.5, .weight_decay = -1};
        tleg_trainer *trainer = open_network(&networks[n], true, options), *before = open_network(&networks[n], true, options);
        const char *name;
        learn(trainer, rate);
        for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
            const double wanted = ldexp(rate, -decays_of(&networks[n], name)), found = moved(before, trainer, name);
            if (!(fabs(found - wanted) < 1e-3 * wanted))
                fail_msg("%s: %s moved by %.6g, expected %.6g", networks[n].name, name, found, wanted);
        }
        tleg_trainer_free(trainer);
        tleg_trainer_free(before);
    }
}

/* ---- decay ---- */

static bool is_exempt(const char *name, int32_t rank, bool model) {
    static const char *const names[] = {"pos_embed", "cls_token", "reg_token", "attn_pool.latent"};
    bool exempt = rank == 1 || (model && strcmp(name, "dist_token") == 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        exempt = exempt || strcmp(name, names[i]) == 0;
    return exempt;
}

/* Without a gradient a step is the decay alone: p (1 - rate * decay), or p itself. */
static void expect_decay(tleg_trainer *trainer, const tleg_trainer *before, bool model) {
    int seen[2] = {0, 0};
    const char *name;
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.1));
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
        tleg_tensor_info info = {.struct_size = sizeof info};
        tleg_tensor *tensor = trainer_value(plain, before, 0, name);
        OK(plain, tleg_tensor_get_info(plain, tensor, &info));
        const bool exempt = is_exempt(name, info.rank, model);
        struct flat a = {0}, b = {0};
        flat_add(&a, plain, tensor);
        flat_add(&b, plain, trainer_value(plain, trainer, 0, name));
        for (size_t k = 0; k < a.count; k++) {
            const float wanted = exempt ? a.values[k] : 0.95F * a.values[k];
            if (b.values[k] != wanted)
                fail_msg("%s[%d] became %.9g, expected %.9g", name, (int)k, (double)b.values[k], (double)wanted);
        }
        seen[exempt]++;
        free(a.values);
        free(b.values);
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
}

static void what_decays_is_what_deit_decays(void **state) {
    (void)state;
    for (int n = 0; n < NETWORKS; n++)
        for (int model = 0; model < 2; model++) {
            const tleg_trainer_options options = {.weight_decay = 0.5};
            tleg_trainer *trainer = open_network(&networks[n], model, options),
                         *before = open_network(&networks[n], model, options);
            expect_decay(trainer, before, model);
            tleg_trainer_free(trainer);
            tleg_trainer_free(before);
        }
}

static void a_negative_decay_is_none(void **state) {
    (void)state;
    tleg_trainer *trainer = open_network(&networks[0], false, (tleg_trainer_options){.weight_decay = -1});
    struct flat before = trainer_values(plain, trainer, 0);
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.1));
    struct flat after = trainer_values(plain, trainer, 0);
    assert_true(flat_same(&before, &after));
    free(before.values);
    free(after.values);
    tleg_trainer_free(trainer);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_is_frozen_alone),
        cmocka_unit_test(each_layer_learns_at_its_rate),
        cmocka_unit_test(what_decays_is_what_deit_decays),
        cmocka_unit_test(a_negative_decay_is_none),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
