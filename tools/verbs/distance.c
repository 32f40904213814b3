/* tleg distance: how far two sets of pictures are apart, by the features that a model gives them. */
#include "base/context.h"
#include "base/latent_scale.h"
#include "base/matrix.h"
#include "base/report.h"
#include "data/features.h"
#include "data/frechet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    struct expansion expansion;
    struct pictures pictures;
    const char *model;
    int32_t batch, loaders, limit;
    bool exif, skip_bad;
};

/* One of the two: pictures, or features that were made before. */
struct side {
    const char *path;
    struct dataset set;
    struct part part;
    struct features features;
    size_t skipped;
};

struct run {
    const struct options *options;
    tleg_context *context;
    struct source source;
    struct side sides[2];
    char model[FEATURES_MODEL];
    struct frechet found;
};

/* Features that a file had. */
static bool was_read(const struct side *side) {
    return side->features.tensor != NULL;
}

/* ---- what is compared ---- */

static bool is_picture(const char *path) {
    unsigned char bytes[4] = {0};
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file)
        fclose(file);
    return size == sizeof bytes && (memcmp(bytes, "\x89PNG", 4) == 0 || memcmp(bytes, "\xff\xd8\xff", 3) == 0);
}

static int refuse_file(const struct invocation *call, const char *path, const char *found) {
    return tool_fail(
        call,
        "%s: expected a folder of pictures, of CIFAR's or of IDX files, or a safetensors file with \"features\" or "
        "\"images\" [N,C,H,W]; found %s",
        path, found);
}

static int read_images(const struct invocation *call, const struct run *run, const tleg_file *file, struct side *side) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_tensor *images = NULL;
    int code = tleg_file_read_tensor(run->context, file, "images", &images) == TLEG_OK &&
                       tleg_tensor_get_info(run->context, images, &info) == TLEG_OK
                   ? EXIT_DONE
                   : tool_fail_context(call, run->context);
    if (code == EXIT_DONE)
        code = dataset_open_tensor(call, side->path, &info, &side->set);
    tleg_tensor_free(images);
    return code;
}

/* An autoencoder's, to learn from or drawn: those of three channels have the shape of pictures. */
static bool holds_latents(const struct run *run, const tleg_file *file) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    return tleg_file_get_metadata(file, LATENT_SCALE) != NULL ||
           tleg_file_get_tensor_info(run->context, file, "latents", &info) == TLEG_OK;
}

static int read_file(const struct invocation *call, const struct run *run, struct side *side) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_file *file = NULL;
    int code;
    if (is_picture(side->path))
        return refuse_file(call, side->path, "one picture (and a grid of many is one)");
    if (tleg_file_open(run->context, side->path, NULL, &file) != TLEG_OK)
        return tool_fail_context(call, run->context);
    if (tleg_file_get_tensor_info(run->context, file, "features", &info) == TLEG_OK)
        code = features_read(call, run->context, side->path, file, &side->features);
    else if (holds_latents(run, file))
        code = refuse_file(call, side->path, "latents, which have to be decoded first");
    else if (tleg_file_get_tensor_info(run->context, file, "images", &info) == TLEG_OK)
        code = read_images(call, run, file, side);
    else
        code = refuse_file(call, side->path, "neither (a model or learngene is for --features)");
    tleg_file_free(file);
    return code;
}

/* Features that were made before, as many as are wanted, moved to the front. */
static void thin(struct features *features, size_t most) {
    const size_t taken = most > 0 && most < features->count ? most : features->count;
    for (size_t i = 0; i < taken; i++)
        memmove(features->rows + i * features->dim, features->rows + part_place(i, features->count, taken) * features->dim,
                features->dim * sizeof *features->rows);
    features->count = taken;
}

static int open_side(const struct invocation *call, const struct run *run, struct side *side) {
    const struct dataset_options from = {.dir = side->path, .exif = run->options->exif, .unlabelled = true};
    const size_t most = (size_t)run->options->limit;
    struct stat what;
    if (stat(side->path, &what) != 0)
        return tool_fail(call, "%s: %s", side->path, strerror(errno));
    int code = S_ISDIR(what.st_mode) ? dataset_open(call, &from, &side->set) : read_file(call, run, side);
    if (code != EXIT_DONE)
        return code;
    if (was_read(side))
        thin(&side->features, most);
    return was_read(side) ? EXIT_DONE : part_spread(call, &side->set, most, &side->part);
}

/* ---- features ---- */

static int open_model(const struct invocation *call, struct run *run) {
    const struct options *options = run->options;
    struct source *source = &run->source;
    if (!options->model)
        return EXIT_DONE;
    const int code =
        features_open_model(call, run->context, options->model, &options->expansion, options->exif, source, run->model);
    if (code == EXIT_DONE)
        pictures_note(call, source->path, &source->config);
    if (code == EXIT_DONE && !source->model)
        source_note_depth(call, source->path, &source->config, source->config.depth);
    return code;
}

