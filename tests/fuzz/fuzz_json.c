/* Any text as JSON, as a file's header, as the schedule of a learngene, and as what it knows of depths. */
#include "config/learned.h"
#include "config/schedule.h"
#include "format/format.h"
#include "fuzz/target.h"

#include <stdlib.h>
#include <string.h>

/* Every token is walked over; an unescaped text is never longer than the escaped one. */
static void as_json(tleg_context *context, const char *text, size_t size) {
    struct tleg_json json;
    const tleg_status status = tleg_json_parse(context, "the input", text, size, &json);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    char *out = malloc(size + 1);
    fuzz_need(out != NULL && tleg_json_next(&json, 0) == json.count);
    for (size_t token = 0; token < json.count; token++) {
        int64_t value;
        tleg_json_integer(&json, token, &value);
        const size_t length = tleg_json_string(&json, token, out, size + 1);
        fuzz_need(length == SIZE_MAX || length == strlen(out));
        fuzz_need(tleg_json_next(&json, token) > token && tleg_json_size(&json, token) < json.count);
    }
    free(out);
    tleg_json_free(&json);
}

/* A schedule that is read can be written, and what is written is read as the same. */
static void as_schedule(tleg_context *context, const char *text) {
    struct tleg_schedule schedule, again;
    const tleg_status status = tleg_schedule_parse(context, "the input", text, &schedule);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    const size_t length = tleg_schedule_text(&schedule, NULL);
    char *first = malloc(length + 1), *second = malloc(length + 1);
    fuzz_need(first && second && tleg_schedule_text(&schedule, first) == length);
    fuzz_need(tleg_schedule_parse(context, "what was written", first, &again) == TLEG_OK);
    fuzz_need(tleg_schedule_text(&again, NULL) == length);
    tleg_schedule_text(&again, second);
    fuzz_need(strcmp(first, second) == 0);
    free(first);
    free(second);
    tleg_schedule_free(&again);
    tleg_schedule_free(&schedule);
}

/* What was written of the one is read as the same again. */
static void same_text(tleg_context *context, const struct tleg_learned *learned, bool scores, struct tleg_learned *again) {
    struct tleg_text text = {NULL, 0}, second = {NULL, 0};
    for (int pass = 0; pass < 2; pass++) {
        text.length = 0;
        if (scores)
            tleg_scores_text(&learned->scores, &text);
        else
            tleg_depths_text(learned->depths, learned->depth_count, &text);
        tleg_text_byte(&text, '\0');
        if (!text.out)
            text.out = malloc(text.length);
        fuzz_need(text.out != NULL);
    }
    fuzz_need((scores ? tleg_scores_parse : tleg_depths_parse)(context, "what was written", text.out, again) == TLEG_OK);
    second.out = malloc(text.length);
    fuzz_need(second.out != NULL);
    if (scores)
        tleg_scores_text(&again->scores, &second);
    else
        tleg_depths_text(again->depths, again->depth_count, &second);
    fuzz_need(second.length + 1 == text.length && memcmp(text.out, second.out, second.length) == 0);
    free(text.out);
    free(second.out);
}

static void as_learned(tleg_context *context, const char *text) {
    struct tleg_learned *learned = malloc(2 * sizeof *learned);
    fuzz_need(learned != NULL);
    tleg_status status = tleg_depths_parse(context, "the input", text, learned);
    fuzz_need_error(context, status);
    if (status == TLEG_OK)
        same_text(context, learned, false, learned + 1);
    status = tleg_scores_parse(context, "the input", text, learned);
    fuzz_need_error(context, status);
    if (status == TLEG_OK)
        same_text(context, learned, true, learned + 1);
    free(learned);
}

static void as_header(tleg_context *context, const uint8_t *data, size_t size) {
    size_t bytes;
    uint8_t *wrapped = fuzz_safetensors(data, size, &bytes);
    tleg_file *file;
    const tleg_status status = tleg_file_parse(context, wrapped, bytes, &file);
    fuzz_need_error(context, status);
    for (int64_t i = 0; i < tleg_file_get_tensor_count(file); i++) {
        tleg_tensor_info info = {.struct_size = sizeof info};
        fuzz_need(tleg_file_get_tensor_info(context, file, tleg_file_get_tensor_name(file, i), &info) == TLEG_OK);
    }
    tleg_file_free(file);
    free(wrapped);
}

int fuzz_input(const uint8_t *data, size_t size) {
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    char *text = malloc(size + 1);
    fuzz_need(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    as_json(context, size ? (const char *)data : "", size);
    as_schedule(context, text);
    as_learned(context, text);
    as_header(context, data, size);
    free(text);
    fuzz_end(context, &host);
    return 0;
}
