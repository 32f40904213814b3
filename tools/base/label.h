/* Names of classes. The same name may be written with other bytes (é is one character, or e and an accent, as macOS writes
 * names of files): they are compared in Unicode's normal form C. */
#ifndef TLEG_TOOLS_LABEL_H
#define TLEG_TOOLS_LABEL_H

#include <stdbool.h>
#include <stdint.h>

struct invocation;

/* The name, which is UTF-8, in normal form C, in memory of malloc; NULL where there is none. */
char *label_normal(const char *name);
/* Whether two names are the same; false as well where there is no memory. */
bool label_is_same(const char *one, const char *other);

struct label_key {
    char *normal;
    int32_t place; /* in the list of names */
};

/* Names in an order in which they are found. */
struct label_table {
    struct label_key *keys; /* by normal form, then by place */
    int32_t count;
};

/* False where there is no memory; label_table_free is right then too. */
bool label_table_make(const char *const *names, int32_t count, struct label_table *table);
void label_table_free(struct label_table *table);
/* The first place of a name in normal form, and the second; -1 for none. */
void label_table_find(const struct label_table *table, const char *normal, int32_t places[2]);
/* The first two places that hold the same name; false where all differ. */
bool label_table_twins(const struct label_table *table, int32_t places[2]);

/* Names to learn by: refuses two that are the same. `of`: the file or folder. Returns an exit code, as the next. */
int label_need_unique(const struct invocation *call, const char *of, const char *const *names, int32_t count);
/* Names to show: says which two are the same. Lists that many have hold such (ImageNet's cranes are a bird and a machine). */
int label_note_twins(const struct invocation *call, const char *of, const char *const *names, int32_t count);

#endif
