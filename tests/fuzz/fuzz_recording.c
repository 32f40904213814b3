/* Any bytes as a recording of a teacher. Bytes that begin with '{' are its settings alone, up to a '%', and what has been
 * recorded: magic, length and checksum go around the settings; then the recording goes on to its end, and must read back as it
 * was written. */
#include "fuzz/target.h"
#include "training/recording.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NUMBERS = 4096, MOST_BLOCKS = 64 };
static char folder[64], path[96], part[128], error[RECORDING_ERROR];

static void remove_files(void) {
    unlink(path);
    unlink(part);
    rmdir(folder);
}

static void make_paths(void) {
    if (folder[0])
        return;
    snprintf(folder, sizeof folder, "%s/tleg-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    fuzz_need(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/recording", folder);
    snprintf(part, sizeof part, "%s.part", path);
    atexit(remove_files);
}

/* CRC-32, a bit at a time. */
static uint32_t checksum(const uint8_t *bytes, size_t size) {
    uint32_t r = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        r ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            r = r >> 1 ^ (r & 1 ? 0xEDB88320u : 0);
    }
    return ~r;
}

static void write_number(FILE *file, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        putc((int)(value >> 8 * i & 255), file);
}

static void write_file(const char *name, const uint8_t *data, size_t size) {
    FILE *file = fopen(name, "wb");
    const uint8_t *stop = size > 0 && data[0] == '{' ? memchr(data, '%', size) : NULL;
    fuzz_need(file != NULL);
    if (stop) {
        size_t length = (size_t)(stop - data);
        fwrite("tlegrec1", 1, 8, file);
        write_number(file, length, 8);
        fwrite(data, 1, length, file);
        write_number(file, checksum(data, length), 4);
        size -= length + 1;
        data = stop + 1;
    }
    fuzz_need(fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

/* What an opened recording says of itself. */
struct sizes {
    uint64_t places, epochs, batch, classes;
};

static struct sizes sizes_of(const struct recording *recording) {
    const json_t *settings = recording_settings(recording);
    return (struct sizes){.places = (uint64_t)json_integer_value(json_object_get(settings, "places")),
                          .epochs = (uint64_t)json_integer_value(json_object_get(settings, "epochs")),
                          .batch = (uint64_t)json_integer_value(json_object_get(settings, "batch")),
                          .classes = json_array_size(json_object_get(settings, "classes"))};
}

/* All that is there can be read, twice alike; what is not there cannot. */
static void read_done(struct recording *recording) {
    static float once[MOST_NUMBERS], twice[MOST_NUMBERS];
    const struct sizes sizes = sizes_of(recording);
    const uint64_t done = recording_done(recording), each = sizes.places / sizes.batch;
    const size_t count = (size_t)sizes.batch, numbers = count * (size_t)sizes.classes;
    fuzz_need(done <= recording_blocks(recording) && recording_blocks(recording) == sizes.epochs * each);
    if (numbers > MOST_NUMBERS)
        return;
    for (uint64_t i = 0; i < done && i < MOST_BLOCKS; i++) {
        const uint64_t epoch = i / each, place = i % each * sizes.batch;
        fuzz_need(recording_holds(recording, epoch, place, count));
        fuzz_need(recording_read(recording, epoch, place, count, once, error));
        for (size_t k = 0; k < count; k++)
            fuzz_need(recording_read(recording, epoch, place + k, 1, twice + k * sizes.classes, error));
        fuzz_need(memcmp(once, twice, numbers * sizeof *once) == 0);
    }
    fuzz_need(!recording_read(recording, done / each, done % each * sizes.batch, count, once, error));
}

static void open_whole(void) {
    struct recording *recording = recording_open(path, error);
    fuzz_need(recording || error[0]);
    if (!recording)
        return;
    fuzz_need(recording_done(recording) == recording_blocks(recording));
    read_done(recording);
    recording_close(recording);
}

/* Records the rest, where that is little. Whether it is whole then. */
static bool go_on(struct recording *recording, const uint8_t *data, size_t size) {
    static float logits[MOST_NUMBERS], back[MOST_NUMBERS];
    const struct sizes sizes = sizes_of(recording);
    const uint64_t blocks = recording_blocks(recording), each = sizes.places / sizes.batch;
    const uint64_t numbers = sizes.batch * sizes.classes;
    if (blocks > MOST_BLOCKS || numbers > MOST_NUMBERS)
        return false;
    for (uint64_t i = recording_done(recording); i < blocks; i++) {
        for (size_t k = 0; k < numbers; k++)
            logits[k] = (float)data[(i + k) % size] * 3.7f - 300;
        fuzz_need(recording_append(recording, i / each, i % each * sizes.batch, logits, error));
        fuzz_need(recording_read(recording, i / each, i % each * sizes.batch, (size_t)sizes.batch, back, error));
        fuzz_need(memcmp(logits, back, (size_t)numbers * sizeof *logits) == 0);
    }
    return true;
}

static void take_up(const uint8_t *data, size_t size) {
    struct recording *recording = recording_continue(path, error);
    fuzz_need(recording || error[0]);
    if (!recording)
        return;
    read_done(recording);
    const bool rest = recording_done(recording) < recording_blocks(recording), whole = go_on(recording, data, size);
    recording_close(recording);
    if (!rest || !whole)
        return;
    recording = recording_open(path, error);
    fuzz_need(recording != NULL);
    recording_close(recording);
}

int fuzz_input(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    make_paths();
    write_file(path, data, size);
    open_whole();
    unlink(path);
    write_file(part, data, size);
    take_up(data, size);
    unlink(part);
    return 0;
}
