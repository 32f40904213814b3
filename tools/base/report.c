/* JSON objects on a line each, valid UTF-8, with as many digits as numbers need. */
#include "report.h"

#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

json_t *report_string(const char *text) {
    json_t *string = json_string(text);
    if (string)
        return string;
    char *repaired = text_repaired(text);
    string = json_string(repaired); /* NULL of NULL */
    free(repaired);
    return string;
}

json_t *report_texts(const char *const *texts, int64_t count) {
    json_t *array = json_array();
    for (int64_t i = 0; array && i < count; i++)
        if (json_array_append_new(array, report_string(texts[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

json_t *report_seed(uint64_t seed) {
    char text[24];
    if (seed <= INT64_MAX)
        return json_integer((json_int_t)seed);
    snprintf(text, sizeof text, "%" PRIu64, seed);
    return json_string(text);
}

json_t *report_triple(const double values[3]) {
    return json_pack("[f,f,f]", values[0], values[1], values[2]);
}

struct report report_start(void) {
    json_t *object = json_object();
    return (struct report){object, object != NULL};
}

void report_add(struct report *report, const char *key, json_t *member) {
    if (json_object_set_new(report->object, key, member) != 0)
        report->whole = false;
}

void report_integer(struct report *report, const char *key, int64_t value) {
    report_add(report, key, json_integer(value));
}

void report_size(struct report *report, const char *key, uint64_t value) {
    report_add(report, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

void report_real(struct report *report, const char *key, double value) {
    report_add(report, key, isfinite(value) ? json_real(value) : json_null());
}

void report_text(struct report *report, const char *key, const char *text) {
    report_add(report, key, text ? report_string(text) : json_null());
}

json_t *report_member(struct report *report) {
    if (report->whole)
        return report->object;
    json_decref(report->object);
    return NULL;
}

/* The fewest significant digits, 15 to 17, with which every real number below comes back the same. */
static int digits_needed(const json_t *value, int digits) {
    if (json_is_real(value)) {
        char text[40];
        for (; digits < 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, json_real_value(value));
            if (strtod(text, NULL) == json_real_value(value))
                break;
        }
    }
    size_t index;
    const char *key;
    json_t *member;
    json_array_foreach((json_t *)(uintptr_t)value, index, member) digits = digits_needed(member, digits);
    json_object_foreach((json_t *)(uintptr_t)value, key, member) digits = digits_needed(member, digits);
    return digits;
}

/* In texts alone: what else JSON consists of is ASCII. All of these have codes below 0x10000, of 2 or 3 bytes. */
static size_t count_controls(const char *line) {
    size_t count = 0;
    for (size_t length; *line; line += length) {
        length = text_character(line);
        count += length > 1 && text_is_control(line, length);
    }
    return count;
}

/* Takes the line over. Where a terminal would obey a character, its escape stands for it, which means the same. */
static char *escape_controls(char *line) {
    enum { ESCAPE = 6 };
    const size_t controls = line ? count_controls(line) : 0;
    if (!controls)
        return line;
    char *escaped = malloc(strlen(line) + ESCAPE * controls + 1), *out = escaped;
    for (const char *at = line; escaped && *at;) {
        const size_t length = text_character(at);
        if (length > 1 && text_is_control(at, length))
            out += sprintf(out, "\\u%04X", text_code(at, length));
        else
            out = (char *)memcpy(out, at, length) + length;
        at += length;
    }
    if (escaped)
        *out = '\0';
    free(line);
    return escaped;
}

char *report_dump(const json_t *value) {
    const size_t digits = (size_t)digits_needed(value, 15);
    return escape_controls(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits)));
}

char *report_line(struct report *report) {
    char *line = report->whole ? report_dump(report->object) : NULL;
    json_decref(report->object);
    return line;
}

int report_print(const struct invocation *call, struct report *report) {
    char *line = report_line(report);
    if (!line)
        return tool_fail_memory(call);
    puts(line);
    fflush(stdout); /* a reader at the other end of a pipe sees each line when it is true */
    free(line);
    return EXIT_DONE;
}

bool report_file_bytes(const char *path, uint64_t *bytes) {
    struct stat found;
    if (stat(path, &found) != 0)
        return false;
    *bytes = (uint64_t)found.st_size;
    return true;
}

const char *report_bytes(uint64_t bytes, char text[24]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    snprintf(text, 24, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}
