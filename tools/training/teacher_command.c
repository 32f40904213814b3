/* Speaks with a teacher that is a program, and says what is wrong with what it answers. */
#include "teacher_command.h"

#include "base/child.h"
#include "base/label.h"
#include "base/measure.h"
#include "base/report.h"
#include "pictures/prepare.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, HEADER = 8, EXCESS = 64, LINE = 1 << 16, SHOWN = 48, TEXT = 8, QUOTE = 4 * SHOWN + 8, WHEN = 48 };

/* Seconds: to be ended by itself after a failure, or at the end; for an answer once a signal came. */
static const double short_grace = 0.5, long_grace = 10, patience = 10;

struct teacher_command {
    struct teacher_command_options options;
    struct child child;
    char name[TEACHER_NAME];
    size_t numbers, classes; /* of an image; of a row of logits */
    unsigned char *answer;   /* a header, (batch, classes) logits, and room to see that more came */
    int64_t asked;           /* questions */
    bool failed;
};

/* Where a reason goes. */
struct reason {
    struct teacher_command *teacher;
    char *text; /* TEACHER_ERROR */
    bool *stopped;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct reason *reason, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int length = snprintf(reason->text, TEACHER_ERROR, "--teacher-command '%.200s': ", reason->teacher->options.command);
    vsnprintf(reason->text + length, TEACHER_ERROR - (size_t)length, format, values);
    va_end(values);
    reason->teacher->failed = true;
    return false;
}

/* ---- what it wrote that it should not have ---- */

/* The bytes at the beginning that are text. */
static size_t count_text(const unsigned char *bytes, size_t count) {
    size_t i = 0;
    while (i < count && ((bytes[i] >= 0x20 && bytes[i] < 0x7F) || (bytes[i] >= '\t' && bytes[i] <= '\r')))
        i++;
    return i;
}

/* Whether what came is words: numbers seldom begin like this. */
static bool is_text(const unsigned char *bytes, size_t count) {
    return count > 0 && count_text(bytes, count) >= (count < TEXT ? count : TEXT);
}

/* The beginning of some bytes in quotes, as C would write them; of text, no more than the text. */
static const char *quote(const unsigned char *bytes, size_t count, char text[QUOTE]) {
    size_t length = 0, all = is_text(bytes, count) ? count_text(bytes, count) : count, shown = all < SHOWN ? all : SHOWN;
    text[length++] = '"';
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = bytes[i];
        if (byte == '"' || byte == '\\')
            text[length++] = '\\';
        if (byte >= 0x20 && byte < 0x7F)
            text[length++] = (char)byte;
        else
            length += (size_t)snprintf(text + length, QUOTE - length, byte == '\n' ? "\\n" : "\\x%02x", byte);
    }
    snprintf(text + length, QUOTE - length, count > shown ? "\"..." : "\"");
    return text;
}

static const char *advice(const unsigned char *bytes, size_t count) {
    return is_text(bytes, count) ? "; its standard output is for answers alone: let it print to standard error" : "";
}

/* ---- what became of an exchange ---- */

static bool fail_ended(const struct reason *reason, const char *when, const char *bytes) {
    const struct child *child = &reason->teacher->child;
    char how[CHILD_TEXT];
    child_describe(child, how);
    return fail(reason, "ended with %s %s%s%s", how, when, bytes,
                child->status == 127 ? " (127: the shell does not find the program)" : "");
}

