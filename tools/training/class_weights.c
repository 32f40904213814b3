/* How much each class counts in the loss against the labels. */
#include "private.h"

#include "base/label.h"
#include "base/lines.h"
#include "base/options.h"
#include "base/read_file.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

/* Each class counts as much as any other: images / (classes * the class' images). */
static int balance(const struct state *state, double *weights) {
    const struct part *learned = &state->learned;
    const int32_t classes = state->set.class_count;
    int32_t present = 0;
    for (size_t i = 0; i < learned->count; i++)
        weights[learned->set->samples[learned->items[i]].label]++;
    for (int32_t c = 0; c < classes; c++)
        present += weights[c] > 0;
    for (int32_t c = 0; c < classes; c++)
        weights[c] = weights[c] > 0 ? (double)learned->count / (present * weights[c]) : 1;
    return EXIT_DONE;
}

/* Numbers with commas, in the order of the classes. False where the text is something else. */
static bool read_list(const char *text, int32_t classes, double *weights, int32_t *count) {
    double weight = 0;
    for (*count = 0; options_read_number(&text, &weight); text++) {
        if (*count < classes)
            weights[*count] = weight;
        ++*count;
        if (*text != ',')
            break;
    }
    return *count > 0 && *text == '\0';
}

/* Leaves out blanks at the end; the new end. */
static char *trim(char *line, char *end) {
    while (end > line && strchr(" \t\r", end[-1]))
        end--;
    *end = '\0';
    return end;
}

struct weights_file {
    const struct state *state;
    const char *path;
    struct label_table classes;
    double *weights; /* below 0: not there */
};

static int set_weight(const struct weights_file *file, const char *name, double weight) {
    char *normal = label_normal(name);
    int32_t places[2] = {-1, -1};
    if (normal)
        label_table_find(&file->classes, normal, places);
    free(normal);
    if (places[0] < 0)
        return tool_fail(file->state->call, "%s: the data have no class \"%s\"", file->path, name);
    if (file->weights[places[0]] >= 0)
        return tool_fail(file->state->call, "%s: has two weights for the class \"%s\"", file->path, name);
    file->weights[places[0]] = weight;
    return EXIT_DONE;
}

/* A class' name, blanks, a number. */
static int read_line(const struct weights_file *file, char *line) {
    char *start = trim(line, line + strlen(line));
    double weight;
    while (start > line && !strchr(" \t", start[-1]))
        start--;
    const char *number = start;
    if (start == line || !options_read_number(&number, &weight) || *number)
        return tool_fail(file->state->call, "%s: expected lines of a class' name and a number, found \"%s\"", file->path, line);
    trim(line, start - 1);
    return set_weight(file, line, weight);
}

static int read_lines(const struct weights_file *file, char *text, size_t size) {
    const struct dataset *set = &file->state->set;
    struct lines lines;
    int code = lines_cut(file->state->call, file->path, text, size, true, &lines);
    for (int32_t c = 0; c < set->class_count; c++)
        file->weights[c] = -1;
    for (size_t i = 0; i < lines.count && code == EXIT_DONE; i++)
        code = lines.items[i][strspn(lines.items[i], " \t\r")] ? read_line(file, lines.items[i]) : EXIT_DONE;
    free(lines.items);
    for (int32_t c = 0; c < set->class_count && code == EXIT_DONE; c++)
        if (file->weights[c] < 0)
            code = tool_fail(file->state->call, "%s: has no weight for the class \"%s\"", file->path, set->classes[c]);
    return code;
}

static int read_weights(const struct state *state, const char *path, double *weights) {
    enum { LARGEST = 64 << 20 };
    char reason[READ_REASON];
    size_t size;
    char *text = (char *)read_file(path, LARGEST, &size, reason);
    if (!text)
        return tool_fail(state->call, "--class-weights takes balanced, a number for each class with commas, or a file; %s: %s",
                         path, reason);
    struct weights_file file = {.state = state, .path = path, .weights = weights};
    int code = label_table_make((const char *const *)state->set.classes, state->set.class_count, &file.classes)
                   ? read_lines(&file, text, size)
                   : tool_fail_memory(state->call);
    label_table_free(&file.classes);
    free(text);
    return code;
}

void training_describe_class_weights(const struct state *state, char text[RECIPE_TEXT]) {
    enum { SHOWN = 8, ROOM = RECIPE_TEXT / SHOWN - 24 };
    int at = 0;
    for (int32_t c = 0; c < state->set.class_count && c < SHOWN; c++)
        at += snprintf(text + at, (size_t)(RECIPE_TEXT - at), "%s%.*s %.3g", c ? ", " : "",
                       (int)text_cut(state->set.classes[c], ROOM), state->set.classes[c], state->class_weights[c]);
    if (state->set.class_count > SHOWN)
        snprintf(text + at, (size_t)(RECIPE_TEXT - at), ", ...");
}

int training_weigh_classes(struct state *state) {
    const char *text = state->options->class_weights;
    const int32_t classes = state->set.class_count;
    int32_t count;
    if (!text)
        return EXIT_DONE;
    if (state->recipe.alpha == 1)
        return tool_misuse(state->call, "--class-weights weighs the labels' loss, which --alpha 1 leaves out");
    state->class_weights = calloc((size_t)classes, sizeof *state->class_weights);
    if (!state->class_weights)
        return tool_fail_memory(state->call);
    if (!strcmp(text, "balanced"))
        return balance(state, state->class_weights);
    if (read_list(text, classes, state->class_weights, &count))
        return count == classes
                   ? EXIT_DONE
                   : tool_misuse(state->call, "--class-weights: %d numbers for %d classes", (int)count, (int)classes);
    return read_weights(state, text, state->class_weights);
}
