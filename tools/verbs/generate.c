/* tleg generate: pictures out of a generator, to a grid, a folder or a file of numbers. */
#include "base/context.h"
#include "base/interrupt.h"
#include "base/latent_scale.h"
#include "base/measure.h"
#include "base/place.h"
#include "base/progress.h"
#include "base/report.h"
#include "base/write_file.h"
#include "data/noised.h"
#include "pictures/grid.h"
#include "source/depths.h"
#include "source/labels.h"
#include "source/source.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_STEPS = 1000, USUAL_STEPS = 50, LARGEST_BATCH = 16, OF_ONE = 16, OF_EACH = 8 };
static const double usual_guidance = 2;

enum form { FORM_NUMBERS, FORM_GRID, FORM_FOLDER };

struct options {
    struct expansion expansion;
    const char *label, *input, *depths, *out;
    int32_t count, steps, batch, scale;
    double guidance, latent_scale;
    uint64_t seed;
    const char *seed_text;
    enum form form;
};

/* What is drawn, and with what. */
struct drawing {
    const struct options *options;
    tleg_context *context;
    struct source source;
    tleg_generator *generator;
    tleg_generator_info info;
    struct noised in;
    struct chosen_labels chosen;
    int64_t count, *labels; /* labels of all: (count), of malloc */
    int32_t columns, steps, *depths;
    double guidance, ms;
    tleg_tensor *images;
    float *data;      /* of images */
    bool made_folder; /* -o, which was not there before */
    struct progress progress;
};

/* ---- what is asked ---- */

/* In letters of either case. */
static bool ends_in(const char *text, const char *ending) {
    const size_t length = strlen(text), last = strlen(ending);
    return length >= last && strcasecmp(text + length - last, ending) == 0;
}

static int settle_form(const struct invocation *call, struct options *options) {
    static const char *const others[] = {".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm",
                                         ".pgm", ".pnm",  ".svg", ".avif", ".pdf", ".npy", ".npz",  ".csv"};
    struct stat what;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ends_in(options->out, others[i]))
            return tool_misuse(call, "-o takes a file that ends in .png or .safetensors, or a folder (DIR/); found \"%s\"",
                               options->out);
    if (ends_in(options->out, "/") || (stat(options->out, &what) == 0 && S_ISDIR(what.st_mode)))
        options->form = FORM_FOLDER;
    else
        options->form = ends_in(options->out, ".png") ? FORM_GRID : FORM_NUMBERS;
    return EXIT_DONE;
}

static int settle(const struct invocation *call, struct options *options) {
    if (!options->out)
        return tool_misuse(call, "needs -o");
    if (options->input && (options->label || options->count || options->seed_text))
        return tool_misuse(call, "--input gives noise and labels: leave out --label, --count and --seed");
    if (options->depths && options->expansion.depth)
        return tool_misuse(call, "--depths says the depth of each step: leave out --depth");
    if (options->seed_text && !options_read_seed(options->seed_text, &options->seed))
        return tool_misuse(call, "--seed takes a whole number from 0 to 2^64-1; found \"%s\"", options->seed_text);
    const int code = settle_form(call, options);
    if (code == EXIT_DONE && options->form == FORM_NUMBERS && options->scale > 1)
        return tool_misuse(call, "--scale is for pictures: -o must end in .png, or be a folder");
    return code;
}

/* The depth of each step; without --depths there is no list. */
static int settle_depths(const struct invocation *call, struct drawing *drawing) {
    const struct options *options = drawing->options;
    int32_t count;
    drawing->steps = options->steps ? options->steps : USUAL_STEPS;
    if (!options->depths)
        return EXIT_DONE;
    drawing->depths = calloc(MOST_STEPS, sizeof *drawing->depths);
    if (!drawing->depths)
        return tool_fail_memory(call);
    if (!depths_schedule(options->depths, drawing->depths, MOST_STEPS, &count))
        return tool_misuse(call,
                           "--depths takes depths and how many steps each lasts, at most %d, such as 4x10,12x40; found \"%s\"",
                           MOST_STEPS, options->depths);
    if (options->steps && options->steps != count)
        return tool_misuse(call, "--depths has %d steps, --steps %d", (int)count, (int)options->steps);
    drawing->steps = count;
    return EXIT_DONE;
}

