/* The directory of a zip archive, as PyTorch writes them: members that lie in it as they are. Strict where a lie would change
 * what is read: members that overlap, names that are there twice, sizes and places outside of the file, headers that say
 * otherwise than the directory. */
#include "format/private.h"

#include <string.h>

enum {
    END = 22,        /* bytes of the record at the end */
    END64 = 56,      /* of its successor, which has 64 bits for what the first has no room for */
    LOCATOR = 20,    /* of what says where that is; it stands before the end's record */
    LINE = 46,       /* of a line of the directory, before its name */
    HEADER = 30,     /* of what stands before a member's bytes, before its name */
    COMMENT = 65535, /* the longest at the end */
    ENCRYPTED = 1,   /* flags: the numbers cannot be read, */
    DESCRIPTOR = 8,  /* the header does not know the size yet */
    WIDE = 1         /* the extra field with 64-bit sizes */
};

static uint32_t two(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t four(const unsigned char *at) {
    return two(at) | two(at + 2) << 16;
}

static uint64_t eight(const unsigned char *at) {
    return four(at) | (uint64_t)four(at + 4) << 32;
}

static tleg_status damaged(tleg_context *context, const struct tleg_file *file, const char *what) {
    return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: a zip archive (as PyTorch's .pth) that is truncated or damaged: %s",
                     file->label, what);
}

tleg_status tleg_zip_read(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out) {
    size_t got;
    if (at > file->size || bytes > file->size - at)
        return damaged(context, file, "it ends before its directory says");
    const tleg_status status = tleg_source_read(context, file, at, bytes, out, &got);
    return status == TLEG_OK && got < bytes ? damaged(context, file, "it became shorter while it was read") : status;
}

/* ---- the end, which says where the directory is ---- */

struct ending {
    uint64_t lines, bytes, at; /* of the directory */
    uint64_t end;              /* where the directory must have ended */
};

/* The record with 64-bit numbers, where there is one before the end's, at `end`. */
static tleg_status read_wide_end(tleg_context *context, const struct tleg_file *file, uint64_t end, struct ending *ending) {
    unsigned char locator[LOCATOR], record[END64];
    if (end < LOCATOR)
        return TLEG_OK;
    tleg_status status = tleg_zip_read(context, file, end - LOCATOR, LOCATOR, locator);
    if (status != TLEG_OK || memcmp(locator, "PK\6\7", 4) != 0)
        return status;
    const uint64_t at = eight(locator + 8);
    if (at > end - LOCATOR || END64 > end - LOCATOR - at)
        return damaged(context, file, "its end does not lie where it says");
    status = tleg_zip_read(context, file, at, END64, record);
    if (status != TLEG_OK)
        return status;
    if (memcmp(record, "PK\6\6", 4) != 0)
        return damaged(context, file, "its end does not lie where it says");
    *ending = (struct ending){eight(record + 32), eight(record + 40), eight(record + 48), at};
    return TLEG_OK;
}

/* Where the end's record begins: the last place at which one fits with a comment up to the end of the file. */
static const unsigned char *find_end(const unsigned char *tail, size_t length) {
    for (size_t at = length - END + 1; at-- > 0;)
        if (memcmp(tail + at, "PK\5\6", 4) == 0 && two(tail + at + 20) == length - END - at)
            return tail + at;
    return NULL;
}

static tleg_status take_end(tleg_context *context, const struct tleg_file *file, const unsigned char *tail, size_t length,
                            struct ending *ending) {
    const unsigned char *record = find_end(tail, length);
    if (!record)
        return damaged(context, file, "it has no directory at its end");
    const uint64_t end = file->size - length + (uint64_t)(record - tail);
    *ending = (struct ending){two(record + 10), four(record + 12), four(record + 16), end};
    if (two(record + 4) != two(record + 6) || two(record + 8) != two(record + 10))
        return damaged(context, file, "it is a part of an archive in several files");
    tleg_status status = read_wide_end(context, file, end, ending);
    if (status != TLEG_OK)
        return status;
    if (ending->at > ending->end || ending->bytes != ending->end - ending->at)
        return damaged(context, file, "its directory does not lie where it says");
    if (ending->bytes > TLEG_FILE_HEADER_LIMIT || ending->lines > ending->bytes / LINE)
        return damaged(context, file, "its directory claims more than it holds");
    return TLEG_OK;
}

static tleg_status read_end(tleg_context *context, const struct tleg_file *file, struct ending *ending) {
    if (file->size < END)
        return damaged(context, file, "it has no directory at its end");
    const size_t length = file->size < END + COMMENT ? (size_t)file->size : END + COMMENT;
    unsigned char *tail = tleg_alloc(&file->allocator, length);
    if (!tail)
        return tleg_fail_memory(context, file->label, length);
    tleg_status status = tleg_zip_read(context, file, file->size - length, length, tail);
    if (status == TLEG_OK)
        status = take_end(context, file, tail, length, ending);
    tleg_release(&file->allocator, tail, length);
    return status;
}

/* ---- the directory ---- */

/* The 64-bit numbers of an extra field, for those of the line that say 0xffffffff; false when there is none for one. */
static bool widen(const unsigned char *extra, size_t length, uint64_t *size, uint64_t *packed, uint64_t *header) {
    uint64_t *const numbers[] = {size, packed, header};
    const unsigned char *from = NULL;
    size_t left = 0;
    for (size_t at = 0; length - at >= 4 && !from; at += 4 + two(extra + at + 2)) {
        const size_t field = two(extra + at + 2);
        if (field > length - at - 4)
            break;
        if (two(extra + at) == WIDE) {
            from = extra + at + 4;
            left = field;
        }
    }
    for (size_t k = 0; k < 3; k++) {
        if (*numbers[k] != UINT32_MAX)
            continue;
        if (left < 8)
            return false;
        *numbers[k] = eight(from);
        from += 8;
        left -= 8;
    }
    return true;
}

/* Reads the line at `line`; *used is how long it is. False when it does not fit. */
static bool take_line(const unsigned char *line, size_t left, struct tleg_zip_member *member, size_t *used) {
    if (left < LINE || memcmp(line, "PK\1\2", 4) != 0)
        return false;
    const size_t name = two(line + 28), extra = two(line + 30);
    *used = LINE + name + extra + two(line + 32);
    if (*used > left)
        return false;
    uint64_t packed = four(line + 20);
    *member = (struct tleg_zip_member){.name = (const char *)line + LINE,
                                       .length = name,
                                       .size = four(line + 24),
                                       .header = four(line + 42),
                                       .plain = two(line + 10) == 0 && (two(line + 8) & ENCRYPTED) == 0};
    if (!widen(line + LINE + name, extra, &member->size, &packed, &member->header))
        return false;
    member->packed = packed;
    return !member->plain || packed == member->size;
}

static int compare_names(const void *a, const void *b) {
    const struct tleg_zip_member *first = a, *second = b;
    const size_t shorter = first->length < second->length ? first->length : second->length;
    const int order = memcmp(first->name, second->name, shorter);
    return order ? order : (first->length > second->length) - (first->length < second->length);
}

static int compare_places(const void *a, const void *b) {
    const struct tleg_zip_member *first = a, *second = b;
    return (first->header > second->header) - (first->header < second->header);
}

static tleg_status bad_member(tleg_context *context, const struct tleg_file *file, const struct tleg_zip_member *member,
                              const char *what) {
    return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: archive member \"%.*s\": %s", file->label, (int)member->length,
                     member->name, what);
}

