#include "scores.h"

#include "base/digest.h"
#include "base/place.h"
#include "depths.h"
#include "draft.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *scores_json(const tleg_scores *scores) {
    if (!scores)
        return json_null();
    struct report report = report_start();
    json_t *depths = json_array(), *values = json_array();
    report_text(&report, "on", scores->on);
    report_integer(&report, "images", scores->images);
    for (int32_t k = 0; k < scores->count; k++) {
        report.whole &= json_array_append_new(depths, json_integer(scores->depths[k])) == 0;
        report.whole &= json_array_append_new(values, json_real(scores->scores[k])) == 0;
    }
    report_add(&report, "depths", depths);
    report_add(&report, "scores", values);
    return report_member(&report);
}

/* ---- two tables in one ---- */

struct table {
    tleg_scores scores;
    int32_t depths[TLEG_MAX_DEPTH];
    double shares[TLEG_MAX_DEPTH];
};

static void add(struct table *table, const tleg_scores *from, int32_t k) {
    table->depths[table->scores.count] = from->depths[k];
    table->shares[table->scores.count++] = from->scores[k];
}

/* By depth; where both know one, that of `scores`. */
static void merge(struct table *table, const tleg_scores *former, const tleg_scores *scores) {
    int32_t old = 0, new = 0;
    table->scores = *scores;
    table->scores.count = 0;
    table->scores.depths = table->depths;
    table->scores.scores = table->shares;
    while (old < former->count || new < scores->count) {
        if (new == scores->count || (old < former->count && former->depths[old] < scores->depths[new])) {
            add(table, former, old++);
            continue;
        }
        old += old < former->count && former->depths[old] == scores->depths[new];
        add(table, scores, new ++);
    }
}

/* ---- the file ---- */

/* All of the file, but with these scores. */
static tleg_status fill(tleg_context *context, const tleg_file *file, const char *scores, struct draft *draft) {
    const char *key, *name;
    tleg_status status = TLEG_OK;
    for (int64_t i = 0; (key = tleg_file_get_metadata_key(file, i)) != NULL; i++)
        if (strcmp(key, "tleg.scores") != 0)
            draft_put_pair(draft, key, tleg_file_get_metadata(file, key));
    draft_put_pair(draft, "tleg.scores", scores);
    for (int64_t i = 0; status == TLEG_OK && (name = tleg_file_get_tensor_name(file, i)) != NULL; i++)
        status = draft_put_tensor(context, draft, file, name);
    return status;
}

static int rewrite(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file,
                   const char *scores) {
    struct draft draft;
    int code = draft_make(file, &draft) ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && fill(context, file, scores, &draft) != TLEG_OK)
        code = tool_fail_context(call, context);
    const tleg_save_options options = draft_options(&draft);
    if (code == EXIT_DONE &&
        tleg_file_save(context, path, draft.count, draft.names, (const tleg_tensor *const *)draft.tensors, &options) != TLEG_OK)
        code = tool_fail_context(call, context);
    draft_free(&draft);
    return code;
}

/* What a file begins with tells its kind: a zip archive, as PyTorch's are; JSON, which only names the files that hold tensors;
 * or the length of a header and then JSON, as safetensors files have. */
static int check_form(const struct invocation *call, const char *path) {
    unsigned char first[9] = {0};
    FILE *file = fopen(path, "rb");
    const size_t count = file ? fread(first, 1, sizeof first, file) : 0;
    if (file)
        fclose(file);
    if (first[0] == '{' && first[7] != 0)
        return tool_fail(call, "%s: an index of several files has no place for scores", path);
    if (memcmp(first, "PK\3\4", 4) == 0)
        return tool_fail(call, "%s: a PyTorch file has no place for scores: tleg convert writes one that has", path);
    if (count < sizeof first || first[8] != '{')
        return tool_fail(call, "%s: not a safetensors file, which has a place for scores: tleg convert writes one", path);
    return EXIT_DONE;
}

/* The file is written again, with all that is in it. */
static int check_tensors(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    const char *name;
    for (int64_t i = 0; (name = tleg_file_get_tensor_name(file, i)) != NULL; i++) {
        if (tleg_file_get_tensor_info(context, file, name, &info) != TLEG_OK)
            return tool_fail_context(call, context);
        if (info.dtype == 0)
            return tool_fail(call,
                             "%s: scores cannot be written beside \"%s\", whose type tleg does not know: tleg convert "
                             "writes a file without it",
                             path, name);
    }
    return EXIT_DONE;
}