/* Says of one depth that it was not learned, if there is one. */
static void note_depths(const struct invocation *call, const struct drawing *drawing) {
    const struct source *source = &drawing->source;
    int32_t depth = source->config.depth;
    for (int32_t s = 0; drawing->depths && s < drawing->steps; s++)
        if (!source_learned(&source->config, drawing->depths[s]))
            depth = drawing->depths[s];
    source_note_depth(call, source->path, &source->config, depth);
}

static int open_source(const struct invocation *call, struct drawing *drawing) {
    struct expansion expansion = drawing->options->expansion;
    struct source *source = &drawing->source;
    expansion.learned = true;
    expansion.first = drawing->depths ? drawing->depths[0] : 0;
    int code = source_open_expanded(call, drawing->context, call->operands[0], &expansion, source);
    if (code == EXIT_DONE)
        code = source_need_generator(call, source);
    if (code == EXIT_DONE && source->model && drawing->depths)
        return tool_misuse(call, "%s is a model of depth %d; --depths is for a learngene", source->path,
                           (int)source->config.depth);
    if (code == EXIT_DONE && !source->model)
        note_depths(call, drawing);
    return code;
}

/* The label of each picture: those chosen, a row of pictures each; or all labels in turn. */
static int settle_labels(const struct invocation *call, struct drawing *drawing) {
    const struct options *options = drawing->options;
    const tleg_config *config = &drawing->source.config;
    if (options->label) {
        const int code = labels_choose(call, drawing->source.path, config, options->label, &drawing->chosen);
        if (code != EXIT_DONE)
            return code;
    }
    const int32_t chosen = drawing->chosen.count, each = options->count ? options->count : chosen > 1 ? OF_EACH : OF_ONE;
    drawing->count = chosen > 1 ? (int64_t)chosen * each : each;
    drawing->columns = chosen > 1 ? each : grid_columns(drawing->count);
    drawing->labels = malloc((size_t)drawing->count * sizeof *drawing->labels);
    if (!drawing->labels)
        return tool_fail_memory(call);
    for (int64_t i = 0; i < drawing->count; i++)
        drawing->labels[i] = chosen ? drawing->chosen.labels[i / each] : i % config->classes;
    return EXIT_DONE;
}

static int take_input(const struct invocation *call, struct drawing *drawing) {
    struct noised *in = &drawing->in;
    const int code = noised_read(call, drawing->context, drawing->options->input, &drawing->source.config, false, in);
    if (code != EXIT_DONE)
        return code;
    drawing->count = in->count;
    drawing->columns = grid_columns(in->count);
    drawing->labels = malloc((size_t)in->count * sizeof *drawing->labels);
    if (!drawing->labels)
        return tool_fail_memory(call);
    memcpy(drawing->labels, in->labels, (size_t)in->count * sizeof *drawing->labels);
    return EXIT_DONE;
}

/* Latents are in the scale that the call says, else in that of the file, or as they are drawn. */
static int settle_scale(const struct invocation *call, struct drawing *drawing) {
    struct source *source = &drawing->source;
    const double asked = drawing->options->latent_scale;
    if (!(asked > 0))
        return EXIT_DONE;
    if (!source_draws_latents(source) && source->config.channels != 3)
        return tool_misuse(call, "--latent-scale is for latents, and %s draws pictures", source->path);
    source->latent_scale = asked;
    return EXIT_DONE;
}

static struct grid grid_of(const struct drawing *drawing) {
    const tleg_config *config = &drawing->source.config;
    const int64_t rows = (drawing->count + drawing->columns - 1) / drawing->columns;
    return (struct grid){.images = drawing->data,
                         .mean = config->mean,
                         .std = config->std,
                         .count = drawing->count,
                         .channels = config->channels,
                         .side = config->image_size,
                         .scale = drawing->options->scale,
                         .columns = drawing->columns,
                         .rows = (int32_t)rows};
}

/* What would be found out after the drawing is found out before. */
static int check_form(const struct invocation *call, const struct drawing *drawing) {
    const struct options *options = drawing->options;
    const int32_t channels = drawing->source.config.channels;
    if (options->form == FORM_NUMBERS)
        return EXIT_DONE;
    if (source_draws_latents(&drawing->source))
        return tool_fail(
            call,
            "%s draws latents of %d channels, which their autoencoder's decoder makes pictures of: expected -o to end "
            "in .safetensors, found \"%s\"",
            drawing->source.path, (int)channels, options->out);
    struct grid grid = grid_of(drawing);
    int32_t width, height;
    if (options->form == FORM_FOLDER)
        grid.columns = grid.rows = 1;
    if (!grid_size(&grid, &width, &height))
        return tool_misuse(call, "the picture would be too large: lower --count or --scale, or give -o a folder");
    return EXIT_DONE;
}

