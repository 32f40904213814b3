/* The learngene handle: its memory, its tensors by name, and its file. */
#include "image/picture.h"
#include "learngene/gene.h"
#include "vit/weights/weights.h"
#include <string.h>

/* ---- memory: descriptions of the tensors, segments, then all numbers, each piece on a multiple of 64 ---- */

struct layout {
    tleg_learngene *gene;
    int64_t tensors; /* seen so far */
    size_t numbers;  /* bytes of numbers so far */
    char *data;      /* NULL: the numbers stay in a file */
};

static tleg_status measure_tensor(void *arg, const struct tleg_gene_place *place, const struct tleg_spec *spec) {
    (void)place;
    struct layout *layout = arg;
    layout->tensors++;
    tleg_place(&layout->numbers, tleg_spec_count(spec), sizeof(float));
    layout->gene->config.c.parameters += tleg_spec_count(spec);
    return TLEG_OK;
}

/* Where the handle keeps the pointer to a tensor; of a segment's to the first alone. */
static const struct tleg_gene_tensor **find_slot(tleg_learngene *gene, const struct tleg_gene_place *place) {
    if (place->slot != TLEG_SLOT_NONE)
        return &gene->outer[place->slot];
    struct tleg_segment *segment = &gene->segments[place->site][place->segment];
    return place->bias ? &segment->bias : &segment->weight;
}

static tleg_status place_tensor(void *arg, const struct tleg_gene_place *place, const struct tleg_spec *spec) {
    struct layout *layout = arg;
    struct tleg_gene_tensor *tensor = &layout->gene->tensors[layout->tensors++];
    tensor->spec = *spec;
    tensor->place = *place;
    tensor->count = tleg_spec_count(spec);
    size_t at = tleg_place(&layout->numbers, tensor->count, sizeof(float));
    tensor->data = layout->data ? (float *)(void *)(layout->data + at) : NULL;
    if (place->tensor == 0)
        *find_slot(layout->gene, place) = tensor;
    return TLEG_OK;
}

static void place_segments(tleg_learngene *gene, const struct tleg_schedule *schedule, struct tleg_segment *segment) {
    for (int site = 0; site < TLEG_SITES; site++) {
        gene->segments[site] = segment;
        gene->segment_count[site] = schedule->count[site];
        for (int32_t k = 0; k < schedule->count[site]; k++, segment++) {
            const struct tleg_span *span = &schedule->spans[site][k];
            *segment = (struct tleg_segment){
                .layers = span->layers ? span->layers : 1, .curve = span->curve, .tensors = tleg_span_tensors(span)};
        }
    }
}

static tleg_status place_all(tleg_context *context, tleg_learngene *gene, const struct tleg_schedule *schedule) {
    struct layout layout = {.gene = gene};
    gene->config.c.parameters = 0;
    tleg_gene_each(&gene->config.c, schedule, measure_tensor, &layout);
    size_t segments = 0, bytes = 0;
    for (int site = 0; site < TLEG_SITES; site++)
        segments += (size_t)schedule->count[site];
    const size_t tensors_at = tleg_place(&bytes, (size_t)layout.tensors, sizeof(struct tleg_gene_tensor));
    const size_t segments_at = tleg_place(&bytes, segments, sizeof(struct tleg_segment));
    const size_t data_at = tleg_place(&bytes, gene->file ? 0 : layout.numbers, 1);
    gene->memory = bytes == SIZE_MAX ? NULL : tleg_alloc(&gene->allocator, bytes);
    if (!gene->memory)
        return tleg_fail_memory(context, "a learngene", bytes);
    char *memory = gene->memory;
    gene->bytes = bytes;
    gene->tensors = (struct tleg_gene_tensor *)(void *)(memory + tensors_at);
    gene->tensor_count = layout.tensors;
    place_segments(gene, schedule, (struct tleg_segment *)(void *)(memory + segments_at));
    layout = (struct layout){.gene = gene, .data = gene->file ? NULL : memory + data_at};
    return tleg_gene_each(&gene->config.c, schedule, place_tensor, &layout);
}

