/* A host may know better than a file how its pictures are prepared, and of which size they are. */
#include "support/suite_context.h"

#include <math.h>
#include <string.h>
#include <tleg/tleg.h>

enum { SIDE = 16, LARGER = 28, PATCH = 4, DEPTH = 2 };

static tleg_learngene *gene_of(void) {
    const tleg_config config = {.struct_size = sizeof config,
                                .image_size = SIDE,
                                .patch_size = PATCH,
                                .dim = 8,
                                .heads = 2,
                                .classes = 3,
                                .class_token = 1,
                                .crop = 0.9,
                                .mean = {0.1, 0.2, 0.3},
                                .std = {0.4, 0.5, 0.6}};
    tleg_learngene *gene = NULL;
    OK(context, tleg_learngene_create(context, &config, 7, &gene));
    return gene;
}

static tleg_model *expanded_as(const tleg_learngene *gene, const tleg_expander_options *options) {
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    OK(context, tleg_expander_create(context, gene, options, &expander));
    OK(context, tleg_expander_expand(context, expander, DEPTH, &model));
    tleg_expander_free(expander);
    return model;
}

static tleg_model *expanded(const tleg_learngene *gene, int32_t image_size, tleg_dtype dtype) {
    const tleg_expander_options options = {.struct_size = sizeof options, .image_size = image_size, .dtype = dtype};
    return expanded_as(gene, &options);
}

static void same_tensors(const tleg_model *a, const tleg_model *b) {
    const char *name;
    for (int64_t i = 0; (name = tleg_model_get_tensor_name(a, i)) != NULL; i++) {
        tleg_tensor *left = NULL, *right = NULL;
        tleg_tensor_info one = {.struct_size = sizeof one}, other = {.struct_size = sizeof other};
        OK(context, tleg_model_copy_tensor(context, a, name, &left));
        OK(context, tleg_model_copy_tensor(context, b, name, &right));
        OK(context, tleg_tensor_get_info(context, left, &one));
        OK(context, tleg_tensor_get_info(context, right, &other));
        assert_int_equal(one.bytes, other.bytes);
        assert_memory_equal(one.data, other.data, one.bytes);
        tleg_tensor_free(left);
        tleg_tensor_free(right);
    }
}

/* Scores were measured of pictures that are prepared as the file says. */
static void scores_are_of_pictures_as_the_file_prepares_them(void **state) {
    (void)state;
    static const int32_t depths[] = {DEPTH};
    static const double right[] = {0.5};
    const tleg_scores scores = {.struct_size = sizeof scores, .count = 1, .images = 8, .depths = depths, .scores = right};
    const tleg_save_options saving = {.struct_size = sizeof saving, .scores = &scores};
    const tleg_preparation_options said[] = {
        {.struct_size = sizeof *said},
        {.struct_size = sizeof *said, .crop = 0.9, .std = {0.4, 0.5, 0.6}, .mean = {0.1, 0.2, 0.3}},
        {.struct_size = sizeof *said, .crop = 0.8},
        {.struct_size = sizeof *said, .std = {0.4, 0.5, 0.6}},
        {.struct_size = sizeof *said, .interpolation = TLEG_INTERPOLATION_BOX},
        {.struct_size = sizeof *said, .fit = TLEG_FIT_SQUASH},
        {.struct_size = sizeof *said, .image_size = LARGER}};
    const char *path = support_scratch("scored.safetensors");
    tleg_learngene *gene = gene_of();
    tleg_model *model = expanded(gene, 0, TLEG_F32);
    OK(context, tleg_model_save(context, model, path, &saving));
    for (size_t k = 0; k < sizeof said / sizeof *said; k++) {
        const tleg_open_options how = {.struct_size = sizeof how, .pictures = &said[k]};
        tleg_config config = {.struct_size = sizeof config};
        tleg_model *opened = NULL;
        OK(context, tleg_model_open(context, path, &how, &opened));
        OK(context, tleg_model_get_info(context, opened, &config));
        assert_int_equal(config.scores != NULL, k < 2);
        tleg_model_free(opened);
    }
    tleg_model_free(model);
    tleg_learngene_free(gene);
}