/* OUT/00000.png and so on, for the caller to free. */
static char *picture_path(const struct drawing *drawing, int64_t number) {
    const char *out = drawing->options->out;
    const size_t room = strlen(out) + 32;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s%s%05" PRId64 ".png", out, ends_in(out, "/") ? "" : "/", number);
    return path;
}

static int make_folder(const struct invocation *call, struct drawing *drawing) {
    const char *out = drawing->options->out;
    if (drawing->options->form != FORM_FOLDER)
        return EXIT_DONE;
    drawing->made_folder = mkdir(out, 0777) == 0;
    if (!drawing->made_folder && errno != EEXIST)
        return tool_fail(call, "%s: %s", out, strerror(errno));
    char *first = picture_path(drawing, 0);
    const int code = first ? place_try(call, "-o", first) : tool_fail_memory(call);
    free(first);
    return code;
}

/* Numbers take what they take; a PNG of something drawn more than an eighth of its pixels. */
static int find_room(const struct invocation *call, const struct drawing *drawing) {
    const tleg_config *config = &drawing->source.config;
    const uint64_t side = (uint64_t)config->image_size, count = (uint64_t)drawing->count;
    const uint64_t numbers = (uint64_t)config->channels * side * side;
    const bool folder = drawing->options->form == FORM_FOLDER;
    if (drawing->options->form == FORM_NUMBERS)
        return place_out_room(call, drawing->options->out, count * (numbers * sizeof(float) + sizeof(int64_t)));
    char *path = folder ? picture_path(drawing, 0) : strdup(drawing->options->out);
    if (!path)
        return tool_fail_memory(call);
    const struct place_need need = {
        .what = "-o", .path = path, .bytes = numbers / 8 * (folder ? 1 : count), .files = folder ? count : 1};
    const int code = place_room(call, &need, 1);
    free(path);
    return code;
}

static int prepare(const struct invocation *call, struct drawing *drawing) {
    const struct options *options = drawing->options;
    int code = settle_depths(call, drawing);
    if (code == EXIT_DONE)
        code = open_source(call, drawing);
    if (code == EXIT_DONE)
        code = options->input ? take_input(call, drawing) : settle_labels(call, drawing);
    if (code == EXIT_DONE)
        code = settle_scale(call, drawing);
    if (code == EXIT_DONE)
        code = check_form(call, drawing);
    if (code == EXIT_DONE)
        code = make_folder(call, drawing);
    if (code == EXIT_DONE)
        code = find_room(call, drawing);
    if (code != EXIT_DONE)
        return code;
    const tleg_config *config = &drawing->source.config;
    drawing->guidance = options->guidance > 0 ? options->guidance : config->no_null_label ? 1 : usual_guidance;
    if (drawing->guidance != 1 && config->no_null_label)
        return tool_fail(call, "--guidance: expected 1, found %g: %s has no null label, from which guidance leads away",
                         drawing->guidance, drawing->source.path);
    const int64_t rows = drawing->guidance != 1 ? 2 * drawing->count : drawing->count;
    int32_t batch = options->batch ? options->batch : LARGEST_BATCH;
    batch = rows < batch ? (int32_t)rows : batch;
    drawing->info.struct_size = sizeof drawing->info;
    code = source_generator(call, drawing->context, &drawing->source, batch, &drawing->generator);
    const int64_t shape[] = {drawing->count, config->channels, config->image_size, config->image_size};
    tleg_tensor_info images = {.struct_size = sizeof images};
    if (code == EXIT_DONE && (tleg_generator_get_info(drawing->context, drawing->generator, &drawing->info) != TLEG_OK ||
                              tleg_tensor_create(drawing->context, TLEG_F32, 4, shape, &drawing->images) != TLEG_OK ||
                              tleg_tensor_get_info(drawing->context, drawing->images, &images) != TLEG_OK))
        code = tool_fail_context(call, drawing->context);
    drawing->data = images.data;
    return code;
}

/* ---- drawing ---- */

