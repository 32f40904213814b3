/* Recordings: "tlegrec1", the length of the settings (u64), the settings (JSON), their checksum (u32); then for each batch its
 * logits (batch, classes) in f16 and their checksum. Little-endian; checksums are CRC-32. */
#include "recording.h"

#include "base/half.h"
#include "base/options.h"
#include "base/report.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 8, PREFIX = MAGIC + 8, CHECKSUM = 4, MOST_SETTINGS = 1 << 24, MOST_EPOCHS = 1000000 };
static const char magic[] = "tlegrec1";

struct recording {
    int file;
    char *path, *goal; /* goal: the name that the file gets when it is whole; NULL: it has it */
    json_t *settings;
    uint64_t start; /* of the first block */
    uint64_t epochs, places, blocks, done;
    size_t batch, classes;
    uint8_t *block; /* with its checksum */
    uint64_t held;  /* the block in there; UINT64_MAX: none */
    uint32_t remainders[256];
};

/* ---- numbers and bytes ---- */

/* CRC-32 as in zlib, PNG and Ethernet: reflected polynomial 0xEDB88320. */
static void make_remainders(uint32_t remainders[256]) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i;
        for (int bit = 0; bit < 8; bit++)
            r = r >> 1 ^ (r & 1 ? 0xEDB88320u : 0);
        remainders[i] = r;
    }
}

static uint32_t checksum(const struct recording *recording, const uint8_t *bytes, size_t size) {
    uint32_t r = UINT32_MAX;
    for (size_t i = 0; i < size; i++)
        r = r >> 8 ^ recording->remainders[(r ^ bytes[i]) & 255];
    return ~r;
}

