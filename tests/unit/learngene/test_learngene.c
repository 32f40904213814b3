/* The learngene container: what it reads and writes. */
#include "learngene/gene.h"
#include "support/gene_values.h"
#include "support/vit_file.h"

/* ---- helpers ---- */

static const char *const golden[] = {"mean",   "cls",   "clsmean", "dist",   "schedule", "nobias", "combo",
                                     "shared", "token", "wide",    "patch1", "curves",   "powers"};
enum { GOLDEN = sizeof golden / sizeof *golden };

static tleg_learngene *parse(const struct vit_file *made) {
    size_t size;
    tleg_learngene *gene;
    unsigned char *bytes = vit_bytes(made, &size);
    OK(context, tleg_learngene_parse(context, bytes, size, NULL, &gene));
    free(bytes); /* not needed afterwards */
    return gene;
}

/* ---- reading ---- */

static void a_file_of_the_reference_comes_in_whole(void **state) {
    (void)state;
    for (int k = 0; k < GOLDEN; k++) {
        tleg_learngene *gene = support_gene(context, golden[k]);
        tleg_file *file;
        OK(context, tleg_file_open(context, support_path(golden[k], ".gene.safetensors"), NULL, &file));
        assert_int_equal(count_tensors(gene), tleg_file_get_tensor_count(file));
        uint64_t parameters = 0;
        for (int64_t i = 0; i < tleg_file_get_tensor_count(file); i++) {
            const char *name = tleg_file_get_tensor_name(file, i);
            tleg_tensor *stored;
            tleg_tensor_info info = {.struct_size = sizeof info};
            OK(context, tleg_file_read_tensor(context, file, name, &stored));
            OK(context, tleg_tensor_get_info(context, stored, &info));
            struct values values = take(gene, name);
            assert_int_equal(values.info.rank, info.rank);
            assert_memory_equal(values.info.shape, info.shape, (size_t)info.rank * sizeof *info.shape);
            assert_memory_equal(values.data, info.data, info.bytes);
            parameters += values.count;
            tleg_tensor_free(values.tensor);
            tleg_tensor_free(stored);
        }
        tleg_config config = {.struct_size = sizeof config};
        OK(context, tleg_learngene_get_info(context, gene, &config));
        assert_int_equal(config.parameters, parameters);
        assert_int_equal(config.ignored_count, 0);
        assert_int_equal(tleg_file_get_metadata(file, "tleg.schedule") != NULL, *config.schedule != '\0');
        tleg_file_free(file);
        tleg_learngene_free(gene);
    }
}

static void segments_point_at_what_their_names_say(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(context, "schedule");
    /* norm1 [1,true],[5,true]; qkv [4,true],[2,false]; fc1 [3,true],[2,true],[1,false] */
    static const int32_t counts[TLEG_SITES] = {[TLEG_SITE_NORM1] = 2, [TLEG_SITE_QKV] = 2, [TLEG_SITE_FC1] = 3}; /* others 1 */
    for (int site = 0; site < TLEG_SITES; site++)
        assert_int_equal(gene->segment_count[site], counts[site] ? counts[site] : 1);
    assert_int_equal(tleg_schedule_least(gene), 3);
    const struct tleg_segment *qkv = gene->segments[TLEG_SITE_QKV], *norm1 = gene->segments[TLEG_SITE_NORM1];
    assert_int_equal(qkv[0].layers, 4);
    assert_int_equal(qkv[1].layers, 2);
    assert_int_equal(gene->segments[TLEG_SITE_PROJ][0].layers, 1); /* not named */
    assert_int_equal(norm1[0].tensors, 1);
    assert_int_equal(norm1[1].tensors, 2);
    assert_int_equal(qkv[1].tensors, 1);
    const struct {
        const char *name;
        const struct tleg_gene_tensor *at;
    } pieces[] = {
        {"blocks.block.norm1.instances.0.weight", norm1[0].weight},
        {"blocks.block.norm1.instances.1.bias_ilayer", norm1[1].bias + 1},
        {"blocks.block.attn.qkv.instances.0.weight_base", qkv[0].weight},
        {"blocks.block.attn.qkv.instances.0.weight_ilayer", qkv[0].weight + 1},
        {"blocks.block.attn.qkv.instances.0.bias_base", qkv[0].bias},
        {"blocks.block.attn.qkv.instances.1.bias", qkv[1].bias},
        {"blocks.block.mlp.fc1.instances.2.weight", gene->segments[TLEG_SITE_FC1][2].weight},
        {"pos_embed", gene->outer[TLEG_SLOT_POS_EMBED]},
        {"head.bias", gene->outer[TLEG_SLOT_HEAD_BIAS]},
    };
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        struct values values = take(gene, pieces[k].name);
        assert_string_equal(pieces[k].at->spec.name, pieces[k].name);
        assert_memory_equal(values.data, pieces[k].at->data, values.count * sizeof(float));
        assert_int_equal((uintptr_t)pieces[k].at->data % TLEG_ALIGN, 0);
        tleg_tensor_free(values.tensor);
    }
    assert_null(gene->outer[TLEG_SLOT_CLS_TOKEN]);
    tleg_learngene_free(gene);
}