static void cancel(void *generator) {
    tleg_generator_cancel(generator);
}

static int32_t TLEG_CALL on_step(void *host, int32_t step, int32_t steps, int64_t count, const float *images) {
    struct drawing *drawing = host;
    (void)steps;
    (void)count;
    (void)images;
    progress_step(&drawing->progress, step, "");
    return interrupt_signal() != 0;
}

static int draw(const struct invocation *call, struct drawing *drawing) {
    const tleg_sample_options options = {.struct_size = sizeof options,
                                         .steps = drawing->steps,
                                         .count = drawing->count,
                                         .guidance = drawing->guidance,
                                         .seed = drawing->options->seed,
                                         .labels = drawing->labels,
                                         .noise = drawing->in.noise,
                                         .depths = drawing->depths,
                                         .progress = on_step,
                                         .host = drawing};
    const char *of_input = drawing->options->input;
    progress_start(&drawing->progress, "steps", drawing->steps);
    interrupt_tell(cancel, drawing->generator);
    interrupt_watch("stops after this layer; nothing is written");
    const double start = measure_ms();
    const tleg_status status = tleg_generator_sample(drawing->generator, &options, drawing->data,
                                                     (size_t)drawing->count * (size_t)drawing->info.image_floats);
    drawing->ms = measure_ms() - start;
    interrupt_tell(NULL, NULL);
    interrupt_watch("");
    progress_clear(&drawing->progress);
    if (status == TLEG_ERROR_CANCELLED && interrupt_signal())
        return interrupt_code();
    return status == TLEG_OK ? EXIT_DONE
                             : tool_fail(call, "%s: %s", of_input ? of_input : drawing->source.path,
                                         tleg_generator_get_error(drawing->generator));
}

/* What is not finite is not a picture. */
static int check_finite(const struct invocation *call, const struct drawing *drawing) {
    const size_t numbers = (size_t)drawing->info.image_floats;
    for (size_t i = 0; i < (size_t)drawing->count * numbers; i++)
        if (!isfinite(drawing->data[i]))
            return tool_fail(
                call, "%s: what is drawn of picture %zu is not finite%s; nothing is written", drawing->source.path, i / numbers,
                drawing->guidance != 1 ? ": lower --guidance, if its weights are finite" : ": its weights may not be finite");
    return EXIT_DONE;
}

/* ---- what is written ---- */

/* Latents go back to the scale that they had before they were learned. */
static void unscale_latents(struct drawing *drawing, size_t numbers) {
    const float scale = (float)drawing->source.latent_scale;
    for (size_t i = 0; scale > 0 && i < numbers; i++)
        drawing->data[i] /= scale;
}

/* Pictures go from the scale of their mean and std to -1..1. */
static void unscale_pictures(struct drawing *drawing, size_t numbers) {
    const tleg_config *config = &drawing->source.config;
    const size_t channels = (size_t)config->channels, plane = (size_t)drawing->info.image_floats / channels;
    for (size_t i = 0; i < numbers; i++) {
        const double mean = config->mean[i / plane % channels], std = config->std[i / plane % channels];
        if (mean != 0.5 || std != 0.5) /* else they are, to the bit */
            drawing->data[i] = (float)(2 * ((double)drawing->data[i] * std + mean) - 1);
    }
}

static void rescale(struct drawing *drawing) {
    const size_t numbers = (size_t)drawing->count * (size_t)drawing->info.image_floats;
    (source_draws_latents(&drawing->source) ? unscale_latents : unscale_pictures)(drawing, numbers);
}

static int write_numbers(const struct invocation *call, struct drawing *drawing) {
    static const char *const names[] = {"images", "labels"};
    char scale[LATENT_SCALE_TEXT];
    const char *const said[] = {LATENT_SCALE, latent_scale_text(drawing->source.latent_scale, scale)};
    const tleg_save_options options = {
        .struct_size = sizeof options, .pairs = drawing->source.latent_scale > 0, .keys_and_values = said};
    tleg_tensor *labels = NULL;
    rescale(drawing);
    if (tleg_tensor_wrap(drawing->context, TLEG_I64, 1, &drawing->count, drawing->labels, NULL, NULL, &labels) != TLEG_OK)
        return tool_fail_context(call, drawing->context);
    const tleg_tensor *const tensors[] = {drawing->images, labels};
    const tleg_status status = tleg_file_save(drawing->context, drawing->options->out, 2, names, tensors, &options);
    tleg_tensor_free(labels);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, drawing->context);
}

