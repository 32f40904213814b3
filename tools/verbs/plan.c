/* tleg plan: what each depth costs on this machine, and which is the best, and the deepest, for a budget. */
#include "base/context.h"
#include "base/report.h"
#include "data/scoring.h"
#include "source/scores.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct expansion expansion; /* no depth */
    uint64_t bytes;             /* 0: no limit */
    double ms;                  /* 0: no limit */
    double margin;
    int32_t batch;
    bool elastic, stored, any_depth;
    const char *cost, *depths;
    struct scoring_options scoring;
};

/* The question, and what was found. */
struct state {
    tleg_context *context;
    const struct options *options;
    struct source source; /* an expander */
    bool scores_dropped;  /* the file's, which are of another image size */
    char *schedule;       /* the file's, which an expander does not say */
    tleg_budget budget;
    tleg_cost cost;                              /* of the least depth: its lines hold for all */
    int32_t deepest;                             /* 0: none fits, or there is no limit */
    tleg_best best;                              /* depth 0: no score, or none fits */
    const tleg_scores *scores;                   /* NULL: none */
    int32_t depths[TLEG_MAX_DEPTH], depth_count; /* to be scored */
    struct scoring scoring;
    struct scoring_table table;
};

static bool is_limited(const struct options *options) {
    return options->bytes || options->ms > 0;
}

/* ---- one depth ---- */

struct row {
    int32_t depth;
    tleg_cost cost;
    uint64_t held; /* what the limit is for */
    double ms;     /* likewise */
    bool fits, learned;
    double score; /* below 0: none */
};

/* Where a depth stands among the scores; -1: nowhere. */
static int32_t find_score(const tleg_scores *scores, int32_t depth) {
    for (int32_t k = 0; scores && k < scores->count; k++)
        if (scores->depths[k] == depth)
            return k;
    return -1;
}

static bool make_row(const struct state *state, int32_t depth, struct row *row) {
    const tleg_budget *budget = &state->budget;
    const int32_t scored = find_score(state->scores, depth);
    *row = (struct row){.depth = depth, .cost = {.struct_size = sizeof row->cost}, .score = -1};
    if (tleg_expander_get_cost(state->context, state->source.expander, depth, budget->batch, 0, &row->cost) != TLEG_OK)
        return false;
    row->cost.ms = state->cost.ms_fixed + depth * state->cost.ms_per_layer;
    row->cost.ms_elastic = state->cost.ms_elastic_fixed + depth * state->cost.ms_elastic_per_layer;
    row->ms = budget->holding == TLEG_HOLDING_ELASTIC ? row->cost.ms_elastic : row->cost.ms;
    row->held = budget->holding == TLEG_HOLDING_ELASTIC  ? row->cost.bytes_elastic
                : budget->holding == TLEG_HOLDING_STORED ? row->cost.bytes
                                                         : row->cost.bytes_peak;
    row->fits = (!budget->bytes || row->held <= budget->bytes) &&
                (!(budget->milliseconds > 0) || row->ms * (1 + budget->margin) <= budget->milliseconds);
    row->learned = source_learned(&state->source.config, depth);
    if (scored >= 0)
        row->score = state->scores->scores[scored];
    return true;
}

/* Depths in the table: all up to 12, then wider and wider; those with a score; the deepest that fits, and the next. */
static bool is_listed(const struct state *state, int32_t depth) {
    int32_t step = 1;
    while (depth > 12 * step)
        step *= 2;
    return depth % step == 0 || find_score(state->scores, depth) >= 0 ||
           (state->deepest && (depth == state->deepest || depth == state->deepest + 1));
}

/* With a limit the table ends at twice the deepest that fits; without one at 24; where it is known, a little past the deepest
 * that was learned or scored. */
static int32_t last_listed(const struct state *state) {
    const tleg_config *config = &state->source.config;
    int32_t last = state->deepest < 12 ? 24 : 2 * state->deepest;
    if (config->depth_count && !state->options->any_depth)
        last = config->depths[config->depth_count - 1] + 2;
    if (state->scores && state->scores->count && last < state->scores->depths[state->scores->count - 1])
        last = state->scores->depths[state->scores->count - 1];
    if (last < state->cost.least_depth + 8)
        last = state->cost.least_depth + 8;
    return last < TLEG_MAX_DEPTH ? last : TLEG_MAX_DEPTH;
}

