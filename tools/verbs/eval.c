/* tleg eval: how many pictures of a folder are classified right. */
#include "base/progress.h"
#include "base/report.h"
#include "batches/loader.h"
#include "pictures/prepare.h"
#include "source/source.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct wishes {
    struct form form;
    const char *data;
    int32_t batch;
    bool skip_bad, exif;
};

struct score {
    int64_t images, correct, skipped;
    double ms;              /* spent in the model */
    int64_t *class_images;  /* (classes of the folder): scored */
    int64_t *class_correct; /* likewise */
};

/* All that a run over the folder works with. */
struct desk {
    tleg_context *context;
    const struct wishes *wishes;
    struct source source;
    struct folder folder;
    struct loader *loader;
    tleg_session *session;
    float *logits; /* (batch, classes) */
    int32_t *row;  /* (classes): where a label stands among the folder's classes */
    struct score score;
    struct progress progress;
};

/* The place of the largest logit, the first of equals; -1 when one is not finite. */
static int32_t best_of(const float *logits, int32_t classes) {
    int32_t best = 0;
    for (int32_t i = 0; i < classes; i++) {
        if (!isfinite(logits[i]))
            return -1;
        if (logits[i] > logits[best])
            best = i;
    }
    return best;
}

/* A picture that cannot be used ends the run, or is named and counted. */
static int take_bad(const struct call *call, struct desk *desk, const char *error) {
    progress_clear(&desk->progress);
    if (!desk->wishes->skip_bad)
        return tool_fail(call, "%s (--skip-bad goes on without such files)", error);
    tool_note(call, "skipped %s", error);
    desk->score.skipped++;
    return EXIT_DONE;
}

static int score_one(const struct call *call, struct desk *desk, const struct folder_image *image, const float *logits) {
    int32_t guess = best_of(logits, desk->source.config.classes), row = desk->row[image->label];
    if (guess < 0) {
        progress_clear(&desk->progress);
        return tool_fail(call, "%s: the model's answer is not a finite number", image->path);
    }
    desk->score.images++;
    desk->score.class_images[row]++;
    desk->score.correct += guess == image->label;
    desk->score.class_correct[row] += guess == image->label;
    return EXIT_DONE;
}

static int score_batch(const struct call *call, struct desk *desk, const struct batch *batch) {
    double start = tool_clock();
    if (tleg_session_run(desk->session, batch->inputs, (int64_t)batch->count, desk->logits, NULL) != TLEG_OK) {
        progress_clear(&desk->progress);
        return tool_fail(call, "%s", tleg_session_get_error(desk->session));
    }
    desk->score.ms += tool_clock() - start;
    int code = EXIT_DONE;
    for (size_t i = 0; i < batch->count && code == EXIT_DONE; i++)
        code = batch->errors[i] ? take_bad(call, desk, batch->errors[i])
                                : score_one(call, desk, &desk->folder.images[batch->first + i],
                                            desk->logits + i * (size_t)desk->source.config.classes);
    return code;
}

static int score_all(const struct call *call, struct desk *desk) {
    const struct batch *batch;
    char text[40];
    int code = EXIT_DONE;
    progress_start(&desk->progress, "eval", (int64_t)desk->folder.image_count);
    while (code == EXIT_DONE && (batch = loader_next(desk->loader)) != NULL) {
        code = score_batch(call, desk, batch);
        double share = desk->score.images ? 100.0 * (double)desk->score.correct / (double)desk->score.images : 0;
        snprintf(text, sizeof text, "top-1 %.2f %%", share);
        progress_step(&desk->progress, (int64_t)(batch->first + batch->count), text);
    }
    progress_clear(&desk->progress);
    if (code == EXIT_DONE && desk->score.images == 0)
        return tool_fail(call, "%s: none of its %zu images could be used", desk->wishes->data, desk->folder.image_count);
    return code;
}

static void print_text(const struct desk *desk) {
    const struct score *score = &desk->score;
    printf("  images  correct  class\n");
    for (size_t i = 0; i < desk->folder.class_count; i++)
        tool_line("%8" PRId64 " %8" PRId64 "  %s", score->class_images[i], score->class_correct[i],
                  desk->folder.classes[i].name);
    printf("top-1 %.2f %%: %" PRId64 " of %" PRId64 " images, %" PRId64 " skipped, depth %d, %.3f ms an image\n",
           100.0 * (double)score->correct / (double)score->images, score->correct, score->images, score->skipped,
           (int)desk->source.config.depth, score->ms / (double)score->images);
}

static int print_json(const struct call *call, const struct desk *desk) {
    const struct score *score = &desk->score;
    struct report report = report_start();
    json_t *classes = json_array();
    report_real(&report, "top1", (double)score->correct / (double)score->images);
    report_integer(&report, "images", score->images);
    report_integer(&report, "correct", score->correct);
    report_integer(&report, "skipped", score->skipped);
    report_integer(&report, "depth", desk->source.config.depth);
    report_real(&report, "ms_per_image", score->ms / (double)score->images);
    for (size_t i = 0; i < desk->folder.class_count; i++) {
        struct report one = report_start();
        report_text(&one, "name", desk->folder.classes[i].name);
        report_integer(&one, "index", desk->folder.classes[i].label);
        report_integer(&one, "images", score->class_images[i]);
        report_integer(&one, "correct", score->class_correct[i]);
        report.whole &= json_array_append_new(classes, report_member(&one)) == 0;
    }
    report_add(&report, "classes", classes);
    return report_print(call, &report);
}