/* A gene's and a model's, saved and opened; what they are told stands in their information, and in files of theirs. */
static void what_a_host_says_of_pictures_replaces_what_the_file_says(void **state) {
    (void)state;
    const tleg_preparation_options pictures = {.struct_size = sizeof pictures,
                                               .crop = 0.95,
                                               .mean = {0, 0.5, 0.25},
                                               .std = {0.5, 1, 2},
                                               .interpolation = TLEG_INTERPOLATION_BILINEAR,
                                               .fit = TLEG_FIT_SQUASH};
    const tleg_open_options how = {.struct_size = sizeof how, .heads = 0, .pictures = &pictures};
    const char *path = support_scratch("pictures.safetensors");
    tleg_learngene *gene = gene_of();
    tleg_model *model = expanded(gene, 0, TLEG_F32), *opened = NULL;
    OK(context, tleg_model_save(context, model, path, NULL));
    OK(context, tleg_model_open(context, path, &how, &opened));
    OK(context, tleg_model_save(context, opened, path, NULL));
    tleg_model_free(opened);
    tleg_config config = {.struct_size = sizeof config};
    OK(context, tleg_model_open(context, path, NULL, &opened));
    OK(context, tleg_model_get_info(context, opened, &config));
    assert_true(config.crop == 0.95 && config.mean[0] == 0 && config.mean[1] == 0.5 && config.std[2] == 2);
    assert_int_equal(config.interpolation, TLEG_INTERPOLATION_BILINEAR);
    assert_int_equal(config.fit, TLEG_FIT_SQUASH);
    same_tensors(model, opened);
    tleg_model_free(opened);

    OK(context, tleg_learngene_save(context, gene, path, NULL));
    tleg_expander *expander = NULL;
    tleg_preparation *preparation = NULL;
    tleg_preparation_info info = {.struct_size = sizeof info};
    OK(context, tleg_expander_open(context, path, &how, NULL, &expander));
    OK(context, tleg_expander_copy_preparation(context, expander, &preparation));
    OK(context, tleg_preparation_get_info(context, preparation, &info));
    assert_true(info.crop == 0.95 && info.std[1] == 1 && info.fit == TLEG_FIT_SQUASH && info.channels == 3);
    tleg_preparation_free(preparation);
    tleg_expander_free(expander);
    tleg_model_free(model);
    tleg_learngene_free(gene);
}

static void members_of_zero_stay_as_the_file_has_them(void **state) {
    (void)state;
    const tleg_preparation_options pictures = {.struct_size = sizeof pictures, .interpolation = TLEG_INTERPOLATION_BOX};
    const tleg_open_options how = {.struct_size = sizeof how, .pictures = &pictures};
    const char *path = support_scratch("zero.safetensors");
    tleg_learngene *gene = gene_of(), *opened = NULL;
    OK(context, tleg_learngene_save(context, gene, path, NULL));
    OK(context, tleg_learngene_open(context, path, &how, &opened));
    tleg_config config = {.struct_size = sizeof config};
    OK(context, tleg_learngene_get_info(context, opened, &config));
    assert_true(config.crop == 0.9 && config.mean[2] == 0.3 && config.std[0] == 0.4 && config.image_size == SIDE);
    assert_int_equal(config.interpolation, TLEG_INTERPOLATION_BOX);
    assert_int_equal(config.fit, TLEG_FIT_CROP);
    tleg_learngene_free(opened);
    tleg_learngene_free(gene);
}

/* A model or a gene opened for larger images is what the gene expands to for them. */
static void a_file_opened_for_other_images_has_its_positions_resampled(void **state) {
    (void)state;
    const tleg_preparation_options pictures = {.struct_size = sizeof pictures, .image_size = LARGER};
    const tleg_open_options how = {.struct_size = sizeof how, .pictures = &pictures};
    const char *path = support_scratch("larger.safetensors");
    tleg_learngene *gene = gene_of(), *larger = NULL;
    static const tleg_dtype dtypes[] = {TLEG_F32, TLEG_BF16};
    for (int i = 0; i < 2; i++) {
        tleg_model *model = expanded(gene, 0, dtypes[i]), *wanted = expanded(gene, LARGER, dtypes[i]), *found = NULL;
        tleg_config config = {.struct_size = sizeof config}, right = {.struct_size = sizeof right};
        OK(context, tleg_model_save(context, model, path, NULL));
        OK(context, tleg_model_open(context, path, &how, &found));
        OK(context, tleg_model_get_info(context, found, &config));
        OK(context, tleg_model_get_info(context, wanted, &right));
        assert_int_equal(config.image_size, LARGER);
        assert_true(config.parameters == right.parameters && config.dtype == dtypes[i]);
        if (dtypes[i] == TLEG_F32) /* of bf16 the positions are rounded before they are resampled */
            same_tensors(found, wanted);
        tleg_model_free(model);
        tleg_model_free(wanted);
        tleg_model_free(found);
    }
    OK(context, tleg_learngene_save(context, gene, path, NULL));
    OK(context, tleg_learngene_open(context, path, &how, &larger));
    tleg_model *found = expanded(larger, 0, TLEG_F32), *wanted = expanded(gene, LARGER, TLEG_F32);
    same_tensors(found, wanted);
    tleg_model_free(found);
    tleg_model_free(wanted);
    tleg_learngene_free(larger);
    tleg_learngene_free(gene);
}

