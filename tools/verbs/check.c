/* tleg check: does this machine compute correctly, at every level that it has? */
#include "check/check.h"
#include "base/blas.h"
#include "base/context.h"
#include "base/options.h"
#include "base/report.h"

#include <stdio.h>

enum { BLOCKS = 2, GENES = 2, THREADS = 3, BLAS = -1 };
static const double tolerance = 1e-5; /* relative; single precision over sums of 1536 stays six times below */

struct state {
    struct check_block blocks[BLOCKS];
    struct check_gene genes[GENES]; /* a classifier's, a generator's */
};

static int set_up(const struct invocation *call, struct state *state) {
    tleg_context *portable = NULL;
    tleg_context_options options = {
        .struct_size = sizeof options, .level = TLEG_LEVEL_PORTABLE, .workers = 1, .gemm = TLEG_GEMM_OWN};
    *state = (struct state){
        .blocks = {{.batch = 1, .tokens = 197, .dim = 384, .heads = 6, .hidden = 1536}, /* DeiT-small at 224 pixels */
                   {.batch = 3, .tokens = 29, .dim = 45, .heads = 5, .hidden = 131}}};  /* multiples of nothing */
    if (tleg_context_create(&options, &portable) != TLEG_OK)
        return tool_fail_memory(call);
    int code = EXIT_DONE;
    for (int i = 0; i < BLOCKS && code == EXIT_DONE; i++)
        if (check_block_create(portable, &state->blocks[i]) != TLEG_OK)
            code = tool_fail_memory(call);
    for (int i = 0; i < GENES && code == EXIT_DONE; i++)
        code = check_gene_create(call, portable, i == 1, &state->genes[i]);
    tleg_context_free(portable);
    return code;
}

static void clear(struct state *state) {
    for (int i = 0; i < BLOCKS; i++)
        check_block_free(&state->blocks[i]);
    for (int i = 0; i < GENES; i++)
        check_gene_free(&state->genes[i]);
}

/* Contexts with 1, 2, ... threads at a level (BLAS: with the build's, at the level that the call names). Returns how many; 0
 * where this build or machine has none. */
static int make_contexts(const struct invocation *call, int32_t level, tleg_context *contexts[THREADS]) {
    int count = 0;
    for (; count < (level == BLAS ? 1 : THREADS); count++) {
        tleg_context_options options = {.struct_size = sizeof options,
                                        .level = level == BLAS ? call->level : level,
                                        .workers = count + 1,
                                        .gemm = level == BLAS ? TLEG_GEMM_BLAS : TLEG_GEMM_OWN};
        char why[BLAS_TEXT];
        if ((level == BLAS && !blas_offer(&options, why)) || tleg_context_create(&options, &contexts[count]) != TLEG_OK)
            break;
    }
    return count;
}

static bool is_right(const struct check_verdict *verdict) {
    return verdict->difference <= tolerance && verdict->expansion && verdict->same_bits;
}

static int say_level(const struct invocation *call, const char *name, bool bits, const struct check_verdict *verdict) {
    if (!call->json) {
        printf("%-12s largest relative difference %.1e, expansion %s%s: %s\n", name, verdict->difference,
               verdict->expansion ? "bit-equal" : "DIFFERS",
               !bits                ? ""
               : verdict->same_bits ? ", threads and batches bit-equal"
                                    : ", threads or batches DIFFER",
               is_right(verdict) ? "ok" : "WRONG");
        fflush(stdout);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "level", name);
    report_real(&report, "difference", verdict->difference);
    report_add(&report, "expansion_equal", json_boolean(verdict->expansion));
    report_add(&report, "threads_equal", bits ? json_boolean(verdict->same_bits) : json_null());
    report_add(&report, "ok", json_boolean(is_right(verdict)));
    return report_print(call, &report);
}

