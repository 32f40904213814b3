/* What a verb prints: lines for people, or one JSON object a line for machines. */
#ifndef TLEG_TOOLS_REPORT_H
#define TLEG_TOOLS_REPORT_H

#include "tool.h"
#include <jansson.h>

/* An object being made. If memory for a member runs out, that is remembered, and the object fails at the end. */
struct report {
    json_t *object;
    bool whole;
};

struct report report_start(void);
void report_add(struct report *report, const char *key, json_t *member); /* the report owns the member, which may be NULL */
void report_integer(struct report *report, const char *key, int64_t value);
void report_size(struct report *report, const char *key, uint64_t value);
/* null for a number that JSON cannot write */
void report_real(struct report *report, const char *key, double value);
/* Bytes that are not UTF-8 (a file name may hold any) become U+FFFD; NULL becomes null. */
void report_text(struct report *report, const char *key, const char *text);
json_t *report_string(const char *text);
/* A number up to 2^63 - 1, as far as JSON's whole numbers are safe; a text above. */
json_t *report_seed(uint64_t seed);
/* Arrays; NULL if memory ran out. */
json_t *report_texts(const char *const *texts, int64_t count);
json_t *report_triple(const double values[3]);
/* The object as a member of another; NULL if memory ran out. */
json_t *report_member(struct report *report);
/* A value on one line, numbers with as many digits as they need to come back the same, for the caller to free; NULL if memory
 * ran out. */
char *report_dump(const json_t *value);
/* Likewise the object, which it frees. */
char *report_line(struct report *report);
/* Prints that line. */
int report_print(const struct invocation *call, struct report *report);

/* The size of a file; false when it cannot be told. */
bool report_file_bytes(const char *path, uint64_t *bytes);

/* A count of bytes for people, such as "6.3 MiB". */
const char *report_bytes(uint64_t bytes, char text[24]);

#endif