static void the_tensors_of_a_basis_stand_side_by_side(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(context, "powers");
    const struct tleg_segment *fc2 = gene->segments[TLEG_SITE_FC2], *proj = gene->segments[TLEG_SITE_PROJ];
    assert_int_equal(fc2[0].curve, TLEG_CURVE_CHEBYSHEV);
    assert_int_equal(fc2[1].curve, TLEG_CURVE_COSINE);
    assert_int_equal(proj[0].tensors, 1); /* [1,"power",16] */
    assert_string_equal(proj[0].weight->spec.name, "blocks.block.attn.proj.instances.0.weight");
    for (int s = 0; s < 2; s++) {
        assert_int_equal(fc2[s].tensors, 16);
        for (int k = 0; k < 16; k++) {
            char name[TLEG_NAME_TEXT];
            snprintf(name, sizeof name, "blocks.block.mlp.fc2.instances.%d.weight_basis%d", s, k);
            assert_string_equal(fc2[s].weight[k].spec.name, name);
            snprintf(name, sizeof name, "blocks.block.mlp.fc2.instances.%d.bias_basis%d", s, k);
            assert_string_equal(fc2[s].bias[k].spec.name, name);
        }
    }
    tleg_learngene_free(gene);
}

static void a_qkv_without_bias_has_none(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(context, "nobias");
    assert_null(gene->segments[TLEG_SITE_QKV][0].bias);
    assert_non_null(gene->segments[TLEG_SITE_PROJ][0].bias);
    tleg_learngene_free(gene);
}

static void other_float_types_become_f32(void **state) {
    (void)state;
    static const char *const types[] = {"F32", "F16", "BF16", "F64"};
    for (int k = 0; k < 4; k++) {
        struct vit_file made;
        vit_gene(&made);
        vit_type(&made, types[k]);
        tleg_learngene *gene = parse(&made);
        for (int32_t t = 0; t < made.count; t++) {
            struct values values = take(gene, made.tensors[t].name);
            assert_int_equal(values.count, vit_elements(&made.tensors[t]));
            for (size_t i = 0; i < values.count; i++)
                assert_true(values.data[i] == vit_value(made.tensors[t].name, i));
            tleg_tensor_free(values.tensor);
        }
        tleg_learngene_free(gene);
    }
}

static void order_blanks_alignment_and_strangers_do_not_matter(void **state) {
    (void)state;
    struct vit_file made;
    vit_gene(&made);
    tleg_learngene *plain = parse(&made);
    for (int32_t k = 0; k < made.count / 2; k++) { /* turned around, an odd byte in front, strangers */
        struct vit_tensor swap = made.tensors[k];
        made.tensors[k] = made.tensors[made.count - 1 - k];
        made.tensors[made.count - 1 - k] = swap;
    }
    vit_add(&made, "a.note", "1");
    struct vit_tensor last = made.tensors[made.count - 1];
    memmove(made.tensors + 1, made.tensors, (size_t)(made.count - 1) * sizeof last);
    made.tensors[0] = last;
    made.tensors[0].type = "U8";
    vit_add(&made, "extra.empty", "0");
    vit_add(&made, "step", "");
    tleg_learngene *turned = parse(&made);
    must_be_equal(plain, turned);
    tleg_config config = {.struct_size = sizeof config};
    OK(context, tleg_learngene_get_info(context, turned, &config));
    assert_int_equal(config.ignored_count, 3);
    assert_string_equal(config.ignored[0], "a.note");
    tleg_learngene_free(plain);
    tleg_learngene_free(turned);
}

static void a_mapped_file_is_the_same(void **state) {
    (void)state;
    tleg_learngene *read = support_gene(context, "combo"), *mapped;
    OK(context, tleg_learngene_open(context, support_path("combo", ".gene.safetensors"), OPEN_WITH(TLEG_OPEN_MAP, 3), &mapped));
    must_be_equal(read, mapped);
    tleg_learngene_free(read);
    tleg_learngene_free(mapped);
}

