/* A trainer's state in a file: what a later run needs to go on bit for bit. */
#include "train/private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what is kept of each parameter ---- */

struct kind {
    const char *prefix;
    float *array;
    bool squares; /* which are not negative */
};

/* Those that this trainer has, from the first on. */
static struct kind kind_of(const tleg_trainer *t, int index) {
    const struct kind all[] = {{"parameter.", t->values, false},
                               {"moment1.", t->moment1, false},
                               {"moment2.", t->moment2, true},
                               {"average.", t->average, false}};
    int at = 0;
    for (int left = index; left > 0 || !all[at].array; at++)
        left -= all[at].array != NULL;
    return all[at];
}

static int kinds_of(const tleg_trainer *t) {
    return 2 + (t->moment2 != NULL) + (t->average != NULL);
}

enum { STATE_NAME = TLEG_NAME_TEXT + 16 };

static void name_of(const tleg_trainer *t, int kind, int64_t index, char name[STATE_NAME]) {
    snprintf(name, STATE_NAME, "%s%s", kind_of(t, kind).prefix, t->list[index].name);
}

/* ---- what is kept besides: numbers as text ---- */

enum { OWN_PAIRS = 5, OWN_TEXT = 2048 }; /* of a setup less than half, were each word there and at its longest */

struct own_pairs {
    char random[OWN_TEXT], steps[OWN_TEXT], setup[OWN_TEXT];
    struct tleg_pair pairs[OWN_PAIRS];
};

static char *append_number(char *at, const char *name, double value) {
    char text[TLEG_NUMBER_TEXT];
    tleg_number_format(value, text);
    return at + snprintf(at, 64, "%s=%s ", name, text);
}

static uint64_t digest_of(const double *weights, int32_t count) {
    uint64_t digest = 0xcbf29ce484222325U; /* FNV-1a */
    for (int32_t c = 0; c < count; c++) {
        char text[TLEG_NUMBER_TEXT];
        tleg_number_format(weights[c], text);
        for (size_t i = 0; i <= strlen(text); i++)
            digest = (digest ^ (unsigned char)text[i]) * 0x100000001b3U;
    }
    return digest;
}

/* What is not as it was before there was a choice: states written then hold no such words. */
static char *append_choices(const tleg_trainer *t, char *at) {
    const tleg_trainer_options *o = &t->options;
    if (o->in_place > 0)
        at = append_number(at, "in_place", o->in_place);
    if (o->optimiser != TLEG_OPTIMISER_ADAMW) {
        at += snprintf(at, 64, "optimiser=%s nesterov=%d ", o->optimiser == TLEG_OPTIMISER_MUON ? "muon" : "sgd", o->nesterov);
        at = append_number(at, "momentum", o->momentum);
    }
    const tleg_config *c = &t->layout.net;
    const int32_t parts[] = {c->mlp, c->layer_scale, c->norm_before, c->registers, c->unplaced, c->channels};
    if (c->mlp != TLEG_MLP_GELU || c->layer_scale || c->norm_before || c->registers || c->unplaced || c->channels != 3)
        at += snprintf(at, 96, "parts=%d,%d,%d,%d,%d,%d ", parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]);
    if (c->norm_after || c->gated || c->attention_norm || c->mlp_norm)
        at += snprintf(at, 64, "blocks=%d,%d,%d,%d ", c->norm_after, c->gated, c->attention_norm, c->mlp_norm);
    if (c->qk_norm)
        at += snprintf(at, 32, "qk_norm=%d ", c->qk_norm);
    if (c->attention_dim)
        at += snprintf(at, 32, "attention_dim=%d ", c->attention_dim);
    if (c->representation)
        at += snprintf(at, 32, "representation=%d ", c->representation);
    if (c->pixel_norm)
        at += snprintf(at, 32, "pixel_norm=%d ", c->pixel_norm);
    if (c->rms || c->no_norm || c->patch_norm || c->no_proj_bias || c->no_mlp_bias)
        at += snprintf(at, 64, "norms=%d,%d,%d biases=%d,%d ", c->rms, c->no_norm, c->patch_norm, c->no_proj_bias,
                       c->no_mlp_bias);
    if (c->no_qkv_bias || c->no_patch_bias || c->no_head_bias)
        at += snprintf(at, 64, "no_biases=%d,%d,%d ", c->no_qkv_bias, c->no_patch_bias, c->no_head_bias);
    if (c->rotary || c->no_positions || c->pool_heads || c->pool_hidden) {
        at += snprintf(at, 128, "rotary=%d,%d,%d,%d,%d,%d pool_heads=%d pool_hidden=%d ", c->no_positions, c->rotary,
                       c->rotary_halves, c->rotary_x_first, c->rotary_grid, c->rotary_offset, c->pool_heads, c->pool_hidden);
        at = append_number(at, "rotary_base", c->rotary_base);
    }
    if (c->image_width || c->patch_width)
        at += snprintf(at, 64, "widths=%d,%d ", c->image_width, c->patch_width);
    if (t->layout.resampled && o->position_filter == TLEG_POSITION_FILTER_ANTIALIAS)
        at += snprintf(at, 64, "position_filter=antialias ");
    if (tleg_config_draws(c)) {
        at += snprintf(at, 64, "draws=%d,%d ", c->learned_sigma, c->no_null_label);
        at = append_number(at, "label_drop", o->label_drop);
    }
    if (o->freeze)
        at += snprintf(at, 64, "freeze=%d ", o->freeze);
    if (o->frozen_layers)
        at += snprintf(at, 64, "frozen_layers=%d ", o->frozen_layers);
    if (o->layer_decay < 1)
        at = append_number(at, "layer_decay", o->layer_decay);
    if (o->class_weights)
        at +=
            snprintf(at, 64, "class_weights=%016llx ", (unsigned long long)digest_of(o->class_weights, t->layout.net.classes));
    return at;
}