/* Why nothing more came. `when`: "before it was ready", "in answer 12". */
static bool fail_exchange(const struct reason *reason, enum child_result result, const char *when,
                          const struct child_exchange *exchange, size_t expected) {
    struct child *child = &reason->teacher->child;
    const char *error = strerror(errno);
    char text[QUOTE], bytes[80] = "";
    if (result == CHILD_FAILED)
        return fail(reason, "%s: %s", when, error);
    if (result == CHILD_STOPPED)
        *reason->stopped = true;
    if (exchange->count && is_text(exchange->received, exchange->count))
        return fail(reason, "%s it wrote %s%s", when, quote(exchange->received, exchange->count, text),
                    advice(exchange->received, exchange->count));
    if (exchange->count)
        snprintf(bytes, sizeof bytes, ", after %zu bytes of %zu", exchange->count, expected);
    if (result == CHILD_STOPPED)
        return fail(reason, "a signal asks to end, and no answer comes %s%s", when, bytes);
    if (result == CHILD_LATE)
        return fail(reason, "silent for %g s %s%s (--teacher-timeout gives it longer)", reason->teacher->options.limit, when,
                    bytes);
    if (child_wait(child, 1))
        return fail_ended(reason, when, bytes);
    return fail(reason, "closed its standard %s %s%s, and goes on running", result == CHILD_DEAF ? "input" : "output", when,
                bytes);
}

/* ---- the start ---- */

/* The first line, without its end, for the caller to free; NULL if memory ran out. */
static char *introduce(const struct teacher_command_options *options) {
    struct report report = report_start();
    report_text(&report, "protocol", "tleg-teacher");
    report_integer(&report, "version", VERSION);
    report_integer(&report, "batch", options->batch);
    report_integer(&report, "classes", options->set->class_count);
    if (options->set->named)
        report_add(&report, "labels", report_texts((const char *const *)options->set->classes, options->set->class_count));
    report_integer(&report, "image_size", options->config->image_size);
    if (options->config->image_width)
        report_integer(&report, "image_width", options->config->image_width);
    if (options->config->channels != 3)
        report_integer(&report, "channels", options->config->channels);
    report_add(&report, "mean", report_triple(options->config->mean));
    report_add(&report, "std", report_triple(options->config->std));
    report_text(&report, "dtype", "f32");
    return report_line(&report);
}

static bool check_labels(const struct reason *reason, const json_t *labels) {
    const struct dataset *set = reason->teacher->options.set;
    for (int32_t i = 0; i < set->class_count && set->named && json_is_array(labels); i++) {
        const char *label = json_string_value(json_array_get(labels, (size_t)i));
        if (label && !label_is_same(label, set->classes[i]))
            return fail(reason, "its class %d is \"%s\"; of %s it is \"%s\"", (int)i, label, set->options.dir, set->classes[i]);
    }
    return true;
}

static bool read_ready(const struct reason *reason, const json_t *ready) {
    const struct dataset *set = reason->teacher->options.set;
    const json_t *error = json_object_get(ready, "error"), *classes = json_object_get(ready, "classes");
    const json_t *version = json_object_get(ready, "version");
    const char *name = json_string_value(json_object_get(ready, "name"));
    if (error)
        return fail(reason, "%s", json_is_string(error) ? json_string_value(error) : "an error without a text");
    if (version && json_integer_value(version) != VERSION)
        return fail(reason, "speaks version %" JSON_INTEGER_FORMAT " of the protocol; expected %d", json_integer_value(version),
                    VERSION);
    if (!json_is_integer(classes))
        return fail(reason, "its ready line has no %s; expected {\"classes\": %d}",
                    classes ? "whole number of \"classes\"" : "\"classes\"", (int)set->class_count);
    if (json_integer_value(classes) != set->class_count)
        return fail(reason, "a teacher of %" JSON_INTEGER_FORMAT " classes; %s has %d", json_integer_value(classes),
                    set->options.dir, (int)set->class_count);
    snprintf(reason->teacher->name, sizeof reason->teacher->name, "%s", name ? name : "");
    return check_labels(reason, json_object_get(ready, "labels"));
}

