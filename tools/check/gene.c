/* The learngenes of `tleg check`: expanded, and run in every way that must give the same bits. */
#include "check.h"

#include "base/memory_file.h"
#include "pictures/prepare.h"
#include "source/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 5 };
static const int32_t dtypes[CHECK_DTYPES] = {TLEG_F32, TLEG_BF16, TLEG_F16};

static size_t answer_count(const struct check_gene *gene) {
    return CHECK_IMAGES * gene->answer;
}

static size_t image_numbers(const struct check_gene *gene) {
    return prepare_numbers(&gene->config);
}

static tleg_status expander_of(tleg_context *context, const struct check_gene *gene, int32_t dtype, tleg_expander **expander) {
    tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtype};
    return tleg_expander_create(context, gene->gene, &options, expander);
}

static tleg_status expand(tleg_context *context, const struct check_gene *gene, int32_t dtype, tleg_model **model) {
    tleg_expander *expander = NULL;
    tleg_status status = expander_of(context, gene, dtype, &expander);
    if (status == TLEG_OK)
        status = tleg_expander_expand(context, expander, DEPTH, model);
    tleg_expander_free(expander);
    return status;
}

/* The answers of a session. One of model and expander is NULL here and below. */
static int classify(const struct invocation *call, tleg_context *context, const struct check_gene *gene,
                    const tleg_model *model, const tleg_expander *expander, int32_t batch) {
    tleg_session *session = NULL;
    tleg_session_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_status status = model ? tleg_session_create(context, model, &options, &session)
                               : tleg_session_create_elastic(context, expander, DEPTH, &options, &session);
    int code = status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, context);
    if (status == TLEG_OK && source_run(session, gene->images, CHECK_IMAGES, gene->answers, NULL) != TLEG_OK)
        code = tool_fail(call, "%s", tleg_session_get_error(session));
    tleg_session_free(session);
    return code;
}

/* Those of a generator, asked at the first time and the last. */
static int find_noise(const struct invocation *call, tleg_context *context, const struct check_gene *gene,
                      const tleg_model *model, const tleg_expander *expander, int32_t batch) {
    static const int64_t times[CHECK_IMAGES] = {0, 500, 999}, labels[CHECK_IMAGES] = {0, 3, 7};
    tleg_generator *generator = NULL;
    const tleg_generator_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_status status = model ? tleg_generator_create(context, model, &options, &generator)
                               : tleg_generator_create_elastic(context, expander, DEPTH, &options, &generator);
    int code = status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, context);
    if (status == TLEG_OK && tleg_generator_run(generator, CHECK_IMAGES, gene->images, CHECK_IMAGES * image_numbers(gene),
                                                times, labels, gene->answers, answer_count(gene)) != TLEG_OK)
        code = tool_fail(call, "%s", tleg_generator_get_error(generator));
    tleg_generator_free(generator);
    return code;
}

/* Answers to all images into gene->answers. */
static int answer(const struct invocation *call, tleg_context *context, const struct check_gene *gene, const tleg_model *model,
                  const tleg_expander *expander, int32_t batch) {
    return source_draws(&gene->config) ? find_noise(call, context, gene, model, expander, batch)
                                       : classify(call, context, gene, model, expander, batch);
}

/* ---- a generator's numbers ----
 * A fresh one modulates nothing and tells no noise, so that whatever it computed would be right: all its tensors are filled. */

enum { TENSORS = 64, PAIRS = 32 };
struct contents { /* of a file, for tleg_file_write */
    int64_t tensors, pairs;
    const char *names[TENSORS], *keys_and_values[2 * PAIRS];
    tleg_tensor *tensor[TENSORS];
};