/* Everything that must be the same for a run to go on: the network, and each option that changes what a step computes. */
static void describe_setup(const tleg_trainer *t, char text[OWN_TEXT]) {
    const tleg_config *c = &t->layout.net;
    const tleg_trainer_options *o = &t->options;
    char *at = text;
    at += snprintf(
        at, OWN_TEXT,
        "kind=%s image=%d patch=%d dim=%d heads=%d hidden=%d classes=%d prefix=%d pool=%d norm=%d mode=%d least=%d most=%d "
        "ranks=%d seed=%llu ",
        t->is_gene ? "learngene" : "model", c->image_size, c->patch_size, c->dim, c->heads, c->hidden, c->classes,
        tleg_config_prefix(c), c->pool, c->norm, o->depth_mode, o->depth_least, t->layout.depth_most, o->ranks,
        (unsigned long long)o->seed);
    at = append_number(at, "eps", c->eps);
    at = append_number(at, "alpha", o->alpha);
    at = append_number(at, "tau", o->tau);
    at = append_number(at, "smoothing", o->smoothing);
    at = append_number(at, "decay", o->weight_decay);
    at = append_number(at, "beta1", o->beta1);
    at = append_number(at, "beta2", o->beta2);
    at = append_number(at, "epsilon", o->epsilon);
    at = append_number(at, "clip", o->clip);
    at = append_number(at, "drop_path", o->drop_path);
    at = append_number(at, "ema", o->ema);
    at = append_choices(t, at);
    if (o->ema > 0 && o->ema_warmup)
        at += snprintf(at, 64, "ema_warmup=%d ", o->ema_warmup);
    if (o->teacher_mean == TLEG_TEACHER_MEAN_OVER_IMAGES)
        at += snprintf(at, 64, "teacher_mean=%d ", o->teacher_mean);
    if (o->teacher_loss == TLEG_TEACHER_LOSS_SQUARES)
        at += snprintf(at, 64, "teacher_loss=%d ", o->teacher_loss);
    snprintf(at, 64, "dtype=%s ", tleg_dtype_name(o->dtype));
}

static void make_own_pairs(const tleg_trainer *t, struct own_pairs *own) {
    const uint64_t *s = t->random.state;
    snprintf(own->random, OWN_TEXT, "%016llx %016llx %016llx %016llx %d", (unsigned long long)s[0], (unsigned long long)s[1],
             (unsigned long long)s[2], (unsigned long long)s[3], t->depth);
    snprintf(own->steps, OWN_TEXT, "%lld", (long long)t->steps);
    describe_setup(t, own->setup);
    own->pairs[0] = (struct tleg_pair){"tleg.kind", "trainer"};
    own->pairs[1] = (struct tleg_pair){"tleg.trainer.steps", own->steps};
    own->pairs[2] = (struct tleg_pair){"tleg.trainer.random", own->random};
    own->pairs[3] = (struct tleg_pair){"tleg.trainer.setup", own->setup};
    own->pairs[4] = (struct tleg_pair){"tleg.trainer.schedule", t->config.c.schedule ? t->config.c.schedule : ""};
}

