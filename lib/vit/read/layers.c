/* How many layers there are, and how a learngene's follow from what it stores: its schedule. */
#include "vit/read/private.h"
#include <string.h>

/* The number at *text, which moves past it; -1 when there is none, 1000000 when it is larger than that. */
static int32_t read_index(const char **text) {
    int32_t index = 0;
    if (**text < '0' || **text > '9' || (**text == '0' && (*text)[1] >= '0' && (*text)[1] <= '9'))
        return -1;
    for (; **text >= '0' && **text <= '9'; ++*text)
        index = index >= 100000 ? 1000000 : index * 10 + (**text - '0');
    return index;
}

/* The deepest layer that a tensor names; a layer missing before it is found when all tensors are checked. */
static tleg_status read_depth(struct tleg_config_reader *reader) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    reader->c->depth = 1;
    for (int64_t k = 0; k < count; k++) {
        if (strncmp(entries[k].name, "blocks.", 7) != 0)
            continue;
        const char *rest = entries[k].name + 7;
        const int32_t layer = read_index(&rest);
        if (layer < 0 || !tleg_read_is_of_site(rest))
            continue;
        if (layer >= TLEG_MAX_DEPTH)
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\": expected at most %d layers", reader->label,
                             entries[k].name, TLEG_MAX_DEPTH);
        if (layer >= reader->c->depth)
            reader->c->depth = layer + 1;
    }
    return TLEG_OK;
}

/* The three ways to store a segment, each with names of its own. */
enum { STORED_SHARED, STORED_LINE, STORED_BASIS, STORED_WAYS };
static const struct tleg_span ways[STORED_WAYS] = {
    {2, TLEG_CURVE_POWER, 1}, {2, TLEG_CURVE_POWER, 2}, {2, TLEG_CURVE_COSINE, TLEG_MAX_BASIS}};

static int way_of(const struct tleg_span *span) {
    if (tleg_span_tensors(span) == 1)
        return STORED_SHARED;
    return tleg_span_is_line(span) ? STORED_LINE : STORED_BASIS;
}

static bool is_stored(const struct tleg_config_reader *reader, enum tleg_site site, int32_t segment, int way,
                      char first[TLEG_NAME_TEXT]) {
    tleg_segment_name(site, segment, false, &ways[way], 0, first);
    return tleg_read_has(reader, first);
}

enum { SPAN_TEXT = 48 }; /* bytes: the longest is [1024,"chebyshev",16] */

static const char *describe_span(const struct tleg_span *span, char out[SPAN_TEXT]) {
    struct tleg_text text = {out, 0};
    if (span->layers == 0)
        return "which it leaves out";
    tleg_span_text(span, &text);
    tleg_text_byte(&text, '\0');
    return out;
}

/* A basis must have as many tensors as the schedule says. */
static tleg_status count_basis(const struct tleg_config_reader *reader, enum tleg_site site, int32_t segment) {
    const struct tleg_span *span = &reader->schedule.spans[site][segment];
    char name[TLEG_NAME_TEXT], text[SPAN_TEXT];
    int32_t found = 0;
    for (int32_t k = TLEG_MAX_BASIS; k >= 0; k--) { /* one more than there may be, the first last */
        tleg_segment_name(site, segment, false, span, k, name);
        found += tleg_read_has(reader, name);
    }
    if (found == span->count)
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                     "%s: tleg.schedule: segment %d of \"%s\", %s, expects %d tensors from \"%s\" on, found %d", reader->label,
                     (int)segment, tleg_site_key(site), describe_span(span, text), (int)span->count, name, (int)found);
}

/* A segment's names say how it is stored; where the schedule names its site, it must say the same. */
static tleg_status read_segment(struct tleg_config_reader *reader, enum tleg_site site, int32_t segment) {
    const struct tleg_span *span = &reader->schedule.spans[site][segment];
    const int way = way_of(span);
    char expected[TLEG_NAME_TEXT], found[TLEG_NAME_TEXT], text[SPAN_TEXT];
    const bool has = is_stored(reader, site, segment, way, expected);
    int other = 0;
    while (other < STORED_WAYS && (other == way || !is_stored(reader, site, segment, other, found)))
        other++;
    if (span->layers == 0 && other == STORED_SHARED && !has)
        tleg_schedule_set_shared(&reader->schedule, site);
    else if (other < STORED_WAYS && (!has || way == STORED_SHARED))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.schedule: segment %d of \"%s\", %s, expects \"%s\", found \"%s\"", reader->label,
                         (int)segment, tleg_site_key(site), describe_span(span, text), expected, found);
    return way == STORED_BASIS && has ? count_basis(reader, site, segment) : TLEG_OK;
}

/* Refuses a segment beyond those that the schedule gives. */
static tleg_status refuse_more(const struct tleg_config_reader *reader, const struct tleg_entry *entry, enum tleg_site site) {
    char prefix[TLEG_NAME_TEXT];
    tleg_segment_name(site, 0, false, &ways[STORED_SHARED], 0, prefix);
    static const char counted[] = ".instances."; /* then the segment's number */
    const size_t length = (size_t)(strstr(prefix, counted) - prefix) + sizeof counted - 1;
    const char *rest = entry->name + length;
    if (strncmp(entry->name, prefix, length) != 0 || read_index(&rest) < reader->schedule.count[site] || *rest != '.')
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\": tleg.schedule gives \"%s\" %d segment(s)",
                     reader->label, entry->name, tleg_site_key(site), (int)reader->schedule.count[site]);
}

static tleg_status read_schedule(struct tleg_config_reader *reader) {
    char what[TLEG_WHAT_TEXT];
    tleg_read_what(reader, "tleg.schedule", what);
    tleg_status status =
        tleg_schedule_parse(reader->context, what, tleg_file_get_metadata(reader->file, "tleg.schedule"), &reader->schedule);
    if (status == TLEG_OK)
        status = tleg_schedule_check(reader->context, what, &reader->schedule, reader->c);
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    for (int site = 0; status == TLEG_OK && site < TLEG_SITES; site++) {
        for (int64_t k = 0; status == TLEG_OK && k < count; k++)
            status = refuse_more(reader, &entries[k], (enum tleg_site)site);
        for (int32_t k = 0; status == TLEG_OK && k < reader->schedule.count[site]; k++)
            status = read_segment(reader, (enum tleg_site)site, k);
    }
    return status;
}

tleg_status tleg_read_layers(struct tleg_config_reader *reader) {
    return reader->gene ? read_schedule(reader) : read_depth(reader);
}
