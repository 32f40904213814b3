/* Recordings of a teacher: what is written comes back, and nothing else is taken for one. Compiled with
 * tools/training/recording.c. */
#include "support/support.h"

#include "training/recording.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EPOCHS = 3,
    PLACES = 12,
    BATCH = 4,
    CLASSES = 5,
    BLOCKS = EPOCHS * PLACES / BATCH,
    BLOCK_BYTES = BATCH * CLASSES * 2 + 4
};
static char error[RECORDING_ERROR];

static json_t *settings_of(json_int_t epochs, json_int_t places, json_int_t batch, json_int_t classes) {
    json_t *settings =
        json_pack("{sI,sI,sI,s[],sf}", "epochs", epochs, "places", places, "batch", batch, "classes", "mixup", 0.8);
    assert_non_null(settings);
    for (json_int_t i = 0; i < classes; i++)
        json_array_append_new(json_object_get(settings, "classes"), json_sprintf("class %d", (int)i));
    return settings;
}

/* Exact in f16, and another number at each place. */
static float logit(size_t picture, size_t class) {
    return (float)(picture * CLASSES + class) / 8 - 10;
}

static void append(struct recording *recording, size_t block) {
    float logits[BATCH * CLASSES];
    for (size_t i = 0; i < BATCH * CLASSES; i++)
        logits[i] = logit(block * BATCH + i / CLASSES, i % CLASSES);
    size_t place = block * BATCH;
    assert_true(recording_append(recording, place / PLACES, place % PLACES, logits, error));
}

static struct recording *start(const char *path) {
    json_t *settings = settings_of(EPOCHS, PLACES, BATCH, CLASSES);
    struct recording *recording = recording_create(path, settings, error);
    json_decref(settings);
    assert_non_null(recording);
    return recording;
}

static const char *part_of(const char *path) {
    static char name[4096];
    snprintf(name, sizeof name, "%s.part", path);
    return name;
}

static const char *fresh(const char *name) {
    const char *path = support_scratch(name);
    unlink(path);
    unlink(part_of(path));
    return path;
}

static const char *write_whole(const char *name) {
    const char *path = fresh(name);
    struct recording *recording = start(path);
    for (size_t i = 0; i < BLOCKS; i++)
        append(recording, i);
    recording_close(recording);
    return path;
}

static void holds_what_was_written(struct recording *recording, size_t epoch, size_t place, size_t count) {
    float logits[PLACES * CLASSES];
    assert_true(recording_holds(recording, epoch, place, count));
    assert_true(recording_read(recording, epoch, place, count, logits, error));
    for (size_t i = 0; i < count * CLASSES; i++)
        assert_true(logits[i] == logit(epoch * PLACES + place + i / CLASSES, i % CLASSES));
}

static void store(const char *path, const unsigned char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void refuses(const char *path, const char *why) {
    struct recording *recording = recording_open(path, error);
    assert_null(recording);
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, why));
}

/* ---- what is written comes back ---- */

static void any_pictures_in_a_row_are_read_whatever_their_batches(void **state) {
    (void)state;
    struct recording *recording = recording_open(write_whole("whole"), error);
    assert_non_null(recording);
    for (size_t epoch = 0; epoch < EPOCHS; epoch++)
        for (size_t place = 0; place < PLACES; place++)
            for (size_t count = 1; count <= PLACES - place; count++)
                holds_what_was_written(recording, epoch, place, count);
    assert_int_equal(json_integer_value(json_object_get(recording_settings(recording), "places")), PLACES);
    assert_true(json_real_value(json_object_get(recording_settings(recording), "mixup")) == 0.8);
    recording_close(recording);
}

static void what_is_not_there_is_not_read(void **state) {
    (void)state;
    float logits[PLACES * CLASSES];
    static const uint64_t wrong[][3] = {{EPOCHS, 0, 1},     {0, PLACES, 1},     {0, PLACES - 1, 2},
                                        {0, 0, PLACES + 1}, {UINT64_MAX, 0, 1}, {0, 0, 0},
                                        {0, UINT64_MAX, 1}, {0, 1, SIZE_MAX},   {UINT64_MAX / 3 + 1, 0, 1}};
    struct recording *recording = recording_open(write_whole("whole"), error);
    assert_non_null(recording);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(recording_holds(recording, wrong[i][0], wrong[i][1], (size_t)wrong[i][2]));
        assert_false(recording_read(recording, wrong[i][0], wrong[i][1], (size_t)wrong[i][2], logits, error));
    }
    recording_close(recording);
}