static void put(uint8_t *bytes, uint64_t value, int count) {
    for (int i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *bytes, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

/* ---- the file ---- */

/* False, with the reason. */
__attribute__((format(printf, 3, 4))) static bool fail(const struct recording *recording, char error[RECORDING_ERROR],
                                                       const char *format, ...) {
    va_list values;
    int length = snprintf(error, RECORDING_ERROR, "%s: ", recording->path);
    va_start(values, format);
    if (length >= 0 && length < RECORDING_ERROR)
        vsnprintf(error + length, (size_t)(RECORDING_ERROR - length), format, values);
    va_end(values);
    return false;
}

/* Whether all bytes came; errno is 0 where the file ends before. */
static bool read_at(const struct recording *recording, uint64_t offset, uint8_t *bytes, size_t size) {
    while (size > 0) {
        errno = 0;
        ssize_t done = pread(recording->file, bytes, size, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        offset += (uint64_t)done;
        size -= (size_t)done;
    }
    return true;
}

static bool write_at(const struct recording *recording, uint64_t offset, const uint8_t *bytes, size_t size,
                     char error[RECORDING_ERROR]) {
    while (size > 0) {
        ssize_t done = pwrite(recording->file, bytes, size, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return fail(recording, error, "%s", strerror(errno));
        bytes += done;
        offset += (uint64_t)done;
        size -= (size_t)done;
    }
    return true;
}

static uint64_t file_size(const struct recording *recording) {
    struct stat is;
    return fstat(recording->file, &is) == 0 && is.st_size > 0 ? (uint64_t)is.st_size : 0;
}

/* ---- settings ---- */

/* A whole number of the settings within 1..most; 0: it is not there, or is another. */
static uint64_t count_of(const json_t *settings, const char *key, uint64_t most) {
    const json_t *value = json_object_get(settings, key);
    json_int_t count = json_is_integer(value) ? json_integer_value(value) : 0;
    return count > 0 && (uint64_t)count <= most ? (uint64_t)count : 0;
}

static size_t block_bytes(const struct recording *recording) {
    return recording->batch * recording->classes * 2 + CHECKSUM;
}

/* Sizes that follow from the settings; sums and products of them do not overflow. */
static bool take_sizes(struct recording *recording, char error[RECORDING_ERROR]) {
    const json_t *settings = recording->settings;
    uint64_t epochs = count_of(settings, "epochs", MOST_EPOCHS), batch = count_of(settings, "batch", MOST_BATCH);
    uint64_t places = count_of(settings, "places", INT64_MAX), classes = json_array_size(json_object_get(settings, "classes"));
    if (!epochs || !batch || !places || places % batch || !classes)
        return fail(recording, error,
                    "not a recording: its settings lack \"epochs\", \"batch\", \"places\" (a multiple of the batch) or "
                    "\"classes\" (a list)");
    if (classes > (SIZE_MAX / 4 - CHECKSUM) / 2 / batch ||
        places / batch > INT64_MAX / 4 / epochs / (batch * classes * 2 + CHECKSUM))
        return fail(recording, error, "its settings ask for more than 64 bits can count");
    recording->batch = (size_t)batch;
    recording->classes = (size_t)classes;
    recording->epochs = epochs;
    recording->places = places;
    recording->blocks = epochs * (places / batch);
    return true;
}

static bool read_settings(struct recording *recording, char error[RECORDING_ERROR]) {
    uint8_t prefix[PREFIX];
    json_error_t reason;
    const bool begins = read_at(recording, 0, prefix, MAGIC) && memcmp(prefix, magic, MAGIC) == 0;
    if (!begins)
        return fail(recording, error, "not a recording: it does not begin with \"%s\"", magic);
    if (!read_at(recording, 0, prefix, sizeof prefix))
        return fail(recording, error, "the file is cut short: it ends before its settings");
    uint64_t length = get(prefix + MAGIC, 8);
    if (length == 0 || length > MOST_SETTINGS || length > file_size(recording))
        return fail(recording, error, "its settings are said to take %" PRIu64 " bytes; the file is cut short or damaged",
                    length);
    uint8_t *text = malloc((size_t)length + CHECKSUM);
    if (!text)
        return fail(recording, error, "out of memory");
    bool whole = read_at(recording, PREFIX, text, (size_t)length + CHECKSUM) &&
                 get(text + length, CHECKSUM) == checksum(recording, text, (size_t)length);
    if (whole)
        recording->settings = json_loadb((const char *)text, (size_t)length, JSON_REJECT_DUPLICATES, &reason);
    free(text);
    if (!whole)
        return fail(recording, error, "the checksum of its settings fails: the file is damaged");
    if (!json_is_object(recording->settings))
        return fail(recording, error, "its settings are not a JSON object");
    recording->start = PREFIX + length + CHECKSUM;
    return true;
}

static bool write_settings(struct recording *recording, char error[RECORDING_ERROR]) {
    char *text = report_dump(recording->settings);
    size_t length = text ? strlen(text) : 0;
    uint8_t *bytes = text ? malloc(PREFIX + length + CHECKSUM) : NULL;
    bool done = bytes != NULL;
    if (done) {
        memcpy(bytes, magic, MAGIC);
        put(bytes + MAGIC, length, 8);
        memcpy(bytes + PREFIX, text, length);
        put(bytes + PREFIX + length, checksum(recording, (const uint8_t *)text, length), CHECKSUM);
        recording->start = PREFIX + length + CHECKSUM;
        done = write_at(recording, 0, bytes, (size_t)recording->start, error);
    } else {
        fail(recording, error, "out of memory");
    }
    free(bytes);
    free(text);
    return done;
}

/* ---- blocks ---- */

static bool make_room(struct recording *recording, char error[RECORDING_ERROR]) {
    const size_t bytes = block_bytes(recording);
    if (!recording->block && bytes > 0) /* which it is, of sizes that were checked */
        recording->block = malloc(bytes);
    return recording->block || fail(recording, error, "out of memory");
}

static uint64_t offset_of(const struct recording *recording, uint64_t block) {
    return recording->start + block * block_bytes(recording);
}

/* Reads a block, whose bytes must be those that were written. */
static bool hold(struct recording *recording, uint64_t block, char error[RECORDING_ERROR]) {
    size_t bytes = block_bytes(recording) - CHECKSUM;
    if (recording->held == block)
        return true;
    recording->held = UINT64_MAX;
    if (!make_room(recording, error))
        return false;
    if (!read_at(recording, offset_of(recording, block), recording->block, bytes + CHECKSUM))
        return fail(recording, error, "cannot read batch %" PRIu64 " of %" PRIu64 ": %s", block + 1, recording->blocks,
                    errno ? strerror(errno) : "the file is cut short");
    if (get(recording->block + bytes, CHECKSUM) != checksum(recording, recording->block, bytes))
        return fail(recording, error, "the checksum of batch %" PRIu64 " of %" PRIu64 " fails: the file is damaged", block + 1,
                    recording->blocks);
    recording->held = block;
    return true;
}

/* Counts the blocks from the first on that are there, unharmed. */
static void find_done(struct recording *recording, char error[RECORDING_ERROR]) {
    uint64_t size = file_size(recording),
             held = size > recording->start ? (size - recording->start) / block_bytes(recording) : 0;
    if (held > recording->blocks)
        held = recording->blocks;
    while (recording->done < held && hold(recording, recording->done, error))
        recording->done++;
}

/* ---- opening and closing ---- */

static struct recording *make(const char *path, bool part, char error[RECORDING_ERROR]) {
    struct recording *recording = calloc(1, sizeof *recording);
    size_t length = strlen(path) + sizeof ".part";
    if (recording) {
        recording->file = -1;
        recording->held = UINT64_MAX;
        recording->path = malloc(length);
        recording->goal = part ? strdup(path) : NULL;
        make_remainders(recording->remainders);
    }
    if (!recording || !recording->path || (part && !recording->goal)) {
        recording_close(recording);
        snprintf(error, RECORDING_ERROR, "%s: out of memory", path);
        return NULL;
    }
    snprintf(recording->path, length, "%s%s", path, part ? ".part" : "");
    return recording;
}

/* NULL where it did not go well. */
static struct recording *keep_if(struct recording *recording, bool whole) {
    if (whole)
        return recording;
    recording_close(recording);
    return NULL;
}

static bool open_file(struct recording *recording, int flags, char error[RECORDING_ERROR]) {
    recording->file = open(recording->path, flags | O_CLOEXEC, 0666);
    return recording->file >= 0 || fail(recording, error, "%s", strerror(errno));
}

/* Opens a file to write to, which nobody else does. */
static bool open_part(struct recording *recording, int flags, char error[RECORDING_ERROR]) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!open_file(recording, O_RDWR | flags, error))
        return false;
    if (fcntl(recording->file, F_SETLK, &whole) == 0 ||
        (errno != EACCES && errno != EAGAIN)) /* not every file system has locks */
        return true;
    return fail(recording, error, "another process is writing it");
}

struct recording *recording_create(const char *path, const json_t *settings, char error[RECORDING_ERROR]) {
    struct recording *recording = make(path, true, error);
    if (!recording)
        return NULL;
    recording->settings = json_deep_copy(settings);
    bool whole = recording->settings || fail(recording, error, "out of memory");
    whole = whole && take_sizes(recording, error) && open_part(recording, O_CREAT, error);
    if (whole && ftruncate(recording->file, 0) != 0)
        whole = fail(recording, error, "%s", strerror(errno));
    const bool opened = whole;
    whole = whole && write_settings(recording, error);
    if (opened && !whole)
        unlink(recording->path); /* a beginning that nobody could go on from */
    return keep_if(recording, whole);
}

struct recording *recording_continue(const char *path, char error[RECORDING_ERROR]) {
    struct recording *recording = make(path, true, error);
    if (!recording)
        return NULL;
    bool whole = open_part(recording, 0, error) && read_settings(recording, error) && take_sizes(recording, error);
    if (whole)
        find_done(recording, error);
    return keep_if(recording, whole);
}

static bool check_whole(struct recording *recording, char error[RECORDING_ERROR]) {
    uint64_t expected = offset_of(recording, recording->blocks), size = file_size(recording);
    if (size != expected)
        return fail(recording, error, "expected %" PRIu64 " bytes, found %" PRIu64 ": %s", expected, size,
                    size < expected ? "the recording is cut short" : "something was written after its end");
    find_done(recording, error);
    return recording->done == recording->blocks;
}

struct recording *recording_open(const char *path, char error[RECORDING_ERROR]) {
    struct recording *recording = make(path, false, error);
    if (!recording)
        return NULL;
    bool whole = open_file(recording, O_RDONLY, error) && read_settings(recording, error) && take_sizes(recording, error);
    return keep_if(recording, whole && check_whole(recording, error));
}

void recording_close(struct recording *recording) {
    if (!recording)
        return;
    if (recording->file >= 0)
        close(recording->file);
    json_decref(recording->settings);
    free(recording->path);
    free(recording->goal);
    free(recording->block);
    free(recording);
}

const json_t *recording_settings(const struct recording *recording) {
    return recording->settings;
}

uint64_t recording_epochs(const struct recording *recording) {
    return recording->epochs;
}

uint64_t recording_blocks(const struct recording *recording) {
    return recording->blocks;
}

uint64_t recording_bytes(const struct recording *recording) {
    return offset_of(recording, recording->blocks);
}

uint64_t recording_done(const struct recording *recording) {
    return recording->done;
}

/* ---- reading and writing ---- */

static uint64_t block_of(const struct recording *recording, uint64_t epoch, uint64_t place) {
    return epoch * (recording->places / recording->batch) + place / recording->batch;
}

bool recording_holds(const struct recording *recording, uint64_t epoch, uint64_t place, size_t count) {
    return epoch < recording->epochs && count > 0 && count <= recording->places && place <= recording->places - count &&
           block_of(recording, epoch, place + count - 1) < recording->done;
}

bool recording_read(struct recording *recording, uint64_t epoch, uint64_t place, size_t count, float *logits,
                    char error[RECORDING_ERROR]) {
    if (!recording_holds(recording, epoch, place, count))
        return fail(recording, error, "does not hold %zu pictures from %" PRIu64 " on of epoch %" PRIu64, count, place, epoch);
    for (size_t i = 0; i < count; i++, place++) {
        if (!hold(recording, block_of(recording, epoch, place), error))
            return false;
        const uint8_t *row = recording->block + (size_t)(place % recording->batch) * recording->classes * 2;
        for (size_t c = 0; c < recording->classes; c++)
            logits[i * recording->classes + c] = half_value((uint16_t)get(row + 2 * c, 2));
    }
    return true;
}

/* Rounds logits, in place and into the block. */
static bool round_logits(struct recording *recording, float *logits, char error[RECORDING_ERROR]) {
    for (size_t i = 0; i < recording->batch * recording->classes; i++) {
        uint16_t half = half_of(logits[i]);
        float value = half_value(half);
        if (!isfinite(value))
            return fail(recording, error, "the teacher said %g, which f16 does not hold (largest: 65504)", (double)logits[i]);
        logits[i] = value;
        put(recording->block + 2 * i, half, 2);
    }
    return true;
}

bool recording_finish(struct recording *recording, char error[RECORDING_ERROR]) {
    if (!recording->goal || recording->done < recording->blocks)
        return true;
    if (ftruncate(recording->file, (off_t)offset_of(recording, recording->blocks)) != 0)
        return fail(recording, error, "%s", strerror(errno));
    if (!recording_keep(recording, error))
        return false;
    if (rename(recording->path, recording->goal) != 0)
        return fail(recording, error, "cannot be named %s: %s", recording->goal, strerror(errno));
    free(recording->path);
    recording->path = recording->goal;
    recording->goal = NULL;
    return true;
}

bool recording_append(struct recording *recording, uint64_t epoch, uint64_t place, float *logits, char error[RECORDING_ERROR]) {
    size_t bytes = block_bytes(recording) - CHECKSUM;
    uint64_t block = block_of(recording, epoch, place);
    recording->held = UINT64_MAX;
    if (block != recording->done || block >= recording->blocks)
        return fail(recording, error, "batch %" PRIu64 " of %" PRIu64 " comes next, not batch %" PRIu64, recording->done + 1,
                    recording->blocks, block + 1);
    if (!make_room(recording, error) || !round_logits(recording, logits, error))
        return false;
    put(recording->block + bytes, checksum(recording, recording->block, bytes), CHECKSUM);
    if (!write_at(recording, offset_of(recording, recording->done), recording->block, bytes + CHECKSUM, error))
        return false;
    recording->held = recording->done++;
    return recording_finish(recording, error);
}

bool recording_copy(struct recording *recording, struct recording *whole, char error[RECORDING_ERROR]) {
    bool good = true;
    for (uint64_t block = 0; good && block < whole->done; block++)
        good = hold(whole, block, error) &&
               write_at(recording, offset_of(recording, block), whole->block, block_bytes(whole), error);
    recording->done = good ? whole->done : 0;
    return good && recording_keep(recording, error);
}

bool recording_keep(struct recording *recording, char error[RECORDING_ERROR]) {
    return fsync(recording->file) == 0 || fail(recording, error, "%s", strerror(errno));
}
