/* A learngene from a file or from memory: each tensor is read straight into its place. */
#include "learngene/gene.h"

tleg_status tleg_gene_numbers(tleg_context *context, const tleg_learngene *gene, const struct tleg_gene_tensor *tensor,
                              size_t first, size_t count, float *room, const float **numbers) {
    *numbers = room;
    if (gene->file)
        return tleg_file_read_part(context, gene->file, tleg_file_find(gene->file, tensor->spec.name), first, count, room);
    *numbers = tensor->data + first;
    return tleg_work_step(context, count * sizeof(float));
}

/* A file, and the pixels of its images, which may be others than the learngene's. */
struct origin {
    const tleg_file *file;
    struct tleg_extent pixels;
    tleg_position_filter filter;
};

static tleg_status read_numbers(tleg_context *context, const struct origin *from, const tleg_learngene *gene) {
    const bool resized = !tleg_extent_same(from->pixels, tleg_config_pixels(&gene->config.c));
    tleg_status status = TLEG_OK;
    for (int64_t k = 0; status == TLEG_OK && k < gene->tensor_count; k++) { /* all there: tleg_config_read has looked */
        const struct tleg_gene_tensor *tensor = &gene->tensors[k];
        status = resized && tensor == gene->outer[TLEG_SLOT_POS_EMBED]
                     ? tleg_read_resampled(context, from->file, from->pixels, from->filter, &gene->config.c, tensor->data)
                     : tleg_file_read_f32(context, from->file, tleg_file_find(from->file, tensor->spec.name), tensor->data);
    }
    return status;
}

tleg_status tleg_gene_no_dtype(tleg_context *context, const tleg_open_options *how) {
    return how->dtype == 0 ? TLEG_OK
                           : tleg_fail(context, TLEG_ERROR_ARGUMENT,
                                       "tleg_open_options.dtype: expected 0 for a learngene, whose models are asked by "
                                       "tleg_expander_options.dtype, found %d",
                                       (int)how->dtype);
}

static tleg_status read_bare(tleg_context *context, const tleg_file *file, const tleg_open_options *asked,
                             tleg_learngene **out) {
    struct tleg_vit_config config;
    tleg_status status = tleg_gene_no_dtype(context, asked);
    if (status != TLEG_OK)
        return status;
    status = tleg_config_read(context, file, asked, true, &config);
    const struct origin from = {file, tleg_config_pixels(&config.c), asked->position_filter};
    if (status == TLEG_OK)
        status = tleg_config_take_pictures(context, asked->pictures, &config);
    if (status != TLEG_OK) {
        tleg_config_free(&config);
        return status;
    }
    tleg_learngene *gene = NULL;
    status = tleg_learngene_make(context, &config, NULL, &gene);
    if (status == TLEG_OK)
        status = tleg_work_begin(context, "open", tleg_file_bytes(file));
    if (status == TLEG_OK)
        status = read_numbers(context, &from, gene);
    status = tleg_work_end(context, status);
    if (status != TLEG_OK) {
        tleg_learngene_free(gene);
        return status;
    }
    *out = gene;
    return TLEG_OK;
}

static tleg_status read_gene(tleg_context *context, const tleg_file *file, const tleg_open_options *asked,
                             tleg_learngene **gene) {
    tleg_file *bare;
    tleg_status status = tleg_config_unwrap(context, file, &bare);
    if (status == TLEG_OK)
        status = read_bare(context, bare, asked, gene);
    tleg_file_free(bare);
    return status;
}

tleg_status TLEG_CALL tleg_learngene_read(tleg_context *context, const tleg_file *file, const tleg_open_options *options,
                                          tleg_learngene **gene) {
    if (gene)
        *gene = NULL;
    if (!context || !file || !gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_read: a pointer is NULL");
    tleg_open_options own;
    tleg_status status = tleg_own_options_read(context, options, TLEG_FROM_FILE, &own);
    return status == TLEG_OK ? read_gene(context, file, &own, gene) : status;
}

tleg_status TLEG_CALL tleg_learngene_open(tleg_context *context, const char *path, const tleg_open_options *options,
                                          tleg_learngene **gene) {
    if (gene)
        *gene = NULL;
    if (!context || !path || !gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_open: a pointer is NULL");
    tleg_open_options own;
    tleg_file *file = NULL;
    tleg_status status = tleg_own_options_read(context, options, TLEG_FROM_PATH, &own);
    if (status == TLEG_OK)
        status = tleg_file_open_path(context, path, &own, &file);
    if (status == TLEG_OK)
        status = read_gene(context, file, &own, gene);
    tleg_file_free(file);
    return status;
}

tleg_status TLEG_CALL tleg_learngene_parse(tleg_context *context, const void *data, size_t size,
                                           const tleg_open_options *options, tleg_learngene **gene) {
    if (gene)
        *gene = NULL;
    if (!context || !data || !gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_parse: a pointer is NULL");
    tleg_open_options own;
    tleg_file *file = NULL;
    tleg_status status = tleg_own_options_read(context, options, TLEG_FROM_MEMORY, &own);
    if (status == TLEG_OK)
        status = tleg_file_open_memory(context, data, size, &own, &file);
    if (status == TLEG_OK)
        status = read_gene(context, file, &own, gene);
    tleg_file_free(file);
    return status;
}
