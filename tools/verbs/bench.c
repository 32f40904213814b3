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
 * (N, D) x (D, 3A), (A, D), (D, H), twice that where the MLP is gated, (H, D), and twice N x N x A in attention, A being D
 * where it has no width of its own; of a generator (1, D) x (D, 6D) as well. */
static double block_operations(const tleg_config *config) {
    double tokens = (double)source_tokens(config), dim = config->dim, hidden = config->hidden;
    double width = config->attention_dim ? config->attention_dim : dim, mlp = config->gated ? 3 : 2;
    double modulation = source_draws(config) ? 2 * dim * 6 * dim : 0;
    return config->depth * (2 * tokens * (4 * dim * width + mlp * dim * hidden) + 4 * tokens * tokens * width + modulation);
}

/* What is measured: a session, or a generator, and what goes through it. */
struct subject {
    tleg_session *session;
    tleg_generator *generator;
    int64_t batch;
    size_t in, out; /* numbers of all images, and of what comes out */
    float *images, *results;
    int64_t *times, *labels; /* of a generator: zeros */
};

static int subject_create(const struct invocation *call, tleg_context *context, struct source *source, int32_t batch,
                          struct subject *subject) {
    tleg_generator_info generator = {.struct_size = sizeof generator};
    tleg_session_info session = {.struct_size = sizeof session};
    const bool draws = source_draws(&source->config);
    int code = draws ? source_generator(call, context, source, batch, &subject->generator)
                     : source_session(call, context, source, batch, &subject->session);
    if (code != EXIT_DONE)
        return code;
    const tleg_status status = draws ? tleg_generator_get_info(context, subject->generator, &generator)
                                     : tleg_session_get_info(context, subject->session, &session);
    if (status != TLEG_OK)
        return tool_fail_context(call, context);
    subject->batch = batch;
    subject->in = (size_t)batch * (draws ? generator.image_floats : session.image_floats);
    subject->out = (size_t)batch * (draws ? generator.noise_floats : session.logit_floats);
    subject->images = malloc(subject->in * sizeof *subject->images);
    subject->results = malloc((subject->out + 1) * sizeof *subject->results); /* a model without a head has no logits */
    subject->times = calloc((size_t)batch, sizeof *subject->times);
    subject->labels = calloc((size_t)batch, sizeof *subject->labels);
    if (!subject->images || !subject->results || !subject->times || !subject->labels)
        return tool_fail_memory(call);
    for (size_t i = 0; i < subject->in; i++)
        subject->images[i] = (float)(i * 2654435761U % 4096) / 2048.0F - 1.0F; /* anything that is not constant */
    return EXIT_DONE;
}

static int subject_run(const struct invocation *call, struct subject *s) {
    if (s->session)
        return source_run(s->session, s->images, s->batch, s->results, NULL) == TLEG_OK
                   ? EXIT_DONE
                   : tool_fail(call, "%s", tleg_session_get_error(s->session));
    return tleg_generator_run(s->generator, s->batch, s->images, s->in, s->times, s->labels, s->results, s->out) == TLEG_OK
               ? EXIT_DONE
               : tool_fail(call, "%s", tleg_generator_get_error(s->generator));
}

static void subject_free(struct subject *subject) {
    tleg_session_free(subject->session);
    tleg_generator_free(subject->generator);
    free(subject->images);
    free(subject->results);
    free(subject->times);
    free(subject->labels);
}

static int measure(const struct invocation *call, struct subject *subject, const struct options *options,
                   const tleg_config *config, int32_t level, struct figures *figures) {
    double times[MOST_RUNS], peaks[MOST_RUNS / PEAK_EVERY + 1], total = 0;
    int code = EXIT_DONE;
    int32_t runs = -1; /* the first one warms up */
    int32_t least = options->runs ? options->runs : FEWEST_RUNS, most = options->runs ? options->runs : MOST_RUNS;
    while (code == EXIT_DONE && runs < most && (runs < least || (!options->runs && total < least_ms))) {
        double start = measure_ms();
        code = subject_run(call, subject);
        double ms = measure_ms() - start;
        if (runs >= 0)
            total += times[runs] = ms;
        runs++;
        if (runs % PEAK_EVERY == 0)
            peaks[runs / PEAK_EVERY] = peak_gflops(level, config->dtype);
    }
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
        tool_line(
            "%s: depth %d, %s%s, batch %d, %d thread%s, %s: %.3f ms (median of %d), %.1f images/s, %.2f GFLOP/s, %.3f of the "
            "peak, %s",
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
    struct subject subject = {0};
    const char *name;
    int32_t level = tleg_context_get_level(context, &name);
    int code = source_open_expanded(call, context, call->operands[0], &options->expansion, &source);
    if (code == EXIT_DONE)
        code = subject_create(call, context, &source, options->batch, &subject);
    if (code == EXIT_DONE) {
        uint64_t loading = atomic_exchange(&meter->most, atomic_load(&meter->now));
        code = measure(call, &subject, options, &source.config, level, &figures);
        figures.bytes = atomic_load(&meter->most);
        figures.peak_bytes = figures.bytes > loading ? figures.bytes : loading;
        figures.process_bytes = process_bytes(); /* before copying takes memory of its own */
        figures.copy_gbytes_per_s = peak_copy(level);
    }
    if (code == EXIT_DONE)
        code = say(call, &source, name, options->batch, &figures);
    subject_free(&subject);
    source_close(&source);
    return code;
}

static int run_bench(const struct verb *verb, int argc, char **argv) {
    struct options options = {.batch = 1};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        {"--batch", OPTION_COUNT, &options.batch, 1, MOST_BATCH, NULL},
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
        "The median time of a run over a batch of made-up images, after one warm-up run. A learngene runs elastically. A\n"
        "run of a generator is a step without guidance.\n"
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