static void logits_are_rounded_in_place_to_what_the_file_holds(void **state) {
    (void)state;
    float logits[BATCH * CLASSES] = {1.0f / 3, -1e-9f, 65504, 2049}, back[BATCH * CLASSES];
    struct recording *recording = start(fresh("rounded"));
    assert_true(recording_append(recording, 0, 0, logits, error));
    assert_true(logits[0] == 0x1.554p-2f && logits[1] == 0 && logits[2] == 65504 && logits[3] == 2048);
    assert_true(recording_read(recording, 0, 0, BATCH, back, error));
    assert_memory_equal(logits, back, sizeof back);
    recording_close(recording);
}

static void a_number_that_f16_does_not_hold_is_refused_and_nothing_is_written(void **state) {
    (void)state;
    static const float wrong[] = {65520, -1e9f, INFINITY, NAN};
    struct recording *recording = start(fresh("wrong"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        float logits[BATCH * CLASSES] = {0};
        logits[BATCH * CLASSES - 1] = wrong[i];
        assert_false(recording_append(recording, 0, 0, logits, error));
        assert_non_null(strstr(error, "which f16 does not hold"));
        assert_int_equal(recording_done(recording), 0);
    }
    append(recording, 0);
    holds_what_was_written(recording, 0, 0, BATCH);
    recording_close(recording);
}

/* ---- a recording in progress ---- */

static void a_recording_has_its_name_only_when_it_is_whole(void **state) {
    (void)state;
    const char *path = fresh("name");
    struct recording *recording = start(path);
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_int_equal(recording_done(recording), i);
        assert_int_not_equal(access(path, F_OK), 0);
        append(recording, i);
        holds_what_was_written(recording, i * BATCH / PLACES, i * BATCH % PLACES, BATCH);
    }
    assert_int_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(part_of(path), F_OK), 0);
    float logits[BATCH * CLASSES] = {0};
    assert_false(recording_append(recording, EPOCHS, 0, logits, error));
    recording_close(recording);
}

static void batches_come_in_their_order(void **state) {
    (void)state;
    float logits[BATCH * CLASSES] = {0};
    struct recording *recording = start(fresh("order"));
    append(recording, 0);
    assert_false(recording_append(recording, 0, 0, logits, error));
    assert_false(recording_append(recording, 0, 2 * BATCH, logits, error));
    assert_non_null(strstr(error, "batch 2 of 9 comes next, not batch 3"));
    assert_false(recording_append(recording, 1, 0, logits, error));
    append(recording, 1);
    recording_close(recording);
}

/* Cut anywhere after its settings, it goes on from the last batch that is whole, and ends with the same bytes. */
static void a_recording_that_was_cut_off_goes_on(void **state) {
    (void)state;
    size_t size, first = 0;
    const char *path = write_whole("cut");
    unsigned char *bytes = support_read_file(path, &size);
    first = size - BLOCKS * BLOCK_BYTES;
    for (size_t end = first; end < size; end += 17) {
        unlink(path);
        store(part_of(path), bytes, end);
        struct recording *recording = recording_continue(path, error);
        assert_non_null(recording);
        assert_int_equal(recording_done(recording), (end - first) / BLOCK_BYTES);
        for (size_t i = recording_done(recording); i < BLOCKS; i++)
            append(recording, i);
        recording_close(recording);
        size_t again;
        unsigned char *other = support_read_file(path, &again);
        assert_int_equal(again, size);
        assert_memory_equal(other, bytes, size);
        free(other);
    }
    free(bytes);
}

static void a_damaged_batch_in_progress_is_recorded_anew(void **state) {
    (void)state;
    size_t size;
    const char *path = write_whole("mend");
    unsigned char *bytes = support_read_file(path, &size);
    bytes[size - 4 * BLOCK_BYTES - 7] ^= 1;
    store(part_of(path), bytes, size);
    unlink(path);
    struct recording *recording = recording_continue(path, error);
    assert_non_null(recording);
    assert_int_equal(recording_done(recording), BLOCKS - 5);
    for (size_t i = BLOCKS - 5; i < BLOCKS; i++)
        append(recording, i);
    recording_close(recording);
    recording = recording_open(path, error);
    assert_non_null(recording);
    recording_close(recording);
    free(bytes);
}