/* ---- writing ---- */

struct tables { /* of one save */
    struct tleg_write_entry *entries;
    char (*names)[STATE_NAME];
    struct tleg_pair *pairs;
    int64_t count, pair_count;
    size_t entry_bytes, name_bytes, pair_bytes;
};

static void fill_tables(const tleg_trainer *t, const struct own_pairs *own, int64_t pairs, const char *const *texts,
                        struct tables *tables) {
    int64_t params = t->layout.params.count;
    for (int64_t i = 0; i < tables->count; i++) {
        const struct tleg_param *param = &t->list[i % params];
        name_of(t, (int)(i / params), i % params, tables->names[i]);
        tables->entries[i] = (struct tleg_write_entry){.name = tables->names[i], .dtype = TLEG_F32, .rank = param->rank};
        memcpy(tables->entries[i].shape, param->shape, sizeof param->shape);
    }
    memcpy(tables->pairs, own->pairs, sizeof own->pairs);
    for (int64_t i = 0; i < pairs; i++)
        tables->pairs[OWN_PAIRS + i] = (struct tleg_pair){texts[2 * i], texts[2 * i + 1]};
}

static tleg_status write_state(tleg_context *context, const tleg_trainer *t, const char *path, const struct tables *tables) {
    struct tleg_writer *writer = NULL;
    int64_t params = t->layout.params.count;
    tleg_status status =
        tleg_writer_create(context, path, tables->entries, tables->count, tables->pairs, tables->pair_count, &writer);
    for (int64_t i = 0; i < tables->count && status == TLEG_OK; i++)
        status = tleg_writer_put(context, writer, i, kind_of(t, (int)(i / params)).array + t->list[i % params].at);
    if (status == TLEG_OK)
        status = tleg_writer_commit(context, writer);
    tleg_writer_free(writer);
    return status;
}

/* With such numbers no run goes on: a former file that can be gone on from stays. */
static tleg_status check_arrays(tleg_context *context, const tleg_trainer *t, const char *path) {
    for (int kind = 0; kind < kinds_of(t); kind++) {
        const char *odd = tleg_params_find_odd(t, kind_of(t, kind).array);
        if (odd)
            return tleg_fail(context, TLEG_ERROR_NUMERIC, "%s: not written: %s%s is not finite after step %lld", path,
                             kind_of(t, kind).prefix, odd, (long long)t->steps);
    }
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_save(tleg_context *context, const tleg_trainer *trainer, const char *path,
                                                 int64_t pairs, const char *const *keys_and_values) {
    if (!context || !trainer || !path || pairs < 0 || pairs > 1 << 20 || (pairs && !keys_and_values))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_trainer_save: a pointer is NULL, or pairs is out of range");
    tleg_status status = tleg_trainer_check_whole(context, trainer);
    if (status == TLEG_OK)
        status = check_arrays(context, trainer, path);
    if (status != TLEG_OK)
        return status;
    struct own_pairs own;
    make_own_pairs(trainer, &own);
    struct tables tables = {.count = kinds_of(trainer) * trainer->layout.params.count, .pair_count = OWN_PAIRS + pairs};
    tables.entry_bytes = (size_t)tables.count * sizeof *tables.entries;
    tables.name_bytes = (size_t)tables.count * sizeof *tables.names;
    tables.pair_bytes = (size_t)tables.pair_count * sizeof *tables.pairs;
    tables.entries = tleg_alloc(&context->allocator, tables.entry_bytes);
    tables.names = tleg_alloc(&context->allocator, tables.name_bytes);
    tables.pairs = tleg_alloc(&context->allocator, tables.pair_bytes);
    if (tables.entries && tables.names && tables.pairs) {
        fill_tables(trainer, &own, pairs, keys_and_values, &tables);
        status = write_state(context, trainer, path, &tables);
    } else {
        status = tleg_fail_memory(context, path, tables.entry_bytes + tables.name_bytes + tables.pair_bytes);
    }
    tleg_release(&context->allocator, tables.pairs, tables.pair_bytes);
    tleg_release(&context->allocator, tables.names, tables.name_bytes);
    tleg_release(&context->allocator, tables.entries, tables.entry_bytes);
    return status;
}

/* ---- reading ---- */

/* Where the layers' weights come from: names and shapes of tensors do not tell. */
static tleg_status compare_schedule(tleg_context *context, const tleg_file *file, const char *own) {
    const char *found = tleg_file_get_metadata(file, "tleg.trainer.schedule");
    if (found && !strcmp(found, own))
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_FORMAT,
                     "%s: another configuration: the file's schedule is \"%s\", this trainer's \"%s\"", tleg_file_label(file),
                     found ? found : "", own);
}