/* Of a learngene or model in `path`, opened for pictures of HIGH x WIDE pixels. */
enum { HIGH = 8, WIDE = 28 };

static tleg_model *opened_wide(const char *path, tleg_position_filter filter) {
    const tleg_preparation_options pictures = {.struct_size = sizeof pictures, .image_size = HIGH, .image_width = WIDE};
    const tleg_open_options how = {.struct_size = sizeof how, .pictures = &pictures, .position_filter = filter};
    tleg_model *model = NULL;
    OK(context, tleg_model_open(context, path, &how, &model));
    return model;
}

static tleg_model *expanded_wide(const tleg_learngene *gene, tleg_position_filter filter) {
    const tleg_expander_options options = {
        .struct_size = sizeof options, .image_size = HIGH, .image_width = WIDE, .position_filter = filter};
    return expanded_as(gene, &options);
}

/* The sum of what differs between two models' positions. */
static double positions_apart(const tleg_model *a, const tleg_model *b) {
    tleg_tensor *left = NULL, *right = NULL;
    tleg_tensor_info one = {.struct_size = sizeof one}, other = {.struct_size = sizeof other};
    OK(context, tleg_model_copy_tensor(context, a, "pos_embed", &left));
    OK(context, tleg_model_copy_tensor(context, b, "pos_embed", &right));
    OK(context, tleg_tensor_get_info(context, left, &one));
    OK(context, tleg_tensor_get_info(context, right, &other));
    assert_int_equal(one.shape[1], 1 + HIGH / PATCH * (WIDE / PATCH));
    assert_int_equal(one.bytes, other.bytes);
    double apart = 0;
    for (size_t i = 0; i < one.bytes / sizeof(float); i++)
        apart += fabs((double)((const float *)one.data)[i] - (double)((const float *)other.data)[i]);
    tleg_tensor_free(left);
    tleg_tensor_free(right);
    return apart;
}

/* By either filter a file that is opened for them has the positions that its gene expands to, and says their size. */
static void pictures_that_are_not_square_have_positions_by_either_filter(void **state) {
    (void)state;
    const char *path = support_scratch("wide.safetensors");
    tleg_learngene *gene = gene_of();
    tleg_model *model = expanded(gene, 0, TLEG_F32);
    OK(context, tleg_model_save(context, model, path, NULL));
    tleg_model *plain = opened_wide(path, 0), *smooth = opened_wide(path, TLEG_POSITION_FILTER_ANTIALIAS);
    tleg_model *wanted = expanded_wide(gene, TLEG_POSITION_FILTER_BICUBIC),
               *other = expanded_wide(gene, TLEG_POSITION_FILTER_ANTIALIAS);
    same_tensors(plain, wanted);
    same_tensors(smooth, other);
    assert_true(positions_apart(plain, smooth) > 1e-3);
    OK(context, tleg_model_save(context, smooth, path, NULL));
    tleg_model *again = NULL;
    tleg_config config = {.struct_size = sizeof config};
    OK(context, tleg_model_open(context, path, NULL, &again));
    OK(context, tleg_model_get_info(context, again, &config));
    assert_true(config.image_size == HIGH && config.image_width == WIDE && config.patch_width == 0);
    same_tensors(again, smooth);
    tleg_model *const models[] = {model, plain, smooth, wanted, other, again};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        tleg_model_free(models[i]);
    const tleg_open_options bad = {.struct_size = sizeof bad, .position_filter = 3};
    assert_int_equal(tleg_model_open(context, path, &bad, &model), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "position_filter"));
    tleg_learngene_free(gene);
}

