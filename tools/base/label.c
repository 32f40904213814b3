/* Names in Unicode's normal form, by utf8proc. */
#include "label.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

static bool is_ascii(const char *name) {
    while (*name != '\0' && (unsigned char)*name < 0x80)
        name++;
    return *name == '\0';
}

char *label_normal(const char *name) {
    return is_ascii(name) ? strdup(name) : (char *)utf8proc_NFC((const utf8proc_uint8_t *)name);
}

bool label_is_same(const char *one, const char *other) {
    if (strcmp(one, other) == 0)
        return true;
    char *first = label_normal(one), *second = label_normal(other);
    const bool same = first != NULL && second != NULL && strcmp(first, second) == 0;
    free(first);
    free(second);
    return same;
}

static int by_normal(const void *a, const void *b) {
    const struct label_key *one = a, *other = b;
    const int order = strcmp(one->normal, other->normal);
    return order ? order : (one->place > other->place) - (one->place < other->place);
}

bool label_table_make(const char *const *names, int32_t count, struct label_table *table) {
    *table = (struct label_table){.keys = calloc((size_t)count + 1, sizeof *table->keys)};
    if (table->keys == NULL)
        return false;
    for (; table->count < count; table->count++) {
        struct label_key *key = &table->keys[table->count];
        *key = (struct label_key){label_normal(names[table->count]), table->count};
        if (key->normal == NULL)
            return false;
    }
    qsort(table->keys, (size_t)count, sizeof *table->keys, by_normal);
    return true;
}

void label_table_free(struct label_table *table) {
    for (int32_t i = 0; i < table->count; i++)
        free(table->keys[i].normal);
    free(table->keys);
    *table = (struct label_table){0};
}

void label_table_find(const struct label_table *table, const char *normal, int32_t places[2]) {
    int32_t low = 0, high = table->count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (strcmp(table->keys[middle].normal, normal) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (int32_t k = 0; k < 2; k++) {
        const bool found = low + k < table->count && strcmp(table->keys[low + k].normal, normal) == 0;
        places[k] = found ? table->keys[low + k].place : -1;
    }
}

bool label_table_twins(const struct label_table *table, int32_t places[2]) {
    for (int32_t i = 1; i < table->count; i++)
        if (strcmp(table->keys[i - 1].normal, table->keys[i].normal) == 0) {
            places[0] = table->keys[i - 1].place;
            places[1] = table->keys[i].place;
            return true;
        }
    return false;
}