static int write_png(const struct invocation *call, const struct grid *grid, const char *path) {
    int32_t width = 0, height = 0;
    size_t size = 0;
    uint8_t *pixels = grid_size(grid, &width, &height) ? grid_pixels(grid) : NULL;
    uint8_t *bytes = pixels ? picture_encode_png(width, height, grid->channels, pixels, &size) : NULL;
    int code = bytes ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && !write_file(path, (const char *)bytes, size))
        code = tool_fail(call, "%s: %s", path, strerror(errno));
    free(bytes);
    free(pixels);
    return code;
}

/* DIR/00000.png, ...: in the order in which they were drawn. */
static int write_folder(const struct invocation *call, const struct drawing *drawing) {
    struct grid one = grid_of(drawing);
    int code = EXIT_DONE;
    char *next = picture_path(drawing, drawing->count);
    if (next && access(next, F_OK) == 0)
        tool_note(call, "%s holds pictures of an earlier call, from %s on", drawing->options->out, next);
    free(next);
    one.count = one.columns = one.rows = 1;
    for (int64_t i = 0; i < drawing->count && code == EXIT_DONE; i++) {
        if (interrupt_signal()) {
            tool_note(call, "stopped by %s: %" PRId64 " of %" PRId64 " pictures are written to %s", interrupt_name(), i,
                      drawing->count, drawing->options->out);
            return interrupt_code();
        }
        char *path = picture_path(drawing, i);
        one.images = drawing->data + (size_t)i * (size_t)drawing->info.image_floats;
        code = path ? write_png(call, &one, path) : tool_fail_memory(call);
        free(path);
    }
    return code;
}

static int write_out(const struct invocation *call, struct drawing *drawing) {
    const struct grid grid = grid_of(drawing);
    switch (drawing->options->form) {
    case FORM_GRID:
        return write_png(call, &grid, drawing->options->out);
    case FORM_FOLDER:
        return write_folder(call, drawing);
    default:
        return write_numbers(call, drawing);
    }
}

static json_t *labels_array(const struct drawing *drawing) {
    json_t *array = json_array();
    for (int64_t i = 0; i < drawing->count; i++)
        json_array_append_new(array, json_integer(drawing->labels[i]));
    return array;
}

static int say_drawn(const struct invocation *call, const struct drawing *drawing) {
    const struct options *options = drawing->options;
    const tleg_config *config = &drawing->source.config;
    char label[LABEL_SHOWN], depth[16];
    snprintf(depth, sizeof depth, "%d", (int)config->depth);
    if (!call->json) {
        const int32_t chosen = drawing->chosen.count;
        const char *what = source_draws_latents(&drawing->source) ? "latent" : "picture";
        tool_line("%s: %" PRId64 " %s%s%s%s, depth %s, %d steps, guidance %g, %.1f s", options->out, drawing->count, what,
                  drawing->count == 1 ? "" : "s", chosen == 1 ? " of " : "",
                  chosen == 1 ? labels_show(config, drawing->chosen.labels[0], label) : "",
                  options->depths ? options->depths : depth, (int)drawing->steps, drawing->guidance, drawing->ms / 1e3);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_integer(&report, "images", drawing->count);
    report_add(&report, "labels", labels_array(drawing));
    report_add(&report, "depth", options->depths ? json_null() : json_integer(config->depth));
    report_text(&report, "depths", options->depths);
    report_integer(&report, "steps", drawing->steps);
    report_real(&report, "guidance", drawing->guidance);
    report_real(&report, "ms", drawing->ms);
    return report_print(call, &report);
}

static void clear(struct drawing *drawing) {
    tleg_generator_free(drawing->generator);
    tleg_tensor_free(drawing->images);
    noised_free(&drawing->in);
    free(drawing->chosen.labels);
    free(drawing->labels);
    free(drawing->depths);
    source_close(&drawing->source);
    tleg_context_free(drawing->context);
}

static int run_generate(const struct verb *verb, int argc, char **argv) {
    struct options options = {.scale = 1};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        {"--depths", OPTION_TEXT, &options.depths, 0, 0, NULL},
        {"--label", OPTION_TEXT, &options.label, 0, 0, NULL},
        {"--count", OPTION_COUNT, &options.count, 1, 1000000, NULL},
        {"--steps", OPTION_COUNT, &options.steps, 1, MOST_STEPS, NULL},
        {"--guidance", OPTION_REAL, &options.guidance, 0, 0, NULL},
        {"--seed", OPTION_TEXT, &options.seed_text, 0, 0, NULL},
        {"--input", OPTION_TEXT, &options.input, 0, 0, NULL},
        {"--batch", OPTION_COUNT, &options.batch, 1, MOST_BATCH, NULL},
        {"--scale", OPTION_COUNT, &options.scale, 1, 64, NULL},
        {"--latent-scale", OPTION_REAL, &options.latent_scale, 0, 0, NULL},
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code) || !expansion_settle(&call, &options.expansion, &code))
        return code;
    code = settle(&call, &options);
    if (code == EXIT_DONE)
        code = place_apart(&call, "-o", options.out, options.input);
    if (code == EXIT_DONE && options.form != FORM_FOLDER)
        code = place_take_apart(&call, options.out, call.operands[0]);
    if (code != EXIT_DONE)
        return code;
    struct drawing drawing = {.options = &options, .context = tool_context(&call)};
    code = drawing.context ? prepare(&call, &drawing) : EXIT_FAILED;
    if (code == EXIT_DONE)
        code = draw(&call, &drawing);
    if (code == EXIT_DONE)
        code = check_finite(&call, &drawing);
    if (code == EXIT_DONE)
        code = write_out(&call, &drawing);
    if (code != EXIT_DONE && drawing.made_folder)
        rmdir(options.out); /* where nothing is in it */
    if (code == EXIT_DONE)
        code = say_drawn(&call, &drawing);
    clear(&drawing);
    return code;
}

