/* The learngene of `tleg check`: expanded, and run in every way that must give the same bits. */
#include "check.h"
#include "source/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 5 };
static const int32_t dtypes[CHECK_DTYPES] = {TLEG_F32, TLEG_BF16, TLEG_F16};

static size_t logit_count(const struct check_gene *gene) {
    return (size_t)CHECK_IMAGES * (size_t)gene->config.classes;
}

static size_t image_numbers(const struct check_gene *gene) {
    return (size_t)gene->config.channels * (size_t)gene->config.image_size * (size_t)gene->config.image_size;
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

/* Answers to all images into gene->logits; one of model and expander is NULL. */
static int answer(const struct invocation *call, tleg_context *context, const struct check_gene *gene, const tleg_model *model,
                  const tleg_expander *expander, int32_t batch) {
    tleg_session *session = NULL;
    tleg_session_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_status status = model ? tleg_session_create(context, model, &options, &session)
                               : tleg_session_create_elastic(context, expander, DEPTH, &options, &session);
    int code = status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, context);
    if (status == TLEG_OK && source_run(session, gene->images, CHECK_IMAGES, gene->logits, NULL) != TLEG_OK)
        code = tool_fail(call, "%s", tleg_session_get_error(session));
    tleg_session_free(session);
    return code;
}

int check_gene_create(const struct invocation *call, tleg_context *context, struct check_gene *gene) {
    tleg_config config = {.struct_size = sizeof config,
                          .image_size = 48,
                          .channels = 3,
                          .patch_size = 6,
                          .dim = 144,
                          .heads = 3,
                          .classes = 21,
                          .class_token = 1,
                          .distillation_token = 1};
    *gene = (struct check_gene){.config = config};
    gene->images = malloc(CHECK_IMAGES * image_numbers(gene) * sizeof *gene->images);
    gene->logits = malloc(logit_count(gene) * sizeof *gene->logits);
    gene->first = malloc(logit_count(gene) * sizeof *gene->first);
    gene->expected = malloc(logit_count(gene) * sizeof *gene->expected);
    if (!gene->images || !gene->logits || !gene->first || !gene->expected)
        return tool_fail_memory(call);
    check_fill(gene->images, CHECK_IMAGES * image_numbers(gene), 99, 2, 0);
    tleg_status status = tleg_learngene_create(context, &config, 1, &gene->gene);
    for (int i = 0; i < CHECK_DTYPES && status == TLEG_OK; i++)
        status = expand(context, gene, dtypes[i], &gene->models[i]);
    if (status != TLEG_OK)
        return tool_fail_context(call, context);
    int code = answer(call, context, gene, gene->models[0], NULL, 1);
    for (size_t i = 0; code == EXIT_DONE && i < logit_count(gene); i++)
        gene->expected[i] = (double)gene->logits[i];
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
    size_t bytes = logit_count(gene) * sizeof *gene->first;
    if (expander_of(contexts[0], gene, TLEG_F32, &expander) != TLEG_OK)
        return tool_fail_context(call, contexts[0]);
    int code = answer(call, contexts[0], gene, model, NULL, 1);
    memcpy(gene->first, gene->logits, bytes);
    verdict->difference = fmax(verdict->difference, check_difference(gene->first, gene->expected, logit_count(gene)));
    for (int way = 0; way < 4 * count && code == EXIT_DONE; way++) {
        bool elastic = way & 1;
        code = answer(call, contexts[way / 4], gene, elastic ? NULL : model, elastic ? expander : NULL,
                      way & 2 ? CHECK_IMAGES : 1);
        verdict->same_bits &= memcmp(gene->first, gene->logits, bytes) == 0;
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
    free(gene->logits);
    free(gene->first);
    free(gene->expected);
}
