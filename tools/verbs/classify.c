/* tleg classify: the likeliest classes of pictures. */
#include "base/report.h"
#include "pictures/prepare.h"
#include "source/labels.h"
#include "source/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct wishes {
    struct form form;
    const char *labels;
    int32_t top;
    bool exif;
};

struct guess {
    double p;
    int32_t index;
};

/* All that stays the same from picture to picture. */
struct desk {
    tleg_context *context;
    const struct wishes *wishes;
    struct source source;
    struct labels labels; /* of --labels; else those of the file count */
    tleg_session *session;
    float *input, *logits;
    struct guess *guesses; /* (classes) */
};

static const char *label_of(const struct desk *desk, int32_t index) {
    if (desk->labels.count)
        return desk->labels.names[index];
    return desk->source.config.label_count ? desk->source.config.labels[index] : NULL;
}

/* Likelier first; equals in the order of the classes. */
static int compare(const void *left, const void *right) {
    const struct guess *a = left, *b = right;
    if (a->p != b->p)
        return a->p > b->p ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* softmax in double. False when a logit is not finite. */
static bool rank(struct desk *desk) {
    int32_t classes = desk->source.config.classes;
    double largest = -INFINITY, sum = 0;
    for (int32_t i = 0; i < classes; i++) {
        if (!isfinite(desk->logits[i]))
            return false;
        largest = fmax(largest, desk->logits[i]);
    }
    for (int32_t i = 0; i < classes; i++) {
        desk->guesses[i] = (struct guess){exp(desk->logits[i] - largest), i};
        sum += desk->guesses[i].p;
    }
    for (int32_t i = 0; i < classes; i++)
        desk->guesses[i].p /= sum;
    qsort(desk->guesses, (size_t)classes, sizeof *desk->guesses, compare);
    return true;
}

static void print_text(const struct desk *desk, const char *path, int32_t top) {
    tool_line("%s", path);
    for (int32_t i = 0; i < top; i++) {
        const struct guess *guess = &desk->guesses[i];
        const char *label = label_of(desk, guess->index);
        tool_line("  %6.2f %%  %s%s%d%s", 100 * guess->p, label ? label : "class ", label ? " (" : "", (int)guess->index,
                  label ? ")" : "");
    }
    fflush(stdout);
}

static int print_json(const struct call *call, const struct desk *desk, const char *path, int32_t top) {
    struct report report = report_start();
    json_t *array = json_array();
    report_text(&report, "file", path);
    for (int32_t i = 0; i < top; i++) {
        struct report one = report_start();
        report_integer(&one, "index", desk->guesses[i].index);
        report_text(&one, "label", label_of(desk, desk->guesses[i].index));
        report_real(&one, "p", desk->guesses[i].p);
        report.whole &= json_array_append_new(array, report_member(&one)) == 0;
    }
    report_add(&report, "top", array);
    return report_print(call, &report);
}

static int classify(const struct call *call, struct desk *desk, const char *path) {
    char error[PICTURE_ERROR];
    int32_t classes = desk->source.config.classes, top = desk->wishes->top < classes ? desk->wishes->top : classes;
    if (!prepare_picture(desk->context, &desk->source.config, path, desk->wishes->exif, desk->input, error))
        return tool_fail(call, "%s", error);
    if (tleg_session_run(desk->session, desk->input, 1, desk->logits, NULL) != TLEG_OK)
        return tool_fail(call, "%s: %s", path, tleg_session_get_error(desk->session));
    if (!rank(desk))
        return tool_fail(call, "%s: the model's answer is not a finite number", path);
    if (call->json)
        return print_json(call, desk, path, top);
    print_text(desk, path, top);
    return EXIT_DONE;
}

/* One picture that fails does not keep the others from being classified. */
static int classify_all(const struct call *call, struct desk *desk) {
    int code = EXIT_DONE;
    for (int i = 1; i < call->operand_count; i++)
        if (classify(call, desk, call->operands[i]) != EXIT_DONE)
            code = EXIT_FAILED;
    return code;
}

static int set_up(const struct call *call, struct desk *desk) {
    struct source *source = &desk->source;
    int code = source_open_form(call, desk->context, call->operands[0], &desk->wishes->form, source);
    if (code == EXIT_DONE && desk->wishes->labels)
        code = labels_read(call, desk->wishes->labels, source->config.classes, &desk->labels);
    if (code == EXIT_DONE)
        code = source_session(call, desk->context, source, 1, &desk->session);
    if (code != EXIT_DONE)
        return code;
    desk->input = malloc(prepare_numbers(&source->config) * sizeof *desk->input);
    desk->logits = malloc((size_t)source->config.classes * sizeof *desk->logits);
    desk->guesses = malloc((size_t)source->config.classes * sizeof *desk->guesses);
    return desk->input && desk->logits && desk->guesses ? EXIT_DONE : tool_fail_memory(call);
}

static void clear(struct desk *desk) {
    free(desk->input);
    free(desk->logits);
    free(desk->guesses);
    tleg_session_free(desk->session);
    labels_free(&desk->labels);
    source_close(&desk->source);
    tleg_context_free(desk->context);
}

static int run(const struct verb *verb, int argc, char **argv) {
    struct wishes wishes = {.top = 5};
    const struct option options[] = {
        FORM_OPTIONS(wishes.form),
        {"--labels", OPTION_TEXT, &wishes.labels, 0, 0, NULL},
        {"--top", OPTION_COUNT, &wishes.top, 1, INT32_MAX, NULL},
        {"--exif", OPTION_FLAG, &wishes.exif, 0, 0, NULL},
        OPTIONS_END,
    };
    struct call call;
    int code;
    if (!options_parse(verb, argc, argv, options, 2, INT32_MAX, &call, &code) || !form_settle(&call, &wishes.form, &code))
        return code;
    struct desk desk = {.context = tool_context(&call), .wishes = &wishes};
    if (!desk.context)
        return EXIT_FAILED;
    code = set_up(&call, &desk);
    if (code == EXIT_DONE)
        code = classify_all(&call, &desk);
    clear(&desk);
    return code;
}

const struct verb verb_classify = {
    .name = "classify",
    .summary = "classify JPEG and PNG pictures",
    .usage = "tleg classify GENE|MODEL [--depth N] [--labels FILE] [--top K] [--exif] IMAGE...",
    .details = "Pictures are prepared as in training, pixel for pixel as PIL and torchvision do: turned by no EXIF tag, alpha\n"
               "and gamma ignored, 16 bits cut to the high byte, the shorter side resized, the centre cropped. A picture that "
               "cannot be\n"
               "read is named, the others are classified, and the exit code is 1.\n"
               "\n"
               "Options\n" FORM_HELP "  --labels FILE class names, one a line, in place of the file's own\n"
               "  --top K       classes to show (5)\n"
               "  --exif        turn pictures as their EXIF tag says\n"
               "\n"
               "--json, one object a picture: {\"file\", \"top\": [{\"index\", \"label\" (null without names), \"p\"}, ...]}\n",
    .run = run,
};
