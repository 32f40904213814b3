/* tleg plan: what each depth costs on this machine, and the deepest that fits. */
#include "base/context.h"
#include "base/report.h"
#include "source/depths.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    struct expansion expansion; /* no depth */
    uint64_t memory;            /* 0: no limit */
    double ms;                  /* 0: no limit */
    int32_t batch;
};

static bool is_limited(const struct options *options) {
    return options->memory || options->ms > 0;
}

static uint64_t bytes_at(const tleg_cost *cost, int32_t depth) {
    return cost->bytes_fixed + (uint64_t)depth * cost->bytes_per_layer;
}

static double ms_at(const tleg_cost *cost, int32_t depth) {
    return cost->ms_fixed + depth * cost->ms_per_layer;
}

static bool fits(const struct options *options, const tleg_cost *cost, int32_t depth) {
    return (!options->memory || bytes_at(cost, depth) <= options->memory) &&
           (!(options->ms > 0) || ms_at(cost, depth) <= options->ms);
}

/* From the same cost as the table, which a second measurement would contradict. 0: not even the shallowest. */
static int32_t deepest(const struct options *options, const tleg_cost *cost) {
    int32_t depth = DEEPEST;
    while (depth >= cost->least_depth && !fits(options, cost, depth))
        depth--;
    return depth >= cost->least_depth ? depth : 0;
}

/* Depths in the table: all up to 12, then wider and wider; the deepest that fits, and the next. */
static bool is_listed(int32_t depth, int32_t best) {
    int32_t step = 1;
    while (depth > 12 * step)
        step *= 2;
    return depth % step == 0 || (best && (depth == best || depth == best + 1));
}

/* With a limit the table ends at twice the deepest that fits; without one at 24. */
static int32_t last_listed(const struct options *options, const tleg_cost *cost, int32_t best) {
    int32_t last = !is_limited(options) ? 24 : best < 12 ? 24 : 2 * best;
    if (last < cost->least_depth + 8)
        last = cost->least_depth + 8;
    return last < DEEPEST ? last : DEEPEST;
}

static void print_table(const struct options *options, const tleg_cost *cost, const tleg_config *config, int32_t best) {
    bool limit = is_limited(options);
    char text[24];
    printf("depth    parameters          bytes               ms a batch of %d%s\n", (int)options->batch, limit ? "  fits" : "");
    for (int32_t depth = cost->least_depth, last = last_listed(options, cost, best); depth <= last; depth++) {
        if (!is_listed(depth, best))
            continue;
        uint64_t bytes = bytes_at(cost, depth);
        printf("%5d  %12" PRIu64 "  %13" PRIu64 " %11s  %10.3f  %s\n", (int)depth, source_parameters(config, depth), bytes,
               report_bytes(bytes, text), ms_at(cost, depth),
               !limit                       ? ""
               : fits(options, cost, depth) ? "yes"
                                            : "no");
    }
    if (best && limit)
        printf("deepest that fits: %d\n", (int)best);
}

static json_t *depth_object(const struct options *options, const tleg_cost *cost, const tleg_config *config, int32_t depth) {
    struct report report = report_start();
    report_integer(&report, "depth", depth);
    report_size(&report, "bytes", bytes_at(cost, depth));
    report_real(&report, "ms", ms_at(cost, depth));
    report_size(&report, "parameters", source_parameters(config, depth));
    report_add(&report, "fits", json_boolean(fits(options, cost, depth)));
    return report_member(&report);
}

static int print_object(const struct invocation *call, const struct options *options, const tleg_cost *cost,
                        const tleg_config *config, int32_t best) {
    bool limit = is_limited(options);
    struct report report = report_start();
    json_t *depths = json_array();
    report_add(&report, "deepest", best && limit ? json_integer(best) : json_null());
    report_integer(&report, "batch", options->batch);
    for (int32_t depth = cost->least_depth, last = last_listed(options, cost, best); depth <= last; depth++)
        if (is_listed(depth, best))
            report.whole &= json_array_append_new(depths, depth_object(options, cost, config, depth)) == 0;
    report_add(&report, "depths", depths);
    return report_print(call, &report);
}

static int say(const struct invocation *call, const struct options *options, const tleg_cost *cost, const tleg_config *config) {
    int32_t best = deepest(options, cost);
    int code = EXIT_DONE;
    if (call->json)
        code = print_object(call, options, cost, config, best);
    else
        print_table(options, cost, config, best);
    if (best || code != EXIT_DONE)
        return code;
    return tool_fail(call, "%s: nothing fits: depth %d takes %" PRIu64 " bytes and %.3f ms", call->operands[0],
                     (int)cost->least_depth, bytes_at(cost, cost->least_depth), ms_at(cost, cost->least_depth));
}

static int plan(const struct invocation *call, tleg_context *context, const struct options *options) {
    tleg_expander *expander = NULL;
    tleg_config config = {.struct_size = sizeof config};
    tleg_cost cost = {.struct_size = sizeof cost};
    const struct expansion *expansion = &options->expansion;
    tleg_expander_options how = {
        .struct_size = sizeof how, .dtype = expansion->dtype, .norm = expansion->norm, .image_size = expansion->image};
    const tleg_open_options opening = {.struct_size = sizeof opening, .heads = call->heads};
    int code;
    if (tleg_expander_open(context, call->operands[0], &opening, &how, &expander) != TLEG_OK ||
        tleg_expander_get_cost(context, expander, 0, options->batch, 1, &cost) != TLEG_OK) {
        code = tool_fail_context(call, context);
    } else {
        tleg_expander_get_info(context, expander, &config);
        code = say(call, options, &cost, &config);
    }
    tleg_expander_free(expander);
    return code;
}

static int run_plan(const struct verb *verb, int argc, char **argv) {
    struct options options = {.batch = 1};
    const struct option table[] = {
        {"--memory", OPTION_SIZE, &options.memory, 0, 0, NULL},
        {"--ms", OPTION_REAL, &options.ms, 0, 0, NULL},
        {"--batch", OPTION_COUNT, &options.batch, 1, 65536, NULL},
        {"--dtype", OPTION_CHOICE, &options.expansion.dtype, 0, 0, option_dtypes},
        {"--image", OPTION_COUNT, &options.expansion.image, 1, INT32_MAX, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? plan(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_plan = {
    .name = "plan",
    .summary = "show what each depth costs here, and the deepest that fits",
    .usage = "tleg plan GENE [--memory BYTES] [--ms MS] [--batch B] [--dtype f32|bf16|f16] [--image I]",
    .details =
        "Prints a table of depths: the parameters of the expanded model, the exact bytes of its weights and its session,\n"
        "and the milliseconds of one run of a batch. Times are measured at two depths on this machine, with --threads,\n"
        "and interpolated for the others.\n"
        "\n"
        "Options\n"
        "  --memory B    limit in bytes; K, M, G and T mean powers of 1024, so 64M is 67108864\n"
        "  --ms MS       limit in milliseconds per batch\n"
        "  --batch B     images at once (1)\n"
        "  --dtype T     type of the weights: f32 (default), bf16, f16\n"
        "  --image I     side of the input in pixels, if not as learned\n"
        "\n"
        "With a limit the deepest depth within it is named; when none is, the exit code is 1.\n"
        "--json: {\"deepest\" (null when none fits or there is no limit), \"batch\", \"depths\": [{\"depth\", \"bytes\", "
        "\"ms\",\n"
        "\"parameters\", \"fits\"}, ...]}\n",
    .run = run_plan,
};
