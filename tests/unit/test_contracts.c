/* The promises that every public function makes: NULL is an error, not a crash; option structs of other versions; results that
 * are NULL after a failure; any order of freeing; texts that name things. */
#include "unit/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/augment.h>
#include <tleg/train.h>

/* One of each handle, and arguments that work. */
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

static tleg_tensor *new_tensor(int32_t rank, int64_t a, int64_t b, int64_t c) {
    int64_t shape[] = {a, b, c};
    tleg_tensor *tensor = NULL;
    OK(my.context, tleg_tensor_create(my.context, TLEG_F32, rank, shape, &tensor));
    return tensor;
}

static tleg_block_options block_options(void) {
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

static int prepare(void **state) {
    (void)state;
    assert_int_equal(tleg_context_create(NULL, &my.context), TLEG_OK);
    my.gene = support_gene(my.context, "mean");
    OK(my.context, tleg_expander_create(my.context, my.gene, NULL, &my.expander));
    OK(my.context, tleg_expander_expand(my.context, my.expander, 2, &my.model));
    OK(my.context, tleg_session_create(my.context, my.model, NULL, &my.session));
    OK(my.context, tleg_session_create_elastic(my.context, my.expander, 2, NULL, &my.elastic));
    OK(my.context, tleg_file_open(my.context, support_path("images-4", ".safetensors"), 0, &my.file));
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

static int clean(void **state) {
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
    support_clean();
    return 0;
}

/* The context's last error text holds a part. */
#define SAYS(part)                                                                                                             \
    do {                                                                                                                       \
        if (strstr(tleg_context_error(my.context), part) == NULL) {                                                            \
            fail_msg("the text \"%s\" does not hold \"%s\"", tleg_context_error(my.context), part);                            \
        }                                                                                                                      \
    } while (0)

/* ---- NULL ---- */

#define REFUSED(call) assert_int_equal(call, TLEG_ARGUMENT)
/* A call that makes *out: refused, and what was in it is gone. */
#define REFUSED_OUT(type, out, call)                                                                                           \
    do {                                                                                                                       \
        type *out = (type *)&my;                                                                                               \
        assert_int_equal(call, TLEG_ARGUMENT);                                                                                 \
        assert_null(out);                                                                                                      \
    } while (0)

static void null_is_an_argument_error_in_core_and_tensor(void **state) {
    (void)state;
    REFUSED(tleg_context_create(NULL, NULL));
    assert_non_null(tleg_context_error(NULL));
    assert_int_equal(tleg_context_level(NULL, NULL), 0);
    assert_int_equal(tleg_cpu_level(0, NULL), TLEG_LEVEL_PORTABLE);
    assert_int_equal(tleg_cpu_level(-1, NULL), 0);
    assert_string_equal(tleg_status_name(-1), "UNKNOWN");
    int64_t shape[] = {2, 3};
    float data[6] = {0};
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_create(NULL, TLEG_F32, 2, shape, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_create(my.context, TLEG_F32, 2, NULL, &t));
    REFUSED(tleg_tensor_create(my.context, TLEG_F32, 2, shape, NULL));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap(NULL, TLEG_F32, 2, shape, data, NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap(my.context, TLEG_F32, 2, NULL, data, NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap(my.context, TLEG_F32, 2, shape, NULL, NULL, NULL, &t));
    REFUSED(tleg_tensor_wrap(my.context, TLEG_F32, 2, shape, data, NULL, NULL, NULL));
    tleg_tensor_info info = {.struct_size = sizeof info};
    REFUSED(tleg_tensor_get_info(NULL, &info));
    REFUSED(tleg_tensor_get_info(my.vector, NULL));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_from_dlpack(NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_from_dlpack(my.context, NULL, &t));
    REFUSED(tleg_tensor_from_dlpack(my.context, NULL, NULL));
    REFUSED_OUT(struct DLManagedTensorVersioned, m, tleg_tensor_to_dlpack(NULL, my.vector, &m));
    REFUSED_OUT(struct DLManagedTensorVersioned, m, tleg_tensor_to_dlpack(my.context, NULL, &m));
    REFUSED(tleg_tensor_to_dlpack(my.context, my.vector, NULL));
}

static void null_is_an_argument_error_in_files(void **state) {
    (void)state;
    tleg_tensor_info info = {.struct_size = sizeof info};
    const char *const names[] = {"x"}, *const null_names[] = {NULL};
    const tleg_tensor *const tensors[] = {my.vector}, *const null_tensors[] = {NULL};
    const char *path = support_path("images-4", ".safetensors"), *new_path = support_scratch("never.safetensors");
    REFUSED_OUT(tleg_file, f, tleg_file_open(NULL, path, 0, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_open(my.context, NULL, 0, &f));
    REFUSED(tleg_file_open(my.context, path, 0, NULL));
    REFUSED_OUT(tleg_file, f, tleg_file_parse(NULL, my.bytes, my.size, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_parse(my.context, NULL, my.size, &f));
    REFUSED(tleg_file_parse(my.context, my.bytes, my.size, NULL));
    assert_int_equal(tleg_file_count(NULL), 0);
    assert_null(tleg_file_name(NULL, 0));
    assert_null(tleg_file_name(my.file, -1));
    assert_null(tleg_file_metadata(NULL, "tleg.kind"));
    assert_null(tleg_file_metadata(my.file, NULL));
    REFUSED(tleg_file_get_info(NULL, my.file, "images", &info));
    REFUSED(tleg_file_get_info(my.context, NULL, "images", &info));
    REFUSED(tleg_file_get_info(my.context, my.file, NULL, &info));
    REFUSED(tleg_file_get_info(my.context, my.file, "images", NULL));
    REFUSED_OUT(tleg_tensor, t, tleg_file_tensor(NULL, my.file, "images", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_file_tensor(my.context, NULL, "images", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_file_tensor(my.context, my.file, NULL, &t));
    REFUSED(tleg_file_tensor(my.context, my.file, "images", NULL));
    REFUSED(tleg_file_save(NULL, new_path, 1, names, tensors, 0, NULL));
    REFUSED(tleg_file_save(my.context, NULL, 1, names, tensors, 0, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, NULL, tensors, 0, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, names, NULL, 0, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, null_names, tensors, 0, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, names, null_tensors, 0, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, names, tensors, 1, NULL));
    REFUSED(tleg_file_save(my.context, new_path, -1, names, tensors, 0, NULL));
    assert_null(fopen(new_path, "rb")); /* and nothing was written */
}

static void null_is_an_argument_error_in_learngene_and_model(void **state) {
    (void)state;
    tleg_config config = {.struct_size = sizeof config};
    const char *gene = support_path("mean", ".gene.safetensors"), *path = support_scratch("never.safetensors");
    tleg_config good = {.struct_size = sizeof good, .image_size = 8, .patch_size = 4, .dim = 4, .heads = 1, .classes = 2};
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_create(NULL, &good, 0, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_create(my.context, NULL, 0, &g));
    REFUSED(tleg_learngene_create(my.context, &good, 0, NULL));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_open(NULL, gene, 0, 0, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_open(my.context, NULL, 0, 0, &g));
    REFUSED(tleg_learngene_open(my.context, gene, 0, 0, NULL));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_parse(NULL, my.bytes, my.size, 0, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_parse(my.context, NULL, my.size, 0, &g));
    REFUSED(tleg_learngene_parse(my.context, my.bytes, my.size, 0, NULL));
    REFUSED(tleg_learngene_save(NULL, my.gene, path));
    REFUSED(tleg_learngene_save(my.context, NULL, path));
    REFUSED(tleg_learngene_save(my.context, my.gene, NULL));
    REFUSED(tleg_learngene_get_info(NULL, &config));
    REFUSED(tleg_learngene_get_info(my.gene, NULL));
    assert_null(tleg_learngene_name(NULL, 0));
    assert_null(tleg_learngene_name(my.gene, -1));
    REFUSED_OUT(tleg_tensor, t, tleg_learngene_tensor(NULL, my.gene, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_learngene_tensor(my.context, NULL, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_learngene_tensor(my.context, my.gene, NULL, &t));
    REFUSED(tleg_learngene_tensor(my.context, my.gene, "norm.weight", NULL));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_linearize(NULL, my.model, NULL, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_linearize(my.context, NULL, NULL, &g));
    REFUSED(tleg_learngene_linearize(my.context, my.model, NULL, NULL));

    REFUSED_OUT(tleg_model, m, tleg_model_open(NULL, gene, 0, 0, &m));
    REFUSED_OUT(tleg_model, m, tleg_model_open(my.context, NULL, 0, 0, &m));
    REFUSED(tleg_model_open(my.context, gene, 0, 0, NULL));
    REFUSED_OUT(tleg_model, m, tleg_model_parse(NULL, my.bytes, my.size, 0, &m));
    REFUSED_OUT(tleg_model, m, tleg_model_parse(my.context, NULL, my.size, 0, &m));
    REFUSED(tleg_model_parse(my.context, my.bytes, my.size, 0, NULL));
    REFUSED(tleg_model_save(NULL, my.model, path));
    REFUSED(tleg_model_save(my.context, NULL, path));
    REFUSED(tleg_model_save(my.context, my.model, NULL));
    REFUSED(tleg_model_get_info(NULL, &config));
    REFUSED(tleg_model_get_info(my.model, NULL));
    assert_null(tleg_model_name(NULL, 0));
    assert_null(tleg_model_name(my.model, -1));
    REFUSED_OUT(tleg_tensor, t, tleg_model_tensor(NULL, my.model, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_model_tensor(my.context, NULL, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_model_tensor(my.context, my.model, NULL, &t));
    REFUSED(tleg_model_tensor(my.context, my.model, "norm.weight", NULL));
    assert_null(fopen(path, "rb"));
}

static void null_is_an_argument_error_in_expander_and_session(void **state) {
    (void)state;
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_budget budget = {.struct_size = sizeof budget, .bytes = 1 << 30};
    int32_t depth = 7;
    uint64_t bytes = 7;
    REFUSED_OUT(tleg_expander, e, tleg_expander_create(NULL, my.gene, NULL, &e));
    REFUSED_OUT(tleg_expander, e, tleg_expander_create(my.context, NULL, NULL, &e));
    REFUSED(tleg_expander_create(my.context, my.gene, NULL, NULL));
    REFUSED_OUT(tleg_model, m, tleg_expander_expand(NULL, my.expander, 2, &m));
    REFUSED_OUT(tleg_model, m, tleg_expander_expand(my.context, NULL, 2, &m));
    REFUSED(tleg_expander_expand(my.context, my.expander, 2, NULL));
    REFUSED(tleg_expander_get_cost(NULL, my.expander, 1, 0, &cost));
    REFUSED(tleg_expander_get_cost(my.context, NULL, 1, 0, &cost));
    REFUSED(tleg_expander_get_cost(my.context, my.expander, 1, 0, NULL));
    tleg_config config = {.struct_size = sizeof config};
    REFUSED(tleg_expander_get_info(NULL, &config));
    REFUSED(tleg_expander_get_info(my.expander, NULL));
    REFUSED(tleg_expander_deepest(NULL, my.expander, &budget, &depth));
    assert_int_equal(depth, 0);
    REFUSED(tleg_expander_deepest(my.context, NULL, &budget, &depth));
    REFUSED(tleg_expander_deepest(my.context, my.expander, NULL, &depth));
    REFUSED(tleg_expander_deepest(my.context, my.expander, &budget, NULL));
    budget.bytes = 0;
    depth = 7;
    REFUSED(tleg_expander_deepest(my.context, my.expander, &budget, &depth)); /* no limit at all */
    assert_int_equal(depth, 0);

    REFUSED_OUT(tleg_session, s, tleg_session_create(NULL, my.model, NULL, &s));
    REFUSED_OUT(tleg_session, s, tleg_session_create(my.context, NULL, NULL, &s));
    REFUSED(tleg_session_create(my.context, my.model, NULL, NULL));
    REFUSED_OUT(tleg_session, s, tleg_session_create_elastic(NULL, my.expander, 2, NULL, &s));
    REFUSED_OUT(tleg_session, s, tleg_session_create_elastic(my.context, NULL, 2, NULL, &s));
    REFUSED(tleg_session_create_elastic(my.context, my.expander, 2, NULL, NULL));
    REFUSED(tleg_session_memory(NULL, my.model, NULL, NULL, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_session_memory(my.context, NULL, NULL, NULL, &bytes));
    REFUSED(tleg_session_memory(my.context, my.model, my.expander, NULL, &bytes));
    REFUSED(tleg_session_memory(my.context, my.model, NULL, NULL, NULL));
    REFUSED(tleg_session_set_depth(NULL, 2));
    assert_int_equal(tleg_session_set_depth(my.session, 2), TLEG_STATE);
    REFUSED(tleg_session_run(NULL, my.images, 1, my.logits, NULL));
    REFUSED(tleg_session_run(my.session, NULL, 1, my.logits, NULL));
    REFUSED(tleg_session_run(my.session, my.images, 0, my.logits, NULL));
    REFUSED(tleg_session_run(my.session, my.images, -1, my.logits, NULL));
    OK_SESSION(my.session, tleg_session_run(my.session, my.images, 1, my.logits, NULL));
    assert_non_null(tleg_session_error(NULL));
    tleg_session_cancel(NULL);
}

static void null_is_an_argument_error_in_ops_block_and_image(void **state) {
    (void)state;
    tleg_context *c = my.context;
    tleg_tensor *v = my.vector, *w = my.square, *x = my.rows, *y = my.out;
    OK(c, tleg_layernorm_forward(c, x, v, v, 1e-5, y));
    REFUSED(tleg_layernorm_forward(NULL, x, v, v, 1e-5, y));
    REFUSED(tleg_layernorm_forward(c, NULL, v, v, 1e-5, y));
    REFUSED(tleg_layernorm_forward(c, x, NULL, v, 1e-5, y));
    REFUSED(tleg_layernorm_forward(c, x, v, NULL, 1e-5, y));
    REFUSED(tleg_layernorm_forward(c, x, v, v, 1e-5, NULL));
    OK(c, tleg_linear_forward(c, x, w, v, y));
    OK(c, tleg_linear_forward(c, x, w, NULL, y)); /* the bias is optional */
    REFUSED(tleg_linear_forward(NULL, x, w, v, y));
    REFUSED(tleg_linear_forward(c, NULL, w, v, y));
    REFUSED(tleg_linear_forward(c, x, NULL, v, y));
    REFUSED(tleg_linear_forward(c, x, w, v, NULL));
    OK(c, tleg_gelu_forward(c, x, y));
    REFUSED(tleg_gelu_forward(NULL, x, y));
    REFUSED(tleg_gelu_forward(c, NULL, y));
    REFUSED(tleg_gelu_forward(c, x, NULL));
    OK(c, tleg_mlp_forward(c, x, w, v, w, v, y));
    OK(c, tleg_mlp_forward(c, x, w, NULL, w, NULL, y));
    REFUSED(tleg_mlp_forward(NULL, x, w, v, w, v, y));
    REFUSED(tleg_mlp_forward(c, NULL, w, v, w, v, y));
    REFUSED(tleg_mlp_forward(c, x, NULL, v, w, v, y));
    REFUSED(tleg_mlp_forward(c, x, w, v, NULL, v, y));
    REFUSED(tleg_mlp_forward(c, x, w, v, w, v, NULL));
    OK(c, tleg_attention_forward(c, my.qkv, 2, my.attended));
    REFUSED(tleg_attention_forward(NULL, my.qkv, 2, my.attended));
    REFUSED(tleg_attention_forward(c, NULL, 2, my.attended));
    REFUSED(tleg_attention_forward(c, my.qkv, 2, NULL));
    REFUSED(tleg_attention_forward(c, my.qkv, 0, my.attended));
    REFUSED(tleg_attention_forward(c, my.qkv, 3, my.attended)); /* does not divide 4 */

    uint64_t bytes = 0;
    OK(c, tleg_block_memory(c, my.block, 1, 2, &bytes));
    void *workspace = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64 + 64);
    assert_non_null(workspace);
    OK(c, tleg_block_forward(c, my.block, my.tokens, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(NULL, my.block, my.tokens, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(c, NULL, my.tokens, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(c, my.block, NULL, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(c, my.block, my.tokens, NULL, workspace, bytes));
    REFUSED(tleg_block_forward(c, my.block, my.tokens, my.tokens_out, NULL, bytes));
    if (bytes > 0) {
        REFUSED(tleg_block_forward(c, my.block, my.tokens, my.tokens_out, workspace, bytes - 1));
        REFUSED(tleg_block_forward(c, my.block, my.tokens, my.tokens_out, (char *)workspace + 4, bytes));
    }
    free(workspace);
    bytes = 7;
    REFUSED(tleg_block_memory(NULL, my.block, 1, 2, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_block_memory(c, NULL, 1, 2, &bytes));
    REFUSED(tleg_block_memory(c, my.block, 1, 2, NULL));
    REFUSED(tleg_block_memory(c, my.block, 0, 2, &bytes));
    REFUSED(tleg_block_memory(c, my.block, 1, -2, &bytes));

    static const uint8_t pixels[20 * 20 * 3];
    tleg_config config = {.struct_size = sizeof config};
    OK(c, tleg_model_get_info(my.model, &config));
    tleg_image image = {.struct_size = sizeof image, .layout = TLEG_PIXELS_RGB, .width = 20, .height = 20, .pixels = pixels};
    OK(c, tleg_image_prepare(c, &image, &config, my.prepared));
    REFUSED(tleg_image_prepare(NULL, &image, &config, my.prepared));
    REFUSED(tleg_image_prepare(c, NULL, &config, my.prepared));
    REFUSED(tleg_image_prepare(c, &image, NULL, my.prepared));
    REFUSED(tleg_image_prepare(c, &image, &config, NULL));
    image.pixels = NULL;
    REFUSED(tleg_image_prepare(c, &image, &config, my.prepared));
    image.pixels = pixels;
    image.layout = 0; /* there is no default */
    REFUSED(tleg_image_prepare(c, &image, &config, my.prepared));
}

static void null_is_an_argument_error_in_augmentation(void **state) {
    (void)state;
    tleg_context *c = my.context;
    uint8_t pixels[20 * 20 * 3] = {0};
    const uint8_t fill[3] = {0};
    tleg_config config = {.struct_size = sizeof config};
    OK(c, tleg_model_get_info(my.model, &config));
    tleg_image image = {.struct_size = sizeof image, .layout = TLEG_PIXELS_RGB, .width = 20, .height = 20, .pixels = pixels};
    tleg_augment_options options = {.struct_size = sizeof options};
    OK(c, tleg_augment_image(c, &image, &config, &options, 0, my.prepared));
    REFUSED(tleg_augment_image(NULL, &image, &config, &options, 0, my.prepared));
    REFUSED(tleg_augment_image(c, NULL, &config, &options, 0, my.prepared));
    REFUSED(tleg_augment_image(c, &image, NULL, &options, 0, my.prepared));
    REFUSED(tleg_augment_image(c, &image, &config, NULL, 0, my.prepared));
    REFUSED(tleg_augment_image(c, &image, &config, &options, 0, NULL));
    OK(c, tleg_augment_operation(c, "Invert", 0, fill, 20, 20, pixels));
    REFUSED(tleg_augment_operation(NULL, "Invert", 0, fill, 20, 20, pixels));
    REFUSED(tleg_augment_operation(c, NULL, 0, fill, 20, 20, pixels));
    REFUSED(tleg_augment_operation(c, "Invert", 0, NULL, 20, 20, pixels));
    REFUSED(tleg_augment_operation(c, "Invert", 0, fill, 20, 20, NULL));
    tleg_mix_options mix = {.struct_size = sizeof mix, .classes = 5};
    const int64_t label = 0;
    OK(c, tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, &label, my.logits));
    REFUSED(tleg_augment_mix(NULL, &mix, 0, 1, 16, my.prepared, &label, my.logits));
    REFUSED(tleg_augment_mix(c, NULL, 0, 1, 16, my.prepared, &label, my.logits));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, NULL, &label, my.logits));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, NULL, my.logits));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, &label, NULL));
}

static void a_block_needs_every_tensor_but_the_qkv_bias(void **state) {
    (void)state;
    tleg_block_options options = block_options();
    REFUSED_OUT(tleg_block, b, tleg_block_create(NULL, &options, &b));
    REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, NULL, &b));
    REFUSED(tleg_block_create(my.context, &options, NULL));
    const tleg_tensor **needed[] = {&options.norm1_weight, &options.norm1_bias,   &options.qkv_weight, &options.proj_weight,
                                    &options.proj_bias,    &options.norm2_weight, &options.norm2_bias, &options.fc1_weight,
                                    &options.fc1_bias,     &options.fc2_weight,   &options.fc2_bias};
    static const char *const names[] = {"norm1", "norm1", "qkv", "proj", "proj", "norm2", "norm2", "fc1", "fc1", "fc2", "fc2"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        const tleg_tensor *kept = *needed[i];
        *needed[i] = NULL;
        REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, &options, &b));
        SAYS(names[i]);
        *needed[i] = my.tokens; /* and the right shape */
        REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, &options, &b));
        SAYS(names[i]);
        *needed[i] = kept;
    }
    options.qkv_bias = NULL;
    tleg_block *block = NULL;
    OK(my.context, tleg_block_create(my.context, &options, &block));
    tleg_block_free(block);
    options.heads = 3;
    REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, &options, &b));
}

static void free_of_null_does_nothing(void **state) {
    (void)state;
    tleg_context_free(NULL);
    tleg_tensor_free(NULL);
    tleg_file_free(NULL);
    tleg_learngene_free(NULL);
    tleg_expander_free(NULL);
    tleg_model_free(NULL);
    tleg_session_free(NULL);
    tleg_block_free(NULL);
}

/* ---- option structs of other versions ---- */

/* A host built with a later header: the struct is longer, and its tail zero or not. */
enum { TAIL = 24 };
#define LONGER(type)                                                                                                           \
    struct {                                                                                                                   \
        type known;                                                                                                            \
        unsigned char tail[TAIL];                                                                                              \
    }

static void longer_option_structs_are_taken_when_their_tail_is_zero(void **state) {
    (void)state;
    LONGER(tleg_context_options) context = {.known = {.struct_size = sizeof context}};
    LONGER(tleg_expander_options) expander = {.known = {.struct_size = sizeof expander}};
    LONGER(tleg_session_options) session = {.known = {.struct_size = sizeof session}};
    LONGER(tleg_budget) budget = {.known = {.struct_size = sizeof budget, .bytes = 1 << 28}};
    LONGER(tleg_block_options) block = {.known = block_options()};
    LONGER(tleg_config)
    config = {.known = {.struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 4, .heads = 1, .classes = 2}};
    block.known.struct_size = sizeof block;
    for (int round = 0; round < 2; round++) {
        tleg_status wanted = round == 0 ? TLEG_OK : TLEG_UNSUPPORTED;
        unsigned char *tails[] = {context.tail, expander.tail, session.tail, budget.tail, block.tail, config.tail};
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
            tails[i][TAIL - 1] = (unsigned char)round;
        }
        tleg_context *c = NULL;
        tleg_expander *e = NULL;
        tleg_session *s = NULL;
        tleg_block *b = NULL;
        tleg_learngene *g = NULL;
        int32_t depth = 0;
        assert_int_equal(tleg_context_create(&context.known, &c), wanted);
        assert_int_equal(tleg_expander_create(my.context, my.gene, &expander.known, &e), wanted);
        assert_int_equal(tleg_session_create(my.context, my.model, &session.known, &s), wanted);
        assert_int_equal(tleg_expander_deepest(my.context, my.expander, &budget.known, &depth), wanted);
        assert_int_equal(tleg_block_create(my.context, &block.known, &b), wanted);
        assert_int_equal(tleg_learngene_create(my.context, &config.known, 1, &g), wanted);
        tleg_context_free(c);
        tleg_expander_free(e);
        tleg_session_free(s);
        tleg_block_free(b);
        tleg_learngene_free(g);
    }
}