/* The word of a setup for what another word, "key=value ", is for; NULL where there is none. */
static const char *find_word(const char *setup, const char *word) {
    const size_t key = strcspn(word, "= ") + 1;
    for (; *setup; setup += strcspn(setup, " "), setup += *setup == ' ')
        if (!strncmp(setup, word, key))
            return setup;
    return NULL;
}

/* The first word of `setup` that `other` does not have likewise. */
static const char *find_other(const char *setup, const char *other) {
    for (; *setup; setup += strcspn(setup, " "), setup += *setup == ' ') {
        const char *word = find_word(other, setup);
        const size_t length = strcspn(setup, " ");
        if (!word || strcspn(word, " ") != length || memcmp(word, setup, length))
            return setup;
    }
    return NULL;
}

/* Files from before there was a choice of types do not say F32, and older ones not which biases are missing: these must hold no
 * tensor more than the trainer has. */
static bool may_be_unsaid(const char *word, bool no_more) {
    return !strcmp(word, "dtype=F32 ") || (no_more && !strncmp(word, "no_biases=", 10));
}

/* The first word of the trainer's setup that the file's contradicts. */
static const char *find_here(const char *own, const char *found, bool no_more) {
    const char *here = find_other(own, found);
    while (here && !find_word(found, here) && may_be_unsaid(here, no_more))
        here = find_other(here + strcspn(here, " ") + 1, found);
    return here;
}

/* Names the first setting in which the file and this trainer differ. */
static tleg_status compare_setup(tleg_context *context, const tleg_trainer *t, const tleg_file *file, const char *own) {
    const char *found = tleg_file_get_metadata(file, "tleg.trainer.setup"), *kind = tleg_file_get_metadata(file, "tleg.kind");
    if (!found || !kind || strcmp(kind, "trainer"))
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: no trainer's state: tleg.kind is %s", tleg_file_label(file),
                         kind ? kind : "not there");
    const bool no_more = !tleg_file_get_tensor_name(file, kinds_of(t) * t->layout.params.count);
    const char *here = find_here(own, found, no_more);
    const char *there = here ? find_word(found, here) : find_other(found, own);
    if (!here && !there)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: another configuration: the file says %.*s, this trainer %.*s",
                     tleg_file_label(file), there ? (int)strcspn(there, " ") : 7, there ? there : "nothing",
                     here ? (int)strcspn(here, " ") : 7, here ? here : "nothing");
}

struct found_state {
    int64_t steps;
    int32_t depth;
    struct tleg_random random;
};

/* 16 hexadecimal digits and a blank; NULL when something else is there. */
static const char *read_word(const char *text, uint64_t *word) {
    static const char digits[] = "0123456789abcdef";
    *word = 0;
    for (int i = 0; i < 16; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return NULL;
        *word = *word << 4 | (uint64_t)(digit - digits);
    }
    return text[16] == ' ' ? text + 17 : NULL;
}

static bool read_count(const char *text, double least, double most, int64_t *count) {
    double value;
    if (!text || !tleg_number_parse(text, strlen(text), &value) || !(value >= least && value <= most) || floor(value) != value)
        return false;
    *count = (int64_t)value;
    return true;
}

static tleg_status read_numbers(tleg_context *context, const tleg_trainer *t, const tleg_file *file,
                                struct found_state *found) {
    const char *steps = tleg_file_get_metadata(file, "tleg.trainer.steps"),
               *at = tleg_file_get_metadata(file, "tleg.trainer.random");
    int64_t depth;
    for (int i = 0; i < 4 && at; i++)
        at = read_word(at, &found->random.state[i]);
    if (!read_count(steps, 0, 9007199254740992.0, &found->steps) ||
        !read_count(at, t->layout.least_depth, t->layout.depth_most, &depth))
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: tleg.trainer.steps or tleg.trainer.random is missing or damaged",
                         tleg_file_label(file));
    found->depth = (int32_t)depth;
    return TLEG_OK;
}

