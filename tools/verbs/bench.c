/* tleg bench: how fast a learngene or a model runs here. */
#include "base/context.h"
#include "base/measure.h"
#include "base/peaks.h"
#include "base/report.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { FEWEST_RUNS = 5, MOST_RUNS = 1000 };
enum {
    PEAK_EVERY = 4
}; /* runs: a processor's clock moves, so peaks are measured among them, but not before every run, since
      the team's other threads may have gone to sleep meanwhile */
static const double least_ms = 1000; /* of measuring, where --runs does not say */

struct options {
    struct expansion expansion;
    int32_t batch, runs;
};

struct figures {
    double ms, ms_least, images_per_s, gflops;
    double peak_gflops;       /* of one thread */
    double copy_gbytes_per_s; /* read plus written */
    uint64_t bytes;           /* the most that the library held while it ran */
    uint64_t peak_bytes;      /* and since it opened the file */
    uint64_t process_bytes;   /* the most that the whole process had in memory */
    int32_t runs;
};

/* Memory that the library holds, and the most that it held. */
struct meter {
    _Atomic uint64_t now, most;
};

static void *TLEG_CALL meter_alloc(void *host, size_t size, size_t align) {
    struct meter *meter = host;
    const size_t huge = 2 << 20; /* the library's own allocator asks for such pages too, and they are worth 4 % of a run */
    if (align < sizeof(void *))
        align = sizeof(void *);
    if (size >= huge)
        align = huge;
    void *memory;
    if (posix_memalign(&memory, align, size) != 0)
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (size >= huge)
        (void)madvise(memory, size / huge * huge, MADV_HUGEPAGE);
#endif
    uint64_t now = atomic_fetch_add(&meter->now, size) + size, most = atomic_load(&meter->most);
    while (now > most && !atomic_compare_exchange_weak(&meter->most, &most, now)) {
    }
    return memory;
}

static void TLEG_CALL meter_release(void *host, void *memory, size_t size, size_t align) {
    struct meter *meter = host;
    (void)align;
    free(memory);
    atomic_fetch_sub(&meter->now, size);
}

/* Operations of the blocks for one image, a multiplication and an addition counting as two:
 * (N, D) x (D, 3D), (D, D), (D, H), (H, D), and twice N x N x D in attention. */
static double block_operations(const tleg_config *config) {
    double tokens = (double)source_tokens(config), dim = config->dim, hidden = config->hidden;
    return config->depth * (2 * tokens * (4 * dim * dim + 2 * dim * hidden) + 4 * tokens * tokens * dim);
}

static int measure(const struct invocation *call, tleg_session *session, const struct options *options,
                   const tleg_config *config, int32_t level, struct figures *figures) {
    double times[MOST_RUNS], peaks[MOST_RUNS / PEAK_EVERY + 1], total = 0;
    size_t numbers =
        (size_t)options->batch * (size_t)config->channels * (size_t)config->image_size * (size_t)config->image_size;
    float *images = malloc(numbers * sizeof *images);
    float *logits = malloc((size_t)options->batch * ((size_t)config->classes + 1) * sizeof *logits);
    int code = images && logits ? EXIT_DONE : tool_fail_memory(call);
    for (size_t i = 0; code == EXIT_DONE && i < numbers; i++)
        images[i] = (float)(i * 2654435761U % 4096) / 2048.0F - 1.0F; /* anything that is not constant */
    int32_t runs = -1;                                                /* the first one warms up */
    int32_t least = options->runs ? options->runs : FEWEST_RUNS, most = options->runs ? options->runs : MOST_RUNS;
    while (code == EXIT_DONE && runs < most && (runs < least || (!options->runs && total < least_ms))) {
        double start = measure_ms();
        if (source_run(session, images, options->batch, logits, NULL) != TLEG_OK)
            code = tool_fail(call, "%s", tleg_session_get_error(session));
        double ms = measure_ms() - start;
        if (runs >= 0)
            total += times[runs] = ms;
        runs++;
        if (runs % PEAK_EVERY == 0)
            peaks[runs / PEAK_EVERY] = peak_gflops(level, config->dtype);
    }
    free(images);
    free(logits);
    if (code != EXIT_DONE)
        return code;
    figures->runs = runs;
    figures->ms = measure_median(times, runs);
    figures->ms_least = times[0];
    figures->peak_gflops = measure_median(peaks, runs / PEAK_EVERY + 1);
    figures->images_per_s = options->batch * 1e3 / figures->ms;
    figures->gflops = block_operations(config) * figures->images_per_s * 1e-9;
    return EXIT_DONE;
}