/* A host built with an earlier header knows fewer members: what it does not give is default. Here a struct that ends after the
 * members that it sets, with garbage behind. */
static void shorter_option_structs_are_taken(void **state) {
    (void)state;
    tleg_expander_options expander;
    memset(&expander, 0x5a, sizeof expander);
    expander.struct_size = offsetof(tleg_expander_options, classes);
    expander.dtype = 0;
    expander.norm = 0;
    expander.image_size = 0;
    tleg_expander *e = NULL;
    OK(my.context, tleg_expander_create(my.context, my.gene, &expander, &e));
    tleg_expander_free(e);

    /* a size that no version had: forgotten, or not set at all */
    tleg_context_options options = {.struct_size = 0};
    REFUSED_OUT(tleg_context, x, tleg_context_create(&options, &x));
    memset(&options, 0x5a, sizeof options);
    REFUSED_OUT(tleg_context, x, tleg_context_create(&options, &x));
    expander.struct_size = 0;
    REFUSED_OUT(tleg_expander, x, tleg_expander_create(my.context, my.gene, &expander, &x));
    assert_non_null(strstr(tleg_context_error(my.context), "struct_size"));
}

/* What the library fills, it fills up to the host's size and not a byte further. */
static void filled_structs_keep_to_the_hosts_size(void **state) {
    (void)state;
    tleg_config full = {.struct_size = sizeof full};
    OK(my.context, tleg_learngene_get_info(my.gene, &full));
    union {
        tleg_config config;
        unsigned char bytes[sizeof(tleg_config) + TAIL];
    } short_one, long_one;
    memset(&short_one, 0x5a, sizeof short_one);
    short_one.config.struct_size = offsetof(tleg_config, eps);
    OK(my.context, tleg_learngene_get_info(my.gene, &short_one.config));
    assert_int_equal(short_one.config.struct_size, offsetof(tleg_config, eps));
    assert_int_equal(short_one.config.dim, 24);
    for (size_t i = offsetof(tleg_config, eps); i < sizeof short_one; i++) {
        assert_int_equal(short_one.bytes[i], 0x5a);
    }
    memset(&long_one, 0x5a, sizeof long_one);
    long_one.config.struct_size = sizeof long_one;
    OK(my.context, tleg_learngene_get_info(my.gene, &long_one.config));
    assert_int_equal(long_one.config.dim, 24);
    assert_int_equal(long_one.config.parameters, full.parameters);

    tleg_config none = {0};
    REFUSED(tleg_learngene_get_info(my.gene, &none));
    REFUSED(tleg_model_get_info(my.model, &none));
    tleg_tensor_info info = {0};
    REFUSED(tleg_tensor_get_info(my.vector, &info));
    tleg_cost cost = {0};
    REFUSED(tleg_expander_get_cost(my.context, my.expander, 1, 0, &cost));
}