static void every_truncation_is_an_error(void **state) {
    (void)state;
    struct vit_file made;
    vit_gene(&made);
    size_t size;
    unsigned char *bytes = vit_bytes(&made, &size);
    for (size_t cut = 0; cut < size; cut += cut < 5000 ? 1 : 97) {
        unsigned char *exact = malloc(cut + 1); /* reading beyond it is seen */
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        tleg_learngene *gene;
        assert_int_equal(tleg_learngene_parse(context, exact, cut, NULL, &gene), TLEG_ERROR_FORMAT);
        assert_null(gene);
        free(exact);
    }
    free(bytes);
}

/* A deterministic walk over spoilt headers: whatever comes of it, nothing crashes and errors have words. */
static void spoilt_headers_do_no_harm(void **state) {
    (void)state;
    struct vit_file made;
    vit_gene(&made);
    vit_key(&made, "tleg.schedule", "{\\\"qkv\\\":[[4,true]],\\\"fc1\\\":[[4,true]]}");
    vit_key(&made, "tleg.labels", "[\\\"a\\\",\\\"b\\\",\\\"c\\\",\\\"d\\\",\\\"e\\\"]");
    vit_key(&made, "tleg.mean", "0.5,0.5,0.5");
    size_t size;
    unsigned char *bytes = vit_bytes(&made, &size), *spoilt = malloc(size);
    assert_non_null(spoilt);
    uint64_t header;
    memcpy(&header, bytes, 8);
    struct tleg_random random;
    tleg_random_seed(&random, 5, 0);
    int good = 0;
    for (int k = 0; k < 4000; k++) {
        memcpy(spoilt, bytes, size);
        for (uint64_t flips = 1 + tleg_random_next(&random) % 3; flips > 0; flips--) {
            static const unsigned char likely[] = "0123456789\",:[]{}.-_ \\abeistu\xff";
            spoilt[8 + tleg_random_next(&random) % header] = likely[tleg_random_next(&random) % (sizeof likely - 1)];
        }
        tleg_learngene *gene;
        const tleg_status status = tleg_learngene_parse(context, spoilt, size, NULL, &gene);
        assert_true((status == TLEG_OK) == (gene != NULL));
        if (status != TLEG_OK)
            assert_true(strlen(tleg_context_get_error(context)) > 0);
        good += status == TLEG_OK;
        tleg_learngene_free(gene);
    }
    assert_true(good > 0 && good < 4000);
    free(bytes);
    free(spoilt);
}

static void a_bad_file_is_named(void **state) {
    (void)state;
    tleg_learngene *gene;
    const char *path = support_scratch("none.safetensors");
    assert_int_equal(tleg_learngene_open(context, path, NULL, &gene), TLEG_ERROR_NOT_FOUND);
    assert_null(gene);
    assert_non_null(strstr(tleg_context_get_error(context), path));
    const char *images = support_path("images-16", ".safetensors"); /* no learngene */
    assert_int_equal(tleg_learngene_open(context, images, NULL, &gene), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(context), images));
    assert_non_null(strstr(tleg_context_get_error(context), "missing tensor"));
    const char *schedule = support_path("schedule", ".gene.safetensors");
    assert_int_equal(tleg_learngene_open(context, schedule, OPEN_WITH(0, 7), &gene), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "heads"));
}

/* ---- writing ---- */

static void saved_and_opened_again_it_has_the_same_bits(void **state) {
    (void)state;
    const char *path = support_scratch("again.safetensors"), *second = support_scratch("second.safetensors");
    for (int k = 0; k < GOLDEN; k++) {
        tleg_learngene *gene = support_gene(context, golden[k]), *again;
        OK(context, tleg_learngene_save(context, gene, path, NULL));
        OK(context, tleg_learngene_open(context, path, NULL, &again));
        must_be_equal(gene, again);
        tleg_config a = {.struct_size = sizeof a}, b = a;
        OK(context, tleg_learngene_get_info(context, gene, &a));
        OK(context, tleg_learngene_get_info(context, again, &b));
        assert_string_equal(a.schedule, b.schedule);
        a.schedule = b.schedule = NULL;
        assert_int_equal(b.assumed, 0); /* what was taken for granted is said */
        a.assumed = 0;
        assert_memory_equal(&a, &b, sizeof a);
        OK(context, tleg_learngene_save(context, again, second, NULL)); /* byte for byte */
        size_t size, size2;
        unsigned char *bytes = support_read_file(path, &size), *bytes2 = support_read_file(second, &size2);
        assert_int_equal(size, size2);
        assert_memory_equal(bytes, bytes2, size);
        free(bytes);
        free(bytes2);
        tleg_learngene_free(gene);
        tleg_learngene_free(again);
    }
}