/* The tensors of `model` in a file without a word of metadata but the heads. */
static void save_bare(const tleg_model *model, const char *path) {
    enum { MOST = 64 };
    const char *names[MOST];
    tleg_tensor *tensors[MOST];
    int64_t count = 0;
    for (; (names[count] = tleg_model_get_tensor_name(model, count)) != NULL; count++)
        OK(context, tleg_model_copy_tensor(context, model, names[count], &tensors[count]));
    const char *const pairs[] = {"tleg.heads", "2"};
    const tleg_save_options options = {.struct_size = sizeof options, .pairs = 1, .keys_and_values = pairs};
    OK(context, tleg_file_save(context, path, count, names, (const tleg_tensor *const *)tensors, &options));
    while (count > 0)
        tleg_tensor_free(tensors[--count]);
}

/* A file that does not say what its positions' grid is, which is not a square's, is as its host says. */
static void a_grid_that_no_file_says_is_the_hosts_to_say(void **state) {
    (void)state;
    const char *path = support_scratch("bare.safetensors");
    tleg_learngene *gene = gene_of();
    tleg_model *model = expanded_wide(gene, 0), *opened = NULL;
    save_bare(model, path);
    assert_int_equal(tleg_model_open(context, path, NULL, &opened), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), "say their height and width"));
    opened = opened_wide(path, 0);
    same_tensors(opened, model);
    tleg_model_free(opened);
    tleg_model_free(model);
    tleg_learngene_free(gene);
}

/* Whose rows might be a square's too, with a row for the class token or without: 2 x 4 patches and one, and 1 x 9. */
static void a_grid_of_as_many_rows_as_a_square_is_the_hosts_to_say(void **state) {
    (void)state;
    static const int32_t sizes[][2] = {{8, 16}, {4, 36}};
    const char *path = support_scratch("bare.safetensors"), *own = support_scratch("own.safetensors");
    tleg_learngene *gene = gene_of();
    for (int k = 0; k < 2; k++) {
        const tleg_expander_options wide = {.struct_size = sizeof wide, .image_size = sizes[k][0], .image_width = sizes[k][1]};
        const tleg_preparation_options pictures = {
            .struct_size = sizeof pictures, .image_size = sizes[k][0], .image_width = sizes[k][1]};
        const tleg_open_options how = {.struct_size = sizeof how, .pictures = &pictures};
        tleg_model *model = expanded_as(gene, &wide), *square = expanded(gene, 12, TLEG_F32), *opened = NULL;
        save_bare(model, path);
        OK(context, tleg_model_open(context, path, &how, &opened));
        same_tensors(opened, model);
        tleg_model_free(opened);
        OK(context, tleg_model_save(context, square, own, NULL)); /* which says that it is 12 x 12 */
        OK(context, tleg_model_open(context, own, &how, &opened));
        tleg_config config = {.struct_size = sizeof config};
        tleg_tensor *learned = NULL, *resampled = NULL;
        tleg_tensor_info one = {.struct_size = sizeof one}, other = {.struct_size = sizeof other};
        OK(context, tleg_model_get_info(context, opened, &config));
        assert_true(config.image_size == sizes[k][0] && config.image_width == sizes[k][1]);
        OK(context, tleg_model_copy_tensor(context, square, "pos_embed", &learned));
        OK(context, tleg_model_copy_tensor(context, opened, "pos_embed", &resampled));
        OK(context, tleg_tensor_get_info(context, learned, &one));
        OK(context, tleg_tensor_get_info(context, resampled, &other));
        assert_true(one.bytes != other.bytes || memcmp(one.data, other.data, one.bytes) != 0);
        tleg_tensor_free(learned);
        tleg_tensor_free(resampled);
        tleg_model_free(opened);
        tleg_model_free(square);
        tleg_model_free(model);
    }
    tleg_learngene_free(gene);
}