/* ---- what is not a recording ---- */

static void a_recording_of_another_length_is_refused(void **state) {
    (void)state;
    size_t size;
    const char *path = write_whole("length");
    unsigned char *bytes = support_read_file(path, &size);
    unsigned char *longer = realloc(bytes, size + 1);
    assert_non_null(longer);
    longer[size] = 0;
    for (size_t length = 0; length < size; length++) {
        store(path, longer, length);
        assert_null(recording_open(path, error));
    }
    refuses(path, "the recording is cut short");
    store(path, longer, size + 1);
    refuses(path, "something was written after its end");
    free(longer);
}

static void a_flipped_bit_anywhere_is_found(void **state) {
    (void)state;
    size_t size;
    const char *path = write_whole("bits");
    unsigned char *bytes = support_read_file(path, &size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (unsigned char)(1u << i % 8);
        store(path, bytes, size);
        assert_null(recording_open(path, error));
        assert_non_null(strstr(error, path));
        bytes[i] ^= (unsigned char)(1u << i % 8);
    }
    free(bytes);
}

static void a_recording_that_changes_while_it_is_read_is_found_out(void **state) {
    (void)state;
    size_t size;
    float logits[BATCH * CLASSES];
    const char *path = write_whole("changes");
    struct recording *recording = recording_open(path, error);
    assert_non_null(recording);
    unsigned char *bytes = support_read_file(path, &size);
    bytes[size - BLOCKS * BLOCK_BYTES] ^= 1;
    store(path, bytes, size);
    assert_false(recording_read(recording, 0, 0, BATCH, logits, error));
    assert_non_null(strstr(error, "the checksum of batch 1 of 9 fails"));
    recording_close(recording);
    free(bytes);
}

static void settings_that_say_no_sizes_are_refused(void **state) {
    (void)state;
    const json_int_t most = INT64_MAX;
    const json_int_t wrong[][4] = {{0, 4, 4, 2},         {1, 0, 4, 2},          {1, 4, 0, 2},           {1, 4, 4, 0},
                                   {1, 5, 4, 2},         {-1, 4, 4, 2},         {1, -4, 4, 2},          {1000001, 4, 4, 2},
                                   {1, 65537, 65537, 2}, {1000000, most, 1, 2}, {1, most - 7, 65536, 9}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *path = fresh("sizes");
        json_t *settings = settings_of(wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3]);
        assert_null(recording_create(path, settings, error));
        assert_non_null(strstr(error, "its settings"));
        assert_int_not_equal(access(part_of(path), F_OK), 0);
        json_decref(settings);
    }
}

static void a_path_that_cannot_be_opened_is_refused_with_the_systems_reason(void **state) {
    (void)state;
    refuses(fresh("not there"), "No such file");
    json_t *settings = settings_of(1, 1, 1, 1);
    assert_null(recording_create(TLEG_FIXTURES "/no/such/folder", settings, error));
    assert_non_null(strstr(error, "No such file"));
    assert_null(recording_continue(fresh("not there"), error));
    assert_non_null(strstr(error, "No such file"));
    json_decref(settings);
    recording_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pictures_in_a_row_are_read_whatever_their_batches),
        cmocka_unit_test(what_is_not_there_is_not_read),
        cmocka_unit_test(logits_are_rounded_in_place_to_what_the_file_holds),
        cmocka_unit_test(a_number_that_f16_does_not_hold_is_refused_and_nothing_is_written),
        cmocka_unit_test(a_recording_has_its_name_only_when_it_is_whole),
        cmocka_unit_test(batches_come_in_their_order),
        cmocka_unit_test(a_recording_that_was_cut_off_goes_on),
        cmocka_unit_test(a_damaged_batch_in_progress_is_recorded_anew),
        cmocka_unit_test(a_recording_of_another_length_is_refused),
        cmocka_unit_test(a_flipped_bit_anywhere_is_found),
        cmocka_unit_test(a_recording_that_changes_while_it_is_read_is_found_out),
        cmocka_unit_test(settings_that_say_no_sizes_are_refused),
        cmocka_unit_test(a_path_that_cannot_be_opened_is_refused_with_the_systems_reason),
    };
    return cmocka_run_group_tests_name("recording", tests, NULL, support_clean);
}
