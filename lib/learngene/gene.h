/* The container's own: its tensors, and how one is made. Shared by learngene.c, gene_read.c and gene_init.c. */
#ifndef TLEG_LIB_LEARNGENE_GENE_H
#define TLEG_LIB_LEARNGENE_GENE_H

#include "learngene/learngene.h"
#include "vit/schedule.h"

struct tleg_gene_tensor {
    struct tleg_spec spec; /* its name is the file's */
    struct tleg_gene_place place;
    size_t count;
    float *data;
};

/* A learngene whose numbers are not set yet. Takes over *config, which is empty afterwards, on failure too. */
tleg_status tleg_learngene_make(tleg_context *context, struct tleg_vit_config *config, tleg_learngene **gene);

#endif
