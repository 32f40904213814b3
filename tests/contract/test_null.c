/* NULL is an error, not a crash, in every public function; results are NULL after a failure. */
#include "support/live_handles.h"

static void null_is_an_argument_error_in_core_and_tensor(void **state) {
    (void)state;
    REFUSED(tleg_context_create(NULL, NULL));
    REFUSED_OUT(tleg_context, c, tleg_context_clone(NULL, &c));
    REFUSED(tleg_context_clone(my.context, NULL));
    assert_non_null(tleg_context_get_error(NULL));
    assert_int_equal(tleg_context_get_os_error(NULL), 0);
    assert_non_null(tleg_build_info());
    assert_int_equal(tleg_context_get_level(NULL, NULL), 0);
    assert_int_equal(tleg_cpu_level(0, NULL), TLEG_LEVEL_PORTABLE);
    assert_int_equal(tleg_cpu_level(-1, NULL), 0);
    assert_null(tleg_level_name(TLEG_LEVEL_BEST));
    assert_string_equal(tleg_status_name(-1), "UNKNOWN");
    assert_null(tleg_site_key(-1));
    assert_null(tleg_site_name(-1));
    int64_t shape[] = {2, 3};
    float data[6] = {0};
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_create(NULL, TLEG_F32, 2, shape, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_create(my.context, TLEG_F32, 2, NULL, &t));
    REFUSED(tleg_tensor_create(my.context, TLEG_F32, 2, shape, NULL));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap(NULL, TLEG_F32, 2, shape, data, NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap(my.context, TLEG_F32, 2, NULL, data, NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap(my.context, TLEG_F32, 2, shape, NULL, NULL, NULL, &t));
    REFUSED(tleg_tensor_wrap(my.context, TLEG_F32, 2, shape, data, NULL, NULL, NULL));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap_const(NULL, TLEG_F32, 2, shape, data, NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap_const(my.context, TLEG_F32, 2, NULL, data, NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_wrap_const(my.context, TLEG_F32, 2, shape, NULL, NULL, NULL, &t));
    REFUSED(tleg_tensor_wrap_const(my.context, TLEG_F32, 2, shape, data, NULL, NULL, NULL));
    tleg_tensor_info info = {.struct_size = sizeof info};
    REFUSED(tleg_tensor_get_info(my.context, NULL, &info));
    REFUSED(tleg_tensor_get_info(my.context, my.vector, NULL));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_from_dlpack(NULL, NULL, &t));
    REFUSED_OUT(tleg_tensor, t, tleg_tensor_from_dlpack(my.context, NULL, &t));
    REFUSED(tleg_tensor_from_dlpack(my.context, NULL, NULL));
    REFUSED_OUT(struct DLManagedTensorVersioned, m, tleg_tensor_to_dlpack(NULL, my.vector, &m));
    REFUSED_OUT(struct DLManagedTensorVersioned, m, tleg_tensor_to_dlpack(my.context, NULL, &m));
    REFUSED(tleg_tensor_to_dlpack(my.context, my.vector, NULL));
}

static tleg_status TLEG_CALL no_read(void *host, uint64_t offset, size_t bytes, void *out) {
    (void)host, (void)offset, (void)bytes, (void)out;
    return TLEG_ERROR_IO;
}

static tleg_status TLEG_CALL no_write(void *host, const void *data, size_t bytes) {
    (void)host, (void)data, (void)bytes;
    return TLEG_ERROR_IO;
}

static void null_is_an_argument_error_in_files(void **state) {
    (void)state;
    tleg_tensor_info info = {.struct_size = sizeof info};
    const char *const names[] = {"x"}, *const null_names[] = {NULL};
    const tleg_tensor *const tensors[] = {my.vector}, *const null_tensors[] = {NULL};
    const char *path = support_path("images-4", ".safetensors"), *new_path = support_scratch("never.safetensors");
    REFUSED_OUT(tleg_file, f, tleg_file_open(NULL, path, NULL, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_open(my.context, NULL, NULL, &f));
    REFUSED(tleg_file_open(my.context, path, NULL, NULL));
    REFUSED_OUT(tleg_file, f, tleg_file_parse(NULL, my.bytes, my.size, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_parse(my.context, NULL, my.size, &f));
    REFUSED(tleg_file_parse(my.context, my.bytes, my.size, NULL));
    const tleg_source source = {.struct_size = sizeof source, .size = 8, .read = no_read},
                      unread = {.struct_size = sizeof unread};
    REFUSED_OUT(tleg_file, f, tleg_file_open_source(NULL, &source, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_open_source(my.context, NULL, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_open_source(my.context, &unread, &f));
    REFUSED(tleg_file_open_source(my.context, &source, NULL));
    assert_null(tleg_file_get_metadata_key(NULL, 0));
    assert_null(tleg_file_get_metadata_key(my.file, -1));
    assert_int_equal(tleg_file_get_tensor_count(NULL), 0);
    assert_null(tleg_file_get_tensor_name(NULL, 0));
    assert_null(tleg_file_get_tensor_name(my.file, -1));
    assert_null(tleg_file_get_metadata(NULL, "tleg.kind"));
    assert_null(tleg_file_get_metadata(my.file, NULL));
    assert_int_equal(tleg_file_get_tensor_info(NULL, my.file, "images", &info), TLEG_OK); /* no text, then */
    REFUSED(tleg_file_get_tensor_info(my.context, NULL, "images", &info));
    REFUSED(tleg_file_get_tensor_info(my.context, my.file, NULL, &info));
    REFUSED(tleg_file_get_tensor_info(my.context, my.file, "images", NULL));
    REFUSED_OUT(tleg_tensor, t, tleg_file_read_tensor(NULL, my.file, "images", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_file_read_tensor(my.context, NULL, "images", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_file_read_tensor(my.context, my.file, NULL, &t));
    REFUSED(tleg_file_read_tensor(my.context, my.file, "images", NULL));
    float number;
    REFUSED(tleg_file_read_floats(NULL, my.file, "images", 0, 1, &number));
    REFUSED(tleg_file_read_floats(my.context, NULL, "images", 0, 1, &number));
    REFUSED(tleg_file_read_floats(my.context, my.file, NULL, 0, 1, &number));
    REFUSED(tleg_file_read_floats(my.context, my.file, "images", 0, 0, &number));
    REFUSED(tleg_file_read_floats(my.context, my.file, "images", 0, 1, NULL));
    REFUSED(tleg_file_save(NULL, new_path, 1, names, tensors, NULL));
    REFUSED(tleg_file_save(my.context, NULL, 1, names, tensors, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, NULL, tensors, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, names, NULL, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, null_names, tensors, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, names, null_tensors, NULL));
    REFUSED(tleg_file_save(my.context, new_path, 1, names, tensors, SAVE_WITH(1, NULL)));
    REFUSED(tleg_file_save(my.context, new_path, -1, names, tensors, NULL));
    REFUSED(tleg_file_write(NULL, no_write, NULL, 1, names, tensors, NULL));
    REFUSED(tleg_file_write(my.context, NULL, NULL, 1, names, tensors, NULL));
    REFUSED(tleg_file_write(my.context, no_write, NULL, 1, NULL, tensors, NULL));
    REFUSED(tleg_file_write(my.context, no_write, NULL, 1, names, NULL, NULL));
    REFUSED(tleg_file_write(my.context, no_write, NULL, 1, null_names, tensors, NULL));
    REFUSED(tleg_file_write(my.context, no_write, NULL, 1, names, null_tensors, NULL));
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
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_open(NULL, gene, NULL, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_open(my.context, NULL, NULL, &g));
    REFUSED(tleg_learngene_open(my.context, gene, NULL, NULL));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_parse(NULL, my.bytes, my.size, NULL, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_parse(my.context, NULL, my.size, NULL, &g));
    REFUSED(tleg_learngene_parse(my.context, my.bytes, my.size, NULL, NULL));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_read(NULL, my.file, NULL, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_read(my.context, NULL, NULL, &g));
    REFUSED(tleg_learngene_read(my.context, my.file, NULL, NULL));
    REFUSED(tleg_learngene_write(NULL, my.gene, no_write, NULL, NULL));
    REFUSED(tleg_learngene_write(my.context, NULL, no_write, NULL, NULL));
    REFUSED(tleg_learngene_write(my.context, my.gene, NULL, NULL, NULL));
    assert_null(tleg_learngene_get_metadata(NULL, "license"));
    assert_null(tleg_learngene_get_metadata(my.gene, NULL));
    assert_null(tleg_learngene_get_metadata_key(NULL, 0));
    assert_null(tleg_learngene_get_metadata_key(my.gene, -1));
    tleg_tensor_info learngene_info = {.struct_size = sizeof learngene_info};
    assert_int_equal(tleg_learngene_get_tensor_count(NULL), 0);
    assert_int_equal(tleg_learngene_get_memory(NULL), 0);
    assert_null(tleg_learngene_get_label(NULL, 0));
    assert_null(tleg_learngene_get_label(my.gene, -1));
    REFUSED(tleg_learngene_get_tensor_info(my.context, NULL, "norm.weight", &learngene_info));
    REFUSED(tleg_learngene_get_tensor_info(my.context, my.gene, NULL, &learngene_info));
    REFUSED(tleg_learngene_get_tensor_info(my.context, my.gene, "norm.weight", NULL));
    REFUSED(tleg_learngene_save(NULL, my.gene, path, NULL));
    REFUSED(tleg_learngene_save(my.context, NULL, path, NULL));
    REFUSED(tleg_learngene_save(my.context, my.gene, NULL, NULL));
    REFUSED(tleg_learngene_get_info(my.context, NULL, &config));
    REFUSED(tleg_learngene_get_info(my.context, my.gene, NULL));
    assert_null(tleg_learngene_get_tensor_name(NULL, 0));
    assert_null(tleg_learngene_get_tensor_name(my.gene, -1));
    REFUSED_OUT(tleg_tensor, t, tleg_learngene_copy_tensor(NULL, my.gene, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_learngene_copy_tensor(my.context, NULL, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_learngene_copy_tensor(my.context, my.gene, NULL, &t));
    REFUSED(tleg_learngene_copy_tensor(my.context, my.gene, "norm.weight", NULL));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_linearize(NULL, my.model, NULL, 0, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_linearize(my.context, NULL, NULL, 0, &g));
    REFUSED(tleg_learngene_linearize(my.context, my.model, NULL, 0, NULL));
    REFUSED(tleg_model_export_onnx(NULL, my.model, "x.onnx", NULL));
    REFUSED(tleg_model_export_onnx(my.context, NULL, "x.onnx", NULL));
    REFUSED(tleg_model_export_onnx(my.context, my.model, NULL, NULL));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_fit(NULL, my.model, NULL, 0, NULL, 0, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_fit(my.context, NULL, NULL, 0, NULL, 0, &g));
    REFUSED(tleg_learngene_fit(my.context, my.model, NULL, 0, NULL, 0, NULL));

    REFUSED_OUT(tleg_model, m, tleg_model_open(NULL, gene, NULL, &m));
    REFUSED_OUT(tleg_model, m, tleg_model_open(my.context, NULL, NULL, &m));
    REFUSED(tleg_model_open(my.context, gene, NULL, NULL));
    REFUSED_OUT(tleg_model, m, tleg_model_parse(NULL, my.bytes, my.size, NULL, &m));
    REFUSED_OUT(tleg_model, m, tleg_model_parse(my.context, NULL, my.size, NULL, &m));
    REFUSED(tleg_model_parse(my.context, my.bytes, my.size, NULL, NULL));
    REFUSED_OUT(tleg_model, m, tleg_model_read(NULL, my.file, NULL, &m));
    REFUSED_OUT(tleg_model, m, tleg_model_read(my.context, NULL, NULL, &m));
    REFUSED(tleg_model_read(my.context, my.file, NULL, NULL));
    REFUSED(tleg_model_write(NULL, my.model, no_write, NULL, NULL));
    REFUSED(tleg_model_write(my.context, NULL, no_write, NULL, NULL));
    REFUSED(tleg_model_write(my.context, my.model, NULL, NULL, NULL));
    assert_null(tleg_model_get_metadata(NULL, "license"));
    assert_null(tleg_model_get_metadata(my.model, NULL));
    assert_null(tleg_model_get_metadata_key(NULL, 0));
    assert_null(tleg_model_get_metadata_key(my.model, -1));
    tleg_tensor_info model_info = {.struct_size = sizeof model_info};
    assert_int_equal(tleg_model_get_tensor_count(NULL), 0);
    assert_int_equal(tleg_model_get_memory(NULL), 0);
    assert_null(tleg_model_get_label(NULL, 0));
    assert_null(tleg_model_get_label(my.model, -1));
    REFUSED(tleg_model_get_tensor_info(my.context, NULL, "norm.weight", &model_info));
    REFUSED(tleg_model_get_tensor_info(my.context, my.model, NULL, &model_info));
    REFUSED(tleg_model_get_tensor_info(my.context, my.model, "norm.weight", NULL));
    REFUSED(tleg_model_save(NULL, my.model, path, NULL));
    REFUSED(tleg_model_save(my.context, NULL, path, NULL));
    REFUSED(tleg_model_save(my.context, my.model, NULL, NULL));
    REFUSED(tleg_model_get_info(my.context, NULL, &config));
    REFUSED(tleg_model_get_info(my.context, my.model, NULL));
    assert_null(tleg_model_get_tensor_name(NULL, 0));
    assert_null(tleg_model_get_tensor_name(my.model, -1));
    REFUSED_OUT(tleg_tensor, t, tleg_model_copy_tensor(NULL, my.model, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_model_copy_tensor(my.context, NULL, "norm.weight", &t));
    REFUSED_OUT(tleg_tensor, t, tleg_model_copy_tensor(my.context, my.model, NULL, &t));
    REFUSED(tleg_model_copy_tensor(my.context, my.model, "norm.weight", NULL));
    assert_null(fopen(path, "rb"));
}

static void null_is_an_argument_error_in_expander_and_session(void **state) {
    (void)state;
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_budget budget = {.struct_size = sizeof budget, .bytes = 1 << 30};
    int32_t depth = 7;
    uint64_t bytes = 7;
    REFUSED_OUT(tleg_expander, e, tleg_expander_parse(NULL, my.bytes, my.size, NULL, NULL, &e));
    REFUSED_OUT(tleg_expander, e, tleg_expander_parse(my.context, NULL, my.size, NULL, NULL, &e));
    REFUSED(tleg_expander_parse(my.context, my.bytes, my.size, NULL, NULL, NULL));
    REFUSED_OUT(tleg_expander, e, tleg_expander_read(NULL, my.file, NULL, NULL, &e));
    REFUSED_OUT(tleg_expander, e, tleg_expander_read(my.context, NULL, NULL, NULL, &e));
    REFUSED(tleg_expander_read(my.context, my.file, NULL, NULL, NULL));
    REFUSED_OUT(tleg_expander, e, tleg_expander_create(NULL, my.gene, NULL, &e));
    REFUSED_OUT(tleg_expander, e, tleg_expander_create(my.context, NULL, NULL, &e));
    REFUSED(tleg_expander_create(my.context, my.gene, NULL, NULL));
    REFUSED_OUT(tleg_expander, e, tleg_expander_open(NULL, "gene", NULL, NULL, &e));
    REFUSED_OUT(tleg_expander, e, tleg_expander_open(my.context, NULL, NULL, NULL, &e));
    REFUSED(tleg_expander_open(my.context, "gene", NULL, NULL, NULL));
    REFUSED_OUT(tleg_model, m, tleg_expander_expand(NULL, my.expander, 2, &m));
    REFUSED_OUT(tleg_model, m, tleg_expander_expand(my.context, NULL, 2, &m));
    REFUSED(tleg_expander_expand(my.context, my.expander, 2, NULL));
    int32_t deep = 7;
    REFUSED(tleg_expander_get_depths(my.context, NULL, &deep, NULL));
    assert_int_equal(deep, 0);
    assert_int_equal(tleg_expander_get_memory(NULL), 0);
    assert_null(tleg_expander_get_label(NULL, 0));
    assert_null(tleg_expander_get_label(my.expander, -1));
    REFUSED(tleg_expander_get_cost(NULL, my.expander, 0, 1, 0, &cost));
    REFUSED(tleg_expander_get_cost(my.context, NULL, 0, 1, 0, &cost));
    REFUSED(tleg_expander_get_cost(my.context, my.expander, 0, 1, 0, NULL));
    tleg_config config = {.struct_size = sizeof config};
    REFUSED(tleg_expander_get_info(my.context, NULL, &config));
    REFUSED(tleg_expander_get_info(my.context, my.expander, NULL));
    REFUSED(tleg_expander_get_deepest(NULL, my.expander, &budget, &depth));
    assert_int_equal(depth, 0);
    REFUSED(tleg_expander_get_deepest(my.context, NULL, &budget, &depth));
    REFUSED(tleg_expander_get_deepest(my.context, my.expander, NULL, &depth));
    REFUSED(tleg_expander_get_deepest(my.context, my.expander, &budget, NULL));
    tleg_best best = {.struct_size = sizeof best};
    REFUSED(tleg_expander_get_best(NULL, my.expander, &budget, &best));
    best.depth = 3;
    REFUSED(tleg_expander_get_best(my.context, NULL, &budget, &best));
    assert_int_equal(best.depth, 0);
    REFUSED(tleg_expander_get_best(my.context, my.expander, NULL, &best));
    REFUSED(tleg_expander_get_best(my.context, my.expander, &budget, NULL));
    budget.bytes = 0;
    depth = 7;
    REFUSED(tleg_expander_get_deepest(my.context, my.expander, &budget, &depth)); /* no limit at all */
    assert_int_equal(depth, 0);

    REFUSED_OUT(tleg_session, s, tleg_session_create(NULL, my.model, NULL, &s));
    REFUSED_OUT(tleg_session, s, tleg_session_create(my.context, NULL, NULL, &s));
    REFUSED(tleg_session_create(my.context, my.model, NULL, NULL));
    REFUSED_OUT(tleg_session, s, tleg_session_create_elastic(NULL, my.expander, 2, NULL, &s));
    REFUSED_OUT(tleg_session, s, tleg_session_create_elastic(my.context, NULL, 2, NULL, &s));
    REFUSED(tleg_session_create_elastic(my.context, my.expander, 2, NULL, NULL));
    REFUSED(tleg_session_get_memory(NULL, my.model, NULL, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_session_get_memory(my.context, NULL, NULL, &bytes));
    REFUSED(tleg_session_get_memory(my.context, my.model, NULL, NULL));
    REFUSED(tleg_session_get_elastic_memory(NULL, my.expander, NULL, &bytes));
    REFUSED(tleg_session_get_elastic_memory(my.context, NULL, NULL, &bytes));
    REFUSED(tleg_session_get_elastic_memory(my.context, my.expander, NULL, NULL));
    tleg_session_info info = {.struct_size = sizeof info};
    REFUSED(tleg_session_get_info(my.context, NULL, &info));
    REFUSED(tleg_session_get_info(my.context, my.session, NULL));
    REFUSED(tleg_session_set_depth(NULL, 2));
    assert_int_equal(tleg_session_set_depth(my.session, 2), TLEG_ERROR_STATE);
    REFUSED(tleg_session_run(NULL, 1, my.images, 768, my.logits, 5, NULL, 0));
    REFUSED(tleg_session_run(my.session, 1, NULL, 768, my.logits, 5, NULL, 0));
    REFUSED(tleg_session_run(my.session, 0, my.images, 768, my.logits, 5, NULL, 0));
    REFUSED(tleg_session_run(my.session, -1, my.images, 768, my.logits, 5, NULL, 0));
    REFUSED(tleg_session_run(my.session, 1, my.images, 768, NULL, 5, NULL, 0));
    REFUSED(tleg_session_run(my.session, 1, my.images, 768, my.logits, 5, NULL, 24));
    OK_SESSION(my.session, tleg_session_run(my.session, 1, my.images, 768, my.logits, 5, NULL, 0));
    assert_non_null(tleg_session_get_error(NULL));
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
    OK(c, tleg_block_get_memory(c, my.block, 1, 2, &bytes));
    void *workspace = malloc((size_t)bytes);
    assert_non_null(workspace);
    OK(c, tleg_block_forward(c, my.block, my.tokens, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(NULL, my.block, my.tokens, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(c, NULL, my.tokens, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(c, my.block, NULL, my.tokens_out, workspace, bytes));
    REFUSED(tleg_block_forward(c, my.block, my.tokens, NULL, workspace, bytes));
    REFUSED(tleg_block_forward(c, my.block, my.tokens, my.tokens_out, NULL, bytes));
    if (bytes > 0) {
        REFUSED(tleg_block_forward(c, my.block, my.tokens, my.tokens_out, workspace, bytes - 1));
    }
    free(workspace);
    bytes = 7;
    REFUSED(tleg_block_get_memory(NULL, my.block, 1, 2, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_block_get_memory(c, NULL, 1, 2, &bytes));
    REFUSED(tleg_block_get_memory(c, my.block, 1, 2, NULL));
    REFUSED(tleg_block_get_memory(c, my.block, 0, 2, &bytes));
    REFUSED(tleg_block_get_memory(c, my.block, 1, -2, &bytes));

    static const uint8_t pixels[20 * 20 * 3];
    tleg_preparation *p = NULL;
    OK(c, tleg_model_copy_preparation(c, my.model, &p));
    tleg_image image = {.struct_size = sizeof image, .layout = TLEG_PIXELS_RGB, .width = 20, .height = 20, .pixels = pixels};
    OK(c, tleg_image_prepare(c, p, &image, my.prepared, 768));
    REFUSED(tleg_image_prepare(NULL, p, &image, my.prepared, 768));
    REFUSED(tleg_image_prepare(c, p, NULL, my.prepared, 768));
    REFUSED(tleg_image_prepare(c, NULL, &image, my.prepared, 768));
    REFUSED(tleg_image_prepare(c, p, &image, NULL, 768));
    image.pixels = NULL;
    REFUSED(tleg_image_prepare(c, p, &image, my.prepared, 768));
    image.pixels = pixels;
    image.layout = 0; /* there is no default */
    REFUSED(tleg_image_prepare(c, p, &image, my.prepared, 768));
    image.layout = TLEG_PIXELS_RGB;
    REFUSED(tleg_image_prepare(c, p, &image, my.prepared, 767));
    tleg_preparation_info info = {.struct_size = sizeof info};
    REFUSED(tleg_preparation_get_info(c, NULL, &info));
    REFUSED(tleg_preparation_get_info(c, p, NULL));
    OK(c, tleg_preparation_get_info(c, p, &info));
    assert_int_equal(info.floats, 768);
    tleg_preparation_free(p);
    tleg_preparation_options options = {.struct_size = sizeof options, .image_size = 16};
    REFUSED_OUT(tleg_preparation, made, tleg_preparation_create(NULL, &options, &made));
    REFUSED_OUT(tleg_preparation, made, tleg_preparation_create(c, NULL, &made));
    REFUSED(tleg_preparation_create(c, &options, NULL));
    REFUSED_OUT(tleg_preparation, made, tleg_learngene_copy_preparation(NULL, my.gene, &made));
    REFUSED_OUT(tleg_preparation, made, tleg_learngene_copy_preparation(c, NULL, &made));
    REFUSED(tleg_learngene_copy_preparation(c, my.gene, NULL));
    REFUSED_OUT(tleg_preparation, made, tleg_expander_copy_preparation(NULL, my.expander, &made));
    REFUSED_OUT(tleg_preparation, made, tleg_expander_copy_preparation(c, NULL, &made));
    REFUSED(tleg_expander_copy_preparation(c, my.expander, NULL));
    REFUSED_OUT(tleg_preparation, made, tleg_model_copy_preparation(NULL, my.model, &made));
    REFUSED_OUT(tleg_preparation, made, tleg_model_copy_preparation(c, NULL, &made));
    REFUSED(tleg_model_copy_preparation(c, my.model, NULL));
    tleg_preparation_free(NULL);
}

static tleg_status TLEG_CALL read_nothing(void *host, uint64_t offset, size_t bytes, void *out) {
    (void)host, (void)offset, (void)bytes, (void)out;
    return TLEG_ERROR_IO;
}

static void null_is_an_argument_error_in_readers(void **state) {
    (void)state;
    tleg_context *c = my.context;
    tleg_source source = {.struct_size = sizeof source, .size = 100, .read = read_nothing}, unread = source;
    unread.read = NULL;
    REFUSED_OUT(tleg_file, f, tleg_file_open_source(NULL, &source, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_open_source(c, NULL, &f));
    REFUSED_OUT(tleg_file, f, tleg_file_open_source(c, &unread, &f));
    REFUSED(tleg_file_open_source(c, &source, NULL));
    assert_null(tleg_file_get_metadata_key(NULL, 0));
    assert_null(tleg_file_get_metadata_key(my.file, -1));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_read(NULL, my.file, NULL, &g));
    REFUSED_OUT(tleg_learngene, g, tleg_learngene_read(c, NULL, NULL, &g));
    REFUSED(tleg_learngene_read(c, my.file, NULL, NULL));
    REFUSED_OUT(tleg_model, m, tleg_model_read(NULL, my.file, NULL, &m));
    REFUSED_OUT(tleg_model, m, tleg_model_read(c, NULL, NULL, &m));
    REFUSED(tleg_model_read(c, my.file, NULL, NULL));
    REFUSED_OUT(tleg_expander, e, tleg_expander_read(NULL, my.file, NULL, NULL, &e));
    REFUSED_OUT(tleg_expander, e, tleg_expander_read(c, NULL, NULL, NULL, &e));
    REFUSED(tleg_expander_read(c, my.file, NULL, NULL, NULL));
    REFUSED_OUT(tleg_expander, e, tleg_expander_parse(NULL, my.bytes, my.size, NULL, NULL, &e));
    REFUSED_OUT(tleg_expander, e, tleg_expander_parse(c, NULL, my.size, NULL, NULL, &e));
    REFUSED(tleg_expander_parse(c, my.bytes, my.size, NULL, NULL, NULL));
}

static void null_is_an_argument_error_in_augmentation(void **state) {
    (void)state;
    tleg_context *c = my.context;
    uint8_t pixels[20 * 20 * 3] = {0};
    const uint8_t fill[3] = {0};
    tleg_preparation *p = NULL;
    OK(c, tleg_model_copy_preparation(c, my.model, &p));
    tleg_image image = {.struct_size = sizeof image, .layout = TLEG_PIXELS_RGB, .width = 20, .height = 20, .pixels = pixels};
    tleg_augment_options options = {.struct_size = sizeof options};
    OK(c, tleg_augment_image(c, p, &image, &options, 0, my.prepared, 768));
    REFUSED(tleg_augment_image(NULL, p, &image, &options, 0, my.prepared, 768));
    REFUSED(tleg_augment_image(c, p, NULL, &options, 0, my.prepared, 768));
    REFUSED(tleg_augment_image(c, NULL, &image, &options, 0, my.prepared, 768));
    REFUSED(tleg_augment_image(c, p, &image, NULL, 0, my.prepared, 768));
    REFUSED(tleg_augment_image(c, p, &image, &options, 0, NULL, 768));
    OK(c, tleg_augment_operation(c, "Invert", 0, fill, 20, 20, pixels));
    REFUSED(tleg_augment_operation(NULL, "Invert", 0, fill, 20, 20, pixels));
    REFUSED(tleg_augment_operation(c, NULL, 0, fill, 20, 20, pixels));
    REFUSED(tleg_augment_operation(c, "Invert", 0, NULL, 20, 20, pixels));
    REFUSED(tleg_augment_operation(c, "Invert", 0, fill, 20, 20, NULL));
    tleg_mix_options mix = {.struct_size = sizeof mix, .classes = 5};
    const int64_t label = 0;
    OK(c, tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, 768, &label, my.logits, 5));
    REFUSED(tleg_augment_mix(NULL, &mix, 0, 1, 16, my.prepared, 768, &label, my.logits, 5));
    REFUSED(tleg_augment_mix(c, NULL, 0, 1, 16, my.prepared, 768, &label, my.logits, 5));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, NULL, 768, &label, my.logits, 5));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, 768, NULL, my.logits, 5));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, 768, &label, NULL, 5));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, 767, &label, my.logits, 5));
    REFUSED(tleg_augment_mix(c, &mix, 0, 1, 16, my.prepared, 768, &label, my.logits, 4));
    REFUSED(tleg_augment_image(c, p, &image, &options, 0, my.prepared, 767));
    tleg_preparation_free(p);
}

static void null_is_an_argument_error_in_gradients(void **state) {
    (void)state;
    tleg_context *c = my.context;
    tleg_tensor *v = my.vector, *w = my.square, *x = my.rows, *y = my.out, *images = NULL, *kernel = NULL;
    int64_t shape[] = {4, 3, 2, 2}, one = 1;
    OK(c, tleg_tensor_create(c, TLEG_F32, 4, (int64_t[]){1, 3, 4, 4}, &images));
    OK(c, tleg_tensor_create(c, TLEG_F32, 4, shape, &kernel));
    tleg_tensor *patches = new_tensor(3, 1, 4, 4), *pos = new_tensor(2, 4, 4, 0), *labels = NULL,
                *pooled = new_tensor(2, 1, 4, 0);
    OK(c, tleg_tensor_create(c, TLEG_I64, 1, &one, &labels));
    OK(c, tleg_layernorm_backward(c, x, v, 1e-5, x, y, v, v));
    REFUSED(tleg_layernorm_backward(NULL, x, v, 1e-5, x, y, NULL, NULL));
    REFUSED(tleg_layernorm_backward(c, NULL, v, 1e-5, x, y, NULL, NULL));
    REFUSED(tleg_layernorm_backward(c, x, NULL, 1e-5, x, y, NULL, NULL));
    REFUSED(tleg_layernorm_backward(c, x, v, 1e-5, NULL, y, NULL, NULL));
    OK(c, tleg_linear_backward(c, x, w, x, y, NULL, NULL));
    REFUSED(tleg_linear_backward(NULL, x, w, x, y, NULL, NULL));
    REFUSED(tleg_linear_backward(c, NULL, w, x, y, NULL, NULL));
    REFUSED(tleg_linear_backward(c, x, NULL, x, y, NULL, NULL));
    REFUSED(tleg_linear_backward(c, x, w, NULL, y, NULL, NULL));
    REFUSED(tleg_gelu_backward(NULL, x, x, y));
    REFUSED(tleg_gelu_backward(c, NULL, x, y));
    REFUSED(tleg_gelu_backward(c, x, NULL, y));
    REFUSED(tleg_gelu_backward(c, x, x, NULL));
    OK(c, tleg_mlp_backward(c, x, w, NULL, w, x, y, NULL, NULL, NULL, NULL));
    REFUSED(tleg_mlp_backward(NULL, x, w, NULL, w, x, y, NULL, NULL, NULL, NULL));
    REFUSED(tleg_mlp_backward(c, NULL, w, NULL, w, x, y, NULL, NULL, NULL, NULL));
    REFUSED(tleg_mlp_backward(c, x, NULL, NULL, w, x, y, NULL, NULL, NULL, NULL));
    REFUSED(tleg_mlp_backward(c, x, w, NULL, NULL, x, y, NULL, NULL, NULL, NULL));
    REFUSED(tleg_mlp_backward(c, x, w, NULL, w, NULL, y, NULL, NULL, NULL, NULL));
    REFUSED(tleg_attention_backward(NULL, my.qkv, 2, my.tokens, my.qkv));
    REFUSED(tleg_attention_backward(c, NULL, 2, my.tokens, my.qkv));
    REFUSED(tleg_attention_backward(c, my.qkv, 2, NULL, my.qkv));
    REFUSED(tleg_attention_backward(c, my.qkv, 2, my.tokens, NULL));
    OK(c, tleg_patch_embed_forward(c, images, kernel, NULL, patches));
    REFUSED(tleg_patch_embed_forward(NULL, images, kernel, NULL, patches));
    REFUSED(tleg_patch_embed_forward(c, NULL, kernel, NULL, patches));
    REFUSED(tleg_patch_embed_forward(c, images, NULL, NULL, patches));
    REFUSED(tleg_patch_embed_forward(c, images, kernel, NULL, NULL));
    OK(c, tleg_patch_embed_backward(c, images, kernel, patches, NULL, NULL, NULL));
    REFUSED(tleg_patch_embed_backward(NULL, images, kernel, patches, NULL, NULL, NULL));
    REFUSED(tleg_patch_embed_backward(c, NULL, kernel, patches, NULL, NULL, NULL));
    REFUSED(tleg_patch_embed_backward(c, images, NULL, patches, NULL, NULL, NULL));
    REFUSED(tleg_patch_embed_backward(c, images, kernel, NULL, NULL, NULL, NULL));
    OK(c, tleg_tokens_forward(c, patches, NULL, pos, patches));
    REFUSED(tleg_tokens_forward(NULL, patches, NULL, pos, patches));
    REFUSED(tleg_tokens_forward(c, NULL, NULL, pos, patches));
    REFUSED(tleg_tokens_forward(c, patches, NULL, NULL, patches));
    REFUSED(tleg_tokens_forward(c, patches, NULL, pos, NULL));
    OK(c, tleg_tokens_backward(c, patches, NULL, NULL, pos));
    REFUSED(tleg_tokens_backward(NULL, patches, NULL, NULL, pos));
    REFUSED(tleg_tokens_backward(c, NULL, NULL, NULL, pos));
    OK(c, tleg_mean_pool_forward(c, patches, 0, pooled));
    REFUSED(tleg_mean_pool_forward(NULL, patches, 0, pooled));
    REFUSED(tleg_mean_pool_forward(c, NULL, 0, pooled));
    REFUSED(tleg_mean_pool_forward(c, patches, 0, NULL));
    REFUSED(tleg_mean_pool_backward(NULL, pooled, 0, patches));
    REFUSED(tleg_mean_pool_backward(c, NULL, 0, patches));
    REFUSED(tleg_mean_pool_backward(c, pooled, 0, NULL));
    double loss = 7;
    OK(c, tleg_cross_entropy(c, pooled, labels, 0, &loss, NULL));
    REFUSED(tleg_cross_entropy(NULL, pooled, labels, 0, &loss, NULL));
    assert_true(loss == 0);
    REFUSED(tleg_cross_entropy(c, NULL, labels, 0, &loss, NULL));
    REFUSED(tleg_cross_entropy(c, pooled, NULL, 0, &loss, NULL));
    REFUSED(tleg_cross_entropy(c, pooled, labels, 0, NULL, NULL));
    OK(c, tleg_distillation(c, pooled, pooled, 1, &loss, NULL));
    REFUSED(tleg_distillation(NULL, pooled, pooled, 1, &loss, NULL));
    REFUSED(tleg_distillation(c, NULL, pooled, 1, &loss, NULL));
    REFUSED(tleg_distillation(c, pooled, NULL, 1, &loss, NULL));
    REFUSED(tleg_distillation(c, pooled, pooled, 1, NULL, NULL));
    tleg_tensor *own[] = {images, kernel, patches, pos, labels, pooled};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        tleg_tensor_free(own[i]);
    }
}

static void null_is_an_argument_error_in_a_blocks_gradients(void **state) {
    (void)state;
    tleg_context *c = my.context;
    uint64_t bytes = 0;
    OK(c, tleg_block_get_backward_memory(c, my.block, 1, 2, &bytes));
    char *workspace = malloc((size_t)bytes);
    assert_non_null(workspace);
    OK(c, tleg_block_backward(c, my.block, my.tokens, my.tokens, my.tokens_out, NULL, workspace, bytes));
    OK(c, tleg_block_backward(c, my.block, my.tokens, my.tokens, NULL, NULL, workspace, bytes));
    REFUSED(tleg_block_backward(NULL, my.block, my.tokens, my.tokens, NULL, NULL, workspace, bytes));
    REFUSED(tleg_block_backward(c, NULL, my.tokens, my.tokens, NULL, NULL, workspace, bytes));
    REFUSED(tleg_block_backward(c, my.block, NULL, my.tokens, NULL, NULL, workspace, bytes));
    REFUSED(tleg_block_backward(c, my.block, my.tokens, NULL, NULL, NULL, workspace, bytes));
    REFUSED(tleg_block_backward(c, my.block, my.tokens, my.tokens, NULL, NULL, NULL, bytes));
    REFUSED(tleg_block_backward(c, my.block, my.tokens, my.tokens, NULL, NULL, workspace, bytes - 1));
    SAYS("workspace");
    free(workspace);
    bytes = 7;
    REFUSED(tleg_block_get_backward_memory(NULL, my.block, 1, 2, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_block_get_backward_memory(c, NULL, 1, 2, &bytes));
    REFUSED(tleg_block_get_backward_memory(c, my.block, 1, 2, NULL));
    REFUSED(tleg_block_get_backward_memory(c, my.block, 0, 2, &bytes));
    REFUSED(tleg_block_get_backward_memory(c, my.block, 1, INT64_MAX, &bytes));
}

static void null_is_an_argument_error_in_training(void **state) {
    (void)state;
    tleg_context *c = my.context;
    tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1, .depth_least = 2};
    const int64_t label = 1;
    tleg_train_batch batch = {.struct_size = sizeof batch, .size = 1, .images = my.images, .labels = &label};
    const char *path = support_scratch("never.safetensors"), *const pairs[] = {"a", NULL};
    tleg_trainer *t = NULL;
    uint64_t bytes = 7;
    REFUSED_OUT(tleg_trainer, x, tleg_trainer_create(NULL, my.gene, &options, &x));
    REFUSED_OUT(tleg_trainer, x, tleg_trainer_create(c, NULL, &options, &x));
    REFUSED_OUT(tleg_trainer, x, tleg_trainer_create_for_model(NULL, my.model, &options, &x));
    REFUSED_OUT(tleg_trainer, x, tleg_trainer_create_for_model(c, NULL, &options, &x));
    REFUSED_OUT(tleg_trainer, x, tleg_trainer_create_for_model(c, my.model, NULL, &x));
    REFUSED(tleg_trainer_create_for_model(c, my.model, &options, NULL));
    REFUSED(tleg_trainer_get_memory_for_model(NULL, my.model, &options, &bytes));
    REFUSED(tleg_trainer_get_memory_for_model(c, NULL, &options, &bytes));
    REFUSED(tleg_trainer_get_memory_for_model(c, my.model, NULL, &bytes));
    REFUSED(tleg_trainer_get_memory_for_model(c, my.model, &options, NULL));
    REFUSED_OUT(tleg_trainer, x, tleg_trainer_create(c, my.gene, NULL, &x));
    REFUSED(tleg_trainer_create(c, my.gene, &options, NULL));
    REFUSED(tleg_trainer_get_memory(NULL, my.gene, &options, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_trainer_get_memory(c, NULL, &options, &bytes));
    REFUSED(tleg_trainer_get_memory(c, my.gene, NULL, &bytes));
    REFUSED(tleg_trainer_get_memory(c, my.gene, &options, NULL));
    OK(c, tleg_trainer_create(c, my.gene, &options, &t));
    REFUSED(tleg_trainer_backward(NULL, &batch, NULL));
    REFUSED(tleg_trainer_backward(t, NULL, NULL));
    support_ok(tleg_trainer_backward(t, &batch, NULL), "backward", tleg_trainer_get_error(t), __FILE__, __LINE__);
    REFUSED(tleg_trainer_update(NULL, 0.1));
    tleg_trainer_forget(NULL);
    assert_int_equal(tleg_trainer_get_steps(NULL), 0);
    assert_int_equal(tleg_trainer_get_dtype(NULL), 0);
    assert_null(tleg_trainer_get_parameter_name(NULL, 0));
    assert_null(tleg_trainer_get_parameter_name(t, -1));
    assert_non_null(tleg_trainer_get_error(NULL));
    REFUSED_OUT(tleg_tensor, x, tleg_trainer_copy_gradient(NULL, t, "head.weight", &x));
    REFUSED_OUT(tleg_tensor, x, tleg_trainer_copy_gradient(c, NULL, "head.weight", &x));
    REFUSED_OUT(tleg_tensor, x, tleg_trainer_copy_gradient(c, t, NULL, &x));
    REFUSED(tleg_trainer_copy_gradient(c, t, "head.weight", NULL));
    REFUSED_OUT(tleg_learngene, x, tleg_trainer_copy_learngene(NULL, t, 0, &x));
    REFUSED_OUT(tleg_learngene, x, tleg_trainer_copy_learngene(c, NULL, 0, &x));
    REFUSED(tleg_trainer_copy_learngene(c, t, 0, NULL));
    REFUSED_OUT(tleg_model, x, tleg_trainer_copy_model(NULL, t, 0, &x));
    REFUSED_OUT(tleg_model, x, tleg_trainer_copy_model(c, NULL, 0, &x));
    REFUSED(tleg_trainer_copy_model(c, t, 0, NULL));
    REFUSED(tleg_trainer_save(NULL, t, path, 0, NULL));
    REFUSED(tleg_trainer_save(c, NULL, path, 0, NULL));
    REFUSED(tleg_trainer_save(c, t, NULL, 0, NULL));
    REFUSED(tleg_trainer_save(c, t, path, 1, NULL));
    REFUSED(tleg_trainer_save(c, t, path, -1, NULL));
    REFUSED(tleg_trainer_save(c, t, path, 1, pairs));
    assert_null(fopen(path, "rb"));
    REFUSED(tleg_trainer_load(NULL, t, path));
    REFUSED(tleg_trainer_load(c, NULL, path));
    REFUSED(tleg_trainer_load(c, t, NULL));
    double rate = 7;
    tleg_train_rate recipe = {.struct_size = sizeof recipe, .epochs = 10, .peak = 1};
    REFUSED(tleg_train_rate_of_epoch(NULL, NULL, 1, &rate));
    assert_true(rate == 0);
    REFUSED(tleg_train_rate_of_epoch(NULL, &recipe, 1, NULL));
    rate = 7;
    REFUSED(tleg_train_rate_of_step(NULL, NULL, 1, &rate));
    assert_true(rate == 0);
    REFUSED(tleg_train_rate_of_step(NULL, &recipe, 1, NULL));
    tleg_trainer_free(t);
}

static void null_is_an_argument_error_in_generators(void **state) {
    (void)state;
    tleg_context *c = my.context;
    tleg_learngene *gene = support_gene(c, "draw-patch");
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    tleg_generator *g = NULL;
    enum { FLOATS = 36 };
    float images[FLOATS] = {0}, noise[FLOATS];
    const int64_t time = 3, label = 1;
    uint64_t bytes = 7;
    OK(c, tleg_expander_create(c, gene, NULL, &expander));
    OK(c, tleg_expander_expand(c, expander, 2, &model));
    tleg_learngene_free(gene);
    REFUSED_OUT(tleg_generator, x, tleg_generator_create(NULL, model, NULL, &x));
    REFUSED_OUT(tleg_generator, x, tleg_generator_create(c, NULL, NULL, &x));
    REFUSED(tleg_generator_create(c, model, NULL, NULL));
    REFUSED_OUT(tleg_generator, x, tleg_generator_create_elastic(NULL, expander, 2, NULL, &x));
    REFUSED_OUT(tleg_generator, x, tleg_generator_create_elastic(c, NULL, 2, NULL, &x));
    REFUSED(tleg_generator_create_elastic(c, expander, 2, NULL, NULL));
    REFUSED_OUT(tleg_generator, x, tleg_generator_create_elastic(c, expander, 0, NULL, &x));
    REFUSED_OUT(tleg_generator, x, tleg_generator_create_elastic(c, expander, 1025, NULL, &x));
    REFUSED(tleg_generator_get_memory(NULL, model, NULL, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_generator_get_memory(c, NULL, NULL, &bytes));
    REFUSED(tleg_generator_get_memory(c, model, NULL, NULL));
    bytes = 7;
    REFUSED(tleg_generator_get_elastic_memory(NULL, expander, NULL, &bytes));
    assert_int_equal(bytes, 0);
    REFUSED(tleg_generator_get_elastic_memory(c, NULL, NULL, &bytes));
    REFUSED(tleg_generator_get_elastic_memory(c, expander, NULL, NULL));
    OK(c, tleg_generator_create_elastic(c, expander, 2, NULL, &g));
    tleg_generator_info info = {.struct_size = sizeof info};
    REFUSED(tleg_generator_get_info(c, NULL, &info));
    REFUSED(tleg_generator_get_info(c, g, NULL));
    REFUSED(tleg_generator_set_depth(NULL, 2));
    REFUSED(tleg_generator_run(NULL, 1, images, FLOATS, &time, &label, noise, FLOATS));
    REFUSED(tleg_generator_run(g, 1, NULL, FLOATS, &time, &label, noise, FLOATS));
    REFUSED(tleg_generator_run(g, 1, images, FLOATS, NULL, &label, noise, FLOATS));
    REFUSED(tleg_generator_run(g, 1, images, FLOATS, &time, &label, NULL, FLOATS));
    OK(c, tleg_generator_run(g, 1, images, FLOATS, &time, NULL, noise, FLOATS)); /* no label is any label */
    const tleg_sample_options options = {.struct_size = sizeof options, .steps = 1, .count = 1};
    REFUSED(tleg_generator_sample(NULL, &options, images, FLOATS));
    REFUSED(tleg_generator_sample(g, NULL, images, FLOATS));
    REFUSED(tleg_generator_sample(g, &options, NULL, FLOATS));
    REFUSED(tleg_generator_add_noise(c, 1, FLOATS, NULL, noise, &time, noise));
    REFUSED(tleg_generator_add_noise(c, 1, FLOATS, images, NULL, &time, noise));
    REFUSED(tleg_generator_add_noise(c, 1, FLOATS, images, noise, NULL, noise));
    REFUSED(tleg_generator_add_noise(c, 1, FLOATS, images, noise, &time, NULL));
    REFUSED(tleg_generator_make_noise(c, 1, 0, 1, FLOATS, NULL));
    OK(c, tleg_generator_make_noise(NULL, 1, 0, 1, FLOATS, noise));
    assert_non_null(tleg_generator_get_error(NULL));
    tleg_generator_cancel(NULL);
    tleg_generator_free(NULL);
    tleg_generator_free(g);
    tleg_model_free(model);
    tleg_expander_free(expander);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_an_argument_error_in_core_and_tensor),
        cmocka_unit_test(null_is_an_argument_error_in_files),
        cmocka_unit_test(null_is_an_argument_error_in_learngene_and_model),
        cmocka_unit_test(null_is_an_argument_error_in_expander_and_session),
        cmocka_unit_test(null_is_an_argument_error_in_ops_block_and_image),
        cmocka_unit_test(null_is_an_argument_error_in_readers),
        cmocka_unit_test(null_is_an_argument_error_in_augmentation),
        cmocka_unit_test(null_is_an_argument_error_in_gradients),
        cmocka_unit_test(null_is_an_argument_error_in_a_blocks_gradients),
        cmocka_unit_test(null_is_an_argument_error_in_training),
        cmocka_unit_test(null_is_an_argument_error_in_generators),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