/* One level, one line. *right turns false when it computes wrong; the exit code tells only of what kept it from computing. */
static int check_level(const struct invocation *call, struct state *state, int32_t level, const char *name, bool *right) {
    tleg_context *contexts[THREADS] = {NULL};
    struct check_verdict verdict = {0, true, true};
    int count = make_contexts(call, level, contexts), code = EXIT_DONE;
    bool whole = count == (level == BLAS ? 1 : THREADS);
    if (level != BLAS && !whole)
        code = tool_fail(call, "%s: no context with %d threads", name, count + 1);
    for (int i = 0; i < BLOCKS && whole && code == EXIT_DONE; i++)
        if (check_block_compare(contexts[0], &state->blocks[i], &verdict.difference) != TLEG_OK)
            code = tool_fail_context(call, contexts[0]);
    for (int i = 0; i < GENES && whole && code == EXIT_DONE; i++)
        code = check_gene_compare(call, contexts, level == BLAS ? 0 : count, &state->genes[i], &verdict);
    if (whole && code == EXIT_DONE)
        code = say_level(call, name, level != BLAS, &verdict);
    *right &= is_right(&verdict);
    for (int i = 0; i < count; i++)
        tleg_context_free(contexts[i]);
    return code;
}

static int say_end(const struct invocation *call, bool right) {
    if (!call->json) {
        if (right)
            puts("this machine computes correctly");
        return right ? EXIT_DONE : tool_fail(call, "this machine computes wrong results");
    }
    struct report report = report_start();
    report_add(&report, "right", json_boolean(right));
    int code = report_print(call, &report);
    return right ? code : tool_fail(call, "this machine computes wrong results");
}

static int check_blas(const struct invocation *call, struct state *state, bool *right) {
    tleg_context_options options = {.workers = 1};
    char why[BLAS_TEXT];
    if (!blas_is_known())
        return EXIT_DONE;
    if (blas_offer(&options, why))
        return check_level(call, state, BLAS, "blas", right);
    tool_note(call, "the BLAS is not checked: %s", why);
    return EXIT_DONE;
}

static int check_levels(const struct invocation *call, struct state *state) {
    int code = EXIT_DONE;
    bool right = true, found = false;
    int32_t level;
    const char *name;
    for (int32_t i = 0; code == EXIT_DONE && (level = tleg_cpu_level(i, &name)) != 0; i++) {
        if (call->level && call->level != level)
            continue;
        code = check_level(call, state, level, name, &right);
        found = true;
    }
    if (!found)
        return tool_refuse_level(call);
    if (code == EXIT_DONE && (call->gemm == TLEG_GEMM_BLAS || (!call->level && call->gemm != TLEG_GEMM_OWN)))
        code = check_blas(call, state, &right);
    return code == EXIT_DONE ? say_end(call, right) : code;
}

static int run_check(const struct verb *verb, int argc, char **argv) {
    const struct option table[] = {{NULL, OPTION_FLAG, NULL, 0, 0, NULL}};
    struct invocation call;
    struct state state;
    int code;
    if (!options_parse(verb, argc, argv, table, 0, 0, &call, &code))
        return code;
    code = set_up(&call, &state);
    if (code == EXIT_DONE)
        code = check_levels(&call, &state);
    clear(&state);
    return code;
}

const struct verb verb_check = {
    .name = "check",
    .summary = "test that this machine computes correctly, at every level it has",
    .usage = "tleg check",
    .details =
        "At each instruction level of this machine, and with the BLAS (OpenBLAS, BLIS) that the build knows, it compares the\n"
        "parts of a Transformer block, at DeiT-small's shape and at an odd one, with plain loops in double precision,\n"
        "and small learngenes of a classifier and a generator, expanded and run, with the portable level. Expanded weights "
        "must be equal bit by bit,\n"
        "and so must answers with 1, 2 and 3 threads, one image or three at once, elastic or expanded. It prints one\n"
        "line per level. --level checks that level alone, with --gemm blas the BLAS at it too; --gemm own leaves out the BLAS; "
        "--threads and --heads have no\n"
        "effect.\n"
        "\n"
        "--json, one object per level: {\"level\", \"difference\", \"expansion_equal\", \"threads_equal\", \"ok\"}; then\n"
        "{\"right\"}\n",
    .run = run_check,
};