static int say(const struct invocation *call, const struct source *source, const char *level, int32_t batch,
               const struct figures *figures) {
    const tleg_config *config = &source->config;
    double share = figures->gflops / (call->threads * figures->peak_gflops);
    char text[24];
    if (!call->json) {
        printf(
            "%s: depth %d, %s%s, batch %d, %d thread%s, %s: %.3f ms (median of %d), %.1f images/s, %.2f GFLOP/s, %.3f of the "
            "peak, %s\n",
            source->path, (int)config->depth, tool_dtype_name(config->dtype), source->expander ? " elastic" : "", (int)batch,
            (int)call->threads, call->threads == 1 ? "" : "s", level, figures->ms, (int)figures->runs, figures->images_per_s,
            figures->gflops, share, report_bytes(figures->bytes, text));
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", source->path);
    report_real(&report, "ms", figures->ms);
    report_real(&report, "ms_least", figures->ms_least);
    report_real(&report, "images_per_s", figures->images_per_s);
    report_real(&report, "gflops", figures->gflops);
    report_real(&report, "peak_share", share);
    report_real(&report, "peak_gflops", figures->peak_gflops);
    report_real(&report, "copy_gbytes_per_s", figures->copy_gbytes_per_s);
    report_size(&report, "bytes", figures->bytes);
    report_size(&report, "peak_bytes", figures->peak_bytes);
    report_size(&report, "process_bytes", figures->process_bytes);
    report_integer(&report, "depth", config->depth);
    report_text(&report, "dtype", tool_dtype_name(config->dtype));
    report_add(&report, "elastic", json_boolean(source->expander != NULL));
    report_integer(&report, "batch", batch);
    report_integer(&report, "threads", call->threads);
    report_text(&report, "level", level);
    report_integer(&report, "runs", figures->runs);
    return report_print(call, &report);
}

static uint64_t process_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static int bench(const struct invocation *call, tleg_context *context, struct meter *meter, const struct options *options) {
    struct source source;
    struct figures figures;
    tleg_session *session = NULL;
    const char *name;
    int32_t level = tleg_context_get_level(context, &name);
    int code = source_open_expanded(call, context, call->operands[0], &options->expansion, &source);
    if (code == EXIT_DONE)
        code = source_session(call, context, &source, options->batch, &session);
    if (code == EXIT_DONE) {
        uint64_t loading = atomic_exchange(&meter->most, atomic_load(&meter->now));
        code = measure(call, session, options, &source.config, level, &figures);
        figures.bytes = atomic_load(&meter->most);
        figures.peak_bytes = figures.bytes > loading ? figures.bytes : loading;
        figures.process_bytes = process_bytes(); /* before copying takes memory of its own */
        figures.copy_gbytes_per_s = peak_copy(level);
    }
    if (code == EXIT_DONE)
        code = say(call, &source, name, options->batch, &figures);
    tleg_session_free(session);
    source_close(&source);
    return code;
}

static int run_bench(const struct verb *verb, int argc, char **argv) {
    struct options options = {.batch = 1};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        {"--batch", OPTION_COUNT, &options.batch, 1, 65536, NULL},
        {"--runs", OPTION_COUNT, &options.runs, 1, MOST_RUNS, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    struct meter meter = {0, 0};
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code) || !expansion_settle(&call, &options.expansion, &code))
        return code;
    tleg_context_options memory = {.alloc = meter_alloc, .release = meter_release, .alloc_host = &meter};
    tleg_context *context = tool_context_with(&call, &memory);
    code = context ? bench(&call, context, &meter, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_bench = {
    .name = "bench",
    .summary = "measure a learngene or a model on this machine",
    .usage = "tleg bench GENE|MODEL [--depth N] [--dtype f32|bf16|f16] [--batch B] [--runs N]",
    .details =
        "The median time of a run over a batch of made-up images, after one warm-up run. A learngene runs elastically.\n"
        "\n"
        "Options\n" EXPANSION_HELP "  --batch B     images at once (1)\n"
        "  --runs N      runs to measure, 1 to 1000 (5 or more, until a second has passed)\n"
        "\n"
        "--json: {\"file\", \"ms\" a batch, \"ms_least\" of the runs, \"images_per_s\", \"gflops\" (operations of the blocks\n"
        "alone, 10^9 a second), \"peak_share\" (gflops / (threads * peak_gflops)), \"peak_gflops\" (one core's multiply-add\n"
        "units for this type and level, measured among the runs), \"copy_gbytes_per_s\" (one thread's, read plus\n"
        "written, measured), \"bytes\" (the most memory that the library held while it ran), \"peak_bytes\" (also while\n"
        "the file was loaded), \"process_bytes\" (the most that the whole process had in memory), \"depth\", \"dtype\",\n"
        "\"elastic\", \"batch\", \"threads\", \"level\", \"runs\"}\n",
    .run = run_bench,
};