const struct verb verb_generate = {
    .name = "generate",
    .summary = "draw pictures with a generator, at any depth",
    .usage = "tleg generate GENE|MODEL [--depth N | --depths LIST] [--label L] [--count N] [--steps S] [--guidance G]\n"
             "                     [--seed S] [--scale K] ... -o OUT.png|DIR/|OUT.safetensors\n"
             "       tleg generate GENE|MODEL [--depth N] --input IN [--steps S] [--guidance G] -o OUT",
    .details =
        "Draws with a Diffusion Transformer, from noise in steps (DDIM). A learngene runs elastically. The same call\n"
        "draws the same pictures at any number of threads and any --batch; picture number i begins with the same noise\n"
        "for the same --seed, whatever is drawn beside it.\n"
        "\n"
        "Options\n" DTYPE_HELP IMAGE_HELP
        "  --depth N     layers, 1 to 1024; of a learngene the deepest at which it was learned, if it says\n"
        "  --depths LIST the depth of each step in place of --depth, from noise to picture: 4x10,12x40 is ten steps of\n"
        "                depth 4, then forty of 12\n"
        "  --label L     what to draw: names or numbers of labels, such as cat,dog, each a row of the grid; all: every\n"
        "                label; any: none in particular. Without it the labels in turn\n"
        "  --count N     pictures (16); of each label, where there are several (8)\n"
        "  --steps S     1 to 1000 (50): more take longer and draw finer\n"
        "  --guidance G  how far the noise that the label tells is followed beyond what it is for any label; 1: not\n"
        "                beyond, at half the time (2; 1 where the generator was not learned for it)\n"
        "  --seed S      of the noise (0)\n"
        "  --input IN    safetensors file with the \"noise\" to begin with, f32 [B,C,I,I], and \"labels\", i64 [B]\n"
        "  --batch B     images computed at once (16); guidance takes two for each picture\n"
        "  --scale K     each pixel becomes K by K, for small pictures (1)\n"
        "  -o OUT        OUT.png: a grid; DIR/: a PNG for each, 00000.png and so on; other names: a safetensors file with\n"
        "                \"images\", f32 [B,C,I,I], and \"labels\". Latents are written so alone, as their\n"
        "                decoder takes them: divided by the scale at which they were learned\n"
        "  --latent-scale S  that scale, in place of what the file says, if it does: 0.18215 for Stable Diffusion's\n"
        "                autoencoder\n"
        "\n"
        "--json: {\"file\", \"images\", \"labels\" (numbers), \"depth\" (null with --depths), \"depths\", \"steps\", "
        "\"guidance\", "
        "\"ms\"}\n",
    .run = run_generate,
};