static tleg_status fill_tensors(tleg_context *context, const tleg_file *file, struct contents *contents) {
    const char *name, *key;
    for (int64_t i = 0; i < TENSORS && (name = tleg_file_get_tensor_name(file, i)) != NULL; i++) {
        tleg_tensor_info info = {.struct_size = sizeof info};
        tleg_status status = tleg_file_read_tensor(context, file, name, &contents->tensor[i]);
        contents->tensors = i + 1;
        contents->names[i] = name;
        if (status == TLEG_OK)
            status = tleg_tensor_get_info(context, contents->tensor[i], &info);
        if (status != TLEG_OK)
            return status;
        const float width = info.rank > 1 ? (float)info.shape[info.rank - 1] : 16;
        check_fill(info.data, info.bytes / sizeof(float), (uint32_t)i + 1, 1.7F / sqrtf(width), 0);
    }
    for (; contents->pairs < PAIRS && (key = tleg_file_get_metadata_key(file, contents->pairs)) != NULL; contents->pairs++) {
        contents->keys_and_values[2 * contents->pairs] = key;
        contents->keys_and_values[2 * contents->pairs + 1] = tleg_file_get_metadata(file, key);
    }
    return TLEG_OK;
}

static tleg_status fill_gene(tleg_context *context, const tleg_learngene *fresh, tleg_learngene **gene) {
    struct memory_file before = {0}, after = {0};
    struct contents contents = {0};
    tleg_file *file = NULL;
    tleg_status status = tleg_learngene_write(context, fresh, memory_file_append, &before, NULL);
    if (status == TLEG_OK)
        status = memory_file_open(context, &before, "a generator", &file);
    if (status == TLEG_OK)
        status = fill_tensors(context, file, &contents);
    const tleg_save_options saving = {
        .struct_size = sizeof saving, .pairs = contents.pairs, .keys_and_values = contents.keys_and_values};
    if (status == TLEG_OK)
        status = tleg_file_write(context, memory_file_append, &after, contents.tensors, contents.names,
                                 (const tleg_tensor *const *)contents.tensor, &saving);
    if (status == TLEG_OK)
        status = tleg_learngene_parse(context, after.data, after.size, NULL, gene);
    for (int64_t i = 0; i < contents.tensors; i++)
        tleg_tensor_free(contents.tensor[i]);
    tleg_file_free(file);
    free(before.data);
    free(after.data);
    return status;
}

static tleg_status make_gene(tleg_context *context, struct check_gene *gene) {
    tleg_learngene *fresh = NULL;
    tleg_status status = tleg_learngene_create(context, &gene->config, 1, &fresh);
    if (status != TLEG_OK || !source_draws(&gene->config)) {
        gene->gene = fresh;
        return status;
    }
    status = fill_gene(context, fresh, &gene->gene);
    tleg_learngene_free(fresh);
    return status;
}

/* ---- both ---- */

/* Of shapes that are no multiples of what kernels work in. */
static const tleg_config classifier = {.struct_size = sizeof classifier,
                                       .image_size = 48,
                                       .channels = 3,
                                       .patch_size = 6,
                                       .dim = 144,
                                       .heads = 3,
                                       .classes = 21,
                                       .class_token = 1,
                                       .distillation_token = 1};
static const tleg_config drawer = {.struct_size = sizeof drawer,
                                   .kind = TLEG_KIND_DIT,
                                   .image_size = 18,
                                   .channels = 5,
                                   .patch_size = 2,
                                   .dim = 108,
                                   .heads = 3,
                                   .classes = 7,
                                   .learned_sigma = 1};

int check_gene_create(const struct invocation *call, tleg_context *context, bool draws, struct check_gene *gene) {
    *gene = (struct check_gene){.config = draws ? drawer : classifier};
    gene->answer = draws ? 2 * image_numbers(gene) : (size_t)classifier.classes;
    gene->images = malloc(CHECK_IMAGES * image_numbers(gene) * sizeof *gene->images);
    gene->answers = malloc(answer_count(gene) * sizeof *gene->answers);
    gene->first = malloc(answer_count(gene) * sizeof *gene->first);
    gene->expected = malloc(answer_count(gene) * sizeof *gene->expected);
    if (!gene->images || !gene->answers || !gene->first || !gene->expected)
        return tool_fail_memory(call);
    check_fill(gene->images, CHECK_IMAGES * image_numbers(gene), 99, 2, 0);
    tleg_status status = make_gene(context, gene);
    for (int i = 0; i < CHECK_DTYPES && status == TLEG_OK; i++)
        status = expand(context, gene, dtypes[i], &gene->models[i]);
    if (status != TLEG_OK)
        return tool_fail_context(call, context);
    int code = answer(call, context, gene, gene->models[0], NULL, 1);
    for (size_t i = 0; code == EXIT_DONE && i < answer_count(gene); i++)
        gene->expected[i] = (double)gene->answers[i];
    return code;
}