/* ---- for people ---- */

static void print_head(const struct state *state) {
    const tleg_config *config = &state->source.config;
    const tleg_scores *scores = state->scores;
    char text[DEPTHS_TEXT], bytes[24];
    if (config->depth_count)
        printf("learned at depths %s\n", depths_text(config->depths, config->depth_count, text));
    if (scores)
        tool_line("scores: %s on %s, %" PRId64 " images", source_score_name(config, scores->on),
                  *scores->on ? scores->on : "data without a name", scores->images);
    if (source_draws(config))
        puts("ms: of one step without guidance; drawing takes steps times as long, with guidance twice that");
    if (state->cost.runs)
        printf(
            "ms: of an %s; the least of %d runs at two depths each; by the wall's clock the middle one took %.0f %% longer\n",
            state->options->elastic ? "elastic session" : "expanded model", (int)state->cost.runs, 100 * state->cost.spread);
    printf("elastic: %" PRIu64 " bytes (%s) at every depth, the expander's included\n", state->cost.bytes_elastic,
           report_bytes(state->cost.bytes_elastic, bytes));
}

static void print_row(const struct state *state, const struct row *row) {
    char held[24], score[16] = "";
    if (row->score >= 0)
        snprintf(score, sizeof score, "%.2f %%", 100 * row->score);
    printf("%5d  %12" PRIu64 "  %13" PRIu64 "  %13" PRIu64 " %11s  %10.3f  %8s  %s%s\n", (int)row->depth, row->cost.parameters,
           row->cost.bytes, row->cost.bytes_peak, report_bytes(row->cost.bytes_peak, held), row->ms, score,
           !is_limited(state->options) ? ""
           : row->fits                 ? "yes"
                                       : "no",
           row->learned ? "" : "  not learned");
}

/* Of the best score: of right answers among a number of images that is known. */
static bool has_standard_error(const struct state *state) {
    return state->best.depth && state->scores->images > 0 && source_scores_answers(&state->source.config, state->scores->on);
}

static void print_answers(const struct state *state) {
    const tleg_best *best = &state->best;
    if (best->depth)
        printf("best%s: depth %d, %.2f %%\n", is_limited(state->options) ? " that fits" : "", (int)best->depth,
               100 * best->score);
    if (has_standard_error(state))
        printf("within one standard error, %.2f points: depth %d, %.2f %%\n", 100 * best->standard_error, (int)best->cheapest,
               100 * best->cheapest_score);
    if (state->deepest)
        printf("deepest that fits: %d\n", (int)state->deepest);
}

static const char *score_heading(const struct state *state) {
    const bool answers = source_scores_answers(&state->source.config, state->scores ? state->scores->on : "");
    return answers ? "top-1" : "told";
}

static int print_table(const struct invocation *call, const struct state *state) {
    struct row row;
    print_head(state);
    printf("depth    parameters          bytes     while it is expanded     ms a batch of %-5d  %5s  %s\n",
           (int)state->options->batch, score_heading(state), is_limited(state->options) ? "fits" : "");
    for (int32_t depth = state->cost.least_depth, last = last_listed(state); depth <= last; depth++) {
        if (!is_listed(state, depth))
            continue;
        if (!make_row(state, depth, &row))
            return tool_fail_context(call, state->context);
        print_row(state, &row);
    }
    print_answers(state);
    return EXIT_DONE;
}

/* ---- for machines ---- */

static json_t *depth_object(const struct state *state, const struct row *row) {
    struct report report = report_start();
    report_integer(&report, "depth", row->depth);
    report_size(&report, "bytes", row->cost.bytes);
    report_real(&report, "ms", row->cost.ms);
    report_real(&report, "ms_elastic", row->cost.ms_elastic);
    report_size(&report, "parameters", row->cost.parameters);
    report_add(&report, "fits", json_boolean(row->fits));
    report_size(&report, "bytes_peak", row->cost.bytes_peak);
    report_add(&report, "learned", state->source.config.depth_count ? json_boolean(row->learned) : json_null());
    report_add(&report, "score", row->score >= 0 ? json_real(row->score) : json_null());
    return report_member(&report);
}

