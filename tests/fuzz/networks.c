/* What the targets that open networks do alike (networks.h). */
#include "fuzz/networks.h"
#include "fuzz/target.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is saved is read as the same ---- */

typedef tleg_status (*tensor_of)(tleg_context *context, const void *handle, const char *name, tleg_tensor **tensor);

static tleg_status gene_tensor(tleg_context *context, const void *handle, const char *name, tleg_tensor **tensor) {
    return tleg_learngene_copy_tensor(context, handle, name, tensor);
}

static tleg_status model_tensor(tleg_context *context, const void *handle, const char *name, tleg_tensor **tensor) {
    return tleg_model_copy_tensor(context, handle, name, tensor);
}

/* A copy of a tensor; of one handle, or the same of two. */
static void compare_tensor(tleg_context *context, tensor_of get, const void *one, const void *other, const char *name) {
    tleg_tensor *tensors[2] = {NULL, NULL};
    tleg_tensor_info info[2] = {{.struct_size = sizeof *info}, {.struct_size = sizeof *info}};
    tleg_status status = get(context, one, name, &tensors[0]);
    if (status == TLEG_OK && other)
        status = get(context, other, name, &tensors[1]);
    fuzz_need_error(context, status);
    for (int i = 0; i < 2 && tensors[i]; i++)
        fuzz_need(tleg_tensor_get_info(context, tensors[i], &info[i]) == TLEG_OK);
    if (tensors[1])
        fuzz_need(info[0].dtype == info[1].dtype && info[0].bytes == info[1].bytes &&
                  memcmp(info[0].data, info[1].data, (size_t)info[0].bytes) == 0);
    tleg_tensor_free(tensors[0]);
    tleg_tensor_free(tensors[1]);
}

static void compare_config(const tleg_config *one, const tleg_config *other) {
    fuzz_need(one->kind == other->kind && one->channels == other->channels && one->mlp == other->mlp);
    fuzz_need(one->learned_sigma == other->learned_sigma && one->no_null_label == other->no_null_label);
    fuzz_need(one->image_size == other->image_size && one->patch_size == other->patch_size && one->dim == other->dim);
    fuzz_need(one->heads == other->heads && one->hidden == other->hidden && one->classes == other->classes);
    fuzz_need(one->depth == other->depth && one->class_token == other->class_token &&
              one->distillation_token == other->distillation_token && one->pool == other->pool);
    fuzz_need(one->norm == other->norm && one->no_qkv_bias == other->no_qkv_bias && one->dtype == other->dtype);
    fuzz_need(one->image_width == other->image_width && one->patch_width == other->patch_width);
    fuzz_need(one->qk_norm == other->qk_norm && one->pixel_norm == other->pixel_norm);
    fuzz_need(one->representation == other->representation && one->attention_dim == other->attention_dim);
    fuzz_need(one->eps == other->eps && one->crop == other->crop && one->label_count == other->label_count);
    fuzz_need(memcmp(one->mean, other->mean, sizeof one->mean) == 0 && memcmp(one->std, other->std, sizeof one->std) == 0);
    fuzz_need(strcmp(one->schedule, other->schedule) == 0 && other->ignored_count == 0);
    for (int32_t i = 0; i < one->label_count; i++)
        fuzz_need(strcmp(one->labels[i], other->labels[i]) == 0);
}

void fuzz_save_gene(tleg_context *context, const tleg_learngene *gene, const tleg_config *config) {
    tleg_learngene *again = NULL;
    tleg_config found = {.struct_size = sizeof found};
    tleg_status status = tleg_learngene_save(context, gene, fuzz_scratch(), NULL);
    if (status == TLEG_OK)
        status = tleg_learngene_open(context, fuzz_scratch(), NULL, &again);
    fuzz_need(status == TLEG_OK || status == TLEG_ERROR_MEMORY);
    if (!again)
        return;
    fuzz_need(tleg_learngene_get_info(context, again, &found) == TLEG_OK);
    compare_config(config, &found);
    const char *name;
    for (int64_t i = 0; (name = tleg_learngene_get_tensor_name(gene, i)) != NULL; i++)
        compare_tensor(context, gene_tensor, gene, again, name);
    tleg_learngene_free(again);
}

void fuzz_save_model(tleg_context *context, const tleg_model *model, const tleg_config *config) {
    tleg_model *again = NULL;
    tleg_config found = {.struct_size = sizeof found};
    tleg_status status = tleg_model_save(context, model, fuzz_scratch(), NULL);
    if (status == TLEG_OK)
        status = tleg_model_open(context, fuzz_scratch(), NULL, &again);
    fuzz_need(status == TLEG_OK || status == TLEG_ERROR_MEMORY);
    if (!again)
        return;
    fuzz_need(tleg_model_get_info(context, again, &found) == TLEG_OK);
    compare_config(config, &found);
    const char *name;
    for (int64_t i = 0; (name = tleg_model_get_tensor_name(model, i)) != NULL; i++)
        compare_tensor(context, model_tensor, model, again, name);
    tleg_model_free(again);
}

/* ---- a list as both ---- */

/* `refused`: which allocation gets nothing. */
static void open_both(fuzz_open *as_gene, fuzz_open *as_model, const uint8_t *bytes, size_t size, size_t refused) {
    struct fuzz_host host = {.refused = refused};
    tleg_context *context = fuzz_begin(&host);
    as_gene(context, bytes, size);
    as_model(context, bytes, size);
    fuzz_end(context, &host);
}

void fuzz_networks(const uint8_t *data, size_t size, fuzz_open *as_gene, fuzz_open *as_model) {
    if (size == 0)
        return;
    size_t bytes;
    uint8_t *file = fuzz_listing(data, size, &bytes);
    open_both(as_gene, as_model, file, bytes, 0);
    open_both(as_gene, as_model, file, bytes, size % 61 + 1);
    free(file);
}
