/* One of each handle, and arguments that work: what the suites of contracts share. */
#ifndef TLEG_TESTS_LIVE_HANDLES_H
#define TLEG_TESTS_LIVE_HANDLES_H

#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    tleg_context *context;
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_model *model;
    tleg_session *session, *elastic;
    tleg_file *file;
    tleg_tensor *vector, *square, *rows, *out; /* (4), (4, 4), (2, 4), (2, 4) */
    tleg_tensor *qkv, *attended;               /* (1, 2, 12), (1, 2, 4) */
    tleg_tensor *qkv_weight, *qkv_bias, *tokens, *tokens_out;
    tleg_block *block;
    unsigned char *bytes;
    size_t size;
    float images[3 * 16 * 16], logits[5], prepared[3 * 16 * 16];
} my;

static inline tleg_tensor *new_tensor(int32_t rank, int64_t a, int64_t b, int64_t c) {
    int64_t shape[] = {a, b, c};
    tleg_tensor *tensor = NULL;
    OK(my.context, tleg_tensor_create(my.context, TLEG_F32, rank, shape, &tensor));
    return tensor;
}

static inline tleg_block_options block_options(void) {
    return (tleg_block_options){.struct_size = sizeof(tleg_block_options),
                                .heads = 2,
                                .norm1_weight = my.vector,
                                .norm1_bias = my.vector,
                                .qkv_weight = my.qkv_weight,
                                .qkv_bias = my.qkv_bias,
                                .proj_weight = my.square,
                                .proj_bias = my.vector,
                                .norm2_weight = my.vector,
                                .norm2_bias = my.vector,
                                .fc1_weight = my.square,
                                .fc1_bias = my.vector,
                                .fc2_weight = my.square,
                                .fc2_bias = my.vector};
}

static inline int prepare(void **state) {
    (void)state;
    assert_int_equal(tleg_context_create(NULL, &my.context), TLEG_OK);
    my.gene = support_gene(my.context, "mean");
    OK(my.context, tleg_expander_create(my.context, my.gene, NULL, &my.expander));
    OK(my.context, tleg_expander_expand(my.context, my.expander, 2, &my.model));
    OK(my.context, tleg_session_create(my.context, my.model, NULL, &my.session));
    OK(my.context, tleg_session_create_elastic(my.context, my.expander, 2, NULL, &my.elastic));
    OK(my.context, tleg_file_open(my.context, support_path("images-4", ".safetensors"), NULL, &my.file));
    my.vector = new_tensor(1, 4, 0, 0);
    my.square = new_tensor(2, 4, 4, 0);
    my.rows = new_tensor(2, 2, 4, 0);
    my.out = new_tensor(2, 2, 4, 0);
    my.qkv = new_tensor(3, 1, 2, 12);
    my.attended = new_tensor(3, 1, 2, 4);
    my.qkv_weight = new_tensor(2, 12, 4, 0);
    my.qkv_bias = new_tensor(1, 12, 0, 0);
    my.tokens = new_tensor(3, 1, 2, 4);
    my.tokens_out = new_tensor(3, 1, 2, 4);
    tleg_block_options options = block_options();
    OK(my.context, tleg_block_create(my.context, &options, &my.block));
    my.bytes = support_read_file(support_path("cls", ".gene.safetensors"), &my.size);
    return 0;
}

static inline int clean(void **state) {
    (void)state;
    /* owners first: what depends on a handle holds its own reference */
    tleg_context_free(my.context);
    tleg_learngene_free(my.gene);
    tleg_expander_free(my.expander);
    tleg_model_free(my.model);
    tleg_session_free(my.elastic);
    tleg_session_free(my.session);
    tleg_file_free(my.file);
    tleg_tensor *tensors[] = {my.vector,   my.square,     my.rows,     my.out,    my.qkv,
                              my.attended, my.qkv_weight, my.qkv_bias, my.tokens, my.tokens_out};
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        tleg_tensor_free(tensors[i]);
    }
    tleg_block_free(my.block);
    free(my.bytes);
    support_clean(NULL);
    return 0;
}

/* The context's last error text holds a part. */
#define SAYS(part)                                                                                                             \
    do {                                                                                                                       \
        if (strstr(tleg_context_get_error(my.context), part) == NULL) {                                                        \
            fail_msg("the text \"%s\" does not hold \"%s\"", tleg_context_get_error(my.context), part);                        \
        }                                                                                                                      \
    } while (0)

#define REFUSED(call) assert_int_equal(call, TLEG_ERROR_ARGUMENT)
/* A call that makes *out: refused, and what was in it is gone. */
#define REFUSED_OUT(type, out, call)                                                                                           \
    do {                                                                                                                       \
        type *out = (type *)&my;                                                                                               \
        assert_int_equal(call, TLEG_ERROR_ARGUMENT);                                                                           \
        assert_null(out);                                                                                                      \
    } while (0)

#endif