/* What milliseconds depend on beside the machine and the batch. */
static json_t *measured_object(const struct invocation *call, const struct state *state) {
    const tleg_config *config = &state->source.config;
    struct report report = report_start();
    const char *level;
    tleg_context_get_level(state->context, &level);
    report_text(&report, "kind", source_kind(&state->source));
    report_integer(&report, "dim", config->dim);
    report_integer(&report, "heads", config->heads);
    report_integer(&report, "hidden", config->hidden);
    report_integer(&report, "image", config->image_size);
    report_integer(&report, "width", config->image_width ? config->image_width : config->image_size);
    report_integer(&report, "tokens", source_tokens(config));
    report_integer(&report, "channels", config->channels);
    report_integer(&report, "classes", config->classes);
    report_text(&report, "activation", option_choice_name(option_activations, config->mlp));
    report_add(&report, "gated", json_boolean(config->gated));
    report_text(&report, "schedule", state->schedule);
    report_text(&report, "dtype", tool_dtype_name(config->dtype));
    report_integer(&report, "threads", call->threads);
    report_text(&report, "level", level);
    report_add(&report, "blas", json_boolean(call->gemm == TLEG_GEMM_BLAS));
    return report_member(&report);
}

/* What --cost reads. */
static json_t *cost_object(const struct invocation *call, const struct state *state) {
    const tleg_cost *cost = &state->cost;
    struct report report = report_start();
    report_integer(&report, "batch", cost->batch);
    report_real(&report, "ms_fixed", cost->ms_fixed);
    report_real(&report, "ms_per_layer", cost->ms_per_layer);
    report_real(&report, "ms_elastic_fixed", cost->ms_elastic_fixed);
    report_real(&report, "ms_elastic_per_layer", cost->ms_elastic_per_layer);
    report_real(&report, "spread", cost->spread);
    report_integer(&report, "runs", cost->runs);
    report_size(&report, "bytes_fixed", cost->bytes_fixed);
    report_size(&report, "bytes_per_layer", cost->bytes_per_layer);
    report_size(&report, "bytes_elastic", cost->bytes_elastic);
    report_add(&report, "measured", measured_object(call, state));
    return report_member(&report);
}

static json_t *depth_or_null(int32_t depth) {
    return depth ? json_integer(depth) : json_null();
}

static int print_object(const struct invocation *call, const struct state *state) {
    const tleg_best *best = &state->best;
    struct report report = report_start();
    struct row row;
    json_t *depths = json_array();
    report_add(&report, "deepest", depth_or_null(state->deepest));
    report_add(&report, "best", depth_or_null(best->depth));
    report_add(&report, "cheapest", depth_or_null(best->cheapest));
    report_add(&report, "standard_error", has_standard_error(state) ? json_real(best->standard_error) : json_null());
    report_integer(&report, "batch", state->options->batch);
    report_add(&report, "cost", cost_object(call, state));
    report_add(&report, "scores", scores_json(state->scores));
    for (int32_t depth = state->cost.least_depth, last = last_listed(state); depth <= last; depth++)
        if (is_listed(state, depth) && (report.whole &= make_row(state, depth, &row)))
            report.whole &= json_array_append_new(depths, depth_object(state, &row)) == 0;
    report_add(&report, "depths", depths);
    return report_print(call, &report);
}

/* ---- what is asked of the library ---- */

/* A number of 0 or more. */
static bool is_amount(const json_t *value) {
    return json_is_number(value) && json_number_value(value) >= 0;
}