static tleg_status find_tensor(tleg_context *context, const tleg_trainer *t, const tleg_file *file, int kind, int64_t index,
                               const struct tleg_entry **entry) {
    char name[STATE_NAME], want[TLEG_SHAPE_TEXT];
    const struct tleg_param *param = &t->list[index];
    name_of(t, kind, index, name);
    *entry = tleg_file_find(file, name);
    bool good = *entry && (*entry)->dtype == TLEG_F32 && (*entry)->rank == param->rank;
    for (int32_t axis = 0; good && axis < param->rank; axis++)
        good = (*entry)->shape[axis] == param->shape[axis];
    return good ? TLEG_OK
                : tleg_fail(context, TLEG_ERROR_FORMAT, "%s: tensor %s is missing or has another shape; expected F32 %s",
                            tleg_file_label(file), name, tleg_shape_text(param->rank, param->shape, want));
}

/* Reads into `to`, laid out like the trainer's own arrays, one after the other. */
static tleg_status read_arrays(tleg_context *context, const tleg_trainer *t, const tleg_file *file, float *to) {
    size_t floats = t->layout.params.floats;
    tleg_status status = TLEG_OK;
    for (int kind = 0; kind < kinds_of(t); kind++)
        for (int64_t i = 0; i < t->layout.params.count && status == TLEG_OK; i++) {
            const struct tleg_entry *entry;
            status = find_tensor(context, t, file, kind, i, &entry);
            if (status == TLEG_OK)
                status = tleg_file_read_f32(context, file, entry, to + (size_t)kind * floats + t->list[i].at);
        }
    return status;
}

static tleg_status check_squares(tleg_context *context, const tleg_trainer *t, const tleg_file *file, const float *squares) {
    for (int64_t i = 0; i < t->layout.params.count; i++)
        for (size_t k = 0; k < t->list[i].count; k++)
            if (squares[t->list[i].at + k] < 0)
                return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: tensor moment2.%s holds a negative number",
                                 tleg_file_label(file), t->list[i].name);
    return TLEG_OK;
}

/* No step leaves such numbers: second moments are means of squares. */
static tleg_status check_read(tleg_context *context, const tleg_trainer *t, const tleg_file *file, const float *arrays) {
    tleg_status status = TLEG_OK;
    for (int index = 0; index < kinds_of(t) && status == TLEG_OK; index++) {
        const struct kind kind = kind_of(t, index);
        const float *array = arrays + (size_t)index * t->layout.params.floats;
        const char *odd = tleg_params_find_odd(t, array);
        if (odd)
            return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: tensor %s%s holds a number that is not finite",
                             tleg_file_label(file), kind.prefix, odd);
        if (kind.squares)
            status = check_squares(context, t, file, array);
    }
    return status;
}

static void take_over(tleg_trainer *t, const struct found_state *found, const float *arrays) {
    size_t floats = t->layout.params.floats;
    for (int kind = 0; kind < kinds_of(t); kind++)
        memcpy(kind_of(t, kind).array, arrays + (size_t)kind * floats, floats * sizeof(float));
    memset(t->gradient, 0, floats * sizeof(float));
    t->steps = found->steps;
    t->depth = found->depth;
    t->random = found->random;
    t->undefined = t->torn = false;
}

static tleg_status load(tleg_context *context, tleg_trainer *t, const tleg_file *file) {
    struct own_pairs own;
    struct found_state found = {0};
    make_own_pairs(t, &own);
    tleg_status status = compare_setup(context, t, file, own.setup);
    if (status == TLEG_OK)
        status = compare_schedule(context, file, own.pairs[4].value);
    if (status == TLEG_OK)
        status = read_numbers(context, t, file, &found);
    if (status != TLEG_OK)
        return status;
    size_t bytes = (size_t)kinds_of(t) * t->layout.params.floats * sizeof(float);
    float *arrays = tleg_alloc_zero(&context->allocator, bytes);
    if (!arrays)
        return tleg_fail_memory(context, "a trainer's state", bytes);
    status = tleg_work_begin(context, "open", tleg_file_bytes(file));
    if (status == TLEG_OK)
        status = read_arrays(context, t, file, arrays);
    if (status == TLEG_OK)
        status = check_read(context, t, file, arrays);
    if (status == TLEG_OK)
        take_over(t, &found, arrays);
    tleg_release(&context->allocator, arrays, bytes);
    return tleg_work_end(context, status);
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_load(tleg_context *context, tleg_trainer *trainer, const char *path) {
    if (!context || !trainer || !path)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_trainer_load: a pointer is NULL");
    tleg_file *file = NULL;
    tleg_status status = tleg_trainer_check_idle(context, trainer);
    if (status == TLEG_OK)
        status = tleg_file_open(context, path, NULL, &file);
    if (status == TLEG_OK)
        status = load(context, trainer, file);
    tleg_file_free(file);
    return status;
}
