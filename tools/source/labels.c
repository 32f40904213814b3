/* Class names, one a line. */
#include "labels.h"

#include "base/label.h"
#include "base/lines.h"
#include "base/options.h"
#include "base/read_file.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 64 << 20 }; /* bytes: more is not a list of names */

int labels_read(const struct invocation *call, const char *path, int32_t classes, struct labels *labels) {
    char reason[READ_REASON];
    size_t length;
    struct lines lines;
    *labels = (struct labels){0};
    labels->text = (char *)read_file(path, LARGEST, &length, reason);
    if (!labels->text)
        return tool_fail(call, "%s: %s", path, reason);
    const int code = lines_cut(call, path, labels->text, length, false, &lines);
    labels->names = (const char *const *)lines.items;
    if (code != EXIT_DONE)
        return code;
    if (lines.count != (size_t)classes)
        return tool_fail(call, "%s: %zu lines; expected the names of %d classes, one a line", path, lines.count, (int)classes);
    labels->count = classes;
    return EXIT_DONE;
}

void labels_free(struct labels *labels) {
    free((void *)(uintptr_t)labels->names);
    free(labels->text);
    *labels = (struct labels){0};
}

/* ---- labels to draw by ---- */

/* The place of a name; -1: it is not a label's. */
static int64_t find_name(const tleg_config *config, const char *name) {
    for (int32_t i = 0; i < config->label_count; i++)
        if (label_is_same(config->labels[i], name))
            return i;
    return -1;
}

/* A number below `classes`, all of the text; -1: it is none. */
static int64_t find_number(const tleg_config *config, const char *text) {
    uint64_t number;
    return options_read_seed(text, &number) && number < (uint64_t)config->classes ? (int64_t)number : -1;
}

static bool add_one(const tleg_config *config, const char *text, struct chosen_labels *chosen) {
    int64_t label = find_name(config, text);
    if (label < 0 && strcmp(text, "any") == 0 && !config->no_null_label)
        label = config->classes;
    if (label < 0)
        label = find_number(config, text);
    if (label >= 0)
        chosen->labels[chosen->count++] = label;
    return label >= 0;
}

enum { NAMED = 400 };

/* ", a name (cat; dog; ...)": as many as there is room for. */
static void list_names(const tleg_config *config, char text[NAMED]) {
    static const char more[] = "; ...";
    int at = snprintf(text, NAMED, ", a name (");
    for (int32_t i = 0; i < config->label_count; i++) {
        char name[LABEL_SHOWN];
        const size_t length = strlen(labels_show(config, i, name));
        if ((size_t)at + length + sizeof more + sizeof "; )" > NAMED) {
            at += snprintf(text + at, (size_t)(NAMED - at), "%s", more);
            break;
        }
        at += snprintf(text + at, (size_t)(NAMED - at), "%s%s", i ? "; " : "", name);
    }
    snprintf(text + at, (size_t)(NAMED - at), ")");
}

static int refuse(const struct invocation *call, const char *path, const tleg_config *config, const char *text) {
    char named[NAMED] = "";
    if (config->label_count)
        list_names(config, named);
    return tool_misuse(call, "--label: expected a label of %s: 0 to %d%s%s, or all; found \"%s\"", path,
                       (int)config->classes - 1, named, config->no_null_label ? "" : ", any", text);
}

/* Cuts the text at its commas. */
static int choose_each(const struct invocation *call, const char *path, const tleg_config *config, char *text,
                       struct chosen_labels *chosen) {
    for (char *at = text, *comma; at; at = comma ? comma + 1 : NULL) {
        comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        if (!add_one(config, at, chosen))
            return refuse(call, path, config, at);
    }
    return EXIT_DONE;
}

int labels_choose(const struct invocation *call, const char *path, const tleg_config *config, const char *text,
                  struct chosen_labels *chosen) {
    size_t most = (size_t)config->classes, parts = 1;
    for (const char *at = text; *at; at++)
        parts += *at == ',';
    most = most > parts ? most : parts;
    *chosen = (struct chosen_labels){.labels = malloc(most * sizeof *chosen->labels)};
    char *copy = malloc(strlen(text) + 1);
    int code = chosen->labels && copy ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && !add_one(config, text, chosen)) { /* the whole may be a name with commas in it */
        if (strcmp(text, "all") == 0)
            while (chosen->count < config->classes) {
                chosen->labels[chosen->count] = chosen->count;
                chosen->count++;
            }
        else
            code = choose_each(call, path, config, strcpy(copy, text), chosen);
    }
    free(copy);
    return code;
}

const char *labels_show(const tleg_config *config, int64_t label, char text[LABEL_SHOWN]) {
    if (label == config->classes)
        snprintf(text, LABEL_SHOWN, "any");
    else if (label < config->label_count)
        text_show(config->labels[label], text, LABEL_SHOWN);
    else
        snprintf(text, LABEL_SHOWN, "%lld", (long long)label);
    return text;
}