static bool is_cost(const json_t *object) {
    const json_t *batch = json_object_get(object, "batch"), *spread = json_object_get(object, "spread"),
                 *fixed = json_object_get(object, "ms_elastic_fixed"), *layer = json_object_get(object, "ms_elastic_per_layer");
    return is_amount(json_object_get(object, "ms_fixed")) && is_amount(json_object_get(object, "ms_per_layer")) &&
           (!fixed || is_amount(fixed)) && (!layer || is_amount(layer)) && (!spread || is_amount(spread)) &&
           json_is_integer(batch) && json_integer_value(batch) >= 1 && json_integer_value(batch) <= MOST_BATCH;
}

/* "cost" of what plan --json printed, or such an object alone, for the caller to release; NULL after saying why not. */
static json_t *read_cost(const struct invocation *call, const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error), *found = json_object_get(root, "cost");
    json_t *object = json_incref(found ? found : root);
    json_decref(root);
    if (object && is_cost(object))
        return object;
    if (!object)
        tool_fail(call, "%s: %s", path, error.text);
    else
        tool_fail(call,
                  "%s: expected what tleg plan --json prints: \"cost\" with ms_fixed, ms_per_layer and batch, none below 0",
                  path);
    json_decref(object);
    return NULL;
}

/* What the cost says it was measured of, against what is to be planned. */
static int check_measured(const struct invocation *call, const struct state *state, const json_t *cost) {
    const char *path = state->options->cost, *key;
    const json_t *given = json_object_get(cost, "measured");
    json_t *own = measured_object(call, state), *value;
    int code = own ? EXIT_DONE : tool_fail_memory(call);
    if (own && !given)
        tool_note(call, "%s does not say of what it was measured: it is taken as it is", path);
    json_object_foreach(own, key, value) {
        const json_t *other = json_object_get(given, key);
        if (code != EXIT_DONE || !other || json_equal(other, value))
            continue;
        char *then = report_dump(other), *now = report_dump(value);
        code = tool_fail(call, "%s: measured with %s %s; here it is %s: measure anew, with tleg plan --json", path, key,
                         then ? then : "?", now ? now : "?");
        free(then);
        free(now);
    }
    json_decref(own);
    return code;
}

/* Milliseconds that were measured earlier, in place of those of state->cost. */
static int take_cost(const struct invocation *call, struct state *state, const json_t *cost) {
    const int32_t batch = (int32_t)json_integer_value(json_object_get(cost, "batch"));
    if (batch != state->options->batch)
        return tool_fail(call, "%s: measured with batches of %d; --batch is %d", state->options->cost, (int)batch,
                         (int)state->options->batch);
    state->cost.ms_fixed = json_number_value(json_object_get(cost, "ms_fixed"));
    state->cost.ms_per_layer = json_number_value(json_object_get(cost, "ms_per_layer"));
    state->cost.ms_elastic_fixed = json_number_value(json_object_get(cost, "ms_elastic_fixed"));
    state->cost.ms_elastic_per_layer = json_number_value(json_object_get(cost, "ms_elastic_per_layer"));
    state->cost.spread = json_number_value(json_object_get(cost, "spread"));
    return check_measured(call, state, cost);
}

static int find_cost(const struct invocation *call, struct state *state) {
    const struct options *options = state->options;
    json_t *given = options->cost ? read_cost(call, options->cost) : NULL;
    if (options->cost && !given)
        return EXIT_FAILED;
    state->cost.struct_size = sizeof state->cost;
    int code = EXIT_DONE;
    if (tleg_expander_get_cost(state->context, state->source.expander, 0, options->batch, !given, &state->cost) != TLEG_OK)
        code = tool_fail_context(call, state->context);
    else if (given)
        code = take_cost(call, state, given);
    json_decref(given);
    return code;
}

/* Of --data: the depths asked for, those that were learned, or twelve from the least on. */
static int find_scores(const struct invocation *call, struct state *state) {
    const tleg_config *config = &state->source.config;
    state->scores = config->scores;
    if (!state->options->scoring.data)
        return EXIT_DONE;
    for (int32_t k = 0; !state->options->depths && k < (config->depth_count ? config->depth_count : 12); k++)
        state->depths[state->depth_count++] = config->depth_count ? config->depths[k] : state->cost.least_depth + k;
    int code = scoring_run(call, state->context, &state->options->scoring, &state->source, state->depths, state->depth_count,
                           &state->scoring);
    if (code != EXIT_DONE)
        return code;
    scoring_table(&state->scoring, &state->options->scoring, &state->table);
    state->scores = &state->table.scores;
    return EXIT_DONE;
}

