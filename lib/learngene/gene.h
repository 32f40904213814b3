/* The container's own: its tensors, and how one is made. */
#ifndef TLEG_LIB_LEARNGENE_GENE_H
#define TLEG_LIB_LEARNGENE_GENE_H

#include "config/schedule.h"
#include "learngene/learngene.h"
#include "vit/read/read.h"

struct tleg_gene_tensor {
    struct tleg_spec spec; /* its name is the file's */
    struct tleg_gene_place place;
    size_t count;
    float *data; /* row-major; NULL when the gene's numbers stay in its file */
};

/* A learngene whose numbers are not set yet, or stay in a file, which must outlive it. Takes over *config, which is empty
 * afterwards, on failure too. */
tleg_status tleg_learngene_make(tleg_context *context, struct tleg_vit_config *config, const tleg_file *file,
                                tleg_learngene **gene);
/* ARGUMENT where a learngene is asked for the type of a model's weights. */
tleg_status tleg_gene_no_dtype(tleg_context *context, const tleg_open_options *how);
/* Elements [first, first + count) of a tensor: where they lie, or read into `room`. */
tleg_status tleg_gene_numbers(tleg_context *context, const tleg_learngene *gene, const struct tleg_gene_tensor *tensor,
                              size_t first, size_t count, float *room, const float **numbers);

#endif