static void labels_and_numbers_survive_saving(void **state) {
    (void)state;
    tleg_config config = small(), info = {.struct_size = sizeof info};
    config.labels = (const char *const[]){"\xe7\x8c\xab", "\"\\/\n", "", "\x01", "e"};
    config.label_count = 5;
    config.mean[0] = 0.1, config.std[0] = config.std[1] = config.std[2] = 1.0 / 3;
    config.eps = 1.25e-7;
    config.norm = TLEG_NORM_AFTER_POOL;
    config.interpolation = TLEG_INTERPOLATION_BOX;
    config.fit = TLEG_FIT_SQUASH_FLOOR;
    config.schedule = "{\"fc2\":[[3,false],[2,true]]}";
    tleg_learngene *gene = create(&config, 1), *again;
    const char *path = support_scratch("labels.safetensors");
    OK(context, tleg_learngene_save(context, gene, path, NULL));
    OK(context, tleg_learngene_open(context, path, OPEN_WITH(0, 3), &again));
    must_be_equal(gene, again);
    OK(context, tleg_learngene_get_info(context, again, &info));
    assert_int_equal(info.label_count, 5);
    for (int k = 0; k < 5; k++)
        assert_string_equal(info.labels[k], config.labels[k]);
    assert_true(info.mean[0] == 0.1 && info.mean[1] == 0 && info.std[2] == 1.0 / 3 && info.eps == 1.25e-7);
    assert_int_equal(info.norm, TLEG_NORM_AFTER_POOL);
    assert_int_equal(info.interpolation, TLEG_INTERPOLATION_BOX);
    assert_int_equal(info.fit, TLEG_FIT_SQUASH_FLOOR);
    assert_string_equal(info.schedule, config.schedule);
    tleg_learngene_free(gene);
    tleg_learngene_free(again);
}

static void a_failed_save_leaves_the_former_file(void **state) {
    (void)state;
    tleg_config config = small();
    tleg_learngene *former = create(&config, 1), *gene = create(&config, 2);
    const char *path = support_scratch("kept.safetensors");
    OK(context, tleg_learngene_save(context, former, path, NULL));
    size_t size, size2;
    unsigned char *before = support_read_file(path, &size);
    struct counter counter;
    support_counter(&counter);
    tleg_context_options options = support_counted(&counter);
    tleg_context *counted;
    assert_int_equal(tleg_context_create(&options, &counted), TLEG_OK);
    int64_t failed = 0;
    for (tleg_status status = TLEG_ERROR_MEMORY; status != TLEG_OK; failed += status != TLEG_OK) {
        atomic_store(&counter.fail_at, atomic_load(&counter.calls) + failed + 1);
        status = tleg_learngene_save(counted, gene, path, NULL);
        assert_true(status == TLEG_OK || status == TLEG_ERROR_MEMORY);
        unsigned char *after = support_read_file(path, &size2);
        assert_int_equal(size, size2);
        assert_int_equal(memcmp(before, after, size) == 0, status != TLEG_OK);
        free(after);
    }
    assert_true(failed > 1);
    tleg_context_free(counted);
    assert_int_equal(counter.live, 0);
    assert_int_equal(counter.wrong, 0);
    assert_int_equal(tleg_learngene_save(context, gene, support_scratch("no/such/folder"), NULL), TLEG_ERROR_NOT_FOUND);
    free(before);
    tleg_learngene_free(former);
    tleg_learngene_free(gene);
}

/* ---- handles ---- */