static int find_best(const struct invocation *call, struct state *state) {
    state->best.struct_size = sizeof state->best;
    state->budget.scores = state->options->scoring.data ? state->scores : NULL; /* the file's are there */
    tleg_status status =
        state->scores ? tleg_expander_get_best(state->context, state->source.expander, &state->budget, &state->best) : TLEG_OK;
    if (status == TLEG_ERROR_UNSUPPORTED || status == TLEG_ERROR_STATE) /* none fits: said of the deepest */
        status = TLEG_OK;
    if (status == TLEG_OK && is_limited(state->options))
        status = tleg_expander_get_deepest(state->context, state->source.expander, &state->budget, &state->deepest);
    return status == TLEG_OK || status == TLEG_ERROR_UNSUPPORTED ? EXIT_DONE : tool_fail_context(call, state->context);
}

static void note_unknown(const struct invocation *call, const struct state *state) {
    const char *path = state->source.path;
    const bool draws = source_draws(&state->source.config);
    const int32_t least = state->cost.least_depth > 2 ? state->cost.least_depth : 2;
    char advice[96] = "";
    if (state->source.config.depth_count > 0)
        return;
    if (!draws && !state->scores && state->source.config.classes && !state->source.features)
        snprintf(advice, sizeof advice, " (tleg eval --depth %d-%d --write-scores measures what each is worth)", (int)least,
                 (int)least + 10);
    tool_note(call, "%s does not say at which depths it was learned: the deepest may %s than a shallower one%s", path,
              draws ? "draw worse" : "score less", advice);
}

static void note_dropped(const struct invocation *call, const struct state *state) {
    if (state->scores_dropped && !state->scores)
        tool_note(call,
                  "the scores in %s are of its own image size, and say nothing of --image: no depth is known to be the best "
                  "(--data DIR measures it)",
                  state->source.path);
}

static int say(const struct invocation *call, const struct state *state) {
    const struct options *options = state->options;
    int code = call->json ? print_object(call, state) : print_table(call, state);
    struct row row;
    if (code != EXIT_DONE || !is_limited(options) || state->deepest || state->best.depth)
        return code;
    const tleg_config *config = &state->source.config;
    int32_t least = config->depth_count && !options->any_depth ? config->depths[0] : state->cost.least_depth;
    if (least < state->cost.least_depth)
        least = state->cost.least_depth;
    if (!make_row(state, least, &row))
        return tool_fail_context(call, state->context);
    return tool_fail(call, "%s: nothing fits: depth %d takes %" PRIu64 " bytes and %.3f ms", call->operands[0], (int)least,
                     row.held, row.ms * (1 + options->margin));
}

static int open_gene(const struct invocation *call, struct state *state) {
    const tleg_preparation_options pictures = pictures_say(call->pictures, (struct extent){0});
    const tleg_open_options reading = source_reading(call, &pictures);
    const tleg_expander_options how = expansion_options(&state->options->expansion);
    struct source *source = &state->source;
    tleg_file *file = source_file(call, state->context, call->operands[0]);
    if (!file)
        return EXIT_FAILED;
    *source = (struct source){.path = call->operands[0], .config = {.struct_size = sizeof source->config}};
    const tleg_status status = tleg_expander_read(state->context, file, &reading, &how, &source->expander);
    const bool scored = tleg_file_get_metadata(file, "tleg.scores") != NULL,
               told = status == TLEG_OK && tleg_expander_get_info(state->context, source->expander, &source->config) == TLEG_OK;
    const char *schedule = tleg_file_get_metadata(file, "tleg.schedule");
    state->schedule = strdup(schedule ? schedule : "");
    source->features = told && source_tells_features(file, &source->config);
    tleg_file_free(file);
    if (!told)
        return tool_fail_context(call, state->context);
    if (!state->schedule)
        return tool_fail_memory(call);
    state->scores_dropped = scored && !source->config.scores && how.image_size;
    if (state->options->scoring.data)
        pictures_note(call, source->path, &source->config);
    return EXIT_DONE;
}