int scores_prepare(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file) {
    int code = check_form(call, path);
    if (code == EXIT_DONE)
        code = check_tensors(call, context, path, file);
    return code == EXIT_DONE ? place_take(call, "--write-scores", path) : code;
}

/* ---- what was scored ---- */

tleg_status scores_digest(tleg_context *context, const tleg_file *file, uint64_t *digest) {
    const tleg_config nothing = {.struct_size = sizeof nothing}; /* the metadata say it */
    const char *key;
    *digest = DIGEST_START;
    for (int64_t i = 0; (key = tleg_file_get_metadata_key(file, i)) != NULL; i++)
        *digest = digest_text(digest_text(*digest, key), tleg_file_get_metadata(file, key));
    return source_digest(context, file, &nothing, digest);
}

/* ---- what they were found on ---- */

enum { DATA_TEXT = 17 };

/* What the file says of its scores' data; "": nothing, as where a training wrote them. */
static void read_data(const tleg_file *file, char data[DATA_TEXT]) {
    const char *text = tleg_file_get_metadata(file, "tleg.scores");
    json_t *object = text ? json_loads(text, 0, NULL) : NULL;
    const char *found = json_string_value(json_object_get(object, "data"));
    snprintf(data, DATA_TEXT, "%s", found ? found : "");
    json_decref(object);
}

/* By what the pictures hold; by their name and number where that is not said. */
static bool is_of_same(const struct invocation *call, const char *path, const char *data, const char *former_data,
                       const tleg_scores *former, const tleg_scores *scores) {
    const bool alike = former->images == scores->images && strcmp(former->on, scores->on) == 0;
    if (!*former_data && alike)
        tool_note(call, "the former scores of %s, on as many images of the same name, are taken to be of the same", path);
    return *former_data ? strcmp(former_data, data) == 0 && alike : alike;
}

static char *write_text(const struct tleg_scores *scores, const char *data) {
    json_t *object = scores_json(scores);
    char *text = !*data || json_object_set_new(object, "data", json_string(data)) == 0
                     ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17))
                     : NULL;
    json_decref(object);
    return text;
}

/* While pictures were scored another program may have put another file at the path. */
static int check_file(const struct invocation *call, tleg_context *context, const tleg_file *file,
                      const struct scored *scored) {
    uint64_t digest;
    if (scores_digest(context, file, &digest) != TLEG_OK)
        return tool_fail_context(call, context);
    return digest == scored->file
               ? EXIT_DONE
               : tool_fail(call, "%s is another file than when its scoring began: these scores are not put into it",
                           scored->path);
}

static int merge_and_write(const struct invocation *call, tleg_context *context, const tleg_file *file,
                           const struct scored *scored) {
    const tleg_scores none = {0}, *former = scored->former, *scores = scored->scores;
    struct table table;
    char data[DATA_TEXT], former_data[DATA_TEXT];
    snprintf(data, sizeof data, "%016" PRIx64, scored->data);
    read_data(file, former_data);
    const bool same = former && is_of_same(call, scored->path, data, former_data, former, scores);
    if (former && !same)
        tool_note(call, "the former scores of %s, on %s, are replaced", scored->path,
                  strcmp(former->on, scores->on) == 0 ? "other images"
                  : *former->on                       ? former->on
                                                      : "data without a name");
    merge(&table, same ? former : &none, scores);
    if (same && !*former_data && table.scores.count > scores->count) /* what is left of the former is of nobody knows what */
        *data = '\0';
    char *text = write_text(&table.scores, data);
    const int code = text ? rewrite(call, context, scored->path, file, text) : tool_fail_memory(call);
    free(text);
    return code;
}

int scores_write(const struct invocation *call, tleg_context *context, const struct scored *scored) {
    tleg_file *file = NULL;
    if (tleg_file_open(context, scored->path, NULL, &file) != TLEG_OK)
        return tool_fail_context(call, context);
    int code = check_file(call, context, file, scored);
    if (code == EXIT_DONE)
        code = merge_and_write(call, context, file, scored);
    tleg_file_free(file);
    return code;
}