static int make_features(const struct invocation *call, struct run *run, struct side *side) {
    const struct options *options = run->options;
    const struct features_plan plan = {.context = run->context,
                                       .source = &run->source,
                                       .part = &side->part,
                                       .doing = side == run->sides ? "features of A" : "features of B",
                                       .batch = options->batch,
                                       .loaders = options->loaders,
                                       .skip_bad = options->skip_bad};
    if (was_read(side))
        return EXIT_DONE;
    const int code = features_make(call, &plan, &side->features);
    side->skipped = side->part.count - side->features.count;
    memcpy(side->features.model, run->model, sizeof run->model);
    return code == EXIT_DONE ? features_check(call, side->path, &side->features) : code;
}

/* ---- whether they can be compared ---- */

/* Features of a file are held to MODEL, or to those of the other file. */
static int check_model(const struct invocation *call, const struct run *run, const struct side *side) {
    const struct side *other = &run->sides[side == run->sides];
    const char *found = side->features.model, *wanted = run->options->model ? run->model : other->features.model;
    if (!*found) {
        tool_note(call, "%s does not say which model made its features: only how many they are is compared", side->path);
        return EXIT_DONE;
    }
    if (!*wanted || strcmp(found, wanted) == 0)
        return EXIT_DONE;
    return tool_fail(call,
                     "%s: features made by %s, those of %s by %s: expected one model at one depth, of one type, with pictures "
                     "prepared alike; make both with the same MODEL and options",
                     side->path, found, run->options->model ? run->options->model : other->path, wanted);
}

static int check_count(const struct invocation *call, const struct side *side) {
    const size_t count = side->features.count, dim = side->features.dim;
    if (count < 2)
        return tool_fail(call, "%s: expected 2 pictures or more, found %zu: one has no covariance", side->path, count);
    if (count <= dim)
        tool_note(call,
                  "%s: %zu pictures for %zu features: their covariance is singular (of rank %zu at most), and the distance "
                  "says more of how few they are than of what they show; take more than %zu, better ten times as many",
                  side->path, count, dim, count - 1, dim);
    return EXIT_DONE;
}

static int check(const struct invocation *call, const struct run *run) {
    const struct side *a = &run->sides[0], *b = &run->sides[1];
    int code = EXIT_DONE;
    for (int i = 0; i < 2 && code == EXIT_DONE; i++)
        if (was_read(&run->sides[i]))
            code = check_model(call, run, &run->sides[i]);
    if (code == EXIT_DONE && a->features.dim != b->features.dim)
        return tool_fail(call, "%s: features of %zu numbers; those of %s have %zu", b->path, b->features.dim, a->path,
                         a->features.dim);
    for (int i = 0; i < 2 && code == EXIT_DONE; i++)
        code = check_count(call, &run->sides[i]);
    if (code == EXIT_DONE && a->features.count != b->features.count)
        tool_note(call, "%zu pictures and %zu: the fewer, the larger the distance; --limit takes as many of each",
                  a->features.count, b->features.count);
    return code;
}

/* ---- the distance ---- */

static struct cloud cloud_of(const struct side *side) {
    return (struct cloud){side->features.rows, side->features.count, side->features.dim};
}

static int measure(const struct invocation *call, struct run *run) {
    const struct cloud a = cloud_of(&run->sides[0]), b = cloud_of(&run->sides[1]);
    const int failed = frechet_distance(&a, &b, &run->found);
    if (failed == MATRIX_MEMORY)
        return tool_fail_memory(call);
    return failed ? tool_fail(call, "the features are too large: their covariances have no root") : EXIT_DONE;
}

static json_t *describe(const struct side *side) {
    struct report report = report_start();
    report_text(&report, "path", side->path);
    report_integer(&report, "images", (int64_t)side->features.count);
    report_integer(&report, "skipped", (int64_t)side->skipped);
    return report_member(&report);
}