static int plan(const struct invocation *call, struct state *state) {
    int code = open_gene(call, state);
    if (code == EXIT_DONE)
        code = find_cost(call, state);
    if (code == EXIT_DONE)
        code = find_scores(call, state);
    if (code == EXIT_DONE)
        code = find_best(call, state);
    if (code != EXIT_DONE)
        return code;
    note_unknown(call, state);
    note_dropped(call, state);
    return say(call, state);
}

/* False with the exit code. */
static bool settle(const struct invocation *call, struct state *state, struct options *options, int *code) {
    if (options->elastic && options->stored)
        *code = tool_misuse(call, "--elastic and --stored exclude each other");
    else if (options->margin > 0 && !(options->ms > 0))
        *code = tool_misuse(call, "--margin is for --ms");
    else if (!options->scoring.data && (options->depths || options->scoring.val_every))
        *code = tool_misuse(call, "--depth and --val-every are for --data");
    else if (!options->scoring.data && (options->scoring.exif || options->scoring.skip_bad))
        *code = tool_misuse(call, "--exif and --skip-bad are for --data");
    else if (!options->scoring.data && pictures_given(&options->scoring.pictures))
        *code = tool_misuse(call, "--mean, --std, --crop, --interpolation and --fit are for --data");
    else if (options->depths && !depths_list(options->depths, state->depths, TLEG_MAX_DEPTH, &state->depth_count))
        *code = tool_misuse(call, "--depth takes depths from 1 to %d, such as 2-12 or 3,6,12; found \"%s\"", TLEG_MAX_DEPTH,
                            options->depths);
    else
        return true;
    return false;
}

static int work(const struct invocation *call, struct options *options) {
    struct state *state = calloc(1, sizeof *state);
    int code;
    if (!state)
        return tool_fail_memory(call);
    if (settle(call, state, options, &code)) {
        state->options = options;
        state->budget = (tleg_budget){.struct_size = sizeof state->budget,
                                      .batch = options->batch,
                                      .bytes = options->bytes,
                                      .milliseconds = options->ms,
                                      .margin = options->margin,
                                      .holding = options->elastic  ? TLEG_HOLDING_ELASTIC
                                                 : options->stored ? TLEG_HOLDING_STORED
                                                                   : TLEG_HOLDING_EXPANDED,
                                      .any_depth = options->any_depth,
                                      .cost = &state->cost};
        state->context = tool_context(call);
        code = state->context ? plan(call, state) : EXIT_FAILED;
    }
    scoring_free(&state->scoring);
    source_close(&state->source);
    tleg_context_free(state->context);
    free(state->schedule);
    free(state);
    return code;
}