tleg_status tleg_learngene_make(tleg_context *context, struct tleg_vit_config *config, const tleg_file *file,
                                tleg_learngene **out) {
    tleg_learngene *gene = tleg_alloc_zero(&context->allocator, sizeof *gene);
    if (!gene) {
        tleg_config_free(config);
        return tleg_fail_memory(context, "a learngene", sizeof *gene);
    }
    gene->allocator = context->allocator;
    gene->config = *config;
    gene->file = file;
    memset(config, 0, sizeof *config);
    struct tleg_schedule schedule;
    tleg_status status = tleg_schedule_parse(context, "schedule", gene->config.c.schedule, &schedule);
    if (status == TLEG_OK)
        status = place_all(context, gene, &schedule);
    tleg_schedule_free(&schedule);
    if (status != TLEG_OK) {
        tleg_learngene_free(gene);
        return status;
    }
    *out = gene;
    return TLEG_OK;
}

void TLEG_CALL tleg_learngene_free(tleg_learngene *gene) {
    if (!gene)
        return;
    const struct tleg_allocator allocator = gene->allocator;
    tleg_release(&allocator, gene->memory, gene->bytes);
    tleg_config_free(&gene->config);
    tleg_release(&allocator, gene, sizeof *gene);
}

/* ---- what is in it ---- */

TLEG_API tleg_status TLEG_CALL tleg_learngene_copy_preparation(tleg_context *context, const tleg_learngene *gene,
                                                               tleg_preparation **preparation) {
    if (preparation)
        *preparation = NULL;
    if (!context || !gene || !preparation)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_copy_preparation: a pointer is NULL");
    return tleg_preparation_of(context, &gene->config.c, preparation);
}

tleg_status TLEG_CALL tleg_learngene_get_info(tleg_context *context, const tleg_learngene *gene, tleg_config *config) {
    if (!gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_get_info: gene is NULL");
    return tleg_info_write(context, "tleg_config", &gene->config.c, sizeof gene->config.c, config, TLEG_LEAST_CONFIG);
}

const char *TLEG_CALL tleg_learngene_get_tensor_name(const tleg_learngene *gene, int64_t index) {
    return gene && index >= 0 && index < gene->tensor_count ? gene->tensors[index].spec.name : NULL;
}

static const struct tleg_gene_tensor *find_tensor(const tleg_learngene *gene, const char *name) {
    for (int64_t k = 0; k < gene->tensor_count; k++)
        if (strcmp(gene->tensors[k].spec.name, name) == 0)
            return &gene->tensors[k];
    return NULL;
}

int64_t TLEG_CALL tleg_learngene_get_tensor_count(const tleg_learngene *gene) {
    return gene ? gene->tensor_count : 0;
}

tleg_status TLEG_CALL tleg_learngene_get_tensor_info(tleg_context *context, const tleg_learngene *gene, const char *name,
                                                     tleg_tensor_info *info) {
    if (!gene || !name || !info)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_get_tensor_info: a pointer is NULL");
    const struct tleg_gene_tensor *found = find_tensor(gene, name);
    if (!found)
        return tleg_fail(context, TLEG_ERROR_NOT_FOUND, "this learngene has no tensor \"%s\"", name);
    return tleg_spec_info(context, &found->spec, TLEG_F32, info);
}

const char *TLEG_CALL tleg_learngene_get_label(const tleg_learngene *gene, int32_t index) {
    return gene ? tleg_config_label(&gene->config.c, index) : NULL;
}

uint64_t TLEG_CALL tleg_learngene_get_memory(const tleg_learngene *gene) {
    return gene ? sizeof *gene + gene->config.text_bytes + gene->bytes : 0;
}

tleg_status TLEG_CALL tleg_learngene_copy_tensor(tleg_context *context, const tleg_learngene *gene, const char *name,
                                                 tleg_tensor **tensor) {
    if (tensor)
        *tensor = NULL;
    if (!context || !gene || !name || !tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_copy_tensor: a pointer is NULL");
    const struct tleg_gene_tensor *found = find_tensor(gene, name);
    if (!found)
        return tleg_fail(context, TLEG_ERROR_NOT_FOUND, "this learngene has no tensor \"%s\"", name);
    const tleg_status status = tleg_tensor_create(context, TLEG_F32, found->spec.rank, found->spec.shape, tensor);
    if (status == TLEG_OK)
        memcpy((*tensor)->data, found->data, found->count * sizeof(float));
    return status;
}

/* ---- what its file said besides ---- */

const char *TLEG_CALL tleg_learngene_get_metadata(const tleg_learngene *gene, const char *key) {
    return gene && key ? tleg_config_pair(&gene->config, key) : NULL;
}

const char *TLEG_CALL tleg_learngene_get_metadata_key(const tleg_learngene *gene, int64_t index) {
    return gene && index >= 0 && index < gene->config.pair_count ? gene->config.pairs[index].key : NULL;
}