/* ---- orders of freeing ---- */

/* Four handles, each of which depends on the one before, and the context, in all 120 orders. */
static void handles_are_freed_in_any_order(void **state) {
    (void)state;
    for (int order = 0; order < 120; order++) {
        struct counter counter;
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        tleg_context *context = NULL;
        tleg_learngene *gene = NULL;
        tleg_expander *expander = NULL;
        tleg_model *model = NULL;
        tleg_session *session = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        OK(context, tleg_learngene_parse(context, my.bytes, my.size, 0, &gene));
        OK(context, tleg_expander_create(context, gene, NULL, &expander));
        OK(context, tleg_expander_expand(context, expander, 2, &model));
        OK(context, tleg_session_create(context, model, NULL, &session));
        int left[] = {0, 1, 2, 3, 4}, rest = order;
        for (int n = 5; n > 0; n--) {
            int which = rest % n;
            rest /= n;
            switch (left[which]) {
            case 0:
                tleg_context_free(context);
                break;
            case 1:
                tleg_learngene_free(gene);
                break;
            case 2:
                tleg_expander_free(expander);
                break;
            case 3:
                tleg_model_free(model);
                break;
            default:
                tleg_session_free(session);
                session = NULL;
            }
            left[which] = left[n - 1];
            if (session != NULL) { /* it works to the last */
                OK_SESSION(session, tleg_session_run(session, my.images, 1, my.logits, NULL));
            }
        }
        assert_int_equal(atomic_load(&counter.live), 0);
        assert_int_equal(atomic_load(&counter.wrong), 0);
    }
}