/* The ready line, and nothing after it. */
static bool check_line(const struct reason *reason, const unsigned char *bytes, size_t count) {
    const unsigned char *end = memchr(bytes, '\n', count);
    size_t length = end ? (size_t)(end - bytes) : count;
    char text[QUOTE];
    json_t *ready = json_loadb((const char *)bytes, length, 0, NULL);
    bool good = json_is_object(ready);
    if (!good)
        fail(reason, "expected a JSON line such as {\"classes\": %d} when it is ready, found %s%s",
             (int)reason->teacher->options.set->class_count, quote(bytes, length, text), advice(bytes, length));
    else if (end && length + 1 < count)
        good = fail(reason, "after its ready line, and without a question, it wrote %s%s",
                    quote(end + 1, count - length - 1, text), advice(end + 1, count - length - 1));
    else
        good = read_ready(reason, ready);
    json_decref(ready);
    return good;
}

static bool greet(const struct reason *reason, const char *line, unsigned char *received) {
    struct teacher_command *teacher = reason->teacher;
    struct child_exchange exchange = {.send = {{line, strlen(line)}, {"\n", 1}},
                                      .received = received,
                                      .room = LINE,
                                      .deadline = measure_seconds() + teacher->options.limit};
    enum child_result result = CHILD_DONE;
    while (result == CHILD_DONE && !memchr(received, '\n', exchange.count) && exchange.count < LINE)
        result = child_go_on(&teacher->child, &exchange, exchange.count + 1);
    if (exchange.count && !check_line(reason, received, exchange.count)) /* also the last line of one that has ended */
        return false;
    exchange.count = 0;
    return result == CHILD_DONE || fail_exchange(reason, result, "before it was ready", &exchange, 0);
}

static bool start(const struct reason *reason) {
    struct teacher_command *teacher = reason->teacher;
    size_t rows = (size_t)teacher->options.batch * teacher->classes;
    char *line = introduce(&teacher->options);
    unsigned char *received = malloc(LINE);
    teacher->answer = malloc(HEADER + rows * sizeof(float) + EXCESS);
    bool good = line && received && teacher->answer;
    if (!good)
        fail(reason, "out of memory");
    else if (!child_start(&teacher->child, teacher->options.command))
        good = fail(reason, "cannot be started: %s", strerror(errno));
    else
        good = greet(reason, line, received);
    free(received);
    free(line);
    return good;
}

struct teacher_command *teacher_command_start(const struct teacher_command_options *options, char error[TEACHER_ERROR],
                                              bool *stopped) {
    struct teacher_command *teacher = calloc(1, sizeof *teacher);
    *stopped = false;
    if (!teacher) {
        snprintf(error, TEACHER_ERROR, "out of memory");
        return NULL;
    }
    teacher->options = *options;
    teacher->numbers = prepare_numbers(options->config);
    teacher->classes = (size_t)options->set->class_count;
    const struct reason reason = {teacher, error, stopped};
    if (start(&reason))
        return teacher;
    teacher_command_end(NULL, teacher);
    return NULL;
}

const char *teacher_command_name(const struct teacher_command *teacher) {
    return teacher->name;
}

/* ---- a question ---- */

/* Nothing may come before a question: it would be taken for the answer's beginning. */
static bool is_quiet(const struct reason *reason) {
    struct teacher_command *teacher = reason->teacher;
    struct child_exchange exchange = {.received = teacher->answer, .room = EXCESS, .deadline = measure_seconds()};
    char text[QUOTE], when[WHEN];
    if (!child_has_more(&teacher->child))
        return true;
    exchange.deadline += 0.1;
    enum child_result result = child_go_on(&teacher->child, &exchange, EXCESS);
    if (exchange.count)
        return fail(reason, "after answer %" PRId64 ", and without a question, it wrote %s%s", teacher->asked,
                    quote(exchange.received, exchange.count, text), advice(exchange.received, exchange.count));
    snprintf(when, sizeof when, "before answer %" PRId64, teacher->asked + 1);
    return fail_exchange(reason, result, when, &exchange, 0);
}

static void make_header(size_t count, unsigned char header[HEADER]) {
    memcpy(header, "TLEG", 4);
    for (int i = 0; i < 4; i++)
        header[4 + i] = (unsigned char)(count >> 8 * i & 0xFF);
}