static int run_plan(const struct verb *verb, int argc, char **argv) {
    struct options options = {.batch = 1, .scoring = {.batch = 32, .pictures = PICTURES_NONE}};
    const struct option table[] = {
        {"--bytes", OPTION_SIZE, &options.bytes, 1, 0, NULL},
        {"--memory", OPTION_SIZE, &options.bytes, 1, 0, NULL},
        {"--ms", OPTION_REAL, &options.ms, 0, 0, NULL},
        {"--margin", OPTION_AMOUNT, &options.margin, 0, 0, NULL},
        {"--batch", OPTION_COUNT, &options.batch, 1, MOST_BATCH, NULL},
        {"--elastic", OPTION_FLAG, &options.elastic, 0, 0, NULL},
        {"--stored", OPTION_FLAG, &options.stored, 0, 0, NULL},
        {"--any-depth", OPTION_FLAG, &options.any_depth, 0, 0, NULL},
        {"--cost", OPTION_TEXT, &options.cost, 0, 0, NULL},
        {"--depth", OPTION_TEXT, &options.depths, 0, 0, NULL},
        SCORING_OPTIONS(options.scoring),
        {"--dtype", OPTION_CHOICE, &options.expansion.dtype, 0, 0, option_dtypes},
        IMAGE_OPTIONS(options.expansion),
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    code = pictures_settle(&call, &options.scoring.pictures);
    return code == EXIT_DONE ? work(&call, &options) : code;
}

const struct verb verb_plan = {
    .name = "plan",
    .summary = "show what each depth costs and scores here, and the best for a budget",
    .usage = "tleg plan GENE [--bytes B] [--ms MS] [--margin SHARE] [--elastic | --stored] [--any-depth] [--batch B]\n"
             "                 [--data DIR [--val-every N] [--depth LIST]] [--cost FILE] [--dtype f32|bf16|f16] [--image I]",
    .details =
        "Prints a table of depths: the parameters of the expanded model; the exact bytes of its weights and its session, and\n"
        "the most that is held while it is expanded here, expander and model at once; the milliseconds of one run of a\n"
        "batch; and what the depth scored, where the file says so. The best depth is the one of the best score that fits, of\n"
        "equal ones the shallowest; beside it stands the shallowest that scores no less than one standard error below it,\n"
        "where scores are right answers: what a generator tells of the noise, or a model of features, has no such error.\n"
        "Only depths with a score can be the best: those of --data; without it the file's (tleg eval --write-scores puts them\n"
        "there), which are of its own image size and do not count at another --image, and of these the depths that were\n"
        "learned. The deepest that fits is one that was learned, too, unless the file does not say which those are.\n"
        "\n"
        "Times are measured on this machine with --threads, of an expanded model (of seven layers, or six more than the "
        "gene's\n"
        "least) and of an elastic session, each in some 200 ms: many short runs at two depths in turn, of which the least "
        "count.\n"
        "How much longer the middle run took by the wall's clock is said too. On one thread other work lengthens the middle "
        "run\n"
        "alone; several threads need as many cores that are free now and then.\n"
        "\n"
        "Options\n"
        "  --bytes B     limit in bytes; K, M, G and T mean powers of 1024, so 64M is 67108864 (--memory is the same). It is "
        "for\n"
        "                what is held at most while a model is expanded here and run\n"
        "  --elastic     the limits are for an elastic session, whose bytes, its expander's included, are the same at every "
        "depth\n"
        "  --stored      the limit is for a model that was expanded elsewhere, and its session\n"
        "  --ms MS       limit in milliseconds per batch; --margin SHARE: take them for longer by this (0), as 0.1 for a "
        "tenth\n"
        "  --any-depth   depths that were not learned are answers too\n"
        "  --batch B     images at once (1)\n"
        "  --cost FILE   take the milliseconds from what tleg plan --json printed earlier, of the same network, --batch, "
        "--image,\n"
        "                --dtype, --threads and --level\n"
        "  --depth LIST  which depths to score with --data, as 2-12 or 3,6,12 (those that were learned; else up to "
        "12)\n" SCORING_HELP "  --dtype T     type of the weights: f32 (default), bf16, f16\n" IMAGE_HELP "\n"
        "When nothing fits, the exit code is 1.\n"
        "--json: {\"deepest\", \"best\", \"cheapest\", \"standard_error\" (null when none fits, or there is no limit or no "
        "score;\n"
        "\"standard_error\" also where scores are not right answers among a known number of images, \"cheapest\" being the "
        "best\n"
        "then), \"batch\", \"cost\": {\"batch\", \"ms_fixed\", \"ms_per_layer\", \"ms_elastic_fixed\", "
        "\"ms_elastic_per_layer\", \"spread\",\n"
        "\"runs\", \"bytes_fixed\", \"bytes_per_layer\", \"bytes_elastic\", \"measured\": {\"kind\", \"dim\", ...}, of what}, "
        "\"scores\",\n"
        "\"depths\": [{\"depth\", \"bytes\", \"ms\", \"ms_elastic\", \"parameters\", \"fits\", \"bytes_peak\", \"learned\", "
        "\"score\"}, ...]}\n",
    .run = run_plan,
};