static int read_folder(const struct call *call, struct desk *desk) {
    const tleg_config *config = &desk->source.config;
    const char *data = desk->wishes->data;
    char error[FOLDER_ERROR];
    if (folder_read(data, config->labels, config->label_count, &desk->folder, error, sizeof error) != 0)
        return tool_fail(call, "%s", error);
    if (!config->label_count && desk->folder.class_count != (size_t)config->classes)
        return tool_fail(call,
                         "%s: %zu class folders; the model has %d classes, and no labels to match them by name: expected a "
                         "folder for each class",
                         data, desk->folder.class_count, (int)config->classes);
    if (desk->folder.image_count == 0)
        return tool_fail(call, "%s: no images; expected %s/CLASS/IMAGE", data, data);
    for (size_t i = 0; i < desk->folder.class_count; i++)
        if (desk->folder.classes[i].images == 0)
            tool_note(call, "%s/%s: no images of this class", data, desk->folder.classes[i].name);
    return EXIT_DONE;
}

static int make_room(const struct call *call, struct desk *desk) {
    size_t classes = (size_t)desk->source.config.classes, folders = desk->folder.class_count;
    desk->logits = malloc((size_t)desk->wishes->batch * classes * sizeof *desk->logits);
    desk->row = calloc(classes, sizeof *desk->row);
    desk->score.class_images = calloc(folders, sizeof *desk->score.class_images);
    desk->score.class_correct = calloc(folders, sizeof *desk->score.class_correct);
    if (!desk->logits || !desk->row || !desk->score.class_images || !desk->score.class_correct)
        return tool_fail_memory(call);
    for (size_t i = 0; i < folders; i++)
        desk->row[desk->folder.classes[i].label] = (int32_t)i;
    desk->loader = loader_start(call, &desk->folder, &desk->source.config, desk->wishes->exif, (size_t)desk->wishes->batch);
    return desk->loader ? EXIT_DONE : EXIT_FAILED;
}

static int evaluate(const struct call *call, struct desk *desk) {
    int code = source_open_form(call, desk->context, call->operands[0], &desk->wishes->form, &desk->source);
    if (code == EXIT_DONE)
        code = read_folder(call, desk);
    if (code == EXIT_DONE)
        code = source_session(call, desk->context, &desk->source, desk->wishes->batch, &desk->session);
    if (code == EXIT_DONE)
        code = make_room(call, desk);
    if (code == EXIT_DONE)
        code = score_all(call, desk);
    if (code != EXIT_DONE)
        return code;
    if (call->json)
        return print_json(call, desk);
    print_text(desk);
    return EXIT_DONE;
}

static void clear(struct desk *desk) {
    loader_stop(desk->loader);
    free(desk->logits);
    free(desk->row);
    free(desk->score.class_images);
    free(desk->score.class_correct);
    folder_free(&desk->folder);
    tleg_session_free(desk->session);
    source_close(&desk->source);
    tleg_context_free(desk->context);
}

static int run(const struct verb *verb, int argc, char **argv) {
    struct wishes wishes = {.batch = 32};
    const struct option options[] = {
        FORM_OPTIONS(wishes.form),
        {"--data", OPTION_TEXT, &wishes.data, 0, 0, NULL},
        {"--batch", OPTION_COUNT, &wishes.batch, 1, 65536, NULL},
        {"--skip-bad", OPTION_FLAG, &wishes.skip_bad, 0, 0, NULL},
        {"--exif", OPTION_FLAG, &wishes.exif, 0, 0, NULL},
        OPTIONS_END,
    };
    struct call call;
    int code;
    if (!options_parse(verb, argc, argv, options, 1, 1, &call, &code) || !form_settle(&call, &wishes.form, &code))
        return code;
    if (!wishes.data)
        return tool_misuse(&call, "needs --data");
    struct desk desk = {.context = tool_context(&call), .wishes = &wishes};
    code = desk.context ? evaluate(&call, &desk) : EXIT_FAILED;
    clear(&desk);
    return code;
}

const struct verb verb_eval = {
    .name = "eval",
    .summary = "score a folder of labelled pictures",
    .usage = "tleg eval GENE|MODEL [--depth N] [--batch B] [--skip-bad] [--exif] --data DIR",
    .details = "DIR holds a folder for each class, with JPEG and PNG files in it and below. Folders are matched with the\n"
               "file's labels by name; without labels there must be one for each class, and they are the classes 0, 1, ... in\n"
               "the order in which Python sorts strings. Names that begin with a dot, and files without the name of an image, "
               "are passed over. Every image\n"
               "counts once, at any --batch. A progress bar shows on a terminal.\n"
               "\n"
               "Options\n" FORM_HELP "  --data DIR    the pictures\n"
               "  --batch B     images at once (32); the score does not depend on it\n"
               "  --skip-bad    name and count files that cannot be read, and score the rest; else the first is an error\n"
               "  --exif        turn pictures as their EXIF tag says\n"
               "\n"
               "--json: {\"top1\", \"images\", \"correct\", \"skipped\", \"depth\", \"ms_per_image\", \"classes\": [{\"name\", "
               "\"index\",\n"
               "\"images\", \"correct\"}, ...]}, the classes in their order\n",
    .run = run,
};