static bool check_header(const struct reason *reason, size_t count, size_t came) {
    const unsigned char *answer = reason->teacher->answer;
    unsigned char header[HEADER];
    char found[QUOTE];
    make_header(count, header);
    if (memcmp(answer, header, HEADER) == 0)
        return true;
    if (memcmp(answer, header, 4) == 0)
        return fail(reason, "answer %" PRId64 ": its header says %u images; the question was about %zu", reason->teacher->asked,
                    answer[4] | (unsigned)answer[5] << 8 | (unsigned)answer[6] << 16 | (unsigned)answer[7] << 24, count);
    return fail(reason, "answer %" PRId64 ": expected the question's header, \"TLEG\" and %zu as u32, found %s%s",
                reason->teacher->asked, count, quote(answer, came, found), advice(answer, came));
}

static bool fail_excess(const struct reason *reason, size_t count, const unsigned char *bytes, size_t more) {
    size_t classes = reason->teacher->classes;
    char text[QUOTE];
    return fail(reason, "answer %" PRId64 ": a header and f32 logits (%zu,%zu) take %zu bytes; more came after them, %s%s",
                reason->teacher->asked, count, classes, HEADER + count * classes * sizeof(float), quote(bytes, more, text),
                advice(bytes, more));
}

static bool check_logits(const struct reason *reason, const float *logits, size_t count) {
    const struct teacher_command *teacher = reason->teacher;
    for (size_t i = 0; i < count * teacher->classes; i++)
        if (!isfinite(logits[i])) {
            size_t class = i % teacher->classes;
            return fail(
                reason, "answer %" PRId64 ": the logit of image %zu of %zu, class %zu (\"%s\"), is %g; expected finite numbers",
                teacher->asked, i / teacher->classes, count, class, teacher->options.set->classes[class], (double)logits[i]);
        }
    return true;
}

bool teacher_command_ask(struct teacher_command *teacher, size_t count, const float *images, float *logits,
                         char error[TEACHER_ERROR], bool *stopped) {
    const struct reason reason = {teacher, error, stopped};
    unsigned char header[HEADER];
    size_t bytes = count * teacher->classes * sizeof(float), expected = HEADER + bytes;
    struct child_exchange exchange = {.send = {{header, HEADER}, {images, count * teacher->numbers * sizeof(float)}},
                                      .received = teacher->answer,
                                      .room = expected + EXCESS,
                                      .deadline = measure_seconds() + teacher->options.limit,
                                      .patience = patience};
    char when[WHEN];
    *stopped = false;
    make_header(count, header);
    if (!is_quiet(&reason))
        return false;
    snprintf(when, sizeof when, "in answer %" PRId64, ++teacher->asked);
    enum child_result result = child_go_on(&teacher->child, &exchange, HEADER);
    if (result == CHILD_DONE && !check_header(&reason, count, exchange.count))
        return false;
    if (result == CHILD_DONE)
        result = child_go_on(&teacher->child, &exchange, expected);
    if (result != CHILD_DONE)
        return fail_exchange(&reason, result, when, &exchange, expected);
    if (exchange.count > expected)
        return fail_excess(&reason, count, teacher->answer + expected, exchange.count - expected);
    memcpy(logits, teacher->answer + HEADER, bytes);
    return check_logits(&reason, logits, count);
}

void teacher_command_end(const struct invocation *call, struct teacher_command *teacher) {
    char how[CHILD_TEXT];
    if (!teacher)
        return;
    bool ended = child_end(&teacher->child, teacher->failed ? short_grace : long_grace);
    child_describe(&teacher->child, how);
    if (ended && !teacher->failed && (teacher->child.status || teacher->child.signal))
        tool_note(call, "--teacher-command '%.200s': ended with %s after its last answer", teacher->options.command, how);
    free(teacher->answer);
    free(teacher);
}
