/* One walk through every public call, in small: what the suites of guests put into odd hosts. The script every_call.sh sees to
 * it that no call is left out. */
#ifndef TLEG_TESTS_EVERY_CALL_H
#define TLEG_TESTS_EVERY_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tleg/augment.h>
#include <tleg/dlpack.h>
#include <tleg/generate.h>
#include <tleg/linearize.h>
#include <tleg/onnx.h>
#include <tleg/tleg.h>
#include <tleg/train.h>

enum { VISIT_TENSORS = 64, VISIT_BLOCKS = 2, VISIT_TEXT = 512 };

/* Zero it, set context and scratch. */
struct visit {
    tleg_context *context;
    char scratch[VISIT_TEXT]; /* a directory of the caller's, for what is written */

    /* what is made on the way */
    tleg_tensor *tensors[VISIT_TENSORS];
    int32_t tensor_count;
    struct DLManagedTensorVersioned *managed;
    tleg_file *saved, *in_memory, *of_source;
    tleg_learngene *gene, *fresh, *parsed, *learned, *fitted, *read_gene;
    tleg_expander *expander, *half, *from_file, *parsed_expander, *read_expander;
    tleg_model *model, *half_model, *opened, *parsed_model, *tuned, *read_model;
    tleg_session *session, *half_session, *elastic;
    tleg_block *block;
    tleg_expander *drawing_expander; /* of a learngene that draws */
    tleg_model *drawing_model;
    tleg_generator *generator, *elastic_generator;
    void *workspace; /* of malloc */
    tleg_trainer *trainer, *tuner;
    unsigned char *bytes, *model_bytes; /* files, of malloc */
    size_t size, model_size;

    uint64_t digest; /* of every result: the same walk gives the same */
    const char *at;  /* the part of the walk that is under way, or ended last */
    bool in_a_hurry; /* leave out what is measured in time */
};

enum { VISIT_PARTS = 16 };
/* Part 0..VISIT_PARTS-1, each of which needs those before it. Its name is v->at. */
tleg_status visit_part(struct visit *v, int32_t part);
/* All of them, up to the first that fails. */
tleg_status visit_all(struct visit *v);
/* Frees everything but the context. */
void visit_close(struct visit *v);

/* Fills memory with what no arithmetic may touch: signalling NaNs of f32. */
void visit_spoil(void *memory, size_t bytes);

#endif