/* A size whose patches would leave out three of five tokens, as no model does, is another size: 6 x 6 patches become 5 x 7. */
static void a_grid_that_no_model_has_is_not_what_was_learned(void **state) {
    (void)state;
    const char *path = support_scratch("bare.safetensors");
    const tleg_config with_registers = {.struct_size = sizeof with_registers,
                                        .image_size = 24,
                                        .patch_size = 4,
                                        .dim = 24,
                                        .heads = 2,
                                        .classes = 3,
                                        .class_token = 1,
                                        .registers = 4,
                                        .unplaced = 4};
    const tleg_preparation_options pictures = {.struct_size = sizeof pictures, .image_size = 20, .image_width = 28};
    const tleg_open_options how = {.struct_size = sizeof how, .pictures = &pictures};
    tleg_learngene *gene = NULL;
    OK(context, tleg_learngene_create(context, &with_registers, 1, &gene));
    tleg_model *model = expanded(gene, 0, TLEG_F32), *opened = NULL;
    tleg_config config = {.struct_size = sizeof config};
    save_bare(model, path);
    OK(context, tleg_model_open(context, path, &how, &opened));
    OK(context, tleg_model_get_info(context, opened, &config));
    assert_int_equal(config.unplaced, 4);
    assert_true(config.image_size == 20 && config.image_width == 28);
    tleg_model_free(opened);
    tleg_model_free(model);
    tleg_learngene_free(gene);
}

static void must_refuse(const char *path, tleg_preparation_options pictures, tleg_status status, const char *says) {
    const tleg_open_options how = {.struct_size = sizeof how, .pictures = &pictures};
    tleg_learngene *gene = NULL;
    pictures.struct_size = sizeof pictures;
    assert_int_equal(tleg_learngene_open(context, path, &how, &gene), status);
    if (strstr(tleg_context_get_error(context), says) == NULL)
        fail_msg("\"%s\" does not say %s", tleg_context_get_error(context), says);
    assert_null(gene);
}

static void what_makes_no_sense_is_refused_by_its_member(void **state) {
    (void)state;
    const char *path = support_scratch("refused.safetensors");
    tleg_learngene *gene = gene_of();
    OK(context, tleg_learngene_save(context, gene, path, NULL));
    tleg_learngene_free(gene);
    must_refuse(path, (tleg_preparation_options){.crop = 1.5}, TLEG_ERROR_ARGUMENT, "preparation.crop");
    must_refuse(path, (tleg_preparation_options){.std = {1, 1, 0}}, TLEG_ERROR_ARGUMENT, "preparation.std");
    must_refuse(path, (tleg_preparation_options){.interpolation = 9}, TLEG_ERROR_ARGUMENT, "preparation.interpolation");
    must_refuse(path, (tleg_preparation_options){.fit = -1}, TLEG_ERROR_ARGUMENT, "preparation.fit");
    must_refuse(path, (tleg_preparation_options){.image_size = 18}, TLEG_ERROR_ARGUMENT, "pictures.image_size");
    must_refuse(path, (tleg_preparation_options){.image_size = -4}, TLEG_ERROR_ARGUMENT, "pictures.image_size");
    must_refuse(path, (tleg_preparation_options){.image_width = 16}, TLEG_ERROR_ARGUMENT,
                "pictures.image_size: expected a height beside the width, 16, found 0");
    must_refuse(path, (tleg_preparation_options){.image_size = 16, .image_width = 18}, TLEG_ERROR_ARGUMENT, "16x18");
    must_refuse(path, (tleg_preparation_options){.channels = 3}, TLEG_ERROR_UNSUPPORTED, "pictures.channels");
    const tleg_preparation_options larger = {.struct_size = sizeof larger, .image_size = LARGER};
    const tleg_open_options how = {.struct_size = sizeof how, .pictures = &larger};
    tleg_expander *expander = NULL;
    tleg_file *file = NULL;
    assert_int_equal(tleg_expander_open(context, path, &how, NULL, &expander), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "tleg_expander_options.image_size"));
    assert_int_equal(tleg_file_open(context, path, &how, &file), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "tleg_open_options.pictures"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_of_pictures_as_the_file_prepares_them),
        cmocka_unit_test(what_a_host_says_of_pictures_replaces_what_the_file_says),
        cmocka_unit_test(members_of_zero_stay_as_the_file_has_them),
        cmocka_unit_test(a_file_opened_for_other_images_has_its_positions_resampled),
        cmocka_unit_test(pictures_that_are_not_square_have_positions_by_either_filter),
        cmocka_unit_test(a_grid_that_no_file_says_is_the_hosts_to_say),
        cmocka_unit_test(a_grid_of_as_many_rows_as_a_square_is_the_hosts_to_say),
        cmocka_unit_test(a_grid_that_no_model_has_is_not_what_was_learned),
        cmocka_unit_test(what_makes_no_sense_is_refused_by_its_member),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