static tleg_status use_everything(tleg_context *with, const unsigned char *bytes, size_t size) {
    tleg_learngene *gene, *fresh;
    tleg_tensor *tensor = NULL;
    tleg_config config = {.struct_size = sizeof config};
    tleg_status status = tleg_learngene_parse(with, bytes, size, NULL, &gene);
    if (status == TLEG_OK)
        status = tleg_learngene_copy_tensor(with, gene, "head.weight", &tensor);
    if (status == TLEG_OK)
        status = tleg_learngene_get_info(context, gene, &config);
    if (status == TLEG_OK) {
        status = tleg_learngene_create(with, &config, 1, &fresh);
        if (status == TLEG_OK)
            tleg_learngene_free(fresh);
        else
            assert_null(fresh);
    }
    tleg_tensor_free(tensor);
    tleg_learngene_free(gene);
    return status;
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = support_read_file(support_path("combo", ".gene.safetensors"), &size);
    tleg_status status = TLEG_ERROR_MEMORY;
    int64_t k = 0;
    while (status != TLEG_OK) {
        struct counter counter;
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        tleg_context *counted;
        assert_int_equal(tleg_context_create(&options, &counted), TLEG_OK);
        atomic_store(&counter.fail_at, atomic_load(&counter.calls) + ++k);
        status = use_everything(counted, bytes, size);
        assert_true(status == TLEG_OK || status == TLEG_ERROR_MEMORY);
        if (status == TLEG_ERROR_MEMORY)
            assert_true(strlen(tleg_context_get_error(counted)) > 0);
        tleg_context_free(counted);
        assert_int_equal(counter.live, 0);
        assert_int_equal(counter.wrong, 0);
    }
    assert_true(k > 10);
    free(bytes);
}

static void null_is_an_argument_error(void **state) {
    (void)state;
    tleg_config config = small();
    tleg_learngene *gene = create(&config, 1), *none = gene;
    tleg_tensor *tensor = (tleg_tensor *)&tensor;
    assert_int_equal(tleg_learngene_create(NULL, &config, 0, &none), TLEG_ERROR_ARGUMENT);
    assert_null(none);
    none = gene;
    assert_int_equal(tleg_learngene_create(context, NULL, 0, &none), TLEG_ERROR_ARGUMENT);
    assert_null(none);
    assert_int_equal(tleg_learngene_create(context, &config, 0, NULL), TLEG_ERROR_ARGUMENT);
    none = gene;
    assert_int_equal(tleg_learngene_open(context, NULL, NULL, &none), TLEG_ERROR_ARGUMENT);
    assert_null(none);
    assert_int_equal(tleg_learngene_open(NULL, "x", NULL, &none), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_open(context, "x", NULL, NULL), TLEG_ERROR_ARGUMENT);
    none = gene;
    assert_int_equal(tleg_learngene_parse(context, NULL, 8, NULL, &none), TLEG_ERROR_ARGUMENT);
    assert_null(none);
    assert_int_equal(tleg_learngene_parse(NULL, "", 0, NULL, &none), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_parse(context, "", 0, NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_save(NULL, gene, "x", NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_save(context, NULL, "x", NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_save(context, gene, NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_get_info(context, NULL, &config), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_get_info(context, gene, NULL), TLEG_ERROR_ARGUMENT);
    config.struct_size = 0;
    assert_int_equal(tleg_learngene_get_info(context, gene, &config), TLEG_ERROR_ARGUMENT);
    assert_null(tleg_learngene_get_tensor_name(NULL, 0));
    assert_null(tleg_learngene_get_tensor_name(gene, -1));
    assert_null(tleg_learngene_get_tensor_name(gene, INT64_MAX));
    assert_int_equal(tleg_learngene_copy_tensor(context, gene, NULL, &tensor), TLEG_ERROR_ARGUMENT);
    assert_null(tensor);
    assert_int_equal(tleg_learngene_copy_tensor(context, NULL, "norm.bias", &tensor), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_copy_tensor(context, gene, "norm.bias", NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_copy_tensor(NULL, gene, "norm.bias", &tensor), TLEG_ERROR_ARGUMENT);
    tleg_learngene_free(NULL);
    tleg_learngene_free(gene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_the_reference_comes_in_whole),
        cmocka_unit_test(segments_point_at_what_their_names_say),
        cmocka_unit_test(the_tensors_of_a_basis_stand_side_by_side),
        cmocka_unit_test(a_qkv_without_bias_has_none),
        cmocka_unit_test(other_float_types_become_f32),
        cmocka_unit_test(order_blanks_alignment_and_strangers_do_not_matter),
        cmocka_unit_test(a_mapped_file_is_the_same),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(spoilt_headers_do_no_harm),
        cmocka_unit_test(a_bad_file_is_named),
        cmocka_unit_test(saved_and_opened_again_it_has_the_same_bits),
        cmocka_unit_test(labels_and_numbers_survive_saving),
        cmocka_unit_test(a_failed_save_leaves_the_former_file),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(null_is_an_argument_error),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