/* ---- values out of range, and texts that name what is wrong ---- */

static void texts_name_file_tensor_and_key(void **state) {
    (void)state;
    tleg_learngene *gene = NULL;
    tleg_model *model = NULL;
    tleg_tensor *tensor = NULL;
    assert_int_equal(tleg_learngene_open(my.context, "/nowhere/gene.safetensors", 0, 0, &gene), TLEG_IO);
    SAYS("/nowhere/gene.safetensors");
    assert_int_equal(tleg_model_open(my.context, support_path("mean", ".gene.safetensors"), 0, 0, &model), TLEG_FORMAT);
    SAYS("mean.gene.safetensors");
    SAYS("learngene");
    OK(my.context, tleg_model_save(my.context, my.model, support_scratch("model.safetensors")));
    assert_int_equal(tleg_learngene_open(my.context, support_scratch("model.safetensors"), 0, 0, &gene), TLEG_FORMAT);
    SAYS("model.safetensors");
    REFUSED(tleg_learngene_tensor(my.context, my.gene, "nowhere.weight", &tensor));
    SAYS("nowhere.weight");
    REFUSED(tleg_model_tensor(my.context, my.model, "blocks.2.norm1.weight", &tensor));
    SAYS("blocks.2.norm1.weight");
    assert_int_equal(tleg_file_tensor(my.context, my.file, "image", &tensor), TLEG_FORMAT);
    SAYS("images"); /* the likeliest */
    assert_int_equal(tleg_learngene_open(my.context, support_path("mean", ".gene.safetensors"), 0, 4, &gene), TLEG_ARGUMENT);
    SAYS("heads");
    assert_int_equal(tleg_learngene_save(my.context, my.gene, "/nowhere/out.safetensors"), TLEG_IO);
    SAYS("/nowhere/out.safetensors");
    assert_int_equal(tleg_learngene_parse(my.context, my.bytes, my.size - 1, 0, &gene), TLEG_FORMAT);
    assert_true(strlen(tleg_context_error(my.context)) > 0);
}