/* The header before a member's bytes says the same as the directory, and the bytes end before `end`, where the next begins. */
static tleg_status find_bytes(tleg_context *context, const struct tleg_file *file, struct tleg_zip_member *member,
                              uint64_t end) {
    unsigned char header[HEADER];
    if (member->header > end || HEADER > end - member->header)
        return bad_member(context, file, member, "it overlaps what comes after it");
    tleg_status status = tleg_zip_read(context, file, member->header, HEADER, header);
    if (status != TLEG_OK)
        return status;
    if (memcmp(header, "PK\3\4", 4) != 0 || two(header + 26) != member->length)
        return bad_member(context, file, member, "it does not lie where the directory says");
    const uint32_t sizes[2] = {four(header + 18), four(header + 22)};
    if (member->plain && !(two(header + 6) & DESCRIPTOR))
        for (int k = 0; k < 2; k++)
            if (sizes[k] != member->size && sizes[k] != UINT32_MAX)
                return bad_member(context, file, member, "its header and the directory give it different sizes");
    member->at = member->header + HEADER + member->length + two(header + 28);
    if (member->at > end || member->packed > end - member->at)
        return bad_member(context, file, member, "it overlaps what comes after it");
    return TLEG_OK;
}

static tleg_status check_members(tleg_context *context, const struct tleg_file *file, struct tleg_zip *zip, uint64_t end) {
    tleg_sort(zip->members, zip->count, sizeof *zip->members, compare_places);
    for (size_t i = zip->count; i-- > 0;) {
        const tleg_status status = find_bytes(context, file, &zip->members[i], end);
        if (status != TLEG_OK)
            return status;
        end = zip->members[i].header;
    }
    tleg_sort(zip->members, zip->count, sizeof *zip->members, compare_names);
    for (size_t i = 1; i < zip->count; i++)
        if (compare_names(&zip->members[i - 1], &zip->members[i]) == 0)
            return bad_member(context, file, &zip->members[i], "its name is there twice");
    return TLEG_OK;
}

