/* A folder as its authors share a model, and the texts beside one: which file is read, and what becomes metadata. */
#include "support/containers.h"
#include "support/vit_file.h"

#include <sys/stat.h>

static void write_text(const char *name, const char *text) {
    write_scratch(name, text, strlen(text));
}

static void write_model(const char *name, const char *mark) {
    struct vit_file made;
    size_t size;
    vit_model(&made, 1);
    if (mark)
        vit_key(&made, mark, "here");
    unsigned char *bytes = vit_bytes(&made, &size);
    write_scratch(name, bytes, size);
    free(bytes);
}

static void a_folder_is_its_weights_and_texts(void **state) {
    (void)state;
    tleg_file *file;
    write_model("model.safetensors", "format");
    write_text("config.json", "{\"model_type\": \"vit\"}");
    write_text("preprocessor_config.json", "{}");
    write_text("processor_config.json", "{\"image_processor\": {}}");
    for (uint32_t flags = 0; flags <= TLEG_OPEN_MAP; flags++)
        for (int k = 0; k < 3; k++) {
            char path[96];
            snprintf(path, sizeof path, "%s%s", scratch, k == 0 ? "" : k == 1 ? "/" : "/model.safetensors");
            OK(tleg_file_open(context, path, OPEN_WITH(flags, 0), &file));
            assert_string_equal(tleg_file_get_metadata(file, "config.json"), "{\"model_type\": \"vit\"}");
            assert_string_equal(tleg_file_get_metadata(file, "preprocessor_config.json"), "{}");
            assert_string_equal(tleg_file_get_metadata(file, "processor_config.json"), "{\"image_processor\": {}}");
            assert_string_equal(tleg_file_get_metadata(file, "format"), "here");
            assert_int_equal(tleg_file_get_tensor_count(file), 19);
            float value;
            OK(tleg_file_read_part(context, file, tleg_file_find(file, "norm.bias"), 5, 1, &value));
            assert_true(value == vit_value("norm.bias", 5));
            tleg_file_free(file);
        }
    clean_scratch();
}

static void other_files_are_alone(void **state) {
    (void)state;
    tleg_file *file;
    write_model("other.safetensors", NULL);
    write_text("config.json", "{}");
    OK(tleg_file_open(context, in_scratch("other.safetensors"), NULL, &file));
    assert_null(tleg_file_get_metadata(file, "config.json"));
    tleg_file_free(file);
    write_model("model.safetensors", "tleg.heads"); /* one of ours says everything itself */
    OK(tleg_file_open(context, in_scratch("model.safetensors"), NULL, &file));
    assert_null(tleg_file_get_metadata(file, "config.json"));
    tleg_file_free(file);
    clean_scratch();
    write_model("model.safetensors", NULL); /* nothing stands beside it */
    OK(tleg_file_open(context, scratch, NULL, &file));
    assert_null(tleg_file_get_metadata_key(file, 0));
    tleg_file_free(file);
    clean_scratch();
}

static void open_clips_names_have_their_own_text(void **state) {
    (void)state;
    tleg_file *file;
    write_model("open_clip_model.safetensors", NULL);
    write_text("config.json", "{}");
    write_text("open_clip_config.json", "{\"model_cfg\": {}}");
    OK(tleg_file_open(context, scratch, NULL, &file));
    assert_null(tleg_file_get_metadata(file, "config.json"));
    assert_string_equal(tleg_file_get_metadata(file, "open_clip_config.json"), "{\"model_cfg\": {}}");
    tleg_file_free(file);
    write_model("model.safetensors", NULL); /* the same weights for another library come first */
    OK(tleg_file_open(context, scratch, NULL, &file));
    assert_string_equal(tleg_file_get_metadata(file, "config.json"), "{}");
    tleg_file_free(file);
    clean_scratch();
}

static void a_folder_that_is_not_clear_is_refused(void **state) {
    (void)state;
    tleg_file *file;
    assert_int_equal(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_IO);
    assert_non_null(strstr(tleg_context_get_error(context), "expected model.safetensors"));
    assert_non_null(strstr(tleg_context_get_error(context), scratch));
    write_model("model.safetensors", NULL);
    write_text("model.safetensors.index.json", "{\"weight_map\": {\"norm.bias\": \"model.safetensors\"}}");
    assert_int_equal(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), "two models"));
    assert_int_equal(unlink(in_scratch("model.safetensors")), 0);
    assert_int_equal(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_NOT_FOUND); /* a file of the index */
    assert_non_null(strstr(tleg_context_get_error(context), "model.safetensors"));
    clean_scratch();
    write_model("model.safetensors", NULL);
    assert_int_equal(mkdir(in_scratch("config.json"), 0700), 0);
    assert_int_equal(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_IO);
    assert_non_null(strstr(tleg_context_get_error(context), "config.json is a directory"));
    rmdir(in_scratch("config.json"));
    write_scratch("config.json", "{}\0{}", 5);
    assert_int_equal(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), "config.json"));
    clean_scratch();
}

/* As what a cache of links has once it is fetched in part. */
static void a_link_that_leads_nowhere_is_no_want_of_the_file(void **state) {
    (void)state;
    tleg_file *file;
    write_model("pytorch_model.bin", NULL);
    assert_int_equal(symlink("nowhere", in_scratch("model.safetensors")), 0);
    assert_int_equal(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_NOT_FOUND);
    assert_contains(tleg_context_get_error(context), "/model.safetensors: cannot be opened: No such file or directory");
    assert_int_equal(unlink(in_scratch("model.safetensors")), 0);
    OK(tleg_file_open(context, scratch, NULL, &file));
    tleg_file_free(file);
    static const char *const texts[] = {"config.json", "preprocessor_config.json"};
    for (int k = 0; k < 2; k++) {
        assert_int_equal(symlink("nowhere", in_scratch(texts[k])), 0);
        assert_int_equal(tleg_file_open(context, in_scratch("pytorch_model.bin"), NULL, &file), TLEG_ERROR_NOT_FOUND);
        assert_contains(tleg_context_get_error(context), texts[k]);
        assert_int_equal(unlink(in_scratch(texts[k])), 0);
        assert_int_equal(symlink(texts[k], in_scratch(texts[k])), 0); /* to itself */
        assert_int_equal(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_IO);
        assert_contains(tleg_context_get_error(context), "Too many levels of symbolic links");
        assert_int_equal(unlink(in_scratch(texts[k])), 0);
    }
    clean_scratch();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_its_weights_and_texts),
        cmocka_unit_test(other_files_are_alone),
        cmocka_unit_test(open_clips_names_have_their_own_text),
        cmocka_unit_test(a_folder_that_is_not_clear_is_refused),
        cmocka_unit_test(a_link_that_leads_nowhere_is_no_want_of_the_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