static tleg_status same_tensor(tleg_context *context, const tleg_model *left, const tleg_model *right, const char *name,
                               bool *same) {
    tleg_tensor *a = NULL, *b = NULL;
    tleg_tensor_info of_a = {.struct_size = sizeof of_a}, of_b = {.struct_size = sizeof of_b};
    tleg_status status = tleg_model_copy_tensor(context, left, name, &a);
    if (status == TLEG_OK)
        status = tleg_model_copy_tensor(context, right, name, &b);
    if (status == TLEG_OK)
        status = tleg_tensor_get_info(context, a, &of_a);
    if (status == TLEG_OK)
        status = tleg_tensor_get_info(context, b, &of_b);
    if (status == TLEG_OK)
        *same &= of_a.bytes == of_b.bytes && memcmp(of_a.data, of_b.data, of_a.bytes) == 0;
    tleg_tensor_free(a);
    tleg_tensor_free(b);
    return status;
}

static tleg_status compare_expansion(tleg_context *context, const struct check_gene *gene, const tleg_model *model, int dtype,
                                     bool *same) {
    const char *name;
    tleg_status status = TLEG_OK;
    for (int64_t i = 0; status == TLEG_OK && (name = tleg_model_get_tensor_name(model, i)) != NULL; i++)
        status = same_tensor(context, gene->models[dtype], model, name, same);
    return status;
}

/* The f32 model at every thread count, batch and way of running: the first answer against the portable level's, the others
 * against the first, bit by bit. */
static int compare_answers(const struct invocation *call, tleg_context *const *contexts, int count, struct check_gene *gene,
                           const tleg_model *model, struct check_verdict *verdict) {
    tleg_expander *expander = NULL;
    size_t bytes = answer_count(gene) * sizeof *gene->first;
    if (expander_of(contexts[0], gene, TLEG_F32, &expander) != TLEG_OK)
        return tool_fail_context(call, contexts[0]);
    int code = answer(call, contexts[0], gene, model, NULL, 1);
    memcpy(gene->first, gene->answers, bytes);
    verdict->difference = fmax(verdict->difference, check_difference(gene->first, gene->expected, answer_count(gene)));
    for (int way = 0; way < 4 * count && code == EXIT_DONE; way++) {
        bool elastic = way & 1;
        code = answer(call, contexts[way / 4], gene, elastic ? NULL : model, elastic ? expander : NULL,
                      way & 2 ? CHECK_IMAGES : 1);
        verdict->same_bits &= memcmp(gene->first, gene->answers, bytes) == 0;
    }
    tleg_expander_free(expander);
    return code;
}

int check_gene_compare(const struct invocation *call, tleg_context *const *contexts, int count, struct check_gene *gene,
                       struct check_verdict *verdict) {
    int code = EXIT_DONE;
    for (int i = 0; i < CHECK_DTYPES && code == EXIT_DONE; i++) {
        tleg_model *model = NULL;
        if (expand(contexts[0], gene, dtypes[i], &model) != TLEG_OK ||
            compare_expansion(contexts[0], gene, model, i, &verdict->expansion) != TLEG_OK)
            code = tool_fail_context(call, contexts[0]);
        else if (dtypes[i] == TLEG_F32)
            code = compare_answers(call, contexts, count, gene, model, verdict);
        tleg_model_free(model);
    }
    return code;
}

void check_gene_free(struct check_gene *gene) {
    for (int i = 0; i < CHECK_DTYPES; i++)
        tleg_model_free(gene->models[i]);
    tleg_learngene_free(gene->gene);
    free(gene->images);
    free(gene->answers);
    free(gene->first);
    free(gene->expected);
}