static tleg_status read_lines(tleg_context *context, const struct tleg_file *file, const struct ending *ending,
                              struct tleg_zip *zip) {
    size_t at = 0, used = 0;
    for (; at < zip->directory_bytes && zip->count < ending->lines; at += used) {
        if (!take_line(zip->directory + at, zip->directory_bytes - at, &zip->members[zip->count], &used))
            return damaged(context, file, "a line of its directory is broken, or claims sizes that contradict each other");
        zip->count++;
    }
    if (at < zip->directory_bytes || zip->count < ending->lines)
        return damaged(context, file, "its directory does not have the lines that it claims");
    return check_members(context, file, zip, ending->at);
}

tleg_status tleg_zip_open(tleg_context *context, const struct tleg_file *file, struct tleg_zip *zip) {
    struct ending ending = {0};
    *zip = (struct tleg_zip){.allocator = file->allocator};
    tleg_status status = read_end(context, file, &ending);
    if (status != TLEG_OK)
        return status;
    zip->directory_bytes = (size_t)ending.bytes;
    zip->member_bytes = (size_t)ending.lines * sizeof *zip->members; /* less than twice the directory */
    zip->directory = tleg_alloc(&zip->allocator, zip->directory_bytes);
    zip->members = tleg_alloc(&zip->allocator, zip->member_bytes);
    if (!zip->directory || !zip->members)
        status = tleg_fail_memory(context, file->label, zip->directory_bytes + zip->member_bytes);
    if (status == TLEG_OK)
        status = tleg_zip_read(context, file, ending.at, zip->directory_bytes, zip->directory);
    if (status == TLEG_OK)
        status = read_lines(context, file, &ending, zip);
    if (status != TLEG_OK)
        tleg_zip_close(zip);
    return status;
}

void tleg_zip_close(struct tleg_zip *zip) {
    tleg_release(&zip->allocator, zip->directory, zip->directory_bytes);
    tleg_release(&zip->allocator, zip->members, zip->member_bytes);
    *zip = (struct tleg_zip){.allocator = zip->allocator};
}

const struct tleg_zip_member *tleg_zip_find(const struct tleg_zip *zip, const char *name, size_t length) {
    const struct tleg_zip_member wanted = {.name = name, .length = length};
    size_t low = 0, high = zip->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_names(&wanted, &zip->members[middle]);
        if (order == 0)
            return &zip->members[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