static void values_out_of_range_are_refused(void **state) {
    (void)state;
    tleg_model *model = NULL;
    tleg_session *session = NULL;
    static const int32_t depths[] = {0, -1, 1025, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        char text[16];
        REFUSED(tleg_expander_expand(my.context, my.expander, depths[i], &model));
        SAYS("depth");
        snprintf(text, sizeof text, "%d", depths[i]);
        SAYS(text); /* what was found */
        REFUSED(tleg_session_create_elastic(my.context, my.expander, depths[i], NULL, &session));
    }
    tleg_session_options options = {.struct_size = sizeof options, .batch = -1};
    REFUSED(tleg_session_create(my.context, my.model, &options, &session));
    SAYS("batch");
    tleg_expander_options bad[] = {{.dtype = TLEG_I64}, {.dtype = 99},       {.norm = 3},
                                   {.image_size = 15},  {.image_size = -16}, {.classes = -1}};
    static const char *const names[] = {"dtype", "dtype", "norm", "image", "image", "classes"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tleg_expander *expander = (tleg_expander *)&my;
        bad[i].struct_size = sizeof bad[i];
        REFUSED(tleg_expander_create(my.context, my.gene, &bad[i], &expander));
        assert_null(expander);
        SAYS(names[i]);
    }
    tleg_context_options contexts[] = {{.workers = -1}, {.workers = 257}};
    for (size_t i = 0; i < sizeof contexts / sizeof contexts[0]; i++) {
        contexts[i].struct_size = sizeof contexts[i];
        REFUSED_OUT(tleg_context, c, tleg_context_create(&contexts[i], &c));
    }
    tleg_context_options levels[] = {{.level = 99}, {.gemm = 99}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        tleg_context *c = (tleg_context *)&my;
        levels[i].struct_size = sizeof levels[i];
        tleg_status status = tleg_context_create(&levels[i], &c);
        assert_true(status == TLEG_UNSUPPORTED || status == TLEG_ARGUMENT);
        assert_null(c);
    }
    tleg_file *file = NULL;
    tleg_status status = tleg_file_open(my.context, support_path("images-4", ".safetensors"), 1u << 31, &file);
    assert_true(status == TLEG_ARGUMENT || status == TLEG_UNSUPPORTED); /* a flag that is not known */
    assert_null(file);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_an_argument_error_in_core_and_tensor),
        cmocka_unit_test(null_is_an_argument_error_in_files),
        cmocka_unit_test(null_is_an_argument_error_in_learngene_and_model),
        cmocka_unit_test(null_is_an_argument_error_in_expander_and_session),
        cmocka_unit_test(null_is_an_argument_error_in_ops_block_and_image),
        cmocka_unit_test(null_is_an_argument_error_in_augmentation),
        cmocka_unit_test(a_block_needs_every_tensor_but_the_qkv_bias),
        cmocka_unit_test(free_of_null_does_nothing),
        cmocka_unit_test(longer_option_structs_are_taken_when_their_tail_is_zero),
        cmocka_unit_test(shorter_option_structs_are_taken),
        cmocka_unit_test(filled_structs_keep_to_the_hosts_size),
        cmocka_unit_test(handles_are_freed_in_any_order),
        cmocka_unit_test(texts_name_file_tensor_and_key),
        cmocka_unit_test(values_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