static int say(const struct invocation *call, const struct run *run) {
    const struct side *a = &run->sides[0], *b = &run->sides[1];
    const struct frechet *found = &run->found;
    if (!call->json) {
        tool_line("Fréchet distance %.6g: means %.6g, covariances %.6g", found->distance, found->means, found->covariances);
        tool_line("A: %zu pictures of %s", a->features.count, a->path);
        tool_line("B: %zu pictures of %s", b->features.count, b->path);
        tool_line("%zu features%s%s. Comparable only with distances by the same MODEL, of as many pictures; not FID, whose "
                  "features are an Inception network's.",
                  a->features.dim, run->options->model ? " of " : "", run->options->model ? run->options->model : "");
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_real(&report, "distance", found->distance);
    report_real(&report, "means", found->means);
    report_real(&report, "covariances", found->covariances);
    report_integer(&report, "dim", (int64_t)a->features.dim);
    report_text(&report, "model", *a->features.model ? a->features.model : NULL);
    report_add(&report, "a", describe(a));
    report_add(&report, "b", describe(b));
    return report_print(call, &report);
}

/* ---- the call ---- */

static int open_all(const struct invocation *call, struct run *run) {
    int code = EXIT_DONE;
    for (int i = 0; i < 2 && code == EXIT_DONE; i++) {
        run->sides[i].path = call->operands[i];
        code = open_side(call, run, &run->sides[i]);
        if (code == EXIT_DONE && !was_read(&run->sides[i]) && !run->options->model)
            code = tool_misuse(call, "%s holds pictures: it needs --features MODEL", run->sides[i].path);
    }
    return code == EXIT_DONE ? open_model(call, run) : code;
}

static int work(const struct invocation *call, struct run *run) {
    int code = open_all(call, run);
    for (int i = 0; i < 2 && code == EXIT_DONE; i++)
        code = make_features(call, run, &run->sides[i]);
    if (code == EXIT_DONE)
        code = check(call, run);
    if (code == EXIT_DONE)
        code = measure(call, run);
    return code == EXIT_DONE ? say(call, run) : code;
}

static void clear(struct run *run) {
    for (int i = 0; i < 2; i++) {
        features_free(&run->sides[i].features);
        part_free(&run->sides[i].part);
        dataset_close(&run->sides[i].set);
    }
    source_close(&run->source);
    tleg_context_free(run->context);
}

static int run_distance(const struct verb *verb, int argc, char **argv) {
    struct options options = {.pictures = PICTURES_NONE, .batch = 32, .loaders = 1};
    const struct option table[] = {
        {"--features", OPTION_TEXT, &options.model, 0, 0, NULL},
        EXPANSION_OPTIONS(options.expansion),
        PICTURES_OPTIONS(options.pictures),
        {"--batch", OPTION_COUNT, &options.batch, 1, MOST_BATCH, NULL},
        {"--loaders", OPTION_COUNT, &options.loaders, 1, 64, NULL},
        {"--limit", OPTION_COUNT, &options.limit, 2, INT32_MAX, NULL},
        {"--exif", OPTION_FLAG, &options.exif, 0, 0, NULL},
        {"--skip-bad", OPTION_FLAG, &options.skip_bad, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 2, 2, &call, &code) || !expansion_settle(&call, &options.expansion, &code) ||
        (code = pictures_settle(&call, &options.pictures)) != EXIT_DONE)
        return code;
    const struct expansion *expansion = &options.expansion;
    if (!options.model && (expansion->depth || expansion->dtype || expansion->norm || expansion->image.height ||
                           expansion->filter || pictures_given(&options.pictures)))
        return tool_misuse(
            &call, "--depth, and what else says how a model computes and pictures are prepared, is for --features MODEL");
    struct run run = {.options = &options, .context = tool_context(&call)};
    code = run.context ? work(&call, &run) : EXIT_FAILED;
    clear(&run);
    return code;
}

const struct verb verb_distance = {
    .name = "distance",
    .summary = "how far two sets of pictures are apart, by a model's features",
    .usage = "tleg distance A B --features GENE|MODEL [--depth N] [--limit N] [--batch B] [--skip-bad] ...",
    .details =
        "A and B are folders of pictures (with or without folders of classes in them), folders of CIFAR's binary files or\n"
        "of IDX files (those to learn from), or safetensors files: with \"images\", f32 [N,C,H,W] from -1 to 1, grey or\n"
        "R G B; or with \"features\", as tleg features writes them, which need no MODEL and must be of the same one.\n"
        "\n"
        "What is printed is the Frechet distance of the features, taken as two normal distributions:\n"
        "|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of their means m and covariances S (of n - 1), in double. 0 says that\n"
        "the two do not differ to the model. Numbers are comparable where MODEL, its depth, type and preparation, and the\n"
        "number of pictures are the same; none is an FID, which takes its features from an Inception network.\n"
        "\n"
        "Options\n"
        "  --features M  the learngene or model whose features are compared; below, what it is to become\n" EXPANSION_HELP
            PICTURES_HELP "  --limit N     N pictures of each, spread evenly over all\n"
        "  --batch B     pictures at once (32); --loaders N: threads that read them (1)\n"
        "  --skip-bad    report and leave out files that cannot be read; without it the first is an error\n"
        "  --exif        apply the EXIF orientation\n"
        "\n"
        "--json: {\"distance\", \"means\", \"covariances\", \"dim\", \"model\", \"a\": {\"path\", \"images\", \"skipped\"}, "
        "\"b\"}\n",
    .run = run_distance,
};
