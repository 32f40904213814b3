/* What the files of the walk share among themselves. */
#ifndef TLEG_TESTS_EVERY_CALL_PRIVATE_H
#define TLEG_TESTS_EVERY_CALL_PRIVATE_H

#include "contract/every_call.h"
#include "support/open_with.h"

/* Ends the part that is under way with the failure, if it is one. */
#define TRY(call)                                                                                                              \
    do {                                                                                                                       \
        const tleg_status tried = (call);                                                                                      \
        if (tried)                                                                                                             \
            return tried;                                                                                                      \
    } while (0)
/* The same for what must hold whatever the host is like. */
#define MUST(condition) TRY((condition) ? TLEG_OK : TLEG_ERROR_STATE)

/* Adds a result to the walk's digest. */
void visit_digest(struct visit *v, const void *data, size_t bytes);
tleg_status visit_digest_tensor(struct visit *v, const tleg_tensor *tensor);
/* Numbers between -1 and 1 that look like nothing in particular. */
void visit_fill(float *out, size_t count, uint32_t seed);
/* The next tensor to be kept, or NULL when the table is full. */
tleg_tensor **visit_slot(struct visit *v);
/* A new tensor of such numbers, kept. */
tleg_status visit_tensor(struct visit *v, int32_t rank, int64_t a, int64_t b, int64_t c, tleg_tensor **out);
/* Frees all that are kept: the table is emptied between the families of operations. */
void visit_let_go(struct visit *v);

tleg_status visit_block_calls(struct visit *v);
tleg_status visit_op_calls(struct visit *v);
tleg_status visit_outer_op_calls(struct visit *v);
tleg_status visit_loss_calls(struct visit *v);
tleg_status visit_generator_calls(struct visit *v);

#endif
